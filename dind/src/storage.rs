//! Owns the directory of one task on the storage volume: made, owned by a held lock, swept when its owner is dead, removed at the end.
//! Knows nothing of docker except that its data goes to `data/`, its sockets and pids to `exec/`, and how its programs are called.
//!
//! What may be deleted is a matter of types: a [`DataRoot`] comes only out of [`StorageRoot::create`], and the sweep deletes only what
//! has our name, belongs to our user, and has a lock that this process took. Names in the storage root:
//!
//! - `.new-<id>`: being made, lock held. The lock is taken under this name, so a `task-` directory is never seen without one.
//! - `task-<id>`: in use while its lock is held. The kernel drops the lock with its owner, however it ends. It closes a dying PID 1's files
//!   a moment before it kills the rest of that pid namespace, so a sweep can meet the last milliseconds of a dead task: what is deleted
//!   then was lost already, and its mounts are in a namespace of their own.
//! - `.dead-<id>`: renamed away, being deleted by whoever holds the lock, or left over; the next sweep goes on with it.
//!
//! In a task's directory lie `lock`, `data/` and `exec/`; or, with a file system of its own, `lock`, `image` and `disk/`, where the image
//! is mounted and has `data/` and `exec/` in it.

mod data_root;
mod dead;
mod disk;
mod error;
mod names;
mod nodes;
mod processes;
mod quota;
mod root;
mod space;
mod volume;

pub use data_root::DataRoot;
pub use dead::Swept;
pub use disk::{Disk, MAKER};
pub use error::StorageError;
pub use names::TaskId;
pub use root::{Layout, StorageRoot};
pub use space::{Change, Gauge, Space, readable};
pub use volume::{Kind, Remark, SMALLEST_DISK, Seen, Support, Wish, judge, look};

/// What docker's data lies on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The storage root itself, which must be XFS.
    Xfs,
    /// An XFS of this task alone, in a file below the storage root, which may be on anything that holds large sparse files.
    Loop,
    /// The storage root itself, whatever it is, if overlay works on it.
    Any,
}

/// What happens to a task's directory at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cleanup {
    /// It is deleted before the process ends.
    Now,
    /// It is taken out of use, which takes milliseconds, and deleted by the next sweep of anybody.
    Later,
}

#[cfg(test)]
mod tests;
