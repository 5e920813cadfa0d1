//! A guide as text for a terminal.

use std::fmt::Write as _;

use crate::{Command, Group, Guide, Setting, Switch, Topic};

/// What is left of the column of explanations; what is longer has a line of its own.
const HEAD: usize = 27;

/// The same in the facts about one setting.
const FACT: usize = 11;

/// How wide text is that goes to no terminal, or to one that is too narrow for tables.
pub const NARROW: usize = 80;

/// Lines that are longer than this are hard to follow, however wide the terminal is.
pub const WIDE: usize = 100;

/// The help about a topic, in lines of at most `width` columns, which is kept between [`NARROW`] and [`WIDE`].
pub fn render(guide: &Guide, topic: &Topic, width: usize) -> String {
    let mut page = Page { text: String::new(), width: width.clamp(NARROW, WIDE) };
    match topic {
        Topic::Overview => page.overview(guide),
        Topic::All => {
            guide.groups.iter().for_each(|group| page.group(guide, group));
            page.text.truncate(page.text.trim_end().len() + 1);
        }
        Topic::About(words) => page.about(guide, words),
    }
    page.text
}

/// The help about one of `commands`, by its name, without a guide: for a program in a program.
pub fn render_command(program: &str, commands: &[Command], name: &str, width: usize) -> String {
    let mut page = Page { text: String::new(), width: width.clamp(NARROW, WIDE) };
    if let Some(command) = commands.iter().find(|command| command.name == name) {
        page.command(program, command, &commands.iter().collect::<Vec<_>>());
    }
    page.text
}

struct Page {
    text: String,
    width: usize,
}

impl Page {
    fn overview(&mut self, guide: &Guide) {
        let Guide { program, about, .. } = guide;
        self.paragraph(about);
        let _ = writeln!(self.text, "\nUsage: {program} [COMMAND] [OPTION...]\n\nCommands:");
        let commands = guide.all_commands().filter(|command| command.family().is_none());
        self.rows(commands.map(|command| (command.name.to_owned(), command.about.to_owned())));
        self.rows([("help [WORD]".to_owned(), "more about a command, a task or a setting".to_owned())]);
        self.heading("To begin with");
        self.rows(guide.first_settings().into_iter().map(row));
        self.text.push('\n');
        self.paragraph(guide.note);
        self.heading("All settings, by task");
        self.rows(guide.groups.iter().map(|group| (format!("help {}", group.word), group.task.to_owned())));
        self.rows([("help all".to_owned(), "every setting".to_owned())]);
        self.text.push('\n');
        self.exit_codes(guide.exit_codes);
        let _ = writeln!(self.text, "\nMore: man {program}, or docs/settings.md of the project");
    }

    /// Several things may go by one name: all of them are meant.
    fn about(&mut self, guide: &Guide, words: &str) {
        if let Some(group) = guide.group(words) {
            self.group(guide, group);
        }
        if let Some(command) = guide.command(words) {
            self.command(guide.program, command, &guide.all_commands().collect::<Vec<_>>());
        } else if let Some(setting) = guide.setting(words) {
            self.setting(guide, setting);
        }
        self.text.truncate(self.text.trim_end().len());
        self.text.push('\n');
    }

    fn group(&mut self, guide: &Guide, group: &Group) {
        let _ = writeln!(self.text, "{}: {}", group.name, group.task);
        self.rows(guide.settings(group).into_iter().map(row));
        self.text.push('\n');
    }

    fn setting(&mut self, guide: &Guide, setting: &Setting) {
        let Setting { name, value, default, help, .. } = setting;
        let _ = writeln!(self.text, "{name}={value}");
        self.block(help, 2);
        let mut facts = vec![("flag", format!("--{} {}", setting.flag(), if setting.secret { "PATH" } else { value }))];
        if setting.secret {
            facts.push(("file", format!("{} names a file that holds it, which is read anew at each use", setting.file_name())));
        }
        if !default.is_empty() {
            facts.push(("default", (*default).to_owned()));
        }
        if !setting.aliases.is_empty() {
            facts.push(("also", setting.aliases.join(", ")));
        }
        if let Some(group) = guide.groups.iter().find(|group| group.name == setting.group) {
            facts.push(("group", format!("{} ({} help {})", group.name, guide.program, group.word)));
        }
        self.text.push('\n');
        self.table(FACT, facts.into_iter().map(|(fact, text)| (fact.to_owned(), text)));
    }

