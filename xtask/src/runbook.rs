//! The runbook: its messages are the snapshots that tests compare with what the programs say, so none is typed by hand.
//!
//! An entry is a heading with a piece of the message in backticks, a marker that names a snapshot, and what to do. What stands between the
//! marker and the end of the block below it is written here, and so is the table of contents. A marker may keep only records that have one of
//! some words: `<!-- snapshot: tests/it/messages/NAME.snap; only: WORDS | WORDS -->`.

use std::{collections::BTreeSet, fs, path::Path};

use crate::run::{self, Failed};

const FILE: &str = "docs/runbook.md";

const MARKER: &str = "<!-- snapshot: ";
const CONTENTS: &str = "<!-- contents -->";
const END_OF_CONTENTS: &str = "<!-- end of contents -->";

/// In place of an exit code.
const GOES_ON: &str = "The program goes on.";

/// Where the tests are that compare the snapshots.
const TESTS: [&str; 2] = ["tests/it", "tests/host"];

/// A record's lines below its first one begin in this column, the clock included.
const BELOW: &str = "                               ";

/// The same without the clock.
const BELOW_WITHOUT_CLOCK: &str = "                  ";

/// Where the name of a child ends, in a line that is the child's, without the clock.
const BAR: usize = 16;

/// What the tests put for what differs from run to run, and how it reads in a log. In this order.
const PLACEHOLDERS: [(&str, &str); 25] = [
    ("[CLOCK] ", ""),
    ("[BED]/task", "/run/task"),
    ("[BED]/empty-home", "/home/runner"),
    ("[BED]/stiff-home", "/home/runner"),
    ("[BED]/home", "/home/runner"),
    ("[BED]/efs", "/mnt/tools"),
    ("[BED]/not-mounted", "/mnt/tools"),
    ("[BED]/daemon.json", "/etc/docker/daemon.json"),
    ("[BED]/wrong.json", "task.json"),
    ("[BED]/fargate.json", "task.json"),
    ("[BED]/missing.json", "another.json"),
    ("[BED]/", "/run/secrets/"),
    ("configuration from http://127.0.0.1:[PORT]", "configuration from https://pool.example.com"),
    ("http://127.0.0.1:[PORT]", "https://github.example.com"),
    ("http://127.0.0.1:1:", "https://api.github.com:"),
    ("runner-[SUFFIX]", "runner-x7k2p9d4m6qa"),
    ("[SUFFIX]", "x7k2p9d4m6qa"),
    ("(id [ID])", "(id 4711)"),
    ("[ID]", "q3v8n1d2"),
    ("[SECONDS]", "12"),
    ("[SIZE] of [SIZE]", "420 MiB of 20 GiB"),
    ("[COUNT]", "3"),
    ("[DIGEST]", "1f3a…"),
    ("  total_ms=[MS]  phases=[PHASES]", ""),
    ("  busy_ms=[MS]", ""),
];

/// What a snapshot says.
#[derive(Debug, PartialEq, Eq)]
struct Message {
    text: String,
    exit_code: Option<String>,
}

/// `cargo xtask docs`.
pub(crate) fn write() -> Result<(), Failed> {
    let path = run::root().join(FILE);
    fs::write(&path, current()?).map_err(|error| Failed(format!("{}: {error}", path.display())))
}

/// Whether the runbook has what the programs say, and nothing that no test has seen.
pub(crate) fn is_current() -> Result<(), Failed> {
    if run::read(&run::root().join(FILE))? == current()? {
        return Ok(());
    }
    Err(Failed(format!("{FILE} is out of date: run `cargo xtask docs`")))
}

fn current() -> Result<String, Failed> {
    let sources = sources()?;
    render(&run::read(&run::root().join(FILE))?, |name| {
        if !is_compared(name, &sources) {
            return Err(Failed(format!("{name}: no test in {} compares it", TESTS.join(" or "))));
        }
        run::read(&run::root().join(name))
    })
}

/// The sources of the tests.
fn sources() -> Result<Vec<String>, Failed> {
    let words: Vec<&str> = ["ls-files", "--cached", "--others", "--exclude-standard", "--"].into_iter().chain(TESTS).collect();
    let files = run::output("git", &words)?;
    files.lines().filter(|file| file.ends_with(".rs")).map(|file| run::read(&run::root().join(file))).collect()
}

