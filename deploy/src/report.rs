//! What was found, and how it is told.

use std::fmt::Write as _;

use serde::Serialize;

use crate::{
    rules::{RULES, Rule, Severity},
    tree::{Node, Place},
};

/// One thing that is wrong.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// The rule's name, which stays the same from release to release.
    pub rule: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// How one gets there, as in `containerDefinitions[1].image`; empty for the file as a whole.
    pub path: String,
    /// What is wrong. Never a secret's value.
    pub message: String,
    /// What to do.
    pub hint: String,
}

/// What there is to say of one file.
#[derive(Debug, Serialize)]
pub struct Judged {
    /// As it was named by whoever asked.
    pub file: String,
    /// `ecs`, `compose`, `kubernetes`, `nomad` or `unknown`.
    pub kind: &'static str,
    /// In the file's order.
    pub findings: Vec<Finding>,
}

/// Findings of one document as they come.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    list: Vec<(Rule, Place, String, String)>,
}

impl Findings {
    pub(crate) fn add(&mut self, rule: Rule, at: Place, message: impl Into<String>, hint: impl Into<String>) {
        self.list.push((rule, at, message.into(), hint.into()));
    }

    /// Whether this rule has spoken of this place.
    pub(crate) fn has(&self, rule: Rule, at: Place) -> bool {
        self.list.iter().any(|(other, place, ..)| other.name == rule.name && *place == at)
    }

    /// With paths, which a document that could not be read has not.
    pub(crate) fn finish(self, document: Option<&Node>) -> Vec<Finding> {
        let places: Vec<Place> = self.list.iter().map(|(_, at, ..)| *at).collect();
        let paths = document.map_or_else(|| vec![String::new(); places.len()], |document| document.paths(&places));
        let found = self.list.into_iter().zip(paths);
        found
            .map(|((rule, at, message, hint), path)| Finding {
                rule: rule.name,
                severity: rule.severity,
                line: at.line,
                column: at.column,
                path,
                message,
                hint,
            })
            .collect()
    }
}

/// In the order in which one reads.
pub(crate) fn sort(findings: &mut Vec<Finding>) {
    findings.sort_by(|a, b| (a.line, a.column, a.severity, a.rule, &a.message).cmp(&(b.line, b.column, b.severity, b.rule, &b.message)));
    // What an alias repeats is one fault of one line.
    findings.dedup_by(|a, b| (a.line, a.column, a.rule, &a.message) == (b.line, b.column, b.rule, &b.message));
}

/// How many of a severity there are in all files.
pub(crate) fn count(files: &[Judged], severity: Severity) -> usize {
    files.iter().flat_map(|file| &file.findings).filter(|finding| finding.severity == severity).count()
}

/// For people: a line for each finding as compilers have it, its hint, and a count.
pub(crate) fn human(files: &[Judged]) -> String {
    let mut text = String::new();
    for file in files {
        for Finding { rule, severity, line, column, message, hint, .. } in &file.findings {
            let _ = writeln!(text, "{}:{line}:{column}: {}: {message} ({rule})", file.file, severity.word());
            if !hint.is_empty() {
                let _ = writeln!(text, "hint: {hint}");
            }
        }
    }
    let counted = [(Severity::Error, "error"), (Severity::Warning, "warning"), (Severity::Note, "note")]
        .map(|(severity, word)| plural(count(files, severity), word));
    let _ = writeln!(text, "{}: {}", plural(files.len(), "file"), counted.join(", "));
    text
}

fn plural(number: usize, word: &str) -> String {
    format!("{number} {word}{}", if number == 1 { "" } else { "s" })
}

/// For programs: one document.
pub(crate) fn json(files: &[Judged]) -> String {
    #[derive(Serialize)]
    struct Report<'a> {
        files: &'a [Judged],
        errors: usize,
        warnings: usize,
    }
    let report = Report { files, errors: count(files, Severity::Error), warnings: count(files, Severity::Warning) };
    // Strings, numbers and lists: nothing of it can fail to be JSON.
    serde_json::to_string_pretty(&report).unwrap_or_default() + "\n"
}

/// Every rule with its line.
pub(crate) fn rules(markdown: bool) -> String {
    let mut text = if markdown { "| rule | severity | what is wrong |\n|---|---|---|\n".to_owned() } else { String::new() };
    let width = RULES.iter().map(|rule| rule.name.len()).max().unwrap_or(0);
    for Rule { name, severity, about } in RULES {
        let _ = match markdown {
            true => writeln!(text, "| `{name}` | {} | {about} |", severity.word()),
            false => writeln!(text, "{name:width$}  {:7}  {about}", severity.word()),
        };
    }
    text
}
