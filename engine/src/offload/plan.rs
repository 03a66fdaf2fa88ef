//! What a device is asked to do: a table's scan and the stages over it, still in DataFusion's expressions.
//!
//! A stage is a pipeline: it ends where rows must be seen together. Its program is made from it by [`lower`](super::lower),
//! anew for every run, because how columns are stored is known only then; equal programs share compiled code.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::physical_expr::expressions::Column;
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
    /// `Scan`, `Filter`, `Project`, `Aggregate`, `TopK`, `Sort`: behind the device's name.
    pub name: &'static str,
    /// What it does.
    pub detail: String,
    /// The stage that it is part of.
    pub stage: usize,
    /// The join that it is; what it meets rows with stands below it.
    pub join: Option<Arc<Join>>,
    /// The union that it is; its other chains stand below it.
    pub union: Option<Arc<Union>>,
}

/// Chains whose rows stand below those of another.
#[derive(Debug)]
pub struct Union {
    /// Names it in this process, among joins and unions.
    pub id: u64,
    /// The chains, each with a number that names it among joins and unions.
    pub others: Vec<(u64, Chain)>,
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
    /// It meets rows of another chain.
    Join(Arc<Join>),
}

/// Rows that meet those of another chain, the build side. That side runs first, and leaves its columns as tables; its rows are
/// found by their keys.
#[derive(Debug)]
pub struct Join {
    /// Names it in this process.
    pub id: u64,
    /// Which rows go on.
    pub kind: JoinKind,
    /// The build side. Keys that are no columns of it stand behind its columns.
    pub build: Chain,
    /// What is equal: an expression over the row's columns, and a column of the build side. Rows meet all others where it is
    /// empty.
    pub on: Vec<(Arc<dyn PhysicalExpr>, usize)>,
    /// Whether NULL equals NULL.
    pub null_equals_null: bool,
    /// What two rows must satisfy besides.
    pub filter: Option<Residual>,
    /// The columns that go on.
    pub columns: Vec<Joined>,
    /// Their names and types.
    pub output: SchemaRef,
}

impl Join {
    /// A number that no join has yet.
    pub fn fresh() -> u64 {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        NEXT.fetch_add(1, Ordering::Relaxed)
    }
}

/// Which rows of a join go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinKind {
    /// Every pair.
    Inner,
    /// Every pair, and rows without a partner, with NULLs in its place.
    Left,
    /// Rows with a partner, once.
    Semi,
    /// Rows without a partner.
    Anti,
    /// Rows whose key is known not to be among the others: NOT IN.
    NullAwareAnti,
    /// All rows, with a column that says whether there is a partner.
    Mark,
    /// Every pair, and rows of either side without a partner, with NULLs in its place. It runs in parts.
    Full,
}

impl Step {
    /// Whether all rows go on, each once.
    pub fn is_projection(&self) -> bool {
        match self {
            Self::Project(..) | Self::Pick(..) => true,
            Self::Filter(_) | Self::Join(_) => false,
        }
    }
}

impl JoinKind {
    /// One word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Inner => "inner",
            Self::Left => "outer",
            Self::Semi => "semi",
            Self::Anti => "anti",
            Self::NullAwareAnti => "not in",
            Self::Mark => "mark",
            Self::Full => "full",
        }
    }

    /// Whether it goes on with columns of partners.
    pub fn pairs(self) -> bool {
        matches!(self, Self::Inner | Self::Left | Self::Full)
    }
}

/// A condition over columns of both sides.
#[derive(Debug, Clone)]
pub struct Residual {
    /// The condition.
    pub expr: Arc<dyn PhysicalExpr>,
    /// The columns that it is over.
    pub columns: Vec<Joined>,
    /// Their names and types.
    pub schema: SchemaRef,
}

