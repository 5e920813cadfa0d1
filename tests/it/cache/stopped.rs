//! The command as a person or PID 1 stops it in the middle.

use std::{fs, process::Stdio, time::Duration};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use runner_tests::{
    clock,
    fixtures::{Tool, ToolCache},
};

use super::{command, report};

/// Its signals were collected and never heard: `cache save` on a terminal could not be interrupted.
#[test]
fn a_save_that_is_asked_to_end_gives_up_what_is_half_done_and_names_it() {
    let temp = tempfile::tempdir().unwrap();
    let mut local = ToolCache::at(&temp.path().join("local")).scale(12);
    for version in ["1.20.0", "1.21.0", "1.22.0", "1.23.0"] {
        local = local.with(Tool::Go, version);
    }
    let remote = temp.path().join("remote");
    fs::create_dir(&remote).unwrap();
    let mut save = command("save", local.path(), &remote);
    let child = save.args(["--jobs", "1"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
    let stage = remote.join(".packs/stage");
    let begun = clock::poll(Duration::from_secs(20), || fs::read_dir(&stage).ok()?.next());
    // Held while it is asked, so that it cannot be through before it hears.
    kill(pid, Signal::SIGSTOP).unwrap();
    assert!(begun.is_some(), "it never began a pack");
    kill(pid, Signal::SIGTERM).unwrap();
    kill(pid, Signal::SIGCONT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = report(&output);
    let failed = said["failed"].as_array().unwrap();
    assert!(!failed.is_empty() && failed.iter().all(|failure| failure["error"] == "stopped before it was whole"), "{said}");
    assert_eq!(fs::read_dir(&stage).unwrap().count(), 0, "what was half done is still there");
    let published = fs::read_dir(remote.join(".packs/refs/shared")).unwrap().count();
    assert_eq!(published + failed.len(), 4, "{said}");
}
