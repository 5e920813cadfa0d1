//! What the demo looks like: titles, steps with their times, the programs' lines behind their names. Knows no task.

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use runner_tests::process::Record;

/// Between two looks at what the programs say.
const PAUSE: Duration = Duration::from_millis(10);

/// Whose lines are for docker's developers.
const DAEMONS: [&str; 2] = ["dockerd   | ", "containerd| "];

/// Where the message of a record begins, after clock, level and phase.
const MESSAGE: usize = 31;

/// What stands before a program's line.
const NAME: usize = 12;

const BOLD: &str = "1";
const DIM: &str = "2";
const RED: &str = "91";
const GREEN: &str = "92";
const YELLOW: &str = "93";

/// Of the names of programs, in their order.
const VOICES: [&str; 2] = ["96", "94"];

fn paint(style: &str, text: &str) -> String {
    format!("\x1b[{style}m{text}\x1b[0m")
}

/// A part of a program's line, in a colour when somebody must see the line: the program writes to a pipe, and so without any.
fn marked(line: &str, part: &str) -> String {
    let level = [(" WARN ", YELLOW), (" ERROR ", RED), ("  ready", GREEN), ("  ended", GREEN)];
    let style = level.into_iter().find(|(word, _)| line.contains(word)).map(|(_, style)| style);
    style.map_or_else(|| part.to_owned(), |style| paint(style, part))
}

/// A line in parts that fit, broken between words; what follows stands below the message.
fn folded(line: &str, width: usize) -> Vec<String> {
    let mut parts = vec![String::new()];
    for word in line.split_inclusive(' ') {
        let full = parts.last().is_some_and(|part| part.chars().count() + word.trim_end().chars().count() > width);
        if full && parts.last().is_some_and(|part| !part.trim().is_empty()) {
            parts.push(" ".repeat(MESSAGE));
        }
        if let Some(part) = parts.last_mut() {
            part.push_str(word);
        }
    }
    parts.iter().map(|part| part.trim_end().to_owned()).collect()
}

/// Where everything is printed.
#[derive(Debug)]
pub(crate) struct Screen {
    colour: bool,
    all: bool,
    /// Of a program's line.
    width: usize,
}

impl Screen {
    pub(crate) fn new(all: bool) -> Self {
        let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        // Elsewhere somebody may want to search in what was said.
        let width = supervise::kernel::columns(std::io::stdout()).map_or(usize::MAX, |columns| columns.max(80) - NAME);
        Self { colour, all, width }
    }

    pub(crate) fn title(&self, text: &str) {
        if self.colour { println!("\n{}\n", paint(BOLD, text)) } else { println!("\n{text}\n{}\n", "-".repeat(text.chars().count())) }
    }

    pub(crate) fn note(&self, text: &str) {
        println!("  {text}");
    }

    /// Does something, and says what and how long it took.
    pub(crate) fn step<T>(&self, what: &str, work: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let done = work();
        println!("  {}  {what}", self.painted(DIM, &format!("{:>6}", short(begun.elapsed()))));
        done
    }

    /// `name: value`, the values below each other.
    pub(crate) fn fact(&self, name: &str, value: &str) {
        let mut lines = value.lines();
        println!("  {}{}", self.painted(BOLD, &format!("{name:<12}")), lines.next().unwrap_or_default());
        lines.for_each(|line| println!("  {:<12}{line}", ""));
    }

    /// The last word, when all is well.
    pub(crate) fn good(&self, text: &str) {
        self.note(&self.painted(GREEN, text));
    }

    /// The last word, when it is not.
    pub(crate) fn bad(&self, text: &str) {
        self.note(&self.painted(RED, text));
    }

    fn painted(&self, style: &str, text: &str) -> String {
        if self.colour { paint(style, text) } else { text.to_owned() }
    }

    /// Prints what a program says, as it says it, until the value is finished.
    pub(crate) fn follow(&self, voices: Vec<(&'static str, Record)>) -> Following {
        let ended = Arc::new(AtomicBool::new(false));
        let left_out = Arc::new(AtomicUsize::new(0));
        let (until, count) = (Arc::clone(&ended), Arc::clone(&left_out));
        let Self { colour, all, width } = *self;
        let printer = std::thread::spawn(move || {
            let mut seen = vec![0; voices.len()];
            loop {
                let last = until.load(Ordering::SeqCst);
                for (((name, record), seen), style) in voices.iter().zip(&mut seen).zip(VOICES) {
                    for line in record.lines().iter().skip(*seen) {
                        *seen += 1;
                        let daemon = DAEMONS.iter().any(|daemon| line.text.contains(daemon));
                        let blank = line.text.trim_end().ends_with("runner    |");
                        if !all && daemon {
                            count.fetch_add(1, Ordering::SeqCst);
                        } else if !blank {
                            let name = format!("{name:<8}|");
                            for part in folded(&line.text, width) {
                                if colour {
                                    println!("  {} {}", paint(style, &name), marked(&line.text, &part));
                                } else {
                                    println!("  {name} {part}");
                                }
                            }
                        }
                    }
                }
                if last {
                    return;
                }
                std::thread::sleep(PAUSE);
            }
        });
        Following { ended, left_out, printer: Some(printer) }
    }
}

/// A printer of lines; ends when dropped.
#[derive(Debug)]
pub(crate) struct Following {
    ended: Arc<AtomicBool>,
    left_out: Arc<AtomicUsize>,
    printer: Option<JoinHandle<()>>,
}

impl Following {
    /// Prints the last lines; how many of docker's own were left out.
    pub(crate) fn finish(mut self) -> usize {
        self.end();
        self.left_out.load(Ordering::SeqCst)
    }

    fn end(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        if let Some(printer) = self.printer.take() {
            let _ = printer.join();
        }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.end();
    }
}

/// `3 ms`, `0.42 s`, `12.3 s`.
pub(crate) fn short(span: Duration) -> String {
    match span.as_millis() {
        millis @ 0..100 => format!("{millis} ms"),
        100..10_000 => format!("{:.2} s", span.as_secs_f64()),
        _ => format!("{:.1} s", span.as_secs_f64()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_goes_on_below_its_message() {
        assert_eq!(folded("one two", 80), ["one two"]);
        let line = "02:06:02.450 INFO  checking    containers have no limits";
        assert_eq!(folded(line, 45), ["02:06:02.450 INFO  checking    containers", &format!("{:31}have no limits", "")]);
        let one_word = "x".repeat(90);
        assert_eq!(folded(&one_word, 45), [one_word]);
    }
}
