//! In which order joins are asked whether a row has a partner: first those that reject many rows and cost little.
//!
//! Asking is looking up, which cannot fail, so the order is free as far as one join's key is not a column of another's partner.

use warpwise_gpu::program::{Block, ExprId, Statement};

use super::lower::Around;

/// The tests of one join.
#[derive(Debug, Clone)]
pub struct Tests {
    /// What a row with a partner passes, in this order.
    pub tests: Vec<ExprId>,
    /// The partner that it finds.
    pub partner: Option<usize>,
    /// The partners whose columns its keys are.
    pub needs: Vec<usize>,
    /// Which share of rows is expected to pass.
    pub keep: f64,
    /// What asking costs.
    pub cost: f64,
}

impl Tests {
    /// A block behind all of them.
    pub fn around(self, then: Block) -> Block {
        self.tests.into_iter().rev().fold(then, |then, condition| vec![Statement::If { condition, then }])
    }
}

/// The same in a better order: nothing passes a loop, or a condition that is no join's.
pub fn ordered(around: Vec<Around>) -> Vec<Around> {
    let (mut all, mut run) = (Vec::new(), Vec::new());
    for around in around {
        match around {
            Around::Tests(tests) => run.push(tests),
            other => {
                all.extend(arranged(std::mem::take(&mut run)));
                all.push(other);
            }
        }
    }
    all.extend(arranged(run));
    all
}

/// Joins that may change places. A join goes with all that it needs and that was not asked yet; of such groups that one comes
/// first that rejects most for what it costs.
fn arranged(mut run: Vec<Tests>) -> Vec<Around> {
    let mut all = Vec::new();
    while !run.is_empty() {
        let groups = (0..run.len()).map(|at| group(&run, at));
        let best = groups.map(|group| (rank(&run, &group), group)).reduce(|best, next| if next.0 < best.0 { next } else { best });
        let Some((_, group)) = best else { break };
        let mut rest = Vec::new();
        for (at, tests) in run.into_iter().enumerate() {
            if group.contains(&at) { all.push(Around::Tests(tests)) } else { rest.push(tests) }
        }
        run = rest;
    }
    all
}

/// A join and what it needs, by their places.
fn group(run: &[Tests], at: usize) -> Vec<usize> {
    let mut group = vec![at];
    for before in (0..at).rev() {
        let partner = run[before].partner;
        if partner.is_some_and(|partner| group.iter().any(|at| run[*at].needs.contains(&partner))) {
            group.push(before);
        }
    }
    group.sort_unstable();
    group
}

/// How much is rejected for what it costs, below 0: the less the better.
fn rank(run: &[Tests], group: &[usize]) -> f64 {
    let (mut keep, mut cost) = (1.0, 0.0);
    for at in group {
        cost += keep * run[*at].cost;
        keep *= run[*at].keep;
    }
    (keep - 1.0) / cost.max(1e-9)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join(partner: usize, needs: &[usize], keep: f64, cost: f64) -> Around {
        let tests = vec![ExprId(partner as u32)];
        Around::Tests(Tests { tests, partner: Some(partner), needs: needs.to_vec(), keep, cost })
    }

    fn order(around: Vec<Around>) -> Vec<u32> {
        let number = |around: Around| match around {
            Around::Tests(tests) => tests.tests[0].0,
            Around::If(test) => test.0,
            Around::Loop { id, .. } => id.0,
        };
        ordered(around).into_iter().map(number).collect()
    }

    #[test]
    fn what_rejects_most_comes_first_with_what_it_needs() {
        // All suppliers, half of the orders, one nation of the supplier's.
        assert_eq!(order(vec![join(0, &[], 1.0, 1.0), join(1, &[], 0.5, 10.0), join(2, &[0], 0.04, 1.0)]), [0, 2, 1]);
        assert_eq!(order(vec![join(0, &[], 1.0, 1.0), join(1, &[0], 1.0, 1.0)]), [0, 1]);
        assert_eq!(order(vec![join(0, &[], 0.9, 1.0), Around::If(ExprId(7)), join(1, &[], 0.1, 1.0)]), [0, 7, 1]);
        assert_eq!(
            order(vec![join(0, &[], 1.0, 1.0), join(1, &[0], 0.9, 1.0), join(2, &[1], 0.01, 1.0), join(3, &[], 0.2, 1.0)]),
            [3, 0, 1, 2]
        );
    }
}
