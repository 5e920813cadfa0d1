//! When what happened: the programs' own `ended` records and the stand-in's request log, side by side.
//!
//! Owns reading those records in the form people read them; must not know what the phases are.

use std::time::Duration;

use runner_tests::github::{Route, Seen};
use runner_tests::process::Record;

use crate::screen::short;

const DAY: u64 = 24 * 3_600_000;

/// The life of one program, by the clock of its records.
#[derive(Debug)]
pub(crate) struct Life {
    /// Milliseconds since midnight, UTC.
    started: u64,
    phases: Vec<(String, u64)>,
    /// From its start; `None` when it never was.
    pub(crate) ready: Option<u64>,
}

impl Life {
    /// From the last `ended` record; `None` when there is none.
    pub(crate) fn read(record: &Record) -> Option<Self> {
        let lines = record.lines();
        let ended = lines.iter().rev().find(|line| line.text.contains("  ended  exit_code="))?;
        let total = number(&ended.text, "total_ms=")?;
        let phases = ended.text.split("phases=\"").nth(1)?.split('"').next()?;
        let phases = phases.split(", ").filter_map(|phase| {
            let (name, span) = phase.strip_suffix(" ms")?.rsplit_once(' ')?;
            Some((name.to_owned(), span.parse().ok()?))
        });
        let ready = lines.iter().find_map(|line| number(&line.text, "  ready  ready_ms="));
        Some(Self { started: (clock(&ended.text)? + DAY - total) % DAY, phases: phases.collect(), ready })
    }
}

fn number(text: &str, before: &str) -> Option<u64> {
    let digits = text.split(before).nth(1)?;
    digits.split(|letter: char| !letter.is_ascii_digit()).next()?.parse().ok()
}

/// `13:40:20.123` at the beginning, in milliseconds since midnight.
fn clock(text: &str) -> Option<u64> {
    let mut parts = text.get(..12)?.split([':', '.']).map(str::parse::<u64>);
    let mut next = || parts.next()?.ok();
    Some(((next()? * 60 + next()?) * 60 + next()?) * 1_000 + next()?)
}

/// One thing that happened.
#[derive(Debug)]
struct Row {
    at: u64,
    column: usize,
    text: String,
}

/// Seconds since the first program started, whatever clock a time came from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    began: u64,
    github: u64,
}

impl Clock {
    /// `github` is the time of day at which the stand-in's clock began.
    pub(crate) fn of(lives: &[(&'static str, Life)], github: Duration) -> Self {
        let began = lives.iter().map(|(_, life)| life.started).min().unwrap_or_default();
        Self { began, github: millis(github) }
    }

    fn since(self, clock: u64) -> u64 {
        (clock + DAY - self.began) % DAY
    }

    fn of_request(self, seen: &Seen) -> u64 {
        self.since((self.github + millis(seen.at)) % DAY)
    }

    /// When a request came, as the table has it.
    pub(crate) fn shown(self, seen: &Seen) -> String {
        format!("{:.3}", Duration::from_millis(self.of_request(seen)).as_secs_f64())
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// One row for each phase of a program and each thing GitHub did.
pub(crate) fn table(lives: &[(&'static str, Life)], github: &[Seen], clock: Clock) -> Vec<String> {
    let mut rows = Vec::new();
    for (column, (_, life)) in lives.iter().enumerate() {
        let mut at = clock.since(life.started);
        for (name, span) in &life.phases {
            let lasts = if name == "done" { String::new() } else { short(Duration::from_millis(*span)) };
            rows.push(Row { at, column, text: format!("{name:<11}{lasts:>8}") });
            at += span;
        }
    }
    for seen in github {
        if let Some(text) = meaning(seen) {
            rows.push(Row { at: clock.of_request(seen), column: lives.len(), text: text.to_owned() });
        }
    }
    rows.sort_by_key(|row| row.at);
    let mut head = format!("{:>8}  ", "second");
    for (name, _) in lives {
        head += &format!("{name:<22}");
    }
    let line = |row: &Row| {
        let seconds = Duration::from_millis(row.at).as_secs_f64();
        format!("{seconds:>8.3}  {:width$}{}", "", row.text, width = 22 * row.column).trim_end().to_owned()
    };
    std::iter::once(head + "GitHub").chain(rows.iter().map(line)).collect()
}

/// What a request means for the runner; nothing when it is of no interest.
fn meaning(seen: &Seen) -> Option<&'static str> {
    Some(match (seen.route, seen.status) {
        (Route::GenerateJit, Some(201)) => "registers the runner",
        (Route::GenerateJit, _) => "refuses a registration",
        (Route::ListRunners, _) => "looks for a runner by name",
        (Route::DeleteRunner, Some(204)) => "removes the runner",
        (Route::DeleteRunner, _) => "does not remove the runner",
        (Route::Connect, _) => "has the runner online",
        (Route::Poll, Some(200)) => "gives it the job",
        (Route::Done, _) => "has the result, forgets the runner",
        _ => return None,
    })
}
