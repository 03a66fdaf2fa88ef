//! Machine code for the processor, by Cranelift.
//!
//! A pipeline becomes a handful of small loops over a list of rows (16-bit numbers within a block of at most
//! [`BLOCK`] rows): filters, which shorten the list, then the loops of the sink. Between
//! them the worker (`device/cpu`) calls what vector instructions do better: tests of columns, lists from masks, splitting
//! a block by group, fetching a hash table's places ahead.
//!
//! [`BLOCK`]: crate::primitive::select::BLOCK

mod aggregate;
pub mod context;
mod expr;
mod function;
pub mod group;
pub mod layout;
pub mod mask;
mod math;
mod module;
mod number;
mod rows;
mod scalar;
mod statement;
pub mod stepwise;
pub mod string;
pub mod warm_up;

use context::RowLoop;
use layout::{KeyLayout, RowLayout, Seen, Slot, SlotOp, StateLayout};
use mask::Test;
use module::{Builder, Functions};
use stepwise::Stepwise;
use string::TextTest;

use self::function::{Loop, Scope};
use crate::codegen::analysis::Facts;
use crate::error::{Error, Result};
use crate::primitive::totals::Width;
use crate::primitive::{histogram, split};
use crate::program::statement::depths;
use crate::program::{Expr, ExprId, IndexId, Key, Pipeline, Sink, Strategy, TableId, Type, ValueType};

/// A pipeline's loops, and what else a worker needs to know.
pub struct Code {
    functions: Functions,
    /// What vector instructions test before the first loop.
    pub test: Option<Test>,
    /// The ways to the sink, each what leaves the rows which pass.
    pub chains: Vec<Vec<FilterCode>>,
    /// How often at most a row of the last filter's list reaches the sink.
    pub emits: usize,
    /// How many loops over numbers are around one another at most.
    pub depth: usize,
    /// How many lists of kept values there are.
    pub kept: usize,
    /// What takes the rows.
    pub sink: SinkCode,
}

/// Memory that the loops behind read at places that depend on the row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Far {
    /// The slots of an index.
    Index(IndexId),
    /// The elements of a table.
    Table(TableId),
}

impl Far {
    fn of(pipeline: &Pipeline, id: ExprId) -> Self {
        match *pipeline.expr(id) {
            Expr::Probe { index, .. } => Self::Index(index),
            Expr::Lookup { table, .. } => Self::Table(table),
            ref other => unreachable!("{other:?} reads no memory of the run"),
        }
    }
}

/// A filter of a list of rows.
#[derive(Clone)]
pub enum FilterCode {
    /// A loop.
    Loop(RowLoop),
    /// A test of stored texts.
    Text(TextTest),
    /// A loop over numbers, which returns before it is done where its list is full.
    Numbers {
        /// The loop.
        run: RowLoop,
        /// Whether the rows that it leaves have a number more.
        deeper: bool,
    },
    /// A loop that says which places will be read. It leaves all rows.
    Far {
        /// The loop.
        run: RowLoop,
        /// Places of what, a list of the context for each.
        places: Vec<Far>,
    },
    /// A loop that keeps what it finds for every row. It leaves all rows.
    Keep(RowLoop),
}

