//! From the checks to a published socket.

use supervise::Action;

use super::{Actions, Lifecycle, Phase};
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
                self.owes.push(Obligation::RemoveSocket);
                self.enter(Phase::Starting { publishing: true }, [Action::Run(Job::Publish)])
            }
            (Phase::Starting { publishing: false }, Err(failure)) => self.fail_then(failure, Self::terminate),
            _ => vec![],
        }
    }

    pub(super) fn published(&mut self, result: Result<(), Failure>) -> Actions {
        match (self.phase, result) {
            (Phase::Starting { publishing: true }, Ok(())) if self.stopping => self.terminate(),
            (Phase::Starting { publishing: true }, Ok(())) => self.enter(
                Phase::Serving,
                // Sweeping only now: what dead tasks left can be hundreds of thousands of files, and the start is what a job waits for.
                // Where that room is needed to start at all, the data-root was prepared by making it.
                [Action::Disarm(Timer::Start), Action::Run(Job::Sweep), Action::Run(Job::WatchSpace)],
            ),
            (Phase::Starting { publishing: true }, Err(failure)) => self.fail_then(failure, Self::terminate),
            _ => vec![],
        }
    }

    pub(super) fn start(&mut self) -> Actions {
        // A file system of its own is mounted already.
        if self.owes.last() != Some(&Obligation::Unmount) {
            self.owes.push(Obligation::Unmount);
        }
        self.enter(
            Phase::Starting { publishing: false },
            [
                // Both at once: dockerd waits for containerd's socket. One that it starts itself it looks after only once a second,
                // which costs a second at the start and another at the end.
                Action::Spawn(Role::Containerd),
                Action::Spawn(Role::Dockerd),
                Action::Run(Job::Probe),
            ],
        )
    }
}
