//! How a sink's state lies in device memory: what generated code and the host that reads the state agree on.

use crate::program::{Aggregate, AggregateOp, BitOp, Domain, ExprId, Fault, Pipeline, Sink, Strategy, Type, ValueType};

use super::expr::Nodes;

/// What a cell of a group keeps. Zero words are "nothing yet" for all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CellKind {
    /// A number of rows.
    Count,
    /// A sum that wraps at 64 bits, proved to fit.
    Sum,
    /// A sum in 128 bits. `narrow`: of inputs of at most 64 bits, which cannot pass it.
    Wide {
        /// Whether the inputs have at most 64 bits.
        narrow: bool,
        /// What passing 128 bits raises; passing a type of 64 bits is found by the host.
        fault: Option<Fault>,
    },
    /// A sum of floats.
    Float,
    /// The greatest order code; of the codes turned over, for the least.
    Extreme {
        /// Whether the greatest is wanted.
        most: bool,
    },
    /// The same for 128 bits: a lock, the high half, the low half.
    ExtremeWide {
        /// Whether the greatest is wanted.
        most: bool,
    },
    /// The least or greatest text: a version, an address, a length, an order code.
    ExtremeText {
        /// Whether the greatest is wanted.
        most: bool,
    },
    /// A bit for each value of a domain.
    Distinct(Domain),
    /// Bits combined; those that all values have are kept turned over, as those that one lacks.
    Bits(BitOp),
    /// A value of the group to measure from, turned over, so that it is not zero.
    Shift,
    /// Whether there was an input.
    Seen,
}

impl CellKind {
    /// 64-bit words in device memory.
    pub fn words(self) -> u32 {
        match self {
            Self::Count | Self::Sum | Self::Float | Self::Extreme { .. } | Self::Bits(_) | Self::Shift | Self::Seen => 1,
            Self::Wide { .. } => 2,
            Self::ExtremeWide { .. } => 3,
            Self::ExtremeText { .. } => 4,
            Self::Distinct(domain) => domain.size.div_ceil(64).max(1),
        }
    }

    /// 32-bit and 64-bit words of a copy in shared memory; none where it is fed in device memory alone.
    pub fn shared(self) -> Option<(u32, u32)> {
        match self {
            Self::Count | Self::Seen => Some((1, 0)),
            Self::Sum => Some((2, 0)),
            Self::Wide { narrow: true, .. } => Some((3, 0)),
            Self::Wide { narrow: false, .. } => Some((5, 0)),
            Self::Float | Self::Extreme { .. } | Self::Bits(_) => Some((0, 1)),
            Self::ExtremeWide { .. } | Self::ExtremeText { .. } | Self::Distinct(_) | Self::Shift => None,
        }
    }
}

/// One cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    /// What it keeps.
    pub kind: CellKind,
    /// Of which aggregate; none: the rows of the group.
    pub aggregate: Option<usize>,
    /// Its first word among the group's.
    pub offset: u32,
    /// Its first word in shared memory, among the 32-bit or the 64-bit words.
    pub shared: u32,
}

/// What tells whether an aggregate had an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// It is never NULL, or shows it itself.
    Always,
    /// The group has a row: any group but that of no keys, which has a cell of its rows.
    Group,
    /// Another cell.
    Cell(usize),
}

/// All that a group keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cells {
    /// The cells.
    pub cells: Vec<Cell>,
    /// 64-bit words of all of them.
    pub words: u32,
    /// 32-bit words of a copy in shared memory.
    pub shared_32: u32,
    /// 64-bit words of a copy in shared memory.
    pub shared_64: u32,
    /// The cell that counts rows, where there is one.
    pub rows: Option<usize>,
    /// For each aggregate its cell, and what tells whether it had an input.
    pub aggregates: Vec<(usize, Seen)>,
}

