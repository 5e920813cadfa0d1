//! From settings to the values a life needs, part by part.

use std::{ffi::OsString, fs, net::SocketAddr, path::PathBuf, time::Duration};

use settings::Reader;
use supervise::{
    Signal,
    records::{self, Format, Sink},
};

use super::{Docker, Platform, Runner, RunnerCommand, environment};

/// A week: longer than GitHub lets a job run.
const LONGEST_LIMIT: Duration = Duration::from_secs(7 * 86_400);

pub(super) fn runner(reader: &mut Reader, tool_cache: PathBuf, environment: &[(OsString, OsString)]) -> Runner {
    let home = reader.path("RUNNER_HOME").unwrap_or_default();
    let choices = [("auto", RunnerCommand::Auto), ("listener", RunnerCommand::Listener), ("run.sh", RunnerCommand::RunSh)];
    let command = reader.choice("RUNNER_COMMAND", &choices).unwrap_or(RunnerCommand::Auto);
    let as_root = reader.switch("RUN_AS_ROOT");
    let user = reader.text("RUNNER_USER").filter(|_| !as_root);
    let environment = environment::for_the_job(reader, environment);
    Runner { home, command, user, environment, tool_cache }
}

pub(super) fn docker(reader: &mut Reader) -> Option<Docker> {
    let budget = reader.duration("WAIT_FOR_DOCKER_SECONDS", Duration::ZERO, Duration::from_secs(3600));
    let off = reader.switch("DISABLE_WAIT_FOR_DOCKER");
    let externals = reader.path("EXTERNALS_SHARED_DIR");
    let host = reader.text("DOCKER_HOST");
    if externals.is_some() && (host.is_none() || off || budget.is_zero()) {
        let what = "is for a docker daemon that is waited for, and none is";
        reader.problem(
            "EXTERNALS_SHARED_DIR",
            what,
            Some("set DOCKER_HOST, and leave DISABLE_WAIT_FOR_DOCKER and WAIT_FOR_DOCKER_SECONDS alone"),
        );
    }
    let host = host?;
    if !(host.starts_with("unix:///") || host.starts_with("tcp://")) {
        reader.problem(
            "DOCKER_HOST",
            &format!("`{host}` is not a docker address"),
            Some("write it as unix:///run/task/docker.sock or tcp://127.0.0.1:2375"),
        );
    }
    Some(Docker { host, budget: if off { Duration::ZERO } else { budget }, externals })
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

/// A limit that may be left out; zero is none.
pub(super) fn limit(reader: &mut Reader, name: &str) -> Option<Duration> {
    Some(reader.duration(name, Duration::ZERO, LONGEST_LIMIT)).filter(|limit| !limit.is_zero())
}

/// More CA certificates. Looked at now: a bundle that is missing would show as a TLS error that names no file.
pub(super) fn ca_file(reader: &mut Reader) -> Option<PathBuf> {
    let path = reader.path("GITHUB_CA_FILE")?;
    let (what, hint) = match fs::read(&path) {
        Ok(bundle) if bundle.windows(CERTIFICATE.len()).any(|part| part == CERTIFICATE) => return Some(path),
        Ok(_) => ("holds no certificate in PEM".to_owned(), "it must have a line -----BEGIN CERTIFICATE-----"),
        Err(error) => (format!("cannot be read: {error}"), "is the file mounted, and readable by the user this program runs as?"),
    };
    reader.problem("GITHUB_CA_FILE", &format!("{} {what}", path.display()), Some(hint));
    None
}

const CERTIFICATE: &[u8] = b"-----BEGIN CERTIFICATE-----";

pub(super) fn platform(reader: &mut Reader) -> Platform {
    let protect = reader.switch("ECS_TASK_PROTECTION");
    let spot = reader.switch("SPOT_NOTICE");
    let mut address = |name: &str| {
        let url = reader.text(name)?;
        let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
        if rest.is_none_or(|rest| rest.is_empty() || rest.contains(char::is_whitespace)) {
            let hint = if name.starts_with("ECS_") { "ECS sets it; take your own away" } else { "write it as http://169.254.169.254" };
            reader.problem(name, &format!("`{url}` is not an http address"), Some(hint));
        }
        Some(url.trim_end_matches('/').to_owned())
    };
    let (metadata, agent) = (address("ECS_CONTAINER_METADATA_URI_V4"), address("ECS_AGENT_URI"));
    let spot_base = address("SPOT_METADATA_URL");
    Platform { metadata, agent, protect, spot: spot_base.filter(|_| spot) }
}

pub(super) fn metrics_listen(reader: &mut Reader) -> Option<SocketAddr> {
    let text = reader.text("METRICS_LISTEN")?;
    let address = text.parse().ok().filter(|address: &SocketAddr| address.port() != 0);
    if address.is_none() {
        let hint = "write an address and a port, as in 127.0.0.1:9402, 0.0.0.0:9402 or [::]:9402";
        reader.problem("METRICS_LISTEN", &format!("`{text}` is not an address to listen at"), Some(hint));
    }
    address
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
    let more = reader.switch("DEBUG_OUTPUT") && reader.given_as("LOG_LEVEL").is_none();
    let level = if more { tracing::Level::DEBUG } else { level };
    records::Settings { program: env!("CARGO_CRATE_NAME"), sink: Sink::Stdout, format, level, colour: true }
}
