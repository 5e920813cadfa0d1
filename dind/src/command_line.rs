//! What can be typed: the commands, and what is asked about them.

use std::ffi::OsString;

use settings::{Arguments, Topic, UsageError, json, markdown, markdown_exit_codes, parse_arguments};

use crate::{
    config::SETTINGS,
    guide::{CHECK, CHECK_DEPLOY, GUIDE, SWEEP},
    metrics::METRICS,
};

/// A command, understood.
#[derive(Debug)]
pub(crate) enum Command {
    Run(Arguments),
    Check(Arguments),
    Health(Arguments),
    /// What dead tasks left goes, without a start.
    Sweep(Arguments),
    /// For this program itself.
    Gate(Vec<OsString>),
    /// What is wrong with deployments.
    CheckDeploy(deploy::Order),
    /// Help about something, as wide as the screen is.
    Help(Topic),
    /// Text that was asked for.
    Answer(String),
}

/// Reads the command line without the program's name.
pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Command, UsageError> {
    let words: Vec<OsString> = words.into_iter().collect();
    let first = words.first().and_then(|word| word.to_str()).unwrap_or("");
    let rest = || words.iter().skip(1).cloned();
    match first {
        "run" => settings_of(first, rest(), Command::Run),
        CHECK => settings_of(first, rest(), Command::Check),
        "health" => settings_of(first, rest(), Command::Health),
        SWEEP => settings_of(first, rest(), Command::Sweep),
        "gate" => Ok(Command::Gate(rest().collect())),
        CHECK_DEPLOY => match deploy::Order::read(rest())? {
            deploy::Order::Help => GUIDE.topic(CHECK_DEPLOY).map(Command::Help),
            order => Ok(Command::CheckDeploy(order)),
        },
        "help" => about(rest()).map(Command::Help),
        "reference" => reference(rest()),
        word if word.is_empty() || word.starts_with('-') => settings_of("", words.clone(), Command::Run),
        word => Err(UsageError(format!("unknown command: {word}"))),
    }
}

/// What follows `help`: nothing, `all`, a command, a group, a setting.
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
    let arguments = parse_arguments(SETTINGS, &switches, words)?;
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
        None => Ok(Command::Answer(markdown(&GUIDE) + &markdown_exit_codes(GUIDE.exit_codes))),
        Some("--json") => Ok(Command::Answer(json(&GUIDE))),
        Some("--metrics") => Ok(Command::Answer(METRICS.markdown())),
        Some("-h" | "--help") => Ok(Command::Help(GUIDE.topic("reference")?)),
        Some(other) => Err(UsageError(format!("unexpected argument: {other}\nhint: reference [--json | --metrics]"))),
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
    fn a_daemons_life_is_the_default() {
        for words in [&[][..], &["run"][..], &["--stop-timeout", "60"][..], &["run", "--stop-timeout=60"][..]] {
            assert!(matches!(read(words), Ok(Command::Run(_))), "{words:?}");
        }
    }

    #[test]
    fn an_unknown_command_is_named() {
        assert_eq!(read(&["start"]).unwrap_err(), "unknown command: start");
    }

    #[test]
    fn a_sweep_takes_the_settings() {
        assert!(matches!(read(&["sweep", "--docker-storage-root", "/data"]), Ok(Command::Sweep(_))));
        assert!(read(&["sweep", "/data"]).is_err());
    }

    #[test]
    fn deployments_are_files_and_not_settings() {
        for words in [&["check-deploy", "--json", "task.json"][..], &["check-deploy", "-"][..], &["check-deploy", "--rules"][..]] {
            assert!(matches!(read(words), Ok(Command::CheckDeploy(_))), "{words:?}");
        }
        assert!(read(&["check-deploy", "--jsn", "task.json"]).unwrap_err().starts_with("unknown flag of check-deploy: --jsn"));
        assert!(read(&["check-deploy"]).unwrap_err().starts_with("check-deploy needs a file"));
    }

    #[test]
    fn what_help_says_of_check_deploy_is_so() {
        for switch in GUIDE.command(CHECK_DEPLOY).unwrap().switches {
            let flag = format!("--{}", switch.long);
            let with = |others: &[&str]| read(&[&[CHECK_DEPLOY, &flag], others].concat());
            assert!([with(&[]), with(&["task.json"]), with(&["--rules"])].iter().any(Result::is_ok), "{flag}");
        }
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
        for command in GUIDE.all_commands() {
            assert_eq!(topic(&["help", command.name]), Topic::About(command.name.to_owned()));
            assert_eq!(topic(&[command.name, "--help"]), Topic::About(command.name.to_owned()));
        }
        assert_eq!(topic(&["help", "MTU"]), Topic::About("MTU".to_owned()));
        assert_eq!(read(&["help", "swep"]).unwrap_err(), "no help about `swep`\nhint: did you mean `sweep`?");
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

    #[test]
    fn the_reference_has_every_setting_and_exit_code() {
        let Ok(Command::Answer(text)) = read(&["reference"]) else { panic!() };
        for setting in SETTINGS.0 {
            assert!(text.contains(setting.name), "{}", setting.name);
        }
        for (code, meaning) in GUIDE.exit_codes {
            assert!(text.contains(&format!("| {code} | {meaning} |")));
        }
    }
}
