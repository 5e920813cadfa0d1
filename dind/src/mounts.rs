//! Owns what is mounted where in this mount namespace: reading the table, freeing a directory of its mounts, opening up read-only ones.
//! Knows nothing of docker or of data-roots.

use std::{
    ffi::OsString,
    fs,
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    mount::{MntFlags, MsFlags, mount, umount2},
};
use tracing::warn;

/// The table of this process's own mount namespace (proc_pid_mountinfo(5)).
pub const MOUNTINFO: &str = "/proc/self/mountinfo";

/// Mounts can be stacked and can uncover others, so the table is read again after each round; a bound, because something may mount anew.
const ROUNDS: usize = 8;

/// One line of the table, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mount {
    /// Which directory of the file system is mounted.
    pub root: PathBuf,
    /// Where it is mounted.
    pub point: PathBuf,
    /// It passes mounts on to its peers (`shared:N`).
    pub shared: bool,
    /// This mount point is read-only, whatever the file system is.
    pub read_only: bool,
    /// `overlay`, `xfs`, `cgroup2`...
    pub kind: String,
}

/// A mount operation that failed.
#[derive(Debug, thiserror::Error)]
pub enum MountError {
    /// The table cannot be read.
    #[error("cannot read the mount table {}: {cause}", path.display())]
    Table {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// A mount cannot be changed.
    #[error("cannot {operation} {}: {cause}", point.display())]
    Change {
        /// What was tried.
        operation: &'static str,
        /// On which mount point.
        point: PathBuf,
        /// Why not.
        cause: Errno,
    },
    /// Something mounts faster than this unmounts.
    #[error("mounts below {} come back as fast as they are removed", directory.display())]
    Endless {
        /// The directory that was to be freed.
        directory: PathBuf,
    },
}

/// Reads the table at `path`.
///
/// # Errors
/// The file cannot be read.
pub fn read(path: &Path) -> Result<Vec<Mount>, MountError> {
    let text = fs::read(path).map_err(|cause| MountError::Table { path: path.to_owned(), cause })?;
    Ok(text.split(|&byte| byte == b'\n').filter_map(parse).collect())
}

/// The mount that `path` lies on: the longest mount point above it; the later of two on the same point, which covers the earlier.
pub fn holding<'a>(mounts: &'a [Mount], path: &Path) -> Option<&'a Mount> {
    mounts.iter().filter(|mount| path.starts_with(&mount.point)).max_by_key(|mount| mount.point.as_os_str().len())
}

/// Mount points at or below `directory`, in the order in which they can be unmounted: longest first, and last mounted first.
pub fn within(mounts: &[Mount], directory: &Path) -> Vec<PathBuf> {
    let mut points: Vec<PathBuf> =
        mounts.iter().rev().filter(|mount| mount.point.starts_with(directory)).map(|mount| mount.point.clone()).collect();
    // Stable, so that of two mounts on one point the later stays first.
    points.sort_by_key(|point| std::cmp::Reverse(point.as_os_str().len()));
    points
}

/// Unmounts everything at or below `directory`, which must be free of symbolic links. What is in use is detached: it vanishes from the
/// tree now and from the kernel when its last user lets go.
///
/// # Errors
/// The table cannot be read, the kernel refuses, or [`MountError::Endless`].
pub fn unmount_within(mountinfo: &Path, directory: &Path) -> Result<usize, MountError> {
    let mut unmounted = 0;
    for _ in 0..ROUNDS {
        let points = within(&read(mountinfo)?, directory);
        if points.is_empty() {
            return Ok(unmounted);
        }
        for point in points {
            unmount(&point)?;
            unmounted += 1;
        }
    }
    Err(MountError::Endless { directory: directory.to_owned() })
}

fn unmount(point: &Path) -> Result<(), MountError> {
    let plain = umount2(point, MntFlags::UMOUNT_NOFOLLOW);
    let result = match plain {
        Err(Errno::EBUSY) => {
            warn!(point = %point.display(), "a mount is still in use; detaching it");
            umount2(point, MntFlags::UMOUNT_NOFOLLOW | MntFlags::MNT_DETACH)
        }
        other => other,
    };
    match result {
        // EINVAL and ENOENT: it went with a mount above it, or with its peer.
        Ok(()) | Err(Errno::EINVAL | Errno::ENOENT) => Ok(()),
        Err(cause) => Err(MountError::Change { operation: "unmount", point: point.to_owned(), cause }),
    }
}

/// Makes the whole tree pass mounts on, if the root does not yet: a job that mounts with `:rshared` is refused otherwise
/// ("path is mounted on / but it is not a shared mount"), and a container starts out with a private root.
///
/// # Errors
/// The table cannot be read or the kernel refuses.
pub fn share_root(mountinfo: &Path) -> Result<(), MountError> {
    let mounts = read(mountinfo)?;
    if holding(&mounts, Path::new("/")).is_some_and(|mount| mount.shared) {
        return Ok(());
    }
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_SHARED | MsFlags::MS_REC, None::<&str>).map_err(|cause| MountError::Change {
        operation: "share",
        point: "/".into(),
        cause,
    })
}

/// Mount points at or below `top` that are read-only, the upper before the lower.
pub fn read_only_within(mounts: &[Mount], top: &Path) -> Vec<PathBuf> {
    let visible = |mount: &&Mount| mounts.iter().rfind(|other| other.point == mount.point) == Some(*mount);
    mounts.iter().filter(|mount| mount.read_only && mount.point.starts_with(top)).filter(visible).map(|mount| mount.point.clone()).collect()
}

