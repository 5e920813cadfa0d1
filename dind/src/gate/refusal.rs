//! Why something is not passed on, in words for the person whose job it was.

use std::fmt;

use serde_json::json;

use super::allow::Word;

/// A request that does not reach the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// What is refused, as a noun.
    pub(super) what: String,
    /// What allows it.
    pub(super) cure: Cure,
}

/// What would allow it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cure {
    /// An entry of the list.
    Allow(String),
    /// Nothing but no policy at all.
    Off,
    /// It is not understood; another spelling might be.
    Write(&'static str),
}

impl Refusal {
    /// Refused unless this word is allowed.
    pub(super) fn unless(word: Word, what: impl Into<String>) -> Self {
        Self { what: what.into(), cure: Cure::Allow(word.to_string()) }
    }

    /// Never allowed by a list.
    pub(super) fn never(what: impl Into<String>) -> Self {
        Self { what: what.into(), cure: Cure::Off }
    }

    /// Not understood.
    pub(super) fn unclear(what: impl Into<String>, hint: &'static str) -> Self {
        Self { what: what.into(), cure: Cure::Write(hint) }
    }

    /// A daemon's answer with this in it (docs.docker.com/reference/api/engine, "Errors").
    pub(super) fn body(&self) -> String {
        json!({ "message": self.to_string() }).to_string()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused by DOCKER_API_POLICY=guarded of this runner: {}", self.what)?;
        match &self.cure {
            Cure::Allow(entry) => write!(f, "\nhint: who runs this runner can allow it with DOCKER_API_ALLOW={entry}"),
            Cure::Off => write!(f, "\nhint: it is not to be had with this policy; who runs this runner can set DOCKER_API_POLICY=off"),
            Cure::Write(hint) => write!(f, "\nhint: {hint}"),
        }
    }
}
