//! The tool cache as users meet it: the real program between two directories, and inside whole lives.

mod faults;
mod lives;

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{
        Barrier,
        atomic::{AtomicUsize, Ordering},
    },
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

/// The complete versions of a cache, as any reader finds them, with their trees.
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

fn command(verb: &str, from: &Path, to: &Path) -> Command {
    let mut command = Command::new(Program::Entrypoint.path());
    command.args(["cache", verb, "--report", "json", "--from"]).arg(from).arg("--to").arg(to).env_clear();
    command
}

fn report(output: &Output) -> serde_json::Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

fn run(verb: &str, from: &Path, to: &Path) -> serde_json::Value {
    let output = command(verb, from, to).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    report(&output)
}

#[test]
fn a_realistic_cache_survives_the_way_there_and_back() {
    let temp = tempfile::tempdir().unwrap();
    let local = ToolCache::at(&temp.path().join("local")).with(Tool::Node, "20.1.0").with(Tool::Python, "3.12.4").with(Tool::Go, "1.22.0");
    local.incomplete(Tool::Go, "1.23.0");
    let (remote, second) = (temp.path().join("remote"), temp.path().join("second"));
    fs::create_dir(&remote).unwrap();
    let wanted = versions(local.path());
    assert_eq!(wanted.len(), 3);

    let saved = run("save", local.path(), &remote);
    assert_eq!((&saved["versions"], &saved["failed"]), (&3.into(), &serde_json::json!([])), "{saved}");
    assert!(versions(&remote) == wanted);
    assert!(!remote.join("go/1.23.0").exists(), "an interrupted install was published");

    let restored = run("restore", &remote, &second);
    assert_eq!((&restored["versions"], &restored["bytes"]), (&3.into(), &saved["bytes"]), "{restored}");
    assert!(versions(&second) == wanted);

    for (verb, from, to) in [("save", local.path(), &remote), ("restore", &remote, &second)] {
        let before = picture(to);
        let again = run(verb, from, to);
        assert_eq!((&again["versions"], &again["files"], &again["already"]), (&0.into(), &0.into(), &3.into()), "{again}");
        assert!(picture(to) == before, "a {verb} of nothing touched {}", to.display());
    }
}

const ROUNDS: u64 = 6;

#[test]
fn savers_and_restorers_at_once_never_show_a_mixture() {
    let mut seen = 0;
    for round in 0..ROUNDS {
        let temp = tempfile::tempdir().unwrap();
        let remote = temp.path().join("remote");
        fs::create_dir(&remote).unwrap();
        let savers: Vec<ToolCache> = (1..=3)
            .map(|saver| {
                let cache = ToolCache::at(&temp.path().join(format!("saver-{saver}"))).seed(100 * round + saver);
                cache.with(Tool::Node, "20.1.0").with(Tool::Node, "22.0.0")
            })
            .collect();
        let originals: Vec<_> = savers.iter().map(|saver| versions(saver.path())).collect();
        assert!(originals[0] != originals[1] && originals[1] != originals[2]);
        let whole = |found: &BTreeMap<String, Picture>| {
            found.iter().filter(|(name, tree)| originals.iter().any(|original| original.get(*name) == Some(tree))).count()
        };

        let start = Barrier::new(6);
        let saving = AtomicUsize::new(savers.len());
        std::thread::scope(|scope| {
            for saver in &savers {
                scope.spawn(|| {
                    start.wait();
                    run("save", saver.path(), &remote);
                    saving.fetch_sub(1, Ordering::SeqCst);
                });
            }
            let restorers: Vec<_> = (0..3)
                .map(|restorer| {
                    let (start, saving, remote, temp) = (&start, &saving, &remote, temp.path());
                    scope.spawn(move || {
                        start.wait();
                        let mut places = Vec::new();
                        // Until a whole turn lies after the last save: a fixed number of turns was over before the first save on a busy machine,
                        // and the test failed for having seen nothing.
                        loop {
                            let last = saving.load(Ordering::SeqCst) == 0;
                            let to = temp.join(format!("restored-{restorer}-{}", places.len()));
                            run("restore", remote, &to);
                            places.push(to);
                            if last {
                                return places;
                            }
                        }
                    })
                })
                .collect();
            for to in restorers.into_iter().flat_map(|restorer| restorer.join().unwrap()) {
                let found = versions(&to);
                assert_eq!(whole(&found), found.len(), "round {round}: a torn version in {}", to.display());
                seen += found.len();
            }
        });
        let published = versions(&remote);
        assert_eq!((published.len(), whole(&published)), (2, 2), "round {round}");
        assert!(!remote.join(".stage").exists(), "round {round}");
    }
    assert!(seen >= 3 * 2 * usize::try_from(ROUNDS).unwrap(), "a turn after the last save did not find all: {seen}");
}
