//! What happens to a row.

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
    /// Means nothing. Says to a generator that few rows get here, or that what follows waits for memory:
    /// the CPU generator cuts the loop here and goes on over a selection, the CUDA generator compacts.
    Stage,
    /// Gives the row to the sink, once for each time it is reached.
    Emit,
}
