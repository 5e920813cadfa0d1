//! Speed beside what people use today, side by side in one run, as ratios: `bench [--programs FOLDER] [NAME…]`.
//!
//! Machines are noisy, so every figure is a median of interleaved runs and every claim a ratio within one run.
#![expect(clippy::print_stdout, reason = "a command line tool")]

mod cache;
mod supervise;

use std::{path::PathBuf, process::ExitCode, time::Duration};

/// Where the programs to measure are.
struct Programs {
    entrypoint: PathBuf,
}

fn main() -> ExitCode {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let folder = words.iter().position(|word| word == "--programs").map(|at| words.drain(at..at + 2).nth(1).unwrap_or_default());
    let folder = folder.map_or_else(runner_tests::programs::built_dir, PathBuf::from);
    let programs = Programs { entrypoint: folder.join("runner-entrypoint") };
    if !programs.entrypoint.is_file() {
        println!("{} is not there: `cargo xtask bench` builds it", programs.entrypoint.display());
        return ExitCode::FAILURE;
    }
    let wanted = |name: &str| words.is_empty() || words.iter().any(|word| word == name);
    if wanted("supervise") {
        supervise::bench(&programs);
    }
    if wanted("cache") {
        cache::bench(&programs);
    }
    ExitCode::SUCCESS
}

/// The middle of the measured spans.
fn median(mut spans: Vec<Duration>) -> Duration {
    spans.sort_unstable();
    spans.get(spans.len() / 2).copied().unwrap_or_default()
}

fn ratio(ours: Duration, theirs: Duration) -> String {
    if theirs.is_zero() { "-".to_owned() } else { format!("{:.2}", ours.as_secs_f64() / theirs.as_secs_f64()) }
}
