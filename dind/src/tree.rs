//! Owns the deletion of a directory tree by descriptor: no path is ever resolved twice, no link followed, no mount crossed.
//! Which tree may be deleted is decided by `storage` and `remains`, the only callers.

use std::{
    ffi::{CStr, CString},
    fmt,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    time::Instant,
};

use nix::{
    dir::{Dir, Type},
    errno::Errno,
    fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, openat2, renameat},
    sys::stat::{SFlag, fstatat},
    unistd::{UnlinkatFlags, unlinkat},
};

/// Directories below this depth are first moved to the top, so that a tree of any depth needs few descriptors and little stack.
const DEPTH: usize = 48;

/// What is still there after a deletion.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Left {
    /// Entries that could not be deleted; not counted when time ran out.
    pub refused: u64,
    /// The first of them and why.
    pub first: Option<String>,
    /// The deadline came first.
    pub out_of_time: bool,
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.first, self.out_of_time) {
            (Some(first), _) => write!(f, "{} entries could not be deleted, the first: {first}", self.refused),
            (None, true) => f.write_str("time ran out"),
            (None, false) => f.write_str("something is left"),
        }
    }
}

impl std::error::Error for Left {}

impl Left {
    fn add(&mut self, other: Self) {
        self.refused += other.refused;
        self.first = self.first.take().or(other.first);
    }
}

/// Opens the directory `name` in `parent`: a real one, on the same mount.
pub(crate) fn open_directory(parent: impl AsFd, name: &CStr) -> nix::Result<OwnedFd> {
    let how = OpenHow::new()
        .flags(OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_XDEV);
    openat2(parent, name, how)
}

/// Deletes everything in `top` except its entry `keep`, until `deadline`.
///
/// # Errors
/// What could not be deleted in time or at all.
pub(crate) fn clear(top: BorrowedFd<'_>, keep: &CStr, deadline: Instant) -> Result<(), Left> {
    let mut deletion = Deletion { top, keep, deadline, moved: 0 };
    match deletion.clear(top, 0) {
        Ok(left) if left == Left::default() => Ok(()),
        Ok(left) => Err(left),
        Err(OutOfTime) => Err(Left { out_of_time: true, ..Left::default() }),
    }
}

/// Ends the recursion at once.
struct OutOfTime;

struct Deletion<'a> {
    top: BorrowedFd<'a>,
    keep: &'a CStr,
    deadline: Instant,
    moved: u64,
}

impl Deletion<'_> {
    /// Empties `directory` and returns what stays. Reading while deleting may pass over entries, hence the rounds: the last one finds
    /// nothing, or nothing that can be deleted.
    fn clear(&mut self, directory: BorrowedFd<'_>, depth: usize) -> Result<Left, OutOfTime> {
        loop {
            let mut left = Left::default();
            let mut progress = false;
            let mut entries = match directory.try_clone_to_owned().map_err(|_| Errno::EMFILE).and_then(Dir::from_fd) {
                Ok(entries) => entries,
                Err(cause) => return Ok(refusal(c".", cause)),
            };
            for entry in entries.iter() {
                let entry = match entry {
                    Ok(entry) => entry,
                    Err(cause) => return Ok(refusal(c".", cause)),
                };
                let name = entry.file_name();
                if name == c"." || name == c".." || (depth == 0 && name == self.keep) {
                    continue;
                }
                self.in_time()?;
                let stays = if is_directory(directory, name, entry.file_type()) {
                    self.remove_directory(directory, name, depth)?
                } else {
                    outcome(name, unlinkat(directory, name, UnlinkatFlags::NoRemoveDir))
                };
                progress |= stays == Left::default();
                left.add(stays);
            }
            if !progress {
                return Ok(left);
            }
        }
    }

    fn remove_directory(&mut self, parent: BorrowedFd<'_>, name: &CStr, depth: usize) -> Result<Left, OutOfTime> {
        if depth == DEPTH {
            self.moved += 1;
            let aside = CString::new(format!(".deep-{}", self.moved)).unwrap_or_default();
            return Ok(outcome(name, renameat(parent, name, self.top, aside.as_c_str())));
        }
        let directory = match open_directory(parent, name) {
            Ok(directory) => directory,
            // openat2's word for "that is a mount point".
            Err(Errno::EXDEV) => return Ok(refusal(name, Errno::EBUSY)),
            Err(cause) => return Ok(outcome(name, Err(cause))),
        };
        let left = self.clear(directory.as_fd(), depth + 1)?;
        if left != Left::default() {
            return Ok(left);
        }
        Ok(outcome(name, unlinkat(parent, name, UnlinkatFlags::RemoveDir)))
    }

    fn in_time(&self) -> Result<(), OutOfTime> {
        #[expect(clippy::disallowed_methods, reason = "a job with a deadline")]
        let now = Instant::now();
        if now < self.deadline { Ok(()) } else { Err(OutOfTime) }
    }
}