/// Some test names it, with the program before its name or without.
fn is_compared(snapshot: &str, sources: &[String]) -> bool {
    let name = Path::new(snapshot).file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let short = ["entrypoint_", "dind_"].iter().find_map(|program| name.strip_prefix(program));
    let words: Vec<String> = [Some(name.as_str()), short].into_iter().flatten().map(|name| format!("\"{name}\"")).collect();
    sources.iter().any(|source| words.iter().any(|word| source.contains(word)))
}

/// The document with its messages and its contents written anew.
fn render(document: &str, read: impl Fn(&str) -> Result<String, Failed>) -> Result<String, Failed> {
    let mut text = String::new();
    let mut entries: Vec<(String, String, Option<String>)> = Vec::new();
    let (mut section, mut heading) = (String::new(), None::<String>);
    let mut lines = document.lines().peekable();
    while let Some(line) = lines.next() {
        if let Some(title) = line.strip_prefix("## ") {
            title.clone_into(&mut section);
        }
        if let Some(title) = line.strip_prefix("### ")
            && let Some(before) = heading.replace(title.to_owned())
        {
            return Err(Failed(format!("{FILE}: {before} has no snapshot")));
        }
        text.push_str(line);
        text.push('\n');
        let Some(marker) = line.strip_prefix(MARKER).and_then(|rest| rest.strip_suffix(" -->")) else { continue };
        let (file, words) = marker.split_once("; only: ").unwrap_or((marker, ""));
        let words: Vec<&str> = words.split(" | ").filter(|word| !word.is_empty()).collect();
        let message = message(&read(file)?, &words).map_err(|Failed(why)| Failed(format!("{file}: {why}")))?;
        let named = heading.take().ok_or_else(|| Failed(format!("{FILE}: {file} stands below no heading of its own")))?;
        let part = named.split('`').nth(1).unwrap_or_default();
        if part.is_empty() || !message.text.contains(part) {
            return Err(Failed(format!("{FILE}: the heading {named} has no piece of the message of {file} in backticks")));
        }
        text.push_str(&block(&message));
        skip_block(&mut lines);
        entries.push((section.clone(), named, message.exit_code));
    }
    if let Some(left) = heading {
        return Err(Failed(format!("{FILE}: {left} has no snapshot")));
    }
    with_contents(&text, &entries)
}

/// What the marker is followed by.
fn block(message: &Message) -> String {
    let code = match &message.exit_code {
        Some(code) => format!("Exit code {code}."),
        None => GOES_ON.to_owned(),
    };
    format!("```text\n{}```\n\n{code}\n", message.text)
}

/// Drops what was written before: a fenced block, an empty line and the exit code.
fn skip_block(lines: &mut std::iter::Peekable<std::str::Lines<'_>>) {
    if lines.next_if_eq(&"```text").is_none() {
        return;
    }
    while lines.next().is_some_and(|line| line != "```") {}
    let mut ahead = lines.clone();
    if ahead.next() == Some("") && ahead.next().is_some_and(|line| line.starts_with("Exit code ") || line == GOES_ON) {
        *lines = ahead;
    }
}

/// The message of a snapshot, as a reader of a log sees it.
fn message(snapshot: &str, words: &[&str]) -> Result<Message, Failed> {
    let body = snapshot.strip_prefix("---\n").and_then(|rest| rest.split_once("\n---\n")).map(|(_, body)| body);
    let body = body.ok_or_else(|| Failed("this is no snapshot of insta's".to_owned()))?;
    let told = |line: &'_ str| -> Option<String> {
        let code = line.strip_prefix("--- exit code ").or_else(|| line.strip_prefix("Code(")?.strip_suffix(")"))?;
        Some(code.to_owned())
    };
    let exit_code = body.lines().find_map(told);
    let ended = body.lines().find_map(|line| line.split_once("  ended  exit_code=").map(|(_, rest)| rest));
    let ended = ended.and_then(|rest| rest.split_whitespace().next());
    let exit_code = exit_code.or(ended.map(str::to_owned));
    let said = body.lines().filter(|line| !line.starts_with("--- ") && !line.starts_with("Code(") && !line.contains("starts  version="));
    let lines = said.map(readable).collect::<Result<Vec<_>, _>>()?;
    if let Some(word) = words.iter().find(|word| !lines.iter().any(|line| line.contains(**word))) {
        return Err(Failed(format!("it does not say {word:?}")));
    }
    Ok(Message { text: kept(&lines, words), exit_code })
}

