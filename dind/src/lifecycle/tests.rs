//! Every order in which things can happen, against the promises of this program; and the transition table for people.

use std::collections::{BTreeSet, HashSet};

use supervise::{ChildEnd, SpawnError, Target};

use super::*;
use crate::words::Role;

fn life() -> Lifecycle {
    Lifecycle::new(Duration::from_secs(60), Duration::from_secs(30))
}

fn failure() -> Failure {
    Failure { code: exit::HOST, why: "why".to_owned() }
}

/// What the world has going on, as far as the machine's actions tell: from this follows what can happen next.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
struct World {
    jobs: BTreeSet<Job>,
    alive: BTreeSet<Role>,
    spawned: BTreeSet<Role>,
    timers: BTreeSet<Timer>,
    signals: usize,
    /// Everything has been told to die and not yet been found dead.
    burying: bool,
    /// Killed processes were found dead, or given up.
    buried: bool,
    paid: Vec<Obligation>,
    owes: Vec<Obligation>,
    ready: bool,
    /// The time of a stop ran out.
    ended: bool,
}

impl World {
    fn possible(&self) -> Vec<Event<Words>> {
        let mut events: Vec<Event<Words>> = self.jobs.iter().flat_map(outcomes).map(Event::Told).collect();
        for &role in &self.alive {
            events.push(Event::ChildEnded(role, ChildEnd::Code(1)));
            if role == Role::Mkfs {
                events.push(Event::ChildEnded(role, ChildEnd::Code(0)));
            }
        }
        events.extend(self.timers.iter().map(|&timer| Event::Expired(timer)));
        if self.burying {
            events.push(Event::Alone);
        }
        if self.signals < 3 {
            events.push(Event::Signal(Signal::TERM));
        }
        events
    }

    fn happened(&mut self, event: &Event<Words>) {
        match event {
            Event::Signal(_) => self.signals += 1,
            // Told underway.
            Event::Told(Outcome::Space { .. }) => {}
            Event::Told(outcome) => {
                self.jobs.retain(|job| !outcomes(job).contains(outcome));
                if let Outcome::Paid(obligation, _) = outcome {
                    assert_eq!(self.owes.pop(), Some(*obligation), "paid in reverse order");
                    self.paid.push(*obligation);
                }
            }
            Event::ChildEnded(role, _) | Event::SpawnFailed(role, _) => drop(self.alive.remove(role)),
            Event::Expired(timer) => {
                self.timers.remove(timer);
                self.buried |= *timer == Timer::Alone;
                self.ended |= *timer == Timer::End;
            }
            Event::Alone => {
                self.burying = false;
                self.buried = true;
                self.alive.clear();
            }
            Event::Started | Event::Noted(_) => {}
        }
    }

