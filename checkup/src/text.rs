//! The answer for people: aligned, in sections, the verdict last.

use std::{borrow::Cow, fmt::Write as _};

use crate::{Check, Checkup, Finding, Platform, Status};

/// How it is written. By default plainly, and each thing on one line however long: as a log or a pipe wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Style {
    /// With colours.
    pub colour: bool,
    /// Lines end here, in columns.
    pub width: Option<usize>,
}

/// No column of names is wider; a longer name moves its own line.
const WIDEST_NAME: usize = 26;

/// Where what belongs to a check begins.
const BELOW: usize = 8;

/// A line narrower than that is no line.
const LEAST_ROOM: usize = 24;

const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const GREEN: &str = "\x1b[32m";
const YELLOW: &str = "\x1b[33m";
const RED: &str = "\x1b[1;31m";
const CYAN: &str = "\x1b[36m";
const PLAIN: &str = "\x1b[0m";

impl Checkup {
    /// For people: what is in effect, a line for each thing that was looked at with what is wrong and what cures it below, and the
    /// verdict.
    pub fn text(&self, style: Style) -> String {
        let mut page = Page { text: String::new(), style };
        page.line(0, &format!("{} {}", self.program, self.version), BOLD, "", "");
        let set: Vec<(&str, String)> =
            self.settings.iter().filter(|setting| setting.is_set()).map(|setting| (setting.name, setting.told())).collect();
        page.table("Set", &set);
        page.table("Configuration", &self.configuration);
        let names = self.checks().map(|check| check.name.chars().count()).max().unwrap_or(0).min(WIDEST_NAME);
        let mut telling = Telling::default();
        for section in self.sections.iter().filter(|section| !section.checks.is_empty()) {
            page.heading(section.name);
            for check in &section.checks {
                page.check(check, names, &mut telling, self.platform);
            }
        }
        page.text.push('\n');
        let colour = tint(self.status());
        page.line(0, "", "", &self.summary(), if self.status() == Status::Ok { GREEN } else { colour });
        page.text
    }
}

/// The lines of findings. A cure that was told before is not told again, but where.
#[derive(Debug, Default)]
pub struct Telling<'a> {
    told: Vec<(Vec<String>, &'a str)>,
}

impl<'a> Telling<'a> {
    /// What is wrong, and the lines that begin with `hint: `.
    pub fn lines(&mut self, finding: &'a Finding, platform: Option<Platform>) -> Vec<String> {
        let mut lines: Vec<String> = finding.what.lines().map(str::to_owned).collect();
        let hints = finding.hints(platform);
        match self.told.iter().find(|(told, _)| *told == hints && !hints.is_empty()) {
            Some((_, before)) => lines.push(format!("hint: as for \"{before}\"")),
            None => {
                lines.extend(hints.iter().map(|hint| format!("hint: {hint}")));
                self.told.push((hints, finding.what.split_once(':').map_or(&finding.what, |(about, _)| about)));
            }
        }
        lines
    }
}

fn tint(status: Status) -> &'static str {
    match status {
        Status::Ok => GREEN,
        Status::Warn => YELLOW,
        Status::Fail => RED,
    }
}

struct Page {
    text: String,
    style: Style,
}

impl Page {
    fn heading(&mut self, name: &str) {
        self.text.push('\n');
        self.line(0, name, BOLD, "", "");
    }

    fn table<N: AsRef<str>>(&mut self, heading: &str, rows: &[(N, String)]) {
        if rows.is_empty() {
            return;
        }
        self.heading(heading);
        let names = rows.iter().map(|(name, _)| name.as_ref().chars().count()).max().unwrap_or(0).min(WIDEST_NAME);
        for (name, value) in rows {
            let name = name.as_ref();
            self.line(2, &format!("{name:<names$}  "), DIM, value, "");
        }
    }

    fn check<'a>(&mut self, check: &'a Check, names: usize, telling: &mut Telling<'a>, platform: Option<Platform>) {
        let word = match check.status() {
            Status::Ok => "ok",
            Status::Warn => "warn",
            Status::Fail => "FAIL",
        };
        let head = format!("{:<6}", word);
        let name = format!("{:<names$}  ", check.name);
        self.line_of(2, &[(&head, tint(check.status())), (&name, "")], &check.seen, "");
        for finding in &check.findings {
            // Among warnings of a check that failed, the failures stand out.
            let colour = if check.findings.len() > 1 && Status::of(Some(finding.weight)) == Status::Fail { BOLD } else { "" };
            for line in telling.lines(finding, platform) {
                match line.strip_prefix("hint: ") {
                    Some(hint) => self.line(BELOW, "hint: ", CYAN, hint, ""),
                    None => self.line(BELOW, "", "", &line, colour),
                }
            }
        }
    }

    /// A line of a head and a text, each with its colour; what does not fit goes on below the beginning of the text.
    fn line(&mut self, indent: usize, head: &str, colour: &str, text: &str, text_colour: &str) {
        self.line_of(indent, &[(head, colour)], text, text_colour);
    }

    fn line_of(&mut self, indent: usize, heads: &[(&str, &str)], text: &str, text_colour: &str) {
        let start = indent + heads.iter().map(|(head, _)| head.chars().count()).sum::<usize>();
        let mut line = " ".repeat(indent);
        for (head, colour) in heads {
            line.push_str(&self.painted(head, colour));
        }
        let room = self.style.width.map(|width| width.saturating_sub(start).max(LEAST_ROOM));
        let text = harmless(text);
        for (number, part) in wrapped(&text, room).into_iter().enumerate() {
            if number > 0 {
                self.put(&line);
                line = " ".repeat(start);
            }
            line.push_str(&self.painted(part, text_colour));
        }
        self.put(&line);
    }

    fn put(&mut self, line: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "{}", line.trim_end());
    }

    fn painted(&self, text: &str, colour: &str) -> String {
        if !self.style.colour || colour.is_empty() || text.trim().is_empty() {
            return text.to_owned();
        }
        // What is not seen is not coloured: some terminals underline it.
        let seen = text.trim_end();
        format!("{colour}{seen}{PLAIN}{}", &text[seen.len()..])
    }
}

/// What a job or a server may have written could move the cursor or forge a line; only the ends of lines are meant.
fn harmless(text: &str) -> Cow<'_, str> {
    let bad = |character: char| character.is_control() && character != '\n';
    if !text.contains(bad) {
        return Cow::Borrowed(text);
    }
    text.chars().map(|character| if bad(character) { character.escape_default().to_string() } else { character.to_string() }).collect()
}

/// The lines of a text, each broken at blanks so that it fits; a word that is too long stays whole, so that it can be copied.
fn wrapped(text: &str, room: Option<usize>) -> Vec<&str> {
    text.lines().flat_map(|line| broken(line, room)).collect()
}

fn broken(line: &str, room: Option<usize>) -> Vec<&str> {
    let Some(room) = room else { return vec![line] };
    let (mut parts, mut start, mut end) = (Vec::new(), 0, 0);
    for (at, word) in words(line) {
        if at > start && line[start..at + word.len()].chars().count() > room {
            parts.push(&line[start..end]);
            start = at;
        }
        end = at + word.len();
    }
    parts.push(&line[start..]);
    parts
}

/// The words of a line and where they begin.
fn words(line: &str) -> impl Iterator<Item = (usize, &str)> {
    line.split(' ').scan(0, |at, word| {
        let begins = *at;
        *at += word.len() + 1;
        Some((begins, word))
    })
}
