//! A file system of this task's own, the room that is left, and what dead tasks left.

use supervise::{Action, Level};

use super::{Actions, Lifecycle, Phase};
use crate::{
    stages,
    words::{Failure, Job, Obligation, Role, Timer, exit},
};

impl Lifecycle {
    pub(super) fn unformatted(&mut self) -> Actions {
        match self.phase {
            Phase::Preparing if self.stopping => self.settle(),
            Phase::Preparing => self.enter(Phase::Formatting { mounting: false }, [Action::Spawn(Role::Mkfs)]),
            _ => vec![],
        }
    }

    pub(super) fn formatted(&mut self) -> Actions {
        if self.phase != (Phase::Formatting { mounting: false }) {
            return vec![];
        }
        self.owes.push(Obligation::Unmount);
        self.enter(Phase::Formatting { mounting: true }, [Action::Run(Job::Mount)])
    }

    pub(super) fn not_formatted(&mut self, how: &str) -> Actions {
        let last = self.last_complaint();
        self.fail_then(Failure { code: exit::HOST, why: format!("this task's file system could not be made: {how}{last}") }, Self::settle)
    }

    pub(super) fn mounted(&mut self, result: Result<(), Failure>) -> Actions {
        match (self.phase, result) {
            (Phase::Formatting { mounting: true }, Ok(())) if self.stopping => self.settle(),
            (Phase::Formatting { mounting: true }, Ok(())) => self.start(),
            (Phase::Formatting { mounting: true }, Err(failure)) => self.fail_then(failure, Self::settle),
            _ => vec![],
        }
    }

    /// The neighbours die at any time, and may leave the deletion to us: it is looked again, as long as a job may run here.
    pub(super) fn swept(&mut self) -> Actions {
        if self.phase == Phase::Serving { vec![Action::Arm(Timer::Sweep, stages::BETWEEN_SWEEPS)] } else { vec![] }
    }

    pub(super) fn space(&mut self, short: bool, what: String) -> Actions {
        if !matches!(self.phase, Phase::Serving | Phase::Lingering | Phase::Draining | Phase::Killing { burying: false }) {
            return vec![];
        }
        let level = if short { Level::Warn } else { Level::Info };
        // For whoever asks afterwards why builds failed.
        let first = what.lines().next().unwrap_or_default().to_owned();
        vec![Action::Mark(level, "storage", what), Action::Fact("storage", first)]
    }
}
