//! Owns the order of things: the pure machine of this program, from the checks of the host to the last thing undone.
//! Knows no clock, process, file, network or environment.
//!
//! ```text
//! Checking -> Nesting -> Preparing (-> Formatting) -> Starting -> Serving -> Lingering -> Draining -> Killing -> Settling -> (exit)
//!                                                        ^           |
//!                                                        +- Restarting, if a daemon dies
//! ```
//!
//! A first SIGTERM or SIGINT is obeyed in every phase; each further one ends the waiting of the phase it meets. What must be undone is
//! taken on before the deed, because a deed interrupted may be half done, and paid in reverse order once nothing runs any more.

use std::{collections::BTreeSet, time::Duration};

use supervise::{Action, ChildEnd, Event, Level, Machine, Signal, State};

use crate::{
    daemon::version::Version,
    stages::{self, Deadlines},
    words::{Failure, Job, Note, Obligation, Outcome, Role, Timer, Words, exit},
};

mod gate;
mod serving;
mod settling;
mod starting;
mod stopping;
mod storage;

type Actions = Vec<Action<Words>>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Phase {
    New,
    Checking,
    Nesting,
    Preparing,
    /// A file system of this task's own is being made; `mounting`: it is made and being mounted.
    Formatting {
        mounting: bool,
    },
    /// The daemons run; `publishing`: it is usable and its socket is being published.
    Starting {
        publishing: bool,
    },
    Serving,
    /// A daemon died, and both are to be started again.
    Restarting(Step),
    /// Told to stop, but the runner comes first.
    Lingering,
    /// Containers are being killed.
    Draining,
    /// dockerd is to end; `burying`: everything has been killed.
    Killing {
        burying: bool,
    },
    Settling,
    Done,
}

/// How far a restart is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Step {
    /// Everything has been killed: the other daemon, shims, containers. Waits until all of that is gone and told.
    Burying {
        /// No process is left.
        alone: bool,
        /// The socket is still being published.
        publishing: bool,
    },
    /// What they left is taken away.
    Clearing,
    /// A moment, so that a daemon that dies at once does not keep the machine busy.
    Waiting,
}

impl Phase {
    fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Checking => "checking",
            Self::Nesting => "nesting",
            Self::Preparing => "preparing",
            Self::Formatting { .. } => "formatting",
            Self::Starting { .. } => "starting",
            Self::Serving => "serving",
            Self::Restarting(_) => "restarting",
            Self::Lingering => "lingering",
            Self::Draining => "draining",
            Self::Killing { .. } => "killing",
            Self::Settling => "settling",
            Self::Done => "done",
        }
    }
}

/// What this life consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Plan {
    /// How long docker may take to become usable.
    pub start_timeout: Duration,
    /// What a stop may take.
    pub stop_timeout: Duration,
    /// It ends when the runner has ended, without being told.
    pub exit_with_runner: bool,
    /// Jobs reach the daemon through a gate alone.
    pub guarded: bool,
}

/// The machine.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Lifecycle {
    plan: Plan,
    deadlines: Deadlines,
    phase: Phase,
    /// Somebody asked us to stop.
    stopping: bool,
    /// It was we ourselves, and the platform may still do it.
    foreseen: bool,
    /// What the exit code will be.
    code: u8,
    owes: Vec<Obligation>,
    /// Children whose end has not been told.
    alive: BTreeSet<Role>,
    /// Which docker this is, once it has said so.
    version: Option<Version>,
    /// dockerd's configuration is written.
    furnished: bool,
    /// How often daemons were started again.
    restarts: usize,
    /// docker does not answer.
    silent: bool,
    /// The last thing dockerd complained about.
    complaint: Option<String>,
    /// What stands before the daemon's socket.
    gate: gate::Gate,
    /// dockerd does not take its settings.
    refused: bool,
}

