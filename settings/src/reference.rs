//! A guide as Markdown for the documentation, and as JSON for programs.

use std::fmt::Write as _;

use serde::Serialize;

use crate::{Group, Guide, Setting};

/// The settings as Markdown tables, one per group, in the order of the tasks.
pub fn markdown(guide: &Guide) -> String {
    let mut text = String::new();
    for group in guide.groups {
        let Group { name, task, .. } = group;
        let _ = writeln!(text, "### {name}\n\nTo {task}.\n\n| variable | flag | default | meaning |\n|---|---|---|---|");
        for setting in guide.settings(group) {
            let mut names = format!("`{}`", setting.name);
            for alias in setting.aliases {
                let _ = write!(names, ", `{alias}`");
            }
            let default = if setting.default.is_empty() { String::new() } else { format!("`{}`", setting.default) };
            let secret = if setting.secret { format!("; or `{}`, a file that holds it", setting.file_name()) } else { String::new() };
            let _ = writeln!(
                text,
                "| {names} | `--{} {}` | {default} | {}{secret} |",
                setting.flag(),
                setting.value.replace('|', "\\|"),
                setting.help
            );
        }
        text.push('\n');
    }
    text
}

/// Exit codes with their meanings as a Markdown table.
pub fn markdown_exit_codes(codes: &[(u8, &str)]) -> String {
    codes.iter().fold("### Exit codes\n\n| code | meaning |\n|---|---|\n".to_owned(), |mut text, (code, meaning)| {
        let _ = writeln!(text, "| {code} | {meaning} |");
        text
    })
}

/// All of it on one line, for those who make man pages, completions and forms.
pub fn json(guide: &Guide) -> String {
    let groups = guide.groups.iter().map(|group| Told {
        name: group.name,
        word: group.word,
        task: group.task,
        settings: guide.settings(group).into_iter().map(Row::of).collect(),
    });
    let commands = guide.all_commands().map(|command| Said {
        name: command.name,
        usage: command.usage,
        about: command.about,
        more: command.more,
        settings: command.settings,
        options: command
            .switches
            .iter()
            .map(|switch| Choice {
                short: switch.short,
                long: switch.long,
                value: switch.value,
                default: switch.default,
                help: switch.help,
            })
            .collect(),
        exit_codes: command.exit_codes,
    });
    let whole = Whole {
        program: guide.program,
        version: guide.version,
        about: guide.about,
        commands: commands.collect(),
        first: guide.first,
        note: guide.note,
        groups: groups.collect(),
        exit_codes: guide.exit_codes,
    };
    // Strings and numbers: there is nothing that could fail.
    serde_json::to_string(&whole).unwrap_or_default() + "\n"
}

type Codes = &'static [(u8, &'static str)];

#[derive(Serialize)]
struct Whole {
    program: &'static str,
    version: &'static str,
    about: &'static str,
    commands: Vec<Said>,
    first: &'static [&'static str],
    note: &'static str,
    groups: Vec<Told>,
    exit_codes: Codes,
}

#[derive(Serialize)]
struct Said {
    name: &'static str,
    usage: &'static str,
    about: &'static str,
    more: &'static str,
    settings: bool,
    options: Vec<Choice>,
    exit_codes: Codes,
}

#[derive(Serialize)]
struct Choice {
    short: Option<char>,
    long: &'static str,
    value: &'static str,
    default: &'static str,
    help: &'static str,
}

#[derive(Serialize)]
struct Told {
    name: &'static str,
    word: &'static str,
    task: &'static str,
    settings: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    name: &'static str,
    aliases: &'static [&'static str],
    flag: String,
    file: Option<String>,
    value: &'static str,
    default: &'static str,
    secret: bool,
    help: &'static str,
}

impl Row {
    fn of(setting: &Setting) -> Self {
        let Setting { name, aliases, value, default, secret, help, .. } = *setting;
        Self { name, aliases, flag: setting.flag(), file: secret.then(|| setting.file_name()), value, default, secret, help }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guide::tests::GUIDE;

    #[test]
    fn the_reference_has_a_row_for_every_setting_below_its_task() {
        let text = markdown(&GUIDE);
        assert!(text.starts_with("### Access\n\nTo say who you are.\n\n| variable |"), "{text}");
        assert!(text.contains("| `STOP_TIMEOUT`, `GRACE` | `--stop-timeout SECONDS` | `30` | the platform's time"));
        assert!(text.contains("| `ACCESS_TOKEN`, `TOKEN` | `--access-token-file TOKEN` |  | what opens the door; or `ACCESS_TOKEN_FILE`"));
    }

    #[test]
    fn exit_codes_have_a_row_each() {
        assert!(markdown_exit_codes(GUIDE.exit_codes).ends_with("| 0 | fine |\n| 143 | cut |\n"));
    }

    #[test]
    fn a_program_can_read_all_that_there_is() {
        let read: serde_json::Value = serde_json::from_str(&json(&GUIDE)).unwrap();
        insta::assert_snapshot!(serde_json::to_string_pretty(&read).unwrap());
    }
}
