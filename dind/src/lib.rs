//! PID 1 of the docker sidecar of one GitHub Actions job.
//!
//! It checks the host, nests the cgroups, makes a data-root of this task alone, starts dockerd, proves that a container can run, and
//! only then publishes the socket. At the end it outlives the runner, kills what still runs, ends dockerd and removes the data-root.
//!
//! [`lifecycle`] has the order, [`effects`] the deeds, and every other file is one noun.

pub mod api;
pub mod cgroup;
mod check;
mod command_line;
pub mod config;
pub mod daemon;
pub mod effects;
pub mod gate;
mod ground;
mod guide;
pub mod host;
pub mod lifecycle;
mod meeting;
mod metrics;
pub mod mounts;
mod outfit;
pub mod probe;
pub mod remains;
pub mod socket;
pub mod stages;
pub mod storage;
mod sweep;
pub mod task_folder;
pub mod tree;
pub mod words;

use std::{collections::BTreeMap, ffi::OsString, io, path::PathBuf, process::ExitCode, time::Duration};

use settings::Arguments;
use supervise::{Signals, StateFile, records};
use tracing::{error, info, warn};

use crate::{
    api::Docker,
    command_line::Command,
    config::Config,
    effects::World,
    gate::{GateError, Order, pin},
    lifecycle::{Lifecycle, Plan},
    words::exit,
};

const NAME: &str = "runner-dind";

/// How long `health` waits for docker's answer: less than the least time that a platform gives a check (ECS: 2 s).
const HEALTH: Duration = Duration::from_secs(1);

/// The whole program; the exit code is for the process to end with.
pub fn main() -> ExitCode {
    let mut words = std::env::args_os();
    let itself = PathBuf::from(words.next().unwrap_or_default());
    let words: Vec<OsString> = words.collect();
    // What a person runs by hand ends at ^C; everything else collects signals first: until then PID 1 is deaf.
    let by_hand = [guide::CHECK, guide::CHECK_DEPLOY, guide::SWEEP];
    if words.first().is_some_and(|word| by_hand.iter().any(|known| word == known)) {
        let code = match command_line::parse(words) {
            Ok(Command::Check(arguments)) => check::check(&environment(), arguments),
            Ok(Command::CheckDeploy(order)) => deployments(order),
            Ok(Command::Sweep(arguments)) => with_log(arguments, |config, _| sweep::sweep(&config.storage.root)),
            Ok(Command::Help(topic)) => help(&topic),
            Ok(Command::Answer(text)) => answer(&text),
            Ok(_) => exit::BUG,
            Err(problem) => misunderstood(&problem),
        };
        records::flush();
        return ExitCode::from(code);
    }
    let signals = Signals::collect();
    if itself.file_name().is_some_and(|name| name == pin::NAME) {
        let Err(error) = pin::run(&itself, &words);
        records::complain(&format!("{error}\n"));
        return ExitCode::from(exit::UNAVAILABLE);
    }
    let code = match command_line::parse(words) {
        Ok(Command::Run(arguments)) => with_log(arguments, |config, environment| run(signals, config, environment)),
        Ok(Command::Health(arguments)) => {
            Config::read(environment(), arguments.settings).map_or(exit::CONFIG, |(config, _)| health(&config))
        }
        Ok(Command::Gate(arguments)) => guard(signals, arguments),
        Ok(Command::Help(topic)) => help(&topic),
        Ok(Command::Answer(text)) => answer(&text),
        // Done above.
        Ok(Command::Check(_) | Command::CheckDeploy(_) | Command::Sweep(_)) => exit::BUG,
        Err(problem) => misunderstood(&problem),
    };
    records::flush();
    ExitCode::from(code)
}

fn answer(text: &str) -> u8 {
    records::answer(text);
    exit::FINE
}