/// The loops of a sink.
pub enum SinkCode {
    /// Columns, a value after another.
    Materialize {
        /// The loop.
        write: RowLoop,
        /// The columns' types.
        columns: Vec<ValueType>,
    },
    /// A bit for each row of the source: no loop at all.
    Bitmap,
    /// A byte for each row of another source.
    Mark {
        /// The loop.
        write: RowLoop,
    },
    /// One state.
    Single {
        /// The loop.
        fold: RowLoop,
        /// The state.
        state: StateLayout,
    },
    /// A state for each combination of keys.
    Dense {
        /// The loop over all rows.
        fold: RowLoop,
        /// Where there are few groups: the loop over the rows of one, with the group's state in registers.
        split: Option<RowLoop>,
        /// Where there are few groups: what vector instructions add to every slot of the state, for all rows of a block at once.
        totals: Option<Vec<Total>>,
        /// Where rows alone are counted: how vector instructions number them by group.
        counted: Option<Vec<Counted>>,
        /// The loop that numbers rows by group; `None` where all keys are digits, which need no loop.
        number: Option<RowLoop>,
        /// The state.
        state: StateLayout,
        /// The keys, with their types and how many numbers each takes.
        keys: Vec<(Key, ValueType, u64)>,
        /// How many states.
        groups: usize,
        /// How many copies of each lie side by side, a power of two. Rows take the copies in turn: otherwise a row would wait for
        /// what the row before has just written, where both are of one group.
        lanes: usize,
    },
    /// A hash table.
    Hash {
        /// The loop that packs keys and finds places.
        homes: RowLoop,
        /// The loop that finds entries and folds.
        fold: RowLoop,
        /// The keys.
        keys: KeyLayout,
        /// The state behind them.
        state: StateLayout,
    },
    /// The first rows.
    TopK {
        /// The loop.
        write: RowLoop,
        /// How a row lies.
        row: RowLayout,
        /// How many at most.
        limit: u64,
        /// What tells early that a row is not among them.
        near: Option<Near>,
    },
}

/// A column that the order begins with: what is farther than the worst row kept so far is not looked at.
#[derive(Debug, Clone, Copy)]
pub struct Near {
    /// The column, of integers without NULLs.
    pub column: u32,
    /// Its type.
    pub ty: Type,
    /// Whether the greatest come first.
    pub descending: bool,
    /// Where its value lies in the first word of a row's order.
    shift: u32,
}

impl Near {
    /// Only where nothing can raise a fault: a row that is passed over would not raise it.
    fn of(pipeline: &Pipeline, facts: &Facts, row: &RowLayout) -> Option<Self> {
        use crate::program::{ColumnId, Expr};
        let first = row.order.first()?;
        let Expr::Column(ColumnId(column)) = *pipeline.expr(first.order.expr) else { return None };
        let ty = first.ty.ty;
        let plain = first.null.is_none() && first.word == 0 && ty != Type::Bool && ty.range().is_some() && ty.bits() <= 64;
        let harmless = (0..pipeline.exprs.len()).all(|at| !facts.can_fault(ExprId(at as u32)));
        (plain && harmless).then_some(Self { column, ty, descending: first.order.descending, shift: first.shift })
    }

    /// What a value of the column lies in that may be among the first, given the first word of the worst row that is kept.
    pub fn range(&self, worst: u64) -> (i128, i128) {
        let (least, greatest) = self.ty.range().unwrap_or((i128::MIN, i128::MAX));
        let bits = self.ty.bits();
        let mask = if bits == 64 { u64::MAX } else { (1 << bits) - 1 };
        let mut place = worst >> self.shift & mask;
        if self.descending {
            place ^= mask;
        }
        // Numbers with a sign are ordered with the sign flipped, which counts from the least.
        let value = least + i128::from(place);
        if self.descending { (value, greatest) } else { (least, value) }
    }
}

impl SinkCode {
    /// Whether what it gathers refers to texts of columns, which then have to stay until the run ends.
    pub fn keeps_texts(&self) -> bool {
        let state = |state: &StateLayout| {
            state.slots.iter().any(|slot| matches!(slot.op, SlotOp::Least(Type::Text) | SlotOp::Greatest(Type::Text)))
        };
        match self {
            Self::Materialize { columns, .. } => columns.iter().any(|column| column.ty == Type::Text),
            Self::Bitmap | Self::Mark { .. } => false,
            Self::Single { state: of, .. } | Self::Dense { state: of, .. } => state(of),
            Self::Hash { keys, state: of, .. } => state(of) || keys.fields.iter().any(|field| field.ty.ty == Type::Text),
            Self::TopK { row, .. } => {
                let order = row.order.iter().any(|field| field.ty.ty == Type::Text);
                order || row.columns.iter().any(|column| column.ty.ty == Type::Text)
            }
        }
    }
}

