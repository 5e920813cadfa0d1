//! The last net under the log: secrets are found in lines by their value, and blotted out. Pure.
//!
//! No secret is kept for it: of each there is only its length and a fingerprint, the remainder of its bytes as a number in a random base
//! (Rabin and Karp's), which rolls along a line in one pass. Whoever reads our memory learns 61 bits of a token of 160.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    hash::{BuildHasher as _, RandomState},
    ops::Range,
};

/// What stands in a secret's place.
pub(super) const BLOT: &str = "***";

/// A Mersenne prime: two different texts of a length are taken for each other once in 2^61 divided by that length.
const PRIME: u64 = (1 << 61) - 1;

/// What is shorter would blot out words of everyday: no token is.
const LEAST: usize = 8;

/// A line of a secret of several lines (a PEM) counts from this length on: its last one may be an everyday `==`.
const LEAST_OF_A_LINE: usize = 16;

/// The fingerprints of all secrets that are known, by their lengths.
#[derive(Debug)]
pub(super) struct Masks {
    base: u64,
    known: BTreeMap<usize, Vec<u64>>,
}

impl Masks {
    /// None yet, and a base that nobody can foresee.
    pub(super) fn new() -> Self {
        Self { base: RandomState::new().hash_one(0_u8) % (PRIME - 256) + 256, known: BTreeMap::new() }
    }

    /// Remembers a secret. Of one with several lines each line is one, because the log is lines.
    pub(super) fn add(&mut self, secret: &str) {
        let lines = secret.trim().lines().map(str::trim);
        if secret.trim().contains('\n') {
            // The frame of a PEM is no secret, and worth reading.
            lines.filter(|line| line.len() >= LEAST_OF_A_LINE && !line.starts_with("-----")).for_each(|line| self.remember(line));
        } else {
            lines.filter(|line| line.len() >= LEAST).for_each(|line| self.remember(line));
        }
    }

    fn remember(&mut self, text: &str) {
        let print = text.bytes().fold(0, |sum, byte| self.append(sum, byte));
        let prints = self.known.entry(text.len()).or_default();
        if !prints.contains(&print) {
            prints.push(print);
        }
    }

    /// The text without the secrets in it.
    pub(super) fn apply<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut found: Vec<Range<usize>> =
            self.known.iter().flat_map(|(&length, prints)| self.find(text.as_bytes(), length, prints)).collect();
        if found.is_empty() {
            return Cow::Borrowed(text);
        }
        found.sort_by_key(|range| range.start);
        let mut shown = Vec::with_capacity(text.len());
        let mut end = 0;
        for range in found {
            if range.start >= end {
                shown.extend_from_slice(&text.as_bytes()[end..range.start]);
                shown.extend_from_slice(BLOT.as_bytes());
            }
            end = end.max(range.end);
        }
        shown.extend_from_slice(&text.as_bytes()[end..]);
        // A secret begins and ends between characters, and so does what is left.
        Cow::Owned(String::from_utf8_lossy(&shown).into_owned())
    }

    fn find(&self, text: &[u8], length: usize, prints: &[u64]) -> Vec<Range<usize>> {
        let Some((head, _)) = text.split_at_checked(length) else { return vec![] };
        let first = (0..length - 1).fold(1, |weight, _| times(weight, self.base));
        let mut sum = head.iter().fold(0, |sum, &byte| self.append(sum, byte));
        let mut found = Vec::new();
        for end in length..=text.len() {
            let start = end - length;
            if prints.contains(&sum) {
                found.push(start..end);
            }
            if let Some(&next) = text.get(end) {
                let without = (sum + PRIME - times(first, u64::from(text[start]) + 1)) % PRIME;
                sum = self.append(without, next);
            }
        }
        found
    }

    /// The text's number with one more digit; no digit is 0, so that texts of different lengths differ.
    fn append(&self, sum: u64, byte: u8) -> u64 {
        (times(sum, self.base) + u64::from(byte) + 1) % PRIME
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a remainder by PRIME has 61 bits")]
fn times(one: u64, other: u64) -> u64 {
    (u128::from(one) * u128::from(other) % u128::from(PRIME)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "ghp_0123456789abcdefghijABCDEFGHIJ012345";

    fn masks(secrets: &[&str]) -> Masks {
        let mut masks = Masks::new();
        secrets.iter().for_each(|secret| masks.add(secret));
        masks
    }

    #[test]
    fn a_secret_is_blotted_out_wherever_it_stands() {
        let masks = masks(&[TOKEN]);
        for (before, after) in [("", ""), ("x", ""), ("", "x"), ("Authorization: bearer ", "\r"), ("ä€", "ß"), (TOKEN, ""), ("", TOKEN)]
        {
            let line = format!("{before}{TOKEN}{after}");
            let shown = masks.apply(&line);
            assert_eq!(shown, line.replace(TOKEN, BLOT));
        }
    }

    #[test]
    fn what_is_no_secret_is_not_even_copied() {
        let masks = masks(&[TOKEN]);
        for line in
            ["", "short", &TOKEN[1..], &TOKEN[..39], &TOKEN.to_lowercase(), "a line that is longer than the token that is looked for"]
        {
            assert!(matches!(masks.apply(line), Cow::Borrowed(same) if same == line), "{line}");
        }
    }

    #[test]
    fn secrets_that_overlap_or_hold_each_other_leave_nothing() {
        let whole = masks(&["abcdefgh12345678", "12345678ABCDEFGH", "cdefgh12"]);
        assert_eq!(whole.apply("<abcdefgh12345678ABCDEFGH>"), "<***>");
        assert_eq!(whole.apply("<cdefgh12>"), "<***>");
    }

    #[test]
    fn a_secret_of_several_lines_is_found_line_by_line() {
        let key = format!("-----BEGIN RSA PRIVATE KEY-----\n{}\n{}\nAb==\n-----END RSA PRIVATE KEY-----\n", "k".repeat(64), "m".repeat(20));
        let masks = masks(&[&key]);
        let shown: Vec<_> = key.lines().map(|line| masks.apply(line).into_owned()).collect();
        assert_eq!(shown, ["-----BEGIN RSA PRIVATE KEY-----", BLOT, BLOT, "Ab==", "-----END RSA PRIVATE KEY-----"]);
    }

    #[test]
    fn words_of_everyday_are_no_secrets() {
        let masks = masks(&["", "  \n", "x", "no", "secret7"]);
        assert_eq!(masks.apply("no, x is secret7"), "no, x is secret7");
    }

    #[test]
    fn every_place_of_a_long_line_is_looked_at() {
        let masks = masks(&["tok-en-8", TOKEN]);
        let mut line = "é".repeat(300);
        for place in (0..600).step_by(2) {
            line.insert_str(place, "tok-en-8");
            assert_eq!(masks.apply(&line).matches(BLOT).count(), 1, "{place}");
            assert!(!masks.apply(&line).contains("tok-en-8"));
            line.replace_range(place..place + 8, "");
        }
    }

    #[test]
    fn nothing_of_a_secret_is_kept() {
        let masks = masks(&[TOKEN]);
        assert!(!format!("{masks:?}").contains("ghp_"));
    }
}
