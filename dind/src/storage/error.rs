//! What can go wrong with a task's directory.

use std::{io, path::PathBuf};

use nix::errno::Errno;

use super::{disk::DiskError, quota::QuotaError};
use crate::{mounts::MountError, tree::Left};

/// Something that could not be done with a task's directory.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The storage root cannot be used.
    #[error("cannot use the storage root {}: {cause}", path.display())]
    Storage {
        /// As configured.
        path: PathBuf,
        /// Why not.
        cause: io::Error,
    },
    /// A directory for this task cannot be made.
    #[error("cannot make a data-root in {}: {cause}", storage.display())]
    Create {
        /// The storage root.
        storage: PathBuf,
        /// Why not.
        cause: Errno,
    },
    /// No random name to be had.
    #[error("cannot name a data-root: {0}")]
    Random(getrandom::Error),
    /// It cannot be limited.
    #[error(transparent)]
    Quota(#[from] QuotaError),
    /// Its own file system cannot be used.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// It cannot be taken out of use.
    #[error("cannot rename {} away: {cause}", path.display())]
    Rename {
        /// The data-root.
        path: PathBuf,
        /// Why not.
        cause: Errno,
    },
    /// Something in it is mounted and stays so.
    #[error(transparent)]
    Mount(#[from] MountError),
    /// Parts of it are still there, under a name that the next sweep takes up.
    #[error("{} is not gone: {left}\nhint: the next start on this storage root goes on with it", path.display())]
    Left {
        /// Where they are now.
        path: PathBuf,
        /// What they are.
        left: Left,
    },
}
