//! Every setting of this program, once: its table, and the values it becomes. No effect but reading what some settings name: the files
//! of secrets, a CA bundle, and the container's host name.

mod cache;
mod credential;
mod describe;
mod dialects;
mod environment;
mod foreign;
mod host;
mod registration;
mod shared;
mod table;
mod target;
#[cfg(test)]
mod tests;
mod values;
mod wanted;

use std::{ffi::OsString, fmt, net::SocketAddr, path::PathBuf, time::Duration};

use settings::{Arguments, Effective, Problems, Reader, Secret, shown_url};
use supervise::{Signal, records};
use telemetry::Wishes;

use crate::{
    github::{Proxies, Scope},
    stages::StopBudget,
};

pub(crate) use cache::{Allow, Cache, Layout, SHARED, USUAL_JOBS};
pub(crate) use dialects::markdown as dialects_markdown;
pub(crate) use table::TABLE;

/// What a life is made from. Valid by construction.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) github: GitHub,
    pub(crate) registration: Registration,
    pub(crate) runner: Runner,
    pub(crate) docker: Option<Docker>,
    pub(crate) cache: Option<Cache>,
    pub(crate) stop: StopBudget,
    pub(crate) stop_signals: Vec<Signal>,
    /// How long the runner may listen without a job; `None` is for ever.
    pub(crate) idle_timeout: Option<Duration>,
    /// From the start of this program to a stop as with SIGTERM; `None` sets no limit.
    pub(crate) max_lifetime: Option<Duration>,
    /// Before anything else.
    pub(crate) start_delay: Duration,
    pub(crate) platform: Platform,
    pub(crate) task_dir: PathBuf,
    /// Written only if it is there.
    pub(crate) termination_log: PathBuf,
    /// Do what `check` does, and end.
    pub(crate) dry_run: bool,
    pub(crate) log: records::Settings,
    /// Where the life is told besides the log.
    pub(crate) telemetry: Wishes,
    /// Where metrics are served.
    pub(crate) metrics_listen: Option<SocketAddr>,
    /// Tell the job's developers how it started.
    pub(crate) setup_info: bool,
    /// What is not wrong, and not as its author thinks.
    pub(crate) warnings: Vec<String>,
}

/// Where GitHub is and with which right we ask it.
#[derive(Debug, Clone)]
pub(crate) struct GitHub {
    /// The API's base address, without a slash at its end.
    pub(crate) api: String,
    /// The address of its pages without a slash at its end, e.g. `https://github.com`: what `config.sh --url` begins with.
    pub(crate) web: String,
    pub(crate) proxies: Proxies,
    /// CA certificates (PEM) to trust besides those of the image.
    pub(crate) ca_file: Option<PathBuf>,
    /// `None` only with a ready JIT configuration and no target named.
    pub(crate) scope: Option<Scope>,
    /// `None` with a ready JIT configuration, or with only a registration token.
    pub(crate) credential: Option<Credential>,
}

/// A long-lived credential.
#[derive(Debug, Clone)]
pub(crate) enum Credential {
    /// A personal access token.
    Token(Secret),
    /// A GitHub App.
    App {
        /// Its id or client id.
        id: String,
        /// Its private key in PEM.
        key: Secret,
        /// The account it is installed on; `None` is to be found from the target.
        login: Option<String>,
    },
}

/// How to get a registration.
#[derive(Debug, Clone)]
pub(crate) enum Registration {
    /// generate-jitconfig with `github.credential`, which is `Some`.
    Jit(Wanted),
    /// A JIT configuration made by somebody else.
    Ready(Ready),
    /// `config.sh --ephemeral --unattended` with a registration token: given, or made with `github.credential`, which is `Some` then.
    Classic { wanted: Wanted, token: Option<Secret>, disable_update: bool },
}

/// A JIT configuration made by somebody else.
#[derive(Clone)]
pub(crate) enum Ready {
    /// Itself, in base64.
    Blob(Secret),
    /// Where it is fetched from, once.
    Url {
        /// May hold a signature in its query, so only [`shown_url`] of it may be told.
        url: String,
        /// For the header `Authorization`.
        bearer: Option<Secret>,
        /// For all attempts together.
        budget: Duration,
    },
}

