//! A life as a small chart for a terminal: what began when, how long it took, what it came to. Pure.

use std::{fmt::Write as _, time::Duration};

use crate::{Life, Span, Verdict};

/// Columns of the bars; with what stands before them a line fits into 80.
const WIDTH: usize = 32;

/// How much longer than all others the longest phase is drawn.
const MOST: f64 = 3.0;

/// Columns of the names.
const NAMES: usize = 15;

/// The life as lines, each with its break. Nothing of one that was refused before it began anything: there is nothing to see.
pub(crate) fn draw(life: &Life, colour: bool) -> String {
    if life.ready.is_none() && life.works.is_empty() {
        return String::new();
    }
    let axis = Axis::of(life);
    let mut text = format!("\n  {:<NAMES$}{:>10}{:>10}  outcome\n", "", "start", "lasts");
    // The last phase is the moment of the end.
    let (end, before) = life.phases.split_last().map_or((None, &[][..]), |(end, before)| (Some(end), before));
    for phase in before.iter().chain(end.filter(|end| life.exit_code.is_none() || life.works.iter().any(|work| work.begins >= end.begins)))
    {
        row(&mut text, phase, &axis, 0, colour);
        let inside = |work: &&Span| phase.begins <= work.begins && (work.begins < phase.ends || is_last(life, phase));
        life.works.iter().filter(inside).for_each(|work| row(&mut text, work, &axis, 2, colour));
    }
    text
}

fn is_last(life: &Life, phase: &Span) -> bool {
    life.phases.last().is_some_and(|last| last == phase)
}

fn row(text: &mut String, span: &Span, axis: &Axis, indent: usize, colour: bool) {
    let (paint, plain) = match (colour, span.verdict) {
        (false, _) => ("", ""),
        (true, Verdict::Failed) => ("\x1b[31m", "\x1b[0m"),
        (true, Verdict::Warned | Verdict::GivenUp) => ("\x1b[33m", "\x1b[0m"),
        (true, Verdict::Well) if indent == 0 => ("\x1b[32m", "\x1b[0m"),
        (true, Verdict::Well | Verdict::Underway) => ("\x1b[36m", "\x1b[0m"),
    };
    let name = format!("{:indent$}{}", "", span.name);
    let start = match span.begins.as_secs() {
        0..100 => format!("+{:.3} s", span.begins.as_secs_f64()),
        _ => format!("+{}", short(span.begins)),
    };
    let bar = axis.bar(span);
    let line =
        format!("  {name:<NAMES$}{start:>10}{:>10}  {paint}{:<8}{plain} {paint}{bar}{plain}", short(span.lasts()), span.verdict.word());
    let _ = writeln!(text, "{}", line.trim_end());
}

/// Where each moment of a life is drawn. The longest phase is drawn at most three times as long as all others together, so that hours of a
/// job do not squeeze the seconds before it into one column.
struct Axis {
    /// Moment and column, both growing.
    marks: Vec<(f64, f64)>,
    /// What is drawn shorter than it was.
    squeezed: Option<(Duration, Duration)>,
}

impl Axis {
    fn of(life: &Life) -> Self {
        let lengths: Vec<f64> = life.phases.iter().map(|phase| phase.lasts().as_secs_f64()).collect();
        let all: f64 = lengths.iter().sum();
        let longest = lengths.iter().copied().enumerate().max_by(|(_, one), (_, other)| one.total_cmp(other));
        let mut weights = lengths.clone();
        let mut squeezed = None;
        if let Some((place, length)) = longest
            && length > MOST * (all - length)
            && all > length
        {
            weights[place] = MOST * (all - length);
            squeezed = Some((life.phases[place].begins, life.phases[place].ends));
        }
        let total: f64 = weights.iter().sum::<f64>().max(f64::MIN_POSITIVE);
        let mut marks = vec![(0.0, 0.0)];
        let (mut moment, mut drawn) = (0.0, 0.0);
        for (length, weight) in lengths.iter().zip(&weights) {
            moment += length;
            drawn += weight;
            marks.push((moment, drawn / total * as_f64(WIDTH)));
        }
        Self { marks, squeezed }
    }

    fn column(&self, moment: Duration) -> f64 {
        let moment = moment.as_secs_f64();
        let after = self.marks.iter().position(|(at, _)| *at >= moment).unwrap_or(self.marks.len() - 1).max(1);
        let Some([(from, left), (to, right)]) = self.marks.get(after - 1..=after) else { return 0.0 };
        if to <= from { *right } else { left + (moment - from) / (to - from) * (right - left) }
    }