/// What a slot of a group's state takes of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Total {
    /// How many rows the group has.
    Rows,
    /// The sum of a column.
    Sum {
        /// Which.
        column: u32,
        /// How it is stored.
        width: Width,
    },
}

impl Total {
    /// What a slot takes, where vector instructions can tell.
    fn of(pipeline: &Pipeline, facts: &Facts, slot: &Slot) -> Option<Self> {
        if slot.filter.is_some() || matches!(slot.seen, Seen::Flag(_)) || slot.input.is_some_and(|id| facts.ty(id).nullable) {
            return None;
        }
        match (slot.op, slot.input.map(|id| (pipeline.expr(id), facts.ty(id).ty))) {
            (SlotOp::Rows, _) => Some(Self::Rows),
            (SlotOp::Sum64, Some((Expr::Column(column), ty))) => {
                let width = match ty {
                    Type::I8 => Width::I8,
                    Type::U8 => Width::U8,
                    Type::I16 => Width::I16,
                    Type::U16 => Width::U16,
                    Type::I32 => Width::I32,
                    Type::U32 => Width::U32,
                    Type::Bool | Type::I64 | Type::I128 | Type::F32 | Type::F64 | Type::Text => return None,
                };
                Some(Self::Sum { column: column.0, width })
            }
            (_, _) => None,
        }
    }
}

impl Code {
    /// Compiles a pipeline.
    pub fn compile(pipeline: &Pipeline) -> Result<Self> {
        Self::generate(pipeline, false)
    }

    fn generate(pipeline: &Pipeline, with_text: bool) -> Result<Self> {
        let facts = Facts::of(pipeline).map_err(Error::Invalid)?;
        let shape = statement::Shape::of(pipeline, &facts);
        let mut builder = Builder::new(with_text)?;
        let (mut chains, mut filters) = (vec![], 0);
        for chain in &shape.chains {
            let (mut parts, mut kept) = (vec![], 0);
            for (filter, depth) in &chain.filters {
                let scope = Scope { pipeline, facts: &facts, kept: &chain.kept[..kept] };
                let (name, roots) = match filter {
                    statement::Filter::Text(test) => {
                        parts.push(Part::Text(*test));
                        continue;
                    }
                    statement::Filter::Conditions(conditions) => ("filter", conditions.clone()),
                    statement::Filter::Numbers(head) => {
                        ("numbers", [head.from, head.to].into_iter().chain(head.condition).collect())
                    }
                    statement::Filter::Body => ("filter", conditions(&pipeline.body)),
                    statement::Filter::Far(nodes) => ("far", nodes.clone()),
                    statement::Filter::Keep(id, _) => {
                        kept += 1;
                        ("keep", vec![*id])
                    }
                };
                let code = builder.define(&format!("{name}{filters}"), |b, imports, config| {
                    statement::write(Loop::open(b, scope, imports, &roots), filter, *depth, config);
                })?;
                filters += 1;
                parts.push(match filter {
                    statement::Filter::Numbers(head) => Part::Numbers(code, head.kind.has_current()),
                    statement::Filter::Far(nodes) => Part::Far(code, nodes.iter().map(|id| Far::of(pipeline, *id)).collect()),
                    statement::Filter::Keep(..) => Part::Keep(code),
                    _ => Part::Loop(code),
                });
            }
            chains.push(parts);
        }
        let plan = Plan::of(pipeline, &facts)?;
        let mut loops = vec![];
        let kept = match &shape.chains[..] {
            [chain] => &chain.kept[..],
            _ => &[],
        };
        plan.define(Scope { pipeline, facts: &facts, kept }, &mut builder, &mut loops)?;
        let functions = builder.finish()?;
        let code = |part: &Part| match part {
            Part::Loop(at) => FilterCode::Loop(functions.get(*at)),
            Part::Text(test) => FilterCode::Text(*test),
            Part::Numbers(at, deeper) => FilterCode::Numbers { run: functions.get(*at), deeper: *deeper },
            Part::Far(at, places) => FilterCode::Far { run: functions.get(*at), places: places.clone() },
            Part::Keep(at) => FilterCode::Keep(functions.get(*at)),
        };
        let chains = chains.iter().map(|parts: &Vec<Part>| parts.iter().map(code).collect()).collect();
        let depth = depths(&pipeline.body).values().map(|depth| depth + 1).max().unwrap_or(0);
        let loops: Vec<RowLoop> = loops.into_iter().map(|at| functions.get(at)).collect();
        let kept = kept.len();
        Ok(Self { test: shape.test, chains, emits: shape.emits, depth, kept, sink: plan.complete(&loops), functions })
    }