/// Without the query of the address, which may be as good as a password.
impl fmt::Debug for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blob(_) => f.write_str("Blob"),
            Self::Url { url, .. } => f.debug_tuple("Url").field(&shown_url(url)).finish(),
        }
    }
}

/// What a runner that we register is to be.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) name: Name,
    /// Complete and literal, 1 to 100.
    pub(crate) labels: Vec<String>,
    /// `config.sh` adds labels of its own; no is its `--no-default-labels`.
    pub(crate) default_labels: bool,
    /// Only those that the user gave.
    pub(crate) own_labels: Vec<String>,
    /// A runner group by name; a repository has only `Default`.
    pub(crate) group: String,
    /// In the runner's home unless absolute; `{name}` in it stands for the name that the runner got.
    pub(crate) work_folder: String,
    /// For all attempts together.
    pub(crate) budget: Duration,
}

/// What the runner is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Name {
    /// Exactly so at the first attempt; later ones get a suffix, because a name that GitHub may still hold cannot be used again.
    Exactly(String),
    /// This and a fresh suffix.
    Prefixed(String),
}

/// The runner program.
#[derive(Debug, Clone)]
pub(crate) struct Runner {
    pub(crate) home: PathBuf,
    pub(crate) command: RunnerCommand,
    /// The user it runs as when this program is root; `None` stays root.
    pub(crate) user: Option<String>,
    /// What it finds in its environment besides what this program sets.
    pub(crate) environment: Vec<(OsString, OsString)>,
    pub(crate) tool_cache: PathBuf,
}

impl Runner {
    /// Where the Listener writes what it measures of itself, if `RUNNER_PERFLOG` asks it to (actions/runner `HostContext.cs`).
    pub(crate) fn perf_file(&self) -> Option<PathBuf> {
        let (_, folder) = self.environment.iter().find(|(name, _)| name == "RUNNER_PERFLOG")?;
        Some(self.home.join(folder).join("Runner.perf"))
    }
}

/// Which program in the runner's home is started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunnerCommand {
    /// `bin/Runner.Listener` if it is there, else `run.sh`.
    Auto,
    /// `bin/Runner.Listener`, whose exit code tells what happened.
    Listener,
    /// `run.sh`, whose exit code is always 0; its lines tell.
    RunSh,
}

/// The docker daemon to wait for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Docker {
    /// `unix:///…` or `tcp://…`, as the docker CLI takes it.
    pub(crate) host: String,
    /// Zero does not wait.
    pub(crate) budget: Duration,
    /// Where the runner's externals are published for the daemon's container.
    pub(crate) externals: Option<PathBuf>,
}

/// What the platform offers besides a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Platform {
    /// ECS's task metadata.
    pub(crate) metadata: Option<String>,
    /// ECS's agent, which takes the wish for protection from scale-in.
    pub(crate) agent: Option<String>,
    /// Protect the task while a job runs; does something only where there is an agent.
    pub(crate) protect: bool,
    /// Base address of the instance metadata, if a spot interruption is to be looked for there.
    pub(crate) spot: Option<String>,
}

