//! Man pages, made with roff from what a program says of itself, and from what no program needs to know: examples and neighbours.

mod surroundings;

use roff::{Inline, Roff, bold, italic, roman};

use crate::program::{Choice, Command, Program, Setting};
use surroundings::{Example, Surroundings};

/// The page of a program in section 1.
pub(crate) fn man_page(program: &Program) -> String {
    let around = Surroundings::of(&program.name);
    let mut page = Page { roff: Roff::new(), program };
    // No date: the page of a version is the same wherever it is made.
    let source = format!("{} {}", program.name, program.version);
    page.roff.control("TH", [&*program.name.to_uppercase(), "1", "\"\"", &source, "User Commands"]);
    page.section("NAME");
    page.roff.text([roman(format!("{} - {}", program.name, around.name))]);
    page.synopsis();
    page.section("DESCRIPTION");
    page.paragraphs(&program.about);
    page.roff.control("PP", []);
    page.paragraphs(around.description);
    page.section("COMMANDS");
    program.commands.iter().for_each(|command| page.command(command));
    page.settings();
    page.section("EXIT STATUS");
    page.codes(&program.exit_codes);
    page.section("FILES");
    for (path, what) in around.files {
        page.item([italic(*path)], what);
    }
    page.section("EXAMPLES");
    for (number, example) in around.examples.iter().enumerate() {
        page.example(example, number == 0);
    }
    page.section("SEE ALSO");
    page.see_also(around.see_also);
    page.roff.render()
}

struct Page<'a> {
    roff: Roff,
    program: &'a Program,
}

impl Page<'_> {
    fn section(&mut self, name: &str) {
        self.roff.control("SH", [name]);
    }

    fn synopsis(&mut self) {
        self.section("SYNOPSIS");
        let name = self.program.name.clone();
        let mut first = true;
        let of_commands = self.program.commands.iter().flat_map(|command| {
            command.usage.lines().chain(command.usage.is_empty().then_some("")).map(|usage| (command.name.as_str(), usage))
        });
        let families: Vec<&str> =
            self.program.commands.iter().filter_map(|command| command.name.split_once(' ')).map(|(family, _)| family).collect();
        for (command, usage) in of_commands.filter(|(command, _)| !families.contains(command)).chain([("help", "[WORD]")]) {
            if !first {
                self.roff.control("br", []);
            }
            first = false;
            let command = if command == "run" { "[run]" } else { command };
            self.roff.text([bold(format!("{name} {command}")), roman(" "), italic(usage)]);
        }
    }

    /// Paragraphs are lines of their own.
    fn paragraphs(&mut self, text: &str) {
        for (number, line) in text.lines().enumerate() {
            if number > 0 {
                self.roff.control("PP", []);
            }
            self.roff.text([roman(line)]);
        }
    }

    fn item(&mut self, head: impl Into<Vec<Inline>>, text: &str) {
        self.roff.control("TP", []);
        self.roff.text(head);
        self.roff.text([roman(text)]);
    }

    fn command(&mut self, command: &Command) {
        self.roff.control("SS", [&*format!("{} {}", self.program.name, command.name)]);
        self.roff.text([roman(sentence(&command.about))]);
        if !command.more.is_empty() {
            self.roff.control("PP", []);
            self.paragraphs(&command.more);
        }
        for choice in &command.options {
            self.item(head(choice), &with_default(&choice.help, &choice.default));
        }
        if command.settings {
            self.roff.control("PP", []);
            self.roff.text([roman("All settings below are its options, too.")]);
        }
        if !command.exit_codes.is_empty() {
            self.roff.control("PP", []);
            self.roff.text([roman("It ends with")]);
            self.codes(&command.exit_codes);
        }
    }

    fn codes(&mut self, codes: &[(u8, String)]) {
        for (code, meaning) in codes {
            self.item([bold(code.to_string())], meaning);
        }
    }

    fn settings(&mut self) {
        let program = self.program;
        self.section("SETTINGS");
        self.paragraphs(&program.note);
        self.roff.control("PP", []);
        let mut text = vec![roman("To begin with: ")];
        for (number, name) in program.first.iter().enumerate() {
            let between = if number == 0 {
                ""
            } else if number + 1 == program.first.len() {
                " and "
            } else {
                ", "
            };
            text.extend([roman(between), bold(name.clone())]);
        }
        text.push(roman("."));
        self.roff.text(text);
        for group in &program.groups {
            self.roff.control("SS", [&*group.name]);
            self.roff.text([roman(format!("To {}.", group.task))]);
            group.settings.iter().for_each(|setting| self.setting(setting));
        }
    }

    fn setting(&mut self, setting: &Setting) {
        let form = if setting.file.is_some() { "PATH" } else { &setting.value };
        let head =
            [bold(setting.name.clone()), roman("="), italic(setting.value.clone()), roman(", "), bold(format!("--{}", setting.flag))];
        self.item([&head[..], &[roman(" "), italic(form)]].concat(), &with_default(&setting.help, &setting.default));
        let mut more = Vec::new();
        if let Some(file) = &setting.file {
            more.extend([bold(file.clone()), roman(" names a file that holds it, which is read anew at each use.")]);
        }
        if !setting.aliases.is_empty() {
            more.push(roman(if more.is_empty() { "The same: " } else { " The same: " }));
            for (number, alias) in setting.aliases.iter().enumerate() {
                more.extend([roman(if number == 0 { "" } else { ", " }), bold(alias.clone())]);
            }
            more.push(roman("."));
        }
        if !more.is_empty() {
            self.roff.control("br", []);
            self.roff.text(more);
        }
    }

    fn example(&mut self, example: &Example, first: bool) {
        if !first {
            self.roff.control("PP", []);
        }
        self.roff.text([roman(example.what)]);
        self.roff.control("PP", []);
        self.roff.control("nf", []);
        self.roff.control("RS", ["4"]);
        example.lines.iter().for_each(|line| {
            self.roff.text([roman(*line)]);
        });
        self.roff.control("RE", []);
        self.roff.control("fi", []);
    }

    fn see_also(&mut self, pages: &[(&str, &str)]) {
        let mut text = Vec::new();
        for (number, (page, section)) in pages.iter().enumerate() {
            text.extend([roman(if number == 0 { "" } else { ", " }), bold(*page), roman(format!("({section})"))]);
        }
        self.roff.text(text);
        self.roff.control("PP", []);
        self.roff.text([roman(
            "The project's README and docs/ have the settings as tables, the tool cache, the docker sidecar and deployments.",
        )]);
    }
}