fn outcome(name: &CStr, result: nix::Result<()>) -> Left {
    match result {
        Ok(()) | Err(Errno::ENOENT) => Left::default(),
        Err(cause) => refusal(name, cause),
    }
}

fn refusal(name: &CStr, cause: Errno) -> Left {
    Left { refused: 1, first: Some(format!("{}: {}", name.to_string_lossy(), cause.desc())), out_of_time: false }
}

fn is_directory(parent: BorrowedFd<'_>, name: &CStr, kind: Option<Type>) -> bool {
    match kind {
        Some(kind) => kind == Type::Directory,
        None => fstatat(parent, name, AtFlags::AT_SYMLINK_NOFOLLOW)
            .is_ok_and(|stat| SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFDIR),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::symlink, path::Path, time::Duration};

    #[expect(clippy::disallowed_methods, reason = "a job with a deadline")]
    fn within(span: Duration) -> Instant {
        Instant::now() + span
    }

    fn soon() -> Instant {
        within(Duration::from_secs(60))
    }

    fn clear_path(path: &Path, deadline: Instant) -> Result<(), Left> {
        let top = fs::File::open(path).unwrap();
        clear(top.as_fd(), c"lock", deadline)
    }

    #[test]
    fn everything_goes_but_the_entry_to_keep_and_only_at_the_top() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("a/b/c")).unwrap();
        for file in ["lock", "a/lock", "a/b/c/file", ".hidden"] {
            fs::write(dir.path().join(file), "x").unwrap();
        }
        clear_path(dir.path(), soon()).unwrap();
        let names: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["lock"]);
    }

    #[test]
    fn links_are_deleted_and_never_followed() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("precious"), "x").unwrap();
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("a")).unwrap();
        symlink(outside.path(), dir.path().join("a/out")).unwrap();
        symlink("../../../../../../etc", dir.path().join("up")).unwrap();
        symlink(outside.path().join("precious"), dir.path().join("file")).unwrap();
        fs::hard_link(outside.path().join("precious"), dir.path().join("hard")).unwrap();
        clear_path(dir.path(), soon()).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        assert_eq!(fs::read(outside.path().join("precious")).unwrap(), b"x");
    }

    /// 1200 levels: more than descriptors, and a path longer than PATH_MAX, which only descriptors can reach.
    #[test]
    fn a_tree_deeper_than_any_path_is_deleted() {
        let dir = tempfile::tempdir().unwrap();
        let mut at = OwnedFd::from(fs::File::open(dir.path()).unwrap());
        for level in 0..1200 {
            nix::sys::stat::mkdirat(&at, c"directory", nix::sys::stat::Mode::S_IRWXU).unwrap();
            if level % 100 == 0 {
                nix::sys::stat::mkdirat(&at, c"beside", nix::sys::stat::Mode::S_IRWXU).unwrap();
            }
            at = open_directory(&at, c"directory").unwrap();
        }
        drop(at);
        clear_path(dir.path(), soon()).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn many_entries_in_one_directory_are_all_found() {
        let dir = tempfile::tempdir().unwrap();
        for number in 0..5000 {
            fs::write(dir.path().join(format!("a-file-with-a-rather-long-name-{number}")), "").unwrap();
        }
        clear_path(dir.path(), soon()).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_deadline_that_has_passed_deletes_nothing_and_says_so() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "x").unwrap();
        let left = clear_path(dir.path(), within(Duration::ZERO)).unwrap_err();
        assert_eq!(left, Left { refused: 0, first: None, out_of_time: true });
        assert_eq!(left.to_string(), "time ran out");
        assert!(dir.path().join("file").exists());
    }

    #[test]
    fn what_is_refused_is_counted_over_all_directories() {
        let mut left = Left::default();
        left.add(refusal(c"a", Errno::EPERM));
        left.add(refusal(c"b", Errno::EBUSY));
        assert_eq!(left.to_string(), "2 entries could not be deleted, the first: a: Operation not permitted");
    }
}
