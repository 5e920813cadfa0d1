//! Compares two trees: names, types, contents, link targets; modes, times and hard links when asked.

use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File, Metadata};
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// What one entry is. Contents stay on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Directory,
    File(u64),
    Link(PathBuf),
    Other(&'static str),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    kind: Kind,
    mode: u32,
    mtime: (i64, i64),
    /// The first name of the file, in the order of names.
    first_name: PathBuf,
}

/// What counts as a difference beside names, types, contents and link targets.
#[derive(Debug, Clone, Copy)]
pub struct Strictness {
    /// Permission bits.
    pub modes: bool,
    /// Times of change of files, to the nanosecond.
    pub mtimes: bool,
    /// Times of change of directories and symbolic links too.
    pub all_mtimes: bool,
    /// Which names are names of one file.
    pub hard_links: bool,
}

impl Strictness {
    /// Modes count, times do not.
    pub const USUAL: Self = Self { modes: true, mtimes: false, all_mtimes: false, hard_links: false };
    /// Modes and the times of files count: what `rsync -a` promises.
    pub const ALL: Self = Self { modes: true, mtimes: true, all_mtimes: false, hard_links: false };
    /// Nothing may differ.
    pub const TWINS: Self = Self { modes: true, mtimes: true, all_mtimes: true, hard_links: true };
}

/// The differences between two trees as lines `path: what`; empty when there is none.
///
/// # Panics
/// When a tree can not be read.
#[must_use]
pub fn differences(left: &Path, right: &Path, strictness: Strictness) -> Vec<String> {
    let (left_root, right_root) = (left, right);
    let (left, right) = (read(left), read(right));
    let mut found = Vec::new();
    for (path, entry) in &left {
        let name = path.display();
        let Some(other) = right.get(path) else {
            found.push(format!("{name}: only on the left"));
            continue;
        };
        match (&entry.kind, &other.kind) {
            (Kind::File(one), Kind::File(two)) if one != two || !same_contents(&left_root.join(path), &right_root.join(path)) => {
                found.push(format!("{name}: contents differ ({one} and {two} bytes)"));
            }
            (Kind::File(_), Kind::File(_)) => {}
            (one, two) if one != two => found.push(format!("{name}: {} and {}", show(one), show(two))),
            _ => {}
        }
        let is_link = matches!(entry.kind, Kind::Link(_));
        if strictness.modes && !is_link && entry.mode != other.mode {
            found.push(format!("{name}: modes {:o} and {:o}", entry.mode, other.mode));
        }
        let timed = strictness.all_mtimes || (strictness.mtimes && matches!(entry.kind, Kind::File(_)));
        if timed && entry.mtime != other.mtime {
            found.push(format!("{name}: times {:?} and {:?}", entry.mtime, other.mtime));
        }
        if strictness.hard_links && entry.first_name != other.first_name {
            found.push(format!("{name}: names of {} and of {}", entry.first_name.display(), other.first_name.display()));
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
        Kind::File(size) => format!("a file of {size} bytes"),
        Kind::Link(target) => format!("a link to {}", target.display()),
        Kind::Other(what) => (*what).into(),
    }
}

fn read(root: &Path) -> BTreeMap<PathBuf, Entry> {
    let mut found = BTreeMap::new();
    let mut first_names: HashMap<u64, PathBuf> = HashMap::new();
    for entry in walkdir::WalkDir::new(root).min_depth(1).sort_by_file_name() {
        let entry = entry.expect("a tree can be walked");
        let path = entry.path();
        let metadata = fs::symlink_metadata(path).expect("an entry can be looked at");
        let name = path.strip_prefix(root).expect("below the root").to_path_buf();
        let first_name = first_names.entry(metadata.ino()).or_insert_with(|| name.clone()).clone();
        let mtime = (metadata.mtime(), metadata.mtime_nsec());
        found.insert(name, Entry { kind: kind(path, &metadata), mode: metadata.mode() & 0o7777, mtime, first_name });
    }
    found
}

fn kind(path: &Path, metadata: &Metadata) -> Kind {
    let kind = metadata.file_type();
    if kind.is_dir() {
        Kind::Directory
    } else if kind.is_symlink() {
        Kind::Link(fs::read_link(path).expect("a link can be read"))
    } else if kind.is_file() {
        Kind::File(metadata.len())
    } else if kind.is_fifo() {
        Kind::Other("a fifo")
    } else if kind.is_socket() {
        Kind::Other("a socket")
    } else {
        Kind::Other("a device")
    }
}

/// Piece by piece: a cache may be larger than memory.
fn same_contents(left: &Path, right: &Path) -> bool {
    let open = |path: &Path| File::open(path).expect("a file can be opened");
    let (mut left, mut right) = (open(left), open(right));
    let mut pieces = [vec![0; 128 << 10], vec![0; 128 << 10]];
    let fill = |file: &mut File, piece: &mut Vec<u8>| {
        let wanted = piece.capacity() as u64;
        piece.clear();
        file.take(wanted).read_to_end(piece).expect("a file can be read")
    };
    loop {
        let [one, two] = &mut pieces;
        let read = fill(&mut left, one);
        fill(&mut right, two);
        if one != two {
            return false;
        }
        if read == 0 {
            return true;
        }
    }
}
