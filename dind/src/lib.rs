//! PID 1 of the docker sidecar of one GitHub Actions job.
//!
//! It checks the host, nests the cgroups, makes a data-root of this task alone, starts dockerd, proves that a container can run, and
//! only then publishes the socket. At the end it outlives the runner, kills what still runs, ends dockerd and removes the data-root.
//!
//! [`lifecycle`] has the order, [`effects`] the deeds, and every other file is one noun.

pub mod api;
pub mod cgroup;
pub mod config;
pub mod daemon;
pub mod data_root;
pub mod effects;
mod ground;
pub mod host;
pub mod lifecycle;
pub mod mounts;
pub mod probe;
pub mod socket;
pub mod stages;
pub mod task_folder;
pub mod tree;
pub mod words;

use std::{collections::BTreeMap, ffi::OsString, io, process::ExitCode, time::Duration};

use settings::Arguments;
use supervise::{Signals, StateFile, records};
use tracing::{error, info, warn};

use crate::{api::Docker, config::Config, effects::World, lifecycle::Lifecycle, words::exit};

const NAME: &str = "runner-dind";

/// How long `health` waits for docker's answer.
const HEALTH: Duration = Duration::from_secs(3);

/// What the command line asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Command {
    Run,
    Check,
    Health,
}

/// The whole program; the exit code is for the process to end with.
pub fn main() -> ExitCode {
    // Before anything else: until then PID 1 is deaf.
    let signals = Signals::collect();
    let mut words = std::env::args_os().skip(1).peekable();
    let command = match words.peek().and_then(|word| word.to_str()) {
        Some("run") => Some(Command::Run),
        Some("check") => Some(Command::Check),
        Some("health") => Some(Command::Health),
        _ => None,
    };
    if command.is_some() {
        words.next();
    }
    let code = match settings::parse_arguments(config::SETTINGS, &[], words) {
        Err(error) => complain(exit::USAGE, &error),
        Ok(arguments) if arguments.help => answer(&help()),
        Ok(arguments) if arguments.version => answer(&format!("{NAME} {}\n", env!("CARGO_PKG_VERSION"))),
        Ok(arguments) => dispatch(command.unwrap_or(Command::Run), signals, arguments),
    };
    records::flush();
    ExitCode::from(code)
}

fn dispatch(command: Command, signals: io::Result<Signals>, arguments: Arguments) -> u8 {
    let environment = environment();
    let (config, warnings) = match Config::read(environment.clone(), arguments.settings) {
        Ok(read) => read,
        Err(problems) => return complain(exit::CONFIG, &problems),
    };
    if command == Command::Health {
        return health(&config);
    }
    records::start(records::Settings { sink: records::Sink::Stdout, format: config.format, level: config.level, colour: true });
    for warning in warnings {
        warn!("{warning}");
    }
    match command {
        Command::Check => check(&config, &environment),
        Command::Run | Command::Health => run(signals, config, environment),
    }
}

fn run(signals: io::Result<Signals>, config: Config, environment: BTreeMap<OsString, OsString>) -> u8 {
    let signals = match signals {
        Ok(signals) => signals,
        Err(error) => {
            error!(%error, "signals cannot be collected");
            return exit::BUG;
        }
    };
    info!(version = env!("CARGO_PKG_VERSION"), "{NAME} starts");
    let mut state_file = StateFile::at(&config.own_folder(), NAME);
    match state_file.claim() {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            error!("{error}\nhint: each task needs a TASK_DIR of its own");
            return exit::UNAVAILABLE;
        }
        // Anything else shows in the checks, beside what else is wrong.
        _ => {}
    }
    let machine = Lifecycle::new(config.start_timeout, config.stop_timeout);
    supervise::drive(signals, machine, World::new(config, environment), Some(state_file))
}

fn check(config: &Config, environment: &BTreeMap<OsString, OsString>) -> u8 {
    let search = environment.get(std::ffi::OsStr::new("PATH")).cloned().unwrap_or_else(|| daemon::PATH.into());
    match ground::check(config, &search, ground::Purpose::Report) {
        Ok(()) => {
            info!(storage = %config.storage.display(), task = %config.task.display(), "docker can be started here");
            exit::FINE
        }
        Err(failure) => {
            error!("{}", failure.why);
            failure.code
        }
    }
}

/// Silent and quick: 0 when the program says that it serves, and docker answers.
fn health(config: &Config) -> u8 {
    let serves = StateFile::read(&config.own_folder()).is_some_and(|state| state.ready);
    let answers = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build().ok()?;
        let docker = Docker::at(&config.socket("").shared).ok()?;
        runtime.block_on(docker.ping(HEALTH)).ok()
    };
    if serves && answers().is_some() { exit::FINE } else { 1 }
}

fn environment() -> BTreeMap<OsString, OsString> {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    let environment = std::env::vars_os().collect();
    environment
}

fn complain(code: u8, error: &dyn std::error::Error) -> u8 {
    records::complain(&format!("{NAME}: {error}\n"));
    code
}

fn answer(text: &str) -> u8 {
    records::answer(text);
    exit::FINE
}

fn help() -> String {
    format!(
        "{NAME} {version}: PID 1 of the docker sidecar of one GitHub Actions job\n\n\
         Usage: {NAME} [run|check|health] [--setting VALUE]...\n\n\
         \x20 run      start docker, serve, clean up at the end (the default)\n\
         \x20 check    say what stands in the way of docker here, without starting anything\n\
         \x20 health   exit with 0 if docker is usable, silently\n\n\
         Every setting is an environment variable and a flag: STOP_TIMEOUT is --stop-timeout.\n\n\
         {settings}\
         Exit codes: 0 life as intended; 64 usage; 69 docker not usable or died; 70 a bug of this program; 71 host not suitable;\n\
         78 settings; 143 the time of a stop ended while the runner was still there.\n",
        version = env!("CARGO_PKG_VERSION"),
        settings = settings::render_help(config::SETTINGS),
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn help_tells_every_setting_and_exit_code() {
        insta::assert_snapshot!(super::help());
    }
}