    /// A pipeline's code as Cranelift's text.
    pub fn text(pipeline: &Pipeline) -> Result<String> {
        Ok(Self::generate(pipeline, true)?.functions.text.clone())
    }
}

impl std::fmt::Debug for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Code").field("test", &self.test).field("chains", &self.chains.len()).finish_non_exhaustive()
    }
}

/// A filter, before its code is finished: the numbers of functions.
enum Part {
    Loop(usize),
    Text(TextTest),
    Numbers(usize, bool),
    Far(usize, Vec<Far>),
    Keep(usize),
}

/// A sink, before its loops are compiled.
enum Plan<'a> {
    Materialize(&'a [ExprId], Vec<ValueType>),
    Bitmap,
    Mark(ExprId),
    Single(StateLayout),
    Dense {
        keys: Vec<(Key, ValueType, u64)>,
        state: StateLayout,
        groups: usize,
        lanes: usize,
        few: bool,
        totals: Option<Vec<Total>>,
        counted: Option<Vec<Counted>>,
        computed: bool,
    },
    Hash(KeyLayout, StateLayout),
    TopK(RowLayout, u64, Option<Near>),
}

/// The most bytes of state that a dense group may take for a worker.
const DENSE_BYTES: u64 = 1 << 30;
/// Parts of a state that are folded where they lie, without splitting blocks by group.
const FEW_SLOTS: usize = 2;
/// Copies of the states of a dense group, where they are small.
const LANES: usize = 4;
/// Up to so many bytes of states there are copies: together they are to stay in a core's first cache.
const LANE_BYTES: u64 = 8 << 10;
/// The most bytes of one entry of a hash table.
const ENTRY_BYTES: u64 = 1 << 17;

fn within(bytes: u64, most: u64, otherwise: &str) -> Result<()> {
    if bytes <= most { Ok(()) } else { Err(Error::Unsupported(otherwise.to_owned())) }
}

