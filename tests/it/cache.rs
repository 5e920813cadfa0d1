//! The tool cache as users meet it: the real program between two directories, and inside whole lives.

mod faults;
mod forged;
mod full;
mod hang;
mod hostile;
mod lives;
mod many;
mod stopped;
mod tools;

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use runner_tests::{
    fixtures::{Tool, ToolCache},
    programs::Program,
};

/// Everything a copy keeps of a tree, by path below it. Names of one file carry the first of them.
type Picture = BTreeMap<PathBuf, String>;

fn picture(root: &Path) -> Picture {
    let mut first_names = BTreeMap::new();
    let mut all = Picture::new();
    for entry in walkdir::WalkDir::new(root).min_depth(1).sort_by_file_name() {
        let entry = entry.unwrap();
        let name = entry.path().strip_prefix(root).unwrap().to_path_buf();
        let status = entry.path().symlink_metadata().unwrap();
        let what = if status.is_dir() {
            "directory".to_owned()
        } else if status.is_symlink() {
            format!("link to {}", fs::read_link(entry.path()).unwrap().display())
        } else {
            assert!(status.is_file(), "{} is something else", entry.path().display());
            let contents = fs::read(entry.path()).unwrap();
            let sum = contents.iter().fold(7_u64, |sum, byte| sum.wrapping_mul(31) + u64::from(*byte));
            let first = first_names.entry(status.ino()).or_insert_with(|| name.clone());
            format!("{} bytes, sum {sum}, file {}", contents.len(), first.display())
        };
        all.insert(name, format!("{what}, mode {:o}, time {}.{:09}", status.mode() & 0o7777, status.mtime(), status.mtime_nsec()));
    }
    all
}

/// The complete versions of a cache of trees, as any reader finds them.
fn versions(root: &Path) -> BTreeMap<String, Picture> {
    let markers = walkdir::WalkDir::new(root).min_depth(3).max_depth(3).into_iter();
    let markers = markers.filter_entry(|entry| entry.file_name() != ".stage").map(Result::unwrap);
    markers
        .filter(|entry| entry.path().extension().is_some_and(|ending| ending == "complete"))
        .filter(|entry| entry.path().with_extension("").is_dir())
        .map(|entry| {
            let tree = entry.path().with_extension("");
            (tree.strip_prefix(root).unwrap().display().to_string(), picture(&tree))
        })
        .collect()
}

/// What a save makes of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    Tree,
    Pack,
}

impl Layout {
    const BOTH: [Self; 2] = [Self::Tree, Self::Pack];

    fn name(self) -> &'static str {
        match self {
            Self::Tree => "tree",
            Self::Pack => "pack",
        }
    }

    /// What who restores from `remote` now gets, in a new directory: trees are looked at where they are, too.
    fn published(self, remote: &Path) -> BTreeMap<String, Picture> {
        let temp = tempfile::tempdir().unwrap();
        let there = temp.path().join("there");
        restore(remote, &there);
        let found = versions(&there);
        assert!(self == Self::Pack || versions(remote) == found, "a reader of trees and a restore found different versions");
        found
    }
}

fn command(verb: &str, from: &Path, to: &Path) -> Command {
    let mut command = Command::new(Program::Entrypoint.path());
    command.args(["cache", verb, "--report", "json", "--from"]).arg(from).arg("--to").arg(to).env_clear();
    command
}

fn report(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

/// The report of a run that must copy all.
fn whole(command: &mut Command) -> serde_json::Value {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    report(&output)
}

fn run(verb: &str, from: &Path, to: &Path) -> serde_json::Value {
    whole(&mut command(verb, from, to))
}

fn save(layout: Layout, from: &Path, to: &Path) -> serde_json::Value {
    whole(command("save", from, to).args(["--layout", layout.name()]))
}

fn restore(from: &Path, to: &Path) -> serde_json::Value {
    run("restore", from, to)
}

/// The error that a report has for a version.
fn error_of(report: &serde_json::Value, version: &str) -> String {
    let failed = report["failed"].as_array().unwrap();
    let failure = failed.iter().find(|failure| failure["version"] == version).unwrap_or_else(|| panic!("{version} did not fail: {report}"));
    failure["error"].as_str().unwrap().to_owned()
}

/// Bytes that do not compress, others for each seed: a large file of them has several frames in a pack.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed + 1;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.flatten().take(length).collect()
}

#[expect(clippy::print_stderr, reason = "how much was tried belongs to the result")]
fn say(text: &str) {
    eprintln!("{text}");
}

#[test]
fn a_realistic_cache_survives_the_way_there_and_back() {
    for layout in Layout::BOTH {
        let temp = tempfile::tempdir().unwrap();
        let local =
            ToolCache::at(&temp.path().join("local")).with(Tool::Node, "20.1.0").with(Tool::Python, "3.12.4").with(Tool::Go, "1.22.0");
        local.incomplete(Tool::Go, "1.23.0");
        let (remote, second) = (temp.path().join("remote"), temp.path().join("second"));
        fs::create_dir(&remote).unwrap();
        let wanted = versions(local.path());
        assert_eq!(wanted.len(), 3);

        let saved = save(layout, local.path(), &remote);
        assert_eq!((&saved["versions"], &saved["failed"]), (&3.into(), &serde_json::json!([])), "{saved}");
        assert!(layout.published(&remote) == wanted);
        assert!(!remote.join("go/1.23.0").exists(), "an interrupted install was published");

        let restored = restore(&remote, &second);
        assert_eq!((&restored["versions"], &restored["bytes"]), (&3.into(), &saved["bytes"]), "{restored}");
        assert!(versions(&second) == wanted);

        for (verb, from, to) in [("save", local.path(), &remote), ("restore", &remote, &second)] {
            let before = picture(to);
            let again = run(verb, from, to);
            assert_eq!((&again["versions"], &again["files"], &again["already"]), (&0.into(), &0.into(), &3.into()), "{again}");
            assert!(picture(to) == before, "a {verb} of nothing touched {}", to.display());
        }
    }
}
