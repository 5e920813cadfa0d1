//! What can be typed: the commands, their help and the reference.

use std::ffi::OsString;

use settings::{Arguments, UsageError, markdown, markdown_exit_codes, parse_arguments, render_exit_codes, render_help};

use crate::{NAME, config::SETTINGS, words::exit::EXIT_CODES};

/// `check` answers for programs.
pub(crate) const JSON: &str = "json";

/// The command that looks at files and at nothing else.
pub(crate) const CHECK_DEPLOY: &str = "check-deploy";

/// The command that removes what dead tasks left, and ends.
pub(crate) const SWEEP: &str = "sweep";

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
    /// Text that was asked for.
    Answer(String),
}

/// Reads the command line without the program's name.
pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Command, UsageError> {
    let words: Vec<OsString> = words.into_iter().collect();
    let first = words.first().and_then(|word| word.to_str()).unwrap_or("");
    let rest = || words.iter().skip(1).cloned();
    match first {
        "run" => settings_of(rest(), Command::Run),
        "check" => settings_with(&[JSON], rest(), Command::Check),
        "health" => settings_of(rest(), Command::Health),
        SWEEP => settings_of(rest(), Command::Sweep),
        "gate" => Ok(Command::Gate(rest().collect())),
        CHECK_DEPLOY => deploy::Order::read(rest()).map(Command::CheckDeploy),
        "help" => Ok(Command::Answer(help())),
        "reference" if words.get(1).is_some_and(|word| word == "--metrics") => Ok(Command::Answer(crate::metrics::METRICS.markdown())),
        "reference" => Ok(Command::Answer(reference())),
        word if word.is_empty() || word.starts_with('-') => settings_of(words.clone(), Command::Run),
        word => Err(UsageError(format!("unknown command: {word}"))),
    }
}

fn settings_of(words: impl IntoIterator<Item = OsString>, command: impl FnOnce(Arguments) -> Command) -> Result<Command, UsageError> {
    settings_with(&[], words, command)
}

fn settings_with(
    switches: &[&str],
    words: impl IntoIterator<Item = OsString>,
    command: impl FnOnce(Arguments) -> Command,
) -> Result<Command, UsageError> {
    let arguments = parse_arguments(SETTINGS, switches, words)?;
    Ok(match (arguments.help, arguments.version) {
        (true, _) => Command::Answer(help()),
        (false, true) => Command::Answer(format!("{NAME} {}\n", env!("CARGO_PKG_VERSION"))),
        (false, false) => command(arguments),
    })
}

pub(crate) fn help() -> String {
    let mut text = "\
Runs docker for one GitHub Actions job as a container's first process: checks the host, starts dockerd on a directory of
its own, publishes the socket when a container has run, outlives the runner, and leaves nothing behind.

usage: runner-dind [run] [--SETTING VALUE...]   live one docker daemon's life (the default)
       runner-dind check [--json]               what docker needs and what stands in its way here, each with the setting that
                                                cures it; nothing is started
       runner-dind health                       silent; exit code 0 if docker is usable
       runner-dind sweep                        removes what killed tasks left below DOCKER_STORAGE_ROOT, beside those that live, as
                                                each start does; for a timer of the host
       runner-dind check-deploy [--json] [--strict] FILE...
                                                what is wrong with ECS task definitions, compose files, Kubernetes manifests and Nomad
                                                jobs of runner and sidecar; - is standard input; --strict: warnings count;
                                                --rules [--markdown]: what is looked for
       runner-dind reference                    all settings and exit codes as Markdown

Every setting is an environment variable and a flag: STOP_TIMEOUT=60 is --stop-timeout 60.
To begin with: an XFS volume at DOCKER_STORAGE_ROOT; TASK_DIR on a volume shared with the runner's container; and
STOP_TIMEOUT as your platform has it.

"
    .to_owned();
    text.push_str(&render_help(SETTINGS));
    text.push_str(&render_exit_codes(EXIT_CODES));
    text
}

/// Settings and exit codes as Markdown, for the documentation.
fn reference() -> String {
    markdown(SETTINGS) + &markdown_exit_codes(EXIT_CODES)
}

#[cfg(test)]
mod tests {
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
        assert!(matches!(read(&["sweep", "--help"]), Ok(Command::Answer(_))));
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
    fn the_help_text_is_what_was_reviewed() {
        insta::assert_snapshot!(help());
    }

    #[test]
    fn the_reference_has_every_setting_and_exit_code() {
        let text = reference();
        for setting in SETTINGS.0 {
            assert!(text.contains(setting.name), "{}", setting.name);
        }
        for (code, meaning) in EXIT_CODES {
            assert!(text.contains(&format!("| {code} | {meaning} |")));
        }
    }
}
