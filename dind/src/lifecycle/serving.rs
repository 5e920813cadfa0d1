//! While docker serves: whether it answers, and what happens when a daemon dies.
//!
//! A daemon that died is started again, together with the other one and on the same data: images and volumes are still there. Containers,
//! networks in use and builds under way are not, and a job that had any fails; the next steps of a job that had none go well.

use std::time::Duration;

use supervise::{Action, Level, Signal, Target};

use super::{Actions, Lifecycle, Phase, Step, gate::Gate};
use crate::{
    stages,
    words::{Failure, Job, Timer, exit},
};

impl Lifecycle {
    /// docker answers again, or does not any more.
    pub(super) fn heard(&mut self, answers: bool, span: Duration) -> Actions {
        if !matches!(self.phase, Phase::Serving | Phase::Lingering) || self.silent != answers {
            return vec![];
        }
        self.silent = !answers;
        let seconds = span.as_secs();
        let said = if answers {
            Action::Mark(Level::Warn, "docker_answers", format!("docker answers again, after {seconds} s"))
        } else {
            let hint = "hint: it may wait for a disk or for memory; `health` fails until it answers";
            Action::Mark(Level::Error, "docker_silent", format!("docker has not answered for {seconds} s\n{hint}"))
        };
        vec![said, self.publish()]
    }

    /// One of the two died though nobody asked it to.
    pub(super) fn daemon_died(&mut self, how: &str) -> Actions {
        let guarded = self.gate != Gate::None;
        // What comes of a gate's socket does not matter any more: it dies with the rest.
        let publishing = self.phase == Phase::Starting { publishing: true } && !guarded;
        let early = matches!(self.phase, Phase::Starting { .. });
        let when = if early { " before docker was usable" } else { "" };
        let last = self.last_complaint();
        let of = stages::RESTARTS.len();
        let beside = [Job::Furnish, Job::Probe, Job::WatchDaemon, Job::WatchSpace, Job::Sweep].map(Action::Abandon);
        let mut actions: Actions = beside.into_iter().chain([Action::Disarm(Timer::Sweep)]).collect();
        if guarded {
            actions.extend([Action::Abandon(Job::Publish), Action::Disarm(Timer::Gate)]);
        }
        let end = if self.refused {
            Some((exit::CONFIG, "\nhint: it would say so again; see DOCKERD_ARGS and the file that DOCKER_DAEMON_JSON names".to_owned()))
        } else {
            (self.restarts >= of).then(|| (exit::UNAVAILABLE, format!("\nit was started again {of} times, and is given up")))
        };
        if let Some((code, why)) = end {
            actions.push(self.fail(Failure { code, why: format!("{how}{when}{last}{why}") }));
            actions.push(Action::Disarm(Timer::Start));
            actions.extend(self.bury());
            return actions;
        }
        let wait = stages::RESTARTS[self.restarts];
        self.restarts += 1;
        self.silent = false;
        let lost = if early { "" } else { "\ncontainers, and builds under way, are lost; images and volumes are not" };
        let next = format!("\nboth daemons are started again in {} s ({} of {of})", wait.as_secs(), self.restarts);
        actions.push(Action::Mark(Level::Error, "docker_died", format!("{how}{when}{last}{lost}{next}")));
        actions.push(Action::Fact("docker_restarts", self.restarts.to_string()));
        if !early {
            actions.push(Action::Arm(Timer::Start, self.plan.start_timeout));
        }
        actions.extend(self.enter(
            Phase::Restarting(Step::Burying { alone: false, publishing }),
            [Action::Signal(Target::Everything, Signal::KILL), Action::Arm(Timer::Alone, stages::ALONE)],
        ));
        actions
    }

    /// Something more of the dead is gone.
    pub(super) fn buried(&mut self, step: Step) -> Actions {
        self.phase = Phase::Restarting(step);
        if !self.alive.is_empty() || step != (Step::Burying { alone: true, publishing: false }) {
            return vec![];
        }
        self.phase = Phase::Restarting(Step::Clearing);
        vec![Action::Disarm(Timer::Alone), Action::Run(Job::Clear)]
    }

    /// The socket of a daemon that died meanwhile is published.
    pub(super) fn published_late(&mut self, phase: Phase) -> Actions {
        match phase {
            Phase::Restarting(Step::Burying { alone, .. }) => self.buried(Step::Burying { alone, publishing: false }),
            _ => vec![],
        }
    }

    pub(super) fn cleared(&mut self, result: Result<(), Failure>) -> Actions {
        match (self.phase, result) {
            (Phase::Restarting(Step::Clearing), Ok(())) => {
                self.phase = Phase::Restarting(Step::Waiting);
                vec![Action::Arm(Timer::Restart, stages::RESTARTS[self.restarts - 1])]
            }
            (Phase::Restarting(Step::Clearing), Err(failure)) => self.fail_then(failure, Self::give_up_restart),
            _ => vec![],
        }
    }

    pub(super) fn start_again(&mut self) -> Actions {
        self.start_daemons()
    }

    /// Leaves from the middle of a restart, towards the end.
    pub(super) fn give_up_restart(&mut self) -> Actions {
        let mut actions =
            vec![Action::Disarm(Timer::Start), Action::Disarm(Timer::Restart), Action::Disarm(Timer::Alone), Action::Abandon(Job::Clear)];
        actions.extend(self.bury());
        actions
    }
}
