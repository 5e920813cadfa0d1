//! PID-1 duties alone: run one command, pass signals on, reap everything, leave nothing behind.

use std::{convert::Infallible, ffi::OsString, time::Duration};

use crate::{Action, Effects, Event, Level, Machine, Outlets, Program, Signal, Signals, SpawnError, Target, Tell, Vocabulary, Work, drive};

/// How to run the command.
#[derive(Debug, Clone)]
pub struct Options {
    /// The command and its arguments; not empty.
    pub command: Vec<OsString>,
    /// Signals go to the command's whole process group.
    pub group: bool,
    /// How long the command may go on after the first SIGTERM.
    pub grace: Duration,
    /// How long processes it left behind may go on after their SIGTERM.
    pub leftovers: Duration,
}

/// After SIGKILL only a process stuck in the kernel is left; no use to wait for it.
const AFTER_KILL: Duration = Duration::from_secs(1);

/// Runs the command and returns the exit code to end with: its own, 128 + n if signal n ended it, 127 or 126 if it could not be started.
pub fn run(signals: Signals, options: Options) -> u8 {
    let mut program = Program { file: options.command[0].clone(), arguments: options.command[1..].to_vec(), ..Program::default() };
    // The command keeps its working directory; this process must not pin it, or it can never be unmounted.
    if let Ok(here) = std::env::current_dir()
        && std::env::set_current_dir("/").is_ok()
    {
        program.directory = Some(here);
    }
    let machine = Init { options, phase: Phase::New { held: Vec::new() } };
    drive(signals, machine, Command { program }, Outlets::default())
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Words;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Role {
    Command,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Timer {
    Grace,
    Leftovers,
    AfterKill,
}

impl Vocabulary for Words {
    type Role = Role;
    type Job = Infallible;
    type Outcome = Infallible;
    type Timer = Timer;
    type Note = Infallible;
}

struct Command {
    program: Program,
}

impl Effects<Words> for Command {
    fn program(&mut self, Role::Command: Role) -> Program {
        self.program.clone()
    }

    fn work(&mut self, job: Infallible, _: Tell<Words>) -> Work<Words> {
        match job {}
    }

    fn answered(&mut self, job: &Infallible, _: &str) -> Option<Infallible> {
        match *job {}
    }

    fn collapsed(&mut self, job: &Infallible, _: &str) -> Infallible {
        *job
    }

    fn watch(&mut self, _: Role, _: &str) -> Option<Infallible> {
        None
    }
}

#[derive(Debug, Clone)]
enum Phase {
    /// The command does not exist yet; signals wait for it.
    New { held: Vec<Signal> },
    /// It runs.
    Running { stopping: bool },
    /// It ended with this code; what it left is being stopped.
    Leaving { code: u8 },
}

#[derive(Debug, Clone)]
struct Init {
    options: Options,
    phase: Phase,
}

impl Machine<Words> for Init {
    fn on(&mut self, event: Event<Words>) -> Vec<Action<Words>> {
        match event {
            Event::Started => self.start(),
            Event::Signal(signal) => self.signal(signal),
            Event::ChildEnded(Role::Command, end) => self.leave(end.exit_code()),
            Event::SpawnFailed(Role::Command, error) => Self::not_started(&error),
            Event::Expired(timer) => self.expired(timer),
            Event::Alone => match self.phase {
                Phase::Leaving { code } => vec![Action::Exit(code)],
                Phase::New { .. } | Phase::Running { .. } => vec![],
            },
            Event::Told(never) | Event::Noted(never) => match never {},
        }
    }
}

impl Init {
    fn start(&mut self) -> Vec<Action<Words>> {
        let Phase::New { held } = std::mem::replace(&mut self.phase, Phase::Running { stopping: false }) else { return vec![] };
        let mut actions = vec![Action::Spawn(Role::Command)];
        actions.extend(held.into_iter().flat_map(|signal| self.signal(signal)));
        actions
    }

    fn signal(&mut self, signal: Signal) -> Vec<Action<Words>> {
        match &mut self.phase {
            // Told to stop before there was anything to stop.
            Phase::New { .. } if [Signal::TERM, Signal::INT, Signal::QUIT].contains(&signal) => {
                vec![Action::Exit(crate::ChildEnd::Signal(signal).exit_code())]
            }
            Phase::New { held } => {
                held.push(signal);
                vec![]
            }
            Phase::Running { stopping } => {
                let target = if self.options.group { Target::Group(Role::Command) } else { Target::Child(Role::Command) };
                let mut actions = vec![Action::Signal(target, signal)];
                if signal == Signal::TERM && !*stopping {
                    *stopping = true;
                    actions.push(Action::Arm(Timer::Grace, self.options.grace));
                }
                actions
            }
            Phase::Leaving { .. } if signal == Signal::TERM => self.kill(),
            Phase::Leaving { .. } => vec![],
        }
    }

    fn not_started(error: &SpawnError) -> Vec<Action<Words>> {
        vec![Action::Say(Level::Error, error.to_string()), Action::Exit(error.exit_code())]
    }

    fn leave(&mut self, code: u8) -> Vec<Action<Words>> {
        self.phase = Phase::Leaving { code };
        vec![
            Action::Disarm(Timer::Grace),
            Action::Signal(Target::Everything, Signal::TERM),
            Action::Arm(Timer::Leftovers, self.options.leftovers),
        ]
    }

    fn kill(&mut self) -> Vec<Action<Words>> {
        vec![Action::Disarm(Timer::Leftovers), Action::Signal(Target::Everything, Signal::KILL), Action::Arm(Timer::AfterKill, AFTER_KILL)]
    }

    fn expired(&mut self, timer: Timer) -> Vec<Action<Words>> {
        match (&self.phase, timer) {
            (Phase::Running { .. }, Timer::Grace) => {
                let sentence = format!("the command still runs {} s after SIGTERM; killing it", self.options.grace.as_secs());
                vec![Action::Say(Level::Warn, sentence), Action::Signal(Target::Group(Role::Command), Signal::KILL)]
            }
            (Phase::Leaving { .. }, Timer::Leftovers) => self.kill(),
            (&Phase::Leaving { code }, Timer::AfterKill) => {
                vec![Action::Say(Level::Warn, "a process survives SIGKILL, stuck in the kernel; leaving it".to_owned()), Action::Exit(code)]
            }
            _ => vec![],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ChildEnd;

    fn init() -> Init {
        let options =
            Options { command: vec!["x".into()], group: false, grace: Duration::from_secs(25), leftovers: Duration::from_secs(3) };
        Init { options, phase: Phase::New { held: vec![] } }
    }

    fn everything(signal: Signal) -> Action<Words> {
        Action::Signal(Target::Everything, signal)
    }

    #[test]
    fn a_stop_before_the_command_exists_means_it_never_starts() {
        assert_eq!(init().on(Event::Signal(Signal::TERM)), [Action::Exit(143)]);
    }

    #[test]
    fn other_early_signals_wait_for_the_command() {
        let mut init = init();
        assert_eq!(init.on(Event::Signal(Signal::USR1)), []);
        assert_eq!(init.on(Event::Started), [Action::Spawn(Role::Command), Action::Signal(Target::Child(Role::Command), Signal::USR1)]);
    }

    #[test]
    fn what_the_command_left_gets_a_grace_and_then_no_mercy() {
        let mut init = init();
        init.on(Event::Started);
        assert!(init.on(Event::ChildEnded(Role::Command, ChildEnd::Code(7))).contains(&everything(Signal::TERM)));
        assert!(init.on(Event::Expired(Timer::Leftovers)).contains(&everything(Signal::KILL)));
        assert_eq!(init.on(Event::Alone), [Action::Exit(7)]);
    }

    #[test]
    fn a_second_term_does_not_restart_the_clock() {
        let mut init = init();
        init.on(Event::Started);
        let armed = |actions: Vec<Action<Words>>| actions.iter().any(|action| matches!(action, Action::Arm(..)));
        assert!(armed(init.on(Event::Signal(Signal::TERM))));
        assert!(!armed(init.on(Event::Signal(Signal::TERM))));
    }

    /// Every sequence of events up to length 7 that begins with the start: the command is started at most once, and once it has ended
    /// only its own code can be the last word.
    #[test]
    fn no_order_of_events_breaks_the_promises() {
        let events: Vec<Event<Words>> = vec![
            Event::Signal(Signal::TERM),
            Event::Signal(Signal::USR1),
            Event::ChildEnded(Role::Command, ChildEnd::Code(7)),
            Event::Expired(Timer::Grace),
            Event::Expired(Timer::Leftovers),
            Event::Expired(Timer::AfterKill),
            Event::Alone,
        ];
        fn explore(init: &Init, events: &[Event<Words>], ended: bool, depth: usize) {
            if depth == 0 {
                return;
            }
            for event in events {
                let ends = matches!(event, Event::ChildEnded(..));
                if ends && ended {
                    continue;
                }
                let mut next = init.clone();
                let actions = next.on(event.clone());
                assert!(!actions.iter().any(|action| matches!(action, Action::Spawn(_))));
                let exit = actions.iter().find_map(|action| if let Action::Exit(code) = action { Some(*code) } else { None });
                match exit {
                    Some(code) => assert_eq!((code, ended || ends), (7, true), "{event:?}"),
                    None => explore(&next, events, ended || ends, depth - 1),
                }
            }
        }
        let mut init = init();
        init.on(Event::Started);
        explore(&init, &events, false, 7);
    }
}
