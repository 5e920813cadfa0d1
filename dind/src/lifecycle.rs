//! Owns the order of things: the pure machine of this program, from the checks of the host to the last thing undone.
//! Knows no clock, process, file, network or environment.
//!
//! ```text
//! Checking -> Nesting -> Preparing -> Starting -> Serving -> Lingering -> Draining -> Killing -> Settling -> (exit)
//! ```
//!
//! A first SIGTERM or SIGINT is obeyed in every phase; each further one ends the waiting of the phase it meets. What must be undone is
//! taken on before the deed, because a deed interrupted may be half done, and paid in reverse order once nothing runs any more.

use std::time::Duration;

use supervise::{Action, ChildEnd, Event, Level, Machine, Signal, State, Target};

use crate::{
    stages::{self, Deadlines},
    words::{Failure, Job, Note, Obligation, Outcome, Role, Timer, Words, exit},
};

type Actions = Vec<Action<Words>>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Phase {
    New,
    Checking,
    Nesting,
    Preparing,
    /// The daemons run; `publishing`: it is usable and its socket is being published.
    Starting {
        publishing: bool,
    },
    Serving,
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

impl Phase {
    fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Checking => "checking",
            Self::Nesting => "nesting",
            Self::Preparing => "preparing",
            Self::Starting { .. } => "starting",
            Self::Serving => "serving",
            Self::Lingering => "lingering",
            Self::Draining => "draining",
            Self::Killing { .. } => "killing",
            Self::Settling => "settling",
            Self::Done => "done",
        }
    }
}

/// The machine.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Lifecycle {
    start_timeout: Duration,
    deadlines: Deadlines,
    phase: Phase,
    /// Somebody asked us to stop.
    stopping: bool,
    /// What the exit code will be.
    code: u8,
    owes: Vec<Obligation>,
    /// The last thing dockerd complained about.
    complaint: Option<String>,
}

