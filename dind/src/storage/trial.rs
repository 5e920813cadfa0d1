//! Tries whether overlay works on a directory, as docker's storage driver would use it. Leaves nothing.

use std::{fs, path::Path, time::Instant};

use nix::{
    mount::{MntFlags, MsFlags, mount, umount2},
    sched::{CloneFlags, unshare},
    unistd::chdir,
};

use super::{Layout, StorageRoot};
use crate::mounts;

/// Mounts an overlay in a directory of our making in `root`, writes a file, and removes one of the lower layer.
pub(super) fn overlay(root: &Path) -> Result<(), String> {
    let text = |error: super::StorageError| error.to_string();
    let made = StorageRoot::open(root, Path::new(mounts::MOUNTINFO)).and_then(|storage| storage.create(Layout::Plain)).map_err(text)?;
    let data = made.data();
    // On a thread whose mounts are its own and end with it.
    let tried = std::thread::spawn(move || mount_and_write(&data)).join().unwrap_or_else(|_| Err("the trial panicked".to_owned()));
    #[expect(clippy::disallowed_methods, reason = "a deletion with a deadline")]
    let soon = Instant::now() + std::time::Duration::from_secs(5);
    let removed = made.remove(soon).map_err(text);
    tried.and(removed)
}

fn mount_and_write(directory: &Path) -> Result<(), String> {
    fn say<T, E: std::fmt::Display>(what: &str, result: Result<T, E>) -> Result<T, String> {
        result.map_err(|error| format!("{what}: {error}"))
    }
    let nothing = None::<&str>;
    // With this a thread has a working directory of its own, too.
    say("unshare the mounts", unshare(CloneFlags::CLONE_NEWNS))?;
    say("keep the mounts apart", mount(nothing, "/", nothing, MsFlags::MS_PRIVATE | MsFlags::MS_REC, nothing))?;
    // Relative: a path with a colon or a comma would not survive the mount's options.
    say("change to the directory", chdir(directory))?;
    for name in ["lower", "upper", "work", "merged"] {
        say(name, fs::create_dir(name))?;
    }
    say("write below", fs::write("lower/file", "x"))?;
    let options = "lowerdir=lower,upperdir=upper,workdir=work";
    say("mount an overlay", mount(Some("overlay"), "merged", Some("overlay"), MsFlags::empty(), Some(options)))?;
    let used = say("write to the overlay", fs::write("merged/new", "x"))
        .and_then(|()| say("remove a file of the lower layer", fs::remove_file("merged/file")));
    say("unmount the overlay", umount2("merged", MntFlags::MNT_DETACH))?;
    used
}
