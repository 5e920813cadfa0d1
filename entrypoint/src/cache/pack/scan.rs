//! The entries of a tree on disk, in a manifest's order, without the contents of its files.

use std::collections::HashMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use nix::sys::stat::FileStat;

use super::digest::Digest;
use super::manifest::{Entry, Manifest, Time, What};
use crate::cache::dir::{Dir, Kind};
use crate::cache::links::contained;
use crate::cache::modes::{directory_mode, file_mode};
use crate::cache::names::{VersionId, printable};
use crate::cache::refusal::{Limits, Refusal};

/// What was found.
#[derive(Debug)]
pub(super) struct Scanned {
    /// With sums of zeros, and without frames.
    pub(super) manifest: Manifest,
    /// Devices, FIFOs and sockets, which are left out.
    pub(super) skipped: u64,
}

/// Looks at everything below `root`, the tree of `id`. `homes` are the paths that are known to lead to it, for absolute links.
pub(super) fn scan(root: &Dir, id: &VersionId, homes: &[PathBuf], limits: Limits) -> Result<Scanned, Refusal> {
    let stat = root.own_stat().map_err(Refusal::at("look at", b"."))?;
    let mut scan =
        Scan { homes, limits, manifest: Manifest { id: id.clone(), ..Manifest::default() }, skipped: 0, bytes: 0, firsts: HashMap::new() };
    scan.push(Vec::new(), What::Directory, directory_mode(stat.st_mode), &stat)?;
    // One open directory per level: depth costs descriptors and not stack. What is left to do in each, last first.
    let mut open = vec![Level { path: Vec::new(), left: listed(root, b"")?, dir: None }];
    while let Some(level) = open.last_mut() {
        let Some((name, kind)) = level.left.pop() else {
            open.pop();
            continue;
        };
        let mut path = level.path.clone();
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend(name.as_bytes());
        let dir = level.dir.as_ref().unwrap_or(root);
        if let Some(deeper) = scan.entry(dir, path.clone(), &name, kind)? {
            if open.len() > limits.depth {
                return Err(Refusal::TooDeep(limits.depth));
            }
            let left = listed(&deeper, &path)?;
            open.push(Level { path, left, dir: Some(deeper) });
        }
    }
    Ok(Scanned { manifest: scan.manifest, skipped: scan.skipped })
}

struct Level {
    path: Vec<u8>,
    left: Vec<(OsString, Option<Kind>)>,
    /// `None`: the root.
    dir: Option<Dir>,
}

/// What is in a directory, the first name last.
fn listed(dir: &Dir, path: &[u8]) -> Result<Vec<(OsString, Option<Kind>)>, Refusal> {
    let mut names = dir.entries().map_err(Refusal::at("list", path))?;
    names.sort_unstable_by(|one, two| two.0.cmp(&one.0));
    Ok(names)
}

struct Scan<'a> {
    homes: &'a [PathBuf],
    limits: Limits,
    manifest: Manifest,
    skipped: u64,
    bytes: u64,
    /// Where the first name of a file with several stands.
    firsts: HashMap<(u64, u64), usize>,
}

impl Scan<'_> {
    /// Takes one name in; returns the directory if it is one.
    fn entry(&mut self, dir: &Dir, path: Vec<u8>, name: &OsString, kind: Option<Kind>) -> Result<Option<Dir>, Refusal> {
        if kind == Some(Kind::Directory) {
            let deeper = dir.sub(name).map_err(Refusal::at("open", &path))?;
            let stat = deeper.own_stat().map_err(Refusal::at("look at", &path))?;
            self.push(path, What::Directory, directory_mode(stat.st_mode), &stat)?;
            return Ok(Some(deeper));
        }
        let stat = dir.stat(name).map_err(Refusal::at("look at", &path))?;
        match Kind::of(&stat) {
            // Only where a listing does not tell the kind.
            Kind::Directory => return self.entry(dir, path, name, Some(Kind::Directory)),
            Kind::Special => self.skipped += 1,
            Kind::Link => {
                let target = dir.read_link(name).map_err(Refusal::at("read link", &path))?;
                let depth = path.iter().filter(|byte| **byte == b'/').count();
                let Some(target) = contained(target.as_bytes(), depth, self.homes) else {
                    return Err(Refusal::EscapingLink { path: printable(&path), target: printable(target.as_bytes()) });
                };
                self.push(path, What::Link(target), 0o777, &stat)?;
            }
            Kind::File => self.file(path, &stat)?,
        }
        Ok(None)
    }

    fn file(&mut self, path: Vec<u8>, stat: &FileStat) -> Result<(), Refusal> {
        let index = self.manifest.entries.len();
        if stat.st_nlink > 1 {
            let first = *self.firsts.entry((stat.st_dev, stat.st_ino)).or_insert(index);
            if first < index {
                return self.push(path, What::HardLink(first), file_mode(stat.st_mode), stat);
            }
        }
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        self.bytes = self.bytes.saturating_add(size);
        if self.bytes > self.limits.bytes {
            return Err(Refusal::TooLarge(self.limits.bytes));
        }
        self.push(path, What::File { size, sha256: Digest([0; 32]) }, file_mode(stat.st_mode), stat)
    }

    fn push(&mut self, path: Vec<u8>, what: What, mode: u32, stat: &FileStat) -> Result<(), Refusal> {
        if self.manifest.entries.len() as u64 >= self.limits.entries {
            return Err(Refusal::TooMany(self.limits.entries));
        }
        // A file system that counts more than a second of nanoseconds is broken; the time is not worth a refusal.
        let nanoseconds = u32::try_from(stat.st_mtime_nsec).ok().filter(|count| *count < 1_000_000_000).unwrap_or(0);
        self.manifest.entries.push(Entry { path, what, mode, mtime: Time { seconds: stat.st_mtime, nanoseconds } });
        Ok(())
    }
}