impl Cells {
    fn new(nodes: &Nodes, aggregates: &[Aggregate], count_rows: bool) -> Self {
        let mut all = Self { cells: vec![], words: 0, shared_32: 0, shared_64: 0, rows: None, aggregates: vec![] };
        if count_rows {
            all.rows = Some(all.push(CellKind::Count, None));
        }
        for (at, aggregate) in aggregates.iter().enumerate() {
            if let AggregateOp::Deviations { with } = aggregate.op {
                // The count, then the values to measure from, the sums of distances, and the sum of products.
                let inputs = 1 + usize::from(with.is_some());
                let count = all.push(CellKind::Count, Some(at));
                for kind in [CellKind::Shift; 2].into_iter().take(inputs).chain([CellKind::Float; 3].into_iter().take(inputs + 1))
                {
                    all.push(kind, Some(at));
                }
                all.aggregates.push((count, Seen::Cell(count)));
                continue;
            }
            let nullable = aggregate.input.is_some_and(|input| nodes.ty(input).nullable);
            let every = aggregate.filter.is_none() && !nullable;
            let input = aggregate.input.map_or(Type::I64, |input| nodes.ty(input).ty);
            let wide = input == Type::I128;
            let kind = match aggregate.op {
                AggregateOp::Count => CellKind::Count,
                AggregateOp::Sum { ty: Type::F64, .. } => CellKind::Float,
                AggregateOp::Sum { ty: Type::I64, fault: None } => CellKind::Sum,
                AggregateOp::Sum { fault, .. } => CellKind::Wide { narrow: !wide, fault },
                AggregateOp::Min if input == Type::Text => CellKind::ExtremeText { most: false },
                AggregateOp::Max if input == Type::Text => CellKind::ExtremeText { most: true },
                AggregateOp::Min if wide => CellKind::ExtremeWide { most: false },
                AggregateOp::Max if wide => CellKind::ExtremeWide { most: true },
                AggregateOp::Min => CellKind::Extreme { most: false },
                AggregateOp::Max => CellKind::Extreme { most: true },
                AggregateOp::CountDistinct(domain) | AggregateOp::SumDistinct(domain) => CellKind::Distinct(domain),
                AggregateOp::Bits(op) => CellKind::Bits(op),
                AggregateOp::Deviations { .. } => continue,
            };
            if let (CellKind::Count, true, Some(rows)) = (kind, every, all.rows) {
                all.aggregates.push((rows, Seen::Always));
                continue;
            }
            let cell = all.push(kind, Some(at));
            let seen = match kind {
                CellKind::Count | CellKind::Distinct(_) => Seen::Always,
                CellKind::Sum
                | CellKind::Wide { .. }
                | CellKind::Float
                | CellKind::Extreme { .. }
                | CellKind::ExtremeWide { .. }
                | CellKind::ExtremeText { .. }
                | CellKind::Bits(_)
                | CellKind::Shift
                | CellKind::Seen => {
                    if every {
                        Seen::Group
                    } else {
                        Seen::Cell(all.push(CellKind::Seen, Some(at)))
                    }
                }
            };
            all.aggregates.push((cell, seen));
        }
        all
    }

    fn push(&mut self, kind: CellKind, aggregate: Option<usize>) -> usize {
        let (narrow, wide) = kind.shared().unwrap_or((0, 0));
        let shared = if wide > 0 { self.shared_64 } else { self.shared_32 };
        self.cells.push(Cell { kind, aggregate, offset: self.words, shared });
        self.words += kind.words();
        self.shared_32 += narrow;
        self.shared_64 += wide;
        self.cells.len() - 1
    }
}

/// Where the keys of a group are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// One group without keys.
    Single,
    /// The group's number says its keys: for each key its type, its domain and how many numbers it takes.
    Dense {
        /// The keys.
        keys: Vec<(ValueType, Domain, u32)>,
        /// How many groups.
        groups: u32,
    },
    /// All in 63 bits of the slot's tag: for each key its type and its first bit; a NULL's bit follows the value's.
    Packed {
        /// The keys.
        keys: Vec<(ValueType, u32)>,
    },
    /// In words behind the slot's tag: a word of NULL bits where a key can be NULL, then one or two for each key.
    Wide {
        /// The keys.
        keys: Vec<ValueType>,
        /// All their words.
        words: u32,
    },
}

/// One column of rows that a kernel writes: an array of values, and one of bytes that say NULL.
pub type Stored = ValueType;

/// What a sink's state is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Groups.
    Groups {
        /// How they are found.
        place: Place,
        /// What each keeps.
        cells: Cells,
    },
    /// Rows, column by column; of a top-k the order's keys first.
    Rows {
        /// The columns.
        columns: Vec<Stored>,
    },
    /// A bit for each row of the source.
    Bitmap,
    /// A bit for each row of another source.
    Marked,
}