/// A line with something plausible in place of each placeholder.
fn readable(line: &str) -> Result<String, Failed> {
    let mut line = match line.strip_prefix(BELOW) {
        Some(rest) => format!("{BELOW_WITHOUT_CLOCK}{rest}"),
        None => line.to_owned(),
    };
    if let Some((before, _)) = line.split_once("  total_ms=") {
        line = before.to_owned();
    }
    for (placeholder, text) in PLACEHOLDERS {
        line = line.replace(placeholder, text);
    }
    let left = line.split('[').skip(1).filter_map(|rest| rest.split_once(']')).map(|(word, _)| word);
    let left = left.into_iter().find(|word| word.len() > 1 && word.bytes().all(|byte| byte.is_ascii_uppercase()));
    match left {
        Some(word) => Err(Failed(format!("[{word}] has no rule that says how it reads in a log"))),
        None => Ok(line),
    }
}

/// The records that have one of `words`: whole where their first line has it, else that line with what has it, each part with its hints. The
/// last record of a life is always there. A cut is marked.
fn kept(lines: &[String], words: &[&str]) -> String {
    let is_hint = |line: &str| line.trim_start().starts_with("hint: ");
    let begins = |line: &str| line.as_bytes().get(BAR) == Some(&b'|') || !line.starts_with(' ') && !is_hint(line);
    let has = |line: &str| {
        words.is_empty() || line.contains("  ended  exit_code=") || !is_hint(line) && words.iter().any(|word| line.contains(word))
    };
    let mut keeps = vec![false; lines.len()];
    let (mut first, mut part) = (0, false);
    for (at, line) in lines.iter().enumerate() {
        if begins(line) {
            (first, part) = (at, has(line));
        } else if !keeps[first] || !has(&lines[first]) {
            part = has(line) || part && is_hint(line);
        }
        keeps[at] = part;
        keeps[first] |= part;
    }
    let mut text = String::new();
    let mut cut = false;
    for (line, keep) in lines.iter().zip(keeps) {
        if keep {
            text.push_str(if cut { "…\n" } else { "" });
            text.push_str(line);
            text.push('\n');
        }
        cut = !keep;
    }
    text
}

/// The document with a table of all its messages, in the place that it has for them.
fn with_contents(document: &str, entries: &[(String, String, Option<String>)]) -> Result<String, Failed> {
    let places = document.split_once(CONTENTS).and_then(|(before, rest)| Some((before, rest.split_once(END_OF_CONTENTS)?.1)));
    let (before, after) = places.ok_or_else(|| Failed(format!("{FILE}: no place for the contents")))?;
    let mut table = String::from("| the log says | exit code |\n|---|---|\n");
    let (mut last, mut seen) = ("", BTreeSet::new());
    for (section, heading, code) in entries {
        if section != last {
            table.push_str(&format!("| **{section}** | |\n"));
            last = section;
        }
        let anchor = anchor(heading);
        table.push_str(&format!("| [{}](#{anchor}) | {} |\n", heading.replace('|', "\\|"), code.as_deref().unwrap_or("goes on")));
        if !seen.insert(anchor) {
            return Err(Failed(format!("{FILE}: two entries are called {heading}")));
        }
    }
    Ok(format!("{before}{CONTENTS}\n\n{table}\n{END_OF_CONTENTS}{after}"))
}