    /// Takes over what the machine wants; returns its exit code, if it ends.
    fn perform(&mut self, actions: &[Action<Words>]) -> Option<u8> {
        for (index, action) in actions.iter().enumerate() {
            match action {
                Action::Run(job) => {
                    assert!(self.jobs.insert(*job), "{job:?} runs already");
                    let forward = !matches!(job, Job::AwaitRunner | Job::KillContainers | Job::Pay(_));
                    assert!(!forward || self.signals == 0, "after a stop nothing goes forward");
                    match job {
                        Job::Prepare => self.owes.push(Obligation::RemoveDataRoot),
                        Job::Mount => self.owes.push(Obligation::Unmount),
                        Job::Sweep | Job::WatchSpace => assert!(self.ready, "nothing comes before the service"),
                        Job::Publish => self.owes.push(Obligation::RemoveSocket),
                        Job::Pay(obligation) => {
                            assert_eq!(self.owes.last(), Some(obligation), "only what is owed is paid, last first");
                            let daemons = self.spawned.iter().any(|&role| role != Role::Mkfs);
                            assert!(self.buried || self.alive.is_empty() && !daemons, "nothing is undone under a living process");
                            assert!(!self.jobs.contains(&Job::WatchSpace), "nobody looks at what is being taken away");
                        }
                        _ => {}
                    }
                }
                Action::Abandon(job) => drop(self.jobs.remove(job)),
                Action::Spawn(role) => {
                    assert!(self.spawned.insert(*role), "{role:?} is started once");
                    assert_eq!(self.signals, 0, "after a stop nothing is started");
                    self.alive.insert(*role);
                    if *role != Role::Mkfs && self.owes.last() != Some(&Obligation::Unmount) {
                        self.owes.push(Obligation::Unmount);
                    }
                }
                Action::Arm(timer, span) | Action::Tighten(timer, span) => {
                    assert!(*span > Duration::ZERO);
                    self.timers.insert(*timer);
                }
                Action::Disarm(timer) => drop(self.timers.remove(timer)),
                Action::Signal(Target::Everything, signal) => {
                    assert_eq!(*signal, Signal::KILL);
                    self.burying = true;
                }
                Action::Signal(target, signal) => assert_eq!((*target, *signal), (Target::Child(Role::Dockerd), Signal::TERM)),
                Action::Publish(state) => {
                    self.ready = state.ready;
                    let owed: Vec<String> = self.owes.iter().map(Obligation::to_string).collect();
                    // What the same actions take on a line later may be told already.
                    assert!(state.owes.starts_with(&owed), "{:?} against {owed:?}", state.owes);
                }
                Action::Say(_, sentence) => assert!(!sentence.is_empty()),
                Action::Recall(_) | Action::Fact(..) | Action::Label(..) => {}
                Action::Exit(code) => {
                    assert_eq!(index + 1, actions.len(), "nothing comes after the end");
                    return Some(*code);
                }
            }
        }
        None
    }

    fn holds(&self, life: &Lifecycle) {
        assert_eq!(self.owes, life.owes);
        if self.ready {
            assert_eq!(self.alive.len(), 2, "ready means that both daemons live");
            assert!(self.owes.contains(&Obligation::RemoveSocket));
        }
        if self.signals > 0 {
            assert!(self.timers.contains(&Timer::End), "a stop always has an end");
        }
        let may_sweep = life.phase == Phase::Serving;
        assert!(may_sweep || !self.timers.contains(&Timer::Sweep), "who is leaving does not look for the dead");
        // What goes on beside the life does not carry it.
        let jobs = self.jobs.iter().any(|job| !matches!(job, Job::Sweep | Job::WatchSpace));
        let timers = self.timers.iter().any(|timer| *timer != Timer::Sweep);
        let waits = jobs || !self.alive.is_empty() || timers || self.burying;
        assert!(waits, "something must be able to happen");
    }

    fn may_end_with(&self, code: u8) {
        assert!(self.owes.is_empty() || self.ended, "nothing is owed at the end, unless time ran out: {:?}", self.owes);
        assert!(code != exit::FINE || self.signals > 0, "without a stop there is no fine end");
        assert!([exit::FINE, exit::UNAVAILABLE, exit::HOST, exit::CUT].contains(&code), "{code}");
    }
}

/// Everything a job can come back with.
fn outcomes(job: &Job) -> Vec<Outcome> {
    match *job {
        Job::Check => vec![Outcome::Checked(Ok(())), Outcome::Checked(Err(failure()))],
        Job::Nest => vec![Outcome::Nested(Ok(())), Outcome::Nested(Err(failure()))],
        Job::Prepare => vec![Outcome::Prepared(Ok(())), Outcome::Prepared(Err(failure())), Outcome::Unformatted],
        Job::Mount => vec![Outcome::Mounted(Ok(())), Outcome::Mounted(Err(failure()))],
        Job::Sweep => vec![Outcome::Swept],
        Job::WatchSpace => vec![
            Outcome::Space { short: true, what: "little".into() },
            Outcome::Space { short: false, what: "enough".into() },
            Outcome::SpaceUnseen,
        ],
        Job::Probe => vec![Outcome::Usable(Ok(())), Outcome::Usable(Err(failure()))],
        Job::Publish => vec![Outcome::Published(Ok(())), Outcome::Published(Err(failure()))],
        Job::AwaitRunner => vec![Outcome::RunnerGone],
        Job::KillContainers => {
            vec![Outcome::ContainersKilled(Ok(0)), Outcome::ContainersKilled(Ok(2)), Outcome::ContainersKilled(Err("why".into()))]
        }
        Job::Pay(obligation) => vec![Outcome::Paid(obligation, Ok(())), Outcome::Paid(obligation, Err("why".into()))],
    }
}

