//! The stop: an idle runner is removed first, a running job may end within the platform's time, a second signal waits for nothing.

use supervise::{Action, Level, Signal, Target};

use super::{Actions, Drain, Job, JobState, LISTENER, Lifecycle, Phase, Removal, Role, Timer};
use crate::stages::{AFTER_KILL, Ending};

impl Lifecycle {
    pub(super) fn signal(&mut self, signal: Signal) -> Actions {
        if !self.plan.stop_signals.contains(&signal.number()) || self.phase == Phase::Done {
            return vec![];
        }
        if std::mem::replace(&mut self.stopping, true) { self.hurry() } else { self.stop(signal) }
    }

    fn stop(&mut self, signal: Signal) -> Actions {
        let budget = self.plan.stop;
        let mut actions = vec![
            Action::Say(Level::Info, format!("{signal}: stopping within {} s", budget.total.as_secs())),
            Action::Arm(Timer::Budget, budget.total.saturating_sub(budget.reserve)),
        ];
        actions.extend(match self.phase.clone() {
            Phase::Checking => vec![],
            Phase::Preparing { .. } => self.stop_preparing(),
            Phase::Running { alive: false, .. } => {
                let mut actions = vec![Action::Disarm(Timer::Relaunch), Action::Abandon(Job::AwaitUpdate)];
                actions.extend(self.leave());
                actions
            }
            Phase::Running { alive: true, .. } => self.drain(),
            Phase::Killing => vec![Action::Tighten(Timer::Leftovers, budget.kill)],
            Phase::Settling { .. } => vec![Action::Tighten(Timer::Save, budget.settle), Action::Tighten(Timer::Deregister, budget.settle)],
            Phase::Draining(_) | Phase::Done => vec![],
        });
        actions
    }

    fn drain(&mut self) -> Actions {
        match (self.job, self.registration()) {
            (JobState::None, Some(registration)) => {
                vec![
                    self.enter(Phase::Draining(Drain::Asking)),
                    Action::Run(Job::Deregister(registration)),
                    Action::Arm(Timer::Ask, self.plan.stop.ask),
                ]
            }
            (JobState::None, None) => self.end_listener(),
            (JobState::Running | JobState::Completed, _) => self.wait_for_job(),
        }
    }

    fn wait_for_job(&mut self) -> Actions {
        let drain = self.plan.stop.drain;
        vec![
            self.enter(Phase::Draining(Drain::Waiting)),
            Action::Say(Level::Info, format!("a job is running; it may take {} s more", drain.as_secs())),
            Action::Arm(Timer::Drain, drain),
        ]
    }

    /// SIGINT to the Listener alone: it cancels its job and ends the session in its own time. SIGTERM would have a hidden limit of
    /// 30 s, and a signal to the group would hit the job's steps (actions/runner `Runner.cs`, `HostContext.cs`).
    pub(super) fn end_listener(&mut self) -> Actions {
        let mut actions = vec![self.enter(Phase::Draining(Drain::Ending))];
        if self.job == JobState::Running {
            self.end_as(Ending::JobCut);
            actions.push(Action::Say(Level::Warn, "the time for the job is over; cancelling it".to_owned()));
        }
        actions.extend([
            Action::Disarm(Timer::Ask),
            Action::Disarm(Timer::Drain),
            Action::Signal(Target::Named(Role::Runner, LISTENER), Signal::INT),
            Action::Arm(Timer::Cancel, self.plan.stop.cancel),
        ]);
        actions
    }

    pub(super) fn asked(&mut self, removal: Removal) -> Actions {
        if self.phase != Phase::Draining(Drain::Asking) {
            return self.deregistered(removal);
        }
        let mut actions = vec![Action::Disarm(Timer::Ask)];
        match removal {
            Removal::Gone => {
                if let Some(registration) = self.registration() {
                    self.paid(&registration);
                }
                actions.push(Action::Say(Level::Info, "registration removed; no job can come any more".to_owned()));
                // A job that was taken before the answer came is still told to us afterwards; it may end.
                actions.extend(if self.job == JobState::None { self.end_listener() } else { self.wait_for_job() });
            }
            Removal::Busy => actions.extend(self.wait_for_job()),
            Removal::Failed(why) => {
                actions.push(Action::Say(Level::Warn, format!("the registration could not be removed yet: {why}")));
                actions.extend(if self.job == JobState::None { self.end_listener() } else { self.wait_for_job() });
            }
        }
        actions
    }

    /// A second signal: nobody waits any longer for what was being waited for.
    fn hurry(&mut self) -> Actions {
        let mut actions = vec![Action::Say(Level::Warn, "stop asked for again: hurrying".to_owned())];
        actions.extend(match self.phase {
            Phase::Draining(Drain::Asking) => {
                let mut actions: Actions =
                    self.registration().map(|registration| Action::Abandon(Job::Deregister(registration))).into_iter().collect();
                actions.extend(self.end_listener());
                actions
            }
            Phase::Draining(Drain::Waiting) => self.end_listener(),
            Phase::Draining(Drain::Ending) => self.kill_runner(),
            Phase::Killing => self.kill_leftovers(),
            Phase::Checking
            | Phase::Preparing { .. }
            | Phase::Running { .. }
            | Phase::Draining(Drain::Killed)
            | Phase::Settling { .. }
            | Phase::Done => vec![],
        });
        actions
    }

    pub(super) fn kill_runner(&mut self) -> Actions {
        if self.job == JobState::Running {
            self.end_as(Ending::JobCut);
        }
        vec![
            Action::Say(Level::Warn, "the runner does not end; killing it".to_owned()),
            self.enter(Phase::Draining(Drain::Killed)),
            Action::Disarm(Timer::Cancel),
            Action::Signal(Target::Everything, Signal::KILL),
            Action::Arm(Timer::AfterKill, AFTER_KILL),
        ]
    }
}
