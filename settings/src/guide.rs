//! What a program is to those who use it: its commands, the settings to begin with, and the tasks that its settings serve.

use crate::{Setting, Table, UsageError, spelling};

/// A program as its users see it. From this come `--help`, the reference, and for `xtask` the man page and the completions of shells.
#[derive(Debug, Clone, Copy)]
pub struct Guide {
    /// The program's name.
    pub program: &'static str,
    /// Its version.
    pub version: &'static str,
    /// What it does, in a few lines.
    pub about: &'static str,
    /// Its commands in the order in which they are explained, in one list or several.
    pub commands: &'static [&'static [Command]],
    /// The settings that most people need before any other.
    pub first: &'static [&'static str],
    /// The groups of the table, in the order of the tasks.
    pub groups: &'static [Group],
    /// How settings are given: below those to begin with.
    pub note: &'static str,
    /// All settings.
    pub table: Table,
    /// What it ends with, and why.
    pub exit_codes: &'static [(u8, &'static str)],
}

/// Settings that serve one task.
#[derive(Debug, Clone, Copy)]
pub struct Group {
    /// As the table has it.
    pub name: &'static str,
    /// What is typed after `help`.
    pub word: &'static str,
    /// What somebody wants to do who looks here.
    pub task: &'static str,
}

/// A command of a program.
#[derive(Debug, Clone, Copy)]
pub struct Command {
    /// As it is typed; one of a family has two words, and the family a command of its own before them.
    pub name: &'static str,
    /// What may follow it, as in `-- CMD [ARGUMENT...]`; a line for each way.
    pub usage: &'static str,
    /// What it does, in a line.
    pub about: &'static str,
    /// What else there is to know; empty, or paragraphs.
    pub more: &'static str,
    /// Its own options.
    pub switches: &'static [Switch],
    /// Whether all settings are its options, too.
    pub settings: bool,
    /// What it ends with, where that is not what the program ends with.
    pub exit_codes: &'static [(u8, &'static str)],
}

impl Command {
    /// A command with neither options nor anything else to say; for `..`.
    pub const PLAIN: Self = Self { name: "", usage: "", about: "", more: "", switches: &[], settings: false, exit_codes: &[] };

    /// The long names of its own options.
    pub fn options(&self) -> Vec<&'static str> {
        self.switches.iter().map(|switch| switch.long).collect()
    }

    /// The family of a command with two words.
    pub fn family(&self) -> Option<&'static str> {
        self.name.split_once(' ').map(|(family, _)| family)
    }
}

/// An option of a command that is no setting.
#[derive(Debug, Clone, Copy)]
pub struct Switch {
    /// As in `-g`.
    pub short: Option<char>,
    /// As in `--group`, without its dashes.
    pub long: &'static str,
    /// What its value looks like; empty for one that is said or not.
    pub value: &'static str,
    /// What holds when it is not given; may be empty.
    pub default: &'static str,
    /// One sentence without a full stop.
    pub help: &'static str,
}

impl Switch {
    /// One that is said or not.
    pub const fn flag(long: &'static str, help: &'static str) -> Self {
        Self { short: None, long, value: "", default: "", help }
    }

    /// One with a value.
    pub const fn of(long: &'static str, value: &'static str, default: &'static str, help: &'static str) -> Self {
        Self { short: None, long, value, default, help }
    }

    /// `-g, --group`, or `--jobs N`.
    pub fn head(&self) -> String {
        let short = self.short.map(|letter| format!("-{letter}, ")).unwrap_or_default();
        format!("{short}--{} {}", self.long, self.value).trim_end().to_owned()
    }
}

/// What help is asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Topic {
    /// The program.
    Overview,
    /// Every setting.
    All,
    /// What one or more words stand for: a command, a group of settings, a setting.
    About(String),
}

impl Guide {
    /// What is asked with the words after `help`.
    ///
    /// # Errors
    /// There is nothing by that name.
    pub fn topic(&self, words: &str) -> Result<Topic, UsageError> {
        match words.trim() {
            "" => Ok(Topic::Overview),
            "all" | "--all" => Ok(Topic::All),
            word if self.command(word).is_some() || self.group(word).is_some() || self.setting(word).is_some() => {
                Ok(Topic::About(word.to_owned()))
            }
            word => Err(self.unknown(word)),
        }
    }

