//! The end of a life: the cache is saved and the registration removed, side by side, within what is left of the time.

use supervise::{Action, ChildEnd, Level, Signal, Target};

use super::{Actions, Job, JobState, Lifecycle, Obligation, Phase, Removal, RemovedBy, Role, Timer};
use crate::{
    stages::{AFTER_KILL, BUSY_RETRY, DEREGISTER, Ending, PERF, UNPROTECT},
    words::Protection,
};

impl Lifecycle {
    /// Nothing of the job lives any more.
    pub(super) fn settle(&mut self) -> Actions {
        let save = self.plan.save.filter(|_| self.owed.contains(&Obligation::SaveCache));
        let registration = self.registration();
        let unprotecting = self.owed.contains(&Obligation::Unprotect);
        let reading = self.plan.perf && self.job != JobState::None;
        let phase = Phase::Settling { saving: save.is_some(), deregistering: registration.is_some(), unprotecting, reading };
        let mut actions = vec![Action::Disarm(Timer::Leftovers), Action::Disarm(Timer::AfterKill), self.enter(phase)];
        let stop = self.stopping.map(|_| self.budget.settle);
        let limit = |budget: std::time::Duration| stop.map_or(budget, |stop| stop.min(budget));
        if let Some(budget) = save {
            actions.extend([Action::Arm(Timer::Save, limit(budget)), Action::Spawn(Role::Save)]);
        }
        if let Some(registration) = registration {
            actions.extend([Action::Arm(Timer::Deregister, limit(DEREGISTER)), self.ask(registration)]);
        }
        if unprotecting {
            actions.extend([Action::Arm(Timer::Unprotect, limit(UNPROTECT)), Action::Run(Job::Protect(false))]);
        }
        if reading {
            actions.extend([Action::Arm(Timer::Perf, limit(PERF)), Action::Run(Job::ReadPerf)]);
        }
        actions.extend(self.finish_if_settled());
        actions
    }

    /// What the Listener has measured is told with the last record.
    pub(super) fn measured(&mut self, perf: Option<String>) -> Actions {
        let Phase::Settling { reading: reading @ true, .. } = &mut self.phase else { return vec![] };
        *reading = false;
        let mut actions = vec![Action::Disarm(Timer::Perf)];
        actions.extend(perf.map(|perf| Action::Fact("perf", perf)));
        actions.extend(self.finish_if_settled());
        actions
    }

    /// Whatever the answer was: the protection ends by itself at the latest when the task does.
    pub(super) fn unprotected(&mut self, answer: Protection) -> Actions {
        if let Phase::Settling { unprotecting, .. } = &mut self.phase {
            *unprotecting = false;
        }
        self.owed.retain(|owed| *owed != Obligation::Unprotect);
        let mut actions = vec![Action::Disarm(Timer::Unprotect)];
        if let Protection::Failed(why) = answer {
            actions.push(Action::Say(Level::Warn, format!("the task's protection from scale-in could not be ended: {why}")));
        }
        actions.push(self.publish());
        actions.extend(self.finish_if_settled());
        actions
    }

    pub(super) fn saved(&mut self, end: ChildEnd) -> Actions {
        let Phase::Settling { saving, .. } = &mut self.phase else { return vec![] };
        *saving = false;
        self.owed.retain(|owed| *owed != Obligation::SaveCache);
        let mut actions = vec![Action::Disarm(Timer::Save), Action::Disarm(Timer::AfterKill)];
        if end != ChildEnd::Code(0) {
            actions.push(Action::Say(Level::Warn, format!("the tool cache was not saved as a whole ({end}); what was published is whole")));
        }
        actions.push(self.publish());
        actions.extend(self.finish_if_settled());
        actions
    }