/// Makes the mount point `point` writable if it is mounted read-only, and says whether it had to.
///
/// A container with CAP_SYS_ADMIN but without `--privileged` gets /sys/fs/cgroup and /proc/sys read-only, and no container can start
/// inside it. The mount is its own, so it may change that, unless a seccomp or AppArmor profile forbids it.
///
/// # Errors
/// The table cannot be read or the kernel refuses.
pub fn make_writable(mountinfo: &Path, point: &Path) -> Result<bool, MountError> {
    let mounts = read(mountinfo)?;
    if !mounts.iter().rfind(|mount| mount.point == point).is_some_and(|mount| mount.read_only) {
        return Ok(false);
    }
    // A bind remount replaces all flags of the mount point; these three are what container engines put on kernel file systems.
    let flags = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(None::<&str>, point, None::<&str>, flags, None::<&str>).map_err(|cause| MountError::Change {
        operation: "remount read-write",
        point: point.to_owned(),
        cause,
    })?;
    Ok(true)
}

/// `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue`
fn parse(line: &[u8]) -> Option<Mount> {
    let fields: Vec<&[u8]> = line.split(|&byte| byte == b' ').collect();
    let path = |field: &[u8]| PathBuf::from(OsString::from_vec(unescape(field)));
    let (root, point) = (path(fields.get(3)?), path(fields.get(4)?));
    let options = fields.get(5)?;
    let separator = fields.iter().skip(6).position(|field| *field == b"-")? + 6;
    Some(Mount {
        root,
        point,
        shared: fields[6..separator].iter().any(|field| field.starts_with(b"shared:")),
        read_only: options.split(|&byte| byte == b',').any(|option| option == b"ro"),
        kind: std::ffi::OsStr::from_bytes(fields.get(separator + 1)?).to_string_lossy().into_owned(),
    })
}

/// Blank, tab, line break and backslash are written as `\` and three octal digits.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, tail)) = rest.split_first() {
        let octal = tail.get(..3).and_then(|digits| std::str::from_utf8(digits).ok()).and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match (first, octal) {
            (b'\\', Some(byte)) => {
                bytes.push(byte);
                rest = &tail[3..];
            }
            _ => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/root rw
30 21 0:30 / /s/task-a rw - xfs /dev/loop0 rw
31 21 0:31 / /s/task-a/data/overlay2/x/merged rw,relatime - overlay overlay rw,lowerdir=/l
32 21 0:32 / /s/task-a/data rw - xfs /dev/loop0 rw
33 21 0:33 / /s/task-ab rw - xfs /dev/loop0 rw
34 21 0:34 / /s/with\\040blank\\134 ro,nosuid master:7 propagate_from:2 - tmpfs none rw
35 21 0:35 / /s/task-a/data rw - tmpfs second rw
";

    fn table() -> Vec<Mount> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), TABLE).unwrap();
        read(file.path()).unwrap()
    }

    #[test]
    fn a_line_is_read_with_its_escapes_and_optional_fields() {
        let mounts = table();
        assert_eq!(mounts.len(), 7);
        assert_eq!(mounts[0], Mount { root: "/".into(), point: "/".into(), shared: true, read_only: false, kind: "ext4".into() });
        assert_eq!(
            mounts[5],
            Mount { root: "/".into(), point: "/s/with blank\\".into(), shared: false, read_only: true, kind: "tmpfs".into() }
        );
    }

    #[test]
    fn mounts_within_a_directory_come_longest_first_and_never_from_a_sibling() {
        let points = within(&table(), Path::new("/s/task-a"));
        assert_eq!(
            points,
            [Path::new("/s/task-a/data/overlay2/x/merged"), "/s/task-a/data".as_ref(), "/s/task-a/data".as_ref(), "/s/task-a".as_ref()]
        );
    }

    #[test]
    fn a_path_lies_on_the_nearest_and_latest_mount_above_it() {
        let mounts = table();
        assert_eq!(holding(&mounts, Path::new("/s/task-a/data/x")).unwrap().kind, "tmpfs");
        assert_eq!(holding(&mounts, Path::new("/s/task-b")).unwrap().kind, "ext4");
    }

    #[test]
    fn a_directory_without_mounts_is_free_already() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(unmount_within(Path::new(MOUNTINFO), dir.path()).unwrap(), 0);
    }

    #[test]
    fn a_table_that_never_empties_ends_the_rounds() {
        let dir = tempfile::tempdir().unwrap();
        let table = dir.path().join("mountinfo");
        fs::write(&table, format!("30 21 0:30 / {}/gone rw - xfs /dev/loop0 rw\n", dir.path().display())).unwrap();
        assert!(matches!(unmount_within(&table, dir.path()), Err(MountError::Endless { .. })));
    }

    #[test]
    fn read_only_mounts_are_found_unless_another_covers_them() {
        let mut mounts = table();
        assert_eq!(read_only_within(&mounts, Path::new("/s")), [Path::new("/s/with blank\\")]);
        assert!(read_only_within(&mounts, Path::new("/s/task-a")).is_empty());
        mounts.push(Mount { read_only: false, ..mounts[5].clone() });
        assert!(read_only_within(&mounts, Path::new("/s")).is_empty());
    }

    #[test]
    fn what_is_writable_already_is_left_alone() {
        assert!(!make_writable(Path::new(MOUNTINFO), Path::new("/")).unwrap());
    }
}
