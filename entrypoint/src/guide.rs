//! What the program says of itself: commands, tasks, the settings to begin with. Help, reference, man page and completions come from it.

use settings::{Command, Group, Guide, Switch};

use crate::{cache, check, config::TABLE, stages::EXIT_CODES};

/// The program as its users see it.
pub(crate) const GUIDE: Guide = Guide {
    program: "runner-entrypoint",
    version: env!("CARGO_PKG_VERSION"),
    about: "Runs one GitHub Actions job as a container's first process: registers a just-in-time runner, restores the tool cache, starts \
            the runner, passes a stop on so that no job is lost that could have ended, and leaves nothing behind.",
    commands: &[COMMANDS, cache::COMMANDS, ABOUT_ITSELF],
    first: &["ACCESS_TOKEN", "REPO_URL", "DOCKER_HOST", "TOOL_CACHE_REMOTE", "STOP_TIMEOUT"],
    note: "Every setting is an environment variable and a flag: STOP_TIMEOUT=60 is --stop-timeout 60. Secrets are no flags, but each can be \
           a file: ACCESS_TOKEN_FILE=PATH is --access-token-file PATH. Variables of other runner images are taken, too: the reference has them.",
    groups: &[
        Group { name: "GitHub", word: "github", task: "say where the runner belongs, and prove that it may" },
        Group { name: "Registration", word: "registration", task: "name and label the runner, or bring its registration" },
        Group { name: "The runner", word: "runner", task: "start the runner, and choose what its job sees" },
        Group { name: "Docker", word: "docker", task: "give jobs the docker of a sidecar" },
        Group { name: "Tool cache", word: "cache", task: "keep tools on shared storage from job to job" },
        Group { name: "Stop and limits", word: "stop", task: "fit a stop into the platform's time, and limit a life" },
        Group { name: "Platform", word: "platform", task: "protect a task on ECS, and notice a Spot interruption" },
        Group { name: "Output and state", word: "output", task: "choose what is told, how, and where state is kept" },
        Group { name: "Metrics and traces", word: "metrics", task: "count and draw what starts and jobs take" },
    ],
    table: TABLE,
    exit_codes: EXIT_CODES,
};

const COMMANDS: &[Command] = &[
    Command { name: "run", usage: "[--SETTING VALUE...]", about: "live one runner's life (the default)", settings: true, ..Command::PLAIN },
    Command {
        name: "check",
        usage: "[--json] [--SETTING VALUE...]",
        about: "say what would happen and what is wrong",
        more: "It asks GitHub and docker, too, registers nothing and starts nothing. The exit code is that of the first problem that would end a life.",
        switches: &[Switch::flag(check::JSON, "for programs: every setting, and each finding with its cures")],
        settings: true,
        ..Command::PLAIN
    },
    Command {
        name: "health",
        usage: "[--ready] [--SETTING VALUE...]",
        about: "silent; exit code 0 if the runner lives",
        more: "For the health check of a container: it reads the state file in TASK_DIR.",
        switches: &[Switch::flag("ready", "only if it waits for a job, too, or has one")],
        settings: true,
        exit_codes: &[
            (0, "the runner lives"),
            (1, "it does not, or not yet"),
            (64, "usage: the command line is not understood"),
            (78, "configuration: a setting is wrong"),
        ],
    },
    Command {
        name: "supervise",
        usage: "[OPTION...] -- CMD [ARGUMENT...]",
        about: "be only a container's first process, in place of tini",
        more: "It passes signals on, reaps everything and leaves nothing behind. No setting is read.",
        switches: &[
            Switch { short: Some('g'), ..Switch::flag("group", "signals go to the command's whole process group") },
            Switch::of("grace", "SECONDS", "25", "how long the command may go on after the first SIGTERM"),
            Switch::of("leftovers", "SECONDS", "3", "how long what it left behind may go on after its own SIGTERM"),
        ],
        exit_codes: &[
            (64, "usage: the command line is not understood"),
            (126, "the command cannot be run"),
            (127, "the command is not found"),
            (128, "and n more: signal n ended the command; else the exit code is the command's own"),
        ],
        ..Command::PLAIN
    },
];

const ABOUT_ITSELF: &[Command] = &[Command {
    name: "reference",
    usage: "[--json | --metrics]",
    about: "all settings and exit codes as Markdown",
    more: "The Markdown also tells what each variable of another runner image means here.",
    switches: &[
        Switch::flag("json", "for programs: commands, settings and exit codes"),
        Switch::flag("metrics", "what is counted, as Markdown"),
    ],
    ..Command::PLAIN
}];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_parts_of_the_guide_fit_together() {
        assert_eq!(GUIDE.problems(), [""; 0]);
    }
}
