//! The life of one runner as a pure machine: what happens next, for every event in every phase.
//!
//! No clock, process, file, network or environment: those are `effects`' and the driver's. How long things may take stands in `stages`.

mod preparing;
mod running;
mod settling;
mod stopping;
#[cfg(test)]
mod tests;

use std::time::Duration;

use supervise::{Action, ChildEnd, Event, Level, Machine, Signal, SpawnError, State, Target};

use preparing::Part;

use crate::{
    stages::{AFTER_KILL, Ending, LEFTOVER_GRACE, StopBudget},
    words::{Job, Note, Obligation, Outcome, Registration, Removal, Role, Timer, Words},
};

type Actions = Vec<Action<Words>>;

/// The process that takes jobs; started by `run.sh` it is a grandchild.
const LISTENER: &str = "Runner.Listener";

/// What this life consists of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Plan {
    /// Wait for docker before the runner starts.
    pub(crate) docker: bool,
    /// Restore the tool cache, at most this long.
    pub(crate) restore: Option<Duration>,
    /// Save the tool cache after a job, at most this long.
    pub(crate) save: Option<Duration>,
    /// What a stop may take.
    pub(crate) stop: StopBudget,
    /// Signals that ask for a stop; others are ignored.
    pub(crate) stop_signals: Vec<i32>,
}

/// Where the life stands. Data lives in the phase in which it means something.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Phase {
    /// Is everything there?
    Checking,
    /// Cache, docker and registration, side by side; true = still under way.
    Preparing { restore: Restore, docker: bool, register: Register },
    /// The runner lives, or is about to be started again.
    Running { alive: bool, listening: bool },
    /// The runner is to end.
    Draining(Drain),
    /// The runner is gone; what it left is being stopped.
    Killing,
    /// Paying what is owed.
    Settling { saving: bool, deregistering: bool },
    /// Over.
    Done,
}

/// How far the restore of the cache is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Restore {
    Over,
    Going,
    /// It was killed, and is waited for only for a moment: on a mount that does not answer it never ends.
    Killed,
}

/// How far the registration is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Register {
    Over,
    /// No request is on its way.
    Going,
    /// GitHub has a request and has not answered.
    Asked,
}

/// How far a stop has come while the runner lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Drain {
    /// GitHub is asked to remove the registration: 204 = no job can come any more, 422 = one is there.
    Asking,
    /// A job is running and may end.
    Waiting,
    /// The Listener was told to end (SIGINT), and cancels its job if it has one.
    Ending,
    /// The runner was killed.
    Killed,
}

/// What is known about the one job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum JobState {
    None,
    Running,
    Completed,
}

/// The machine.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Lifecycle {
    plan: Plan,
    phase: Phase,
    /// What must still be undone, in the order taken on.
    owed: Vec<Obligation>,
    stopping: bool,
    /// Why it ends; the first reason counts.
    ending: Option<Ending>,
    job: JobState,
    /// The Listener's own exit code, from `run.sh`'s line about it.
    listener_code: Option<u8>,
    relaunches: u8,
}

impl Lifecycle {
    pub(crate) fn new(plan: Plan) -> Self {
        Self {
            plan,
            phase: Phase::Checking,
            owed: Vec::new(),
            stopping: false,
            ending: None,
            job: JobState::None,
            listener_code: None,
            relaunches: 0,
        }
    }

    fn publish(&self) -> Action<Words> {
        let (phase, ready) = match &self.phase {
            Phase::Checking => ("checking", false),
            Phase::Preparing { .. } => ("preparing", false),
            Phase::Running { listening, .. } => ("running", *listening),
            Phase::Draining(_) => ("draining", false),
            Phase::Killing => ("killing", false),
            Phase::Settling { .. } => ("settling", false),
            Phase::Done => ("done", false),
        };
        let owes = self.owed.iter().rev().map(Obligation::to_string).collect();
        Action::Publish(State { phase, ready, busy: self.job == JobState::Running, owes })
    }

    fn enter(&mut self, phase: Phase) -> Action<Words> {
        self.phase = phase;
        self.publish()
    }

    fn end_as(&mut self, ending: Ending) {
        self.ending.get_or_insert(ending);
    }

    fn registration(&self) -> Option<Registration> {
        self.owed.iter().rev().find_map(|owed| match owed {
            Obligation::Deregister(registration) => Some(registration.clone()),
            Obligation::SaveCache => None,
        })
    }

    fn paid(&mut self, registration: &Registration) {
        self.owed.retain(|owed| !matches!(owed, Obligation::Deregister(known) if known == registration));
    }

    /// The runner is gone, or never came. What is left of the job must be dead before the cache is read: a build daemon that still
    /// writes would tear what we save.
    fn leave(&mut self) -> Actions {
        self.end_as(Ending::Intended);
        let grace = if self.stopping { self.plan.stop.kill } else { LEFTOVER_GRACE };
        let mut actions = self.stop_asking();
        actions.extend([
            self.enter(Phase::Killing),
            Action::Disarm(Timer::Drain),
            Action::Disarm(Timer::Cancel),
            Action::Disarm(Timer::Restore),
            Action::Signal(Target::Everything, Signal::TERM),
            Action::Arm(Timer::Leftovers, grace),
        ]);
        actions
    }

