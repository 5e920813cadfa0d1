//! The table of all settings: names, defaults and one sentence each. Nothing else in the program knows a variable by name.

use settings::{Setting, Table};

const GITHUB: &str = "GitHub";
const REGISTRATION: &str = "Registration";
const RUNNER: &str = "The runner";
const DOCKER: &str = "Docker";
const CACHE: &str = "Tool cache";
const STOP: &str = "Stop and limits";
const PLATFORM: &str = "Platform";
const OUTPUT: &str = "Output and state";
const METRICS: &str = "Metrics and traces";

const fn setting(group: &'static str, name: &'static str, value: &'static str, default: &'static str, help: &'static str) -> Setting {
    Setting { name, aliases: &[], group, value, default, secret: false, help }
}

const fn also(aliases: &'static [&'static str], setting: Setting) -> Setting {
    Setting { aliases, ..setting }
}

const fn secret(setting: Setting) -> Setting {
    Setting { secret: true, ..setting }
}

/// Names are those that users of other runner images have in their deployments already.
pub(crate) const TABLE: Table = Table(&[
    secret(also(
        &["GITHUB_PERSONAL_TOKEN", "GITHUB_PAT", "ACTIONS_RUNNER_INPUT_PAT"],
        setting(GITHUB, "ACCESS_TOKEN", "TOKEN", "", "personal access token that may manage runners of the target"),
    )),
    also(
        &["GITHUB_APP_ID", "APP_CLIENT_ID", "GITHUB_APP_CLIENT_ID"],
        setting(GITHUB, "APP_ID", "ID", "", "instead of a token: a GitHub App, by its id or client id"),
    ),
    secret(also(
        &["GITHUB_APP_PEM", "GITHUB_APP_PRIVATE_KEY"],
        setting(GITHUB, "APP_PRIVATE_KEY", "PEM", "", "the App's private key; in a variable `\\n` may stand for its line breaks"),
    )),
    setting(GITHUB, "APP_LOGIN", "ACCOUNT", "", "the account that the App is installed on; found from the target when unset"),
    setting(GITHUB, "RUNNER_SCOPE", "SCOPE", "", "repo, org or enterprise; found from the target when only one is named"),
    setting(GITHUB, "REPO_URL", "URL", "", "the repository, e.g. https://github.com/octo-org/octo-repo"),
    setting(GITHUB, "GITHUB_OWNER", "OWNER", "", "the repository's owner, with GITHUB_REPOSITORY; alone it is the organisation"),
    also(
        &["RUNNER_REPO"],
        setting(GITHUB, "GITHUB_REPOSITORY", "NAME", "", "the repository's name, with GITHUB_OWNER or ORG_NAME; or OWNER/NAME"),
    ),
    also(&["RUNNER_ORG"], setting(GITHUB, "ORG_NAME", "NAME", "", "the organisation")),
    also(&["RUNNER_ENTERPRISE"], setting(GITHUB, "ENTERPRISE_NAME", "NAME", "", "the enterprise's slug")),
    setting(
        GITHUB,
        "ACTIONS_RUNNER_INPUT_URL",
        "URL",
        "",
        "the target's page, as config.sh takes it: repository, organisation or enterprise",
    ),
    setting(GITHUB, "ORG_RUNNER", "YES|NO", "no", "old word for RUNNER_SCOPE=org"),
    also(
        &["GITHUB_DOMAIN"],
        setting(
            GITHUB,
            "GITHUB_HOST",
            "HOST",
            "github.com",
            "github.com, NAME.ghe.com or the host of a server; else from the target's address",
        ),
    ),
    setting(GITHUB, "GITHUB_URL", "URL", "", "the same as an address, e.g. https://github.example.com"),
    setting(GITHUB, "GITHUB_API_URL", "URL", "", "the API's address when it does not follow from the host"),
    setting(GITHUB, "GITHUB_API_HOST", "HOST", "", "only the API's host, when that is all that does not follow"),
    setting(GITHUB, "GITHUB_API_PATH", "PATH", "", "only the API's path, e.g. /api/v3; / is none"),
    setting(GITHUB, "GITHUB_CA_FILE", "PATH", "", "more CA certificates (PEM) to trust; the runner itself needs them in the image"),
    setting(REGISTRATION, "REGISTRATION", "auto|jit|classic", "auto", "auto: just in time with a token or App, classic with RUNNER_TOKEN"),
    secret(also(
        &["ACTIONS_RUNNER_INPUT_TOKEN"],
        setting(REGISTRATION, "RUNNER_TOKEN", "TOKEN", "", "a registration token made elsewhere; lives one hour, only for classic"),
    )),
    secret(setting(REGISTRATION, "ACTIONS_RUNNER_INPUT_JITCONFIG", "BLOB", "", "a JIT configuration made elsewhere; needs nothing else")),
    setting(REGISTRATION, "JITCONFIG_URL", "URL", "", "where a JIT configuration made elsewhere is fetched from, once"),
    secret(setting(REGISTRATION, "JITCONFIG_TOKEN", "TOKEN", "", "the bearer token for JITCONFIG_URL")),
    also(
        &["ACTIONS_RUNNER_INPUT_NAME"],
        setting(REGISTRATION, "RUNNER_NAME", "NAME", "", "the runner's name, at most 64 characters; must be fresh for every task"),
    ),
    setting(REGISTRATION, "RUNNER_NAME_PREFIX", "TEXT", "runner", "start of the name when RUNNER_NAME is not set"),
    setting(REGISTRATION, "RANDOM_RUNNER_SUFFIX", "YES|NO", "yes", "a random end of the name; no takes the container's /etc/hostname"),
    also(
        &["LABELS", "ACTIONS_RUNNER_INPUT_LABELS"],
        setting(REGISTRATION, "RUNNER_LABELS", "LIST", "", "labels, by commas, besides self-hosted, linux and the architecture"),
    ),
    setting(REGISTRATION, "NO_DEFAULT_LABELS", "YES|NO", "no", "use the given labels alone"),
    also(
        &["RUNNER_GROUPS", "ACTIONS_RUNNER_INPUT_RUNNERGROUP"],
        setting(REGISTRATION, "RUNNER_GROUP", "NAME", "Default", "runner group of the organisation or enterprise"),
    ),
    also(
        &["DISABLE_RUNNER_UPDATE", "ACTIONS_RUNNER_INPUT_DISABLEUPDATE"],
        setting(REGISTRATION, "DISABLE_AUTO_UPDATE", "YES|NO", "no", "a classic runner does not update itself; for others GitHub decides"),
    ),
    setting(REGISTRATION, "REGISTRATION_TIMEOUT", "SECONDS", "60", "for all attempts to register together"),
    setting(RUNNER, "RUNNER_HOME", "PATH", "/home/runner", "where bin/Runner.Listener or run.sh is"),
    setting(RUNNER, "RUNNER_COMMAND", "auto|listener|run.sh", "auto", "which of the two is started"),
    also(
        &["ACTIONS_RUNNER_INPUT_WORK"],
        setting(RUNNER, "RUNNER_WORKDIR", "PATH", "_work", "the work folder, in RUNNER_HOME unless absolute"),
    ),
    setting(RUNNER, "RUNNER_WORKDIR_ROOT", "PATH", "", "when RUNNER_WORKDIR is not set: a folder there, named for the runner"),
    setting(RUNNER, "ENABLE_RUNNER_WORKDIR_SUFFIX", "YES|NO", "no", "add a folder named for the runner to RUNNER_WORKDIR"),
    setting(RUNNER, "RUNNER_USER", "USER", "runner", "whom the runner runs as when this program is root"),
    setting(RUNNER, "RUN_AS_ROOT", "YES|NO", "no", "keep the runner root when this program is root"),
    setting(RUNNER, "RUNNER_ENVIRONMENT", "LIST", "", "more variables of this container that the job may see, by name"),
    setting(RUNNER, "HAND_ON_AWS_CREDENTIALS", "YES|NO", "no", "let the job see the task's AWS role, region and metadata"),
    setting(RUNNER, "STARTUP_DELAY_IN_SECONDS", "SECONDS", "0", "wait before anything else"),
    setting(DOCKER, "DOCKER_HOST", "URL", "", "the daemon jobs use, e.g. unix:///run/task/docker.sock; unset means none is expected"),
    also(
        &["RUNNER_WAIT_FOR_DOCKER_IN_SECONDS"],
        setting(DOCKER, "WAIT_FOR_DOCKER_SECONDS", "SECONDS", "120", "how long docker may take to answer before the task gives up"),
    ),
    setting(DOCKER, "EXTERNALS_SHARED_DIR", "PATH", "", "the volume that the sidecar has as the runner's externals: they are copied there"),
    setting(DOCKER, "DISABLE_WAIT_FOR_DOCKER", "YES|NO", "no", "start the runner whether docker answers or not"),
    setting(CACHE, "TOOL_CACHE_REMOTE", "PATH", "", "shared storage that holds the tool cache, as mounted here; unset means none"),
    also(
        &["RUNNER_TOOLSDIRECTORY", "AGENT_TOOLSDIRECTORY"],
        setting(CACHE, "RUNNER_TOOL_CACHE", "PATH", "/opt/hostedtoolcache", "the local one, the same path in every container of the task"),
    ),
    setting(
        CACHE,
        "TOOL_CACHE_RESTORE",
        "WHEN",
        "before-start",
        "before-start; before-job (the runner listens, its job waits in a hook); or off",
    ),
    setting(CACHE, "TOOL_CACHE_RESTORE_TIMEOUT", "SECONDS", "120", "how long a restore may take; runner or job go on without the rest"),
    setting(CACHE, "TOOL_CACHE_TOOLS", "LIST", "", "restore only these, as in node@20,python@3.12,go; unset means all"),
    setting(CACHE, "TOOL_CACHE_SAVE", "YES|NO", "yes", "save new tool versions after the job"),
    setting(CACHE, "TOOL_CACHE_SAVE_TIMEOUT", "SECONDS", "120", "how long a save may take; the rest stays unsaved"),
    setting(CACHE, "TOOL_CACHE_LAYOUT", "pack|tree", "pack", "save a version as one compressed file, or file by file"),
    setting(CACHE, "TOOL_CACHE_TRUST", "NAME", "shared", "restore and save only packs of this name; trees belong to shared"),
    setting(CACHE, "TOOL_CACHE_ALLOW", "PATH", "", "restore only packs whose digest stands in this file, which the job cannot change"),
    setting(CACHE, "TOOL_CACHE_JOBS", "NUMBER", "64", "files copied at once, 1 to 256"),
    also(
        &["RUNNER_GRACEFUL_STOP_TIMEOUT"],
        setting(STOP, "STOP_TIMEOUT", "SECONDS", "30", "the platform's time between SIGTERM and SIGKILL; all of a stop fits into it"),
    ),
    setting(STOP, "STOP_SIGNALS", "LIST", "TERM,INT", "signals that ask for a stop; a second one hurries"),
    setting(STOP, "IDLE_TIMEOUT", "SECONDS", "0", "a runner without a job for so long is removed and ends; 0 waits for ever"),
    setting(STOP, "MAX_LIFETIME", "SECONDS", "0", "after so long the task stops as with SIGTERM; 0 sets no limit"),
    setting(PLATFORM, "ECS_AGENT_URI", "URL", "", "set by ECS: where a task protects itself from scale-in"),
    setting(PLATFORM, "ECS_TASK_PROTECTION", "YES|NO", "yes", "on ECS: protect the task while its job runs"),
    setting(PLATFORM, "ECS_CONTAINER_METADATA_URI_V4", "URL", "", "set by ECS: what the task is told about itself"),
    setting(PLATFORM, "SPOT_NOTICE", "YES|NO", "no", "on EC2 Spot: take the machine's interruption notice for a SIGTERM"),
    setting(PLATFORM, "SPOT_METADATA_URL", "URL", "http://169.254.169.254", "the instance metadata that tells of an interruption"),
    setting(OUTPUT, "TASK_DIR", "PATH", "/run/task", "folder shared by the containers of the task: state, locks, docker's socket"),
    setting(OUTPUT, "TERMINATION_LOG", "PATH", "/dev/termination-log", "gets the last record, if the file is there (Kubernetes)"),
    setting(OUTPUT, "LOG_FORMAT", "auto|human|json", "auto", "auto is human on a terminal and JSON elsewhere"),
    setting(OUTPUT, "LOG_LEVEL", "error|warn|info|debug", "info", "the least important lines that are written"),
    setting(OUTPUT, "DEBUG_OUTPUT", "YES|NO", "no", "the same as LOG_LEVEL=debug"),
    setting(OUTPUT, "DEBUG_ONLY", "YES|NO", "no", "the same as the command check: say what would happen and end"),
    setting(METRICS, "AWS_EMF_NAMESPACE", "NAME", "", "write CloudWatch metrics into the log (embedded metric format), in this namespace"),
    setting(METRICS, "METRICS_FILE", "PATH", "", "keep metrics as Prometheus' text in this file, for node_exporter's textfile collector"),
    setting(METRICS, "METRICS_LISTEN", "ADDRESS:PORT", "", "serve metrics to Prometheus at /metrics there, as in 0.0.0.0:9402"),
    setting(METRICS, "TRACE_FILE", "PATH", "", "write the life there at its end, as a trace that ui.perfetto.dev opens"),
    setting(
        METRICS,
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "URL",
        "",
        "send the life there as spans at its end; needs a build with the feature otlp",
    ),
    secret(setting(METRICS, "OTEL_EXPORTER_OTLP_HEADERS", "LIST", "", "what that collector wants to be told, as in api-key=VALUE")),
    setting(METRICS, "TRACEPARENT", "ID", "", "the span that the life belongs to, as W3C's trace context has it"),
    setting(METRICS, "SETUP_INFO", "YES|NO", "yes", "tell developers of image, cache and docker in \"Set up job\" (.setup_info)"),
]);