impl Lifecycle {
    /// A life that has not begun.
    pub fn new(start_timeout: Duration, stop_timeout: Duration) -> Self {
        Self {
            start_timeout,
            deadlines: stages::split(stop_timeout),
            phase: Phase::New,
            stopping: false,
            code: exit::FINE,
            owes: Vec::new(),
            complaint: None,
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
                self.enter(Phase::Checking, [Action::Arm(Timer::Start, self.start_timeout), Action::Run(Job::Check)])
            }
            Event::Started => vec![],
            Event::Signal(signal) if [Signal::TERM, Signal::INT].contains(&signal) => self.asked_to_stop(),
            Event::Signal(_) => vec![],
            Event::Noted(Note::Complaint(line)) => {
                self.complaint = Some(line);
                vec![]
            }
            Event::Told(outcome) => self.told(outcome),
            Event::SpawnFailed(role, error) => self.child_ended(role, &error.to_string()),
            Event::ChildEnded(role, end) => self.child_ended(role, &format!("{} ended with {end}{}", role.name(), hint(end))),
            Event::Expired(timer) => self.expired(timer),
            Event::Alone if self.phase == (Phase::Killing { burying: true }) => self.settle(),
            Event::Alone => vec![],
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
            ready: matches!(self.phase, Phase::Serving | Phase::Lingering),
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

    // ---- outcomes of jobs

    fn told(&mut self, outcome: Outcome) -> Actions {
        match (self.phase, outcome) {
            (Phase::Checking, Outcome::Checked(result)) => match result {
                Ok(()) => self.enter(Phase::Nesting, [Action::Run(Job::Nest)]),
                Err(failure) => self.fail_then(failure, Self::exit),
            },
            (Phase::Nesting, Outcome::Nested(result)) => match result {
                Ok(()) => {
                    self.owes.push(Obligation::RemoveDataRoot);
                    self.enter(Phase::Preparing, [Action::Run(Job::Prepare)])
                }
                Err(failure) => self.fail_then(failure, Self::exit),
            },
            (Phase::Preparing, Outcome::Prepared(result)) => match result {
                Ok(()) if self.stopping => self.settle(),
                Ok(()) => self.start(),
                Err(failure) => self.fail_then(failure, Self::settle),
            },
            (Phase::Starting { publishing: false }, Outcome::Usable(result)) => match result {
                Ok(()) => {
                    self.owes.push(Obligation::RemoveSocket);
                    self.enter(Phase::Starting { publishing: true }, [Action::Run(Job::Publish)])
                }
                Err(failure) => self.fail_then(failure, Self::terminate),
            },
            (Phase::Starting { publishing: true }, Outcome::Published(result)) => match result {
                Ok(()) if self.stopping => self.terminate(),
                Ok(()) => self.enter(Phase::Serving, [Action::Disarm(Timer::Start)]),
                Err(failure) => self.fail_then(failure, Self::terminate),
            },
            (Phase::Lingering, Outcome::RunnerGone) => self.drain(),
            (Phase::Draining, Outcome::ContainersKilled(result)) => {
                let said = match result {
                    Ok(0) => None,
                    Ok(1) => Some(Action::Say(Level::Warn, "1 container was still running and was killed".to_owned())),
                    Ok(count) => Some(Action::Say(Level::Warn, format!("{count} containers were still running and were killed"))),
                    Err(why) => Some(Action::Say(Level::Warn, format!("containers could not be killed: {why}"))),
                };
                said.into_iter().chain(self.terminate()).collect()
            }
            (Phase::Settling, Outcome::Paid(obligation, result)) if self.owes.last() == Some(&obligation) => {
                self.owes.pop();
                let said = result.err().map(|why| Action::Say(Level::Warn, format!("could not {obligation}: {why}")));
                said.into_iter().chain(self.pay()).collect()
            }
            // Late, because the phase that wanted to know was left.
            (
                _,
                Outcome::Checked(_)
                | Outcome::Nested(_)
                | Outcome::Prepared(_)
                | Outcome::Swept
                | Outcome::Usable(_)
                | Outcome::Published(_)
                | Outcome::RunnerGone
                | Outcome::ContainersKilled(_)
                | Outcome::Paid(..),
            ) => vec![],
        }
    }

    fn fail_then(&mut self, failure: Failure, next: fn(&mut Self) -> Actions) -> Actions {
        let said = self.fail(failure);
        let mut actions = vec![said];
        actions.extend(next(self));
        actions
    }

    // ---- forward

    fn start(&mut self) -> Actions {
        self.owes.push(Obligation::Unmount);
        self.enter(
            Phase::Starting { publishing: false },
            [
                // Both at once: dockerd waits for containerd's socket. One that it starts itself it looks after only once a second,
                // which costs a second at the start and another at the end.
                Action::Spawn(Role::Containerd),
                Action::Spawn(Role::Dockerd),
                Action::Run(Job::Probe),
                // Beside the start, not before it: what dead tasks left can be hundreds of thousands of files.
                Action::Run(Job::Sweep),
            ],
        )
    }

    // ---- back

    fn asked_to_stop(&mut self) -> Actions {
        if self.stopping {
            return self.hurry();
        }
        self.stopping = true;
        let Deadlines { linger, containers, dockerd, end } = self.deadlines;
        let mut actions = vec![
            Action::Tighten(Timer::Linger, linger),
            Action::Tighten(Timer::Containers, containers),
            Action::Tighten(Timer::Dockerd, dockerd),
            Action::Tighten(Timer::End, end),
        ];
        actions.extend(match self.phase {
            // Nothing has been done that would have to be undone.
            Phase::New | Phase::Checking | Phase::Nesting => return self.exit(),
            // A moment later it is known what there is to undo.
            Phase::Preparing | Phase::Starting { publishing: true } => vec![],
            Phase::Starting { publishing: false } => self.terminate(),
            Phase::Serving => self.enter(Phase::Lingering, [Action::Run(Job::AwaitRunner)]),
            Phase::Lingering | Phase::Draining | Phase::Killing { .. } | Phase::Settling | Phase::Done => vec![],
        });
        actions
    }

    /// A further signal ends the waiting at hand. Undoing is not waiting, and is bounded anyway.
    fn hurry(&mut self) -> Actions {
        match self.phase {
            Phase::Lingering => self.cut(),
            Phase::Draining => self.terminate(),
            Phase::Killing { burying: false } => self.bury(),
            Phase::New
            | Phase::Checking
            | Phase::Nesting
            | Phase::Preparing
            | Phase::Starting { .. }
            | Phase::Serving
            | Phase::Killing { burying: true }
            | Phase::Settling
            | Phase::Done => vec![],
        }
    }

    /// The runner is still there and cannot be waited for.
    fn cut(&mut self) -> Actions {
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
    fn drain(&mut self) -> Actions {
        self.enter(Phase::Draining, [Action::Run(Job::KillContainers)])
    }

    /// Asks dockerd to end.
    fn terminate(&mut self) -> Actions {
        let mut actions = Vec::new();
        match self.phase {
            Phase::Starting { .. } => actions.extend([Action::Disarm(Timer::Start), Action::Abandon(Job::Probe)]),
            Phase::Draining => actions.push(Action::Abandon(Job::KillContainers)),
            _ => {}
        }
        actions.push(Action::Signal(Target::Child(Role::Dockerd), Signal::TERM));
        if !self.stopping {
            // The same time as in a stop, from now.
            actions.push(Action::Arm(Timer::Dockerd, self.deadlines.dockerd));
        }
        self.enter(Phase::Killing { burying: false }, actions)
    }

    /// Neither daemon is started again: containers, networks and builds under way would be lost in silence, and the job with them.
    fn child_ended(&mut self, role: Role, how: &str) -> Actions {
        match self.phase {
            // By our wish. containerd stays until then; dockerd needs it to end well.
            Phase::Killing { burying: false } if role == Role::Dockerd => self.bury(),
            Phase::Starting { .. } | Phase::Serving | Phase::Lingering | Phase::Draining => {
                let when = if matches!(self.phase, Phase::Starting { .. }) { " before docker was usable" } else { "" };
                let last = self.last_complaint();
                // In whatever phase: without docker the life was not as intended.
                self.code = exit::UNAVAILABLE;
                let mut actions = vec![
                    Action::Disarm(Timer::Start),
                    Action::Abandon(Job::Probe),
                    Action::Abandon(Job::AwaitRunner),
                    Action::Abandon(Job::KillContainers),
                    Action::Say(Level::Error, format!("{how}{when}{last}")),
                ];
                actions.extend(self.bury());
                actions
            }
            Phase::New | Phase::Checking | Phase::Nesting | Phase::Preparing | Phase::Killing { .. } | Phase::Settling | Phase::Done => {
                vec![]
            }
        }
    }

    fn last_complaint(&mut self) -> String {
        self.complaint.take().map(|line| format!("\nits last complaint: {line}")).unwrap_or_default()
    }

    /// Ends whatever is left: containerd, shims, containers. Nothing may be using the data-root when it is removed.
    fn bury(&mut self) -> Actions {
        self.enter(
            Phase::Killing { burying: true },
            [Action::Disarm(Timer::Dockerd), Action::Signal(Target::Everything, Signal::KILL), Action::Arm(Timer::Alone, stages::ALONE)],
        )
    }

    fn settle(&mut self) -> Actions {
        let mut actions = vec![Action::Disarm(Timer::Alone)];
        if !self.stopping {
            actions.push(Action::Arm(Timer::End, stages::UNHURRIED));
        }
        self.phase = Phase::Settling;
        actions.extend(self.pay());
        actions
    }

    fn pay(&mut self) -> Actions {
        match self.owes.last() {
            Some(&obligation) => vec![self.publish(), Action::Run(Job::Pay(obligation))],
            None => self.exit(),
        }
    }

    // ---- deadlines

    fn expired(&mut self, timer: Timer) -> Actions {
        match (timer, self.phase) {
            (Timer::Start, phase) => {
                let next = match phase {
                    Phase::Checking | Phase::Nesting => Self::exit,
                    Phase::Preparing => Self::settle,
                    Phase::Starting { .. } => Self::terminate,
                    Phase::New
                    | Phase::Serving
                    | Phase::Lingering
                    | Phase::Draining
                    | Phase::Killing { .. }
                    | Phase::Settling
                    | Phase::Done => return vec![],
                };
                let seconds = self.start_timeout.as_secs();
                let why = format!("docker was not usable within {seconds} s, stuck in {}{}", phase.name(), self.last_complaint());
                self.fail_then(Failure { code: exit::UNAVAILABLE, why }, next)
            }
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
            // Its phase was left before.
            (Timer::Linger | Timer::Containers | Timer::Dockerd | Timer::Alone, _) => vec![],
        }
    }
}

/// What a death by signal usually means.
fn hint(end: ChildEnd) -> &'static str {
    match end {
        ChildEnd::Signal(Signal::KILL) => "\nhint: if nobody killed it, the kernel did for lack of memory: see the task's memory limit",
        ChildEnd::Signal(_) | ChildEnd::Code(_) => "",
    }
}

#[cfg(test)]
mod tests;
