//! Undoing what was taken on, the last first.

use supervise::{Action, Level};

use super::{Actions, Lifecycle, Phase};
use crate::{
    stages,
    words::{Job, Obligation, Timer},
};

impl Lifecycle {
    pub(super) fn settle(&mut self) -> Actions {
        let mut actions = vec![Action::Disarm(Timer::Alone)];
        if !self.stopping {
            actions.push(Action::Arm(Timer::End, stages::UNHURRIED));
        }
        self.phase = Phase::Settling;
        actions.extend(self.pay());
        actions
    }

    pub(super) fn paid(&mut self, obligation: Obligation, result: Result<(), String>) -> Actions {
        if self.phase != Phase::Settling || self.owes.last() != Some(&obligation) {
            return vec![];
        }
        self.owes.pop();
        let said = result.err().map(|why| Action::Say(Level::Warn, format!("could not {obligation}: {why}")));
        said.into_iter().chain(self.pay()).collect()
    }

    fn pay(&mut self) -> Actions {
        match self.owes.last() {
            Some(&obligation) => vec![self.publish(), Action::Run(Job::Pay(obligation))],
            None => self.exit(),
        }
    }
}