/// Not sequences up to a length, but all: the states are finite, so every one that can be reached is visited and every event that can
/// happen in it is tried.
#[test]
fn no_order_of_events_breaks_a_promise() {
    let mut seen = HashSet::new();
    let mut open = vec![(life(), World::default(), Event::Started)];
    // A signal can come before the first event.
    open.push((life(), World::default(), Event::Signal(Signal::TERM)));
    let (mut transitions, mut ends) = (0, HashSet::new());
    while let Some((mut life, mut world, event)) = open.pop() {
        transitions += 1;
        world.happened(&event);
        let actions = life.on(event);
        if let Some(code) = world.perform(&actions) {
            world.may_end_with(code);
            ends.insert(code);
            assert_eq!(life.on(Event::Signal(Signal::TERM)), [], "the end is the end");
            continue;
        }
        world.holds(&life);
        if seen.insert((life.clone(), world.clone())) {
            open.extend(world.possible().into_iter().map(|event| (life.clone(), world.clone(), event)));
        }
    }
    assert!(seen.len() > 200 && transitions > 1000, "{} states, {transitions} transitions", seen.len());
    assert_eq!(ends, HashSet::from([exit::FINE, exit::UNAVAILABLE, exit::HOST, exit::CUT]));
}

/// From wherever it is, a stop whose every deadline passes ends the process.
#[test]
fn a_stop_ends_even_if_nothing_else_ever_happens() {
    for (_, mut life) in phases() {
        life.on(Event::Signal(Signal::TERM));
        for timer in [Timer::Linger, Timer::Containers, Timer::Dockerd, Timer::Alone, Timer::End] {
            life.on(Event::Expired(timer));
        }
        assert_eq!(life.phase, Phase::Done);
    }
}

#[test]
fn the_last_complaint_of_a_daemon_is_in_the_reason_for_the_end() {
    let mut life = phases().into_iter().find(|(name, _)| *name == "starting").unwrap().1;
    life.on(Event::Noted(Note::Complaint("driver not supported: overlay2".into())));
    let actions = life.on(Event::ChildEnded(Role::Dockerd, ChildEnd::Code(1)));
    let said = "dockerd ended with exit code 1 before docker was usable\nits last complaint: driver not supported: overlay2";
    assert!(actions.contains(&Action::Say(Level::Error, said.to_owned())), "{actions:?}");
}

#[test]
fn a_daemon_that_cannot_be_started_ends_the_life_with_everything_undone() {
    let mut life = phases().into_iter().find(|(name, _)| *name == "starting").unwrap().1;
    let error = SpawnError { program: "dockerd".into(), kind: std::io::ErrorKind::NotFound, cause: "not there".into() };
    life.on(Event::SpawnFailed(Role::Dockerd, error));
    life.on(Event::Alone);
    life.on(Event::Told(Outcome::Paid(Obligation::Unmount, Ok(()))));
    let actions = life.on(Event::Told(Outcome::Paid(Obligation::RemoveDataRoot, Ok(()))));
    assert_eq!(actions.last(), Some(&Action::Exit(exit::UNAVAILABLE)));
}

/// A machine in each phase, by the shortest way there.
fn phases() -> Vec<(&'static str, Lifecycle)> {
    let way = [
        ("new", None),
        ("checking", Some(Event::Started)),
        ("nesting", Some(Event::Told(Outcome::Checked(Ok(()))))),
        ("preparing", Some(Event::Told(Outcome::Nested(Ok(()))))),
        ("formatting", Some(Event::Told(Outcome::Unformatted))),
        ("formatting, mounting", Some(Event::ChildEnded(Role::Mkfs, ChildEnd::Code(0)))),
        ("starting", Some(Event::Told(Outcome::Mounted(Ok(()))))),
        ("starting, publishing", Some(Event::Told(Outcome::Usable(Ok(()))))),
        ("serving", Some(Event::Told(Outcome::Published(Ok(()))))),
        ("lingering", Some(Event::Signal(Signal::TERM))),
        ("draining", Some(Event::Told(Outcome::RunnerGone))),
        ("killing", Some(Event::Told(Outcome::ContainersKilled(Ok(0))))),
        ("killing, burying", Some(Event::ChildEnded(Role::Dockerd, ChildEnd::Code(0)))),
        ("settling", Some(Event::Alone)),
    ];
    let mut life = life();
    way.into_iter()
        .map(|(name, event)| {
            event.into_iter().for_each(|event| drop(life.on(event)));
            assert!(name.starts_with(life.phase.name()), "{name} is {}", life.phase.name());
            (name, life.clone())
        })
        .collect()
}

