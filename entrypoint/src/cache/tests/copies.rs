//! What a copy keeps and what it refuses.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use super::*;

#[test]
fn a_restored_version_is_the_same_in_everything_that_is_kept() {
    let sides = Sides::new();
    let there = rich(&sides.remote(), UNIT);
    rich(&sides.remote(), "go/1.22.0/x64");
    let report = sides.restore();
    assert_eq!((report.versions, report.already, report.failed.len()), (2, 0, 0));
    assert_eq!(picture(&there), picture(&sides.local().join(UNIT)));
    // Files, links and hard links; not directories.
    assert_eq!(report.files, 2 * 42);
    assert_eq!(names(&sides.local()), ["go", "node"]);
    assert!(sides.local().join("node/20.1.0/x64.complete").is_file());
    let sparse = fs::metadata(sides.local().join(UNIT).join("sparse")).unwrap();
    assert!(sparse.blocks() * 512 < 1 << 20);
    let again = sides.restore();
    assert_eq!((again.versions, again.already), (0, 2));
}

#[test]
fn a_saved_version_is_the_same_and_the_stage_is_gone() {
    let sides = Sides::new();
    let here = rich(&sides.local(), UNIT);
    fs::create_dir_all(sides.local().join("go/1.22.0/x64")).unwrap();
    let report = sides.save(Layout::Tree);
    assert_eq!((report.versions, report.failed.len()), (1, 0));
    assert_eq!(picture(&here), picture(&sides.remote().join(UNIT)));
    assert_eq!(names(&sides.remote()), ["node"]);
    assert_eq!(names(&sides.remote().join("node/20.1.0")), ["x64", "x64.complete"]);
}

#[test]
fn what_is_published_is_never_replaced() {
    let sides = Sides::new();
    put(&sides.local(), "node/20.1.0/x64/file", b"changed by a job", 0o644);
    mark(&sides.local(), UNIT);
    put(&sides.remote(), "node/20.1.0/x64/file", b"published", 0o644);
    mark(&sides.remote(), UNIT);
    let before = picture(&sides.remote());
    let report = sides.save(Layout::Tree);
    assert_eq!((report.versions, report.already), (0, 1));
    assert_eq!(picture(&sides.remote()), before);
    assert_eq!(sides.restore().already, 1);
    assert_eq!(fs::read(sides.local().join(UNIT).join("file")).unwrap(), b"changed by a job");
}

