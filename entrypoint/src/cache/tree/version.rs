//! One version on its way from one side to the other: what has been counted, which names are one file, how it ended.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock};

use super::node::Node;
use crate::cache::names::VersionId;
use crate::cache::outcome::Outcome;
use crate::cache::publish::Published;
use crate::cache::refusal::Refusal;

/// One version on its way.
pub(in crate::cache) struct Version {
    pub(in crate::cache) id: VersionId,
    /// Its name in the stage.
    pub(in crate::cache) staged: OsString,
    pub(in crate::cache) homes: Vec<PathBuf>,
    pub(in crate::cache) entries: AtomicU64,
    pub(in crate::cache) files: AtomicU64,
    pub(in crate::cache) bytes: AtomicU64,
    pub(in crate::cache) skipped: AtomicU64,
    pub(in crate::cache) groups: Mutex<HashMap<(u64, u64), LinkGroup>>,
    /// The first thing that went wrong; from then on its tasks do nothing.
    pub(in crate::cache) refusal: OnceLock<Refusal>,
    pub(in crate::cache) published: OnceLock<Published>,
}

impl Version {
    pub(in crate::cache) fn new(number: usize, id: VersionId, homes: &[PathBuf]) -> Self {
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

    pub(in crate::cache) fn outcome(self) -> Outcome {
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
pub(in crate::cache) struct LinkGroup {
    /// Path of the first below the version's root.
    pub(in crate::cache) first: Vec<OsString>,
    pub(in crate::cache) whole: bool,
    pub(in crate::cache) waiting: Vec<(Arc<Node>, OsString)>,
}
