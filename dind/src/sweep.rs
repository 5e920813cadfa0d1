//! `sweep`: what a start does for the dead, without a start. A host whose last task was killed keeps that task's data until another one
//! comes, which may be never; a timer of the host runs this.

use std::{path::Path, time::Instant};

use tracing::{error, info, warn};

use crate::{
    mounts, stages,
    storage::{StorageError, StorageRoot, Swept},
    words::exit,
};

/// Sweeps a storage root once, beside living tasks or alone, and says what it did. Not having come to an end in time is no failure: the
/// next sweep goes on.
pub(crate) fn sweep(root: &Path) -> u8 {
    #[expect(clippy::disallowed_methods, reason = "a job with a deadline")]
    let deadline = Instant::now() + stages::SWEEP;
    let swept = StorageRoot::open(root, Path::new(mounts::MOUNTINFO)).and_then(|storage| storage.sweep(deadline));
    match swept {
        Ok(swept) => tell(root, &swept),
        Err(error) => {
            error!("{error}\nhint: set DOCKER_STORAGE_ROOT to the directory that is mounted there in the sidecars");
            exit::HOST
        }
    }
}

fn tell(root: &Path, swept: &Swept) -> u8 {
    let Swept { removed, killed, left, alive } = swept;
    let mut code = exit::FINE;
    for error in left {
        if let StorageError::Left { left, .. } = error
            && left.out_of_time
        {
            info!(%error, "the next sweep goes on");
        } else {
            warn!(%error, "what a dead task left is still there");
            code = exit::HOST;
        }
    }
    let root = root.display();
    if removed.is_empty() && left.is_empty() {
        info!(%root, alive, killed, "dead tasks left nothing");
    } else {
        info!(%root, alive, killed, removed = removed.join(" "), left = left.len(), "swept what dead tasks left");
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{storage::Layout, tree::Left};
    use std::path::PathBuf;

    fn left(out_of_time: bool) -> Swept {
        let left = Left { refused: 1, first: None, out_of_time };
        Swept { left: vec![StorageError::Left { path: PathBuf::from("/storage/.dead-1"), left }], ..Swept::default() }
    }

    #[test]
    fn the_dead_go_the_living_stay_and_other_names_are_not_looked_at() {
        let dir = tempfile::tempdir().unwrap();
        let storage = StorageRoot::open(dir.path(), Path::new(mounts::MOUNTINFO)).unwrap();
        let living = storage.create(Layout::Plain).unwrap();
        drop(storage.create(Layout::Plain).unwrap());
        std::fs::create_dir_all(dir.path().join("tool-cache/node")).unwrap();
        for _ in 0..2 {
            assert_eq!(sweep(dir.path()), exit::FINE);
            let mut names: Vec<String> =
                std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            assert_eq!(names, [format!("task-{}", living.id()), "tool-cache".to_owned()]);
        }
    }

    #[test]
    fn what_cannot_be_removed_is_a_failure_and_what_takes_longer_is_not() {
        assert_eq!(tell(Path::new("/storage"), &left(false)), exit::HOST);
        assert_eq!(tell(Path::new("/storage"), &left(true)), exit::FINE);
    }

    #[test]
    fn a_root_that_is_not_there_is_a_fault_of_the_host() {
        assert_eq!(sweep(Path::new("/nowhere/storage")), exit::HOST);
    }
}