    fn unknown(&self, word: &str) -> UsageError {
        let commands = self.all_commands().map(|command| command.name);
        let words = commands.chain(self.groups.iter().map(|group| group.word)).chain(self.table.0.iter().map(|setting| setting.name));
        let hint = match spelling::nearest(word, words) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("`{} help` names commands and groups, `help all` every setting", self.program),
        };
        UsageError(format!("no help about `{word}`\nhint: {hint}"))
    }

    /// All commands, in their order.
    pub fn all_commands(&self) -> impl Iterator<Item = &'static Command> {
        self.commands.iter().copied().flatten()
    }

    /// The command of this name.
    pub fn command(&self, name: &str) -> Option<&'static Command> {
        self.all_commands().find(|command| command.name == name)
    }

    /// The group that is meant by a word.
    pub(crate) fn group(&self, word: &str) -> Option<&'static Group> {
        self.groups.iter().find(|group| group.word == word)
    }

    /// The setting that is meant by one of its names, or by its flag.
    pub(crate) fn setting(&self, word: &str) -> Option<&'static Setting> {
        let flag = word.trim_start_matches("--");
        self.table.0.iter().find(|setting| setting.flag() == flag || setting.names().iter().any(|name| name.eq_ignore_ascii_case(word)))
    }

    /// The settings of a group.
    pub fn settings(&self, group: &Group) -> Vec<&'static Setting> {
        self.table.0.iter().filter(|setting| setting.group == group.name).collect()
    }

    /// The settings to begin with.
    pub fn first_settings(&self) -> Vec<&'static Setting> {
        self.first.iter().filter_map(|name| self.table.get(name)).collect()
    }

    /// What does not fit together; for a test of each program. A setting of a group that is not here would be in no help.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for setting in self.table.0 {
            if !self.groups.iter().any(|group| group.name == setting.group) {
                problems.push(format!("{}: no group is named {:?}", setting.name, setting.group));
            }
        }
        for group in self.groups {
            if self.settings(group).is_empty() {
                problems.push(format!("{}: a group without a setting", group.name));
            }
        }
        for name in self.first {
            if self.table.get(name).is_none() {
                problems.push(format!("{name}: is no setting to begin with"));
            }
        }
        for command in self.all_commands() {
            if command.family().is_some_and(|family| self.command(family).is_none()) {
                problems.push(format!("{}: its family has no command", command.name));
            }
            let clash = command.options().into_iter().filter(|option| command.settings && self.table.by_flag(option).is_some());
            problems.extend(clash.map(|option| format!("{} --{option}: is a setting as well", command.name)));
        }
        problems
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    const SETTINGS: Table = Table(&[
        Setting {
            name: "ACCESS_TOKEN",
            aliases: &["TOKEN"],
            group: "Access",
            value: "TOKEN",
            default: "",
            secret: true,
            help: "what opens the door",
        },
        Setting {
            name: "STOP_TIMEOUT",
            aliases: &["GRACE"],
            group: "Stop",
            value: "SECONDS",
            default: "30",
            secret: false,
            help: "the platform's time between SIGTERM and SIGKILL; all of a stop fits into it",
        },
        Setting {
            name: "WHEN_TO_RESTORE",
            aliases: &[],
            group: "Stop",
            value: "before-start|before-job|off",
            default: "before-start",
            secret: false,
            help: "when",
        },
    ]);

    /// A program with one of everything.
    pub(crate) const GUIDE: Guide = Guide {
        program: "it",
        version: "1.2.3",
        about: "Does one thing as a container's first process, and leaves nothing behind: neither files nor processes nor locks.",
        commands: &[
            &[
                Command { name: "run", usage: "[--SETTING VALUE...]", about: "do it (the default)", settings: true, ..Command::PLAIN },
                Command {
                    name: "health",
                    usage: "[--ready]",
                    about: "silent; 0 if it lives",
                    switches: &[Switch::flag("ready", "and if it can be used")],
                    settings: true,
                    exit_codes: &[(0, "it lives"), (1, "it does not")],
                    ..Command::PLAIN
                },
            ],
            &[
                Command { name: "stop", about: "end it by hand", ..Command::PLAIN },
                Command {
                    name: "stop now",
                    usage: "[-f] --after SPAN\n--list",
                    about: "at once",
                    more: "What is lost is said.",
                    switches: &[
                        Switch { short: Some('f'), ..Switch::flag("force", "whatever it does") },
                        Switch::of("after", "SPAN", "0s", "when"),
                    ],
                    ..Command::PLAIN
                },
            ],
        ],
        first: &["ACCESS_TOKEN", "STOP_TIMEOUT"],
        groups: &[
            Group { name: "Access", word: "access", task: "say who you are" },
            Group { name: "Stop", word: "stop", task: "fit a stop into the platform's time" },
        ],
        note: "A setting is an environment variable and a flag: STOP_TIMEOUT=60 is --stop-timeout 60. Secrets are no flags.",
        table: SETTINGS,
        exit_codes: &[(0, "fine"), (143, "cut")],
    };

    #[test]
    fn help_is_found_by_command_group_setting_alias_or_flag() {
        for word in ["health", "stop now", "stop", "access", "STOP_TIMEOUT", "stop_timeout", "GRACE", "--stop-timeout", "ACCESS_TOKEN_FILE"]
        {
            assert_eq!(GUIDE.topic(word), Ok(Topic::About(word.to_owned())));
        }
        assert_eq!(GUIDE.topic(""), Ok(Topic::Overview));
        assert_eq!(GUIDE.topic("all"), Ok(Topic::All));
    }

    #[test]
    fn what_is_not_there_is_named_with_the_nearest_that_is() {
        assert_eq!(GUIDE.topic("helth").unwrap_err().0, "no help about `helth`\nhint: did you mean `health`?");
        assert_eq!(GUIDE.topic("STOP_TIMOUT").unwrap_err().0, "no help about `STOP_TIMOUT`\nhint: did you mean `STOP_TIMEOUT`?");
        assert_eq!(
            GUIDE.topic("unicorns").unwrap_err().0,
            "no help about `unicorns`\nhint: `it help` names commands and groups, `help all` every setting"
        );
    }

    #[test]
    fn what_does_not_fit_together_is_said() {
        assert_eq!(GUIDE.problems(), [""; 0]);
        const ODD: Guide = Guide {
            first: &["NOTHING"],
            groups: &[Group { name: "Access", word: "a", task: "" }, Group { name: "Empty", word: "e", task: "" }],
            commands: &[&[
                Command { name: "a b", ..Command::PLAIN },
                Command { name: "c", settings: true, switches: &[Switch::flag("stop-timeout", "")], ..Command::PLAIN },
            ]],
            ..GUIDE
        };
        assert_eq!(
            ODD.problems(),
            [
                "STOP_TIMEOUT: no group is named \"Stop\"",
                "WHEN_TO_RESTORE: no group is named \"Stop\"",
                "Empty: a group without a setting",
                "NOTHING: is no setting to begin with",
                "a b: its family has no command",
                "c --stop-timeout: is a setting as well",
            ]
        );
    }
}