impl Lifecycle {
    /// A life that has not begun.
    pub fn new(plan: Plan) -> Self {
        Self {
            plan,
            deadlines: stages::split(plan.stop_timeout),
            phase: Phase::New,
            stopping: false,
            foreseen: false,
            code: exit::FINE,
            owes: Vec::new(),
            alive: BTreeSet::new(),
            version: None,
            furnished: false,
            restarts: 0,
            silent: false,
            complaint: None,
            gate: if plan.guarded { gate::Gate::Awaited } else { gate::Gate::None },
            refused: false,
        }
    }
}

impl Machine<Words> for Lifecycle {
    fn on(&mut self, event: Event<Words>) -> Actions {
        if self.phase == Phase::Done {
            return vec![];
        }
        match event {
            Event::Started if self.phase == Phase::New => {
                self.enter(Phase::Checking, [Action::Arm(Timer::Start, self.plan.start_timeout), Action::Run(Job::Check)])
            }
            Event::Started => vec![],
            Event::Signal(signal) if [Signal::TERM, Signal::INT].contains(&signal) => self.asked_to_stop(),
            Event::Signal(_) => vec![],
            Event::Noted(Note::Complaint(line)) => {
                self.complaint = Some(line);
                vec![]
            }
            Event::Noted(Note::Listening) => self.gate_listens(),
            Event::Noted(Note::Refusal(line)) => {
                (self.complaint, self.refused) = (Some(line), true);
                vec![]
            }
            Event::Noted(Note::Version(version)) => {
                self.version = Some(version);
                vec![]
            }
            Event::Told(outcome) => self.told(outcome),
            Event::SpawnFailed(Role::Gate, error) => self.gate_ended(&error.to_string()),
            Event::ChildEnded(Role::Gate, end) => self.gate_ended(&format!("the gate ended with {end}")),
            Event::SpawnFailed(role, error) => self.child_ended(role, &error.to_string()),
            Event::ChildEnded(Role::Mkfs, ChildEnd::Code(0)) => self.formatted(),
            Event::ChildEnded(role, end) => self.child_ended(role, &format!("{} ended with {end}{}", role.name(), stopping::hint(end))),
            Event::Expired(timer) => self.expired(timer),
            Event::Alone => match self.phase {
                Phase::Killing { burying: true } => self.settle(),
                Phase::Restarting(Step::Burying { publishing, .. }) => self.buried(Step::Burying { alone: true, publishing }),
                _ => vec![],
            },
        }
    }
}

impl Lifecycle {
    fn enter(&mut self, phase: Phase, then: impl IntoIterator<Item = Action<Words>>) -> Actions {
        self.phase = phase;
        let mut actions = vec![self.publish()];
        actions.extend(then);
        actions
    }

    fn publish(&self) -> Action<Words> {
        Action::Publish(State {
            phase: self.phase.name(),
            ready: matches!(self.phase, Phase::Serving | Phase::Lingering) && !self.silent,
            busy: false,
            pending: vec![],
            owes: self.owes.iter().map(Obligation::to_string).collect(),
        })
    }

    /// Notes why the life ends early. Only the first reason makes the exit code, and none does once a stop was asked for.
    fn fail(&mut self, failure: Failure) -> Action<Words> {
        if self.code == exit::FINE && !self.stopping {
            self.code = failure.code;
        }
        Action::Say(Level::Error, failure.why)
    }

    fn exit(&mut self) -> Actions {
        self.enter(Phase::Done, [Action::Exit(self.code)])
    }

