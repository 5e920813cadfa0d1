//! The stop: an idle runner is removed first, a running job may end within the platform's time, a second signal waits for nothing.
//!
//! Too long idle, too old, and a machine that is taken away go the same way, from where removing the registration is what tells whether
//! a job is there.

use std::time::Duration;

use supervise::{Action, Level, Signal, Target};

use super::{Actions, Cause, Drain, Job, JobState, LISTENER, Lifecycle, Phase, Removal, Role, Timer};
use crate::stages::{AFTER_KILL, Ending, SPOT_RESERVE, StopBudget};

impl Lifecycle {
    pub(super) fn signal(&mut self, signal: Signal) -> Actions {
        if !self.plan.stop_signals.contains(&signal.number()) || self.phase == Phase::Done {
            return vec![];
        }
        if self.stopping == Some(Cause::Signal) {
            return self.hurry();
        }
        let why = format!("{signal}: stopping within {} s", self.plan.stop.total.as_secs());
        self.stop(Cause::Signal, Ending::Stopped, self.plan.stop, why)
    }

    pub(super) fn lived_long_enough(&mut self) -> Actions {
        if self.stopping.is_some() {
            return vec![];
        }
        let stop = self.plan.stop;
        let why = format!("this life is as long as it may be (MAX_LIFETIME): stopping within {} s", stop.total.as_secs());
        self.stop(Cause::Foreseen, Ending::MaxLifetime, stop, why)
    }

    pub(super) fn machine_ends(&mut self, left: Duration) -> Actions {
        if self.stopping.is_some() {
            return vec![];
        }
        let why = format!("Spot notice: this machine is taken away in {} s; stopping before that", left.as_secs());
        let stop = StopBudget::split(left.saturating_sub(SPOT_RESERVE));
        self.stop(Cause::Foreseen, Ending::SpotNotice, stop, why)
    }

    pub(super) fn idle_too_long(&mut self) -> Actions {
        let (JobState::None, Some(most)) = (self.job, self.plan.idle_timeout) else { return vec![] };
        self.reason.get_or_insert(Ending::IdleTimeout);
        let mut actions =
            vec![Action::Mark(Level::Info, "idle_timeout", format!("no job came within {} s (IDLE_TIMEOUT)", most.as_secs()))];
        actions.extend(self.drain());
        actions
    }

    /// Stops by `budget`. A stop may follow one that was foreseen: then the shorter time holds, part by part.
    fn stop(&mut self, cause: Cause, reason: Ending, budget: StopBudget, why: String) -> Actions {
        // That it was too long idle is of no interest any more once a job may be there; the answer will say.
        if self.stopping.is_none() {
            self.reason = Some(reason);
        }
        self.stopping = Some(cause);
        self.budget = budget;
        let mut actions =
            vec![Action::Mark(Level::Info, "stop", why), Action::Tighten(Timer::Budget, budget.total.saturating_sub(budget.reserve))];
        if matches!(self.phase, Phase::Running { .. } | Phase::Draining(_)) {
            actions.extend(self.end_restore());
        }
        actions.extend(match self.phase.clone() {
            Phase::Checking { .. } => self.stop_checking(),
            Phase::Preparing { .. } => self.stop_preparing(),
            Phase::Running { alive: false, .. } => {
                let mut actions = vec![Action::Disarm(Timer::Relaunch), Action::Abandon(Job::AwaitUpdate)];
                actions.extend(self.leave());
                actions
            }
            Phase::Running { alive: true, .. } => self.drain(),
            Phase::Draining(Drain::Asking | Drain::Answering) => vec![Action::Tighten(Timer::Ask, budget.ask)],
            Phase::Draining(Drain::Waiting) => vec![Action::Tighten(Timer::Drain, budget.drain)],
            Phase::Draining(Drain::Ending) => vec![Action::Tighten(Timer::Cancel, budget.cancel)],
            Phase::Killing => vec![Action::Tighten(Timer::Leftovers, budget.kill)],
            Phase::Settling { saving, deregistering, unprotecting, reading } => {
                [(saving, Timer::Save), (deregistering, Timer::Deregister), (unprotecting, Timer::Unprotect), (reading, Timer::Perf)]
                    .into_iter()
                    .filter(|(going, _)| *going)
                    .map(|(_, timer)| Action::Tighten(timer, budget.settle))
                    .collect()
            }
            Phase::Draining(Drain::Killed) | Phase::Done => vec![],
        });
        actions
    }