impl State {
    /// The state of a pipeline's sink.
    pub fn new(pipeline: &Pipeline, nodes: &Nodes) -> Self {
        let stored = |ids: &[ExprId]| ids.iter().map(|id| nodes.ty(*id)).collect::<Vec<_>>();
        match &pipeline.sink {
            Sink::Materialize { columns } => Self::Rows { columns: stored(columns) },
            Sink::TopK { order, columns, .. } => {
                let keys: Vec<ExprId> = order.iter().map(|key| key.expr).collect();
                Self::Rows { columns: [stored(&keys), stored(columns)].concat() }
            }
            Sink::Bitmap => Self::Bitmap,
            Sink::Mark { .. } => Self::Marked,
            Sink::Group { keys, aggregates, strategy } => {
                let types: Vec<ValueType> = keys.iter().map(|key| nodes.ty(key.expr)).collect();
                let place = match strategy {
                    Strategy::Single => Place::Single,
                    Strategy::Dense => {
                        let none = Domain { low: 0, size: 0 };
                        let each = keys.iter().zip(&types).map(|(key, ty)| {
                            let domain = key.domain.unwrap_or(none);
                            (*ty, domain, domain.size + u32::from(ty.nullable))
                        });
                        let keys: Vec<_> = each.collect();
                        let groups = keys.iter().map(|key| key.2).product();
                        Place::Dense { keys, groups }
                    }
                    Strategy::Hash => hashed(types),
                };
                let cells = Cells::new(nodes, aggregates, *strategy != Strategy::Hash);
                Self::Groups { place, cells }
            }
        }
    }
}

impl State {
    /// Whether it keeps references to texts.
    pub fn has_texts(&self) -> bool {
        match self {
            Self::Groups { place, cells } => !reference_words(place, cells).is_empty(),
            Self::Rows { columns } => columns.iter().any(|column| column.ty == Type::Text),
            Self::Bitmap | Self::Marked => false,
        }
    }

    /// Whether the more rows come the more room it takes.
    pub fn needs_room(&self) -> bool {
        match self {
            Self::Groups { place, .. } => matches!(place, Place::Packed { .. } | Place::Wide { .. }),
            Self::Rows { .. } => true,
            Self::Bitmap | Self::Marked => false,
        }
    }
}

/// Of a group's words those that begin a reference to a text: an address, behind which is the length. The address 0 is none.
pub fn reference_words(place: &Place, cells: &Cells) -> Vec<u32> {
    let mut found: Vec<u32> = place.text_words().iter().map(|word| 1 + word).collect();
    let extremes = cells.cells.iter().filter(|cell| matches!(cell.kind, CellKind::ExtremeText { .. }));
    found.extend(extremes.map(|cell| place.head() + cell.offset + 1));
    found
}

impl Place {
    /// Of the words of a slot's keys those that begin a text.
    pub fn text_words(&self) -> Vec<u32> {
        let Self::Wide { keys, .. } = self else { return vec![] };
        let mut at = u32::from(keys.iter().any(|key| key.nullable));
        let mut found = Vec::new();
        for key in keys {
            if key.ty == Type::Text {
                found.push(at);
            }
            at += key.ty.bits().div_ceil(64);
        }
        found
    }

    /// 64-bit words of a slot or state before its cells.
    pub fn head(&self) -> u32 {
        match self {
            Self::Single | Self::Dense { .. } => 0,
            Self::Packed { .. } => 1,
            Self::Wide { words, .. } => 1 + words,
        }
    }
}

fn hashed(types: Vec<ValueType>) -> Place {
    let bits: u32 = types.iter().map(|ty| ty.ty.bits() + u32::from(ty.nullable)).sum();
    if bits <= 63 {
        let mut at = 0;
        let keys = types.into_iter().map(|ty| {
            let first = at;
            at += ty.ty.bits() + u32::from(ty.nullable);
            (ty, first)
        });
        return Place::Packed { keys: keys.collect() };
    }
    let flags = u32::from(types.iter().any(|ty| ty.nullable));
    let words = flags + types.iter().map(|ty| ty.ty.bits().div_ceil(64)).sum::<u32>();
    Place::Wide { keys: types, words }
}