    fn command(&mut self, program: &str, command: &Command, commands: &[&Command]) {
        let Command { name, about, more, switches, .. } = command;
        let members: Vec<&&Command> = commands.iter().filter(|other| other.family() == Some(name)).collect();
        self.block(&format!("{}.", capitalised(about)), 0);
        let mut before = "\nUsage: ";
        for usage in command.usage.split('\n') {
            let _ = writeln!(self.text, "{before}{}", format!("{program} {name} {usage}").trim_end());
            before = "       ";
        }
        if !members.is_empty() {
            self.heading("Commands");
            self.rows(members.iter().map(|member| {
                let verb = member.name.strip_prefix(name).unwrap_or(member.name).trim_start();
                (verb.to_owned(), member.about.to_owned())
            }));
            let _ = writeln!(self.text, "\n`{program} help {name} WORD` has the options of one.");
        }
        if !switches.is_empty() {
            self.heading("Options");
            self.rows(switches.iter().map(|switch| (switch.head(), with_default(switch))));
        }
        if command.settings {
            self.text.push('\n');
            let _ = writeln!(self.text, "Every setting is an option, too: {program} help all");
        }
        if !more.is_empty() {
            self.text.push('\n');
            self.paragraph(more);
        }
        if !command.exit_codes.is_empty() {
            self.text.push('\n');
            self.exit_codes(command.exit_codes);
        }
    }

    fn heading(&mut self, text: &str) {
        let _ = writeln!(self.text, "\n{text}:");
    }

    /// Paragraphs, which are apart by their line breaks.
    fn paragraph(&mut self, text: &str) {
        text.lines().for_each(|line| self.block(line, 0));
    }

    fn block(&mut self, text: &str, indent: usize) {
        for line in wrap(text, self.width - indent) {
            let _ = writeln!(self.text, "{}", format!("{:indent$}{line}", "").trim_end());
        }
    }

    /// Names, and what they are, below each other.
    fn rows(&mut self, rows: impl IntoIterator<Item = (String, String)>) {
        self.table(HEAD, rows);
    }

    /// The same with as much room for the names.
    fn table(&mut self, column: usize, rows: impl IntoIterator<Item = (String, String)>) {
        for (head, help) in rows {
            let mut lines = wrap(&help, self.width - column).into_iter();
            // Two columns before it, and two behind it at least.
            if head.chars().count() + 4 <= column {
                let _ = writeln!(self.text, "  {head:<width$}{}", lines.next().unwrap_or_default(), width = column - 2);
            } else {
                let _ = writeln!(self.text, "  {head}");
            }
            lines.for_each(|line| {
                let _ = writeln!(self.text, "{:column$}{line}", "");
            });
        }
    }

    fn exit_codes(&mut self, codes: &[(u8, &str)]) {
        self.text.push_str("Exit codes:\n");
        for (code, meaning) in codes {
            let mut before = format!("  {code:<5}");
            for line in wrap(meaning, self.width - 7) {
                let _ = writeln!(self.text, "{before}{line}");
                before = " ".repeat(7);
            }
        }
    }
}

/// Other names, and the files of secrets, are left to the help of the setting: this is what one reads to find it.
fn row(setting: &Setting) -> (String, String) {
    let Setting { name, value, default, help, .. } = setting;
    (format!("{name} {value}"), if default.is_empty() { (*help).to_owned() } else { format!("{help} [{default}]") })
}

fn with_default(switch: &Switch) -> String {
    if switch.default.is_empty() { switch.help.to_owned() } else { format!("{} [{}]", switch.help, switch.default) }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
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
    use crate::guide::tests::GUIDE;

    fn about(word: &str) -> String {
        render(&GUIDE, &GUIDE.topic(word).unwrap(), 0)
    }

    #[test]
    fn the_overview_has_what_one_begins_with_and_says_where_the_rest_is() {
        insta::assert_snapshot!(render(&GUIDE, &Topic::Overview, NARROW));
    }

    #[test]
    fn a_word_that_is_a_group_and_a_command_is_both() {
        insta::assert_snapshot!(about("stop"));
    }

    #[test]
    fn a_command_has_its_usage_its_options_and_its_exit_codes() {
        insta::assert_snapshot!(format!("{}---\n{}", about("stop now"), about("health")));
        assert_eq!(render_command("it", GUIDE.commands[1], "stop now", 0), about("stop now"));
    }

    #[test]
    fn a_setting_has_all_its_names_its_file_its_default_and_its_group() {
        insta::assert_snapshot!(format!("{}---\n{}", about("TOKEN"), about("--stop-timeout")));
    }

    #[test]
    fn the_width_is_the_terminals_between_eighty_and_a_hundred_columns() {
        let longest = |width| render(&GUIDE, &Topic::Overview, width).lines().map(|line| line.chars().count()).max().unwrap_or(0);
        assert!((NARROW - 8..=NARROW).contains(&longest(0)), "{}", longest(0));
        assert!((WIDE - 8..=WIDE).contains(&longest(400)), "{}", longest(400));
        assert_eq!(longest(20), longest(NARROW));
    }

    #[test]
    fn every_setting_is_in_the_help_of_all() {
        let text = render(&GUIDE, &Topic::All, NARROW);
        assert!(GUIDE.table.0.iter().all(|setting| text.contains(&format!("\n  {} ", setting.name))), "{text}");
    }

    #[test]
    fn long_sentences_wrap_at_words() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
    }
}
