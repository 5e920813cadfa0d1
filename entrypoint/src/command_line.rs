//! What can be typed: the commands, their help, and the options of those that are no runner's life.

use std::{ffi::OsString, time::Duration};

use settings::{Arguments, UsageError, markdown, markdown_exit_codes, parse_arguments, render_exit_codes, render_help};
use supervise::{
    init,
    records::{self, Sink},
};

use crate::{
    config::{TABLE, dialects_markdown},
    stages::EXIT_CODES,
};

/// A command, understood.
#[derive(Debug)]
pub(crate) enum Command {
    Run(Arguments),
    Supervise(init::Options),
    Check(Arguments),
    Health {
        arguments: Arguments,
        ready: bool,
    },
    /// What follows `cache`.
    Cache(Vec<OsString>),
    /// Text that was asked for.
    Answer(String),
}

/// How long a supervised command may go on after SIGTERM, and what it leaves behind after its own: together less than the 30 s after
/// which ECS and Kubernetes kill.
const GRACE: Duration = Duration::from_secs(25);
const LEFTOVERS: Duration = Duration::from_secs(3);

/// Reads the command line without the program's name.
pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Command, UsageError> {
    let words: Vec<OsString> = words.into_iter().collect();
    let first = words.first().and_then(|word| word.to_str()).unwrap_or("");
    let rest = || words.iter().skip(1).cloned();
    match first {
        "supervise" => supervise(rest()),
        "cache" => Ok(Command::Cache(rest().collect())),
        "check" => settings_of(&[], rest(), Command::Check),
        "health" => settings_of(&["ready"], rest(), |arguments| Command::Health { ready: !arguments.switches.is_empty(), arguments }),
        "run" => settings_of(&[], rest(), Command::Run),
        "help" => Ok(Command::Answer(help())),
        "reference" if words.get(1).is_some_and(|word| word == "--metrics") => Ok(Command::Answer(crate::metrics::METRICS.markdown())),
        "reference" => Ok(Command::Answer(reference())),
        word if word.is_empty() || word.starts_with('-') => settings_of(&[], words.clone(), Command::Run),
        word => Err(UsageError(format!("unknown command: {word}"))),
    }
}

fn settings_of(
    switches: &[&str],
    words: impl IntoIterator<Item = OsString>,
    command: impl FnOnce(Arguments) -> Command,
) -> Result<Command, UsageError> {
    let arguments = parse_arguments(TABLE, switches, words)?;
    Ok(match (arguments.help, arguments.version) {
        (true, _) => Command::Answer(help()),
        (false, true) => Command::Answer(format!("runner-entrypoint {}\n", env!("CARGO_PKG_VERSION"))),
        (false, false) => command(arguments),
    })
}

fn supervise(words: impl IntoIterator<Item = OsString>) -> Result<Command, UsageError> {
    let mut options = init::Options { command: Vec::new(), group: false, grace: GRACE, leftovers: LEFTOVERS };
    let mut parser = lexopt::Parser::from_args(words);
    let plain = |error: lexopt::Error| UsageError(error.to_string());
    while let Some(word) = parser.next().map_err(plain)? {
        match word {
            lexopt::Arg::Short('h') | lexopt::Arg::Long("help") => return Ok(Command::Answer(SUPERVISE_HELP.to_owned())),
            lexopt::Arg::Short('g') | lexopt::Arg::Long("group") => options.group = true,
            lexopt::Arg::Long("grace") => options.grace = span("grace", &parser.value().map_err(plain)?)?,
            lexopt::Arg::Long("leftovers") => options.leftovers = span("leftovers", &parser.value().map_err(plain)?)?,
            lexopt::Arg::Value(program) => {
                options.command.push(program);
                options.command.extend(parser.raw_args().map_err(plain)?);
            }
            other => return Err(UsageError(format!("{}\nhint: options of the command itself come after `--`", other.unexpected()))),
        }
    }
    if options.command.is_empty() {
        return Err(UsageError("supervise needs a command to run\nhint: runner-entrypoint supervise -- CMD ARGUMENT...".to_owned()));
    }
    Ok(Command::Supervise(options))
}

fn span(option: &str, value: &OsString) -> Result<Duration, UsageError> {
    let text = value.to_string_lossy();
    let parsed = text.parse().map(Duration::from_secs).ok().or_else(|| humantime::parse_duration(&text).ok());
    parsed.ok_or_else(|| UsageError(format!("--{option}: `{text}` is not a time span\nhint: write seconds, or a unit as in `90s` or `2m`")))
}

