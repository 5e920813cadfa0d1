//! Every order in which things can happen, against the promises of this program; and the transition table for people.

use std::collections::HashSet;

use supervise::{ChildEnd, SpawnError, Target};

use super::*;
use crate::{daemon::version::Version, words::Role};

const DOCKER: Version = Version { major: 26, minor: 1 };

mod gated;
mod world;

use world::World;

const PLAN: Plan =
    Plan { start_timeout: Duration::from_secs(60), stop_timeout: Duration::from_secs(30), exit_with_runner: false, guarded: false };

fn life() -> Lifecycle {
    Lifecycle::new(PLAN)
}

fn guarded() -> Lifecycle {
    Lifecycle::new(Plan { guarded: true, ..PLAN })
}

fn failure() -> Failure {
    Failure { code: exit::HOST, why: "why".to_owned() }
}

/// Everything a job can come back with.
fn outcomes(job: &Job) -> Vec<Outcome> {
    match *job {
        Job::Check => vec![Outcome::Checked(Ok(())), Outcome::Checked(Err(failure()))],
        Job::Nest => vec![Outcome::Nested(Ok(())), Outcome::Nested(Err(failure()))],
        Job::Prepare => vec![Outcome::Prepared(Ok(())), Outcome::Prepared(Err(failure())), Outcome::Unformatted],
        Job::Mount => vec![Outcome::Mounted(Ok(())), Outcome::Mounted(Err(failure()))],
        Job::Sweep => vec![Outcome::Swept],
        Job::Furnish => vec![Outcome::Furnished(Ok(())), Outcome::Furnished(Err(failure()))],
        Job::Clear => vec![Outcome::Cleared(Ok(())), Outcome::Cleared(Err(failure()))],
        Job::WatchDaemon => vec![Outcome::Silent(Duration::from_secs(10)), Outcome::Answering(Duration::from_secs(20)), Outcome::Unwatched],
        Job::WatchSpace => vec![
            Outcome::Space { short: true, what: "little".into() },
            Outcome::Space { short: false, what: "enough".into() },
            Outcome::SpaceUnseen,
        ],
        Job::Probe => vec![Outcome::Usable(Ok(())), Outcome::Usable(Err(failure()))],
        Job::Publish => vec![Outcome::Published(Ok(())), Outcome::Published(Err(failure()))],
        Job::AwaitRunner => vec![Outcome::RunnerGone],
        Job::MeetRunners => vec![Outcome::Met],
        Job::FollowRunner => vec![Outcome::RunnerEnded],
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
    explore(&life(), 3);
}

#[test]
fn no_order_of_events_breaks_a_promise_where_the_sidecar_ends_with_its_runner() {
    explore(&Lifecycle::new(Plan { exit_with_runner: true, ..PLAN }), 2);
}

#[test]
fn no_order_of_events_breaks_a_promise_behind_a_gate() {
    explore(&guarded(), 2);
}

/// With so many signals at most: what the last one does where nobody waits any more one plan shows for all.
fn explore(life: &Lifecycle, most_signals: usize) {
    let world = || World::with(most_signals);
    let mut seen = HashSet::new();
    // One restart is left: those before it lead to the same states again.
    let life = || Lifecycle { restarts: stages::RESTARTS.len() - 1, ..life.clone() };
    let mut open = vec![(life(), world(), Event::Started)];
    // A signal can come before the first event.
    open.push((life(), world(), Event::Signal(Signal::TERM)));
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
    assert_eq!(ends, HashSet::from([exit::FINE, exit::UNAVAILABLE, exit::HOST, exit::CONFIG, exit::CUT]));
}

/// From wherever it is, a stop whose every deadline passes ends the process.
#[test]
fn a_stop_ends_even_if_nothing_else_ever_happens() {
    for (_, mut life) in [phases(life()), phases(guarded())].concat() {
        life.on(Event::Signal(Signal::TERM));
        for timer in [Timer::Linger, Timer::Containers, Timer::Dockerd, Timer::Alone, Timer::End] {
            life.on(Event::Expired(timer));
        }
        assert_eq!(life.phase, Phase::Done);
    }
}

#[test]
fn the_last_complaint_of_a_daemon_is_in_the_reason_for_the_end() {
    let mut life = phases(life()).into_iter().find(|(name, _)| *name == "starting").unwrap().1;
    life.on(Event::Noted(Note::Complaint("driver not supported: overlay2".into())));
    let actions = life.on(Event::ChildEnded(Role::Dockerd, ChildEnd::Code(1)));
    let said = "dockerd ended with exit code 1 before docker was usable\nits last complaint: driver not supported: overlay2\n\
                both daemons are started again in 1 s (1 of 3)";
    assert!(actions.contains(&Action::Mark(Level::Error, "docker_died", said.to_owned())), "{actions:?}");
}

/// A machine in a phase, by its name.
fn in_phase(name: &str) -> Lifecycle {
    phases(life()).into_iter().find(|(phase, _)| *phase == name).unwrap().1
}

/// From a death to the next try of the daemons; returns what was done at the death.
fn die_and_return(life: &mut Lifecycle) -> Actions {
    let said = life.on(Event::ChildEnded(Role::Dockerd, ChildEnd::Signal(Signal::KILL)));
    for event in [Event::Alone, Event::ChildEnded(Role::Containerd, ChildEnd::Signal(Signal::KILL))] {
        life.on(event);
    }
    life.on(Event::Told(Outcome::Cleared(Ok(()))));
    life.on(Event::Expired(Timer::Restart));
    said
}

#[test]
fn daemons_that_die_are_started_again_a_bounded_number_of_times() {
    let mut life = in_phase("serving");
    for wait in stages::RESTARTS {
        let said = die_and_return(&mut life);
        let loss = "containers, and builds under way, are lost";
        assert!(
            said.iter().any(|action| matches!(action, Action::Mark(Level::Error, "docker_died", text) if text.contains(loss))),
            "{said:?}"
        );
        assert!(said.iter().any(|action| matches!(action, Action::Mark(_, _, text) if text.contains(&format!("in {} s", wait.as_secs())))));
        assert_eq!(life.phase, Phase::Starting { publishing: false });
        life.on(Event::Told(Outcome::Usable(Ok(()))));
        life.on(Event::Told(Outcome::Published(Ok(()))));
        assert_eq!(life.phase, Phase::Serving);
    }
    life.on(Event::ChildEnded(Role::Containerd, ChildEnd::Code(2)));
    assert_eq!((life.phase, life.code), (Phase::Killing { burying: true }, exit::UNAVAILABLE));
}

#[test]
fn settings_that_dockerd_does_not_take_are_not_tried_again() {
    let mut life = in_phase("starting");
    life.on(Event::Noted(Note::Refusal("unable to configure the Docker daemon: mtuu".into())));
    life.on(Event::ChildEnded(Role::Dockerd, ChildEnd::Code(1)));
    assert_eq!((life.phase, life.code), (Phase::Killing { burying: true }, exit::CONFIG));
}

/// A child's end is told after its last lines, so the news that nobody is left can come first. Daemons that were started then would be
/// taken for dead when the old end was told.
#[test]
fn an_end_that_is_told_late_is_waited_for() {
    let mut life = in_phase("serving");
    life.on(Event::ChildEnded(Role::Dockerd, ChildEnd::Code(2)));
    assert_eq!(life.on(Event::Alone), []);
    let actions = life.on(Event::ChildEnded(Role::Containerd, ChildEnd::Signal(Signal::KILL)));
    assert!(actions.contains(&Action::Run(Job::Clear)), "{actions:?}");
}

#[test]
fn a_stop_in_the_middle_of_a_restart_is_obeyed() {
    for step in ["restarting, burying", "restarting, clearing", "restarting, waiting"] {
        let mut life = in_phase(step);
        let actions = life.on(Event::Signal(Signal::TERM));
        assert!(actions.contains(&Action::Signal(Target::Everything, Signal::KILL)), "{step}: {actions:?}");
        assert_eq!((life.phase, life.code), (Phase::Killing { burying: true }, exit::FINE), "{step}");
    }
}

#[test]
fn a_dockerd_older_than_cgroup_v2_is_not_started() {
    let mut life = in_phase("starting, alone");
    life.on(Event::Noted(Note::Version(Version { major: 19, minor: 3 })));
    let actions = life.on(Event::ChildEnded(Role::Version, ChildEnd::Code(0)));
    assert!(actions.contains(&Action::Signal(Target::Everything, Signal::KILL)), "{actions:?}");
    assert_eq!((life.phase, life.code), (Phase::Killing { burying: true }, exit::HOST));
}

#[test]
fn a_dockerd_that_does_not_say_its_version_is_started_with_a_warning() {
    let mut life = in_phase("starting, alone");
    let actions = life.on(Event::ChildEnded(Role::Version, ChildEnd::Code(1)));
    assert!(matches!(&actions[..], [Action::Say(Level::Warn, _), Action::Run(Job::Furnish)]), "{actions:?}");
}

#[test]
fn a_daemon_that_does_not_answer_is_not_ready_until_it_does() {
    let ready =
        |actions: &Actions| actions.iter().find_map(|action| if let Action::Publish(state) = action { Some(state.ready) } else { None });
    for phase in ["serving", "lingering"] {
        let mut life = in_phase(phase);
        let silent = Event::Told(Outcome::Silent(Duration::from_secs(10)));
        assert_eq!(ready(&life.on(silent.clone())), Some(false));
        assert_eq!(life.on(silent), [], "it is said once");
        assert_eq!(ready(&life.on(Event::Told(Outcome::Answering(Duration::from_secs(23))))), Some(true));
    }
}

#[test]
fn a_daemon_that_cannot_be_started_ends_the_life_with_everything_undone() {
    let mut life = in_phase("starting");
    let error = SpawnError { program: "dockerd".into(), kind: std::io::ErrorKind::NotFound, cause: "not there".into() };
    for _ in stages::RESTARTS {
        life.on(Event::SpawnFailed(Role::Dockerd, error.clone()));
        for event in [Event::Alone, Event::ChildEnded(Role::Containerd, ChildEnd::Code(0)), Event::Told(Outcome::Cleared(Ok(())))] {
            life.on(event);
        }
        life.on(Event::Expired(Timer::Restart));
    }
    life.on(Event::SpawnFailed(Role::Dockerd, error));
    life.on(Event::Alone);
    life.on(Event::Told(Outcome::Paid(Obligation::Unmount, Ok(()))));
    let actions = life.on(Event::Told(Outcome::Paid(Obligation::RemoveDataRoot, Ok(()))));
    assert_eq!(actions.last(), Some(&Action::Exit(exit::UNAVAILABLE)));
}

/// A machine in each phase, by the shortest way there.
fn phases(mut life: Lifecycle) -> Vec<(&'static str, Lifecycle)> {
    let way = [
        ("new", None),
        ("checking", Some(Event::Started)),
        ("nesting", Some(Event::Told(Outcome::Checked(Ok(()))))),
        ("preparing", Some(Event::Told(Outcome::Nested(Ok(()))))),
        ("formatting", Some(Event::Told(Outcome::Unformatted))),
        ("formatting, mounting", Some(Event::ChildEnded(Role::Mkfs, ChildEnd::Code(0)))),
        ("starting, alone", Some(Event::Told(Outcome::Mounted(Ok(()))))),
        ("starting, known", Some(Event::Noted(Note::Version(DOCKER)))),
        ("starting, furnishing", Some(Event::ChildEnded(Role::Version, ChildEnd::Code(0)))),
        ("starting", Some(Event::Told(Outcome::Furnished(Ok(()))))),
        ("starting, publishing", Some(Event::Told(Outcome::Usable(Ok(()))))),
        ("serving", Some(Event::Told(Outcome::Published(Ok(()))))),
        ("lingering", Some(Event::Signal(Signal::TERM))),
        ("draining", Some(Event::Told(Outcome::RunnerGone))),
        ("killing", Some(Event::Told(Outcome::ContainersKilled(Ok(0))))),
        ("killing, burying", Some(Event::ChildEnded(Role::Dockerd, ChildEnd::Code(0)))),
        ("settling", Some(Event::Alone)),
    ];
    if life.gate != gate::Gate::None {
        drop(life.on(Event::Noted(Note::Listening)));
    }
    let mut phases: Vec<(&'static str, Lifecycle)> = way
        .into_iter()
        .map(|(name, event)| {
            event.into_iter().for_each(|event| drop(life.on(event)));
            assert!(name.starts_with(life.phase.name()), "{name} is {}", life.phase.name());
            (name, life.clone())
        })
        .collect();
    let mut life = phases.iter().find(|(name, _)| *name == "serving").unwrap().1.clone();
    let aside = [
        ("restarting, burying", vec![Event::ChildEnded(Role::Dockerd, ChildEnd::Code(1))]),
        ("restarting, clearing", vec![Event::ChildEnded(Role::Containerd, ChildEnd::Code(1)), Event::Alone]),
        ("restarting, waiting", vec![Event::Told(Outcome::Cleared(Ok(())))]),
    ];
    phases.extend(aside.into_iter().map(|(name, events)| {
        events.into_iter().for_each(|event| drop(life.on(event)));
        assert!(name.starts_with(life.phase.name()), "{name} is {}", life.phase.name());
        (name, life.clone())
    }));
    phases
}

fn show(action: &Action<Words>) -> Option<String> {
    Some(match action {
        Action::Publish(_) | Action::Recall(_) | Action::Fact(..) | Action::Label(..) => return None,
        Action::Say(level, sentence) | Action::Mark(level, _, sentence) => {
            format!("say {level:?}: {}", sentence.lines().next().unwrap_or_default()).to_lowercase()
        }
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
        Job::Furnish,
        Job::Sweep,
        Job::Clear,
        Job::WatchSpace,
        Job::Probe,
        Job::Publish,
        Job::WatchDaemon,
        Job::AwaitRunner,
        Job::FollowRunner,
        Job::KillContainers,
        Job::Pay(Obligation::RemoveSocket),
    ];
    let mut events = vec![Event::Started, Event::Signal(Signal::TERM), Event::Signal(Signal::HUP), Event::Alone];
    events.extend(jobs.iter().flat_map(outcomes).map(Event::Told));
    events.extend([Version { major: 19, minor: 3 }, DOCKER, Version { major: 30, minor: 0 }].map(Note::Version).map(Event::Noted));
    events.extend([Role::Version, Role::Containerd, Role::Dockerd, Role::Mkfs].map(|role| Event::ChildEnded(role, ChildEnd::Code(1))));
    events.push(Event::ChildEnded(Role::Mkfs, ChildEnd::Code(0)));
    let timers = [Timer::Start, Timer::Restart, Timer::Sweep, Timer::Linger, Timer::Containers, Timer::Dockerd, Timer::Alone, Timer::End];
    events.extend(timers.map(Event::Expired));

    let mut table = String::new();
    for (name, life) in phases(life()) {
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
    let mut life = phases(life()).into_iter().find(|(name, _)| *name == "formatting").unwrap().1;
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