    fn stop_checking(&mut self) -> Actions {
        let Phase::Checking { delayed, looking, finding } = &mut self.phase else { return vec![] };
        let mut actions = Vec::new();
        if std::mem::take(delayed) {
            (*looking, *finding) = (false, false);
            actions.push(Action::Disarm(Timer::StartDelay));
        }
        if std::mem::take(finding) {
            actions.push(Action::Abandon(Job::FindTask));
        }
        actions.extend(self.go_on_if_checked());
        actions
    }

    /// Ends the runner without losing a job that could end.
    fn drain(&mut self) -> Actions {
        let mut actions = vec![Action::Disarm(Timer::Idle)];
        actions.extend(match (self.job, self.registration()) {
            (JobState::None, Some(registration)) => {
                vec![self.enter(Phase::Draining(Drain::Asking)), self.ask(registration), Action::Arm(Timer::Ask, self.budget.ask)]
            }
            (JobState::None, None) => self.end_listener(),
            (JobState::Running | JobState::Completed, _) => self.wait_for_job(),
        });
        actions
    }

    fn wait_for_job(&mut self) -> Actions {
        // Only too long idle, and not idle after all: the job has all the time it wants.
        if self.stopping.is_none() {
            self.reason = None;
            let mut actions = vec![self.enter(Phase::Running { alive: true, listening: true })];
            actions.extend(self.watch_idleness());
            return actions;
        }
        let drain = self.budget.drain;
        vec![
            self.enter(Phase::Draining(Drain::Waiting)),
            Action::Mark(Level::Info, "job_awaited", format!("a job is running; it may take {} s more", drain.as_secs())),
            Action::Arm(Timer::Drain, drain),
        ]
    }

    /// SIGINT to the Listener alone: it cancels its job and ends the session in its own time. SIGTERM would have a hidden limit of
    /// 30 s, and a signal to the group would hit the job's steps (actions/runner `Runner.cs`, `HostContext.cs`).
    pub(super) fn end_listener(&mut self) -> Actions {
        let mut actions = self.end_restore();
        actions.push(self.enter(Phase::Draining(Drain::Ending)));
        if self.job == JobState::Running {
            self.end_as(Ending::JobCut);
            actions.push(Action::Mark(Level::Warn, "job_cancelled", "the time for the job is over; cancelling it".to_owned()));
        }
        actions.extend([
            Action::Disarm(Timer::Ask),
            Action::Disarm(Timer::Drain),
            Action::Signal(Target::Named(Role::Runner, LISTENER), Signal::INT),
            Action::Arm(Timer::Cancel, self.budget.cancel),
        ]);
        actions
    }

    pub(super) fn asked(&mut self, removal: Removal) -> Actions {
        let gone = match self.phase {
            Phase::Draining(Drain::Asking) => false,
            Phase::Draining(Drain::Answering) => true,
            _ => return self.deregistered(removal),
        };
        let mut actions = vec![Action::Disarm(Timer::Ask)];
        let busy = match removal {
            Removal::Gone => {
                if let Some(registration) = self.registration() {
                    self.paid(&registration);
                }
                actions.push(Action::Mark(Level::Info, "deregistered", "registration removed; no job can come any more".to_owned()));
                // A job that was taken before the answer came is still told to us afterwards; it may end.
                self.job != JobState::None
            }
            Removal::Busy => true,
            Removal::Failed(why) => {
                actions.push(Action::Say(Level::Warn, format!("the registration could not be removed yet: {why}")));
                // Nobody presses: an idle runner that GitHub cannot be asked about goes on, and is asked about again.
                self.job != JobState::None || self.stopping.is_none()
            }
        };
        actions.extend(match (gone, busy) {
            (true, _) => self.leave(),
            (false, true) => self.wait_for_job(),
            (false, false) => self.end_listener(),
        });
        actions
    }

    /// A second signal: nobody waits any longer for what was being waited for.
    fn hurry(&mut self) -> Actions {
        let mut actions = vec![Action::Say(Level::Warn, "stop asked for again: hurrying".to_owned())];
        actions.extend(match self.phase {
            Phase::Draining(Drain::Asking) => {
                let mut actions = self.drop_ask();
                actions.extend(self.end_listener());
                actions
            }
            Phase::Draining(Drain::Answering) => self.leave(),
            Phase::Draining(Drain::Waiting) => self.end_listener(),
            Phase::Draining(Drain::Ending) => self.kill_runner(),
            Phase::Killing => self.kill_leftovers(),
            Phase::Checking { .. }
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
        let mut actions = self.stop_watching();
        actions.extend([
            Action::Say(Level::Warn, "the runner does not end; killing it".to_owned()),
            self.enter(Phase::Draining(Drain::Killed)),
            Action::Disarm(Timer::Cancel),
            Action::Signal(Target::Everything, Signal::KILL),
            Action::Arm(Timer::AfterKill, AFTER_KILL),
        ]);
        actions
    }
}
