//! What a device is asked to do: a table's scan and the stages over it, still in DataFusion's expressions.
//!
//! A stage is a pipeline: it ends where rows must be seen together. Its program is made from it by [`lower`](super::lower),
//! anew for every run, because how columns are stored is known only then; equal programs share compiled code.

use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::physical_expr::{PhysicalExpr, PhysicalSortExpr};
use warpwise_gpu::program::BitOp;

use crate::exec::table_scan::ScannedTable;

/// A scan and the stages over it, each over what the one before left.
#[derive(Debug, Clone)]
pub struct Chain {
    /// The table.
    pub table: Arc<ScannedTable>,
    /// Which of its columns the plan's scan gives, in order.
    pub projection: Vec<usize>,
    /// The stages; the last one's rows are the result.
    pub stages: Vec<Stage>,
    /// Operators in the plan's order, from the scan up, with what they do: for EXPLAIN.
    pub operators: Vec<Operator>,
}

/// One operator that a device runs in DataFusion's place.
#[derive(Debug, Clone)]
pub struct Operator {
    /// `Scan`, `Filter`, `Project`, `Aggregate`, `TopK`: behind the device's name.
    pub name: &'static str,
    /// What it does.
    pub detail: String,
    /// The stage that it is part of.
    pub stage: usize,
}

/// A pipeline to be.
#[derive(Debug, Clone)]
pub struct Stage {
    /// The columns that it reads.
    pub input: SchemaRef,
    /// What happens to a row.
    pub steps: Vec<Step>,
    /// Where rows end.
    pub end: End,
    /// Which of the columns that the end leaves are wanted, in order; all of them where it is none.
    pub picked: Option<Vec<usize>>,
    /// The columns that it leaves.
    pub output: SchemaRef,
    /// What leaves the same columns, before any are picked, where this stage cannot be lowered.
    pub instead: Option<Vec<Stage>>,
}

/// What happens to a row.
#[derive(Debug, Clone)]
pub enum Step {
    /// It goes on where this is true.
    Filter(Arc<dyn PhysicalExpr>),
    /// It becomes other columns.
    Project(Vec<Arc<dyn PhysicalExpr>>, SchemaRef),
    /// Its columns become some of them.
    Pick(Vec<usize>, SchemaRef),
}

/// An aggregate.
#[derive(Debug, Clone)]
pub struct Aggregated {
    /// The function's name in plans.
    pub name: String,
    /// The call as people read it.
    pub shown: String,
    /// Of what.
    pub arguments: Vec<Arc<dyn PhysicalExpr>>,
    /// Whether it takes every value once.
    pub distinct: bool,
    /// Whether it takes rows in an order.
    pub ordered: bool,
    /// Its type.
    pub data_type: DataType,
    /// Which rows it takes, where not all.
    pub filter: Option<Arc<dyn PhysicalExpr>>,
}

/// How a column of groups is folded where groups become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// The sum of sums; the sum of counts.
    Sum,
    /// The least, of what is stored.
    Least,
    /// The greatest, of what is stored; the only one that is there.
    Greatest,
    /// Their bits combined.
    Bits(BitOp),
}

/// One of several chains over the same rows.
#[derive(Debug, Clone)]
pub struct Branch {
    /// Its stages; none where it takes what is there.
    pub stages: Vec<Stage>,
    /// Where each of the columns that all leave together comes from.
    pub columns: Vec<Take>,
}

/// Where a column comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Take {
    /// A column of the last stage.
    Column(usize),
    /// The same, of counts: 0 in the place of NULL.
    Count(usize),
    /// A number.
    Number(i64),
    /// NULL.
    Null,
}

/// Where rows end.
#[derive(Debug, Clone)]
pub enum End {
    /// All are kept.
    Keep,
    /// They are grouped.
    Group {
        /// By what.
        keys: Vec<Arc<dyn PhysicalExpr>>,
        /// What is kept of a group, and of which rows.
        aggregates: Vec<Aggregated>,
        /// Whether DataFusion's own final step follows: state columns are left.
        partial: bool,
    },
    /// They are groups, and are grouped again: columns are folded by what they are.
    Merge {
        /// By which columns.
        keys: Vec<usize>,
        /// Which columns, and how.
        folded: Vec<(usize, Again)>,
    },
    /// Several chains take them, and leave their rows one below the other. The stage itself has no steps.
    Branches(Vec<Branch>),
    /// The first of them in an order are kept.
    TopK {
        /// The order.
        order: Vec<PhysicalSortExpr>,
        /// How many.
        limit: usize,
    },
}

impl Stage {
    /// A stage that keeps what it reads.
    pub fn over(input: SchemaRef) -> Self {
        Self { output: Arc::clone(&input), input, steps: Vec::new(), end: End::Keep, picked: None, instead: None }
    }

    /// Whether more steps can follow.
    pub fn is_open(&self) -> bool {
        matches!(self.end, End::Keep)
    }
}

impl Chain {
    /// The stage that takes further steps.
    pub fn open(&mut self) -> &mut Stage {
        let next = match self.stages.last() {
            Some(last) if last.is_open() => None,
            Some(last) => Some(Stage::over(Arc::clone(&last.output))),
            None => Some(Stage::over(Arc::clone(&self.table.schema))),
        };
        self.stages.extend(next);
        let last = self.stages.len() - 1;
        &mut self.stages[last]
    }

    /// Notes an operator of the stage that is last now.
    pub fn note(&mut self, name: &'static str, detail: String) {
        let stage = self.stages.len().saturating_sub(1);
        self.operators.push(Operator { name, detail, stage });
    }

    /// Whether a device has anything to do: a scan or a projection alone streams from DataFusion.
    pub fn is_worth_it(&self) -> bool {
        let filters = |stage: &Stage| stage.steps.iter().any(|step| matches!(step, Step::Filter(_)));
        self.stages.iter().any(|stage| !stage.is_open() || filters(stage))
    }
}
