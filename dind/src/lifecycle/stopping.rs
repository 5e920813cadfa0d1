//! From the wish to end, or the need to, until nothing runs any more.

use supervise::{Action, ChildEnd, Level, Signal, Target};

use super::{Actions, Lifecycle, Phase, Step, gate::Gate};
use crate::{
    stages::{self, Deadlines},
    words::{Job, Role, Timer, Words, exit},
};

impl Lifecycle {
    pub(super) fn asked_to_stop(&mut self) -> Actions {
        if std::mem::take(&mut self.foreseen) {
            // Only now does the platform's clock run.
            return self.deadlines().to_vec();
        }
        if self.stopping {
            return self.hurry();
        }
        self.stopping = true;
        let mut actions = self.deadlines().to_vec();
        actions.extend(match self.phase {
            // Nothing has been done that would have to be undone.
            Phase::New | Phase::Checking | Phase::Nesting => return self.exit(),
            // Nothing is under way that would be known a moment later.
            Phase::Starting { publishing: true } if self.gate == Gate::Awaited => self.terminate(),
            // A moment later it is known what there is to undo.
            Phase::Preparing | Phase::Formatting { mounting: true } | Phase::Starting { publishing: true } => vec![],
            Phase::Formatting { mounting: false } => self.bury(),
            Phase::Starting { publishing: false } => self.terminate(),
            Phase::Restarting(_) => self.give_up_restart(),
            Phase::Serving => self.enter(Phase::Lingering, [Action::Disarm(Timer::Sweep), Action::Run(Job::AwaitRunner)]),
            Phase::Lingering | Phase::Draining | Phase::Killing { .. } | Phase::Settling | Phase::Done => vec![],
        });
        actions
    }

    pub(super) fn runner_gone(&mut self) -> Actions {
        if self.phase == Phase::Lingering { self.drain() } else { vec![] }
    }

    /// A stop of our own making; a signal after it is still the first one.
    pub(super) fn runner_ended(&mut self) -> Actions {
        if self.stopping {
            return vec![];
        }
        let mut actions = vec![Action::Mark(Level::Info, "runner_gone", "the runner has ended; docker is not needed any more".to_owned())];
        actions.extend(self.asked_to_stop());
        self.foreseen = true;
        actions
    }

    fn deadlines(&self) -> [Action<Words>; 4] {
        let Deadlines { linger, containers, dockerd, end } = self.deadlines;
        [
            Action::Tighten(Timer::Linger, linger),
            Action::Tighten(Timer::Containers, containers),
            Action::Tighten(Timer::Dockerd, dockerd),
            Action::Tighten(Timer::End, end),
        ]
    }

    pub(super) fn containers_killed(&mut self, result: Result<usize, String>) -> Actions {
        if self.phase != Phase::Draining {
            return vec![];
        }
        let said = match result {
            Ok(0) => None,
            Ok(1) => Some("1 container was still running and was killed".to_owned()),
            Ok(count) => Some(format!("{count} containers were still running and were killed")),
            Err(why) => Some(format!("containers could not be killed: {why}")),
        };
        said.map(|said| Action::Say(Level::Warn, said)).into_iter().chain(self.terminate()).collect()
    }

    /// A further signal ends the waiting at hand. Undoing is not waiting, and is bounded anyway.
    pub(super) fn hurry(&mut self) -> Actions {
        match self.phase {
            Phase::Lingering => self.cut(),
            Phase::Draining => self.terminate(),
            Phase::Killing { burying: false } => self.bury(),
            Phase::New
            | Phase::Checking
            | Phase::Nesting
            | Phase::Preparing
            | Phase::Formatting { .. }
            | Phase::Starting { .. }
            | Phase::Serving
            | Phase::Restarting(_)
            | Phase::Killing { burying: true }
            | Phase::Settling
            | Phase::Done => vec![],
        }
    }

    /// The runner is still there and cannot be waited for.
    pub(super) fn cut(&mut self) -> Actions {
        if self.code == exit::FINE {
            self.code = exit::CUT;
        }
        let mut actions = vec![
            Action::Abandon(Job::AwaitRunner),
            Action::Say(Level::Warn, "the runner is still there; docker is taken away from it".to_owned()),
        ];
        actions.extend(self.drain());
        actions
    }

