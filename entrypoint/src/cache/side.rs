//! The two directories of a run, and what to look at when one of them cannot be used.

use std::fmt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;

use super::dir::{Dir, Gate};

/// Which of the two directories.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Remote,
    Local,
    /// A tree that becomes packs.
    Imported,
    /// Where plain trees are wanted.
    Exported,
}

impl Side {
    /// Opens the directory of this side.
    pub(super) fn open(self, path: &Path, gate: &Gate) -> Result<Dir, Unusable> {
        if matches!(self, Self::Local | Self::Exported) {
            // A restore may be the first to need it. That of a remote would be a directory under a mount that is missing.
            let _ = std::fs::create_dir_all(path);
        }
        Dir::root(path, gate.clone()).map_err(self.wrong("open", path))
    }

    /// For `map_err`: something that failed on the directory as a whole.
    pub(super) fn wrong(self, operation: &'static str, path: &Path) -> impl FnOnce(Errno) -> Unusable {
        let path = path.to_owned();
        move |cause| Unusable { operation, side: self, path, cause }
    }

    /// What to look at when a directory of this side cannot be used.
    fn hint(self, cause: Errno) -> &'static str {
        match (self, cause) {
            (Self::Remote, Errno::ENOENT | Errno::ENOTDIR) => {
                "\nhint: is the shared volume mounted at TOOL_CACHE_REMOTE in this container?"
            }
            (Self::Remote, _) => {
                "\nhint: the runner's user must be able to read (and to save, write) TOOL_CACHE_REMOTE; look at the volume's access point, uid and mount options"
            }
            (Self::Imported, _) => {
                "\nhint: name a hosted tool cache, or a copy of one: the directory that has <tool>/<version>/<arch>/ in it"
            }
            (Self::Exported, _) => "\nhint: name a directory that this user may write to; it is made if it is missing",
            (Self::Local, _) => "\nhint: RUNNER_TOOL_CACHE must be a directory that the runner's user owns",
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Remote => "remote tool cache",
            Self::Local => "local tool cache",
            Self::Imported => "imported",
            Self::Exported => "export",
        })
    }
}

/// A side that cannot be read or written at all.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} the {side} directory {}: {cause}{}", .path.display(), .side.hint(*.cause))]
pub(super) struct Unusable {
    operation: &'static str,
    side: Side,
    path: PathBuf,
    cause: Errno,
}

/// The local root as it was named and as it is really called: absolute links were made with either.
pub(super) fn homes(local: &Path) -> Vec<PathBuf> {
    let mut homes: Vec<PathBuf> = Vec::new();
    homes.extend(std::path::absolute(local));
    homes.extend(std::fs::canonicalize(local));
    homes.dedup();
    homes
}
