//! One version on its way from one side to the other: what has been counted, which names are one file, how it ended.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock};

use nix::sys::stat::FileStat;

use super::layout::VersionId;
use super::node::Node;
use super::publish::Published;
use super::refusal::Refusal;

/// What became of one version.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) id: VersionId,
    pub(super) result: Result<Published, Refusal>,
    pub(super) files: u64,
    pub(super) bytes: u64,
    pub(super) skipped: u64,
}

/// One version on its way.
pub(super) struct Version {
    pub(super) id: VersionId,
    /// Its name in the stage.
    pub(super) staged: OsString,
    pub(super) homes: Vec<PathBuf>,
    pub(super) entries: AtomicU64,
    pub(super) files: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) skipped: AtomicU64,
    pub(super) groups: Mutex<HashMap<(u64, u64), LinkGroup>>,
    /// The first thing that went wrong; from then on its tasks do nothing.
    pub(super) refusal: OnceLock<Refusal>,
    pub(super) published: OnceLock<Published>,
}

impl Version {
    pub(super) fn new(number: usize, id: VersionId, homes: &[PathBuf]) -> Self {
        let home = |root: &PathBuf| root.join(&id.tool).join(&id.version).join(&id.arch);
        Self {
            staged: number.to_string().into(),
            homes: homes.iter().map(home).collect(),
            id,
            entries: AtomicU64::new(0),
            files: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            skipped: AtomicU64::new(0),
            groups: Mutex::default(),
            refusal: OnceLock::new(),
            published: OnceLock::new(),
        }
    }

    pub(super) fn outcome(self) -> Outcome {
        let result = match (self.refusal.into_inner(), self.published.into_inner()) {
            (Some(refusal), _) => Err(refusal),
            (None, Some(published)) => Ok(published),
            // A thread that panicked never came to the end of it.
            (None, None) => Err(Refusal::Withdrawn(self.id.to_string())),
        };
        Outcome { id: self.id, result, files: self.files.into_inner(), bytes: self.bytes.into_inner(), skipped: self.skipped.into_inner() }
    }
}

/// Names of one file. The first seen is copied, the others become links to it once it is whole.
pub(super) struct LinkGroup {
    /// Path of the first below the version's root.
    pub(super) first: Vec<OsString>,
    pub(super) whole: bool,
    pub(super) waiting: Vec<(Arc<Node>, OsString)>,
}

/// The owner may always enter, list and write: else neither the rename of the tree nor its removal would be allowed.
pub(super) fn directory_mode(stat: &FileStat) -> u32 {
    (stat.st_mode & 0o755) | 0o700
}
