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

/// Where everything is printed.
#[derive(Debug)]
pub(crate) struct Screen {
    colour: bool,
    all: bool,
}

impl Screen {
    pub(crate) fn new(all: bool) -> Self {
        let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self { colour, all }
    }

    pub(crate) fn title(&self, text: &str) {
        if self.colour { println!("\n\x1b[1m{text}\x1b[0m\n") } else { println!("\n{text}\n{}\n", "-".repeat(text.chars().count())) }
    }

    pub(crate) fn note(&self, text: &str) {
        println!("  {text}");
    }

    /// Does something, and says what and how long it took.
    pub(crate) fn step<T>(&self, what: &str, work: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let done = work();
        println!("  {:>6}  {what}", short(begun.elapsed()));
        done
    }

    /// `name: value`, the values below each other.
    pub(crate) fn fact(&self, name: &str, value: &str) {
        let mut lines = value.lines();
        println!("  {name:<12}{}", lines.next().unwrap_or_default());
        lines.for_each(|line| println!("  {:<12}{line}", ""));
    }

    /// Prints what a program says, as it says it, until the value is finished.
    pub(crate) fn follow(&self, voices: Vec<(&'static str, Record)>) -> Following {
        let ended = Arc::new(AtomicBool::new(false));
        let left_out = Arc::new(AtomicUsize::new(0));
        let (until, count, all) = (Arc::clone(&ended), Arc::clone(&left_out), self.all);
        let printer = std::thread::spawn(move || {
            let mut seen = vec![0; voices.len()];
            loop {
                let last = until.load(Ordering::SeqCst);
                for ((name, record), seen) in voices.iter().zip(&mut seen) {
                    for line in record.lines().iter().skip(*seen) {
                        *seen += 1;
                        let daemon = DAEMONS.iter().any(|daemon| line.text.contains(daemon));
                        let blank = line.text.trim_end().ends_with("runner    |");
                        if !all && daemon {
                            count.fetch_add(1, Ordering::SeqCst);
                        } else if !blank {
                            println!("  {name:<8}| {}", line.text);
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