    /// dockerd would wait 10 s and more for containers that ignore SIGTERM, whatever it is told (`--shutdown-timeout` is a minimum), so
    /// they are killed first.
    pub(super) fn drain(&mut self) -> Actions {
        self.enter(Phase::Draining, [Action::Abandon(Job::WatchDaemon), Action::Run(Job::KillContainers)])
    }

    /// Asks dockerd to end.
    pub(super) fn terminate(&mut self) -> Actions {
        let mut actions = Vec::new();
        match self.phase {
            Phase::Starting { .. } => {
                actions.extend([Action::Disarm(Timer::Start), Action::Abandon(Job::Furnish), Action::Abandon(Job::Probe)]);
            }
            Phase::Lingering => actions.push(Action::Abandon(Job::WatchDaemon)),
            Phase::Draining => actions.push(Action::Abandon(Job::KillContainers)),
            _ => {}
        }
        if !self.alive.contains(&Role::Dockerd) {
            // It was not started yet.
            actions.extend(self.bury());
            return actions;
        }
        actions.push(Action::Signal(Target::Child(Role::Dockerd), Signal::TERM));
        if !self.stopping {
            // The same time as in a stop, from now.
            actions.push(Action::Arm(Timer::Dockerd, self.deadlines.dockerd));
        }
        self.enter(Phase::Killing { burying: false }, actions)
    }

    pub(super) fn child_ended(&mut self, role: Role, how: &str) -> Actions {
        self.alive.remove(&role);
        if role == Role::Version {
            return match self.phase {
                Phase::Restarting(step @ Step::Burying { .. }) => self.buried(step),
                _ => self.furnish(),
            };
        }
        match self.phase {
            Phase::Formatting { mounting: false } if role == Role::Mkfs => self.not_formatted(how),
            // By our wish. containerd stays until then; dockerd needs it to end well.
            Phase::Killing { burying: false } if role == Role::Dockerd => self.bury(),
            Phase::Starting { .. } | Phase::Serving if !self.stopping => self.daemon_died(how),
            Phase::Restarting(step @ Step::Burying { .. }) => self.buried(step),
            // Once a stop was asked for nothing is started again.
            Phase::Starting { .. } | Phase::Lingering | Phase::Draining => {
                let when = if matches!(self.phase, Phase::Starting { .. }) { " before docker was usable" } else { "" };
                let last = self.last_complaint();
                // In whatever phase: without docker the life was not as intended.
                self.code = exit::UNAVAILABLE;
                let mut actions = vec![
                    Action::Disarm(Timer::Start),
                    Action::Abandon(Job::Furnish),
                    Action::Abandon(Job::Probe),
                    Action::Abandon(Job::WatchDaemon),
                    Action::Abandon(Job::AwaitRunner),
                    Action::Abandon(Job::KillContainers),
                    Action::Say(Level::Error, format!("{how}{when}{last}")),
                ];
                actions.extend(self.bury());
                actions
            }
            Phase::New
            | Phase::Checking
            | Phase::Nesting
            | Phase::Preparing
            | Phase::Formatting { .. }
            | Phase::Serving
            | Phase::Restarting(_)
            | Phase::Killing { .. }
            | Phase::Settling
            | Phase::Done => vec![],
        }
    }

    pub(super) fn last_complaint(&mut self) -> String {
        self.complaint.take().map(|line| format!("\nits last complaint: {line}")).unwrap_or_default()
    }

    /// Ends whatever is left: containerd, shims, containers. Nothing may be using the data-root when it is removed.
    pub(super) fn bury(&mut self) -> Actions {
        self.enter(
            Phase::Killing { burying: true },
            [
                Action::Disarm(Timer::Sweep),
                Action::Disarm(Timer::Dockerd),
                Action::Abandon(Job::WatchSpace),
                Action::Signal(Target::Everything, Signal::KILL),
                Action::Arm(Timer::Alone, stages::ALONE),
            ],
        )
    }
}

/// What a death by signal usually means.
pub(super) fn hint(end: ChildEnd) -> &'static str {
    match end {
        ChildEnd::Signal(Signal::KILL) => "\nhint: if nobody killed it, the kernel did for lack of memory: see the task's memory limit",
        ChildEnd::Signal(_) | ChildEnd::Code(_) => "",
    }
}
