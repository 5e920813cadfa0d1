//! What is in a pack, and what may be. Pure: a manifest that passes [`Manifest::check`] describes a tree that can be written
//! without a look at anything else.

use super::digest::Digest;
use crate::cache::links::contained;
use crate::cache::modes::{directory_mode, file_mode};
use crate::cache::names::{VersionId, is_arch, is_name, printable};
use crate::cache::refusal::{Limits, Refusal};

/// A time of change, to the nanosecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cache) struct Time {
    pub(super) seconds: i64,
    pub(super) nanoseconds: u32,
}

/// One name in the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cache) struct Entry {
    /// Below the version's root, without a leading or closing `/`; empty for the root itself.
    pub(super) path: Vec<u8>,
    pub(super) what: What,
    /// Permission bits.
    pub(super) mode: u32,
    pub(super) mtime: Time,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cache) enum What {
    Directory,
    File {
        size: u64,
        sha256: Digest,
    },
    /// A further name of the file that stands at that index.
    HardLink(usize),
    Link(Vec<u8>),
}

impl Entry {
    /// Bytes of the file's contents that the tar archive holds under this name.
    pub(super) fn size(&self) -> u64 {
        match self.what {
            What::File { size, .. } => size,
            _ => 0,
        }
    }

    fn depth(&self) -> usize {
        self.path.iter().filter(|byte| **byte == b'/').count()
    }
}

/// All of them, in the order of [`in_order`]: the root first, each directory before what is in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::cache) struct Manifest {
    /// Which version it is of.
    pub(in crate::cache) id: VersionId,
    pub(super) entries: Vec<Entry>,
    /// The SHA-256 of each frame's unpacked bytes.
    pub(super) frames: Vec<Digest>,
}

/// Whether two paths stand in a manifest's order: by components, so that a directory is followed by all that is in it.
pub(super) fn in_order(one: &[u8], two: &[u8]) -> bool {
    if one.is_empty() || two.is_empty() {
        return one.is_empty() && !two.is_empty();
    }
    one.split(|byte| *byte == b'/').lt(two.split(|byte| *byte == b'/'))
}

impl Manifest {
    /// Files and links.
    pub(in crate::cache) fn files(&self) -> u64 {
        self.entries.iter().filter(|entry| entry.what != What::Directory).count() as u64
    }

    /// Bytes in them.
    pub(in crate::cache) fn bytes(&self) -> u64 {
        self.entries.iter().map(Entry::size).sum()
    }

    /// Refuses what no tree of ours can be: names that lead somewhere else, links that do, modes with more than is copied, too
    /// much of anything.
    pub(super) fn check(&self, limits: Limits) -> Result<(), Refusal> {
        let strange = |path: &[u8], why: &str| Refusal::Forged(format!("{}: {why}", printable(path)));
        if ![&self.id.tool, &self.id.version].into_iter().all(|name| is_name(name)) || !is_arch(&self.id.arch) {
            return Err(Refusal::Forged("it is of no version".into()));
        }
        if self.entries.len() as u64 > limits.entries {
            return Err(Refusal::TooMany(limits.entries));
        }
        if self.entries.first().is_none_or(|entry| !entry.path.is_empty() || entry.what != What::Directory) {
            return Err(Refusal::Forged("it does not begin with a directory".into()));
        }
        let mut bytes = 0_u64;
        // The directories that are open at an entry: those on its way.
        let mut way: Vec<&[u8]> = Vec::new();
        for (index, entry) in self.entries.iter().enumerate() {
            let path = &entry.path[..];
            if index > 0 {
                if !path.split(|byte| *byte == b'/').all(is_component) {
                    return Err(strange(path, "not a path below the version"));
                }
                if !in_order(&self.entries[index - 1].path, path) {
                    return Err(strange(path, "out of order"));
                }
                let parent = path.iter().rposition(|byte| *byte == b'/').map_or(&path[..0], |slash| &path[..slash]);
                while way.last().is_some_and(|open| *open != parent) {
                    way.pop();
                }
                if way.is_empty() {
                    return Err(strange(path, "in a directory that is none"));
                }
                if way.len() > limits.depth {
                    return Err(Refusal::TooDeep(limits.depth));
                }
            }
            let mode = match &entry.what {
                What::Directory => {
                    way.push(path);
                    directory_mode(entry.mode)
                }
                What::File { size, .. } => {
                    bytes = bytes.saturating_add(*size);
                    file_mode(entry.mode)
                }
                What::HardLink(first) => {
                    let named = self.entries.get(*first).filter(|_| *first < index);
                    if !matches!(named, Some(Entry { what: What::File { .. }, .. })) {
                        return Err(strange(path, "a second name of no file"));
                    }
                    file_mode(entry.mode)
                }
                What::Link(target) => {
                    if contained(target, entry.depth(), &[]).as_deref() != Some(target) || target.contains(&0) {
                        return Err(strange(path, &format!("a link to {}, which is or may be outside of the version", printable(target))));
                    }
                    0o777
                }
            };
            if mode != entry.mode {
                return Err(strange(path, "a mode that is never saved"));
            }
            if entry.mtime.nanoseconds > 999_999_999 {
                return Err(strange(path, "a time that is none"));
            }
        }
        if bytes > limits.bytes {
            return Err(Refusal::TooLarge(limits.bytes));
        }
        Ok(())
    }
}