    fn bar(&self, span: &Span) -> String {
        let begins = column(self.column(span.begins)).min(WIDTH - 1);
        let ends = column(self.column(span.ends).ceil()).clamp(begins + 1, WIDTH);
        let mut cells: Vec<char> = vec![' '; begins];
        if span.lasts().is_zero() {
            cells.push('▏');
        } else {
            cells.extend(std::iter::repeat_n('█', ends - begins));
        }
        // A gap in what spans all of it says that time is missing there.
        if let Some((from, to)) = self.squeezed
            && span.begins <= from + (to - from) / 4
            && span.ends >= to - (to - from) / 4
        {
            let middle = (column(self.column(from)) + column(self.column(to))) / 2;
            for cell in cells.iter_mut().skip(middle.saturating_sub(1)).take(2) {
                *cell = '╌';
            }
        }
        cells.into_iter().collect()
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "columns are few and never negative")]
fn column(place: f64) -> usize {
    place.max(0.0) as usize
}

#[expect(clippy::cast_precision_loss, reason = "columns are few")]
fn as_f64(columns: usize) -> f64 {
    columns as f64
}

/// `3 ms`, `0.42 s`, `12.3 s`, `4 min 2 s`, `3 h 5 min`.
fn short(span: Duration) -> String {
    let seconds = span.as_secs();
    match span.as_millis() {
        millis @ 0..100 => format!("{millis} ms"),
        100..10_000 => format!("{:.2} s", span.as_secs_f64()),
        10_000..60_000 => format!("{:.1} s", span.as_secs_f64()),
        60_000..3_600_000 => format!("{} m {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} m", seconds / 3600, seconds % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    fn span(name: &'static str, begins: u64, ends: u64, verdict: Verdict) -> Span {
        Span { name, begins: Duration::from_millis(begins), ends: Duration::from_millis(ends), verdict }
    }

    fn life(phases: Vec<Span>, works: Vec<Span>) -> Life {
        Life {
            program: "program",
            began: SystemTime::UNIX_EPOCH,
            lasted: phases.last().map_or(Duration::ZERO, |last| last.ends),
            phases,
            works,
            facts: vec![],
            measures: vec![],
            ready: Some(Duration::ZERO),
            is_ready: false,
            is_busy: false,
            exit_code: Some(0),
        }
    }

    fn demo() -> Life {
        life(
            vec![
                span("checking", 0, 3, Verdict::Well),
                span("preparing", 3, 523, Verdict::Warned),
                span("running", 523, 860, Verdict::Well),
                span("killing", 860, 860, Verdict::Well),
                span("settling", 860, 890, Verdict::Failed),
                span("done", 890, 890, Verdict::Well),
            ],
            vec![
                span("register", 3, 15, Verdict::Well),
                span("docker", 3, 523, Verdict::Well),
                span("restore", 4, 116, Verdict::GivenUp),
                span("job", 530, 857, Verdict::Well),
                span("save", 860, 890, Verdict::Failed),
            ],
        )
    }

    #[test]
    fn a_life_is_a_row_for_each_phase_with_its_works_below_it() {
        insta::assert_snapshot!(draw(&demo(), false));
    }

    #[test]
    fn hours_of_a_job_leave_room_for_the_seconds_around_it() {
        let mut life = demo();
        for span in life.phases.iter_mut().skip(2).chain(life.works.iter_mut().skip(3)) {
            span.ends += Duration::from_secs(7_500);
            if span.name != "running" && span.name != "job" {
                span.begins += Duration::from_secs(7_500);
            }
        }
        insta::assert_snapshot!(draw(&life, false));
    }

    #[test]
    fn every_line_fits_into_a_terminal_whatever_the_life_was() {
        let lives = [
            life(vec![], vec![]),
            life(vec![span("checking", 0, 0, Verdict::Failed)], vec![]),
            life(vec![span("checking", 0, 90_000_000, Verdict::Well)], vec![span("register", 0, 90_000_000, Verdict::Well)]),
            life(vec![span("checking", 0, 1, Verdict::Well), span("running", 1, 90_000_000, Verdict::Underway)], vec![]),
            demo(),
        ];
        for life in lives {
            let text = draw(&life, false);
            assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
            let last = life.phases.last().is_some_and(|last| life.works.iter().any(|work| work.begins >= last.begins));
            assert_eq!(
                text.lines().count() + usize::from(!last && !life.phases.is_empty()),
                2 + life.phases.len() + life.works.len(),
                "{text}"
            );
        }
    }

    #[test]
    fn a_life_that_was_refused_has_no_chart() {
        let refused = Life { ready: None, ..life(vec![span("checking", 0, 3, Verdict::Failed)], vec![]) };
        assert_eq!(draw(&refused, false), "");
    }

    #[test]
    fn colour_follows_the_outcome_and_changes_nothing_else() {
        let painted = draw(&demo(), true);
        assert!(painted.contains("\x1b[31mfailed  \x1b[0m"), "{painted}");
        let mut plain = painted;
        for code in ["\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[36m", "\x1b[0m"] {
            plain = plain.replace(code, "");
        }
        let trimmed: Vec<&str> = plain.lines().map(str::trim_end).collect();
        assert_eq!(trimmed.join("\n"), draw(&demo(), false).trim_end_matches('\n'));
    }
}
