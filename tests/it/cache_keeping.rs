//! The shared tool cache as its keeper meets it: the real program, standard tools beside it, tasks at work meanwhile.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Read as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, SystemTime},
};

use runner_tests::{
    fixtures::{Tool, ToolCache},
    programs::Program,
};

fn cache(words: &[&str]) -> Command {
    let mut command = Command::new(Program::Entrypoint.path());
    command.arg("cache").args(words).env_clear();
    command
}

fn at(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Runs it and reads its report; the exit code is looked at by the caller.
fn told(words: &[&str]) -> (Option<i32>, serde_json::Value) {
    let output = cache(words).arg("--json").output().unwrap();
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{words:?}: {error}: {output:?}"));
    (output.status.code(), report)
}

fn good(words: &[&str]) -> serde_json::Value {
    let (code, report) = told(words);
    assert_eq!(code, Some(0), "{words:?}: {report}");
    report
}

/// What is in a tree: names, contents, targets of links.
fn contents(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let below = walkdir::WalkDir::new(root).min_depth(1).into_iter().map(Result::unwrap).filter(|entry| !entry.file_type().is_dir());
    let read = |path: &Path| match fs::read_link(path) {
        Ok(target) => target.into_os_string().into_encoded_bytes(),
        Err(_) => fs::read(path).unwrap(),
    };
    below.map(|entry| (entry.path().strip_prefix(root).unwrap().to_owned(), read(entry.path()))).collect()
}

fn objects(remote: &Path) -> Vec<PathBuf> {
    fs::read_dir(remote.join(".packs/objects")).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// Makes every pack look unused for a year.
fn grow_old(remote: &Path) {
    let then = SystemTime::now() - Duration::from_secs(365 * 24 * 60 * 60);
    for object in objects(remote) {
        File::open(object).unwrap().set_modified(then).unwrap();
    }
}

fn line(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn a_keeper_moves_from_trees_to_packs_in_place_and_back() {
    let temp = tempfile::tempdir().unwrap();
    let remote =
        ToolCache::at(&temp.path().join("remote")).with(Tool::Node, "20.1.0").with(Tool::Python, "3.12.4").with(Tool::Go, "1.22.0");
    let trees = contents(remote.path());
    let path = at(remote.path());
    assert_eq!(good(&["import", path, path])["versions"], 3);
    assert_eq!(good(&["verify", path])["packs"], 3);
    let listed = good(&["list", path, "--long"]);
    assert_eq!((&listed["packs"], &listed["trees"], &listed["versions"][0]["layout"]), (&3.into(), &3.into(), &"both".into()));

    // What the document says: the marker first, then the tree.
    for version in listed["versions"].as_array().unwrap() {
        let version = remote.path().join(version["version"].as_str().unwrap());
        fs::remove_file(version.with_file_name("x64.complete")).unwrap();
        fs::remove_dir_all(version).unwrap();
    }
    assert_eq!(good(&["list", path])["trees"], 0);
    let back = temp.path().join("back");
    assert_eq!(good(&["export", path, at(&back)])["versions"], 3);
    assert!(contents(&back) == trees);
    let node = temp.path().join("node");
    assert_eq!(good(&["export", path, at(&node), "--tools", "node@20"])["versions"], 1);
    assert_eq!(fs::read_dir(&node).unwrap().count(), 1);
}

#[test]
fn a_broken_pack_is_named_and_after_quarantine_a_good_one_takes_its_place() {
    let temp = tempfile::tempdir().unwrap();
    let local = ToolCache::at(&temp.path().join("local")).with(Tool::Node, "20.1.0").with(Tool::Go, "1.22.0");
    let remote = temp.path().join("remote");
    fs::create_dir(&remote).unwrap();
    good(&["import", at(local.path()), at(&remote)]);
    let broken = objects(&remote).remove(0);
    let mut bytes = fs::read(&broken).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&broken, bytes).unwrap();
    for quarantined in [false, true] {
        let words = ["verify", at(&remote), "--quarantine"];
        let (code, report) = told(if quarantined { &words } else { &words[..2] });
        assert_eq!((code, &report["packs"], &report["broken"][0]["quarantined"]), (Some(1), &1.into(), &quarantined.into()), "{report}");
        assert_eq!(broken.exists(), !quarantined);
    }
    assert_eq!(good(&["import", at(local.path()), at(&remote)])["versions"], 1);
    assert_eq!(good(&["verify", at(&remote)])["packs"], 2);
}

/// Each round a domain of its own refers to a pack that two keepers are just removing.
#[test]
fn keepers_savers_and_restorers_at_once_leave_every_version_whole_or_absent() {
    let temp = tempfile::tempdir().unwrap();
    let local = ToolCache::at(&temp.path().join("local")).with(Tool::Node, "20.1.0").with(Tool::Go, "1.22.0");
    let wanted = contents(local.path());
    let remote = temp.path().join("remote");
    fs::create_dir(&remote).unwrap();
    let whole = |place: &Path| {
        let found = contents(place);
        ["node", "go"].into_iter().all(|tool| {
            let of = |all: &BTreeMap<PathBuf, Vec<u8>>| -> Vec<_> {
                all.iter().filter(|(path, _)| path.starts_with(tool)).map(|(path, bytes)| (path.clone(), bytes.clone())).collect()
            };
            of(&found).is_empty() || of(&found) == of(&wanted)
        })
    };
    good(&["import", at(local.path()), at(&remote)]);
    for round in 0..8 {
        grow_old(&remote);
        let trust = format!("round-{round}");
        std::thread::scope(|scope| {
            let keepers = [(); 2].map(|()| scope.spawn(|| told(&["gc", at(&remote)])));
            let saver = scope.spawn(|| good(&["save", "--from", at(local.path()), "--to", at(&remote), "--trust", &trust]));
            let restorers = [0, 1].map(|number| {
                let (remote, place) = (&remote, temp.path().join(format!("place-{round}-{number}")));
                scope.spawn(move || {
                    told(&["restore", "--from", at(remote), "--to", at(&place)]);
                    place
                })
            });
            assert_eq!(saver.join().unwrap()["versions"], 2, "round {round}");
            for place in restorers.map(|restorer| restorer.join().unwrap()) {
                assert!(whole(&place), "round {round}: a torn version");
                fs::remove_dir_all(place).unwrap();
            }
            for (code, report) in keepers.map(|keeper| keeper.join().unwrap()) {
                assert_eq!(code, Some(0), "round {round}: {report}");
            }
        });
        let place = temp.path().join(&trust);
        let restored = good(&["restore", "--from", at(&remote), "--to", at(&place), "--trust", &trust]);
        assert_eq!(restored["versions"], 2, "round {round}: {restored}");
        assert!(contents(&place) == wanted, "round {round}");
        good(&["verify", at(&remote)]);
    }
    grow_old(&remote);
    let swept = good(&["gc", at(&remote), "--unused-for", "30d"]);
    assert_eq!((&swept["packs"], &swept["kept"]), (&2.into(), &0.into()), "{swept}");
    assert_eq!(good(&["import", at(local.path()), at(&remote)])["versions"], 2);
}

#[test]
fn on_a_terminal_a_bar_shows_how_far_it_is_and_is_gone_at_the_end() {
    let temp = tempfile::tempdir().unwrap();
    let (tree, remote) = (temp.path().join("tree"), temp.path().join("remote"));
    fs::create_dir_all(tree.join("go/1/x64")).unwrap();
    fs::create_dir(&remote).unwrap();
    // A hole takes no room, and longer to read than the time between two pictures.
    File::create(tree.join("go/1/x64/large")).unwrap().set_len(768 << 20).unwrap();
    File::create(tree.join("go/1/x64.complete")).unwrap();
    let terminal = nix::pty::openpty(None, None).unwrap();
    let mut import = cache(&["import", at(&tree), at(&remote)]);
    let child = import.stdout(Stdio::piped()).stderr(Stdio::from(terminal.slave)).spawn().unwrap();
    // The command has our last descriptor of the other end: without it the reading below ends with the child.
    drop(import);
    let mut shown = Vec::new();
    let mut piece = [0; 4096];
    let mut screen = File::from(terminal.master);
    // Linux says EIO when nobody has the other end any more.
    while let Ok(count @ 1..) = screen.read(&mut piece) {
        shown.extend_from_slice(&piece[..count]);
    }
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", line(&output));
    let shown = String::from_utf8(shown).unwrap();
    assert!(shown.starts_with("\r[") && shown.contains("] imported 0 of 1 version, "), "{shown:?}");
    assert!(shown.ends_with(" \r") && !shown.contains('\n'), "{shown:?}");
    assert!(line(&output).starts_with("imported 1 version (1 file, 805 MB) in "), "{}", line(&output));
}

#[test]
fn a_directory_that_is_not_there_is_named_with_what_to_look_at() {
    for (words, name) in [
        (vec!["list", "/nowhere"], "remote tool cache directory /nowhere"),
        (vec!["verify", "/nowhere"], "remote tool cache directory /nowhere"),
        (vec!["gc", "/nowhere"], "remote tool cache directory /nowhere"),
        (vec!["export", "/nowhere", "/tmp"], "remote tool cache directory /nowhere"),
        (vec!["import", "/nowhere", "/tmp"], "imported directory /nowhere"),
    ] {
        let output = cache(&words).output().unwrap();
        assert_eq!(output.status.code(), Some(69), "{words:?}");
        assert!(line(&output).contains(name) && line(&output).contains("\nhint: "), "{words:?}: {}", line(&output));
    }
}
