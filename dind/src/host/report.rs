//! The answer of `check`, for people and for programs.

use std::fmt::Write as _;

use serde::Serialize;

use super::{
    Prerequisite, Weight,
    cures::{Cure, Platform, Telling},
};

/// What `check` found.
#[derive(Debug)]
pub struct Report<'a> {
    /// In the order in which it is told.
    pub pages: &'a [Prerequisite],
    /// Whose settings cure what is wrong; all when it is not known.
    pub platform: Option<Platform>,
    /// What the program would end with.
    pub exit_code: u8,
}

impl Report<'_> {
    fn count(&self, weight: Weight) -> usize {
        self.pages.iter().flat_map(|page| &page.findings).filter(|finding| finding.weight == weight).count()
    }

    /// For people: a line for each prerequisite, what is wrong below it, what cures it below that.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut telling = Telling::default();
        // Writing to a string cannot fail.
        for page in self.pages {
            let _ = writeln!(text, "{:<5} {:<16} {}", status(page), page.name, page.seen);
            for finding in &page.findings {
                for line in telling.lines(finding, self.platform) {
                    let _ = writeln!(text, "      {line}");
                }
            }
        }
        let warnings = match self.count(Weight::Warning) {
            0 => String::new(),
            1 => "; 1 warning".to_owned(),
            count => format!("; {count} warnings"),
        };
        let _ = match self.count(Weight::Refusal) {
            0 => writeln!(text, "\ndocker can be started here{warnings}"),
            1 => writeln!(text, "\n1 thing stands in the way of docker here{warnings}"),
            count => writeln!(text, "\n{count} things stand in the way of docker here{warnings}"),
        };
        text
    }

    /// For programs: one line of JSON.
    pub fn json(&self) -> String {
        let platforms = || Platform::ALL.into_iter().filter(|told| self.platform.is_none_or(|platform| platform == *told));
        let prerequisites = self.pages.iter().map(|page| PageJson {
            name: page.name,
            status: status(page),
            seen: &page.seen,
            findings: page
                .findings
                .iter()
                .map(|finding| FindingJson {
                    status: word(Some(finding.weight)),
                    what: &finding.what,
                    hint: match &finding.cure {
                        Cure::Anywhere(hint) => Some(hint.as_ref()),
                        _ => None,
                    },
                    cures: platforms().filter_map(|platform| Some((platform.name(), finding.cure.on(platform)?))).collect(),
                })
                .collect(),
        });
        let document = Document {
            status: word(self.pages.iter().filter_map(Prerequisite::worst).max()),
            exit_code: self.exit_code,
            platform: self.platform.map(Platform::name),
            prerequisites: prerequisites.collect(),
        };
        serde_json::to_string(&document).unwrap_or_default() + "\n"
    }
}

fn status(page: &Prerequisite) -> &'static str {
    word(page.worst())
}

fn word(weight: Option<Weight>) -> &'static str {
    match weight {
        None => "ok",
        Some(Weight::Warning) => "warn",
        Some(Weight::Refusal) => "FAIL",
    }
}

#[derive(Serialize)]
struct Document<'a> {
    status: &'static str,
    exit_code: u8,
    platform: Option<&'static str>,
    prerequisites: Vec<PageJson<'a>>,
}

#[derive(Serialize)]
struct PageJson<'a> {
    name: &'static str,
    status: &'static str,
    seen: &'a str,
    findings: Vec<FindingJson<'a>>,
}

#[derive(Serialize)]
struct FindingJson<'a> {
    status: &'static str,
    what: &'a str,
    hint: Option<&'a str>,
    cures: std::collections::BTreeMap<&'static str, &'static str>,
}
