//! The command as users call it.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::super::progress::Form;
use super::super::{COMMANDS, command};
use super::races::build;
use super::*;

fn run(args: &[&OsStr]) -> (u8, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let status = command(args.iter().map(Into::into), &Stop::default(), &mut out, &mut err, |_| Form::Nothing, None);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status, text(out), text(err))
}

fn words(direction: &str, from: &Path, to: &Path, more: &[&str]) -> (u8, String, String) {
    let mut args = vec![OsStr::new(direction), OsStr::new("--from"), from.as_os_str(), OsStr::new("--to"), to.as_os_str()];
    args.extend(more.iter().map(OsStr::new));
    run(&args)
}

#[test]
fn the_command_tells_what_it_did_in_the_form_that_was_asked_for() {
    let sides = Sides::new();
    build(&sides.remote(), UNIT, 1);
    let (status, out, err) = words("restore", &sides.remote(), &sides.local(), &[]);
    assert_eq!((status, err.as_str()), (0, ""));
    assert!(out.starts_with("restored 1 version (12 files, 768 B) in "), "{out}");
    assert_eq!(out.lines().count(), 1);

    symlink("/", sides.local().join(UNIT).join("out")).unwrap();
    fs::rename(sides.remote().join("node"), sides.temp.path().join("away")).unwrap();
    let more = ["--report", "json", "--jobs", "3"];
    let (status, out, _) = words("save", &sides.local(), &sides.remote(), &more);
    assert_eq!((status, out.lines().count()), (1, 1));
    let told: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(told["cache"], "save");
    assert_eq!(told["versions"], 0);
    assert_eq!(told["failed"][0]["version"], UNIT);
}

#[test]
fn the_command_refuses_what_it_does_not_understand_and_says_where_help_is() {
    let cases: [&[&str]; 2] = [&[], &["sync", "--from", "/a", "--to", "/b"]];
    for words in cases {
        let args: Vec<&OsStr> = words.iter().map(OsStr::new).collect();
        let (status, out, err) = run(&args);
        assert_eq!((status, out.as_str()), (64, ""), "{words:?}");
        assert!(err.contains("hint: `runner-entrypoint cache --help`"), "{words:?}: {err}");
    }
    for (words, topic) in [(&["--help"][..], "cache"), (&["gc", "--help"], "cache gc"), (&["save", "--jobs", "3", "-h"], "cache save")] {
        let (status, out, _) = run(&words.iter().map(OsStr::new).collect::<Vec<_>>());
        assert_eq!((status, out), (0, settings::render_command("runner-entrypoint", COMMANDS, topic, 80)), "{words:?}");
    }
}

#[test]
fn a_directory_that_cannot_be_used_is_named_with_the_setting_to_look_at() {
    let sides = Sides::new();
    let missing = sides.temp.path().join("missing");
    let (status, out, err) = words("restore", &missing, &sides.local(), &[]);
    assert_eq!((status, out.as_str()), (69, ""));
    assert!(err.contains("remote tool cache directory") && err.contains("TOOL_CACHE_REMOTE"), "{err}");
    assert!(!missing.exists());

    let file = sides.temp.path().join("file");
    fs::write(&file, "").unwrap();
    let (status, _, err) = words("restore", &sides.remote(), &file, &[]);
    assert_eq!(status, 69);
    assert!(err.contains("RUNNER_TOOL_CACHE"), "{err}");
    // A local cache that does not exist yet is made.
    let fresh = sides.temp.path().join("fresh/cache");
    assert_eq!(words("restore", &sides.remote(), &fresh, &[]).0, 0);
    assert!(fresh.is_dir());
}

#[test]
fn the_keepers_commands_tell_what_they_found_and_whether_it_is_well() {
    let sides = Sides::new();
    build(&sides.local(), UNIT, 1);
    let (local, remote) = (sides.local(), sides.remote());
    let told = |words: &[&str], places: &[&Path]| {
        let mut args: Vec<&OsStr> = words.iter().map(OsStr::new).collect();
        args.extend(places.iter().map(|place| place.as_os_str()));
        let (status, out, err) = run(&args);
        assert_eq!(err, "", "{words:?}");
        assert!(out.ends_with('\n') && !out.ends_with("\n\n"), "{words:?}: {out:?}");
        (status, out)
    };
    assert!(told(&["import"], &[&local, &remote]).1.starts_with("imported 1 version (12 files, 768 B) in "));
    let exported = told(&["export"], &[&remote, &sides.temp.path().join("exported")]);
    assert!(exported.1.starts_with("exported 1 version (12 files, 768 B) in "), "{exported:?}");
    let (status, out) = told(&["list"], &[&remote]);
    assert!(status == 0 && out.starts_with("VERSION          LAYOUT") && out.contains("\nnode/20.1.0/x64  pack "), "{out}");
    assert!(told(&["list", "--digests"], &[&remote]).1.ends_with("  # node/20.1.0/x64\n"));
    let (status, out) = told(&["verify"], &[&remote]);
    assert!(status == 0 && out.starts_with("verified 1 pack (12 files, ") && out.ends_with("; 0 broken\n"), "{out}");
    let (status, out) = told(&["gc"], &[&remote]);
    assert!(
        status == 0 && out.starts_with("removed 0 packs, 0 dangling references, 0 dead stages, 0 quarantined packs (0 B) in "),
        "{out}"
    );
    for words in [&["list", "--json"][..], &["verify", "--json"], &["gc", "--json", "--dry-run"]] {
        let (status, out) = told(words, &[&remote]);
        let report: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!((status, out.lines().count(), &report["cache"]), (0, 1, &words[0].into()), "{out}");
    }
    let object = super::packs::objects(&remote).remove(0);
    fs::write(object, "nonsense").unwrap();
    let (status, out) = told(&["verify"], &[&remote]);
    assert!(status == 1 && out.starts_with("broken node/20.1.0/x64: its pack is not what its name says: "), "{out}");
}