impl<'a> Plan<'a> {
    fn of(pipeline: &'a Pipeline, facts: &Facts) -> Result<Self> {
        Ok(match &pipeline.sink {
            Sink::Materialize { columns } => Self::Materialize(columns, columns.iter().map(|id| facts.ty(*id)).collect()),
            Sink::Bitmap => Self::Bitmap,
            Sink::Mark { at, .. } => Self::Mark(*at),
            Sink::TopK { order, columns, limit } => {
                let row = RowLayout::of(order, columns, facts);
                let near = Near::of(pipeline, facts, &row);
                Self::TopK(row, *limit, near)
            }
            Sink::Group { keys, aggregates, strategy } => match strategy {
                Strategy::Single => {
                    let state = StateLayout::of(aggregates, facts, true, false);
                    within(state.size as u64, DENSE_BYTES, "the state of an aggregate is too large")?;
                    Self::Single(state)
                }
                Strategy::Dense => {
                    let state = StateLayout::of(aggregates, facts, false, false);
                    let keys: Vec<_> = keys
                        .iter()
                        .map(|key| {
                            let ty = facts.ty(key.expr);
                            (key.clone(), ty, group::numbers(key, ty.nullable))
                        })
                        .collect();
                    let groups = keys.iter().fold(1u64, |all, (_, _, count)| all.saturating_mul(*count));
                    within(groups.saturating_mul(state.size as u64), DENSE_BYTES, "the states of a dense group are too large")?;
                    // To list rows costs more than to fold two numbers where they lie; counts alone are those of the lists.
                    let counts = state.slots.iter().all(|slot| slot.input.is_none() && slot.filter.is_none());
                    let few = groups <= split::GROUPS as u64 && (counts || state.slots.len() > FEW_SLOTS);
                    let totals = (groups <= split::GROUPS as u64)
                        .then(|| state.slots.iter().map(|slot| Total::of(pipeline, facts, slot)).collect::<Option<_>>())
                        .flatten();
                    let only_rows = matches!(&state.slots[..], [slot] if slot.op == SlotOp::Rows && slot.filter.is_none());
                    let few_numbers = keys.iter().all(|(_, _, count)| *count <= histogram::NUMBERS);
                    let counted = (only_rows && state.size == 8 && few_numbers && groups <= u32::MAX.into())
                        .then(|| keys.iter().map(|(key, ty, _)| Counted::of(pipeline, facts, key, *ty)).collect::<Option<_>>())
                        .flatten();
                    let computed = keys.iter().any(|(key, ty, _)| Digits::of(pipeline, key, *ty).is_none());
                    let lanes = if groups * state.size as u64 <= LANE_BYTES { LANES } else { 1 };
                    Self::Dense { keys, state, groups: groups as usize, lanes, few, totals, counted, computed }
                }
                Strategy::Hash => {
                    let state = StateLayout::of(aggregates, facts, false, true);
                    let keys: Vec<ExprId> = keys.iter().map(|key| key.expr).collect();
                    let keys = KeyLayout::of(&keys, facts);
                    let entry = (keys.words * 8 + state.size) as u64;
                    within(entry, ENTRY_BYTES, "the state of a group is too large for a hash table")?;
                    Self::Hash(keys, state)
                }
            },
        })
    }

    fn define(&self, scope: Scope<'_>, builder: &mut Builder, loops: &mut Vec<usize>) -> Result<()> {
        let of_state = |state: &StateLayout| -> Vec<ExprId> {
            state.slots.iter().flat_map(|slot| slot.input.into_iter().chain(slot.filter).chain(slot.op.second())).collect()
        };
        match self {
            Self::Materialize(columns, _) => {
                loops.push(builder.define("materialize", |b, imports, config| {
                    rows::write_materialize(Loop::open(b, scope, imports, columns), columns, config);
                })?);
            }
            Self::Bitmap => {}
            Self::Mark(at) => {
                loops.push(builder.define("mark", |b, imports, config| {
                    rows::write_mark(Loop::open(b, scope, imports, &[*at]), *at, config);
                })?);
            }
            Self::Single(state) => {
                loops.push(builder.define("single", |b, imports, config| {
                    group::write_single(Loop::open(b, scope, imports, &of_state(state)), state, config);
                })?);
            }
            Self::Dense { keys, state, lanes, few, totals, computed, .. } => {
                let keys: Vec<Key> = keys.iter().map(|(key, _, _)| key.clone()).collect();
                let of_keys: Vec<ExprId> = keys.iter().map(|key| key.expr).collect();
                let roots: Vec<ExprId> = of_keys.iter().copied().chain(of_state(state)).collect();
                loops.push(builder.define("dense", |b, imports, config| {
                    group::write_dense(Loop::open(b, scope, imports, &roots), &keys, state, *lanes, config);
                })?);
                if *few {
                    loops.push(builder.define("group", |b, imports, config| {
                        group::write_single(Loop::open(b, scope, imports, &of_state(state)), state, config);
                    })?);
                }
                if *computed && (*few || totals.is_some()) {
                    loops.push(builder.define("number", |b, imports, config| {
                        group::write_numbers(Loop::open(b, scope, imports, &of_keys), &keys, config);
                    })?);
                }
            }
            Self::Hash(keys, state) => {
                let roots: Vec<ExprId> = keys.fields.iter().map(|field| field.expr).collect();
                loops.push(builder.define("homes", |b, imports, config| {
                    group::write_homes(Loop::open(b, scope, imports, &roots), keys, config);
                })?);
                loops.push(builder.define("hash", |b, imports, config| {
                    group::write_hash(Loop::open(b, scope, imports, &of_state(state)), keys, state, config);
                })?);
            }
            Self::TopK(row, ..) => {
                let order = row.order.iter().map(|field| field.order.expr);
                let roots: Vec<ExprId> = order.chain(row.columns.iter().map(|column| column.expr)).collect();
                loops.push(builder.define("top_k", |b, imports, config| {
                    rows::write_top_k(Loop::open(b, scope, imports, &roots), row, config);
                })?);
            }
        }
        Ok(())
    }

