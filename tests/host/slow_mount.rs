//! The mount that is as slow as a far-away file server: what it shows is true, what it breaks breaks as told.

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
    process::Command,
};

use nix::errno::Errno;
use runner_tests::{
    fixtures::FleetCache,
    need::{Need, need},
    scratch::mounts_below,
    slow_mount::{Fault, Operation, Profile, SlowMount},
    trees::{Strictness, assert_same},
};

fn fault(text: &str) -> Fault {
    Fault::parse(text).unwrap()
}

#[test]
fn a_tree_survives_the_way_over_a_slow_mount_and_back() {
    let _alone = crate::alone();
    if !need(&[Need::Fuse]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let [full, behind, back] = ["full", "behind", "back"].map(|name| dir.path().join(name));
    FleetCache::of_files(300).fill(&full);
    fs::create_dir(&behind).unwrap();
    let copy = |from: &Path, to: &Path| assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
    let there = SlowMount::over(&behind).profile(Profile::INSTANT).mount();
    copy(&full, &there.path().join("saved"));
    let saved = there.counts();
    let point = there.path().to_owned();
    drop(there);
    assert!(mounts_below(&point).is_empty() && !point.exists());
    let again = SlowMount::over(&behind).profile(Profile::INSTANT).mount();
    copy(&again.path().join("saved"), &back);
    assert_same(&full, &behind.join("saved"), Strictness::TWINS);
    assert_same(&full, &back, Strictness::TWINS);
    let restored = again.counts();
    assert_eq!((saved.of(Operation::Open), restored.of(Operation::Create)), (0, 0));
    assert!(saved.of(Operation::Create) >= 300 && restored.of(Operation::Read) >= 300, "{saved:?} {restored:?}");
    assert_eq!(saved.written_bytes, restored.read_bytes);
}

#[test]
fn a_failing_server_fails_by_count_and_a_full_one_says_so_at_close() {
    let _alone = crate::alone();
    if !need(&[Need::Fuse]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    for name in ["one", "two"] {
        fs::write(dir.path().join(name), name).unwrap();
    }
    let mount = SlowMount::over(dir.path())
        .profile(Profile::INSTANT)
        .fail(fault("open:ESTALE:1"))
        .fail(fault("read:EIO:1+"))
        .fail(fault("write:ENOSPC:1+"))
        .fail(fault("mkdir:EDQUOT:2"))
        .mount();
    let code = |result: std::io::Result<Vec<u8>>| result.map_err(|error| error.raw_os_error().map(Errno::from_raw));
    let one = mount.path().join("one");
    // The kernel itself asks once more for a stale name.
    assert_eq!(code(fs::read(&one)), Err(Some(Errno::EIO)));
    assert_eq!((mount.counts().of(Operation::Open), code(fs::read(&one))), (2, Err(Some(Errno::EIO))));
    let mut file = File::create(mount.path().join("new")).unwrap();
    file.write_all(b"more than there is room for").unwrap();
    assert_eq!(nix::unistd::close(file), Err(Errno::ENOSPC));
    assert!(fs::create_dir(mount.path().join("first")).is_ok());
    assert_eq!(fs::create_dir(mount.path().join("second")).unwrap_err().raw_os_error(), Some(Errno::EDQUOT as i32));
    assert!(!dir.path().join("second").exists());
}

#[test]
fn who_waits_for_a_server_that_never_answers_is_freed_when_it_goes() {
    let _alone = crate::alone();
    if !need(&[Need::Fuse]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mount = SlowMount::over(dir.path()).profile(Profile::INSTANT).hang_after(0).mount();
    let name = mount.path().join("name");
    std::thread::scope(|scope| {
        let waiting = scope.spawn(move || fs::symlink_metadata(name));
        drop(mount);
        assert!(waiting.join().unwrap().is_err());
    });
}
