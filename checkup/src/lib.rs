//! What a check of either program found: sections of things that were looked at, each with what is wrong with it and what cures that.
//! As text for people ([`Checkup::text`]) and as JSON for programs ([`Checkup::json`]). Pure: whoever looks brings what was seen.

mod json;
mod platform;
#[cfg(test)]
mod tests;
mod text;

use settings::{Effective, Problems};

pub use platform::Platform;
pub use text::{Style, Telling};

/// Exit codes of failures, the one that a person must act on first before all: what is set wrong (78), what GitHub refuses (77), what the
/// host lacks (71), what is not there (69), and what may be there a little later (75).
const WORST_FIRST: [u8; 5] = [78, 77, 71, 69, 75];

/// Everything that one check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkup {
    /// The program that was checked.
    pub program: &'static str,
    /// Its version.
    pub version: &'static str,
    /// Whose cures are told; all when it is not known.
    pub platform: Option<Platform>,
    /// What the settings amount to: a heading and a line each.
    pub configuration: Vec<(&'static str, String)>,
    /// Every setting.
    pub settings: Vec<Effective>,
    /// What was looked at, in the order in which a start meets it.
    pub sections: Vec<Section>,
}

/// Things that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// A word or two.
    pub name: &'static str,
    /// In the order in which they are told.
    pub checks: Vec<Check>,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// A word or two.
    pub name: &'static str,
    /// What was seen of it, in short.
    pub seen: String,
    /// What is wrong with it.
    pub findings: Vec<Finding>,
}

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub weight: Weight,
    /// What is wrong, and what follows.
    pub what: String,
    /// What to do about it.
    pub cure: Cure,
}

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// It can go well.
    Warning,
    /// It cannot, and a start would end with this exit code.
    Failure(u8),
}

/// What helps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cure {
    /// Nothing is known that would.
    None,
    /// The same everywhere.
    Anywhere(String),
    /// What to write on each platform.
    On(Vec<(Platform, String)>),
}

impl Checkup {
    /// How it went: nothing, the worst warning or the worst failure.
    pub fn worst(&self) -> Option<Weight> {
        self.checks().filter_map(Check::worst).max_by_key(|weight| weight.rank())
    }

    /// 0 when a start would go well, with warnings or without; else the code of the worst failure.
    pub fn exit_code(&self) -> u8 {
        match self.worst() {
            Some(Weight::Failure(code)) => code,
            Some(Weight::Warning) | None => 0,
        }
    }

    /// One sentence: what would become of a start.
    pub fn summary(&self) -> String {
        let warnings = self.checks().flat_map(|check| &check.findings).filter(|finding| finding.weight == Weight::Warning).count();
        let warnings = match warnings {
            0 => None,
            1 => Some("1 warning".to_owned()),
            count => Some(format!("{count} warnings")),
        };
        let failures = self.checks().flat_map(|check| &check.findings).filter(|finding| finding.weight != Weight::Warning).count();
        let stands = match failures {
            0 => return warnings.map_or("ready to run".to_owned(), |warnings| format!("would run, with {warnings}")),
            1 => "1 thing stands".to_owned(),
            count => format!("{count} things stand"),
        };
        let failed: Vec<&str> = self.checks().filter(|check| check.status() == Status::Fail).map(|check| check.name).collect();
        let besides = warnings.map(|warnings| format!("; {warnings}")).unwrap_or_default();
        format!("{stands} in the way: {}{besides} (exit code {})", failed.join(", "), self.exit_code())
    }

    fn checks(&self) -> impl Iterator<Item = &Check> {
        self.sections.iter().flat_map(|section| &section.checks)
    }

    fn status(&self) -> Status {
        Status::of(self.worst())
    }
}

impl Check {
    /// One of which nothing is wrong so far.
    pub fn seen(name: &'static str, seen: impl Into<String>) -> Self {
        Self { name, seen: seen.into(), findings: Vec::new() }
    }

    /// The settings: understood, or everything that is wrong with them, which ends a start with `code`.
    pub fn of_settings(wrong: Option<&Problems>, code: u8) -> Self {
        let mut check = Self::seen("settings", if wrong.is_some() { "not usable" } else { "understood" });
        for problem in wrong.into_iter().flat_map(|problems| &problems.0) {
            let cure = problem.hint.clone().map_or(Cure::None, Cure::Anywhere);
            check.find(Weight::Failure(code), format!("{}: {}", problem.setting, problem.what), cure);
        }
        check
    }

    /// It can go well, but somebody should know. The message may end in lines that begin with `hint: `.
    pub fn warn(&mut self, message: &str) {
        self.say(Weight::Warning, message);
    }

    /// A start would end here with this exit code. The message may end in lines that begin with `hint: `.
    pub fn fail(&mut self, code: u8, message: &str) {
        self.say(Weight::Failure(code), message);
    }

    fn say(&mut self, weight: Weight, message: &str) {
        let Finding { weight, what, cure } = Finding::said(weight, message);
        self.find(weight, what, cure);
    }

    /// Any finding.
    pub fn find(&mut self, weight: Weight, what: impl Into<String>, cure: Cure) {
        self.findings.push(Finding { weight, what: what.into(), cure });
        // What stands in the way is read first.
        self.findings.sort_by_key(|finding| finding.weight == Weight::Warning);
    }

    /// The worst that was found.
    pub fn worst(&self) -> Option<Weight> {
        self.findings.iter().map(|finding| finding.weight).max_by_key(|weight| weight.rank())
    }

    fn status(&self) -> Status {
        Status::of(self.worst())
    }
}

impl Weight {
    /// The greater the worse.
    fn rank(self) -> usize {
        match self {
            Self::Warning => 0,
            Self::Failure(code) => {
                let place = WORST_FIRST.iter().position(|known| *known == code).unwrap_or(WORST_FIRST.len());
                1 + WORST_FIRST.len() - place
            }
        }
    }
}

impl Finding {
    /// One whose message brings its own cure: lines at its end that begin with `hint: `.
    pub fn said(weight: Weight, message: &str) -> Self {
        let (what, hints) = message.split_once("\nhint: ").map_or((message, None), |(what, hints)| (what, Some(hints)));
        let cure = hints.map_or(Cure::None, |hints| Cure::Anywhere(hints.replace("\nhint: ", "\n")));
        Self { weight, what: what.to_owned(), cure }
    }

    /// What to write, with the platform where it is known only for some: for one platform, or for all when it is not known.
    fn hints(&self, platform: Option<Platform>) -> Vec<String> {
        match &self.cure {
            Cure::None => vec![],
            Cure::Anywhere(hint) => hint.lines().map(str::to_owned).collect(),
            Cure::On(cures) => {
                let ours = cures.iter().filter(|(told, _)| platform.is_none_or(|platform| platform == *told));
                ours.map(|(platform, words)| format!("{}: {words}", platform.name())).collect()
            }
        }
    }
}

/// The three ways in which a look can go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Ok,
    Warn,
    Fail,
}

impl Status {
    fn of(worst: Option<Weight>) -> Self {
        match worst {
            None => Self::Ok,
            Some(Weight::Warning) => Self::Warn,
            Some(Weight::Failure(_)) => Self::Fail,
        }
    }
}
