//! Every setting of this program, once: its table, and the values it becomes. No effect but reading the files that secrets are in.

mod target;
mod values;

use std::{ffi::OsString, path::PathBuf, time::Duration};

use settings::{Arguments, Problems, Reader, Secret, Setting, Table};
use supervise::{Signal, records};

use crate::{
    github::{Proxies, Scope},
    stages::StopBudget,
};

/// What a life is made from. Valid by construction.
#[derive(Debug)]
pub(crate) struct Config {
    pub(crate) registration: Registration,
    pub(crate) runner: Runner,
    pub(crate) docker: Option<Docker>,
    pub(crate) cache: Option<Cache>,
    pub(crate) stop: StopBudget,
    pub(crate) stop_signals: Vec<Signal>,
    pub(crate) task_dir: PathBuf,
    pub(crate) log: records::Settings,
    /// Variables that look like settings and are none.
    pub(crate) warnings: Vec<String>,
}

/// How to get a registration.
#[derive(Debug, Clone)]
pub(crate) struct Registration {
    /// The API's base address, without a slash at its end.
    pub(crate) api: String,
    pub(crate) token: Secret,
    pub(crate) proxies: Proxies,
    pub(crate) scope: Scope,
    pub(crate) name: Name,
    pub(crate) labels: Vec<String>,
    /// A runner group by name.
    pub(crate) group: String,
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
}

/// The tool cache on shared storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cache {
    pub(crate) remote: PathBuf,
    pub(crate) restore: Option<Duration>,
    pub(crate) save: Option<Duration>,
}

const GITHUB: &str = "GitHub and registration";
const RUNNER: &str = "The runner";
const DOCKER: &str = "Docker";
const CACHE: &str = "Tool cache";
const STOP: &str = "Stop";
const OUTPUT: &str = "Output and state";

const fn setting(group: &'static str, name: &'static str, value: &'static str, default: &'static str, help: &'static str) -> Setting {
    Setting { name, aliases: &[], group, value, default, secret: false, help }
}

/// Names are those that users of other runner images have in their deployments already.
pub(crate) const TABLE: Table = Table(&[
    Setting {
        aliases: &["GITHUB_PERSONAL_TOKEN", "GITHUB_PAT"],
        secret: true,
        ..setting(
            GITHUB,
            "ACCESS_TOKEN",
            "TOKEN",
            "",
            "personal access token that may manage runners of the target; never handed to the job",
        )
    },
    setting(GITHUB, "RUNNER_SCOPE", "SCOPE", "", "repo, org or enterprise; found from the target when only one is named"),
    setting(GITHUB, "REPO_URL", "URL", "", "the repository, e.g. https://github.com/octo-org/octo-repo"),
    setting(GITHUB, "GITHUB_OWNER", "OWNER", "", "the repository's owner, with GITHUB_REPOSITORY; alone it is the organisation"),
    setting(GITHUB, "GITHUB_REPOSITORY", "NAME", "", "the repository's name, with GITHUB_OWNER; or OWNER/NAME"),
    setting(GITHUB, "ORG_NAME", "NAME", "", "the organisation"),
    setting(GITHUB, "ENTERPRISE_NAME", "NAME", "", "the enterprise's slug"),
    setting(GITHUB, "GITHUB_HOST", "HOST", "github.com", "github.com, NAME.ghe.com or the host of a GitHub Enterprise Server"),
    setting(GITHUB, "GITHUB_API_URL", "URL", "", "the API's address when it does not follow from GITHUB_HOST"),
    setting(GITHUB, "RUNNER_NAME", "NAME", "", "the runner's name, at most 64 characters; must be fresh for every task"),
    setting(GITHUB, "RUNNER_NAME_PREFIX", "TEXT", "runner", "start of the name when RUNNER_NAME is not set; a random suffix follows"),
    Setting {
        aliases: &["LABELS"],
        ..setting(GITHUB, "RUNNER_LABELS", "LIST", "", "labels, separated by commas, besides self-hosted, linux and the architecture")
    },
    setting(GITHUB, "NO_DEFAULT_LABELS", "YES|NO", "no", "use the given labels alone"),
    setting(GITHUB, "RUNNER_GROUP", "NAME", "Default", "runner group of the organisation or enterprise"),
    setting(GITHUB, "REGISTRATION_TIMEOUT", "SECONDS", "60", "for all attempts to register together"),
    setting(RUNNER, "RUNNER_HOME", "PATH", "/home/runner", "where bin/Runner.Listener or run.sh is"),
    setting(RUNNER, "RUNNER_COMMAND", "auto|listener|run.sh", "auto", "which of the two is started"),
    setting(RUNNER, "RUNNER_WORKDIR", "PATH", "_work", "the work folder, in RUNNER_HOME unless absolute"),
    setting(RUNNER, "RUNNER_USER", "USER", "runner", "whom the runner runs as when this program is root"),
    setting(RUNNER, "RUN_AS_ROOT", "YES|NO", "no", "keep the runner root when this program is root"),
    setting(RUNNER, "RUNNER_ENVIRONMENT", "LIST", "", "more variables of this container that the job may see, by name"),
    setting(DOCKER, "DOCKER_HOST", "URL", "", "the daemon jobs use, e.g. unix:///run/task/docker.sock; unset means none is expected"),
    setting(DOCKER, "WAIT_FOR_DOCKER_SECONDS", "SECONDS", "120", "how long docker may take to answer before the task gives up"),
    setting(DOCKER, "DISABLE_WAIT_FOR_DOCKER", "YES|NO", "no", "start the runner whether docker answers or not"),
    setting(CACHE, "TOOL_CACHE_REMOTE", "PATH", "", "shared storage that holds the tool cache, as mounted here; unset means none"),
    Setting {
        aliases: &["AGENT_TOOLSDIRECTORY"],
        ..setting(
            CACHE,
            "RUNNER_TOOL_CACHE",
            "PATH",
            "/opt/hostedtoolcache",
            "the local tool cache, the same path in every container of the task",
        )
    },
    setting(CACHE, "TOOL_CACHE_RESTORE", "YES|NO", "yes", "restore before the runner starts"),
    setting(CACHE, "TOOL_CACHE_RESTORE_TIMEOUT", "SECONDS", "120", "how long a restore may take; then the runner starts without the rest"),
    setting(CACHE, "TOOL_CACHE_SAVE", "YES|NO", "yes", "save new tool versions after the job"),
    setting(CACHE, "TOOL_CACHE_SAVE_TIMEOUT", "SECONDS", "120", "how long a save may take; what is not published by then stays unsaved"),
    setting(
        STOP,
        "STOP_TIMEOUT",
        "SECONDS",
        "30",
        "the platform's time between SIGTERM and SIGKILL; everything this program does at a stop fits into it",
    ),
    setting(STOP, "STOP_SIGNALS", "LIST", "TERM,INT", "signals that ask for a stop; a second one hurries"),
    setting(OUTPUT, "TASK_DIR", "PATH", "/run/task", "folder shared by the containers of the task: state, locks, docker's socket"),
    setting(OUTPUT, "LOG_FORMAT", "auto|human|json", "auto", "auto is human on a terminal and JSON elsewhere"),
    setting(OUTPUT, "LOG_LEVEL", "error|warn|info|debug", "info", "the least important lines that are written"),
]);

