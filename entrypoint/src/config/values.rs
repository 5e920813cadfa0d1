//! From settings to the values a life needs, part by part.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use settings::Reader;
use supervise::{
    Signal,
    records::{self, Format, Sink},
};

use crate::github::Proxies;

use super::{Cache, Docker, Name, Registration, Runner, RunnerCommand, TABLE, target};

/// GitHub refuses longer names.
const LONGEST_NAME: usize = 64;

/// What the job may see of this container's environment without being listed. Everything else stays here: the platform's variables
/// lead to credentials, and ours hold them.
const HANDED_ON: &[&str] = &[
    "PATH",
    "LANG",
    "LC_ALL",
    "TZ",
    "ImageOS",
    "ImageVersion",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "all_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "NODE_EXTRA_CA_CERTS",
    "DOCKER_HOST",
    "DOCKER_TLS_VERIFY",
    "DOCKER_CERT_PATH",
    "DOCKER_CONFIG",
    "RUNNER_MANUALLY_TRAP_SIG",
    "ACTIONS_RUNNER_PRINT_LOG_TO_STDOUT",
    "ACTIONS_RUNNER_HOOK_JOB_STARTED",
    "ACTIONS_RUNNER_HOOK_JOB_COMPLETED",
    "ACTIONS_RUNNER_CONTAINER_HOOKS",
    "ACTIONS_RUNNER_REQUIRE_JOB_CONTAINER",
    "ACTIONS_RUNNER_ACTION_ARCHIVE_CACHE",
    "ACTIONS_RUNNER_SYMLINK_CACHED_ACTIONS",
    "GITHUB_ACTIONS_RUNNER_EXTRA_USER_AGENT",
];

pub(super) fn registration(reader: &mut Reader, environment: &[(OsString, OsString)]) -> Option<Registration> {
    let token = reader.secret("ACCESS_TOKEN");
    if !reader.is_set("ACCESS_TOKEN") && !reader.is_set_as_file("ACCESS_TOKEN") {
        reader.problem(
            "ACCESS_TOKEN",
            "is not set",
            Some("set it, or ACCESS_TOKEN_FILE, to a personal access token that may manage runners"),
        );
    }
    let scope = target::scope(reader);
    let api = target::api(reader);
    let name = name(reader);
    let labels = labels(reader);
    let group = reader.text("RUNNER_GROUP").unwrap_or_default();
    let work_folder = reader.text("RUNNER_WORKDIR").unwrap_or_default();
    let budget = reader.duration("REGISTRATION_TIMEOUT", Duration::from_secs(1), Duration::from_secs(3600));
    Some(Registration { api, token: token?, proxies: proxies(environment), scope: scope?, name, labels, group, work_folder, budget })
}

/// As curl and the runner itself read them: the lower-case name wins (`http_proxy` in upper case can be set by a CGI client).
fn proxies(environment: &[(OsString, OsString)]) -> Proxies {
    let named = |names: [&str; 2]| {
        let found = names.iter().find_map(|wanted| environment.iter().find(|(name, value)| name == wanted && !value.is_empty()));
        found.and_then(|(_, value)| value.to_str()).map(str::to_owned)
    };
    Proxies {
        http: named(["http_proxy", "HTTP_PROXY"]),
        https: named(["https_proxy", "HTTPS_PROXY"]),
        except: named(["no_proxy", "NO_PROXY"]),
    }
}

fn name(reader: &mut Reader) -> Name {
    match reader.text("RUNNER_NAME") {
        Some(name) if name.chars().count() > LONGEST_NAME => {
            reader.problem(
                "RUNNER_NAME",
                &format!("`{name}` is longer than {LONGEST_NAME} characters"),
                Some("GitHub takes at most 64; RUNNER_NAME_PREFIX makes a fresh short one"),
            );
            Name::Exactly(name)
        }
        Some(name) => Name::Exactly(name),
        None => {
            let prefix = reader.text("RUNNER_NAME_PREFIX").unwrap_or_default();
            if prefix.chars().count() > LONGEST_NAME - 16 {
                reader.problem(
                    "RUNNER_NAME_PREFIX",
                    &format!("`{prefix}` is too long"),
                    Some("at most 48 characters; a random suffix follows"),
                );
            }
            Name::Prefixed(prefix)
        }
    }
}