    fn complete(self, loops: &[RowLoop]) -> SinkCode {
        match self {
            Self::Materialize(_, columns) => SinkCode::Materialize { write: loops[0], columns },
            Self::Bitmap => SinkCode::Bitmap,
            Self::Mark(_) => SinkCode::Mark { write: loops[0] },
            Self::Single(state) => SinkCode::Single { fold: loops[0], state },
            Self::Dense { keys, state, groups, lanes, few, totals, counted, computed } => {
                let split = few.then(|| loops[1]);
                let number = if computed { loops.get(1 + usize::from(few)).copied() } else { None };
                SinkCode::Dense { fold: loops[0], split, totals, counted, number, state, keys, groups, lanes }
            }
            Self::Hash(keys, state) => SinkCode::Hash { homes: loops[0], fold: loops[1], keys, state },
            Self::TopK(row, limit, near) => SinkCode::TopK { write: loops[0], row, limit, near },
        }
    }
}

/// A key by which rows are counted without compiled code.
#[derive(Debug, Clone)]
pub enum Counted {
    /// A column of integers.
    Column {
        /// Which.
        column: u32,
        /// Its type.
        ty: ValueType,
    },
    /// What follows from one.
    Steps(Stepwise),
}

impl Counted {
    fn of(pipeline: &Pipeline, facts: &Facts, key: &Key, ty: ValueType) -> Option<Self> {
        match pipeline.expr(key.expr) {
            Expr::Column(column) if !ty.ty.is_float() && ty.ty.bits() <= 64 && ty.ty != Type::Text => {
                Some(Self::Column { column: column.0, ty })
            }
            _ => Stepwise::of(pipeline, facts, key).map(Self::Steps),
        }
    }
}

/// A key whose numbers vector instructions make: the lowest byte of a column, or of what a table of bytes has at that.
#[derive(Debug, Clone, Copy)]
pub struct Digits {
    /// The column.
    pub column: u32,
    /// Its type.
    pub ty: ValueType,
    /// The table.
    pub table: Option<TableId>,
}

impl Digits {
    /// A key as such, where it is one.
    pub fn of(pipeline: &Pipeline, key: &Key, ty: ValueType) -> Option<Self> {
        match pipeline.expr(key.expr) {
            Expr::Column(column) if !ty.ty.is_float() && ty.ty.bits() <= 64 => Some(Self { column: column.0, ty, table: None }),
            Expr::Lookup { table, index } => {
                let of_table = pipeline.tables[table.0 as usize];
                let Expr::Column(column) = pipeline.expr(*index) else { return None };
                let ty = pipeline.columns[column.0 as usize];
                let bytes = of_table.element == Type::U8 && !of_table.nullable && ty.ty == Type::U8;
                bytes.then_some(Self { column: column.0, ty, table: Some(*table) })
            }
            _ => None,
        }
    }
}

