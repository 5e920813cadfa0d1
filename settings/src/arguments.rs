//! The command line of a program whose every setting is also a flag.

use std::ffi::OsString;

use crate::{Table, spelling};

/// What was typed: a command word, settings as flags, and switches that are no setting.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Arguments {
    /// `--help` was asked for.
    pub help: bool,
    /// `--version` was asked for.
    pub version: bool,
    /// Switches of the command itself, e.g. `--ready` of `health`, without their dashes.
    pub switches: Vec<String>,
    /// Settings given as flags: variable name (the file variable for a secret) and value.
    pub settings: Vec<(String, OsString)>,
}

/// A command line that cannot be understood; the program should exit with 64 (`EX_USAGE`, sysexits.h).
#[derive(Debug, PartialEq, Eq)]
pub struct UsageError(pub String);

impl UsageError {
    /// The message with a hint at `command`, unless it has a better one.
    pub fn with_hint(&self, command: &str) -> String {
        let Self(message) = self;
        if message.contains("\nhint: ") { message.clone() } else { format!("{message}\nhint: `{command}` lists what there is") }
    }
}

impl std::fmt::Display for UsageError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

/// Reads what follows the command word. `switches` are the command's own, without dashes.
///
/// # Errors
/// A flag that is neither a setting nor one of `switches`, a setting without a value, or a stray word.
pub fn parse(table: Table, switches: &[&str], words: impl IntoIterator<Item = OsString>) -> Result<Arguments, UsageError> {
    let mut parsed = Arguments::default();
    let mut parser = lexopt::Parser::from_args(words);
    while let Some(word) = parser.next().map_err(|error| UsageError(error.to_string()))? {
        match word {
            lexopt::Arg::Short('h') => parsed.help = true,
            lexopt::Arg::Short('V') => parsed.version = true,
            lexopt::Arg::Long("help") => parsed.help = true,
            lexopt::Arg::Long("version") => parsed.version = true,
            lexopt::Arg::Long(switch) if switches.contains(&switch) => parsed.switches.push(switch.to_owned()),
            lexopt::Arg::Long(flag) => {
                let Some(setting) = table.by_flag(flag) else { return Err(unknown_flag(table, switches, flag)) };
                let name = if setting.secret { setting.file_name() } else { setting.name.to_owned() };
                let flag = flag.to_owned();
                let value = parser.value().map_err(|_| UsageError(format!("--{flag} needs a value: {}", setting.value)))?;
                parsed.settings.push((name, value));
            }
            lexopt::Arg::Short(letter) => return Err(UsageError(format!("unknown flag: -{letter}"))),
            lexopt::Arg::Value(stray) => return Err(UsageError(format!("unexpected argument: {}", stray.display()))),
        }
    }
    Ok(parsed)
}

fn unknown_flag(table: Table, switches: &[&str], flag: &str) -> UsageError {
    if let Some(secret) = table.0.iter().find(|setting| setting.secret && setting.flag() == format!("{flag}-file")) {
        return UsageError(format!(
            "--{flag} is not a flag: a secret on the command line can be read by every process\nhint: set {} or give --{} PATH",
            secret.name,
            secret.flag()
        ));
    }
    let flags: Vec<String> = table.0.iter().map(crate::Setting::flag).chain(switches.iter().map(|&s| s.to_owned())).collect();
    match spelling::nearest(flag, flags.iter().map(String::as_str)) {
        Some(meant) => UsageError(format!("unknown flag: --{flag}\nhint: did you mean --{meant}?")),
        None => UsageError(format!("unknown flag: --{flag}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Setting;

    const TABLE: Table = Table(&[
        Setting { name: "STOP_TIMEOUT", aliases: &[], group: "Stop", value: "SECONDS", default: "30", secret: false, help: "how long" },
        Setting { name: "ACCESS_TOKEN", aliases: &[], group: "GitHub", value: "TOKEN", default: "", secret: true, help: "the token" },
    ]);

    fn read(words: &[&str]) -> Result<Arguments, String> {
        parse(TABLE, &["ready"], words.iter().map(OsString::from)).map_err(|error| error.0)
    }

    #[test]
    fn a_setting_is_also_a_flag_in_both_spellings() {
        for words in [&["--stop-timeout", "9"][..], &["--stop-timeout=9"][..]] {
            assert_eq!(read(words).unwrap().settings, [("STOP_TIMEOUT".to_owned(), OsString::from("9"))]);
        }
    }

    #[test]
    fn a_secret_is_refused_on_the_command_line_and_its_file_accepted() {
        assert!(read(&["--access-token", "x"]).unwrap_err().contains("hint: set ACCESS_TOKEN or give --access-token-file PATH"));
        assert_eq!(read(&["--access-token-file", "/f"]).unwrap().settings, [("ACCESS_TOKEN_FILE".to_owned(), OsString::from("/f"))]);
    }

    #[test]
    fn what_is_not_understood_is_named() {
        assert_eq!(read(&["--stop-timeot", "9"]).unwrap_err(), "unknown flag: --stop-timeot\nhint: did you mean --stop-timeout?");
        assert_eq!(read(&["--stop-timeout"]).unwrap_err(), "--stop-timeout needs a value: SECONDS");
        assert_eq!(read(&["word"]).unwrap_err(), "unexpected argument: word");
        assert_eq!(read(&["-x"]).unwrap_err(), "unknown flag: -x");
    }

    #[test]
    fn one_hint_is_enough() {
        let hinted = |words: &[&str]| parse(TABLE, &[], words.iter().map(OsString::from)).unwrap_err().with_hint("it --help");
        assert_eq!(hinted(&["word"]), "unexpected argument: word\nhint: `it --help` lists what there is");
        assert_eq!(hinted(&["--stop-timeot"]), "unknown flag: --stop-timeot\nhint: did you mean --stop-timeout?");
    }

    #[test]
    fn switches_of_the_command_are_kept_apart() {
        let parsed = read(&["--ready", "-h"]).unwrap();
        assert!(parsed.help);
        assert_eq!(parsed.switches, ["ready"]);
    }
}
