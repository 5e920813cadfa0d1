//! The machine by itself: what it does in the lives that matter most. All other lives: `every_life`; all of it as a table: `table`.

mod every_life;
mod table;
mod world;

use std::time::Duration;

use supervise::{Action, ChildEnd, Event, Machine, Signal, Target};

use super::{Job, JobState, Lifecycle, Note, Obligation, Outcome, Plan, RESTORING, Registration, Removal, RemovedBy, Role, Timer, Words};
use crate::stages::{Ending, StopBudget};

const NAMES: [&str; 2] = ["r", "s"];

const SECOND: Duration = Duration::from_secs(1);

/// What most lives are.
fn plan() -> Plan {
    Plan {
        start_delay: Duration::ZERO,
        find_task: false,
        docker: true,
        restore: Some(120 * SECOND),
        before_job: false,
        save: Some(120 * SECOND),
        configure: 60 * SECOND,
        removal: RemovedBy::Api,
        idle_timeout: None,
        max_lifetime: None,
        protect: false,
        spot: false,
        perf: false,
        serve: false,
        stop: StopBudget::split(30 * SECOND),
        stop_signals: vec![Signal::TERM.number(), Signal::INT.number()],
    }
}

/// A life of only a registration and a runner.
fn bare() -> Plan {
    Plan { docker: false, restore: None, save: None, ..plan() }
}

/// The restore goes on while the runner waits for its job.
fn beside() -> Plan {
    Plan { docker: false, before_job: true, idle_timeout: Some(SECOND), ..plan() }
}