/// Where a heading is, by GitHub's rule for names of headings.
fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase().chars().filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter)).collect::<String>();
    kept.replace(' ', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SNAPSHOT: &str = "---\nsource: tests/it/messages.rs\n---\n--- stdout\n\
        [CLOCK] INFO              runner-dind starts  version=0.1.0\n\
        [CLOCK] WARN  checking    the clock is slow\n\
        [CLOCK] ERROR preparing   register runner runner-[SUFFIX]: no\n\
        \x20                              hint: ask [BED]/task again\n\
        [CLOCK] INFO  done        ended  exit_code=77  reason=no  total_ms=[MS]  phases=[PHASES]\n\
        --- exit code 77\n";

    const DOCUMENT: &str = "# Runbook\n\n<!-- contents -->\nold\n<!-- end of contents -->\n\n## Start\n\n### `register runner runner-x7k2p9d4m6qa: no`\n\n\
        <!-- snapshot: tests/it/messages/x.snap; only: register -->\n```text\nold\n```\n\nExit code 1.\n\nWhat to do.\n";

    fn rendered(document: &str) -> Result<String, String> {
        render(
            document,
            |name| if name.ends_with("/x.snap") { Ok(SNAPSHOT.to_owned()) } else { Err(Failed(format!("{name} is not there"))) },
        )
        .map_err(|Failed(why)| why)
    }

    #[test]
    fn a_message_reads_as_in_a_log_with_its_exit_code_and_a_line_in_the_contents() {
        let text = rendered(DOCUMENT).unwrap();
        let block = "```text\n…\nERROR preparing   register runner runner-x7k2p9d4m6qa: no\n                  hint: ask /run/task again\n\
                     INFO  done        ended  exit_code=77  reason=no\n```\n\nExit code 77.\n\nWhat to do.\n";
        assert!(text.ends_with(block), "{text}");
        let line =
            "| **Start** | |\n| [`register runner runner-x7k2p9d4m6qa: no`](#register-runner-runner-x7k2p9d4m6qa-no) | 77 |\n\n<!-- end";
        assert!(text.contains(line), "{text}");
        assert_eq!(rendered(&text).unwrap(), text, "written again it is the same");
    }

    #[test]
    fn what_no_snapshot_says_is_refused() {
        for (wrong, why) in [
            (DOCUMENT.replace("/x.snap", "/y.snap"), "tests/it/messages/y.snap is not there"),
            (DOCUMENT.replace("### `register", "### `registered"), "no piece of the message"),
            (DOCUMENT.replace("only: register", "only: deregister"), "it does not say \"deregister\""),
            (DOCUMENT.replace("## Start\n", "## Start\n\n### `another`\n"), "`another` has no snapshot"),
            (format!("{DOCUMENT}\n### `last`\n"), "`last` has no snapshot"),
            (DOCUMENT.replace("<!-- contents -->", ""), "no place for the contents"),
        ] {
            let said = rendered(&wrong).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
        let twice = format!("{DOCUMENT}\n{}", &DOCUMENT[DOCUMENT.find("### ").unwrap()..]);
        assert!(rendered(&twice).unwrap_err().contains("two entries"));
        assert!(readable("an [ODDITY] of today").is_err_and(|Failed(why)| why.contains("[ODDITY]")));
    }

    #[test]
    fn a_snapshot_counts_only_when_a_test_names_it() {
        let sources = ["reviewed_settings(&[(\"app_key_cut_off\", &[])]); snapshot(\"no_storage\", &said)".to_owned()];
        assert!(is_compared("tests/it/messages/entrypoint_app_key_cut_off.snap", &sources));
        assert!(is_compared("tests/host/snapshots/no_storage.snap", &sources));
        assert!(!is_compared("tests/host/snapshots/storage.snap", &sources));
    }

    #[test]
    fn a_part_of_a_record_stays_with_its_beginning_and_its_hints() {
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        let settings = lines("2 settings are wrong\n  A: bad\n    hint: be good\n  B: bad\n    hint: go");
        assert_eq!(kept(&settings, &["A:"]), "2 settings are wrong\n  A: bad\n    hint: be good\n");
        assert_eq!(kept(&settings, &["B:"]), "2 settings are wrong\n…\n  B: bad\n    hint: go\n");
        let files = lines("a: bad\nhint: be good\nb: bad\nhint: not as a: bad\n      cache     | refused\nover");
        assert_eq!(kept(&files, &["a: bad"]), "a: bad\nhint: be good\n");
        assert_eq!(kept(&files, &["refused"]), "…\n      cache     | refused\n");
        let records = lines("died\n  lost\n  again\ndied\n  given up\nover  ended  exit_code=69");
        assert_eq!(kept(&records, &["given up"]), "…\ndied\n  given up\nover  ended  exit_code=69\n");
        assert_eq!(kept(&records, &["died"]), records.join("\n") + "\n");
    }
}
