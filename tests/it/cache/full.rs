//! A full disk on either side: what fits is there whole, the rest is named, and nothing stays half.

use std::{
    fs,
    path::{Path, PathBuf},
};

use nix::{
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
};
use runner_tests::need::{Need, need};

use super::{Layout, Picture, command, noise, report, restore, save, say, versions};

const VERSIONS: u64 = 4;

/// Versions of a megabyte each that does not compress.
fn megabytes(root: &Path) {
    for number in 0..VERSIONS {
        let tree = root.join(format!("node/{number}.0.0/x64"));
        fs::create_dir_all(tree.join("bin")).unwrap();
        for part in 0..10_u64 {
            fs::write(tree.join(format!("bin/{part}")), noise(100 * number + part, 100 << 10)).unwrap();
        }
        fs::write(tree.with_extension("complete"), "").unwrap();
    }
}

fn sized(at: &Path, options: &str, flags: MsFlags) {
    mount(Some("tmpfs"), at, Some("tmpfs"), flags, Some(options)).unwrap();
}

/// Runs `test` where a small file system can be mounted that nobody else sees, with the path of its root.
fn on_a_small_disk(options: &'static str, test: impl FnOnce(&Path) + Send) {
    let temp = tempfile::tempdir().unwrap();
    let disk = temp.path().join("disk");
    fs::create_dir(&disk).unwrap();
    std::thread::scope(|scope| {
        // The namespace is this thread's and its children's, and ends with them.
        let running = scope.spawn(|| {
            unshare(CloneFlags::CLONE_NEWNS).unwrap();
            mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>).unwrap();
            sized(&disk, options, MsFlags::empty());
            test(&disk);
        });
        running.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
}

/// Room for two versions and a half, of bytes or of names.
const SMALL: [&str; 2] = ["size=2600k", "size=64m,nr_inodes=42"];
/// The same for packs, of which each is one name.
const SMALL_FOR_PACKS: [&str; 2] = ["size=2600k", "size=64m,nr_inodes=9"];

fn fills(verb: &str, layout: Layout, options: &'static str) {
    if !need(&[Need::Root]) {
        return;
    }
    on_a_small_disk(options, |disk| {
        let temp = tempfile::tempdir().unwrap();
        let (local, remote) = (temp.path().join("local"), temp.path().join("remote"));
        megabytes(&local);
        let wanted = versions(&local);
        let (from, found): (PathBuf, &dyn Fn() -> std::collections::BTreeMap<String, Picture>) = match verb {
            "save" => (local, &|| layout.published(disk)),
            _ => {
                fs::create_dir(&remote).unwrap();
                save(layout, &local, &remote);
                (remote, &|| versions(disk))
            }
        };
        let mut command = command(verb, &from, disk);
        if verb == "save" {
            command.args(["--layout", layout.name()]);
        }
        let what = format!("{verb} of a {} into {options}", layout.name());
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{what}: {output:?}");
        let report = report(&output);
        let there = found();
        assert!(there.iter().all(|(name, tree)| wanted.get(name) == Some(tree)), "{what}: torn: {report}");
        let failed = report["failed"].as_array().unwrap();
        assert_eq!((there.len() + failed.len()) as u64, VERSIONS, "{what}: {report}");
        assert!(failed.iter().all(|failure| failure["error"].as_str().unwrap().contains("ENOSPC")), "{what}: {report}");
        let left = [".stage", ".packs/stage"].map(|area| fs::read_dir(disk.join(area)).into_iter().flatten().count());
        assert_eq!(left, [0, 0], "{what}: the disk is full of what nobody can use");
        say(&format!("{what}: {} whole, {} named, torn 0", there.len(), failed.len()));

        sized(disk, "size=64m,nr_inodes=9999", MsFlags::MS_REMOUNT);
        match verb {
            "save" => save(layout, &from, disk),
            _ => restore(&from, disk),
        };
        assert!(found() == wanted, "{what}: with room for all not all came");
    });
}

#[test]
fn a_save_into_a_full_remote_side_leaves_whole_versions_only() {
    for (layout, small) in [(Layout::Tree, SMALL), (Layout::Pack, SMALL_FOR_PACKS)] {
        for options in small {
            fills("save", layout, options);
        }
    }
}

#[test]
fn a_restore_into_a_full_local_side_leaves_whole_versions_only() {
    for layout in Layout::BOTH {
        for options in SMALL {
            fills("restore", layout, options);
        }
    }
}
