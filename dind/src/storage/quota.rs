//! A project quota for one task's directory: which id, how much, and taking it back. No external program.
//!
//! A dockerd whose data-root belongs to project P hands out P+1, P+2... to containers with a size of their own, and tries out whether
//! it may by setting the limits of P+1 to zero (moby/moby, daemon/internal/quota/projectquota.go). Two tasks with neighbouring ids would
//! take each other's limits away, so ids are multiples of [`APART`].

use std::{
    collections::BTreeSet,
    fmt,
    fs::File,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg},
    sys::stat::fstat,
};
use supervise::kernel::{self, Volume};
use tracing::{debug, info, warn};

use super::{nodes, space::readable};

/// Between the project ids of two tasks: more than one dockerd has containers.
const APART: u32 = 100_000;

/// Why a directory cannot be limited.
#[derive(Debug, thiserror::Error)]
pub enum QuotaError {
    /// The volume has no project quotas that would hold anybody back.
    #[error("DOCKER_STORAGE_QUOTA is set, but {} {support}\nhint: {}", path.display(), support.hint())]
    Unsupported {
        /// The storage root.
        path: PathBuf,
        /// What it has.
        support: Support,
    },
    /// The kernel refuses a step.
    #[error("cannot {step} on {}: {cause}\nhint: project quotas need CAP_SYS_ADMIN and no user namespace: run the container with --privileged, or leave DOCKER_STORAGE_QUOTA out", path.display())]
    Step {
        /// What was tried.
        step: &'static str,
        /// The storage root.
        path: PathBuf,
        /// Why not.
        cause: Errno,
    },
    /// Tens of thousands of tasks.
    #[error("no project id is free on {}: every multiple of {APART} is in use\nhint: `xfs_quota -x -c 'report -p'` lists them", path.display())]
    NoneFree {
        /// The storage root.
        path: PathBuf,
    },
}

/// What a volume offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// Project quotas that hold.
    Enforced,
    /// They are counted and hold nobody back.
    Counted,
    /// It is mounted without.
    Off,
    /// The storage root belongs to a project itself and hands it on, so nothing of another project can be moved in it (rename(2), EXDEV).
    Taken(u32),
    /// The kernel or the file system has no such thing.
    Unknown(Errno),
}

impl fmt::Display for Support {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Enforced => f.write_str("has project quotas"),
            Self::Counted => f.write_str("is mounted with pqnoenforce: project quotas are counted there and hold nobody back"),
            Self::Off => f.write_str("is mounted without project quotas"),
            Self::Taken(project) => write!(f, "belongs to project {project} itself and hands it on to what is made in it"),
            Self::Unknown(cause) => write!(f, "has no project quotas that this kernel knows: {}", cause.desc()),
        }
    }
}

impl Support {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Enforced => "nothing is to be done",
            Self::Counted | Self::Off => {
                "mount the volume with `-o pquota` on the host (in its fstab too; a remount cannot switch it on, and the kernel needs \
                 CONFIG_XFS_QUOTA), or use DOCKER_STORAGE_MODE=loop, or leave DOCKER_STORAGE_QUOTA out"
            }
            Self::Taken(_) => "take the project from the directory (`xfs_io -c 'chproj 0' -c 'chattr -P'`), or use a directory beside it",
            Self::Unknown(_) => {
                "use XFS mounted with `-o pquota`, or DOCKER_STORAGE_MODE=loop, whose image is as large as DOCKER_STORAGE_QUOTA"
            }
        }
    }
}

/// What the volume of `directory` offers.
pub(super) fn support(directory: BorrowedFd<'_>) -> Support {
    match ask(directory, kernel::project_quotas_are_on) {
        // What a kernel says of a volume on which no quota is switched on, and one that knows none (fs/quota/quota.c, quota_getstate).
        Err(Errno::ENOSYS) | Ok((false, _)) => Support::Off,
        Err(cause) => Support::Unknown(cause),
        Ok((true, false)) => Support::Counted,
        Ok((true, true)) => match (kernel::project(directory), kernel::hands_on_its_project(directory)) {
            (Ok(project @ 1..), Ok(true)) => Support::Taken(project),
            _ => Support::Enforced,
        },
    }
}

