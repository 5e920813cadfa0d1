//! PID 1 of a container that runs one GitHub Actions job.
//!
//! It gets a registration from GitHub, restores the tool cache from shared storage, starts the runner, passes a stop on so that no
//! job is lost that could have ended, and at the end saves the cache, removes the registration and leaves nothing behind.
//!
//! `config` knows every setting, `lifecycle` decides in the `words` of its vocabulary, `stages` holds the budgets, `effects` does; `github`, `cache`, `runner` and
//! `docker` each know one thing and nothing of each other.

mod cache;
mod check;
mod command_line;
mod config;
mod docker;
mod effects;
mod errand;
mod exposed;
mod github;
mod guide;
mod hook;
mod lifecycle;
mod metrics;
mod platform;
mod runner;
mod scrape;
mod setup_info;
mod stages;
mod words;

use std::{ffi::OsString, io, process::ExitCode, time::Duration};

use settings::{Arguments, UsageError};
use supervise::{Observer, Outlets, Signals, StateFile, drive, init, kernel, records};
use telemetry::Wishes;

use command_line::Command;
use config::{Config, Registration};
use effects::Effects;
use guide::GUIDE;
use lifecycle::{Lifecycle, Plan, RemovedBy};

const NAME: &str = "runner-entrypoint";

/// Usage error (sysexits.h, `EX_USAGE`).
const USAGE: u8 = 64;
/// Something needed is not to be had (sysexits.h, `EX_UNAVAILABLE`).
const UNAVAILABLE: u8 = 69;
/// A bug of ours, or a machine without the simplest things.
const SOFTWARE: u8 = 70;
/// Configuration error (sysexits.h, `EX_CONFIG`).
const CONFIG: u8 = 78;

/// The program.
pub fn main() -> ExitCode {
    // Before anything else: a process under the job's user must not read our memory, environment or descriptors (proc_pid(5)), and what
    // it has opened once stays open.
    let closed = nix::sys::prctl::set_dumpable(false);
    // An errand is no PID 1, and every start waits for one: it collects no signals.
    let first = std::env::args_os().nth(1).unwrap_or_default();
    if first == errand::COMMAND {
        return ExitCode::from(errand::run(closed));
    }
    // A job that is cancelled while it waits must not wait for us, so this one collects none either.
    if first == hook::COMMAND {
        return ExitCode::from(hook::run(std::env::args_os().skip(2)));
    }
    if first == check::LOOK {
        return ExitCode::from(check::look_at_mount(std::env::args_os().skip(2)));
    }
    // What a person runs by hand ends at ^C.
    if first == check::COMMAND {
        let code = answered(command_line::parse(std::env::args_os().skip(1)));
        records::flush();
        return ExitCode::from(code);
    }
    // And at once: until there is a handler, what PID 1 is sent is lost.
    let signals = Signals::collect();
    let code = match signals {
        Ok(signals) => run(signals, closed),
        Err(error) => {
            records::complain(&format!("runner-entrypoint: signals cannot be collected: {error}\n"));
            SOFTWARE
        }
    };
    records::flush();
    ExitCode::from(code)
}

fn run(signals: Signals, closed: nix::Result<()>) -> u8 {
    match command_line::parse(std::env::args_os().skip(1)) {
        Ok(Command::Run(arguments)) => live(signals, supervise::take_environment(), arguments, closed.err()),
        Ok(Command::Supervise(options)) => {
            records::start(command_line::supervise_log());
            init::run(signals, options)
        }
        Ok(Command::Health { arguments, ready }) => health(environment(), arguments, ready),
        Ok(Command::Cache(words)) => cache::main(signals, words),
        other => answered(other),
    }
}

