//! The row program: what a pipeline does with one row, as inert data.
//!
//! A [`Pipeline`] declares the columns it reads, the parameters whose values come with each run, a list of
//! expression nodes, a body of statements over them, and the sink that takes what the body emits. The loop
//! over rows is not part of it: every code generator supplies its own. It can be printed, parsed
//! ([`text`](mod@text)), compared and hashed; [`verify`](mod@verify) says what is well formed and
//! [`interpret`](crate::interpret) what it means. A [`Program`] is a query's pipelines in the order in which
//! they run.
//!
//! ```text
//! pipeline
//!   column 0 u16
//!   column 1 u32 nullable
//!   parameter 0 u16
//!   parameter 1 u16
//!   %0 = column 0
//!   %1 = in_range %0 0 1
//!   %2 = column 1
//!   %3 = cast i64 %2
//!   body
//!     if %1
//!       stage
//!       emit
//!   group single
//!     sum i64 %3
//!     count
//! ```
//!
//! # Meaning
//!
//! For each row of its source the body runs once, statement by statement. A node is evaluated where a
//! statement, or a node that is itself evaluated, demands it, and never else: an error in the branch of a
//! `select` that is not taken, or in a row that a filter has dropped, does not happen. A node is evaluated at
//! most once a row, one that depends on a loop's number at most once for each number; it has no effect but its value or its
//! [`Fault`].
//!
//! A loop goes through numbers, of rows of another source mostly, which a table is looked into by. Which numbers, an index
//! or a table says that came with the run ([`join`](crate::join)): so a join is made of parts that each mean something alone.
//!
//! Every value has a type and is NULL or not ([`ValueType`]). An operation is *strict* unless it says
//! otherwise: one NULL operand makes its result NULL, and then it raises nothing.
//!
//! # Adding an operator
//!
//! An expression: a variant in `expr.rs` (its rule of types in `Expr::value_type`), then follow the compiler
//! through text, verifier, interpreter and both generators, and write a row-program file for it. A sink: the
//! same in `sink.rs`. A statement: the same in `statement.rs`. What one generator supports, the other does.

pub mod bits;
pub mod builder;
mod compact;
pub mod expr;
pub mod fault;
pub mod math;
pub mod prune;
pub mod scalar;
pub mod sink;
pub mod stage;
pub mod statement;
pub mod string;
pub mod text;
pub mod values;
pub mod verify;

pub use bits::Bits;
pub use builder::{Bounds, Builder};
pub use expr::{Arithmetic, Comparison, DatePart, Expr, ExprId};
pub use fault::Fault;
pub use math::{Math, MathPair};
pub use scalar::{Scalar, Type, ValueType};
pub use sink::{Aggregate, AggregateOp, BitOp, Domain, Key, Order, Sink, Strategy};
pub use statement::{Block, LoopKind, Statement};
pub use string::{MatchOp, TextUnit, TrimSide};
pub use values::{Table, Values};

/// A column of the source, by its place in [`Pipeline::columns`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ColumnId(pub u32);

/// A scalar parameter, by its place in [`Pipeline::parameters`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ParameterId(pub u32);

/// A table parameter, by its place in [`Pipeline::tables`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableId(pub u32);

/// An index parameter, by its place in [`Pipeline::indexes`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IndexId(pub u32);

/// A loop of the body, by a number of its own: no two loops of a body have the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LoopId(pub u32);

/// The body of one pipeline: structure only, no value that may differ between two runs.
///
/// Two pipelines that are equal share compiled code, whatever their parameters.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pipeline {
    /// The columns read, at their physical types, with whether they can hold NULL in any chunk.
    pub columns: Vec<ValueType>,
    /// Scalars that come with each run. Never NULL: a NULL is structure (`Expr::Constant`).
    pub parameters: Vec<Type>,
    /// Arrays that come with each run, indexed by `Expr::Lookup` and `Expr::Member`.
    pub tables: Vec<TableType>,
    /// Indexes that come with each run, asked by `Expr::Probe`.
    pub indexes: Vec<IndexType>,
    /// The nodes; one refers only to nodes before it.
    pub exprs: Vec<Expr>,
    /// What happens to a row.
    pub body: Block,
    /// What takes the rows that `emit` reaches.
    pub sink: Sink,
}

/// What a table parameter holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TableType {
    /// The type of its elements. `Bool` is packed, a bit each, lowest first; `Text` is offsets and bytes.
    pub element: Type,
    /// Whether a validity bitmap comes with it.
    pub nullable: bool,
}

/// What an index parameter is looked up by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct IndexType {
    /// The types of its keys, of which there is one at least.
    pub keys: Vec<Type>,
}

impl Pipeline {
    /// The node behind an identifier.
    ///
    /// # Panics
    ///
    /// Where the identifier is not of this pipeline; a verified pipeline has no such identifier.
    pub fn expr(&self, id: ExprId) -> &Expr {
        &self.exprs[id.0 as usize]
    }

    /// The type of every node, in order. Err says what is wrong with which node.
    pub fn value_types(&self) -> Result<Vec<ValueType>, String> {
        let mut types = Vec::with_capacity(self.exprs.len());
        for (at, expr) in self.exprs.iter().enumerate() {
            let found = expr.value_type(self, &types).map_err(|why| format!("%{at}: {why}"))?;
            types.push(found);
        }
        Ok(types)
    }

    /// Whether any node is a text.
    pub fn has_texts(&self) -> bool {
        self.columns.iter().any(|column| column.ty == Type::Text)
            || self.parameters.contains(&Type::Text)
            || self.tables.iter().any(|table| table.element == Type::Text)
            || self.indexes.iter().any(|index| index.keys.contains(&Type::Text))
            || self.exprs.iter().any(|expr| matches!(expr, Expr::Constant { ty: Type::Text, .. }))
    }

    /// Whether it has a part that only joins have.
    pub fn joins(&self) -> bool {
        !self.indexes.is_empty() || matches!(self.sink, Sink::Mark { .. }) || !statement::loops(&self.body).is_empty()
    }

    /// The kind of a loop of the body; `None` where there is no such loop.
    pub fn loop_kind(&self, id: LoopId) -> Option<LoopKind> {
        statement::find_loop(&self.body, id).map(|found| found.kind)
    }

    /// Bytes that one row of the columns read takes, without validity and without the bytes of texts.
    pub fn bytes_per_row(&self) -> f64 {
        self.columns.iter().map(|c| c.ty.stored_bits() as f64 / 8.0).sum()
    }
}

/// Where a pipeline's rows come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source {
    /// The chunks of an input, by its number among the program's inputs.
    Input(u32),
    /// The columns that an earlier pipeline's sink left, by that pipeline's number.
    Output(u32),
}

/// A query's pipelines, in the order in which they run. The last one's output is the result.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Program {
    /// Each with where its rows come from.
    pub pipelines: Vec<(Source, Pipeline)>,
}
