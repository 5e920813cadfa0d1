//! What the program says of itself: commands, tasks, the settings to begin with. Help, reference, man page and completions come from it.

use settings::{Command, Group, Guide, Switch};

use crate::{
    NAME,
    config::SETTINGS,
    words::exit::{self, EXIT_CODES},
};

/// The command that says what would happen.
pub(crate) const CHECK: &str = "check";

/// `check` answers for programs.
pub(crate) const JSON: &str = "json";

/// The command that looks at files and at nothing else.
pub(crate) const CHECK_DEPLOY: &str = "check-deploy";

/// The command that removes what dead tasks left, and ends.
pub(crate) const SWEEP: &str = "sweep";

/// The program as its users see it.
pub(crate) const GUIDE: Guide = Guide {
    program: NAME,
    version: env!("CARGO_PKG_VERSION"),
    about: "Runs docker for one GitHub Actions job as a container's first process: checks the host, starts dockerd on a directory of its \
            own, publishes the socket when a container has run, outlives the runner, and leaves nothing behind.",
    commands: &[COMMANDS],
    first: &["DOCKER_STORAGE_ROOT", "DOCKER_STORAGE_MODE", "TASK_DIR", "STOP_TIMEOUT", "DOCKER_REGISTRY_MIRROR"],
    note: "Every setting is an environment variable and a flag: STOP_TIMEOUT=60 is --stop-timeout 60.",
    groups: &[
        Group { name: "Storage", word: "storage", task: "put docker's data on a volume, and take it away again" },
        Group { name: "Access", word: "access", task: "choose who may use docker, and for what" },
        Group { name: "Registries", word: "registries", task: "pull through mirrors, or from registries without TLS" },
        Group { name: "Network", word: "network", task: "fit the networks of containers to yours" },
        Group { name: "Containers", word: "containers", task: "limit containers, and get their output" },
        Group { name: "The daemon", word: "daemon", task: "choose dockerd, hand it settings, and wait for it" },
        Group { name: "Stop", word: "stop", task: "fit a stop into the platform's time" },
        Group { name: "Output and state", word: "output", task: "choose what is told, how, and where state is kept" },
        Group { name: "Metrics and traces", word: "metrics", task: "count and draw what starts and stops take" },
    ],
    table: SETTINGS,
    exit_codes: EXIT_CODES,
};

const USAGE: (u8, &str) = (exit::USAGE, "usage: the command line is not understood");

const COMMANDS: &[Command] = &[
    Command {
        name: "run",
        usage: "[--SETTING VALUE...]",
        about: "live one docker daemon's life (the default)",
        settings: true,
        ..Command::PLAIN
    },
    Command {
        name: CHECK,
        usage: "[--json] [--SETTING VALUE...]",
        about: "say what docker needs here and what is in its way",
        more: "Each finding comes with the setting that cures it. Nothing is started.",
        switches: &[Switch::flag(JSON, "for programs: each finding with its cures")],
        settings: true,
        ..Command::PLAIN
    },
    Command {
        name: "health",
        usage: "[--SETTING VALUE...]",
        about: "silent; exit code 0 if docker is usable",
        more: "For the health check of a container: it reads the state file in TASK_DIR and asks docker.",
        settings: true,
        exit_codes: &[(0, "docker is usable"), (1, "it is not, or not yet"), USAGE, (exit::CONFIG, "configuration: a setting is wrong")],
        ..Command::PLAIN
    },
    Command {
        name: SWEEP,
        usage: "[--SETTING VALUE...]",
        about: "remove what killed tasks left, beside those that live",
        more: "It looks below DOCKER_STORAGE_ROOT, as each start does; for a timer of the host.",
        settings: true,
        exit_codes: &[
            (0, "nothing is left, or the next sweep goes on with it"),
            USAGE,
            (exit::HOST, "the storage root cannot be used, or something cannot be removed"),
            (exit::CONFIG, "configuration: a setting is wrong"),
        ],
        ..Command::PLAIN
    },
    Command {
        name: CHECK_DEPLOY,
        usage: "[--json] [--strict] FILE...\n--rules [--markdown]",
        about: "say what is wrong with deployments of the pair",
        more: "It reads ECS task definitions, compose files, Kubernetes manifests, ARC values and Nomad jobs of runner and sidecar; - is \
               standard input.",
        switches: &[
            Switch::flag(JSON, "for programs: each finding with its place"),
            Switch::flag("strict", "warnings count as errors do"),
            Switch::flag("rules", "what is looked for"),
            Switch::flag("markdown", "the rules as a table for documentation"),
        ],
        exit_codes: &[(0, "nothing is wrong"), USAGE, (exit::CONFIG, "something is wrong, or a file cannot be read")],
        ..Command::PLAIN
    },
    Command {
        name: "reference",
        usage: "[--json | --metrics]",
        about: "all settings and exit codes as Markdown",
        switches: &[
            Switch::flag(JSON, "for programs: commands, settings and exit codes"),
            Switch::flag("metrics", "what is counted, as Markdown"),
        ],
        ..Command::PLAIN
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_parts_of_the_guide_fit_together() {
        assert_eq!(GUIDE.problems(), [""; 0]);
    }
}
