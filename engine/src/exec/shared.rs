//! What several parts of one plan need, computed once: the first that needs it keeps it for the others.
//!
//! A part is the begin of a chain up to a stage where rows are seen together. Which of them stand in a plan more than once is
//! found when it is made. What was computed belongs to one execution, and is let go with its last use.

use std::sync::{Arc, Weak};
use std::time::Duration;

use datafusion::execution::TaskContext;
use parking_lot::{Mutex, MutexGuard};
use warpwise_gpu::{Cancel, Result};

use super::run::Held;
use crate::offload::plan::{Chain, End, Stage, Step};
use crate::offload::same::{same_stages, starts_same};

/// The parts of a plan that stand in it more than once.
#[derive(Debug, Default)]
pub struct Shared {
    parts: Vec<Part>,
}

#[derive(Debug)]
struct Part {
    /// A chain that begins with it.
    chain: Chain,
    /// How many of its stages it has.
    stages: usize,
    /// How often it stands in the plan.
    uses: usize,
    kept: Mutex<Option<Kept>>,
}

#[derive(Debug)]
struct Kept {
    /// The execution that it belongs to.
    of: Weak<TaskContext>,
    held: Held,
    /// How often it is still asked for.
    left: usize,
}

/// Whether rows are seen together at the end of a stage.
fn closes(stage: &Stage) -> bool {
    matches!(stage.end, End::Group { .. } | End::Merge { .. } | End::Branches(_) | End::TopK { .. } | End::Sort { .. })
}

/// The same, with the chains of its joins and unions.
fn all_chains<'a>(chain: &'a Chain, found: &mut Vec<&'a Chain>) {
    found.push(chain);
    of_stages(&chain.stages, found);
}

fn of_stages<'a>(stages: &'a [Stage], found: &mut Vec<&'a Chain>) {
    for stage in stages {
        for step in &stage.steps {
            if let Step::Join(join) = step {
                all_chains(&join.build, found);
            }
        }
        match &stage.end {
            End::Union(union) => union.others.iter().for_each(|(_, other)| all_chains(other, found)),
            End::Branches(branches) => branches.iter().for_each(|branch| of_stages(&branch.stages, found)),
            _ => {}
        }
    }
}

impl Part {
    fn begins(&self, chain: &Chain) -> bool {
        chain.stages.len() >= self.stages
            && starts_same(&self.chain, chain)
            && same_stages(&self.chain.stages[..self.stages], &chain.stages[..self.stages])
    }
}

impl Part {
    /// Whether it keeps rows of an execution that goes on; of another nothing is kept any more.
    fn keeps(&self) -> bool {
        // Who has it at hand runs.
        let Some(mut kept) = self.kept.try_lock() else { return true };
        if kept.as_ref().is_some_and(|kept| kept.of.strong_count() == 0) {
            *kept = None;
        }
        kept.is_some()
    }
}

impl Shared {
    /// The parts that stand more than once in chains of one plan.
    pub fn of(chains: &[&Chain]) -> Self {
        let mut all = Vec::new();
        chains.iter().for_each(|chain| all_chains(chain, &mut all));
        let mut parts: Vec<Part> = Vec::new();
        for chain in all.iter().filter(|chain| all.iter().filter(|other| starts_same(chain, other)).count() > 1) {
            for stages in (1..=chain.stages.len()).filter(|stages| closes(&chain.stages[stages - 1])) {
                match parts.iter_mut().find(|part| part.stages == stages && part.begins(chain)) {
                    Some(known) => known.uses += 1,
                    None => parts.push(Part { chain: (*chain).clone(), stages, uses: 1, kept: Mutex::default() }),
                }
            }
        }
        parts.retain(|part| part.uses > 1);
        // Of what begins alike the longest is asked for.
        parts.sort_by_key(|part| std::cmp::Reverse(part.stages));
        parts.iter_mut().for_each(|part| part.uses = 0);
        for chain in &all {
            if let Some(part) = parts.iter_mut().find(|part| part.begins(chain)) {
                part.uses += 1;
            }
        }
        parts.retain(|part| part.uses > 1);
        Self { parts }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }
}

/// Plans that keep rows now.
static KEEPING: Mutex<Vec<Weak<Shared>>> = Mutex::new(Vec::new());

/// How long is waited before it is looked whether to go on waiting.
const LOOK: Duration = Duration::from_millis(20);

/// Lets go of what executions that have ended kept: a plan that waits to run again keeps no rows.
fn let_go() {
    KEEPING.lock().retain(|shared| shared.upgrade().is_some_and(|shared| shared.parts.iter().any(Part::keeps)));
}

/// What one execution of a plan shares.
#[derive(Debug, Clone)]
pub struct Sharing {
    shared: Arc<Shared>,
    of: Weak<TaskContext>,
}

/// A part that others need too, in the hands of one that needs it.
pub struct Claim<'a> {
    kept: MutexGuard<'a, Option<Kept>>,
    shared: &'a Arc<Shared>,
    of: Weak<TaskContext>,
    uses: usize,
    /// How many of the chain's stages it is.
    pub stages: usize,
}

impl Sharing {
    /// What an execution shares. What others that have ended shared is let go.
    pub fn new(shared: &Arc<Shared>, context: &Arc<TaskContext>) -> Self {
        let_go();
        Self { shared: Arc::clone(shared), of: Arc::downgrade(context) }
    }

    /// The longest begin of a chain that others need too. Who has it has it alone: another waits until it is there, or is
    /// cancelled.
    pub fn claim(&self, chain: &Chain, cancel: &Cancel) -> Result<Option<Claim<'_>>> {
        let Some(part) = self.shared.parts.iter().find(|part| part.begins(chain)) else { return Ok(None) };
        let kept = loop {
            cancel.check()?;
            if let Some(kept) = part.kept.try_lock_for(LOOK) {
                break kept;
            }
        };
        Ok(Some(Claim { kept, shared: &self.shared, of: self.of.clone(), uses: part.uses, stages: part.stages }))
    }
}

impl Claim<'_> {
    /// What it left, if it was computed in this execution. Of the last use nothing is kept.
    pub fn take(&mut self) -> Option<Held> {
        let kept = self.kept.as_mut().filter(|kept| kept.of.ptr_eq(&self.of))?;
        kept.left -= 1;
        if kept.left > 0 { Some(kept.held.clone()) } else { self.kept.take().map(|kept| kept.held) }
    }

    /// Keeps what it left for the others.
    pub fn keep(mut self, held: &Held) {
        *self.kept = Some(Kept { of: self.of.clone(), held: held.clone(), left: self.uses - 1 });
        let mut keeping = KEEPING.lock();
        if !keeping.iter().any(|known| known.as_ptr() == Arc::as_ptr(self.shared)) {
            keeping.push(Arc::downgrade(self.shared));
        }
    }
}
