//! The answer for programs: one line of JSON. `docs/check.md` has what stands in it.

use std::{collections::BTreeMap, path::Path};

use serde::Serialize;
use settings::{Effective, Origin};

use crate::{Check, Checkup, Cure, Finding, Platform, Status};

/// Changes when a reader of the one before would go wrong.
const SCHEMA: u32 = 1;

impl Checkup {
    /// For programs: one line of JSON.
    pub fn json(&self) -> String {
        let document = Document {
            schema: SCHEMA,
            program: self.program,
            version: self.version,
            status: word(self.status()),
            exit_code: self.exit_code(),
            summary: self.summary(),
            platform: self.platform.map(Platform::name),
            configuration: self.configuration.iter().map(|(name, value)| Line { name, value }).collect(),
            settings: self.settings.iter().map(SettingJson::of).collect(),
            sections: self
                .sections
                .iter()
                .map(|section| SectionJson {
                    name: section.name,
                    checks: section.checks.iter().map(|check| CheckJson::of(check, self.platform)).collect(),
                })
                .collect(),
        };
        // Strings and numbers alone cannot fail to be written.
        serde_json::to_string(&document).unwrap_or_default() + "\n"
    }
}

fn word(status: Status) -> &'static str {
    match status {
        Status::Ok => "ok",
        Status::Warn => "warn",
        Status::Fail => "fail",
    }
}

#[derive(Serialize)]
struct Document<'a> {
    schema: u32,
    program: &'a str,
    version: &'a str,
    status: &'static str,
    exit_code: u8,
    summary: String,
    platform: Option<&'static str>,
    configuration: Vec<Line<'a>>,
    settings: Vec<SettingJson<'a>>,
    sections: Vec<SectionJson<'a>>,
}

#[derive(Serialize)]
struct Line<'a> {
    name: &'a str,
    value: &'a str,
}

#[derive(Serialize)]
struct SettingJson<'a> {
    name: &'a str,
    group: &'a str,
    secret: bool,
    set: bool,
    value: Option<&'a str>,
    from: From<'a>,
}

/// `kind` says which of the others there are.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum From<'a> {
    Variable { name: &'a str },
    Flag { name: &'a str },
    File { path: &'a Path },
    Default,
    Unset,
}

impl<'a> SettingJson<'a> {
    fn of(setting: &'a Effective) -> Self {
        let from = match &setting.origin {
            Origin::Variable(name) => From::Variable { name },
            Origin::Flag(name) => From::Flag { name },
            Origin::File(path) => From::File { path },
            Origin::Default => From::Default,
            Origin::Unset => From::Unset,
        };
        Self {
            name: setting.name,
            group: setting.group,
            secret: setting.secret,
            set: setting.is_set(),
            value: setting.value.as_deref(),
            from,
        }
    }
}

#[derive(Serialize)]
struct SectionJson<'a> {
    name: &'a str,
    checks: Vec<CheckJson<'a>>,
}

#[derive(Serialize)]
struct CheckJson<'a> {
    name: &'a str,
    status: &'static str,
    seen: &'a str,
    findings: Vec<FindingJson<'a>>,
}

impl<'a> CheckJson<'a> {
    fn of(check: &'a Check, platform: Option<Platform>) -> Self {
        let findings = check.findings.iter().map(|finding| FindingJson::of(finding, platform)).collect();
        Self { name: check.name, status: word(check.status()), seen: &check.seen, findings }
    }
}

#[derive(Serialize)]
struct FindingJson<'a> {
    status: &'static str,
    what: &'a str,
    hint: Option<&'a str>,
    cures: BTreeMap<&'static str, &'a str>,
}

impl<'a> FindingJson<'a> {
    fn of(finding: &'a Finding, platform: Option<Platform>) -> Self {
        let (hint, cures) = match &finding.cure {
            Cure::None => (None, BTreeMap::new()),
            Cure::Anywhere(hint) => (Some(hint.as_str()), BTreeMap::new()),
            Cure::On(cures) => {
                let ours = cures.iter().filter(|(told, _)| platform.is_none_or(|platform| platform == *told));
                (None, ours.map(|(platform, words)| (platform.name(), words.as_str())).collect())
            }
        };
        Self { status: word(Status::of(Some(finding.weight))), what: &finding.what, hint, cures }
    }
}
