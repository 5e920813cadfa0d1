//! A directory of a version while it is copied.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use nix::sys::stat::FileStat;

use super::layout::printable;
use super::tree::Dir;

/// One directory being copied. It is finished when its own listing and everything below it are.
pub(super) struct Node {
    pub(super) version: usize,
    pub(super) parent: Option<Arc<Node>>,
    /// Below the version's root; none for the root.
    pub(super) path: Vec<OsString>,
    pub(super) from: Dir,
    pub(super) to: Dir,
    pub(super) stat: FileStat,
    pub(super) open: AtomicUsize,
}

impl Node {
    pub(super) fn path_of(&self, name: &OsStr) -> Vec<u8> {
        let mut names: Vec<&[u8]> = self.path.iter().map(|part| part.as_bytes()).collect();
        names.push(name.as_bytes());
        names.join(&b'/')
    }

    pub(super) fn shown(&self, name: &OsStr) -> String {
        printable(&self.path_of(name))
    }
}