fn is_component(name: &[u8]) -> bool {
    !name.is_empty() && name.len() <= 255 && name != b"." && name != b".." && !name.contains(&0)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::cache::pack) fn entry(path: &str, what: What) -> Entry {
        let mode = match what {
            What::Directory => 0o755,
            What::Link(_) => 0o777,
            _ => 0o644,
        };
        Entry { path: path.into(), what, mode, mtime: Time { seconds: 1_000_000_000, nanoseconds: 5 } }
    }

    pub(in crate::cache::pack) fn file(path: &str, size: u64) -> Entry {
        entry(path, What::File { size, sha256: Digest::of(path.as_bytes()) })
    }

    pub(in crate::cache::pack) fn tree(entries: Vec<Entry>) -> Manifest {
        let root = entry("", What::Directory);
        let id = VersionId { tool: "a tool".into(), version: "1.2".into(), arch: "x64".into() };
        Manifest { id, entries: std::iter::once(root).chain(entries).collect(), frames: vec![Digest::of(b"frame")] }
    }

    #[test]
    fn a_directory_is_followed_by_all_that_is_in_it() {
        let ordered = ["", "a", "a/b", "a/b/c", "a/c", "a-b", "a.b", "b"];
        for (one, left) in ordered.iter().enumerate() {
            for (two, right) in ordered.iter().enumerate() {
                assert_eq!(in_order(left.as_bytes(), right.as_bytes()), one < two, "{left} {right}");
            }
        }
    }

    #[test]
    fn a_tree_of_ours_passes() {
        let directory = |path| entry(path, What::Directory);
        let link = |path, target: &str| entry(path, What::Link(target.into()));
        let manifest = tree(vec![
            directory("bin"),
            file("bin/node", 5),
            link("bin/npm", "../lib/npm"),
            directory("lib"),
            directory("lib/deep"),
            file("lib/deep/file", 7),
            file("lib/npm", 0),
            entry("other", What::HardLink(2)),
        ]);
        assert_eq!(manifest.check(Limits::default()), Ok(()));
        assert_eq!((manifest.files(), manifest.bytes()), (5, 12));
    }

    #[test]
    fn whatever_could_lead_out_of_the_version_or_write_a_name_twice_is_refused() {
        let directory = |path| entry(path, What::Directory);
        let link = |path, target: &str| entry(path, What::Link(target.into()));
        let mut with_mode = file("f", 1);
        with_mode.mode = 0o4755;
        let mut open = directory("d");
        open.mode = 0o777;
        let mut odd_time = file("f", 1);
        odd_time.mtime.nanoseconds = 1_000_000_000;
        let cases: Vec<(Vec<Entry>, &str)> = vec![
            (vec![file("../f", 1)], "not a path below"),
            (vec![file("/etc/passwd", 1)], "not a path below"),
            (vec![directory("a"), file("a/../../f", 1)], "not a path below"),
            (vec![file(".", 1)], "not a path below"),
            (vec![file("a\0b", 1)], "not a path below"),
            (vec![file("a/", 1)], "not a path below"),
            (vec![file(&"x".repeat(256), 1)], "not a path below"),
            (vec![file("f", 1), file("f", 1)], "out of order"),
            (vec![link("d", "x"), directory("d")], "out of order"),
            (vec![file("b", 1), file("a", 1)], "out of order"),
            (vec![file("d/f", 1)], "in a directory that is none"),
            (vec![link("d", "x"), file("d/f", 1)], "in a directory that is none"),
            (vec![directory("d"), directory("e"), file("e/f/g", 1)], "in a directory that is none"),
            (vec![link("out", "../x")], "outside of the version"),
            (vec![link("out", "/etc")], "outside of the version"),
            (vec![link("out", "a\0b")], "outside of the version"),
            (vec![entry("h", What::HardLink(0))], "second name of no file"),
            (vec![entry("h", What::HardLink(1))], "second name of no file"),
            (vec![entry("h", What::HardLink(9))], "second name of no file"),
            (vec![with_mode], "never saved"),
            (vec![open], "never saved"),
            (vec![odd_time], "a time that is none"),
        ];
        for (entries, why) in cases {
            let refused = tree(entries.clone()).check(Limits::default()).expect_err("it passed").to_string();
            assert!(refused.contains(why), "{entries:?}: {refused}");
        }
        let without_root = Manifest { entries: vec![file("f", 1)], ..tree(vec![]) };
        for (tool, arch) in [("..", "x64"), ("", "x64"), ("a/b", "x64"), ("node", ".x64"), ("node", "x\n64")] {
            let id = VersionId { tool: tool.into(), version: "1".into(), arch: arch.into() };
            assert!(Manifest { id, ..tree(vec![]) }.check(Limits::default()).is_err(), "{tool} {arch}");
        }
        assert!(without_root.check(Limits::default()).is_err() && Manifest::default().check(Limits::default()).is_err());
    }

    #[test]
    fn too_much_of_anything_is_refused() {
        let limits = Limits { depth: 2, entries: 4, bytes: 10 };
        let directory = |path| entry(path, What::Directory);
        assert_eq!(tree(vec![directory("a"), directory("a/b"), directory("a/b/c")]).check(limits), Err(Refusal::TooDeep(2)));
        assert_eq!(tree((0..4).map(|n| file(&n.to_string(), 0)).collect()).check(limits), Err(Refusal::TooMany(4)));
        assert_eq!(tree(vec![file("a", u64::MAX), file("b", 1)]).check(limits), Err(Refusal::TooLarge(10)));
        assert_eq!(tree(vec![directory("a"), file("a/b", 10)]).check(limits), Ok(()));
    }
}
