//! The gate before the daemon's socket: started with the daemons, and again whenever it ends. It holds nothing, so unlike theirs its end
//! costs the job the requests under way and no more.

use supervise::{Action, Level, Signal, Target};

use super::{Actions, Lifecycle, Phase, Step};
use crate::{
    stages,
    words::{Failure, Job, Role, Timer},
};

/// What stands before the daemon's socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Gate {
    /// Nothing: the daemon's own socket is published.
    None,
    /// One that has not said that it listens, or none for a moment.
    Awaited,
    /// One that listens.
    Listening,
}

impl Lifecycle {
    pub(super) fn gate_listens(&mut self) -> Actions {
        if self.gate != Gate::Awaited {
            return vec![];
        }
        self.gate = Gate::Listening;
        match self.phase {
            // The first: docker was usable before it.
            Phase::Starting { publishing: true } | Phase::Serving | Phase::Lingering => vec![Action::Run(Job::Publish)],
            _ => vec![],
        }
    }

    pub(super) fn gate_ended(&mut self, how: &str) -> Actions {
        self.gate = Gate::Awaited;
        self.alive.remove(&Role::Gate);
        match self.phase {
            Phase::Restarting(step @ Step::Burying { .. }) => self.buried(step),
            Phase::Starting { publishing: true } if self.stopping => {
                let mut actions = vec![Action::Abandon(Job::Publish)];
                actions.extend(self.terminate());
                actions
            }
            Phase::Starting { .. } | Phase::Serving | Phase::Lingering => vec![
                Action::Abandon(Job::Publish),
                Action::Say(Level::Error, format!("{how}; it is started again, containers are not touched")),
                Action::Arm(Timer::Gate, stages::GATE_PAUSE),
            ],
            // Everything ends.
            _ => vec![],
        }
    }

    pub(super) fn gate_again(&mut self) -> Actions {
        match self.phase {
            Phase::Starting { .. } | Phase::Serving | Phase::Lingering => vec![self.spawn(Role::Gate)],
            _ => vec![],
        }
    }

    /// What was said of the socket of a gate that is not the first. One that cannot be published is replaced, and the next is tried.
    pub(super) fn published_again(&self, result: Result<(), Failure>) -> Actions {
        match result {
            Ok(()) => vec![Action::Say(Level::Info, "the gate stands again".to_owned())],
            Err(failure) => vec![Action::Say(Level::Error, failure.why), Action::Signal(Target::Child(Role::Gate), Signal::KILL)],
        }
    }
}
