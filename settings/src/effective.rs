//! What is in effect of each setting and where it comes from, fit to be shown: no secret, and no address with one in it.

use std::path::PathBuf;

/// One setting as it is in effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effective {
    /// Its name in the table.
    pub name: &'static str,
    /// The heading it stands under.
    pub group: &'static str,
    /// Its value is never here.
    pub secret: bool,
    /// As the user wrote it, or the default; `None` for a secret, and for what has no value.
    pub value: Option<String>,
    /// Where it comes from.
    pub origin: Origin,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A variable, by the name that the user used.
    Variable(String),
    /// A flag, without its dashes.
    Flag(String),
    /// A file that a variable or a flag names: a secret.
    File(PathBuf),
    /// Nobody set it, and it has a default.
    Default,
    /// Nobody set it, and it has none.
    Unset,
}

impl Effective {
    /// Whether the user set it.
    pub fn is_set(&self) -> bool {
        !matches!(self.origin, Origin::Default | Origin::Unset)
    }

    /// The value and where it comes from, in words: of a secret only that it is there.
    pub fn told(&self) -> String {
        let value = match (&self.value, self.secret) {
            (Some(value), _) => value.as_str(),
            (None, true) if self.is_set() => "set",
            (None, _) => "not set",
        };
        match &self.origin {
            Origin::Variable(name) if self.secret => format!("{value}, from the variable {name}"),
            // The variable of that name is what everybody expects.
            Origin::Variable(name) if name == self.name => value.to_owned(),
            Origin::Variable(name) => format!("{value}, from {name}"),
            Origin::Flag(flag) => format!("{value}, from --{flag}"),
            Origin::File(path) => format!("{value}, from the file {}", path.display()),
            Origin::Default => format!("{value}, the default"),
            Origin::Unset => value.to_owned(),
        }
    }
}

/// As much of an address as may be told: no user, no password, no query.
pub fn shown_url(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (host, path) = rest.split_once('/').map_or((rest, None), |(host, path)| (host, Some(path)));
    let host = host.rsplit('@').next().unwrap_or_default();
    let scheme = if scheme.is_empty() { String::new() } else { format!("{scheme}://") };
    format!("{scheme}{host}{}", path.map(|path| format!("/{path}")).unwrap_or_default())
}

/// A value of the form that the table says, fit to be shown: addresses in it are cut, and so is what a word for a secret stands before.
pub(crate) fn shown(form: &str, value: &str) -> String {
    // One address may have commas and blanks in its query, so it is cut as a whole.
    if form == "URL" {
        return shown_url(value);
    }
    value.split_inclusive([' ', ',', '\n']).map(shown_word).collect()
}

fn shown_word(word: &str) -> String {
    const SECRETS: [&str; 4] = ["token", "secret", "password", "key"];
    let bare = word.trim_end_matches([' ', ',', '\n']);
    let end = &word[bare.len()..];
    match bare.split_once('=') {
        Some((name, _)) if SECRETS.iter().any(|secret| name.to_ascii_lowercase().contains(secret)) => format!("{name}=…{end}"),
        _ if bare.contains("://") => shown_url(bare) + end,
        _ => word.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_shows_what_an_address_or_a_word_for_a_secret_hides() {
        for (form, value, expected) in [
            ("URL", "https://me:marker@pool.example.com/runner?signature=marker, marker", "https://pool.example.com/runner"),
            ("URL", "https://pool.example.com#marker", "https://pool.example.com"),
            ("URL", "/just/a/path", "/just/a/path"),
            ("URL,...", "https://a:marker@one/x,https://two?marker=1", "https://one/x,https://two"),
            ("WORDS", "--debug --http-proxy=http://me:marker@proxy:3128 -D", "--debug --http-proxy=http://proxy:3128 -D"),
            ("WORDS", "--log-opt splunk-token=marker --log-opt mode=non-blocking", "--log-opt splunk-token=… --log-opt mode=non-blocking"),
            ("LIST", "self-hosted, linux,x64", "self-hosted, linux,x64"),
        ] {
            assert_eq!(shown(form, value), expected);
        }
    }

    #[test]
    fn where_a_value_comes_from_is_told_when_it_is_not_the_variable_of_its_name() {
        let setting = |value: Option<&str>, origin| Effective {
            name: "STOP_TIMEOUT",
            group: "Stop",
            secret: false,
            value: value.map(str::to_owned),
            origin,
        };
        let secret = |origin| Effective { secret: true, ..setting(None, origin) };
        for (effective, expected) in [
            (setting(Some("5"), Origin::Variable("STOP_TIMEOUT".into())), "5"),
            (setting(Some("5"), Origin::Variable("GRACE".into())), "5, from GRACE"),
            (setting(Some("5"), Origin::Flag("stop-timeout".into())), "5, from --stop-timeout"),
            (setting(Some("30"), Origin::Default), "30, the default"),
            (setting(None, Origin::Unset), "not set"),
            (secret(Origin::Variable("STOP_TIMEOUT".into())), "set, from the variable STOP_TIMEOUT"),
            (secret(Origin::File("/run/secret".into())), "set, from the file /run/secret"),
            (secret(Origin::Unset), "not set"),
        ] {
            assert_eq!(effective.told(), expected);
        }
    }
}