    // Each outcome is heard in the phase that wanted to know it; one that comes later changes nothing.
    fn told(&mut self, outcome: Outcome) -> Actions {
        match outcome {
            Outcome::Checked(result) => self.checked(result),
            Outcome::Nested(result) => self.nested(result),
            Outcome::Prepared(result) => self.prepared(result),
            Outcome::Unformatted => self.unformatted(),
            Outcome::Mounted(result) => self.mounted(result),
            Outcome::Swept => self.swept(),
            Outcome::Space { short, what } => self.space(short, what),
            Outcome::SpaceUnseen | Outcome::Met => vec![],
            Outcome::Furnished(result) => self.furnished(result),
            Outcome::Cleared(result) => self.cleared(result),
            Outcome::Usable(result) => self.usable(result),
            Outcome::Published(result) => self.published(result),
            Outcome::Silent(span) => self.heard(false, span),
            Outcome::Answering(span) => self.heard(true, span),
            Outcome::Unwatched => vec![],
            Outcome::RunnerGone => self.runner_gone(),
            Outcome::RunnerEnded => self.runner_ended(),
            Outcome::ContainersKilled(result) => self.containers_killed(result),
            Outcome::Paid(obligation, result) => self.paid(obligation, result),
        }
    }

    fn fail_then(&mut self, failure: Failure, next: fn(&mut Self) -> Actions) -> Actions {
        let said = self.fail(failure);
        let mut actions = vec![said];
        actions.extend(next(self));
        actions
    }

    // ---- deadlines

    fn expired(&mut self, timer: Timer) -> Actions {
        match (timer, self.phase) {
            (Timer::Start, phase) => {
                let next = match phase {
                    Phase::Checking | Phase::Nesting => Self::exit,
                    Phase::Preparing => Self::settle,
                    Phase::Formatting { .. } => Self::bury,
                    Phase::Starting { .. } => Self::terminate,
                    Phase::Restarting(_) => Self::give_up_restart,
                    Phase::New
                    | Phase::Serving
                    | Phase::Lingering
                    | Phase::Draining
                    | Phase::Killing { .. }
                    | Phase::Settling
                    | Phase::Done => return vec![],
                };
                let seconds = self.plan.start_timeout.as_secs();
                let (stuck, last) = (phase.name(), self.last_complaint());
                let hint = "hint: the daemons' own lines above say what they wait for; where disks are slow raise DOCKER_START_TIMEOUT";
                let why = format!("docker was not usable within {seconds} s (DOCKER_START_TIMEOUT), stuck in {stuck}{last}\n{hint}");
                self.fail_then(Failure { code: exit::UNAVAILABLE, why }, next)
            }
            (Timer::Restart, Phase::Restarting(Step::Waiting)) => self.start_again(),
            (Timer::Alone, Phase::Restarting(Step::Burying { .. })) => {
                let why = "docker cannot be started again: a process survives SIGKILL, stuck in the kernel".to_owned();
                self.fail_then(Failure { code: exit::UNAVAILABLE, why }, Self::give_up_restart)
            }
            (Timer::Sweep, Phase::Serving) => vec![Action::Run(Job::Sweep)],
            (Timer::Linger, Phase::Lingering) => self.cut(),
            (Timer::Containers, Phase::Lingering | Phase::Draining) => {
                let mut actions = vec![Action::Say(Level::Warn, "containers could not be killed in time".to_owned())];
                actions.extend(self.terminate());
                actions
            }
            (Timer::Dockerd, Phase::Killing { burying: false }) => {
                let mut actions = vec![Action::Say(Level::Warn, "dockerd does not end; killing everything".to_owned())];
                actions.extend(self.bury());
                actions
            }
            (Timer::Alone, Phase::Killing { burying: true }) => {
                let mut actions = vec![Action::Say(Level::Warn, "a process survives SIGKILL, stuck in the kernel".to_owned())];
                actions.extend(self.settle());
                actions
            }
            (Timer::End, _) => {
                let owed: Vec<String> = self.owes.iter().rev().map(Obligation::to_string).collect();
                let sentence = format!("no time is left; the next start on this storage root must: {}", owed.join(", "));
                self.phase = Phase::Done;
                vec![Action::Say(Level::Error, sentence), self.publish(), Action::Exit(self.code)]
            }
            (Timer::Gate, _) => self.gate_again(),
            // Its phase was left before.
            (Timer::Sweep | Timer::Restart | Timer::Linger | Timer::Containers | Timer::Dockerd | Timer::Alone, _) => vec![],
        }
    }
}

#[cfg(test)]
mod tests;
