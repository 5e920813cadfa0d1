//! The machine as a table, to be reviewed.

use supervise::{Action, ChildEnd, Event, Machine, Signal};

use super::{drive, idle, listening_beside_the_restore, plan};
use crate::{
    lifecycle::Lifecycle,
    stages::Ending,
    words::{Note, Outcome, Removal, Role, Timer, Words},
};

/// The whole table, phase by event, so that a change of behaviour is a visible difference.
#[test]
fn the_transition_table_is_what_was_reviewed() {
    let mut lives: Vec<(&str, Lifecycle)> = Vec::new();
    let mut machine = Lifecycle::new(plan());
    drive(&mut machine, [Event::Started]);
    lives.push(("checking", machine.clone()));
    drive(&mut machine, [Event::Told(Outcome::Checked(Ok(())))]);
    lives.push(("preparing", machine.clone()));
    drive(&mut machine, [Event::Told(Outcome::MayExist("r".into()))]);
    lives.push(("preparing, request sent", machine));
    lives.push(("running, idle", idle()));
    let mut busy = idle();
    drive(&mut busy, [Event::Noted(Note::JobStarted("build".into()))]);
    lives.push(("running, busy", busy.clone()));
    let mut asking = idle();
    drive(&mut asking, [Event::Signal(Signal::TERM)]);
    lives.push(("draining, asking", asking.clone()));
    drive(&mut busy, [Event::Signal(Signal::TERM)]);
    lives.push(("draining, waiting for the job", busy.clone()));
    drive(&mut busy, [Event::Expired(Timer::Drain)]);
    lives.push(("draining, ending", busy.clone()));
    drive(&mut busy, [Event::ChildEnded(Role::Runner, ChildEnd::Code(0))]);
    lives.push(("killing", busy.clone()));
    drive(&mut busy, [Event::Alone]);
    lives.push(("settling", busy));
    let mut beside = listening_beside_the_restore();
    lives.push(("running, the cache still being restored", beside.clone()));
    drive(&mut beside, [Event::Noted(Note::JobStarted("build".into()))]);
    lives.push(("running, the job waits for the cache", beside));

    let events: Vec<Event<Words>> = vec![
        Event::Signal(Signal::TERM),
        Event::Signal(Signal::HUP),
        Event::Told(Outcome::Checked(Ok(()))),
        Event::Told(Outcome::Checked(Err("RUNNER_HOME is missing".into()))),
        Event::Told(Outcome::Docker(Ok(vec![]))),
        Event::Told(Outcome::Docker(Err("docker did not answer".into()))),
        Event::Told(Outcome::Absent("r".into())),
        Event::Told(Outcome::Waiting("no answer".into())),
        Event::Told(Outcome::Registered { id: Some(42), name: "r".into() }),
        Event::Told(Outcome::RegisterFailed { ending: Ending::CredentialsRefused, why: "refused".into() }),
        Event::Told(Outcome::Deregistered(Removal::Gone)),
        Event::Told(Outcome::Deregistered(Removal::Busy)),
        Event::Told(Outcome::Deregistered(Removal::Failed("no answer".into()))),
        Event::Noted(Note::JobStarted("build".into())),
        Event::ChildEnded(Role::Restore, ChildEnd::Code(0)),
        Event::ChildEnded(Role::Restore, ChildEnd::Code(1)),
        Event::ChildEnded(Role::Runner, ChildEnd::Code(0)),
        Event::ChildEnded(Role::Runner, ChildEnd::Code(2)),
        Event::ChildEnded(Role::Save, ChildEnd::Code(0)),
        Event::Alone,
        Event::Expired(Timer::Restore),
        Event::Expired(Timer::Ask),
        Event::Expired(Timer::Drain),
        Event::Expired(Timer::Cancel),
        Event::Expired(Timer::Leftovers),
        Event::Expired(Timer::AfterKill),
        Event::Expired(Timer::Save),
        Event::Expired(Timer::Deregister),
        Event::Expired(Timer::Budget),
    ];
    let mut table = String::new();
    for (name, life) in &lives {
        table.push_str(&format!("## {name}\n"));
        for event in &events {
            let actions = life.clone().on(event.clone());
            if !actions.is_empty() {
                table.push_str(&format!("{event:?}\n"));
                actions.iter().for_each(|action| table.push_str(&format!("    {}\n", told(action))));
            }
        }
        table.push('\n');
    }
    insta::assert_snapshot!(table);
}

fn told(action: &Action<Words>) -> String {
    match action {
        Action::Publish(state) => {
            let flags =
                [(state.ready, " ready"), (state.busy, " busy")].iter().filter(|(set, _)| *set).map(|(_, word)| *word).collect::<String>();
            let pending = if state.pending.is_empty() { String::new() } else { format!(", pending: {}", state.pending.join(", ")) };
            let owes = if state.owes.is_empty() { String::new() } else { format!(", owes: {}", state.owes.join("; ")) };
            format!("Publish {}{flags}{pending}{owes}", state.phase)
        }
        Action::Say(level, sentence) => format!("Say {level:?}: {}", sentence.replace('\n', " / ")),
        Action::Mark(level, event, sentence) => format!("Say {level:?} {event}: {}", sentence.replace('\n', " / ")),
        other => format!("{other:?}"),
    }
}
