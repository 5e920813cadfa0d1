//! A life as Chrome's trace events, a format that <https://ui.perfetto.dev> and chrome://tracing open.
//!
//! "Trace Event Format", complete events (`X`) with microseconds. Times are those of the day, so that the files of both containers of a
//! task can be put together: their events are all in one list.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use supervise::{Life, Observer, Span, Verdict};

use crate::place::Place;

/// Writes it at the end.
#[derive(Debug)]
pub(crate) struct File {
    place: Place,
}

impl File {
    pub(crate) fn new(place: Place) -> Self {
        Self { place }
    }
}

impl Observer for File {
    fn changed(&mut self, _: &Life) {}

    fn ended(&mut self, life: &Life) {
        self.place.put(text(life));
        self.place.finish();
    }
}

/// The track of the life as a whole, and that of its phases. What goes on beside them has as many more as it needs at once.
const LIFE: usize = 0;
const PHASES: usize = 1;

fn text(life: &Life) -> String {
    let mut events = vec![name(life, "process_name", life.program, LIFE), name(life, "thread_name", "phases", PHASES)];
    events.push(whole(life));
    events.extend(life.phases.iter().map(|phase| event(life, phase, PHASES)));
    // Until when each track is taken.
    let mut taken: Vec<Duration> = Vec::new();
    for work in &life.works {
        let free = taken.iter().position(|until| *until <= work.begins).unwrap_or(taken.len());
        let track = PHASES + 1 + free;
        if free == taken.len() {
            taken.push(work.ends);
            events.push(name(life, "thread_name", "beside", track));
        }
        taken[free] = work.ends;
        events.push(event(life, work, track));
    }
    format!("{}\n", json!({"displayTimeUnit": "ms", "traceEvents": events}))
}

fn name(life: &Life, what: &str, name: &str, track: usize) -> Value {
    json!({"ph": "M", "name": what, "pid": process(life.program), "tid": track, "args": {"name": name}})
}

/// The life as one event that has all that was told and measured.
fn whole(life: &Life) -> Value {
    let span = Span { name: life.program, begins: Duration::ZERO, ends: life.lasted, verdict: Verdict::Well };
    let mut whole = event(life, &span, LIFE);
    let mut arguments = serde_json::Map::new();
    arguments.insert("exit_code".to_owned(), json!(life.exit_code));
    arguments.extend(life.facts.iter().map(|(name, value)| ((*name).to_owned(), json!(value))));
    arguments.extend(life.measures.iter().map(|(name, value)| ((*name).to_owned(), json!(value))));
    whole["args"] = Value::Object(arguments);
    whole
}

fn event(life: &Life, span: &Span, track: usize) -> Value {
    let began = life.began.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    json!({
        "ph": "X",
        "name": span.name,
        "cat": life.program,
        "pid": process(life.program),
        "tid": track,
        "ts": micros(began + span.begins),
        "dur": micros(span.lasts()),
        "args": {"outcome": span.verdict.word()},
    })
}

/// A number that the two programs do not share; both are PID 1.
fn process(program: &str) -> u32 {
    program.bytes().fold(7, |sum: u32, byte| sum.wrapping_mul(31).wrapping_add(byte.into())) % 100_000
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::tests::{over, span};

    #[test]
    fn a_trace_has_the_life_its_phases_and_what_went_on_beside_them() {
        let trace: Value = serde_json::from_str(&text(&over())).unwrap();
        insta::assert_snapshot!(format!("{trace:#}"));
    }

    #[test]
    fn what_goes_on_at_once_is_on_tracks_of_its_own_and_what_does_not_shares_one() {
        let mut life = over();
        life.works = vec![
            span("a", 0, 100, Verdict::Well),
            span("b", 50, 60, Verdict::Well),
            span("c", 60, 70, Verdict::Well),
            span("d", 100, 110, Verdict::Well),
        ];
        let trace: Value = serde_json::from_str(&text(&life)).unwrap();
        let events = trace["traceEvents"].as_array().unwrap();
        let track = |name: &str| events.iter().find(|event| event["name"] == name && event["ph"] == "X").unwrap()["tid"].clone();
        assert_eq!([track("a"), track("b"), track("c"), track("d")], [json!(2), json!(3), json!(3), json!(2)]);
    }

    #[test]
    fn the_two_programs_are_two_processes() {
        assert_ne!(process("runner-entrypoint"), process("runner-dind"));
    }
}