    pub(super) fn deregistered(&mut self, removal: Removal) -> Actions {
        let Phase::Settling { deregistering: true, .. } = self.phase else { return vec![] };
        match removal {
            Removal::Gone => {
                if let Some(registration) = self.registration() {
                    self.paid(&registration);
                }
                let said = match self.plan.removal {
                    RemovedBy::ConfigSh => "config.sh remove is done; its lines above say what it removed",
                    RemovedBy::Api | RemovedBy::Others => "registration removed",
                };
                let mut actions = vec![Action::Mark(Level::Info, "deregistered", said.to_owned())];
                match self.registration() {
                    // A request that failed before the one that succeeded may have made one too.
                    Some(next) => {
                        let ask = self.ask(next);
                        actions.extend([self.publish(), ask]);
                    }
                    None => {
                        if let Phase::Settling { deregistering, .. } = &mut self.phase {
                            *deregistering = false;
                        }
                        actions.extend([Action::Disarm(Timer::Deregister), self.publish()]);
                        actions.extend(self.finish_if_settled());
                    }
                }
                actions
            }
            Removal::Busy => vec![Action::Arm(Timer::Retry, BUSY_RETRY)],
            Removal::Failed(why) => {
                vec![
                    Action::Say(Level::Warn, format!("the registration could not be removed: {why}")),
                    Action::Arm(Timer::Retry, BUSY_RETRY),
                ]
            }
        }
    }

    pub(super) fn settling_expired(&mut self, timer: Timer) -> Actions {
        let Phase::Settling { saving, deregistering, unprotecting, reading } = &mut self.phase else { return vec![] };
        match timer {
            Timer::Save if *saving => vec![
                Action::Say(Level::Warn, "the tool cache was not saved in time; what was published is whole".to_owned()),
                // It gives up what is half done and names it.
                Action::Signal(Target::Group(Role::Save), Signal::TERM),
                Action::Arm(Timer::AfterKill, AFTER_KILL),
            ],
            // It hangs in the kernel, on a mount that does not answer: nobody waits for it.
            Timer::AfterKill if *saving => {
                *saving = false;
                let mut actions = vec![Action::Signal(Target::Group(Role::Save), Signal::KILL)];
                actions.extend(self.finish_if_settled());
                actions
            }
            Timer::Retry if *deregistering => self.registration().map(|registration| self.ask(registration)).into_iter().collect(),
            Timer::Perf if *reading => {
                let mut actions = vec![Action::Abandon(Job::ReadPerf)];
                actions.extend(self.measured(None));
                actions
            }
            Timer::Unprotect if *unprotecting => {
                let mut actions = vec![Action::Abandon(Job::Protect(false))];
                actions.extend(self.unprotected(Protection::Failed("no answer in time".to_owned())));
                actions
            }
            Timer::Deregister if *deregistering => {
                *deregistering = false;
                let mut actions = self.drop_ask();
                actions.push(Action::Disarm(Timer::Retry));
                actions.extend(self.finish_if_settled());
                actions
            }
            _ => vec![],
        }
    }

    fn finish_if_settled(&mut self) -> Actions {
        match self.phase {
            Phase::Settling { saving: false, deregistering: false, unprotecting: false, reading: false } => self.finish(),
            _ => vec![],
        }
    }

    /// The last words: what could not be undone is said, because somebody must do it by hand.
    pub(super) fn finish(&mut self) -> Actions {
        let mut actions: Actions = self
            .owed
            .iter()
            .rev()
            .map(|owed| match owed {
                Obligation::Deregister(_) => Action::Mark(
                    Level::Error,
                    "left_registered",
                    format!("left undone: {owed}\nhint: GitHub removes an ephemeral runner that does not connect after a day; by hand: Settings, Actions, Runners"),
                ),
                Obligation::SaveCache | Obligation::Unprotect => Action::Say(Level::Warn, format!("left undone: {owed}")),
            })
            .collect();
        let cut = if self.job == JobState::Running { Ending::JobCut } else { self.as_intended() };
        let mut ending = self.ending.unwrap_or(cut);
        // Without a job the registration was all there was to this life; with one, its own end counts.
        if ending.code() == 0 && self.job == JobState::None && self.registration().is_some() {
            ending = Ending::LeftRegistered;
        }
        actions.extend([self.enter(Phase::Done), Action::Fact("reason", ending.reason().to_owned()), Action::Exit(ending.code())]);
        actions
    }
}
