//! Speed beside what people use today, side by side in one run, as ratios: `bench [--programs FOLDER] [NAME…]`.
//!
//! `start` by name makes more runs than among all, and takes `--runs N`, `--latency MS`, `--cost MS`, `--docker MS`, `--scale N`.
//!
//! Machines are noisy, so every figure is a median of interleaved runs and every claim a ratio within one run.
#![expect(clippy::print_stdout, reason = "a command line tool")]

mod cache;
mod memory;
mod start;
mod supervise;

use std::{path::PathBuf, process::ExitCode, time::Duration};

/// Where the programs to measure are.
struct Programs {
    entrypoint: PathBuf,
}

fn main() -> ExitCode {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let folder = option(&mut words, "--programs").map_or_else(runner_tests::programs::built_dir, PathBuf::from);
    let programs = Programs { entrypoint: folder.join("runner-entrypoint") };
    if !programs.entrypoint.is_file() {
        println!("{} is not there: `cargo xtask bench` builds it", programs.entrypoint.display());
        return ExitCode::FAILURE;
    }
    let Some(settings) = start::Settings::take(&mut words) else {
        println!("--runs, --latency, --cost, --docker and --scale want a whole number");
        return ExitCode::from(64);
    };
    let wanted = |name: &str| words.is_empty() || words.iter().any(|word| word == name);
    if wanted("supervise") {
        supervise::bench(&programs);
    }
    if wanted("cache") {
        cache::bench(&programs);
    }
    if wanted("memory") {
        memory::bench(&programs);
    }
    if wanted("start") {
        start::bench(&programs, &settings);
    }
    ExitCode::SUCCESS
}

/// Whether a program is installed.
fn find(program: &str) -> bool {
    std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).any(|folder| folder.join(program).is_file())
}

/// Takes `name VALUE` out of the words.
fn option(words: &mut Vec<String>, name: &str) -> Option<String> {
    let at = words.iter().position(|word| word == name)?;
    let end = words.len().min(at + 2);
    words.drain(at..end).nth(1)
}

/// The middle of the measured spans.
fn median(mut spans: Vec<Duration>) -> Duration {
    spans.sort_unstable();
    spans.get(spans.len() / 2).copied().unwrap_or_default()
}

fn ratio(ours: Duration, theirs: Duration) -> String {
    if theirs.is_zero() { "-".to_owned() } else { format!("{:.2}", ours.as_secs_f64() / theirs.as_secs_f64()) }
}