#[test]
fn a_hostile_tree_is_cut_down_to_what_is_harmless() {
    let sides = Sides::new();
    let version = sides.remote().join(UNIT);
    put(&version, "setuid", b"s", 0o6755);
    put(&version, "open", b"o", 0o666);
    put(&version, "unreadable", b"u", 0o000);
    fs::create_dir(version.join("sticky")).unwrap();
    fs::set_permissions(version.join("sticky"), fs::Permissions::from_mode(0o3777)).unwrap();
    fs::create_dir(version.join("closed")).unwrap();
    fs::set_permissions(version.join("closed"), fs::Permissions::from_mode(0o555)).unwrap();
    nix::unistd::mkfifo(&version.join("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(version.join("socket")).unwrap();
    let outside = sides.temp.path().join("outside");
    fs::write(&outside, "linked").unwrap();
    fs::hard_link(&outside, version.join("hard")).unwrap();
    mark(&sides.remote(), UNIT);

    let report = sides.restore();
    assert_eq!((report.versions, report.skipped), (1, 2));
    let copy = sides.local().join(UNIT);
    let modes: Vec<(OsString, u32)> = names(&copy)
        .into_iter()
        .map(|name| {
            let mode = fs::symlink_metadata(copy.join(&name)).unwrap().mode() & 0o7777;
            (name, mode)
        })
        .collect();
    let expected = [("closed", 0o755), ("hard", 0o644), ("open", 0o644), ("setuid", 0o755), ("sticky", 0o755), ("unreadable", 0o400)];
    assert_eq!(modes, expected.map(|(name, mode)| (name.into(), mode)));
    assert_eq!(fs::metadata(copy.join("hard")).unwrap().nlink(), 1);
}

#[test]
fn a_version_with_a_link_that_leads_out_is_refused_and_the_others_are_copied() {
    for target in ["/etc/passwd", "../../../../../etc/passwd", "..", "bin/../../x"] {
        let sides = Sides::new();
        rich(&sides.remote(), UNIT);
        symlink(target, sides.remote().join(UNIT).join("way-out")).unwrap();
        rich(&sides.remote(), "go/1.22.0/x64");
        let report = sides.restore();
        assert_eq!((report.versions, report.failed.len()), (1, 1), "{target}");
        assert_eq!(report.failed[0].version, UNIT);
        assert!(report.failed[0].error.contains("way-out"), "{}", report.failed[0].error);
        assert_eq!(names(&sides.local()), ["go"]);
    }
}

#[test]
fn an_absolute_link_into_its_own_version_becomes_relative() {
    let sides = Sides::new();
    let version = sides.local().join(UNIT);
    put(&version, "bin/pypy", b"pypy", 0o755);
    symlink(version.join("bin/pypy"), version.join("bin/python")).unwrap();
    mark(&sides.local(), UNIT);
    assert_eq!(sides.save(Layout::Tree).versions, 1);
    let link = sides.remote().join(UNIT).join("bin/python");
    assert_eq!(fs::read_link(&link).unwrap(), Path::new("../bin/pypy"));
    assert_eq!(fs::read(link).unwrap(), b"pypy");
}

#[test]
fn a_directory_swapped_for_a_link_is_not_entered() {
    let sides = Sides::new();
    let elsewhere = sides.temp.path().join("elsewhere");
    put(&elsewhere, "x64/secret", b"secret", 0o644);
    put(&elsewhere, "x64.complete", b"", 0o644);
    fs::create_dir_all(sides.remote().join("node")).unwrap();
    symlink(&elsewhere, sides.remote().join("node/20.1.0")).unwrap();
    assert_eq!(sides.restore().versions, 0);
    // And a version directory planted on the side that is written to is not written through.
    let sides = Sides::new();
    rich(&sides.local(), UNIT);
    let elsewhere = sides.temp.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    symlink(&elsewhere, sides.remote().join("node")).unwrap();
    let report = sides.save(Layout::Tree);
    assert_eq!((report.versions, report.failed.len()), (0, 1));
    assert_eq!(names(&elsewhere), [] as [&str; 0]);
}

#[test]
fn a_torn_leftover_is_replaced_on_either_side_and_kept_a_day_where_others_read() {
    let sides = Sides::new();
    let there = rich(&sides.remote(), UNIT);
    put(&sides.local(), "node/20.1.0/x64/torn", b"torn", 0o644);
    assert_eq!(sides.restore().versions, 1);
    assert_eq!(picture(&there), picture(&sides.local().join(UNIT)));
    assert_eq!(names(&sides.local()), ["node"]);

    let sides = Sides::new();
    let here = rich(&sides.local(), UNIT);
    put(&sides.remote(), "node/20.1.0/x64/torn", b"torn", 0o644);
    assert_eq!(sides.save(Layout::Tree).versions, 1);
    assert_eq!(picture(&here), picture(&sides.remote().join(UNIT)));
    let area = sides.remote().join(".stage");
    let kept = names(&area);
    assert_eq!(kept.len(), 1);
    assert_eq!(names(&area.join(&kept[0]).join("0")), ["torn"]);
}

#[test]
fn a_marker_without_its_tree_is_no_version_and_gets_one() {
    let sides = Sides::new();
    let here = rich(&sides.local(), UNIT);
    fs::create_dir_all(sides.remote().join("node/20.1.0")).unwrap();
    mark(&sides.remote(), UNIT);
    assert_eq!(sides.restore().versions, 0);
    assert_eq!(sides.save(Layout::Tree).versions, 1);
    assert_eq!(picture(&here), picture(&sides.remote().join(UNIT)));
}

#[test]
fn names_that_are_not_utf8_travel_too() {
    let sides = Sides::new();
    let tool = sides.remote().join(OsStr::from_bytes(b"to\xffol"));
    fs::create_dir_all(tool.join("1/x64")).unwrap();
    fs::write(tool.join("1/x64.complete"), "").unwrap();
    assert_eq!(sides.restore().versions, 1);
    assert_eq!(names(&sides.local()), [OsStr::from_bytes(b"to\xffol")]);
}