fn head(choice: &Choice) -> Vec<Inline> {
    let mut head = Vec::new();
    if let Some(letter) = choice.short {
        head.extend([bold(format!("-{letter}")), roman(", ")]);
    }
    head.push(bold(format!("--{}", choice.long)));
    if !choice.value.is_empty() {
        head.extend([roman(" "), italic(choice.value.clone())]);
    }
    head
}

/// A help text, which keeps its small first letter (it may be a program's name or a value), and what holds when nothing is said.
fn with_default(help: &str, default: &str) -> String {
    if default.is_empty() { format!("{help}.") } else { format!("{help}. Default: {default}") }
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first: String = letters.next().map(|first| first.to_uppercase().collect()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::tests::program;

    #[test]
    fn a_page_has_every_section_command_option_setting_and_code() {
        let page = man_page(&program());
        let sections: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix(".SH ")).collect();
        let expected = ["NAME", "SYNOPSIS", "DESCRIPTION", "COMMANDS", "SETTINGS", "\"EXIT STATUS\"", "FILES", "EXAMPLES", "\"SEE ALSO\""];
        assert_eq!(sections, expected);
        for part in [
            "\\fBit [run]\\fR \\fI[\\-\\-SETTING VALUE...]\\fR\n",
            "\\fBit cache gc\\fR \\fI\\-\\-list\\fR\n",
            ".SS \"it cache gc\"\nTidy it.\n.TP\n\\fB\\-u\\fR, \\fB\\-\\-unused\\-for\\fR \\fISPAN\\fR\nhow long. Default: 30d\n",
            "\\fBACCESS_TOKEN\\fR=\\fITOKEN\\fR, \\fB\\-\\-access\\-token\\-file\\fR \\fIPATH\\fR\n",
            "\\fBACCESS_TOKEN_FILE\\fR names a file that holds it, which is read anew at each use. The same: \\fBTOKEN\\fR.\n",
            ".SS Access\nTo say who you are.\n",
            "which. Default: auto\n",
            ".TP\n\\fB143\\fR\ncut\n",
        ] {
            assert!(page.contains(part), "{part:?} is not in\n{page}");
        }
    }

    #[test]
    fn what_looks_like_a_request_of_roff_is_text() {
        let page = man_page(&program());
        assert!(page.contains("\n\\&.packs is a folder.\n"), "{page}");
        assert!(page.contains("`\\en`") || page.contains("`\\\\n`"), "{page}");
    }
}
