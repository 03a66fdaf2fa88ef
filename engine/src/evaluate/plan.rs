//! What a query becomes: sources that are walked in nested loops, and what is made of each combination of rows.

use super::expr::{Fields, Typed};
use super::function::Function;
use crate::catalog::pg_catalog::Table;
use crate::types::SqlType;

/// One column of a query's result.
#[derive(Debug, Clone)]
pub struct Column {
    /// Its label.
    pub name: String,
    /// Its type.
    pub ty: SqlType,
    /// The fields of a composite type.
    pub fields: Option<Fields>,
}

/// One key of a sort: an output column.
#[derive(Debug, Clone)]
pub struct SortKey {
    /// Which column, hidden ones behind the visible.
    pub index: usize,
    /// Greatest first.
    pub descending: bool,
    /// Nulls before all else.
    pub nulls_first: bool,
}

/// Which rows of equal values are dropped.
#[derive(Debug, Clone)]
pub enum Distinct {
    /// Those alike in every visible column.
    All,
    /// Those alike in these columns; the first in order stays.
    On(Vec<usize>),
}

/// A query.
#[derive(Debug, Clone)]
pub struct QueryPlan {
    /// `WITH`
    pub ctes: Vec<CtePlan>,
    /// Where its rows come from.
    pub body: Body,
    /// Its visible columns; rows may have hidden ones behind them.
    pub columns: Vec<Column>,
    /// `DISTINCT`
    pub distinct: Option<Distinct>,
    /// `ORDER BY`
    pub sort: Vec<SortKey>,
    /// `LIMIT`
    pub limit: Option<Typed>,
    /// `OFFSET`
    pub offset: Option<Typed>,
    /// `FETCH … WITH TIES`
    pub with_ties: bool,
}

/// One query of a `WITH` clause.
#[derive(Debug, Clone)]
pub struct CtePlan {
    /// What references name.
    pub id: usize,
    /// Its query, or a recursive one's first part.
    pub plan: QueryPlan,
    /// What a recursive query repeats, and whether it keeps duplicates.
    pub recursive: Option<(QueryPlan, bool)>,
}

/// Which rows a set operation keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetOp {
    /// Those of either side.
    Union,
    /// Those of both.
    Intersect,
    /// Those of the left but not of the right.
    Except,
}

/// Where a query's rows come from.
#[derive(Debug, Clone)]
pub enum Body {
    /// `SELECT`
    Select(Box<SelectPlan>),
    /// `VALUES`
    Values(Vec<Vec<Typed>>),
    /// A query in parentheses.
    Query(Box<QueryPlan>),
    /// `UNION` and the like.
    Set {
        /// Which.
        op: SetOp,
        /// `ALL`
        all: bool,
        /// The left side.
        left: Box<QueryPlan>,
        /// The right side.
        right: Box<QueryPlan>,
    },
}

/// `SELECT` without what belongs to the whole query.
#[derive(Debug, Clone)]
pub struct SelectPlan {
    /// The depth of its row among those of the queries around it.
    pub frame: usize,
    /// How many columns its sources have together.
    pub width: usize,
    /// Its sources, each inside the loop of the one before.
    pub from: Vec<Item>,
    /// Conditions that need no source, or all of them.
    pub filters: Vec<Typed>,
    /// Groups, where there are any.
    pub grouping: Option<Grouping>,
    /// Window functions.
    pub windows: Vec<WindowCall>,
    /// Set-returning functions of the select list.
    pub sets: Vec<SetCall>,
    /// What each row gives.
    pub output: Vec<Typed>,
}

/// `GROUP BY`, aggregates and `HAVING`.
#[derive(Debug, Clone)]
pub struct Grouping {
    /// What rows of one group have in common.
    pub keys: Vec<Typed>,
    /// What is computed of a group.
    pub aggregates: Vec<AggregateCall>,
    /// Which groups stay.
    pub having: Option<Typed>,
}

/// One aggregate.
#[derive(Debug, Clone)]
pub struct AggregateCall {
    /// Which.
    pub function: &'static Function,
    /// Its result's type.
    pub result: SqlType,
    /// Its arguments.
    pub args: Vec<Typed>,
    /// `DISTINCT`
    pub distinct: bool,
    /// `ORDER BY`, with the direction and the place of nulls.
    pub order: Vec<(Typed, bool, bool)>,
    /// `FILTER`
    pub filter: Option<Typed>,
}

/// One window function.
#[derive(Debug, Clone)]
pub struct WindowCall {
    /// The function or aggregate.
    pub call: AggregateCall,
    /// `PARTITION BY`
    pub partition: Vec<Typed>,
    /// `ORDER BY`
    pub order: Vec<(Typed, bool, bool)>,
}

/// One set-returning function of a select list.
#[derive(Debug, Clone)]
pub struct SetCall {
    /// Which.
    pub function: &'static Function,
    /// Its result's type.
    pub result: SqlType,
    /// Its arguments.
    pub args: Vec<Typed>,
}

/// A source, how its rows are found and which of them stay.
#[derive(Debug, Clone)]
pub struct Item {
    /// The source.
    pub source: Source,
    /// Its first column in the row.
    pub start: usize,
    /// How many columns it has.
    pub width: usize,
    /// Which rows stay, given the sources before it.
    pub filters: Vec<Typed>,
    /// Columns of the source and what they must equal: rows are found by hashing.
    pub lookup: Vec<(usize, Typed)>,
    /// Sets it apart for what is kept between rows.
    pub id: usize,
    /// Columns of other sources that it needs: those of a `LATERAL` item.
    pub needs: Vec<usize>,
}

/// What rows come from.
#[derive(Debug, Clone)]
pub enum Source {
    /// A catalog.
    Table(&'static Table),
    /// A query of the `WITH` clause.
    Cte(usize),
    /// A subquery, and whether its rows depend on rows outside it.
    Derived(Box<QueryPlan>, bool),
    /// Functions side by side, and whether rows are numbered.
    Functions(Vec<FunctionSource>, bool),
    /// Inner joins.
    Inner(Vec<Item>),
    /// An outer join; the right item's filters are the join's condition.
    Left(Box<Item>, Box<Item>),
    /// An outer join of both sides and its condition.
    Full(Box<Item>, Box<Item>, Vec<Typed>),
}

/// A function in `FROM`.
#[derive(Debug, Clone)]
pub enum FunctionSource {
    /// A set-returning one, and whether its records are spread over columns.
    Set(SetCall, bool),
    /// Any other: one row, and whether its record is spread over columns.
    Scalar(Typed, bool),
}