/// Plans that together have everything in them; one with all of it would have too many lives.
fn plans() -> [(&'static str, Plan); 7] {
    [
        ("cache and docker", plan()),
        ("cache beside the runner", beside()),
        ("config.sh, its token alone", Plan { removal: RemovedBy::ConfigSh, ..bare() }),
        ("config.sh beside docker, with a credential", Plan { docker: true, ..bare() }),
        ("registered by others", Plan { removal: RemovedBy::Others, save: Some(SECOND), perf: true, ..bare() }),
        ("limits of its own", Plan { idle_timeout: Some(SECOND), max_lifetime: Some(SECOND), ..bare() }),
        ("on a platform", Plan { start_delay: SECOND, find_task: true, protect: true, spot: true, serve: true, ..bare() }),
    ]
}

fn runner() -> Registration {
    Registration::Runner { id: 42, name: "r".into() }
}

fn drive(machine: &mut Lifecycle, events: impl IntoIterator<Item = Event<Words>>) -> Vec<Action<Words>> {
    events.into_iter().flat_map(|event| machine.on(event)).collect()
}

fn idle() -> Lifecycle {
    let mut machine = Lifecycle::new(plan());
    drive(
        &mut machine,
        [
            Event::Started,
            Event::Told(Outcome::Checked(Ok(()))),
            Event::Told(Outcome::MayExist("r".into())),
            Event::Told(Outcome::Registered { id: Some(42), name: "r".into() }),
            Event::Told(Outcome::Docker(Ok(vec![]))),
            Event::ChildEnded(Role::Restore, ChildEnd::Code(0)),
            Event::Noted(Note::Listening),
        ],
    );
    machine
}

fn listening_beside_the_restore() -> Lifecycle {
    let mut machine = Lifecycle::new(beside());
    drive(
        &mut machine,
        [
            Event::Started,
            Event::Told(Outcome::Checked(Ok(()))),
            Event::Told(Outcome::MayExist("r".into())),
            Event::Told(Outcome::Registered { id: Some(42), name: "r".into() }),
            Event::Noted(Note::Listening),
        ],
    );
    machine
}

#[test]
fn a_restore_beside_the_runner_is_pending_until_it_is_over() {
    let pending = |actions: &[Action<Words>]| {
        actions.iter().rev().find_map(|action| match action {
            Action::Publish(state) => Some((state.ready, state.pending.clone())),
            _ => None,
        })
    };
    let mut machine = listening_beside_the_restore();
    let actions = machine.on(Event::Noted(Note::JobStarted("build".into())));
    assert_eq!(pending(&actions), Some((true, vec![RESTORING])));
    let actions = machine.on(Event::Expired(Timer::Restore));
    assert!(actions.contains(&Action::Signal(Target::Group(Role::Restore), Signal::KILL)));
    let actions = machine.on(Event::ChildEnded(Role::Restore, ChildEnd::Signal(Signal::KILL)));
    assert_eq!(pending(&actions), Some((true, vec![])));
    assert!(!machine.owed.contains(&Obligation::SaveCache));
}

#[test]
fn a_stop_ends_the_restore_first_and_asks_for_the_job_as_ever() {
    let mut machine = listening_beside_the_restore();
    let actions = machine.on(Event::Signal(Signal::TERM));
    let place = |wanted: &Action<Words>| actions.iter().position(|action| action == wanted).expect("it is done");
    let killed = place(&Action::Signal(Target::Group(Role::Restore), Signal::KILL));
    assert!(killed < place(&Action::Run(Job::Deregister(runner()))));
}

#[test]
fn an_idle_runner_is_removed_before_it_is_signalled() {
    let mut machine = idle();
    let actions = machine.on(Event::Signal(Signal::TERM));
    assert!(actions.contains(&Action::Run(Job::Deregister(runner()))));
    assert!(!actions.iter().any(|action| matches!(action, Action::Signal(..))));
    let actions = machine.on(Event::Told(Outcome::Deregistered(Removal::Gone)));
    assert!(actions.contains(&Action::Signal(Target::Named(Role::Runner, "Runner.Listener"), Signal::INT)));
}

#[test]
fn a_job_that_github_knows_of_before_we_do_is_not_cut() {
    let mut machine = idle();
    machine.on(Event::Signal(Signal::TERM));
    let actions = machine.on(Event::Told(Outcome::Deregistered(Removal::Busy)));
    assert!(actions.contains(&Action::Arm(Timer::Drain, plan().stop.drain)));
    assert!(!actions.iter().any(|action| matches!(action, Action::Signal(..))));
}

#[test]
fn a_job_that_outlasts_the_drain_is_cancelled_and_said_so_in_the_exit_code() {
    let mut machine = idle();
    machine.on(Event::Noted(Note::JobStarted("build".into())));
    machine.on(Event::Signal(Signal::TERM));
    let actions = machine.on(Event::Expired(Timer::Drain));
    assert!(actions.contains(&Action::Signal(Target::Named(Role::Runner, "Runner.Listener"), Signal::INT)));
    assert_eq!(machine.ending, Some(Ending::JobCut));
}

#[test]
fn after_a_job_the_cache_is_saved_and_no_call_is_made_for_a_runner_the_service_removes() {
    let mut machine = idle();
    drive(
        &mut machine,
        [
            Event::Noted(Note::JobStarted("build".into())),
            Event::Noted(Note::JobCompleted { job: "build".into(), result: "Failed".into() }),
            Event::ChildEnded(Role::Runner, ChildEnd::Code(0)),
        ],
    );
    let actions = machine.on(Event::Alone);
    assert!(actions.contains(&Action::Spawn(Role::Save)));
    assert!(!actions.iter().any(|action| matches!(action, Action::Run(Job::Deregister(_)))));
    let last = machine.on(Event::ChildEnded(Role::Save, ChildEnd::Code(0)));
    assert_eq!(last.last(), Some(&Action::Exit(0)));
}

#[test]
fn without_a_job_nothing_is_saved_and_the_registration_is_removed() {
    let mut machine = idle();
    machine.on(Event::ChildEnded(Role::Runner, ChildEnd::Code(0)));
    let actions = machine.on(Event::Alone);
    assert!(!actions.contains(&Action::Spawn(Role::Save)));
    assert!(actions.contains(&Action::Run(Job::Deregister(runner()))));
}

#[test]
fn a_stop_while_the_request_is_on_its_way_waits_for_the_answer_and_then_removes_it() {
    let mut machine = Lifecycle::new(Plan { docker: false, restore: None, ..plan() });
    drive(&mut machine, [Event::Started, Event::Told(Outcome::Checked(Ok(()))), Event::Told(Outcome::MayExist("r".into()))]);
    let actions = machine.on(Event::Signal(Signal::TERM));
    assert!(!actions.contains(&Action::Recall(Job::Register)));
    machine.on(Event::Told(Outcome::Registered { id: Some(42), name: "r".into() }));
    let actions = machine.on(Event::Alone);
    assert!(actions.contains(&Action::Run(Job::Deregister(runner()))));
}

/// A stop met the errand between its word, which was on its way, and our hearing it: the runner appeared afterwards, and nobody knew.
#[test]
fn what_was_told_before_a_recall_is_heard_and_removed() {
    let mut machine = Lifecycle::new(bare());
    drive(&mut machine, [Event::Started, Event::Told(Outcome::Checked(Ok(())))]);
    let actions = machine.on(Event::Signal(Signal::TERM));
    assert!(actions.contains(&Action::Recall(Job::Register)));
    machine.on(Event::Told(Outcome::MayExist("r".into())));
    machine.on(Event::Told(Outcome::RegisterFailed { ending: Ending::Bug, why: "ended early".into() }));
    let actions = machine.on(Event::Alone);
    assert!(actions.contains(&Action::Run(Job::Deregister(Registration::MayExist("r".into())))));
    let actions = machine.on(Event::Told(Outcome::Deregistered(Removal::Gone)));
    assert_eq!(actions.last(), Some(&Action::Exit(0)));
}

#[test]
fn a_stop_before_anything_was_asked_for_leaves_at_once() {
    let mut machine = Lifecycle::new(plan());
    machine.on(Event::Signal(Signal::TERM));
    machine.on(Event::Started);
    let actions = machine.on(Event::Alone);
    assert_eq!(actions.last(), Some(&Action::Exit(0)));
}

#[test]
fn a_restore_that_fails_does_not_stop_the_runner_and_forbids_the_save() {
    let mut machine = Lifecycle::new(Plan { docker: false, ..plan() });
    drive(
        &mut machine,
        [
            Event::Started,
            Event::Told(Outcome::Checked(Ok(()))),
            Event::Told(Outcome::MayExist("r".into())),
            Event::Told(Outcome::Registered { id: Some(42), name: "r".into() }),
        ],
    );
    let actions = machine.on(Event::ChildEnded(Role::Restore, ChildEnd::Code(69)));
    assert!(actions.contains(&Action::Spawn(Role::Runner)));
    machine.on(Event::Noted(Note::JobStarted("build".into())));
    assert!(!machine.owed.contains(&Obligation::SaveCache));
    assert_eq!(machine.job, JobState::Running);
}

#[test]
fn an_idle_runner_that_cannot_be_removed_is_told_by_the_exit_code() {
    let mut machine = idle();
    machine.on(Event::Signal(Signal::TERM));
    machine.on(Event::Expired(Timer::Ask));
    machine.on(Event::ChildEnded(Role::Runner, ChildEnd::Code(0)));
    machine.on(Event::Alone);
    let actions = machine.on(Event::Expired(Timer::Deregister));
    assert_eq!(actions.last(), Some(&Action::Exit(75)));
}
