//! Speed beside what people use today, side by side in one run, as ratios: `bench [--programs FOLDER] [NAME…]`.
//!
//! `cache` by name is the long version, and has options of its own: `bench cache --help`.
//! `start` by name makes more runs than among all, and takes `--runs N`, `--latency MS`, `--cost MS`, `--docker MS`, `--scale N`.
//!
//! Machines are noisy, so every figure is a median of interleaved runs and every claim a ratio within one run.
#![expect(clippy::print_stdout, reason = "a command line tool")]

mod cache;
mod dind;
mod memory;
mod start;
mod supervise;

use std::{path::PathBuf, process::ExitCode, time::Duration};

/// Where the programs to measure are.
struct Programs {
    entrypoint: PathBuf,
    dind: PathBuf,
}

fn main() -> ExitCode {
    if std::env::args().nth(1).is_some_and(|word| word == cache::MEASURED) {
        return cache::measured(std::env::args_os().skip(2));
    }
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let folder = option(&mut words, "--programs").map_or_else(runner_tests::programs::built_dir, PathBuf::from);
    let programs = Programs { entrypoint: folder.join("runner-entrypoint"), dind: folder.join("runner-dind") };
    if !programs.entrypoint.is_file() {
        println!("{} is not there: `cargo xtask bench` builds it", programs.entrypoint.display());
        return ExitCode::FAILURE;
    }
    let alone = words.first().is_some_and(|word| word == "cache");
    if alone && words.iter().any(|word| word == "--help") {
        print!("{}", cache::HELP);
        return ExitCode::SUCCESS;
    }
    // Among all benchmarks a short version.
    let mut own = if alone { words.clone() } else { vec!["--quick".to_owned()] };
    let options = match cache::Options::take(&mut own) {
        Ok(options) => options,
        Err(what) => {
            println!("{what}");
            return ExitCode::from(64);
        }
    };
    if alone {
        words = own;
    }
    let Some(settings) = start::Settings::take(&mut words) else {
        println!("--runs, --latency, --cost, --docker and --scale want a whole number");
        return ExitCode::from(64);
    };
    let wanted = |name: &str| words.is_empty() || words.iter().any(|word| word == name);
    let mut failed = false;
    if wanted("supervise") {
        supervise::bench(&programs);
    }
    if wanted("cache")
        && let Err(what) = cache::bench(&programs, &options)
    {
        println!("\n{what}");
        failed = alone;
    }
    if wanted("memory") {
        memory::bench(&programs);
    }
    if wanted("start") {
        start::bench(&programs, &settings);
    }
    if wanted("dind") {
        dind::bench(&programs, !words.is_empty());
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
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