fn conditions(block: &[crate::program::Statement]) -> Vec<ExprId> {
    use crate::program::Statement;
    let each = block.iter().flat_map(|statement| match statement {
        Statement::If { condition, then } => {
            let mut all = vec![*condition];
            all.extend(conditions(then));
            all
        }
        Statement::Stage | Statement::Emit | Statement::Loop { .. } => vec![],
    });
    each.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::text::parse;
    use crate::testing::{Random, generate};

    /// Cranelift's verifier, which runs in tests alone, has nothing to say of any loop.
    #[test]
    fn loops_are_well_formed() {
        for seed in 0..300 {
            let pipeline = generate(&mut Random::new(seed)).pipeline;
            Code::compile(&pipeline).unwrap_or_else(|error| panic!("seed {seed}: {error}\n{pipeline}"));
        }
    }

    /// A group over a column of `i32` that counts rows (8 bytes), and distinct values in so many bytes each.
    fn group(strategy: &str, key: &str, states: &[u32]) -> Result<Code> {
        let counts = states.iter().enumerate().map(|(at, bytes)| format!("    count_distinct {at} {} %0\n", bytes * 8));
        let counts: String = counts.collect();
        let text =
            format!("pipeline\n  column 0 i32\n  %0 = column 0\n  body\n    emit\n  group {strategy}\n{key}    count\n{counts}");
        Code::compile(&parse(&text).unwrap())
    }

    fn is_refused(found: Result<Code>) -> bool {
        match found {
            Ok(_) => false,
            Err(Error::Unsupported(_)) => true,
            Err(other) => panic!("{other:?}"),
        }
    }

    /// Up to a limit states are compiled, and a word behind it they are refused.
    #[test]
    fn states_that_are_too_large_are_refused() {
        // 65,536 groups of 16 KiB are a gibibyte.
        let key = "    key %0 domain 0 65536\n";
        assert!(!is_refused(group("dense", key, &[8192, 8184])));
        assert!(is_refused(group("dense", key, &[8192, 8192])));
        // With the word of its key and that of the count, an entry of 128 KiB.
        let mut states = [8192; 16];
        assert!(is_refused(group("hash", "    key %0\n", &states)));
        states[15] -= 8;
        assert!(is_refused(group("hash", "    key %0\n", &states)));
        states[15] -= 8;
        assert!(!is_refused(group("hash", "    key %0\n", &states)));
        // More than anybody asks for, and compiles.
        assert!(!is_refused(group("single", "", &states)));
        assert_eq!(within(DENSE_BYTES, DENSE_BYTES, ""), Ok(()));
    }

    /// Whether the first rows of a column are found by what is near the worst kept so far.
    fn is_near(column: &str, order: &str) -> bool {
        let head = format!("pipeline\n  column 0 {column}\n  column 1 i64\n  %0 = column 0\n  %1 = column 1\n");
        let text = format!("{head}  body\n    emit\n  top_k 10\n{order}    column %1\n");
        let code = Code::compile(&parse(&text).unwrap()).unwrap();
        let SinkCode::TopK { near, .. } = &code.sink else { panic!("{text}") };
        near.is_some()
    }

    /// Rows beyond the worst are passed over where the order begins with a column of integers that are there.
    #[test]
    fn far_rows_are_passed_over_where_that_is_right() {
        assert!(is_near("i32", "    order %0\n"));
        assert!(is_near("u16", "    order %0 descending\n    order %1\n"));
        assert!(!is_near("i32 nullable", "    order %0\n"));
        assert!(!is_near("f64", "    order %0\n"));
        assert!(!is_near("i128", "    order %0\n"));
    }
}
