//! Compares two trees: names, types, modes, sizes, contents, link targets, hard links; times when asked.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// What one entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Directory,
    File(Vec<u8>),
    Link(PathBuf),
    Other(&'static str),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    kind: Kind,
    mode: u32,
    mtime: (i64, i64),
}

/// What counts as a difference beside names, types, contents and link targets.
#[derive(Debug, Clone, Copy)]
pub struct Strictness {
    /// Permission bits.
    pub modes: bool,
    /// Times of change of files, to the nanosecond.
    pub mtimes: bool,
}

impl Strictness {
    /// Modes count, times do not.
    pub const USUAL: Self = Self { modes: true, mtimes: false };
    /// All counts.
    pub const ALL: Self = Self { modes: true, mtimes: true };
}

/// The differences between two trees as lines `path: what`; empty when there is none.
///
/// # Panics
/// When a tree can not be read.
#[must_use]
pub fn differences(left: &Path, right: &Path, strictness: Strictness) -> Vec<String> {
    let (left, right) = (read(left), read(right));
    let mut found = Vec::new();
    for (name, entry) in &left {
        let name = name.display();
        let Some(other) = right.get(Path::new(&name.to_string())) else {
            found.push(format!("{name}: only on the left"));
            continue;
        };
        match (&entry.kind, &other.kind) {
            (Kind::File(one), Kind::File(two)) if one != two => {
                found.push(format!("{name}: contents differ ({} and {} bytes)", one.len(), two.len()));
            }
            (Kind::File(_), Kind::File(_)) => {}
            (one, two) if one != two => found.push(format!("{name}: {} and {}", show(one), show(two))),
            _ => {}
        }
        let is_link = matches!(entry.kind, Kind::Link(_));
        if strictness.modes && !is_link && entry.mode != other.mode {
            found.push(format!("{name}: modes {:o} and {:o}", entry.mode, other.mode));
        }
        if strictness.mtimes && matches!(entry.kind, Kind::File(_)) && entry.mtime != other.mtime {
            found.push(format!("{name}: times {:?} and {:?}", entry.mtime, other.mtime));
        }
    }
    found.extend(right.keys().filter(|name| !left.contains_key(*name)).map(|name| format!("{}: only on the right", name.display())));
    found
}

/// # Panics
/// When the trees differ; the message has the first differences.
pub fn assert_same(left: &Path, right: &Path, strictness: Strictness) {
    let found = differences(left, right, strictness);
    let message = found[..found.len().min(20)].join("\n");
    assert!(found.is_empty(), "{} differences between {} and {}:\n{message}", found.len(), left.display(), right.display());
}

fn show(kind: &Kind) -> String {
    match kind {
        Kind::Directory => "a directory".into(),
        Kind::File(content) => format!("a file of {} bytes", content.len()),
        Kind::Link(target) => format!("a link to {}", target.display()),
        Kind::Other(what) => (*what).into(),
    }
}

fn read(root: &Path) -> BTreeMap<PathBuf, Entry> {
    let mut found = BTreeMap::new();
    for entry in walkdir::WalkDir::new(root).min_depth(1) {
        let entry = entry.expect("a tree can be walked");
        let path = entry.path();
        let metadata = fs::symlink_metadata(path).expect("an entry can be looked at");
        let kind = metadata.file_type();
        let kind = if kind.is_dir() {
            Kind::Directory
        } else if kind.is_symlink() {
            Kind::Link(fs::read_link(path).expect("a link can be read"))
        } else if kind.is_file() {
            Kind::File(fs::read(path).expect("a file can be read"))
        } else if kind.is_fifo() {
            Kind::Other("a fifo")
        } else if kind.is_socket() {
            Kind::Other("a socket")
        } else {
            Kind::Other("a device")
        };
        let name = path.strip_prefix(root).expect("below the root").to_path_buf();
        let entry = Entry { kind, mode: metadata.mode() & 0o7777, mtime: (metadata.mtime(), metadata.mtime_nsec()) };
        found.insert(name, entry);
    }
    found
}
