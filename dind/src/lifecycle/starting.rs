//! From the checks to a published socket.

use supervise::Action;

use super::{Actions, Lifecycle, Phase, gate::Gate};
use crate::words::{Failure, Job, Obligation, Role, Timer};

impl Lifecycle {
    pub(super) fn checked(&mut self, result: Result<(), Failure>) -> Actions {
        match (self.phase, result) {
            (Phase::Checking, Ok(())) => self.enter(Phase::Nesting, [Action::Run(Job::Nest)]),
            (Phase::Checking, Err(failure)) => self.fail_then(failure, Self::exit),
            _ => vec![],
        }
    }

    pub(super) fn nested(&mut self, result: Result<(), Failure>) -> Actions {
        match (self.phase, result) {
            (Phase::Nesting, Ok(())) => {
                self.owes.push(Obligation::RemoveDataRoot);
                self.enter(Phase::Preparing, [Action::Run(Job::Prepare)])
            }
            (Phase::Nesting, Err(failure)) => self.fail_then(failure, Self::exit),
            _ => vec![],
        }
    }

    pub(super) fn prepared(&mut self, result: Result<(), Failure>) -> Actions {
        match (self.phase, result) {
            (Phase::Preparing, Ok(())) if self.stopping => self.settle(),
            (Phase::Preparing, Ok(())) => self.start(),
            (Phase::Preparing, Err(failure)) => self.fail_then(failure, Self::settle),
            _ => vec![],
        }
    }

    pub(super) fn usable(&mut self, result: Result<(), Failure>) -> Actions {
        match (self.phase, result) {
            (Phase::Starting { publishing: false }, Ok(())) => {
                if self.gate == Gate::None {
                    self.owes.push(Obligation::RemoveSocket);
                }
                // Without it the gate has yet to say that there is a socket.
                let there = self.gate != Gate::Awaited;
                self.enter(Phase::Starting { publishing: true }, there.then_some(Action::Run(Job::Publish)))
            }
            (Phase::Starting { publishing: false }, Err(failure)) => self.fail_then(failure, Self::terminate),
            _ => vec![],
        }
    }

    pub(super) fn published(&mut self, result: Result<(), Failure>) -> Actions {
        match (self.phase, result) {
            (Phase::Starting { publishing: true }, Ok(())) if self.stopping => self.terminate(),
            (Phase::Starting { publishing: true }, Ok(())) => {
                let follow = self.exit_with_runner.then_some(Action::Run(Job::FollowRunner));
                self.enter(Phase::Serving, [Action::Disarm(Timer::Start)].into_iter().chain(follow))
            }
            (Phase::Starting { publishing: true }, Err(failure)) => self.fail_then(failure, Self::terminate),
            (Phase::Serving | Phase::Lingering, result) if self.gate != Gate::None => self.published_again(result),
            _ => vec![],
        }
    }

    fn start(&mut self) -> Actions {
        self.owes.push(Obligation::Unmount);
        let guarded = self.gate != Gate::None;
        if guarded {
            // It makes the socket itself, before docker is usable.
            self.owes.push(Obligation::RemoveSocket);
        }
        let mut actions = self.enter(
            Phase::Starting { publishing: false },
            [
                // Both at once: dockerd waits for containerd's socket. One that it starts itself it looks after only once a second,
                // which costs a second at the start and another at the end.
                Action::Spawn(Role::Containerd),
                Action::Spawn(Role::Dockerd),
                Action::Run(Job::Probe),
                // Beside the start, not before it: what dead tasks left can be hundreds of thousands of files.
                Action::Run(Job::Sweep),
                // Its runner may be there already, and waits for what we see.
                Action::Run(Job::MeetRunners),
            ],
        );
        actions.extend(guarded.then_some(Action::Spawn(Role::Gate)));
        actions
    }
}
