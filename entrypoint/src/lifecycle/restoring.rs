//! The restore of the tool cache: before the runner starts, or beside it. Then the hook of the job waits until it is over, and a stop or
//! the end of the job ends it first.

use supervise::{Action, ChildEnd, Level, Signal, Target};

use super::{Actions, Lifecycle, Obligation, Part, Phase, Role, Timer, Words};
use crate::stages::AFTER_KILL;

/// How far the restore of the cache is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Restore {
    Over,
    Going,
    /// It was killed, and is waited for only for a moment: on a mount that does not answer it never ends.
    Killed,
}

/// Among what is pending: a job must not begin yet.
pub(crate) const RESTORING: &str = "restoring";

impl Lifecycle {
    /// Begins it, if there is to be one.
    pub(super) fn start_restore(&mut self) -> Actions {
        let Some(budget) = self.plan.restore else { return vec![] };
        vec![Action::Spawn(Role::Restore), Action::Arm(Timer::Restore, budget)]
    }

    /// The runner may start as far as the cache is concerned. A life that is ending already waits for what it has killed.
    pub(super) fn cache_lets_go_on(&self) -> bool {
        self.restore == Restore::Over || (self.plan.before_job && !self.is_unwanted())
    }

    /// What others may wait for.
    pub(super) fn pending(&self) -> Vec<&'static str> {
        let restoring = self.plan.before_job && self.restore != Restore::Over;
        restoring.then_some(RESTORING).into_iter().collect()
    }

    pub(super) fn restored(&mut self, end: ChildEnd) -> Actions {
        let mut actions = vec![Action::Disarm(Timer::Restore)];
        let what = match end {
            ChildEnd::Code(0) => None,
            // What is missing here the job may install, and if it is missing there too, it is saved: a pack that was broken is replaced so.
            ChildEnd::Code(1) => Some("some tools were not restored (the lines above name them and say why); the job runs without them"),
            _ => {
                // What could not be read now would be written without knowing what is there already.
                self.forbid_save();
                Some("the tool cache was not restored (its lines above say why); the job runs without it, and nothing will be saved")
            }
        };
        let heard = !self.is_unwanted() && matches!(self.phase, Phase::Preparing { .. } | Phase::Running { .. } | Phase::Draining(_));
        actions.extend(what.filter(|_| heard).map(|what| Action::Say(Level::Warn, what.to_owned())));
        actions.extend(self.restore_over());
        actions
    }

    pub(super) fn restore_expired(&mut self) -> Actions {
        match self.restore {
            Restore::Over => vec![],
            Restore::Going => {
                self.restore = Restore::Killed;
                vec![
                    Action::Say(Level::Warn, "the tool cache was not restored in time; starting without the rest of it".to_owned()),
                    kill(),
                    Action::Arm(Timer::Restore, AFTER_KILL),
                ]
            }
            Restore::Killed => {
                self.forbid_save();
                self.restore_over()
            }
        }
    }

    /// Ends it before its time: nobody waits for it any more. What it has not brought would look as if the job had taken it away, so
    /// nothing is saved either.
    pub(super) fn end_restore(&mut self) -> Actions {
        if self.restore != Restore::Over {
            self.forbid_save();
        }
        match self.restore {
            Restore::Over | Restore::Killed => vec![],
            Restore::Going => {
                self.restore = Restore::Killed;
                vec![kill(), Action::Arm(Timer::Restore, AFTER_KILL)]
            }
        }
    }

    fn restore_over(&mut self) -> Actions {
        self.restore = Restore::Over;
        let beside = self.plan.before_job && matches!(self.phase, Phase::Running { .. } | Phase::Draining(_));
        let mut actions: Actions = beside.then(|| self.publish()).into_iter().collect();
        actions.extend(self.prepared(Part::Restore));
        actions
    }

    fn forbid_save(&mut self) {
        self.plan.save = None;
        self.owed.retain(|owed| *owed != Obligation::SaveCache);
    }
}

fn kill() -> Action<Words> {
    Action::Signal(Target::Group(Role::Restore), Signal::KILL)
}
