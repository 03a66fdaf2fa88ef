//! Text under construction: lines with indentation, and the headers that it needs.

use std::collections::BTreeSet;

/// A header of `gpu/kernels`, in the order in which they may stand: each uses only those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Header {
    /// Types and memory order.
    Prelude,
    /// Tiles and columns.
    Scan,
    /// References to texts.
    Text,
    /// Comparisons.
    Filter,
    /// Arithmetic.
    Project,
    /// 128-bit arithmetic.
    Decimal,
    /// Casts.
    Convert,
    /// Functions of floats.
    Math,
    /// Dates.
    Date,
    /// Tables of a run.
    Table,
    /// Indexes of a run.
    Join,
    /// Those of texts.
    JoinText,
    /// Reductions of a block.
    Reduce,
    /// Places of rows that stay.
    Compact,
    /// Values as ordered numbers.
    Order,
    /// Cells of groups.
    Aggregate,
    /// Groups by hash.
    HashTable,
    /// Marks of rows.
    Bitmap,
    /// Thresholds.
    TopK,
    /// What sinks keep of texts.
    TextState,
}

impl Header {
    /// Its text, without the comment at its head, which is for who reads the file.
    fn text(self) -> &'static str {
        match self {
            Self::Prelude => include_str!("../../../kernels/prelude.cuh"),
            Self::Scan => include_str!("../../../kernels/scan.cuh"),
            Self::Text => include_str!("../../../kernels/text.cuh"),
            Self::Filter => include_str!("../../../kernels/filter.cuh"),
            Self::Project => include_str!("../../../kernels/project.cuh"),
            Self::Decimal => include_str!("../../../kernels/decimal.cuh"),
            Self::Convert => include_str!("../../../kernels/convert.cuh"),
            Self::Math => include_str!("../../../kernels/math.cuh"),
            Self::Date => include_str!("../../../kernels/date.cuh"),
            Self::Table => include_str!("../../../kernels/table.cuh"),
            Self::Join => include_str!("../../../kernels/join.cuh"),
            Self::JoinText => include_str!("../../../kernels/join_text.cuh"),
            Self::Reduce => include_str!("../../../kernels/reduce.cuh"),
            Self::Compact => include_str!("../../../kernels/compact.cuh"),
            Self::Order => include_str!("../../../kernels/order.cuh"),
            Self::Aggregate => include_str!("../../../kernels/aggregate.cuh"),
            Self::HashTable => include_str!("../../../kernels/hash_table.cuh"),
            Self::Bitmap => include_str!("../../../kernels/bitmap.cuh"),
            Self::TopK => include_str!("../../../kernels/top_k.cuh"),
            Self::TextState => include_str!("../../../kernels/text_state.cuh"),
        }
    }

    /// What it is built on.
    fn needs(self) -> &'static [Self] {
        match self {
            Self::Prelude => &[],
            Self::Scan
            | Self::Filter
            | Self::Project
            | Self::Date
            | Self::Table
            | Self::Join
            | Self::Reduce
            | Self::Compact
            | Self::HashTable
            | Self::Bitmap
            | Self::TopK => &[Self::Prelude],
            Self::Text => &[Self::Scan],
            Self::JoinText => &[Self::Text, Self::Join],
            Self::TextState => &[Self::Text, Self::HashTable],
            Self::Decimal => &[Self::Project],
            Self::Convert | Self::Math => &[Self::Project],
            Self::Order => &[Self::Decimal, Self::Convert],
            Self::Aggregate => &[Self::Decimal],
        }
    }
}

/// Code in the making.
#[derive(Debug, Default)]
pub struct Writer {
    text: String,
    depth: usize,
    headers: BTreeSet<Header>,
}

impl Writer {
    /// Asks for a header, and for those that it needs.
    pub fn need(&mut self, header: Header) {
        if self.headers.insert(header) {
            for other in header.needs() {
                self.need(*other);
            }
        }
    }

    /// A line.
    pub fn line(&mut self, text: impl AsRef<str>) {
        let text = text.as_ref();
        if !text.is_empty() {
            (0..self.depth).for_each(|_| self.text.push_str("    "));
            self.text.push_str(text);
        }
        self.text.push('\n');
    }

    /// A line that opens a block.
    pub fn open(&mut self, text: impl AsRef<str>) {
        self.line(format!("{} {{", text.as_ref()));
        self.depth += 1;
    }

    /// The end of a block.
    pub fn close(&mut self) {
        self.depth -= 1;
        self.line("}");
    }

    /// The whole text: headers, then what was written. `golden` names the headers instead of quoting them.
    pub fn finish(self) -> (String, String) {
        let mut whole = String::new();
        let mut short = String::new();
        for header in self.headers {
            let name = format!("{header:?}");
            short.push_str(&format!("// kernels/{}.cuh\n", snake(&name)));
            whole.push_str(header.text());
            whole.push('\n');
        }
        short.push('\n');
        whole.push_str(&self.text);
        short.push_str(&self.text);
        (whole, short)
    }
}

fn snake(name: &str) -> String {
    let mut out = String::new();
    for (at, letter) in name.char_indices() {
        if letter.is_ascii_uppercase() && at > 0 {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_have_the_names_of_their_files() {
        assert_eq!(snake("TopK"), "top_k");
        assert_eq!(snake("Prelude"), "prelude");
    }
}