fn show(action: &Action<Words>) -> Option<String> {
    Some(match action {
        Action::Publish(_) | Action::Recall(_) | Action::Fact(..) | Action::Label(..) => return None,
        Action::Say(level, sentence) => format!("say {level:?}: {}", sentence.lines().next().unwrap_or_default()).to_lowercase(),
        Action::Run(job) => format!("run {job:?}"),
        Action::Abandon(job) => format!("abandon {job:?}"),
        Action::Spawn(role) => format!("spawn {}", role.name()),
        Action::Signal(target, signal) => format!("{signal} to {target:?}"),
        Action::Arm(timer, span) => format!("arm {timer:?} {span:?}"),
        Action::Tighten(timer, span) => format!("tighten {timer:?} {span:?}"),
        Action::Disarm(timer) => format!("disarm {timer:?}"),
        Action::Exit(code) => format!("exit {code}"),
    })
}

/// The whole table of what does something: a change of behaviour is a change of this file.
#[test]
fn the_transition_table() {
    let jobs = [
        Job::Check,
        Job::Nest,
        Job::Prepare,
        Job::Mount,
        Job::Sweep,
        Job::WatchSpace,
        Job::Probe,
        Job::Publish,
        Job::AwaitRunner,
        Job::KillContainers,
        Job::Pay(Obligation::RemoveSocket),
    ];
    let mut events = vec![Event::Started, Event::Signal(Signal::TERM), Event::Signal(Signal::HUP), Event::Alone];
    events.extend(jobs.iter().flat_map(outcomes).map(Event::Told));
    events.extend([Role::Containerd, Role::Dockerd, Role::Mkfs].map(|role| Event::ChildEnded(role, ChildEnd::Code(1))));
    events.push(Event::ChildEnded(Role::Mkfs, ChildEnd::Code(0)));
    let timers = [Timer::Start, Timer::Sweep, Timer::Linger, Timer::Containers, Timer::Dockerd, Timer::Alone, Timer::End];
    events.extend(timers.map(Event::Expired));

    let mut table = String::new();
    for (name, life) in phases() {
        table += &format!("{name}\n");
        for event in &events {
            let mut after = life.clone();
            let shown: Vec<String> = after.on(event.clone()).iter().filter_map(show).collect();
            if after != life || !shown.is_empty() {
                table += &format!("  {event:?} -> {}\n", after.phase.name());
                shown.iter().for_each(|action| table += &format!("      {action}\n"));
            }
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn what_a_formatter_said_is_why_there_is_no_file_system() {
    let mut life = phases().into_iter().find(|(name, _)| *name == "formatting").unwrap().1;
    life.on(Event::Noted(Note::Complaint("mkfs.xfs: no space left".into())));
    let actions = life.on(Event::ChildEnded(Role::Mkfs, ChildEnd::Code(1)));
    let said = "this task's file system could not be made: mkfs.xfs ended with exit code 1\nits last complaint: mkfs.xfs: no space left";
    assert!(actions.contains(&Action::Say(Level::Error, said.to_owned())), "{actions:?}");
    let actions = life.on(Event::Told(Outcome::Paid(Obligation::RemoveDataRoot, Ok(()))));
    assert_eq!(actions.last(), Some(&Action::Exit(exit::HOST)));
}

#[test]
fn one_container_is_no_containers() {
    // Seen in the log of a real stop: "1 containers were still running".
    let mut life = life();
    life.phase = Phase::Draining;
    let actions = life.on(Event::Told(Outcome::ContainersKilled(Ok(1))));
    assert_eq!(actions[0], Action::Say(Level::Warn, "1 container was still running and was killed".to_owned()));
}
