//! What a life was like, or is so far: its phases, what went on beside them, what was measured. Data only.

use std::time::{Duration, SystemTime};

use tracing::Level;

/// A life, as the log, metrics and traces tell it.
#[derive(Debug, Clone, PartialEq)]
pub struct Life {
    /// The program's name.
    pub program: &'static str,
    /// When it began.
    pub began: SystemTime,
    /// How long it has lasted.
    pub lasted: Duration,
    /// Its phases, one after the other.
    pub phases: Vec<Span>,
    /// What went on beside the phases, in the order of the beginnings.
    pub works: Vec<Span>,
    /// What was told for the last record, name and value.
    pub facts: Vec<(&'static str, String)>,
    /// What was measured: a name with its unit at the end (`_ms`, `_bytes`; a count has none), and the number.
    pub measures: Vec<Measure>,
    /// When it could be used for the first time, from its beginning.
    pub ready: Option<Duration>,
    /// It can be used now.
    pub is_ready: bool,
    /// It is being used now.
    pub is_busy: bool,
    /// Its exit code, at the end.
    pub exit_code: Option<u8>,
}

/// A number and what it is of.
pub type Measure = (&'static str, u64);

/// A part of a life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// What it was.
    pub name: &'static str,
    /// From the beginning of the life.
    pub begins: Duration,
    /// Likewise; until now, if it goes on.
    pub ends: Duration,
    /// What it came to.
    pub verdict: Verdict,
}

impl Span {
    /// How long it lasted.
    pub fn lasts(&self) -> Duration {
        self.ends.saturating_sub(self.begins)
    }
}

/// What a part of a life came to; the worst counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// As intended, with nothing to say.
    Well,
    /// Something was lost or left out.
    Warned,
    /// It was given up before its end.
    GivenUp,
    /// It did not do what it was for.
    Failed,
    /// It goes on.
    Underway,
}

impl Verdict {
    const ALL: [Self; 5] = [Self::Well, Self::Warned, Self::GivenUp, Self::Failed, Self::Underway];

    /// A word or two for people, and for labels.
    pub fn word(self) -> &'static str {
        match self {
            Self::Well => "ok",
            Self::Warned => "warned",
            Self::GivenUp => "given up",
            Self::Failed => "failed",
            Self::Underway => "goes on",
        }
    }

    /// From its place in the order.
    pub(crate) fn of(place: u8) -> Self {
        Self::ALL.into_iter().find(|verdict| *verdict as u8 == place).unwrap_or(Self::Well)
    }
}

impl From<Level> for Verdict {
    fn from(level: Level) -> Self {
        match level {
            Level::ERROR => Self::Failed,
            Level::WARN => Self::Warned,
            _ => Self::Well,
        }
    }
}

impl Life {
    /// What was told under this name.
    pub fn fact(&self, name: &str) -> Option<&str> {
        self.facts.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// What was measured under this name.
    pub fn measure(&self, name: &str) -> Option<u64> {
        self.measures.iter().find(|(known, _)| *known == name).map(|&(_, value)| value)
    }

    /// How long all works of this name took together, and what the last one came to; `None` if there was none.
    pub fn work(&self, name: &str) -> Option<(Duration, Verdict)> {
        let mut works = self.works.iter().filter(|work| work.name == name);
        let first = works.next()?;
        Some(works.fold((first.lasts(), first.verdict), |(sum, _), work| (sum + work.lasts(), work.verdict)))
    }

    /// The names of all works, each once, in the order of the first beginnings.
    pub fn work_names(&self) -> Vec<&'static str> {
        let mut names = Vec::new();
        for work in &self.works {
            if !names.contains(&work.name) {
                names.push(work.name);
            }
        }
        names
    }
}

/// Who is told how a life goes, besides the log. What may block belongs on a thread of the observer's own.
pub trait Observer {
    /// Something that others can see has changed: the phase, or whether it is ready or busy.
    fn changed(&mut self, life: &Life);

    /// The life is over; the process ends right after this.
    fn ended(&mut self, life: &Life);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_is_found_by_its_place() {
        for verdict in Verdict::ALL {
            assert_eq!(Verdict::of(verdict as u8), verdict);
        }
        assert_eq!(Verdict::of(200), Verdict::Well);
    }
}