impl Config {
    /// Reads the environment and the flags.
    ///
    /// # Errors
    /// Everything wrong with them, at once.
    pub(crate) fn read(environment: Vec<(OsString, OsString)>, arguments: Arguments) -> Result<Self, Problems> {
        let mut reader = Reader::new(TABLE, environment.iter().cloned(), arguments.settings);
        let mut warnings = foreign::warnings(&mut reader);
        let credential = credential::read(&mut reader);
        let way = registration::read(&mut reader, &credential, &mut warnings);
        let target = target::read(&mut reader, !way.is_ready());
        let host = host::read(&mut reader, target.as_ref());
        let scope = target.map(|target| target.scope);
        let registration = way.registration(&mut reader, scope.as_ref(), &environment, &mut warnings);
        let ca_file = values::ca_file(&mut reader);
        let tool_cache = reader.path("RUNNER_TOOL_CACHE").unwrap_or_default();
        let mut runner = values::runner(&mut reader, tool_cache, &environment);
        if let Some(ca_file) = &ca_file {
            environment::trust(ca_file, &mut runner.environment, &mut warnings);
        }
        let docker = values::docker(&mut reader);
        let cache = cache::read(&mut reader);
        let total = reader.duration("STOP_TIMEOUT", Duration::from_secs(2), Duration::from_secs(86_400));
        let stop_signals = values::stop_signals(&mut reader);
        let idle_timeout = values::limit(&mut reader, "IDLE_TIMEOUT");
        let max_lifetime = values::limit(&mut reader, "MAX_LIFETIME");
        let start_delay = reader.duration("STARTUP_DELAY_IN_SECONDS", Duration::ZERO, Duration::from_secs(3600));
        let platform = values::platform(&mut reader);
        let task_dir = reader.path("TASK_DIR").unwrap_or_default();
        let termination_log = reader.path("TERMINATION_LOG").unwrap_or_default();
        let dry_run = reader.switch("DEBUG_ONLY");
        let log = values::log(&mut reader);
        let (telemetry, metrics_listen) = (Wishes::read(&mut reader), values::metrics_listen(&mut reader));
        let setup_info = reader.switch("SETUP_INFO");
        reader.finish()?;
        let proxies = environment::proxies(&environment);
        settings::forget(environment);
        Ok(Self {
            github: GitHub { api: host.api, web: host.web, proxies, ca_file, scope, credential: credential.complete() },
            // Without a problem everything required is there.
            registration: registration.expect("a registration without problems is complete"),
            runner,
            docker,
            cache,
            stop: StopBudget::split(total),
            stop_signals,
            idle_timeout,
            max_lifetime,
            start_delay,
            platform,
            task_dir,
            termination_log,
            dry_run,
            log,
            telemetry,
            metrics_listen,
            setup_info,
            warnings,
        })
    }

    /// The file of the packs that may be restored.
    pub(crate) fn allow_list(&self) -> Option<&PathBuf> {
        self.cache.as_ref().and_then(|cache| cache.allow.as_ref()).map(|allow| &allow.file)
    }

    /// What is served at `METRICS_LISTEN`: our own file, and the sidecar's if it keeps one there.
    pub(crate) fn metrics_files(&self) -> Vec<PathBuf> {
        ["runner", "dind"].map(|program| self.task_dir.join(program).join("metrics.prom")).into()
    }

    /// Every setting as it is in effect, for who is told. Nothing is judged.
    pub(crate) fn effective(environment: &[(OsString, OsString)], arguments: &Arguments) -> Vec<Effective> {
        Reader::new(TABLE, environment.iter().cloned(), arguments.settings.iter().cloned()).effective()
    }

    /// Every secret that was given.
    pub(crate) fn secrets(&self) -> Vec<&Secret> {
        let credential = self.github.credential.as_ref().map(|credential| match credential {
            Credential::Token(token) => token,
            Credential::App { key, .. } => key,
        });
        let registration = match &self.registration {
            Registration::Jit(_) => None,
            Registration::Ready(Ready::Blob(blob)) => Some(blob),
            Registration::Ready(Ready::Url { bearer, .. }) => bearer.as_ref(),
            Registration::Classic { token, .. } => token.as_ref(),
        };
        let headers = self.telemetry.collector.as_ref().and_then(|collector| collector.headers.as_ref());
        credential.into_iter().chain(registration).chain(headers).collect()
    }

    /// For `health`, which must work whatever else is set.
    pub(crate) fn task_dir(environment: Vec<(OsString, OsString)>, arguments: Arguments) -> Result<PathBuf, Problems> {
        let mut reader = Reader::new(TABLE, environment, arguments.settings);
        let path = reader.path("TASK_DIR").unwrap_or_default();
        reader.finish().map(|()| path)
    }
}
