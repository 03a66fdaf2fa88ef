//! What happens to a row.

use std::collections::HashMap;

use super::LoopId;
use super::expr::ExprId;

/// Statements in order.
pub type Block = Vec<Statement>;

/// One step of a row.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Statement {
    /// Runs the block where the condition, a `bool`, is true: not where it is false or NULL.
    If {
        /// The condition.
        condition: ExprId,
        /// What runs where it is true.
        then: Block,
    },
    /// Goes through the numbers from `from` on and below `to`, both `I32`: through none of them where either is NULL or `to` is
    /// not above `from`. A number counts if the condition is true of it. Numbers are tried from the least on.
    Loop {
        /// Its number, which `Expr::Current` names.
        id: LoopId,
        /// The first number.
        from: ExprId,
        /// Behind the last number.
        to: ExprId,
        /// How often the block runs.
        kind: LoopKind,
        /// A `bool`, evaluated inside of the loop: NULL is not true. Without one every number counts.
        condition: Option<ExprId>,
        /// What runs.
        then: Block,
    },
    /// Means nothing. Says to a generator that few rows get here, or that what follows waits for memory:
    /// the CPU generator cuts the loop here and goes on over a selection, the CUDA generator compacts.
    Stage,
    /// Gives the row to the sink, once for each time it is reached.
    Emit,
}

/// How often a loop's block runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LoopKind {
    /// For each number that counts.
    Each,
    /// Once, if a number counts: with the least that does.
    Any,
    /// Once, if no number counts. The block does not see a number.
    None,
    /// For each number that counts; if none does, once, the number being NULL.
    EachOrNone,
}

impl LoopKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Each, Self::Any, Self::None, Self::EachOrNone];

    /// Its name in the text form.
    pub fn name(self) -> &'static str {
        match self {
            Self::Each => "each",
            Self::Any => "any",
            Self::None => "none",
            Self::EachOrNone => "each_or_none",
        }
    }

    /// Whether the block may run more than once for a row.
    pub fn repeats(self) -> bool {
        match self {
            Self::Each | Self::EachOrNone => true,
            Self::Any | Self::None => false,
        }
    }

    /// Whether the block sees a number, be it NULL.
    pub fn has_current(self) -> bool {
        match self {
            Self::Each | Self::Any | Self::EachOrNone => true,
            Self::None => false,
        }
    }
}

/// The parts of a loop but its block.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LoopHead {
    pub(crate) id: LoopId,
    pub(crate) from: ExprId,
    pub(crate) to: ExprId,
    pub(crate) kind: LoopKind,
    pub(crate) condition: Option<ExprId>,
}

/// Every loop of a block, the outer ones first.
pub(crate) fn loops(block: &[Statement]) -> Vec<LoopHead> {
    let mut found = Vec::new();
    for statement in block {
        match statement {
            Statement::If { then, .. } => found.extend(loops(then)),
            Statement::Loop { id, from, to, kind, condition, then } => {
                found.push(LoopHead { id: *id, from: *from, to: *to, kind: *kind, condition: *condition });
                found.extend(loops(then));
            }
            Statement::Stage | Statement::Emit => {}
        }
    }
    found
}

/// For each loop whose block sees its number, how many such loops stand around it.
pub(crate) fn depths(block: &[Statement]) -> HashMap<LoopId, usize> {
    fn go(block: &[Statement], depth: usize, found: &mut HashMap<LoopId, usize>) {
        for statement in block {
            match statement {
                Statement::If { then, .. } => go(then, depth, found),
                Statement::Loop { id, kind, then, .. } => {
                    if kind.has_current() {
                        found.insert(*id, depth);
                    }
                    go(then, depth + usize::from(kind.has_current()), found);
                }
                Statement::Stage | Statement::Emit => {}
            }
        }
    }
    let mut found = HashMap::new();
    go(block, 0, &mut found);
    found
}

/// The loop of that number.
pub(crate) fn find_loop(block: &[Statement], id: LoopId) -> Option<LoopHead> {
    loops(block).into_iter().find(|found| found.id == id)
}
