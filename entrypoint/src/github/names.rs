//! Names of runners: a fresh one per attempt, because after an attempt that failed the old one may be taken.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The service refuses longer names.
const LONGEST: usize = 64;
/// 12 characters of 32 are 60 bits: two runners of one fleet never draw the same in practice, which is why a runner that
/// bears a drawn name is ours.
const SUFFIX: usize = 12;
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Stands in a work folder for the name of its runner.
pub(crate) const NAME_PLACE: &str = "{name}";

/// The name of one runner.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct RunnerName(String);

impl RunnerName {
    pub(super) fn from_github(name: String) -> Self {
        Self(name)
    }

    /// A name as a person or a state file gave it.
    #[must_use]
    pub(crate) fn new(name: &str) -> Self {
        Self(cut(name.trim(), LONGEST).to_owned())
    }

    /// The text.
    #[must_use]
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RunnerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&super::quote::printable(&self.0))
    }
}

/// Where names come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Names {
    /// Each is this prefix, a dash and a random part.
    Prefixed(String),
    /// The first is exactly this if it is free; any further one is drawn with it as prefix.
    Exact(String),
}

/// A name and how it came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) name: RunnerName,
    /// Drawn at random, so whoever bears it was made by us.
    pub(super) drawn: bool,
}

impl Names {
    /// The exact name, if there is one: it may belong to somebody else already.
    pub(super) fn exact(&self) -> Option<Candidate> {
        match self {
            Self::Prefixed(_) => None,
            Self::Exact(name) => Some(Candidate { name: RunnerName::new(name), drawn: false }),
        }
    }

    /// A name for an attempt that cannot be told whether it is free: exactly the given one, or one that nobody had before.
    ///
    /// # Errors
    /// The kernel gives no random numbers.
    pub(crate) fn pick(&self) -> Result<RunnerName, getrandom::Error> {
        self.exact().map_or_else(|| self.draw(), Ok).map(|candidate| candidate.name)
    }

    /// A name nobody had before.
    pub(super) fn draw(&self) -> Result<Candidate, getrandom::Error> {
        let (Self::Prefixed(prefix) | Self::Exact(prefix)) = self;
        let mut random = [0u8; SUFFIX];
        getrandom::fill(&mut random)?;
        Ok(Candidate { name: composed(prefix, random), drawn: true })
    }
}

fn composed(prefix: &str, random: [u8; SUFFIX]) -> RunnerName {
    let mut name = cut(prefix.trim(), LONGEST - SUFFIX - 1).trim_end_matches('-').to_owned();
    if !name.is_empty() {
        name.push('-');
    }
    name.extend(random.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])));
    RunnerName(name)
}

/// The first `most` characters.
fn cut(text: &str, most: usize) -> &str {
    text.char_indices().nth(most).map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drawn_name_is_its_prefix_and_twelve_characters_and_never_over_64() {
        let zero = [0u8; SUFFIX];
        let cases = [
            ("runner", "runner-aaaaaaaaaaaa".to_owned()),
            ("runner-", "runner-aaaaaaaaaaaa".to_owned()),
            ("", "aaaaaaaaaaaa".to_owned()),
            (&"x".repeat(100), format!("{}-aaaaaaaaaaaa", "x".repeat(51))),
            (&"é".repeat(100), format!("{}-aaaaaaaaaaaa", "é".repeat(51))),
        ];
        for (prefix, expected) in cases {
            let name = composed(prefix, zero);
            assert_eq!(name.as_str(), expected);
            assert!(name.as_str().chars().count() <= LONGEST);
        }
    }

    #[test]
    fn two_draws_differ_and_an_exact_name_is_kept() {
        let names = Names::Exact("build-7".into());
        assert_eq!(names.exact().unwrap().name.as_str(), "build-7");
        let (one, two) = (names.draw().unwrap(), names.draw().unwrap());
        assert_ne!(one, two);
        assert!(one.name.as_str().starts_with("build-7-"), "{one:?}");
        assert_eq!(Names::Prefixed("p".into()).exact(), None);
    }
}
