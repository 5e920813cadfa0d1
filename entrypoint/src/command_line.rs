//! What can be typed: the commands, their help, and the options of those that are no runner's life.

use std::{ffi::OsString, time::Duration};

use settings::{Arguments, Topic, UsageError, json, markdown, markdown_exit_codes, parse_arguments};
use supervise::{
    init,
    records::{self, Sink},
};

use crate::{
    check,
    config::{TABLE, dialects_markdown},
    guide::GUIDE,
    metrics::METRICS,
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
    /// Help about something, as wide as the screen is.
    Help(Topic),
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
        check::COMMAND => settings_of(first, rest(), Command::Check),
        "health" => settings_of(first, rest(), |arguments| Command::Health { ready: !arguments.switches.is_empty(), arguments }),
        "run" => settings_of(first, rest(), Command::Run),
        "help" => about(rest()).map(Command::Help),
        "reference" => reference(rest()),
        word if word.is_empty() || word.starts_with('-') => settings_of("", words.clone(), Command::Run),
        word => Err(UsageError(format!("unknown command: {word}"))),
    }
}

/// What follows `help`: nothing, `all`, a command of one or two words, a group, a setting.
fn about(words: impl IntoIterator<Item = OsString>) -> Result<Topic, UsageError> {
    let words: Vec<String> = words.into_iter().map(|word| word.to_string_lossy().into_owned()).collect();
    GUIDE.topic(&words.join(" "))
}

/// A command that takes all settings, by its name; none is the program itself.
fn settings_of(
    name: &str,
    words: impl IntoIterator<Item = OsString>,
    command: impl FnOnce(Arguments) -> Command,
) -> Result<Command, UsageError> {
    let switches = GUIDE.command(name).map(settings::Command::options).unwrap_or_default();
    let arguments = parse_arguments(TABLE, &switches, words)?;
    Ok(match (arguments.help, arguments.version) {
        (true, _) => Command::Help(GUIDE.topic(name)?),
        (false, true) => Command::Answer(format!("{} {}\n", GUIDE.program, GUIDE.version)),
        (false, false) => command(arguments),
    })
}

/// All that there is, as Markdown or as JSON.
fn reference(words: impl IntoIterator<Item = OsString>) -> Result<Command, UsageError> {
    let words: Vec<OsString> = words.into_iter().collect();
    match words.first().map(|word| word.to_string_lossy()).as_deref() {
        None => Ok(Command::Answer(markdown(&GUIDE) + &markdown_exit_codes(GUIDE.exit_codes) + &dialects_markdown())),
        Some("--json") => Ok(Command::Answer(json(&GUIDE))),
        Some("--metrics") => Ok(Command::Answer(METRICS.markdown())),
        Some("-h" | "--help") => Ok(Command::Help(GUIDE.topic("reference")?)),
        Some(other) => Err(UsageError(format!("unexpected argument: {other}\nhint: reference [--json | --metrics]"))),
    }
}

fn supervise(words: impl IntoIterator<Item = OsString>) -> Result<Command, UsageError> {
    let mut options = init::Options { command: Vec::new(), group: false, grace: GRACE, leftovers: LEFTOVERS };
    let mut parser = lexopt::Parser::from_args(words);
    let plain = |error: lexopt::Error| UsageError(error.to_string());
    while let Some(word) = parser.next().map_err(plain)? {
        match word {
            lexopt::Arg::Short('h') | lexopt::Arg::Long("help") => return GUIDE.topic("supervise").map(Command::Help),
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

#[cfg(test)]
mod tests {
    use settings::render_help;

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
    fn what_help_says_of_supervise_is_so() {
        let switches = GUIDE.command("supervise").unwrap().switches;
        for switch in switches {
            let value = (!switch.value.is_empty()).then_some("1");
            let long = format!("--{}", switch.long);
            let words: Vec<&str> = ["supervise", &long].into_iter().chain(value).chain(["x"]).collect();
            assert!(matches!(read(&words), Ok(Command::Supervise(_))), "{words:?}");
        }
        let default = |option: &str| switches.iter().find(|switch| switch.long == option).unwrap().default.parse();
        assert_eq!((default("grace"), default("leftovers")), (Ok(GRACE.as_secs()), Ok(LEFTOVERS.as_secs())));
    }

    #[test]
    fn help_can_be_asked_for_in_every_way_that_people_try() {
        let topic = |words: &[&str]| match read(words) {
            Ok(Command::Help(topic)) => topic,
            other => panic!("{words:?}: {other:?}"),
        };
        for words in [&["help"][..], &["--help"], &["-h"], &["--stop-timeout", "3", "--help"]] {
            assert_eq!(topic(words), Topic::Overview, "{words:?}");
        }
        assert_eq!([topic(&["help", "all"]), topic(&["help", "--all"])], [Topic::All, Topic::All]);
        for name in ["run", "check", "health", "supervise", "reference"] {
            assert_eq!(topic(&["help", name]), Topic::About(name.to_owned()));
            assert_eq!(topic(&[name, "--help"]), Topic::About(name.to_owned()));
        }
        for words in [&["help", "cache", "restore"][..], &["help", "cache"], &["help", "STOP_TIMEOUT"], &["help", "--stop-timeout"]] {
            assert_eq!(topic(words), Topic::About(words[1..].join(" ")));
        }
        assert_eq!(read(&["help", "chec"]).unwrap_err(), "no help about `chec`\nhint: did you mean `check`?");
    }

    #[test]
    fn the_help_texts_are_what_was_reviewed() {
        insta::assert_snapshot!("help", render_help(&GUIDE, &Topic::Overview, 80));
        let commands = GUIDE.all_commands().map(|command| render_help(&GUIDE, &Topic::About(command.name.to_owned()), 80));
        insta::assert_snapshot!("help_of_commands", commands.collect::<Vec<_>>().join("----\n"));
        insta::assert_snapshot!("help_all", render_help(&GUIDE, &Topic::All, 80));
    }

    #[test]
    fn no_line_of_help_is_wider_than_eighty_columns() {
        let topics = GUIDE.all_commands().map(|command| Topic::About(command.name.to_owned())).chain([Topic::Overview, Topic::All]);
        for topic in topics {
            for line in render_help(&GUIDE, &topic, 80).lines() {
                assert!(line.chars().count() <= 80, "{topic:?}: {line}");
            }
        }
    }
}