fn help(topic: &settings::Topic) -> u8 {
    let width = supervise::kernel::columns(io::stdout()).unwrap_or(settings::NARROW);
    answer(&settings::render_help(&guide::GUIDE, topic, width))
}

fn misunderstood(problem: &settings::UsageError) -> u8 {
    records::complain(&format!("{NAME}: {}\n", problem.with_hint(&format!("{NAME} --help"))));
    exit::USAGE
}

/// What is wrong with deployments, on standard output.
fn deployments(order: deploy::Order) -> u8 {
    let answer = order.answer(String::new);
    records::answer(&answer.text);
    if answer.fine { exit::FINE } else { exit::CONFIG }
}

/// What has a configuration and says something.
fn with_log(arguments: Arguments, command: impl FnOnce(Config, BTreeMap<OsString, OsString>) -> u8) -> u8 {
    let environment = environment();
    let colour = environment.get(std::ffi::OsStr::new("NO_COLOR")).is_none_or(|value| value.is_empty());
    let (config, warnings) = match Config::read(environment.clone(), arguments.settings) {
        Ok(read) => read,
        Err(problems) => {
            records::complain(&format!("{NAME}: {problems}\n"));
            return exit::CONFIG;
        }
    };
    records::start(records::Settings {
        program: env!("CARGO_CRATE_NAME"),
        sink: records::Sink::Stdout,
        format: config.format,
        level: config.level,
        colour,
    });
    for warning in warnings {
        warn!("{warning}");
    }
    command(config, environment)
}

fn run(signals: io::Result<Signals>, config: Config, environment: BTreeMap<OsString, OsString>) -> u8 {
    let signals = match signals {
        Ok(signals) => signals,
        Err(error) => {
            error!(%error, "signals cannot be collected");
            return exit::BUG;
        }
    };
    info!(event = "starts", version = env!("CARGO_PKG_VERSION"), "{NAME} starts");
    let mut state_file = StateFile::at(&config.own_folder(), NAME);
    match state_file.claim() {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            error!("{error}\nhint: each task needs a TASK_DIR of its own");
            return exit::UNAVAILABLE;
        }
        // Anything else shows in the checks, beside what else is wrong.
        _ => {}
    }
    let plan = Plan {
        start_timeout: config.start_timeout,
        stop_timeout: config.stop_timeout,
        exit_with_runner: config.exit_with_runner,
        guarded: config.access.guard.is_some(),
    };
    if let Some(headers) = config.telemetry.collector.as_ref().and_then(|collector| collector.headers.as_ref()) {
        let _ = headers.reveal().map(|text| records::mask(&text));
    }
    let (observers, problems) = telemetry::observers(&config.telemetry, metrics::METRICS);
    for problem in problems {
        warn!("{problem}");
    }
    supervise::drive(
        signals,
        Lifecycle::new(plan),
        World::new(config, environment),
        supervise::Outlets { program: NAME, state_file: Some(state_file), termination_log: None, observers },
    )
}

/// Silent and quick: 0 when the program says that it serves, and docker answers.
fn health(config: &Config) -> u8 {
    let serves = StateFile::read(&config.own_folder()).is_some_and(|state| state.ready);
    let answers = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build().ok()?;
        runtime.block_on(Docker::at(&config.socket("").shared).ping(HEALTH)).ok()
    };
    if serves && answers().is_some() { exit::FINE } else { 1 }
}

/// The guard in front of the daemon, a child of `run`.
fn guard(signals: io::Result<Signals>, arguments: Vec<OsString>) -> u8 {
    let refused = |cause| GateError::Refused { operation: "collect signals", cause };
    match signals.map_err(refused).and_then(|signals| gate::run(signals, Order::read(arguments)?)) {
        Ok(()) => exit::FINE,
        Err(error) => {
            records::complain(&format!("{error}\n"));
            exit::UNAVAILABLE
        }
    }
}

fn environment() -> BTreeMap<OsString, OsString> {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    let environment = std::env::vars_os().collect();
    environment
}
