//! Leaving out what nothing refers to: nodes, columns, parameters, tables.

use super::expr::{Expr, ExprId};
use super::sink::{Aggregate, Sink};
use super::statement::{Block, Statement};
use super::values::Values;
use super::{ColumnId, IndexId, ParameterId, Pipeline, TableId};

/// Old numbers to new ones, in the order in which they are met.
struct Renumbered(Vec<Option<u32>>, Vec<u32>);

impl Renumbered {
    fn new(len: usize) -> Self {
        Self(vec![None; len], Vec::new())
    }

    fn of(&mut self, old: u32) -> u32 {
        *self.0[old as usize].get_or_insert_with(|| {
            self.1.push(old);
            self.1.len() as u32 - 1
        })
    }
}

/// The pipeline without what its body and sink do not reach, its values likewise, and the columns that stay, in order.
pub fn compact(whole: Pipeline, values: Values) -> (Pipeline, Values, Vec<ColumnId>) {
    let mut live = vec![false; whole.exprs.len()];
    mark_block(&whole.body, &mut live);
    for id in whole.sink.operands() {
        live[id.0 as usize] = true;
    }
    for at in (0..live.len()).rev() {
        if live[at] {
            for operand in whole.exprs[at].operands() {
                live[operand.0 as usize] = true;
            }
        }
    }
    let mut columns = Renumbered::new(whole.columns.len());
    let mut parameters = Renumbered::new(whole.parameters.len());
    let mut tables = Renumbered::new(whole.tables.len());
    let mut indexes = Renumbered::new(whole.indexes.len());
    let mut places = vec![ExprId(0); whole.exprs.len()];
    let mut exprs = Vec::new();
    for (at, expr) in whole.exprs.iter().enumerate().filter(|(at, _)| live[*at]) {
        let mut expr = expr.clone();
        for operand in expr.operands_mut() {
            *operand = places[operand.0 as usize];
        }
        match &mut expr {
            Expr::Column(ColumnId(id)) => *id = columns.of(*id),
            Expr::Parameter(ParameterId(id)) => *id = parameters.of(*id),
            Expr::InRange { low, high, .. } => {
                low.0 = parameters.of(low.0);
                high.0 = parameters.of(high.0);
            }
            Expr::TextMatch { pattern: ParameterId(id), .. }
            | Expr::TextPosition { pattern: ParameterId(id), .. }
            | Expr::TextTrim { characters: ParameterId(id), .. } => *id = parameters.of(*id),
            Expr::Member { table: TableId(id), .. }
            | Expr::Lookup { table: TableId(id), .. }
            | Expr::Place { table: TableId(id), .. } => *id = tables.of(*id),
            Expr::Probe { index: IndexId(id), .. } => *id = indexes.of(*id),
            Expr::Current(_)
            | Expr::Constant { .. }
            | Expr::Arithmetic { .. }
            | Expr::Negate { .. }
            | Expr::Compare { .. }
            | Expr::Not(_)
            | Expr::And(..)
            | Expr::Or(..)
            | Expr::IsNull(_)
            | Expr::IsDistinct(..)
            | Expr::Select { .. }
            | Expr::Coalesce(..)
            | Expr::NullIf(..)
            | Expr::Cast { .. }
            | Expr::DatePart { .. }
            | Expr::AddMonths { .. }
            | Expr::TextLength { .. }
            | Expr::TextSlice { .. }
            | Expr::Math { .. }
            | Expr::MathPair { .. }
            | Expr::Bits { .. } => {}
        }
        places[at] = ExprId(exprs.len() as u32);
        exprs.push(expr);
    }
    let (mut body, mut sink) = (whole.body, whole.sink);
    move_block(&mut body, &places);
    for id in sink.operands_mut() {
        *id = places[id.0 as usize];
    }
    if let Sink::Mark { rows: ParameterId(id), .. } = &mut sink {
        *id = parameters.of(*id);
    }
    let values = Values {
        scalars: parameters.1.iter().map(|at| values.scalars[*at as usize].clone()).collect(),
        tables: tables.1.iter().map(|at| values.tables[*at as usize].clone()).collect(),
        indexes: indexes.1.iter().map(|at| values.indexes[*at as usize].clone()).collect(),
    };
    let pipeline = Pipeline {
        columns: columns.1.iter().map(|at| whole.columns[*at as usize]).collect(),
        parameters: parameters.1.iter().map(|at| whole.parameters[*at as usize]).collect(),
        tables: tables.1.iter().map(|at| whole.tables[*at as usize]).collect(),
        indexes: indexes.1.iter().map(|at| whole.indexes[*at as usize].clone()).collect(),
        exprs,
        body,
        sink,
    };
    (pipeline, values, columns.1.into_iter().map(ColumnId).collect())
}

fn mark_block(block: &Block, live: &mut [bool]) {
    for statement in block {
        match statement {
            Statement::If { condition, then } => {
                live[condition.0 as usize] = true;
                mark_block(then, live);
            }
            Statement::Loop { id: _, from, to, kind: _, condition, then } => {
                for id in [Some(from), Some(to), condition.as_ref()].into_iter().flatten() {
                    live[id.0 as usize] = true;
                }
                mark_block(then, live);
            }
            Statement::Stage | Statement::Emit => {}
        }
    }
}

fn move_block(block: &mut Block, places: &[ExprId]) {
    for statement in block {
        match statement {
            Statement::If { condition, then } => {
                *condition = places[condition.0 as usize];
                move_block(then, places);
            }
            Statement::Loop { id: _, from, to, kind: _, condition, then } => {
                for id in [Some(from), Some(to), condition.as_mut()].into_iter().flatten() {
                    *id = places[id.0 as usize];
                }
                move_block(then, places);
            }
            Statement::Stage | Statement::Emit => {}
        }
    }
}

impl Sink {
    /// The nodes that it takes, in order.
    pub fn operands(&self) -> Vec<ExprId> {
        let mut copy = self.clone();
        copy.operands_mut().into_iter().map(|id| *id).collect()
    }

    fn operands_mut(&mut self) -> Vec<&mut ExprId> {
        match self {
            Self::Materialize { columns } => columns.iter_mut().collect(),
            Self::Bitmap => Vec::new(),
            Self::Group { keys, aggregates, .. } => {
                let keys = keys.iter_mut().map(|key| &mut key.expr);
                let inputs = aggregates
                    .iter_mut()
                    .flat_map(|Aggregate { op, input, filter }| filter.iter_mut().chain(input.iter_mut()).chain(op.second_mut()));
                keys.chain(inputs).collect()
            }
            Self::Mark { at, .. } => vec![at],
            Self::TopK { order, columns, .. } => order.iter_mut().map(|o| &mut o.expr).chain(columns.iter_mut()).collect(),
        }
    }
}
