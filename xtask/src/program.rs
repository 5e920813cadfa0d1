//! A program as it describes itself: what `reference --json` says.

use serde::Deserialize;

use crate::run::{self, Failed};

/// The programs that describe themselves.
pub(crate) const PROGRAMS: [&str; 2] = ["runner-entrypoint", "runner-dind"];

#[derive(Debug, Deserialize)]
pub(crate) struct Program {
    #[serde(rename = "program")]
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) about: String,
    pub(crate) commands: Vec<Command>,
    pub(crate) first: Vec<String>,
    pub(crate) note: String,
    pub(crate) groups: Vec<Group>,
    pub(crate) exit_codes: Vec<(u8, String)>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Command {
    pub(crate) name: String,
    pub(crate) usage: String,
    pub(crate) about: String,
    pub(crate) more: String,
    /// All settings are its options, too.
    pub(crate) settings: bool,
    pub(crate) options: Vec<Choice>,
    pub(crate) exit_codes: Vec<(u8, String)>,
}

/// An option of a command.
#[derive(Debug, Deserialize)]
pub(crate) struct Choice {
    pub(crate) short: Option<char>,
    pub(crate) long: String,
    pub(crate) value: String,
    pub(crate) default: String,
    pub(crate) help: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) word: String,
    pub(crate) task: String,
    pub(crate) settings: Vec<Setting>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Setting {
    pub(crate) name: String,
    pub(crate) aliases: Vec<String>,
    pub(crate) flag: String,
    /// The variable that names a file which holds a secret.
    pub(crate) file: Option<String>,
    pub(crate) value: String,
    pub(crate) default: String,
    pub(crate) help: String,
}

impl Program {
    /// Asks the program itself.
    pub(crate) fn ask(name: &str) -> Result<Self, Failed> {
        let said = run::output("cargo", &["run", "--quiet", "--package", name, "--", "reference", "--json"])?;
        serde_json::from_str(&said).map_err(|error| Failed(format!("{name} reference --json cannot be read: {error}")))
    }

    pub(crate) fn settings(&self) -> impl Iterator<Item = &Setting> {
        self.groups.iter().flat_map(|group| &group.settings)
    }
}

/// The words that a value can be, as its form tells them: `auto|human|json`; what stands for something else is in capitals.
pub(crate) fn choices(value: &str) -> Vec<String> {
    if value.eq_ignore_ascii_case("yes|no") {
        return vec!["yes".to_owned(), "no".to_owned()];
    }
    let words: Vec<&str> = value.split('|').collect();
    let fixed = words.iter().filter(|word| !word.contains(|letter: char| letter.is_ascii_uppercase())).map(|word| (*word).to_owned());
    if words.len() > 1 { fixed.collect() } else { Vec::new() }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A program with one of everything.
    pub(crate) fn program() -> Program {
        serde_json::from_str(
            r#"{"program":"it","version":"1.2.3","about":"Does one thing.","note":"Settings are variables.","first":["KIND"],
            "commands":[
              {"name":"run","usage":"[--SETTING VALUE...]","about":"do it","more":"","settings":true,"options":[],"exit_codes":[]},
              {"name":"cache","usage":"COMMAND","about":"copy","more":".packs is a folder.","settings":false,"options":[],"exit_codes":[]},
              {"name":"cache gc","usage":"DIR [OPTION...]\n--list","about":"tidy it","more":"","settings":false,
               "options":[{"short":"u","long":"unused-for","value":"SPAN","default":"30d","help":"how long"},
                          {"short":null,"long":"report","value":"human|json","default":"human","help":"what to print"}],
               "exit_codes":[[0,"done"],[64,"usage"]]}],
            "groups":[{"name":"Access","word":"access","task":"say who you are","settings":[
              {"name":"ACCESS_TOKEN","aliases":["TOKEN"],"flag":"access-token-file","file":"ACCESS_TOKEN_FILE","value":"TOKEN","default":"",
               "help":"what opens the door; in a variable `\\n` may stand for a line's end"},
              {"name":"KIND","aliases":[],"flag":"kind","file":null,"value":"auto|human|json","default":"auto","help":"which"},
              {"name":"FOLDER","aliases":[],"flag":"folder","file":null,"value":"DIR","default":"/run/it","help":"where"}]}],
            "exit_codes":[[0,"fine"],[143,"cut"]]}"#,
        )
        .unwrap()
    }

    #[test]
    fn a_value_with_fixed_words_is_told_from_one_with_a_form() {
        assert_eq!(choices("auto|human|json"), ["auto", "human", "json"]);
        assert_eq!(choices("YES|NO"), ["yes", "no"]);
        assert_eq!(choices("auto|BYTES"), ["auto"]);
        for free in ["PATH", "SECONDS", "ADDRESS:PORT", ""] {
            assert_eq!(choices(free), [""; 0], "{free}");
        }
    }
}
