//! A directory of a version while it is copied.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use nix::sys::stat::FileStat;

use crate::cache::dir::Dir;
use crate::cache::names::printable;

/// One directory being copied. It is finished when its own listing and everything below it are.
pub(in crate::cache) struct Node {
    pub(in crate::cache) version: usize,
    pub(in crate::cache) parent: Option<Arc<Node>>,
    /// Below the version's root; none for the root.
    pub(in crate::cache) path: Vec<OsString>,
    pub(in crate::cache) from: Dir,
    pub(in crate::cache) to: Dir,
    pub(in crate::cache) stat: FileStat,
    pub(in crate::cache) open: AtomicUsize,
}

impl Node {
    pub(in crate::cache) fn path_of(&self, name: &OsStr) -> Vec<u8> {
        let mut names: Vec<&[u8]> = self.path.iter().map(|part| part.as_bytes()).collect();
        names.push(name.as_bytes());
        names.join(&b'/')
    }

    pub(in crate::cache) fn shown(&self, name: &OsStr) -> String {
        printable(&self.path_of(name))
    }
}
