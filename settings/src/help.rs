//! The same table as text for a terminal and as Markdown for the reference.

use std::fmt::Write as _;

use crate::{Setting, Table};

const WIDTH: usize = 132;

/// The settings as an aligned, grouped list for `--help`.
pub fn render(table: Table) -> String {
    let left: Vec<(&Setting, String)> = table.0.iter().map(|setting| (setting, format!("{} {}", setting.name, setting.value))).collect();
    let column = left.iter().map(|(_, text)| text.chars().count()).max().unwrap_or(0) + 4;
    let mut text = String::new();
    for group in table.groups() {
        let _ = writeln!(text, "{group}:");
        for (setting, head) in left.iter().filter(|(setting, _)| setting.group == group) {
            let mut lines = wrap(&sentence(setting), WIDTH.saturating_sub(column)).into_iter();
            let _ = writeln!(text, "  {head:<width$}{}", lines.next().unwrap_or_default(), width = column - 2);
            for line in lines {
                let _ = writeln!(text, "{:column$}{line}", "");
            }
        }
        text.push('\n');
    }
    text
}

/// The settings as Markdown tables, one per group.
pub fn markdown(table: Table) -> String {
    let mut text = String::new();
    for group in table.groups() {
        let _ = writeln!(text, "### {group}\n\n| variable | flag | default | meaning |\n|---|---|---|---|");
        for setting in table.0.iter().filter(|setting| setting.group == group) {
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

/// Exit codes with their meanings as a list for `--help`.
pub fn render_exit_codes(codes: &[(u8, &str)]) -> String {
    codes.iter().fold("Exit codes:\n".to_owned(), |mut text, (code, meaning)| {
        let _ = writeln!(text, "  {code:<5}{meaning}");
        text
    })
}

/// Exit codes with their meanings as a Markdown table.
pub fn markdown_exit_codes(codes: &[(u8, &str)]) -> String {
    codes.iter().fold("### Exit codes\n\n| code | meaning |\n|---|---|\n".to_owned(), |mut text, (code, meaning)| {
        let _ = writeln!(text, "| {code} | {meaning} |");
        text
    })
}

/// Other names, and the files of secrets, are left to the reference: this is what one reads to find a setting.
fn sentence(setting: &Setting) -> String {
    if setting.default.is_empty() { setting.help.to_owned() } else { format!("{} [{}]", setting.help, setting.default) }
}

fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.last_mut().expect("there is always a line");
        if last.is_empty() {
            last.push_str(word);
        } else if last.chars().count() + 1 + word.chars().count() <= width {
            last.push(' ');
            last.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: Table = Table(&[
        Setting {
            name: "STOP_TIMEOUT",
            aliases: &["GRACE"],
            group: "Stop",
            value: "SECONDS",
            default: "30",
            secret: false,
            help: "how long a stop may take",
        },
        Setting {
            name: "ACCESS_TOKEN",
            aliases: &[],
            group: "GitHub",
            value: "TOKEN",
            default: "",
            secret: true,
            help: "personal access token",
        },
    ]);

    #[test]
    fn help_is_grouped_and_aligned() {
        assert_eq!(
            render(TABLE),
            "Stop:\n  STOP_TIMEOUT SECONDS  how long a stop may take [30]\n\n\
             GitHub:\n  ACCESS_TOKEN TOKEN    personal access token\n\n"
        );
    }

    #[test]
    fn the_reference_has_a_row_for_every_setting() {
        let text = markdown(TABLE);
        assert!(text.contains("| `STOP_TIMEOUT`, `GRACE` | `--stop-timeout SECONDS` | `30` | how long a stop may take |"));
        assert!(text.contains("| `ACCESS_TOKEN` | `--access-token-file TOKEN` |  | personal access token; or `ACCESS_TOKEN_FILE`"));
    }

    #[test]
    fn exit_codes_have_a_line_or_a_row_each() {
        let codes = [(0, "fine"), (143, "cut")];
        assert_eq!(render_exit_codes(&codes), "Exit codes:\n  0    fine\n  143  cut\n");
        assert!(markdown_exit_codes(&codes).ends_with("| 0 | fine |\n| 143 | cut |\n"));
    }

    #[test]
    fn long_sentences_wrap_at_words() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
    }
}