/// A supervised command owns standard output; of us only what went wrong is told, and on standard error.
pub(crate) fn supervise_log() -> records::Settings {
    records::Settings {
        program: env!("CARGO_CRATE_NAME"),
        sink: Sink::Stderr,
        format: Some(records::Format::Human),
        level: tracing::Level::WARN,
        colour: false,
    }
}

const SUPERVISE_HELP: &str = "\
Runs one command as a container's first process: passes signals on, reaps everything, leaves nothing behind.

usage: runner-entrypoint supervise [OPTIONS] -- CMD [ARGUMENT...]

options:
  -g, --group            signals go to the command's whole process group
  --grace SECONDS        how long the command may go on after the first SIGTERM [25]
  --leftovers SECONDS    how long what it left behind may go on after its own SIGTERM [3]

The exit code is the command's own, 128 + n if signal n ended it, 127 if it is not found, 126 if it cannot be run.
";

/// The help text.
fn help() -> String {
    let mut text = "\
Runs one GitHub Actions job as a container's first process: registers a just-in-time runner, restores the tool cache,
starts the runner, passes a stop on so that no job is lost that could have ended, and leaves nothing behind.

usage: runner-entrypoint [run] [--SETTING VALUE...]   live one runner's life (the default)
       runner-entrypoint check                        say what would happen and what is wrong, without doing it
       runner-entrypoint health [--ready]             silent; exit code 0 if the runner lives (and waits for or has a job)
       runner-entrypoint supervise -- CMD...          only a container's first process, in place of tini
       runner-entrypoint cache restore --from REMOTE --to LOCAL
       runner-entrypoint cache save --from LOCAL --to REMOTE
       runner-entrypoint reference                    all settings and exit codes as Markdown

Every setting is an environment variable and a flag: STOP_TIMEOUT=60 is --stop-timeout 60. Secrets are no flags, but each can
be a file: ACCESS_TOKEN_FILE=PATH is --access-token-file PATH. The reference tells which variables of other images mean the same.
To begin with: ACCESS_TOKEN and REPO_URL; in a pair with docker DOCKER_HOST; with shared storage TOOL_CACHE_REMOTE;
and STOP_TIMEOUT as your platform has it.

"
    .to_owned();
    text.push_str(&render_help(TABLE));
    text.push_str(&render_exit_codes(EXIT_CODES));
    text
}

/// Settings and exit codes as Markdown, for the documentation.
fn reference() -> String {
    markdown(TABLE) + &markdown_exit_codes(EXIT_CODES) + &dialects_markdown()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Result<Command, String> {
        parse(words.iter().map(OsString::from)).map_err(|error| error.to_string())
    }

    #[test]
    fn a_runners_life_is_the_default() {
        for words in [&[][..], &["run"][..], &["--stop-timeout", "60"][..], &["run", "--stop-timeout=60"][..]] {
            assert!(matches!(read(words), Ok(Command::Run(_))), "{words:?}");
        }
    }

    #[test]
    fn the_supervised_command_keeps_its_own_options() {
        for words in [&["supervise", "--", "sh", "-c", "exit 3"][..], &["supervise", "-g", "sh", "-c", "exit 3"][..]] {
            let Ok(Command::Supervise(options)) = read(words) else { panic!("{words:?}") };
            assert_eq!(options.command, ["sh", "-c", "exit 3"]);
        }
        let Ok(Command::Supervise(options)) = read(&["supervise", "--grace", "2m", "--leftovers=0", "x"]) else { panic!() };
        assert_eq!((options.grace.as_secs(), options.leftovers.as_secs()), (120, 0));
    }

    #[test]
    fn what_is_not_understood_says_what_would_be() {
        for (words, expected) in [
            (&["supervise"][..], "supervise needs a command to run\nhint: runner-entrypoint supervise -- CMD ARGUMENT..."),
            (
                &["supervise", "--grace", "soon", "x"],
                "--grace: `soon` is not a time span\nhint: write seconds, or a unit as in `90s` or `2m`",
            ),
            (&["start"], "unknown command: start"),
            (
                &["--access-token", "x"],
                "--access-token is not a flag: a secret on the command line can be read by every process\nhint: set ACCESS_TOKEN or give --access-token-file PATH",
            ),
        ] {
            assert_eq!(read(words).unwrap_err(), expected);
        }
    }

    #[test]
    fn each_setting_has_one_line_of_help() {
        let lines: Vec<String> = render_help(TABLE).lines().filter(|line| line.starts_with("  ")).map(str::to_owned).collect();
        assert_eq!(lines.len(), TABLE.0.len(), "{lines:#?}");
    }

    #[test]
    fn the_help_text_is_what_was_reviewed() {
        insta::assert_snapshot!(help());
    }
}