impl Config {
    /// Reads the environment and the flags.
    ///
    /// # Errors
    /// Everything wrong with them, at once.
    pub(crate) fn read(environment: Vec<(OsString, OsString)>, arguments: Arguments) -> Result<Self, Problems> {
        let mut reader = Reader::new(TABLE, environment.iter().cloned(), arguments.settings);
        let warnings = reader.warnings().to_vec();
        let registration = values::registration(&mut reader, &environment);
        let tool_cache = reader.path("RUNNER_TOOL_CACHE").unwrap_or_default();
        let runner = values::runner(&mut reader, tool_cache, &environment);
        let docker = values::docker(&mut reader);
        let cache = values::cache(&mut reader);
        let total = reader.duration("STOP_TIMEOUT", Duration::from_secs(2), Duration::from_secs(86_400));
        let stop_signals = values::stop_signals(&mut reader);
        let task_dir = reader.path("TASK_DIR").unwrap_or_default();
        let log = values::log(&mut reader);
        reader.finish()?;
        Ok(Self {
            // Without a problem everything required is there.
            registration: registration.expect("a registration without problems is complete"),
            runner,
            docker,
            cache,
            stop: StopBudget::split(total),
            stop_signals,
            task_dir,
            log,
            warnings,
        })
    }

    /// For `health`, which must work whatever else is set.
    pub(crate) fn task_dir(environment: Vec<(OsString, OsString)>, arguments: Arguments) -> Result<PathBuf, Problems> {
        let mut reader = Reader::new(TABLE, environment, arguments.settings);
        let path = reader.path("TASK_DIR").unwrap_or_default();
        reader.finish().map(|()| path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(settings: &[(&str, &str)]) -> Result<Config, String> {
        let environment = settings.iter().map(|&(name, value)| (name.into(), value.into())).collect();
        Config::read(environment, Arguments::default()).map_err(|problems| problems.to_string())
    }

    const REPO: [(&str, &str); 2] = [("ACCESS_TOKEN", "ghp_marker"), ("REPO_URL", "https://github.com/octo/hello")];

    fn with<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        REPO.iter().copied().chain(more.iter().copied()).collect()
    }

    #[test]
    fn the_smallest_configuration_is_a_token_and_a_target() {
        let config = read(&REPO).unwrap();
        assert_eq!(config.registration.api, "https://api.github.com");
        assert_eq!(config.registration.scope, Scope::Repo { owner: "octo".into(), name: "hello".into() });
        assert_eq!(config.registration.name, Name::Prefixed("runner".into()));
        assert_eq!(config.registration.labels[..2], ["self-hosted", "linux"]);
        assert_eq!((config.docker, config.cache), (None, None));
        assert_eq!(config.stop, StopBudget::split(Duration::from_secs(30)));
    }

    #[test]
    fn an_empty_environment_says_all_that_is_missing() {
        insta::assert_snapshot!(read(&[]).unwrap_err());
    }

    #[test]
    fn everything_wrong_is_said_at_once_and_no_secret_with_it() {
        let wrong = read(&with(&[
            ("ORG_NAME", "octo"),
            ("RUNNER_SCOPE", "team"),
            ("ACCESS_TOKEN_FILE", "/nowhere"),
            ("GITHUB_API_URL", "ftp://x"),
            ("RUNNER_NAME", "a name that is much too long for GitHub because it has more than 64 characters"),
            ("RUNNER_LABELS", "good,ba\u{7}d"),
            ("STOP_TIMEOUT", "1"),
            ("STOP_SIGNALS", "TERM,KILL,NONE"),
            ("DOCKER_HOST", "/var/run/docker.sock"),
            ("TOOL_CACHE_REMOTE", "efs"),
            ("RUNNER_COMMAND", "bash"),
            ("RUN_AS_ROOT", "perhaps"),
            ("LOG_FORMAT", "xml"),
        ]))
        .unwrap_err();
        assert!(!wrong.contains("ghp_marker"));
        insta::assert_snapshot!(wrong);
    }

    #[test]
    fn the_names_of_other_images_mean_the_same() {
        let config =
            read(&[("GITHUB_PERSONAL_TOKEN", "t"), ("GITHUB_OWNER", "octo"), ("GITHUB_REPOSITORY", "hello"), ("LABELS", "a, b")]).unwrap();
        assert_eq!(config.registration.scope, Scope::Repo { owner: "octo".into(), name: "hello".into() });
        assert!(config.registration.labels.ends_with(&["a".into(), "b".into()]));
        let config =
            read(&[("ACCESS_TOKEN", "t"), ("RUNNER_SCOPE", "ORG"), ("ORG_NAME", "octo"), ("NO_DEFAULT_LABELS", "1"), ("LABELS", "only")])
                .unwrap();
        assert_eq!(config.registration.scope, Scope::Org("octo".into()));
        assert_eq!(config.registration.labels, ["only"]);
        let config = read(&[("ACCESS_TOKEN", "t"), ("ENTERPRISE_NAME", "corp"), ("GITHUB_HOST", "https://ghes.corp/")]).unwrap();
        assert_eq!(config.registration.scope, Scope::Enterprise("corp".into()));
        assert_eq!(config.registration.api, "https://ghes.corp/api/v3");
    }

    #[test]
    fn the_api_follows_from_the_host() {
        for (host, api) in [
            ("github.com", "https://api.github.com"),
            ("acme.ghe.com", "https://api.acme.ghe.com"),
            ("git.corp", "https://git.corp/api/v3"),
        ] {
            let config = read(&[("ACCESS_TOKEN", "t"), ("ORG_NAME", "octo"), ("GITHUB_HOST", host)]).unwrap();
            assert_eq!(config.registration.api, api);
        }
        let config = read(&with(&[("GITHUB_API_URL", "http://127.0.0.1:8080/")])).unwrap();
        assert_eq!(config.registration.api, "http://127.0.0.1:8080");
    }

    #[test]
    fn no_secret_and_no_variable_of_the_platform_reaches_the_job() {
        let config = read(&with(&[
            ("PATH", "/usr/bin"),
            ("HTTPS_PROXY", "http://proxy"),
            ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2"),
            ("ECS_AGENT_URI", "http://169.254.170.2"),
            ("MY_OWN", "1"),
            ("RUNNER_ENVIRONMENT", "MY_OWN"),
        ]))
        .unwrap();
        let names: Vec<&str> = config.runner.environment.iter().filter_map(|(name, _)| name.to_str()).collect();
        assert_eq!(names, ["PATH", "HTTPS_PROXY", "MY_OWN"]);
    }

    #[test]
    fn a_secret_cannot_be_handed_to_the_job_by_name() {
        assert!(read(&with(&[("RUNNER_ENVIRONMENT", "ACCESS_TOKEN")])).unwrap_err().contains("RUNNER_ENVIRONMENT"));
    }
}