/// JIT labels are literal: what `config.sh` would add, we add (actions/runner `ConfigurationManager.cs`).
fn labels(reader: &mut Reader) -> Vec<String> {
    let given = reader.list("RUNNER_LABELS");
    if let Some(bad) = given.iter().find(|label| label.chars().count() > 256 || label.chars().any(char::is_control)) {
        let shown: String = bad.escape_debug().take(40).collect();
        reader.problem(
            "RUNNER_LABELS",
            &format!("`{shown}` is not a label"),
            Some("at most 256 characters, none of them control characters"),
        );
    }
    let alone = reader.switch("NO_DEFAULT_LABELS");
    if alone && given.is_empty() {
        reader.problem("NO_DEFAULT_LABELS", "leaves the runner without a label", Some("set RUNNER_LABELS too: GitHub wants at least one"));
    }
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        other => other,
    };
    let default = if alone { vec![] } else { vec!["self-hosted", "linux", architecture] };
    let mut labels: Vec<String> = default.into_iter().map(str::to_owned).collect();
    for label in given {
        if !labels.iter().any(|known| known.eq_ignore_ascii_case(&label)) {
            labels.push(label);
        }
    }
    labels
}

pub(super) fn runner(reader: &mut Reader, tool_cache: PathBuf, environment: &[(OsString, OsString)]) -> Runner {
    let home = reader.path("RUNNER_HOME").unwrap_or_default();
    let choices = [("auto", RunnerCommand::Auto), ("listener", RunnerCommand::Listener), ("run.sh", RunnerCommand::RunSh)];
    let command = reader.choice("RUNNER_COMMAND", &choices).unwrap_or(RunnerCommand::Auto);
    let as_root = reader.switch("RUN_AS_ROOT");
    let user = reader.text("RUNNER_USER").filter(|_| !as_root);
    let more = reader.list("RUNNER_ENVIRONMENT");
    for name in &more {
        if TABLE.0.iter().any(|setting| {
            setting.secret && (setting.name == name || setting.file_name() == *name || setting.aliases.contains(&name.as_str()))
        }) {
            reader.problem(
                "RUNNER_ENVIRONMENT",
                &format!("`{name}` is a secret of this program"),
                Some("the job must not see it; give the job a secret of its own"),
            );
        }
    }
    let handed_on =
        |name: &OsString| name.to_str().is_some_and(|name| HANDED_ON.contains(&name) || more.iter().any(|listed| listed == name));
    let environment = environment.iter().filter(|(name, _)| handed_on(name)).cloned().collect();
    Runner { home, command, user, environment, tool_cache }
}

pub(super) fn docker(reader: &mut Reader) -> Option<Docker> {
    let budget = reader.duration("WAIT_FOR_DOCKER_SECONDS", Duration::ZERO, Duration::from_secs(3600));
    let off = reader.switch("DISABLE_WAIT_FOR_DOCKER");
    let host = reader.text("DOCKER_HOST")?;
    if !(host.starts_with("unix:///") || host.starts_with("tcp://")) {
        reader.problem(
            "DOCKER_HOST",
            &format!("`{host}` is not a docker address"),
            Some("write it as unix:///run/task/docker.sock or tcp://127.0.0.1:2375"),
        );
    }
    Some(Docker { host, budget: if off { Duration::ZERO } else { budget } })
}

pub(super) fn cache(reader: &mut Reader) -> Option<Cache> {
    let longest = Duration::from_secs(3600);
    let restore = (reader.switch("TOOL_CACHE_RESTORE"), reader.duration("TOOL_CACHE_RESTORE_TIMEOUT", Duration::from_secs(1), longest));
    let save = (reader.switch("TOOL_CACHE_SAVE"), reader.duration("TOOL_CACHE_SAVE_TIMEOUT", Duration::from_secs(1), longest));
    let remote = reader.path("TOOL_CACHE_REMOTE")?;
    let on = |(on, budget): (bool, Duration)| on.then_some(budget);
    Some(Cache { remote, restore: on(restore), save: on(save) })
}

pub(super) fn stop_signals(reader: &mut Reader) -> Vec<Signal> {
    let mut signals = Vec::new();
    for word in reader.list("STOP_SIGNALS") {
        match Signal::parse(&word).filter(|signal| Signal::forwardable().any(|known| known == *signal)) {
            Some(signal) => signals.push(signal),
            None => reader.problem(
                "STOP_SIGNALS",
                &format!("`{word}` is no signal that a program can catch"),
                Some("write names as in TERM,INT or RTMIN+3"),
            ),
        }
    }
    signals
}

pub(super) fn log(reader: &mut Reader) -> records::Settings {
    let format = reader.choice("LOG_FORMAT", &[("auto", None), ("human", Some(Format::Human)), ("json", Some(Format::Json))]).flatten();
    let levels = [
        ("error", tracing::Level::ERROR),
        ("warn", tracing::Level::WARN),
        ("info", tracing::Level::INFO),
        ("debug", tracing::Level::DEBUG),
    ];
    let level = reader.choice("LOG_LEVEL", &levels).unwrap_or(tracing::Level::INFO);
    records::Settings { program: env!("CARGO_CRATE_NAME"), sink: Sink::Stdout, format, level, colour: true }
}