/// Gives `directory`, still empty, a project of its own with a limit of `bytes`. `siblings` are the directories of all other tasks.
pub(super) fn limit(
    root: &Path,
    directory: BorrowedFd<'_>,
    siblings: impl Iterator<Item = OwnedFd>,
    bytes: u64,
) -> Result<u32, QuotaError> {
    let step = |step| move |cause| QuotaError::Step { step, path: root.to_owned(), cause };
    let volume = File::open(root).map_err(|error| step("open it")(errno(&error)))?;
    match support(volume.as_fd()) {
        Support::Enforced => {}
        support => return Err(QuotaError::Unsupported { path: root.to_owned(), support }),
    }
    // One at a time: between the search for a free id and its use nobody else may search. Held for milliseconds, and the kernel lets go
    // of it when its holder dies.
    let volume = Flock::lock(volume, FlockArg::LockExclusive).map_err(|(_, cause)| step("lock it")(cause))?;
    let used: BTreeSet<u32> = siblings.filter_map(|sibling| kernel::project(&sibling).ok()).collect();
    let id = free_id(&used, |id| {
        Ok(ask(volume.as_fd(), |at| kernel::project_quota(at, id))?.is_some_and(|quota| quota.limit | quota.used | quota.inodes != 0))
    })
    .map_err(step("ask for the use of a project"))?
    .ok_or_else(|| QuotaError::NoneFree { path: root.to_owned() })?;
    kernel::set_project(directory, id).map_err(step("set a project id"))?;
    drop(volume);
    ask(directory, |at| kernel::limit_project(at, id, bytes)).map_err(step("set the limit of a project"))?;
    info!(project = id, limit = readable(bytes), "this task's directory is limited");
    Ok(id)
}

/// Takes the limit of a task's directory away, if it has one. What stays is a number in the volume's books: told, and no reason to stop.
pub(super) fn lift(root: &Path, volume: BorrowedFd<'_>, directory: BorrowedFd<'_>) {
    // A project that came from above is not of our making.
    let of = |fd| kernel::project(fd).unwrap_or(0);
    let id = of(directory);
    if id == 0 || id % APART != 0 || id == of(volume) {
        return;
    }
    match ask(volume, |at| kernel::limit_project(at, id, 0)) {
        Ok(()) => debug!(project = id, "the limit is taken away"),
        Err(cause) => {
            warn!(project = id, cause = cause.desc(), path = %root.display(), "the limit of a dead task stays in the volume's books")
        }
    }
}

/// The first multiple of [`APART`] that no living task uses and the volume knows nothing of.
fn free_id(used: &BTreeSet<u32>, mut known: impl FnMut(u32) -> nix::Result<bool>) -> nix::Result<Option<u32>> {
    for id in (1..=u32::MAX / APART).map(|number| number * APART) {
        if !used.contains(&id) && !known(id)? {
            return Ok(Some(id));
        }
    }
    Ok(None)
}

/// Asks by descriptor, and where that is not known by the node of the device.
fn ask<T>(file: BorrowedFd<'_>, call: impl Fn(Volume<'_>) -> nix::Result<T>) -> nix::Result<T> {
    match call(Volume::Holding(file)) {
        // A kernel before 5.14, or a seccomp profile of that time; it may be the volume's own answer too, and then is so again.
        Err(first @ (Errno::ENOSYS | Errno::EPERM)) => {
            let node = nodes::block_device(fstat(file)?.st_dev).map_err(|_| first)?;
            call(Volume::Device(&node))
        }
        other => other,
    }
}

fn errno(error: &std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_multiples_far_apart_that_nobody_uses_or_has_used() {
        let none = |_| Ok(false);
        assert_eq!(free_id(&BTreeSet::new(), none), Ok(Some(100_000)));
        assert_eq!(free_id(&BTreeSet::from([0, 100_000, 200_001, 300_000]), none), Ok(Some(200_000)));
        // What an administrator or another program limits on this volume is not ours to take.
        assert_eq!(free_id(&BTreeSet::from([100_000]), |id| Ok(id == 200_000)), Ok(Some(300_000)));
        assert_eq!(free_id(&BTreeSet::new(), |_| Err(Errno::EPERM)), Err(Errno::EPERM));
        assert_eq!(free_id(&BTreeSet::new(), |_| Ok(true)), Ok(None));
    }

    #[test]
    fn a_volume_without_quotas_is_told_apart_with_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let file = File::open(dir.path()).unwrap();
        let support = support(file.as_fd());
        // Seen in a machine that has them: a plainly mounted XFS answers ENOSYS like a kernel without any.
        assert!(matches!(support, Support::Off | Support::Unknown(_)), "{support:?}");
        let error = limit(dir.path(), file.as_fd(), std::iter::empty(), 1 << 30).unwrap_err().to_string();
        assert!(error.starts_with("DOCKER_STORAGE_QUOTA is set, but /"), "{error}");
        assert!(error.contains("\nhint: ") && error.contains("pquota"), "{error}");
        // Of a directory without a project nothing is taken.
        lift(dir.path(), file.as_fd(), file.as_fd());
    }

    #[test]
    fn every_state_of_a_volume_has_its_words() {
        for (support, words) in [
            (Support::Off, "is mounted without project quotas"),
            (Support::Counted, "pqnoenforce"),
            (Support::Taken(7), "belongs to project 7"),
            (Support::Unknown(Errno::EPERM), "Operation not permitted"),
        ] {
            assert!(support.to_string().contains(words), "{support}");
            assert!(!support.hint().is_empty());
        }
    }
}