/// Where a column of a join comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joined {
    /// A column of the row.
    Probe(usize),
    /// A column of the build side.
    Build(usize),
    /// Whether there is a partner.
    Mark,
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
    /// Which of the source's rows come so far: a column of a truth value for each.
    Passing,
    /// The rows that they meet in their last join are marked: a column of as many truth values as its build side has rows.
    Mark,
    /// The values of a column of integers that there are: a column of a truth value for each from the least possible on.
    Present(usize),
    /// Several chains take them, and leave their rows one below the other. The stage itself has no steps.
    Branches(Vec<Branch>),
    /// All are kept, and the rows of other chains stand below them.
    Union(Arc<Union>),
    /// The first of them in an order are kept.
    TopK {
        /// The order.
        order: Vec<PhysicalSortExpr>,
        /// How many.
        limit: usize,
    },
    /// All are kept, in an order, or the first of them.
    Sort {
        /// The order.
        order: Vec<PhysicalSortExpr>,
        /// How many, where not all.
        most: Option<usize>,
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

    /// Every expression that it has, those of its branches too; not those of the build sides of its joins.
    pub fn expressions(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        let mut found = Vec::new();
        for step in &self.steps {
            match step {
                Step::Filter(filter) => found.push(filter),
                Step::Project(exprs, _) => found.extend(exprs),
                Step::Pick(..) => {}
                Step::Join(join) => {
                    found.extend(join.on.iter().map(|(expr, _)| expr));
                    found.extend(join.filter.iter().map(|filter| &filter.expr));
                }
            }
        }
        match &self.end {
            End::Keep | End::Passing | End::Mark | End::Present(_) | End::Merge { .. } | End::Union(_) => {}
            End::Group { keys, aggregates, .. } => {
                found.extend(keys);
                found.extend(aggregates.iter().flat_map(|aggregate| aggregate.arguments.iter().chain(&aggregate.filter)));
            }
            End::Branches(branches) => {
                found.extend(branches.iter().flat_map(|branch| &branch.stages).flat_map(Self::expressions));
            }
            End::TopK { order, .. } | End::Sort { order, .. } => found.extend(order.iter().map(|by| &by.expr)),
        }
        found.extend(self.instead.iter().flatten().flat_map(Self::expressions));
        found
    }

    /// The order of the rows that it leaves, by their columns, where there is one: as far as the columns that it is by are wanted.
    pub fn order(&self) -> Vec<PhysicalSortExpr> {
        let (End::TopK { order, .. } | End::Sort { order, .. }) = &self.end else { return Vec::new() };
        let left = |by: &PhysicalSortExpr| {
            let mut lost = false;
            let expr = Arc::clone(&by.expr).transform(|expr| {
                let Some(column) = expr.downcast_ref::<Column>() else { return Ok(Transformed::no(expr)) };
                let place = match &self.picked {
                    Some(picked) => picked.iter().position(|at| *at == column.index()),
                    None => Some(column.index()),
                };
                let Some(place) = place.filter(|place| *place < self.output.fields().len()) else {
                    lost = true;
                    return Ok(Transformed::no(expr));
                };
                let named = Column::new(self.output.field(place).name(), place);
                Ok(Transformed::yes(Arc::new(named) as Arc<dyn PhysicalExpr>))
            });
            Some(PhysicalSortExpr { expr: expr.ok()?.data, options: by.options }).filter(|_| !lost)
        };
        order.iter().map_while(left).collect()
    }

    /// The stage that counts the rows that this one leaves.
    pub fn counting(&self) -> Self {
        let count = Aggregated {
            name: "count".to_owned(),
            shown: "count(*)".to_owned(),
            arguments: Vec::new(),
            distinct: false,
            ordered: false,
            data_type: DataType::Int64,
            filter: None,
        };
        let output = Arc::new(Schema::new(vec![Field::new("count", DataType::Int64, false)]));
        let end = End::Group { keys: Vec::new(), aggregates: vec![count], partial: false };
        Self { input: Arc::clone(&self.input), steps: self.steps.clone(), end, picked: None, output, instead: None }
    }

    /// The same with all rows kept: before others stand below them.
    pub fn keeping(&self) -> Self {
        Self { end: End::Keep, picked: None, ..self.clone() }
    }

    /// The joins that are in its steps.
    pub fn joins(&self) -> impl Iterator<Item = &Arc<Join>> {
        self.steps.iter().filter_map(|step| match step {
            Step::Join(join) => Some(join),
            Step::Filter(_) | Step::Project(..) | Step::Pick(..) => None,
        })
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

    /// The same where nobody sees in which order rows come.
    #[must_use]
    pub fn unordered(mut self) -> Self {
        if let Some(last) = self.stages.last_mut().filter(|last| matches!(last.end, End::Sort { most: None, .. })) {
            last.end = End::Keep;
            if let Some(picked) = last.picked.take() {
                last.steps.push(Step::Pick(picked, Arc::clone(&last.output)));
            }
            if let Some(at) = self.operators.iter().rposition(|operator| operator.name == "Sort") {
                self.operators.remove(at);
            }
        }
        self
    }

    /// Notes an operator of the stage that is last now.
    pub fn note(&mut self, name: &'static str, detail: String) {
        let stage = self.stages.len().saturating_sub(1);
        self.operators.push(Operator { name, detail, stage, join: None, union: None });
    }

    /// Notes a join of the stage that is last now.
    pub fn note_join(&mut self, name: &'static str, detail: String, join: Arc<Join>) {
        let stage = self.stages.len().saturating_sub(1);
        self.operators.push(Operator { name, detail, stage, join: Some(join), union: None });
    }

    /// The columns that it leaves.
    pub fn output(&self) -> &SchemaRef {
        self.stages.last().map_or(&self.table.schema, |last| &last.output)
    }

    /// Whether rows pass one by one: none waits for others.
    pub fn streams(&self) -> bool {
        self.stages.iter().all(|stage| match &stage.end {
            End::Keep => true,
            End::Union(union) => union.others.iter().all(|(_, other)| other.streams()),
            _ => false,
        })
    }

    /// Whether rows meet those of others anywhere in it.
    pub fn has_joins(&self) -> bool {
        let of_union = |union: &Arc<Union>| union.others.iter().any(|(_, other)| other.has_joins());
        self.operators.iter().any(|operator| operator.join.is_some() || operator.union.as_ref().is_some_and(of_union))
    }

    /// Whether a device has anything to do: a scan or a projection alone streams from DataFusion.
    pub fn is_worth_it(&self) -> bool {
        let filters = |stage: &Stage| stage.steps.iter().any(|step| matches!(step, Step::Filter(_) | Step::Join(_)));
        self.stages.iter().any(|stage| match &stage.end {
            End::Keep => filters(stage),
            End::Union(union) => filters(stage) || union.others.iter().any(|(_, other)| other.is_worth_it()),
            _ => true,
        })
    }
}
