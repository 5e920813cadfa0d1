//! Lives behind a gate.

use super::*;

/// What a gate changes, and only that.
#[test]
fn a_gate_that_ends_is_started_again_and_published_again_while_somebody_needs_it() {
    let shown = |actions: Actions| actions.iter().filter_map(show).collect::<Vec<_>>();
    let by_name = |name: &str| phases(guarded()).into_iter().find(|(phase, _)| *phase == name).unwrap().1;
    let ended = || Event::ChildEnded(Role::Gate, ChildEnd::Code(101));
    for phase in ["serving", "lingering"] {
        let mut life = by_name(phase);
        let said = "say error: the gate ended with exit code 101; it is started again, containers are not touched";
        assert_eq!(shown(life.on(ended())), ["abandon Publish", said, "arm Gate 500ms"], "{phase}");
        assert_eq!(shown(life.on(Event::Expired(Timer::Gate))), ["spawn gate"]);
        assert_eq!(shown(life.on(Event::Noted(Note::Listening))), ["run Publish"]);
        let mut refused = life.clone();
        assert_eq!(shown(life.on(Event::Told(Outcome::Published(Ok(()))))), ["say info: the gate stands again"]);
        let answer = shown(refused.on(Event::Told(Outcome::Published(Err(failure())))));
        assert_eq!(answer, ["say error: why", "SIGKILL to Child(Gate)"].map(|text| text.to_owned()));
    }
    for phase in ["draining", "killing", "killing, burying", "settling"] {
        assert_eq!(shown(by_name(phase).on(ended())), [""; 0], "{phase}");
    }
}

#[test]
fn docker_that_is_usable_before_its_gate_waits_for_it() {
    let mut life = guarded();
    for event in [
        Event::Started,
        Event::Told(Outcome::Checked(Ok(()))),
        Event::Told(Outcome::Nested(Ok(()))),
        Event::Told(Outcome::Prepared(Ok(()))),
        Event::ChildEnded(Role::Version, ChildEnd::Code(0)),
        Event::Told(Outcome::Furnished(Ok(()))),
    ] {
        life.on(event);
    }
    let runs = |actions: Actions| actions.contains(&Action::Run(Job::Publish));
    assert!(!runs(life.on(Event::Told(Outcome::Usable(Ok(()))))));
    let mut stopped = life.clone();
    assert!(runs(life.on(Event::Noted(Note::Listening))));
    stopped.on(Event::Signal(Signal::TERM));
    assert_eq!(stopped.phase, Phase::Killing { burying: false }, "a stop does not wait for a gate");
}
