//! While a job runs the platform may be asked not to take the task away: ECS stops the tasks of a service that scales in as it likes.

use supervise::{Action, Level};

use super::{Actions, Job, JobState, Lifecycle, Obligation, Phase, Timer};
use crate::{
    stages::{PROTECTION_RENEWAL, PROTECTION_RETRY},
    words::Protection,
};

impl Lifecycle {
    /// Asks for protection, the first time or once more.
    pub(super) fn protect(&mut self) -> Actions {
        if !self.plan.protect || self.job != JobState::Running {
            return vec![];
        }
        self.owe(Obligation::Unprotect);
        vec![Action::Run(Job::Protect(true))]
    }

    pub(super) fn protected(&mut self, answer: Protection) -> Actions {
        if let Phase::Settling { unprotecting: true, .. } = self.phase {
            return self.unprotected(answer);
        }
        if !matches!(self.phase, Phase::Running { .. } | Phase::Draining(_)) {
            return vec![];
        }
        match answer {
            Protection::Done => vec![Action::Arm(Timer::Protection, PROTECTION_RENEWAL)],
            Protection::NotForThisTask(why) => {
                self.plan.protect = false;
                self.owed.retain(|owed| *owed != Obligation::Unprotect);
                vec![Action::Say(Level::Info, why), self.publish()]
            }
            Protection::Failed(why) => {
                vec![
                    Action::Say(Level::Warn, format!("the task is not protected from scale-in yet: {why}")),
                    Action::Arm(Timer::Protection, PROTECTION_RETRY),
                ]
            }
        }
    }
}
