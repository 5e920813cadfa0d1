//! The task's folder: can this program keep its state there, and a lock that says whether it lives.

use std::{
    fs::{self, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use checkup::Check;
use nix::{
    fcntl::{Flock, FlockArg},
    unistd::Uid,
};
use supervise::StateFile;

use crate::config::Config;

pub(super) fn check(config: &Config) -> Check {
    let (task, own) = (&config.task_dir, config.task_dir.join("runner"));
    let shown = task.display();
    if let Some(state) = StateFile::read(&own) {
        return Check::seen("folder", format!("{shown}: a runner lives there, {} since {}", state.phase, state.since));
    }
    // Where this program would make what is missing.
    let place = own.ancestors().find(|place| place.exists()).unwrap_or(task);
    let mut check = Check::seen("folder", format!("{shown} can be written and locked"));
    if let Err(error) = try_to_keep_a_lock(place) {
        check.seen = format!("{shown} cannot be used");
        check.warn(&format!(
            "neither `health` nor the docker sidecar could tell whether this runner lives: {}: {error}\n\
             hint: mount a volume at TASK_DIR that user id {} may write",
            place.display(),
            Uid::effective()
        ));
    }
    check
}

/// With a file of its own: the real lock is what others look at.
fn try_to_keep_a_lock(place: &Path) -> io::Result<()> {
    let path = place.join(format!(".check-{:016x}", getrandom::u64().map_err(io::Error::other)?));
    let flags = nix::libc::O_NOFOLLOW;
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).custom_flags(flags).open(&path)?;
    let locked = Flock::lock(file, FlockArg::LockExclusiveNonblock).map(drop).map_err(|(_, cause)| io::Error::from(cause));
    fs::remove_file(path).and(locked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_tried_and_nothing_is_left_in_it() {
        let dir = tempfile::tempdir().unwrap();
        try_to_keep_a_lock(dir.path()).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        assert!(try_to_keep_a_lock(&dir.path().join("nowhere")).is_err());
    }
}