    /// A removal under way is dropped; the end of the life asks again, and "already gone" is as good an answer.
    fn stop_asking(&self) -> Actions {
        match (&self.phase, self.registration()) {
            (Phase::Draining(Drain::Asking), Some(registration)) => {
                vec![Action::Disarm(Timer::Ask), Action::Abandon(Job::Deregister(registration))]
            }
            _ => vec![],
        }
    }

    fn kill_leftovers(&mut self) -> Actions {
        vec![
            Action::Disarm(Timer::Leftovers),
            Action::Say(Level::Warn, "processes of the job ignore SIGTERM; killing them".to_owned()),
            Action::Signal(Target::Everything, Signal::KILL),
            Action::Arm(Timer::AfterKill, AFTER_KILL),
        ]
    }

    fn expired(&mut self, timer: Timer) -> Actions {
        match (&self.phase, timer) {
            (_, Timer::Budget) => self.out_of_time(),
            (Phase::Preparing { .. }, Timer::Restore) => self.restore_expired(),
            (Phase::Preparing { register: Register::Asked, .. }, Timer::Answer) => {
                let mut actions = vec![Action::Abandon(Job::Register)];
                actions.extend(self.prepared(Part::Register));
                actions
            }
            (Phase::Running { alive: false, .. }, Timer::Relaunch) => self.start_runner(),
            (Phase::Draining(Drain::Asking), Timer::Ask) => {
                let mut actions: Actions =
                    self.registration().map(|registration| Action::Abandon(Job::Deregister(registration))).into_iter().collect();
                actions.extend(self.asked(Removal::Failed("GitHub did not answer in time".to_owned())));
                actions
            }
            (Phase::Draining(Drain::Waiting), Timer::Drain) => self.end_listener(),
            (Phase::Draining(Drain::Ending), Timer::Cancel) => self.kill_runner(),
            (Phase::Draining(Drain::Killed), Timer::AfterKill) | (Phase::Killing, Timer::AfterKill) => self.settle(),
            (Phase::Killing, Timer::Leftovers) => self.kill_leftovers(),
            (Phase::Settling { .. }, timer) => self.settling_expired(timer),
            _ => vec![],
        }
    }

    fn out_of_time(&mut self) -> Actions {
        if self.job == JobState::Running {
            self.ending = Some(Ending::JobCut);
        }
        let mut actions = vec![Action::Say(Level::Error, "the stop budget is used up; leaving now".to_owned())];
        actions.extend(self.finish());
        actions
    }

    fn child_ended(&mut self, role: Role, end: ChildEnd) -> Actions {
        match role {
            Role::Runner => match self.phase {
                Phase::Running { .. } | Phase::Draining(_) => self.runner_ended(end),
                Phase::Checking | Phase::Preparing { .. } | Phase::Killing | Phase::Settling { .. } | Phase::Done => vec![],
            },
            Role::Restore => {
                let mut actions = vec![Action::Disarm(Timer::Restore)];
                if end != ChildEnd::Code(0) && !self.stopping && self.ending.is_none() {
                    // What could not be read now would be written without knowing what is there already.
                    self.plan.save = None;
                    actions.push(Action::Say(
                        Level::Warn,
                        "the tool cache was not restored (its lines above say why); the job runs without it, and nothing will be saved"
                            .to_owned(),
                    ));
                }
                actions.extend(self.prepared(Part::Restore));
                actions
            }
            Role::Save => self.saved(end),
        }
    }

    fn not_started(&mut self, role: Role, error: &SpawnError) -> Actions {
        match role {
            Role::Runner => {
                self.end_as(Ending::Unavailable);
                let mut actions = vec![Action::Say(Level::Error, error.to_string())];
                actions.extend(self.leave());
                actions
            }
            Role::Restore | Role::Save => {
                let mut actions = vec![Action::Say(Level::Warn, error.to_string())];
                actions.extend(self.child_ended(role, ChildEnd::Code(error.exit_code())));
                actions
            }
        }
    }
}

impl Machine<Words> for Lifecycle {
    fn on(&mut self, event: Event<Words>) -> Actions {
        match event {
            Event::Started if self.stopping => self.leave(),
            Event::Started => vec![self.publish(), Action::Run(Job::Check)],
            Event::Signal(signal) => self.signal(signal),
            Event::ChildEnded(role, end) => self.child_ended(role, end),
            Event::SpawnFailed(role, error) => self.not_started(role, &error),
            Event::Told(outcome) => self.told(outcome),
            Event::Noted(note) => self.noted(note),
            Event::Expired(timer) => self.expired(timer),
            Event::Alone => match self.phase {
                Phase::Killing => self.settle(),
                _ => vec![],
            },
        }
    }
}