/// What needs no signals.
fn answered(command: Result<Command, UsageError>) -> u8 {
    match command {
        Ok(Command::Check(arguments)) => check::check(environment(), arguments),
        Ok(Command::Help(topic)) => {
            let width = kernel::columns(std::io::stdout()).unwrap_or(settings::NARROW);
            records::answer(&settings::render_help(&GUIDE, &topic, width));
            0
        }
        Ok(Command::Answer(text)) => {
            records::answer(&text);
            0
        }
        // None of these begins with the word `check`.
        Ok(Command::Run(_) | Command::Supervise(_) | Command::Health { .. } | Command::Cache(_)) => SOFTWARE,
        Err(problem) => {
            records::complain(&format!("runner-entrypoint: {}\n", problem.with_hint("runner-entrypoint --help")));
            USAGE
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "for what reads settings and is no runner's life")]
fn environment() -> Vec<(OsString, OsString)> {
    std::env::vars_os().collect()
}

fn live(signals: Signals, environment: Vec<(OsString, OsString)>, arguments: Arguments, open: Option<nix::Error>) -> u8 {
    let colour = !environment.iter().any(|(name, value)| name == "NO_COLOR" && !value.is_empty());
    let surroundings = asks_for_a_check(&environment, &arguments).then(|| check::Surroundings::of(&environment, &arguments));
    let config = match Config::read(environment, arguments) {
        Ok(config) => config,
        Err(problems) => {
            records::complain(&format!("runner-entrypoint: {problems}\n"));
            return CONFIG;
        }
    };
    if let Some(surroundings) = surroundings.filter(|_| config.dry_run) {
        return check::report(&config, surroundings, false);
    }
    records::start(records::Settings { colour, ..config.log });
    for secret in config.secrets() {
        let _ = secret.reveal().map(|text| records::mask(&text));
    }
    if let Some(error) = open {
        tracing::warn!(%error, "this process could not be closed to the job's user");
    }
    for warning in config.warnings.iter().chain(&exposed::warnings(&config)) {
        tracing::warn!("{warning}");
    }
    let mut state = StateFile::at(&config.task_dir.join("runner"), NAME);
    // Before anything is written there: what is in it is another runner's, the hook that its job waits in too. Anything but a living one shows
    // at the first write: the folder may come later, from the sidecar.
    if let Err(error) = state.claim()
        && error.kind() == io::ErrorKind::WouldBlock
    {
        tracing::error!("TASK_DIR: {error}\nhint: each task needs a TASK_DIR of its own, shared by its two containers alone");
        return UNAVAILABLE;
    }
    let hook = hook::install(&config).unwrap_or_else(|why| {
        tracing::warn!("{why}");
        None
    });
    let outlets = Outlets {
        program: NAME,
        state_file: Some(state),
        termination_log: Some(config.termination_log.clone()),
        observers: observers(&config),
    };
    drive(signals, Lifecycle::new(plan(&config, hook.is_some())), Effects::new(config, hook), outlets)
}

fn observers(config: &Config) -> Vec<Box<dyn Observer>> {
    let (mut observers, mut problems) = telemetry::observers(&config.telemetry, metrics::METRICS);
    if config.metrics_listen.is_some() {
        let file = config.metrics_files().swap_remove(0);
        // Its folder is made with the state file otherwise, which comes later.
        let _ = file.parent().map(std::fs::create_dir_all);
        let (served, why) = telemetry::observers(&Wishes { metrics: Some(file), ..Wishes::default() }, metrics::METRICS);
        observers.extend(served);
        problems.extend(why);
    }
    for problem in problems {
        tracing::warn!("{problem}");
    }
    observers
}

/// Whether `DEBUG_ONLY` is set at all: what `check` tells of the settings must be had before they are read and forgotten.
fn asks_for_a_check(environment: &[(OsString, OsString)], arguments: &Arguments) -> bool {
    environment.iter().any(|(name, _)| name == "DEBUG_ONLY") || arguments.settings.iter().any(|(name, _)| name == "DEBUG_ONLY")
}

fn plan(config: &Config, before_job: bool) -> Plan {
    let credential = config.github.credential.is_some() && config.github.scope.is_some();
    let (removal, configure) = match &config.registration {
        Registration::Jit(wanted) => (RemovedBy::Api, wanted.budget),
        Registration::Ready(_) if credential => (RemovedBy::Api, Duration::ZERO),
        Registration::Ready(_) => (RemovedBy::Others, Duration::ZERO),
        Registration::Classic { wanted, .. } if credential => (RemovedBy::Api, wanted.budget),
        Registration::Classic { wanted, .. } => (RemovedBy::ConfigSh, wanted.budget),
    };
    Plan {
        start_delay: config.start_delay,
        find_task: config.platform.metadata.is_some(),
        docker: config.docker.as_ref().is_some_and(|docker| !docker.budget.is_zero()),
        restore: config.cache.as_ref().and_then(|cache| cache.restore),
        before_job,
        save: config.cache.as_ref().and_then(|cache| cache.save),
        configure,
        removal,
        idle_timeout: config.idle_timeout,
        max_lifetime: config.max_lifetime,
        protect: config.platform.protect && config.platform.agent.is_some(),
        spot: config.platform.spot.is_some(),
        perf: config.runner.perf_file().is_some(),
        serve: config.metrics_listen.is_some(),
        stop: config.stop,
        stop_signals: config.stop_signals.iter().map(|signal| signal.number()).collect(),
    }
}

/// Silent: ECS takes any output on standard error for a failure.
fn health(environment: Vec<(OsString, OsString)>, arguments: Arguments, ready: bool) -> u8 {
    let Ok(task_dir) = Config::task_dir(environment, arguments) else { return CONFIG };
    match StateFile::read(&task_dir.join("runner")) {
        Some(state) if state.ready || !ready => 0,
        _ => 1,
    }
}
