//! Both directions and both layouts on directories of a test.

mod copies;
mod keeping;
mod packs;
mod races;
mod turns;
mod words;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::dir::Gate;
use super::progress::Progress;
use super::report::Report;
use super::restore::{Restore, SHARED};
use super::save::{Layout, Save};
use super::selection::Selection;
use super::stop::Stop;

/// Everything a copy keeps, by path below a root. Names of one file carry the first of them.
type Picture = BTreeMap<PathBuf, String>;

fn picture(root: &Path) -> Picture {
    fn walk(root: &Path, at: &Path, seen: &mut BTreeMap<u64, PathBuf>, all: &mut Picture) {
        let mut entries: Vec<_> = fs::read_dir(at).unwrap().map(Result::unwrap).collect();
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let path = entry.path();
            let below = path.strip_prefix(root).unwrap().to_owned();
            let meta = fs::symlink_metadata(&path).unwrap();
            let time = format!("{}.{:09}", meta.mtime(), meta.mtime_nsec());
            let mode = meta.mode() & 0o7777;
            let kind = meta.file_type();
            let told = if kind.is_dir() {
                walk(root, &path, seen, all);
                format!("dir {mode:o} {time}")
            } else if kind.is_symlink() {
                format!("link {:?} {time}", fs::read_link(&path).unwrap())
            } else {
                assert!(kind.is_file() && !kind.is_fifo(), "{path:?}");
                let first = seen.entry(meta.ino()).or_insert_with(|| below.clone());
                let contents = fs::read(&path).unwrap();
                let sum = contents.iter().fold(7u64, |sum, byte| sum.wrapping_mul(31) + u64::from(*byte));
                format!("file {mode:o} {time} {} {sum} as {first:?}", contents.len())
            };
            all.insert(below, told);
        }
    }
    let mut all = Picture::new();
    walk(root, root, &mut BTreeMap::new(), &mut all);
    all
}

struct Sides {
    temp: tempfile::TempDir,
}

const UNIT: &str = "node/20.1.0/x64";

impl Sides {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir(temp.path().join("remote")).unwrap();
        fs::create_dir(temp.path().join("local")).unwrap();
        Self { temp }
    }

    fn remote(&self) -> PathBuf {
        self.temp.path().join("remote")
    }

    fn local(&self) -> PathBuf {
        self.temp.path().join("local")
    }

    fn restore(&self) -> Report {
        from(&self.remote(), &self.local()).run().unwrap()
    }

    fn save(&self, layout: Layout) -> Report {
        into(&self.local(), &self.remote(), layout).run().unwrap()
    }
}

fn put(root: &Path, path: &str, contents: &[u8], mode: u32) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, contents).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
}

fn age(path: &Path, seconds: i64, nanoseconds: i64) {
    use nix::sys::stat::{UtimensatFlags, utimensat};
    use nix::sys::time::TimeSpec;
    let time = TimeSpec::new(seconds, nanoseconds);
    let flag = UtimensatFlags::NoFollowSymlink;
    utimensat(nix::fcntl::AT_FDCWD, path, &time, &time, flag).unwrap();
}

/// A version with everything that is kept.
fn rich(root: &Path, unit: &str) -> PathBuf {
    let version = root.join(unit);
    put(&version, "bin/node", b"binary", 0o755);
    put(&version, "bin/private", b"p", 0o600);
    put(&version, "read/only/file", b"r", 0o444);
    put(&version, "empty", b"", 0o644);
    put(&version, "large", &vec![42; 700_000], 0o644);
    put(&version, "lib/a/b/c/d/deep", b"deep", 0o644);
    for number in 0..30 {
        put(&version, &format!("many/{number}"), &[number; 100], 0o644);
    }
    fs::create_dir(version.join("hollow")).unwrap();
    fs::hard_link(version.join("bin/node"), version.join("lib/a/node")).unwrap();
    fs::hard_link(version.join("bin/node"), version.join("zz")).unwrap();
    symlink("../bin/node", version.join("lib/link")).unwrap();
    symlink("nowhere", version.join("dangling")).unwrap();
    let odd = OsString::from_vec(b"odd \xff\nname".to_vec());
    fs::write(version.join(odd), "odd").unwrap();
    let sparse = fs::File::create(version.join("sparse")).unwrap();
    sparse.set_len(4 << 20).unwrap();
    age(&version.join("bin/node"), 1_000_000_000, 123_456_789);
    age(&version.join("lib/link"), 1_100_000_000, 1);
    age(&version.join("lib/a"), 1_200_000_000, 999_999_999);
    age(&version, 1_300_000_000, 5);
    mark(root, unit);
    version
}

fn mark(root: &Path, unit: &str) {
    fs::write(root.join(format!("{unit}.complete")), "").unwrap();
}

fn names(root: &Path) -> Vec<OsString> {
    let mut names: Vec<OsString> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    names
}

/// A restore as it usually is.
fn from<'a>(remote: &'a Path, local: &'a Path) -> Restore<'a> {
    Restore {
        remote,
        local,
        jobs: 8,
        selection: Selection::default(),
        trust: SHARED,
        allow: None,
        read_only: false,
        export: false,
        stop: Stop::default(),
        progress: Progress::default(),
        gate: Gate::default(),
    }
}

/// A save as it usually is.
fn into<'a>(local: &'a Path, remote: &'a Path, layout: Layout) -> Save<'a> {
    Save {
        local,
        remote,
        layout,
        trust: SHARED,
        jobs: 8,
        patience: Duration::ZERO,
        import: false,
        stop: Stop::default(),
        progress: Progress::default(),
        gate: Gate::default(),
    }
}
