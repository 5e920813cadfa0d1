//! What a killed run leaves, and that the next one takes it away.

use std::{fs, process::Command, time::Duration};

use runner_tests::{
    clock,
    need::{Need, need},
    scratch,
};

const SOON: Duration = Duration::from_secs(20);

/// Backdated: what was made just now may be about to be locked.
fn age(path: &std::path::Path) {
    let done = Command::new("touch").args(["-d", "1 hour ago"]).arg(path).status().unwrap();
    assert!(done.success());
}

#[test]
fn what_a_killed_run_left_is_taken_away_and_what_lives_is_not() {
    if !need(&[Need::Root]) {
        return;
    }
    let alive = scratch::Scratch::new();
    let dead = std::env::temp_dir().join(format!(".tmprunnerdead{}", std::process::id()));
    fs::create_dir_all(dead.join("mnt")).unwrap();
    let mounted = Command::new("mount").args(["-t", "tmpfs", "dead"]).arg(dead.join("mnt")).status().unwrap();
    assert!(mounted.success());
    assert_eq!(scratch::mounts_below(&dead).len(), 1);
    age(&dead);
    age(alive.path());
    // Another test's process may be quicker: what counts is that it is gone.
    drop(scratch::sweep());
    assert!(clock::holds_within(SOON, || !dead.exists()));
    assert_eq!(scratch::mounts_below(&dead).len(), 0);
    assert!(alive.path().is_dir());
}

#[test]
fn the_processes_of_a_killed_run_end_with_its_cgroup() {
    if !need(&[Need::Boxes]) {
        return;
    }
    let cgroup = runner_tests::boxed::cgroup_mount().unwrap().join(format!("dead-{}", std::process::id()));
    fs::create_dir(&cgroup).unwrap();
    let mut left = Command::new("sleep").arg("600").spawn().unwrap();
    fs::write(cgroup.join("cgroup.procs"), left.id().to_string()).unwrap();
    let dead = std::env::temp_dir().join(format!(".tmprunnergroup{}", std::process::id()));
    fs::create_dir(&dead).unwrap();
    fs::write(dead.join("cgroup"), cgroup.to_string_lossy().as_bytes()).unwrap();
    age(&dead);
    drop(scratch::sweep());
    assert!(clock::holds_within(SOON, || left.try_wait().unwrap().is_some()));
    assert!(clock::holds_within(SOON, || !cgroup.exists() && !dead.exists()));
}
