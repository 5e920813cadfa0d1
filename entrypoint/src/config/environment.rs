//! What of this container's environment goes further: to the job, and to our own requests.

use std::{
    ffi::{OsStr, OsString},
    path::Path,
};

use settings::Reader;

use crate::github::Proxies;

use super::TABLE;

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
    // What the runner reads (actions/runner `Constants.cs`, `HostContext.cs`, `run.sh`).
    "PIPELINE_JOB_OOMSCOREADJ",
    "RUNNER_LOGRETENTION",
    "RUNNER_LOGSIZE",
    "RUNNER_MANUALLY_TRAP_SIG",
    "RUNNER_PERFLOG",
    "RUNNER_UPDATE_CA_CERTS",
    "WORKER_LOGRETENTION",
    "WORKER_LOGSIZE",
];

/// The runner's own words: its hooks, its transport, its switches for debugging. New ones come with new runners.
const HANDED_ON_PREFIXES: &[&str] = &["ACTIONS_RUNNER_", "GITHUB_ACTIONS_RUNNER_"];

/// The runner reads the rest of the name as an option of its command line, in any case (actions/runner `CommandSettings.cs`), so none
/// of these may reach it but the one that we set: `…_TOKEN` and `…_PAT` are secrets, `…_URL` would configure it anew.
const OPTION_PREFIX: &str = "actions_runner_input_";

/// Where the hooks that run a job's containers as pods find the cluster.
const FOR_CONTAINER_HOOKS: &[&str] = &["KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"];

/// Lead to the credentials of the task's role, or are useful only with them.
const AWS: &[&str] = &[
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_DEFAULT_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_REGION",
    "ECS_AGENT_URI",
    "ECS_CONTAINER_METADATA_URI",
    "ECS_CONTAINER_METADATA_URI_V4",
];

/// Whether the runner is given this variable without being asked to.
pub(super) fn is_the_runners(name: &str) -> bool {
    HANDED_ON.contains(&name) || (HANDED_ON_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) && !is_option(name))
}

/// Whether the runner would take it for an option.
pub(super) fn is_option(name: &str) -> bool {
    name.to_ascii_lowercase().starts_with(OPTION_PREFIX)
}

/// What the runner and its jobs find in their environment besides what this program sets.
pub(super) fn for_the_job(reader: &mut Reader, environment: &[(OsString, OsString)]) -> Vec<(OsString, OsString)> {
    let more = reader.list("RUNNER_ENVIRONMENT");
    for name in &more {
        let secret = TABLE.0.iter().any(|setting| setting.secret && setting.names().contains(name));
        if secret || is_option(name) {
            let what = if secret {
                "holds a secret of this program, or names its file"
            } else {
                "is an option of the runner, which this program sets"
            };
            let hint = "the job must not see it; give the job a variable of its own";
            reader.problem("RUNNER_ENVIRONMENT", &format!("`{name}` {what}"), Some(hint));
        }
    }
    let aws = reader.switch("HAND_ON_AWS_CREDENTIALS");
    let hooks = reader.foreign("ACTIONS_RUNNER_CONTAINER_HOOKS").is_some();
    let handed_on = |name: &OsStr| {
        name.to_str().is_some_and(|name| {
            is_the_runners(name)
                || more.iter().any(|listed| listed == name)
                || (aws && AWS.contains(&name))
                || (hooks && FOR_CONTAINER_HOOKS.contains(&name))
        })
    };
    environment.iter().filter(|(name, _)| handed_on(name)).cloned().collect()
}

/// Lets the job trust more CA certificates as far as that takes nothing away: `SSL_CERT_FILE` would replace the image's own for every
/// program that reads it.
pub(super) fn trust(ca_file: &Path, environment: &mut Vec<(OsString, OsString)>, warnings: &mut Vec<String>) {
    let set = |name: &str| environment.iter().any(|(known, value)| known == name && !value.is_empty());
    if !set("SSL_CERT_FILE") && !set("SSL_CERT_DIR") {
        warnings.push(TRUST_OF_THE_RUNNER.to_owned());
    }
    if !set(FOR_NODE) {
        environment.push((FOR_NODE.into(), ca_file.into()));
    }
}

/// Node.js adds these to its own.
const FOR_NODE: &str = "NODE_EXTRA_CA_CERTS";

const TRUST_OF_THE_RUNNER: &str =
    "GITHUB_CA_FILE is for this program and, as NODE_EXTRA_CA_CERTS, for actions in JavaScript; the runner itself does not read it
hint: add the CA to the image's certificates (update-ca-certificates), or set SSL_CERT_FILE to a bundle that has it too";

/// As curl and the runner itself read them: the lower-case name wins (`HTTP_PROXY` in upper case can be set by a CGI client).
pub(super) fn proxies(environment: &[(OsString, OsString)]) -> Proxies {
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
