//! From the checks to a published socket.

use supervise::{Action, Level};

use super::{Actions, Lifecycle, Phase, gate::Gate};
use crate::{
    daemon::version::{NEWEST, OLDEST},
    stages,
    words::{Failure, Job, Obligation, Role, Timer, Words, exit},
};

impl Lifecycle {
    pub(super) fn checked(&mut self, result: Result<(), Failure>) -> Actions {
        match (self.phase, result) {
            (Phase::Checking, Ok(())) => {
                // Beside everything up to the start of dockerd: a program of 70 MB takes a moment to say its name.
                let ask = self.spawn(Role::Version);
                self.enter(Phase::Nesting, [ask, Action::Run(Job::Nest)])
            }
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
                // Owed already, if daemons were published before, or if a gate makes it.
                if self.gate == Gate::None && self.owes.last() != Some(&Obligation::RemoveSocket) {
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
                // Sweeping only now: what dead tasks left can be hundreds of thousands of files, and the start is what a job waits for.
                // Where that room is needed to start at all, the data-root was prepared by making it.
                let beside = [Job::WatchDaemon, Job::Sweep, Job::WatchSpace].map(Action::Run);
                let mut actions = vec![Action::Count("docker_restarts", self.restarts as u64)];
                actions.extend(self.enter(Phase::Serving, [Action::Disarm(Timer::Start)].into_iter().chain(beside)));
                if self.restarts > 0 {
                    let of = stages::RESTARTS.len();
                    actions.push(Action::Say(
                        Level::Warn,
                        format!("docker is usable again, empty of containers, after restart {} of {of}", self.restarts),
                    ));
                }
                actions
            }
            (Phase::Starting { publishing: true }, Err(failure)) => self.fail_then(failure, Self::terminate),
            (Phase::Serving | Phase::Lingering, result) if self.gate != Gate::None => self.published_again(result),
            (phase, _) => self.published_late(phase),
        }
    }

    pub(super) fn start(&mut self) -> Actions {
        // A file system of its own is mounted already.
        if self.owes.last() != Some(&Obligation::Unmount) {
            self.owes.push(Obligation::Unmount);
        }
        if self.gate != Gate::None {
            // It makes the socket itself, before docker is usable.
            self.owes.push(Obligation::RemoveSocket);
        }
        let mut actions = self.start_daemons();
        // Its runner may be there already, and waits for what we see.
        actions.push(Action::Run(Job::MeetRunners));
        actions.extend(self.plan.exit_with_runner.then_some(Action::Run(Job::FollowRunner)));
        actions
    }

    /// containerd beside dockerd, which waits for its socket: one that dockerd starts itself it looks after only once a second, which
    /// costs a second at the start and another at the end.
    pub(super) fn start_daemons(&mut self) -> Actions {
        let containerd = self.spawn(Role::Containerd);
        let gate = (self.gate != Gate::None).then(|| self.spawn(Role::Gate));
        let mut actions = self.enter(Phase::Starting { publishing: false }, [containerd].into_iter().chain(gate));
        actions.extend(if self.furnished { self.start_dockerd() } else { self.furnish() });
        actions
    }

    /// Has dockerd's configuration written once it has said which one it is, or has ended without.
    pub(super) fn furnish(&mut self) -> Actions {
        if self.phase != (Phase::Starting { publishing: false }) || self.alive.contains(&Role::Version) {
            return vec![];
        }
        let mut actions = Vec::new();
        match self.version {
            None => {
                let what = "dockerd does not say which version it is; it gets only settings that every version knows".to_owned();
                actions.push(Action::Say(Level::Warn, what));
            }
            Some(version) if version < OLDEST => {
                let why = format!(
                    "dockerd is {version}, too old: nothing before {OLDEST} knows cgroup v2\nhint: install a newer one in the image"
                );
                return self.fail_then(Failure { code: exit::HOST, why }, Self::terminate);
            }
            Some(version) if version > NEWEST => {
                let major = NEWEST.major;
                let what = format!("dockerd is {version}, newer than this program knows: the last one looked at is {major}");
                actions.push(Action::Say(Level::Warn, what));
            }
            Some(_) => {}
        }
        actions.push(Action::Run(Job::Furnish));
        actions
    }

    pub(super) fn furnished(&mut self, result: Result<(), Failure>) -> Actions {
        match (self.phase, result) {
            (Phase::Starting { publishing: false }, Ok(())) => {
                self.furnished = true;
                self.start_dockerd()
            }
            (Phase::Starting { publishing: false }, Err(failure)) => self.fail_then(failure, Self::terminate),
            _ => vec![],
        }
    }

    fn start_dockerd(&mut self) -> Actions {
        vec![self.spawn(Role::Dockerd), Action::Run(Job::Probe)]
    }

    pub(super) fn spawn(&mut self, role: Role) -> Action<Words> {
        self.alive.insert(role);
        Action::Spawn(role)
    }
}
