//! What no compiler sees: the sources are read, and must keep to the rules of ARCHITECTURE.md.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Code of one file before its tests, in lines.
const LONGEST: usize = 450;

const PACKAGES: &[&str] =
    &["supervise", "settings", "telemetry", "checkup", "pair", "deploy", "checkup", "entrypoint", "dind", "tests", "xtask"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Every source file below `folder`, with its path from the root.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let files = walkdir::WalkDir::new(root().join(folder)).sort_by_file_name().into_iter().map(Result::unwrap);
    let rust = files.filter(|entry| entry.path().extension().is_some_and(|ending| ending == "rs"));
    let read = rust.map(|entry| (entry.path().strip_prefix(root()).unwrap().to_path_buf(), fs::read_to_string(entry.path()).unwrap()));
    let found: Vec<_> = read.collect();
    assert!(!found.is_empty(), "{folder} has no sources");
    found
}

fn all_sources() -> Vec<(PathBuf, String)> {
    PACKAGES.iter().flat_map(|package| sources(package)).collect()
}

/// Up to the tests at the end.
fn before_tests(text: &str) -> &str {
    let tests = text.find("#[cfg(test)]\nmod tests {").or_else(|| text.find("#[cfg(test)]\npub(crate) mod tests {"));
    &text[..tests.unwrap_or(text.len())]
}

/// Without comments; a `//` inside a string goes too, which hides no name that matters here.
fn code(text: &str) -> String {
    before_tests(text).lines().map(|line| line.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n")
}

#[track_caller]
fn nothing(found: Vec<String>) {
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn no_file_is_too_long_to_be_read_at_once() {
    let long = |(path, text): (PathBuf, String)| {
        // A file of tests alone has no code before them.
        let only_tests = path.file_stem().is_some_and(|stem| stem == "tests");
        let lines = before_tests(&text).lines().count();
        (!only_tests && lines > LONGEST).then(|| format!("{}: {lines} lines of code, {LONGEST} at most", path.display()))
    };
    nothing(all_sources().into_iter().filter_map(long).collect());
}

/// docs/logs.md has every word that programs may wait for, and none that nobody says.
#[test]
fn every_event_of_the_log_is_documented_and_said() {
    let mut said: Vec<String> = Vec::new();
    for package in ["supervise", "entrypoint", "dind"] {
        for (path, text) in sources(package) {
            let tests = path.components().any(|part| part.as_os_str() == "tests" || part.as_os_str() == "tests.rs");
            let text = if tests { String::new() } else { code(&text) };
            let marks = text.split("Action::Mark(").skip(1).filter_map(|rest| rest.split_once('"').map(|(_, rest)| rest));
            let words = text.split("event = \"").skip(1).chain(marks).filter_map(|rest| rest.split('"').next());
            said.extend(words.filter(|word| word.chars().all(|c| c.is_ascii_lowercase() || c == '_')).map(str::to_owned));
        }
    }
    said.push("ended".to_owned());
    said.sort();
    said.dedup();
    let text = fs::read_to_string(root().join("docs/logs.md")).unwrap();
    let table = text.split("### Events").nth(1).unwrap().split("`reason` of the runner").next().unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| `")).filter_map(|line| line.split('|').nth(1));
    let mut documented: Vec<String> = rows.flat_map(|cell| cell.split(',')).map(|word| word.trim().trim_matches('`').to_owned()).collect();
    documented.sort();
    assert_eq!(documented, said);
}

#[test]
fn no_module_is_named_for_nothing() {
    let vague = |(path, _): (PathBuf, String)| {
        let named = path.components().any(|part| {
            matches!(part.as_os_str().to_str(), Some(name) if
            ["util", "utils", "common", "helper", "helpers", "misc"].contains(&name.trim_end_matches(".rs")))
        });
        named.then(|| format!("{}: names nothing", path.display()))
    };
    nothing(all_sources().into_iter().filter_map(vague).collect());
}

#[test]
fn the_libraries_know_neither_github_nor_docker_nor_the_programs() {
    const FOREIGN: &[&str] = &["github", "docker", "dind", "entrypoint", "tool_cache", "toolcache", "runner.listener"];
    let mut found = Vec::new();
    for package in ["supervise", "settings"] {
        for (path, text) in sources(&format!("{package}/src")) {
            let text = code(&text).to_ascii_lowercase();
            let words = FOREIGN.iter().filter(|word| text.contains(**word));
            found.extend(words.map(|word| format!("{}: names {word}", path.display())));
        }
        let manifest = fs::read_to_string(root().join(package).join("Cargo.toml")).unwrap();
        for other in ["supervise", "settings", "runner-entrypoint", "runner-dind"] {
            if manifest.contains(&format!("\n{other}.")) {
                found.push(format!("{package}: depends on {other}"));
            }
        }
    }
    nothing(found);
}

#[test]
fn the_nouns_of_the_entrypoint_do_not_know_each_other() {
    const NOUNS: &[&str] = &["github", "cache", "runner", "docker", "platform"];
    let mut found = Vec::new();
    for noun in NOUNS {
        for (path, text) in sources("entrypoint/src") {
            let below = path.strip_prefix("entrypoint/src").unwrap();
            if !below.starts_with(noun) && below != Path::new(&format!("{noun}.rs")) {
                continue;
            }
            let code: String = code(&text).split_whitespace().collect();
            for other in NOUNS.iter().filter(|other| *other != noun) {
                // `use crate::cache…` and `use crate::{…, cache, …}` alike.
                let grouped = code
                    .split("crate::{")
                    .skip(1)
                    .filter_map(|list| list.split(';').next())
                    .any(|list| list.split([',', '{', '}']).any(|name| name == *other || name.starts_with(&format!("{other}::"))));
                if grouped || code.contains(&format!("crate::{other}")) {
                    found.push(format!("{}: knows {other}", path.display()));
                }
            }
        }
    }
    nothing(found);
}

#[test]
fn the_two_programs_do_not_know_each_other() {
    for (package, other) in [("entrypoint", "dind"), ("dind", "entrypoint")] {
        let manifest = fs::read_to_string(root().join(package).join("Cargo.toml")).unwrap();
        assert!(!manifest.contains(&format!("runner-{other}")), "{package} depends on {other}");
        for (path, text) in sources(&format!("{package}/src")) {
            assert!(!code(&text).contains(&format!("runner_{other}")), "{} knows {other}", path.display());
        }
    }
}

#[test]
fn every_exception_has_its_reason_and_no_test_is_left_out() {
    let mut found = Vec::new();
    for (path, text) in all_sources() {
        if path.ends_with("tests/it/tidy.rs") {
            continue;
        }
        let shown = path.display();
        for attribute in ["#[expect(", "#![expect("] {
            for rest in text.split(attribute).skip(1) {
                let inside = rest.split(")]").next().unwrap_or("");
                if !inside.contains("reason = \"") {
                    found.push(format!("{shown}: {attribute}{}: no reason", inside.trim()));
                }
            }
        }
        for forbidden in ["#[allow(", "#![allow(", "#[ignore"] {
            if text.contains(forbidden) {
                found.push(format!("{shown}: {forbidden}"));
            }
        }
    }
    nothing(found);
}
