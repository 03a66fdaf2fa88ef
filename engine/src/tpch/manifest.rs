//! The last file of a generation, which says that all others are there and whole.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use serde_json::{Value, json};

use super::scale::Scale;
use super::schema::TABLES;

/// The file's name: hidden, so that nobody takes it for a table.
pub(super) const NAME: &str = ".tpch.json";
/// Rises whenever the same scale would be written in another way.
const FORMAT: u64 = 1;

/// One file of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataFile {
    /// Its path inside the folder.
    pub path: String,
    /// Its size in bytes.
    pub bytes: u64,
}

/// What was generated of one table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableFiles {
    /// The table's name.
    pub name: String,
    /// How many rows it has.
    pub rows: u64,
    /// The files that hold them.
    pub files: Vec<DataFile>,
}

/// What a folder of generated tables holds.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// The scale factor.
    pub scale: Scale,
    /// The eight tables.
    pub tables: Vec<TableFiles>,
}

impl Manifest {
    /// Reads a folder's manifest. None where there is none, where it is not of this format, or where a file
    /// that it names is missing or has another size.
    pub fn read(folder: &Path) -> Option<Self> {
        let text = fs::read_to_string(folder.join(NAME)).ok()?;
        let manifest = Self::parse(&text)?;
        let files = manifest.tables.iter().flat_map(|table| &table.files);
        let mut sizes = files.map(|file| fs::metadata(folder.join(&file.path)).is_ok_and(|found| found.len() == file.bytes));
        sizes.all(|right| right).then_some(manifest)
    }

    /// Rows of all tables together.
    pub fn rows(&self) -> u64 {
        self.tables.iter().map(|table| table.rows).sum()
    }

    /// Bytes of all files together.
    pub fn bytes(&self) -> u64 {
        self.tables.iter().flat_map(|table| &table.files).map(|file| file.bytes).sum()
    }

    fn parse(text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        if value.get("format")?.as_u64()? != FORMAT {
            return None;
        }
        let scale = value.get("scale")?.as_str()?.parse().ok()?;
        let tables: Vec<TableFiles> = value.get("tables")?.as_array()?.iter().map(table).collect::<Option<_>>()?;
        let all_there =
            TABLES.iter().all(|wanted| tables.iter().any(|table| table.name == wanted.name && !table.files.is_empty()));
        all_there.then_some(Self { scale, tables })
    }

    fn text(&self) -> String {
        let file = |file: &DataFile| json!({ "path": file.path, "bytes": file.bytes });
        let table = |table: &TableFiles| {
            let files: Vec<Value> = table.files.iter().map(file).collect();
            json!({ "name": table.name, "rows": table.rows, "files": files })
        };
        let tables: Vec<Value> = self.tables.iter().map(table).collect();
        let value = json!({ "format": FORMAT, "scale": self.scale.to_string(), "tables": tables });
        format!("{value:#}\n")
    }

    /// Writes it, down to the disk.
    pub(super) fn write(&self, folder: &Path) -> std::io::Result<()> {
        let mut file = File::create(folder.join(NAME))?;
        file.write_all(self.text().as_bytes())?;
        file.sync_all()
    }
}

fn table(value: &Value) -> Option<TableFiles> {
    let file = |value: &Value| {
        let path = value.get("path")?.as_str()?.to_owned();
        Some(DataFile { path, bytes: value.get("bytes")?.as_u64()? })
    };
    let name = value.get("name")?.as_str()?.to_owned();
    let files = value.get("files")?.as_array()?.iter().map(file).collect::<Option<_>>()?;
    Some(TableFiles { name, rows: value.get("rows")?.as_u64()?, files })
}

/// Whether `folder` holds all eight tables whole, at that scale.
pub fn is_complete(folder: &Path, scale: Scale) -> bool {
    Manifest::read(folder).is_some_and(|manifest| manifest.scale == scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_parses_back() {
        let table = |name: &str| TableFiles {
            name: name.to_owned(),
            rows: 25,
            files: vec![DataFile { path: format!("{name}.parquet"), bytes: 7 }],
        };
        let manifest = Manifest { scale: Scale::ONE, tables: TABLES.iter().map(|t| table(t.name)).collect() };
        assert_eq!(Manifest::parse(&manifest.text()), Some(manifest.clone()));
        assert_eq!((manifest.rows(), manifest.bytes()), (200, 56));
        let fewer = Manifest { scale: Scale::ONE, tables: manifest.tables[1..].to_vec() };
        assert_eq!(Manifest::parse(&fewer.text()), None);
    }

    #[test]
    fn other_files_are_not_taken_for_one() {
        for text in
            ["", "{}", "[]", "{\"format\":0}", "{\"format\":1,\"scale\":\"1\",\"tables\":[]}", "{\"format\":1,\"scale\":1}"]
        {
            assert_eq!(Manifest::parse(text), None, "{text}");
        }
    }
}
