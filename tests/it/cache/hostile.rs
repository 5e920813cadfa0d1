//! A local cache that a job has filled with whatever it could think of, and one that it changes while it is saved.

use std::{
    collections::{BTreeMap, VecDeque},
    ffi::{OsStr, OsString},
    fs::{self, Permissions},
    os::unix::{
        ffi::{OsStrExt as _, OsStringExt as _},
        fs::{MetadataExt as _, PermissionsExt as _, symlink},
    },
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use nix::{
    fcntl::{AT_FDCWD, RenameFlags, renameat2},
    sys::stat::{Mode, SFlag, makedev, mknod},
};
use runner_tests::{
    clock,
    need::{Need, need},
};

use super::{Layout, command, error_of, report, restore, say};

const SECRET: &str = "what only root may read";
const PLAIN: &str = "what anybody may read..";

/// A version being made.
struct Version {
    root: PathBuf,
    tree: PathBuf,
}

impl Version {
    fn new(cache: &Path, tool: &str) -> Self {
        let tree = cache.join(tool).join("1.0.0/x64");
        fs::create_dir_all(&tree).unwrap();
        fs::write(tree.with_extension("complete"), "").unwrap();
        Self { root: cache.to_path_buf(), tree }
    }

    fn file(&self, name: impl AsRef<OsStr>, mode: u32) -> PathBuf {
        let path = self.tree.join(name.as_ref());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "plain").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path
    }

    fn directory(&self, name: &str, mode: u32) {
        fs::create_dir(self.tree.join(name)).unwrap();
        fs::set_permissions(self.tree.join(name), Permissions::from_mode(mode)).unwrap();
    }

    fn link(&self, target: &str, name: &str) {
        symlink(target, self.tree.join(name)).unwrap();
    }
}

/// What a capability is on disk: the right to anything for whoever runs the file (linux/capability.h, `vfs_cap_data`).
const CAPABILITY: [u8; 20] = [1, 0, 0, 2, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 1, 0, 0, 0, 0, 0, 0];

#[expect(unsafe_code, reason = "nix has no call for extended attributes")]
fn give_capability(path: &Path) {
    let path = std::ffi::CString::new(path.as_os_str().as_bytes()).unwrap();
    // SAFETY: two strings that end with a zero and a buffer of the length that is said; nothing is kept.
    let set =
        unsafe { nix::libc::setxattr(path.as_ptr(), c"security.capability".as_ptr(), CAPABILITY.as_ptr().cast(), CAPABILITY.len(), 0) };
    nix::errno::Errno::result(set).unwrap();
}

#[expect(unsafe_code, reason = "nix has no call for extended attributes")]
fn has_attributes(path: &Path) -> bool {
    let path = std::ffi::CString::new(path.as_os_str().as_bytes()).unwrap();
    // SAFETY: a string that ends with a zero, and no buffer: the answer is a length.
    unsafe { nix::libc::llistxattr(path.as_ptr(), std::ptr::null_mut(), 0) > 0 }
}

/// One version of all that a copy keeps a harmless part of.
fn nasty_but_usable(cache: &Path, outside: &Path) -> BTreeMap<OsString, String> {
    let version = Version::new(cache, "kept");
    let tree = &version.tree;
    fs::set_permissions(tree, Permissions::from_mode(0o777)).unwrap();
    version.file("set-uid", 0o6755);
    version.file("open", 0o666);
    version.file("closed", 0o000);
    give_capability(&version.file("capable", 0o755));
    version.directory("sticky", 0o3777);
    version.file("shut/inside", 0o644);
    fs::set_permissions(tree.join("shut"), Permissions::from_mode(0o000)).unwrap();
    let device = |name: &str, kind, number| mknod(&tree.join(name), kind, Mode::from_bits_truncate(0o666), number).unwrap();
    device("memory", SFlag::S_IFCHR, makedev(1, 1));
    device("disk", SFlag::S_IFBLK, makedev(8, 0));
    device("fifo", SFlag::S_IFIFO, 0);
    device("socket", SFlag::S_IFSOCK, 0);
    fs::hard_link(outside.join("file"), tree.join("hard")).unwrap();
    version.link("nowhere", "dangling");
    version.link(&tree.join("open").to_string_lossy(), "absolute");
    let odd = OsString::from_vec(b"new\nline \xff\x1b[31m".to_vec());
    version.file(&odd, 0o644);
    let long = OsString::from("n".repeat(255));
    version.file(&long, 0o644);
    fs::File::create(tree.join("sparse")).unwrap().set_len(3 << 20).unwrap();
    let deep = "d/".repeat(128);
    fs::create_dir_all(tree.join(deep)).unwrap();

    let file = |mode: &str| format!("file of 5, mode {mode}");
    let mut expected: BTreeMap<OsString, String> = [
        ("", "directory, mode 755".to_owned()),
        ("set-uid", file("755")),
        ("open", file("644")),
        ("closed", file("400")),
        ("capable", file("755")),
        ("sticky", "directory, mode 755".into()),
        ("shut", "directory, mode 700".into()),
        ("shut/inside", file("644")),
        ("hard", file("644")),
        ("dangling", "link to nowhere".into()),
        ("absolute", "link to open".into()),
        ("sparse", format!("file of {}, mode 644", 3 << 20)),
    ]
    .map(|(name, what)| (name.into(), what))
    .into();
    expected.insert(odd, file("644"));
    expected.insert(long, file("644"));
    for depth in 1..=128 {
        expected.insert(vec!["d"; depth].join("/").into(), "directory, mode 755".into());
    }
    expected
}

/// What a copy has, and that nothing else is on it: owner, links to elsewhere, attributes.
fn inspected(tree: &Path) -> BTreeMap<OsString, String> {
    let entries = walkdir::WalkDir::new(tree).into_iter().map(|entry| {
        let entry = entry.unwrap();
        let status = entry.path().symlink_metadata().unwrap();
        let what = if status.is_symlink() {
            format!("link to {}", fs::read_link(entry.path()).unwrap().display())
        } else {
            let kind = if status.is_dir() { "directory".to_owned() } else { format!("file of {}", status.len()) };
            assert!(status.is_dir() || status.is_file() && status.nlink() == 1, "{entry:?}");
            assert!(!has_attributes(entry.path()), "{entry:?} has attributes");
            format!("{kind}, mode {:o}", status.mode() & 0o7777)
        };
        (entry.path().strip_prefix(tree).unwrap().as_os_str().to_owned(), what)
    });
    entries.collect()
}

/// A tool's name, what its version has that no copy may have, and what is said of it.
type Refused = (&'static str, fn(&Version), &'static str);

const REFUSED: &[Refused] = &[
    ("absolute", |version| version.link("/etc/passwd", "link"), "link links to /etc/passwd, which is or may be outside of the version"),
    ("climbing", |version| version.link("../../../../secret", "link"), "outside of the version"),
    (
        "winding",
        |version| {
            version.directory("a", 0o755);
            version.link("a/../../..", "link");
        },
        "outside of the version",
    ),
    ("neighbour", |version| version.link(&version.root.join("kept/1.0.0/x64/open").to_string_lossy(), "link"), "outside of the version"),
    ("deep", |version| fs::create_dir_all(version.tree.join("d/".repeat(129))).unwrap(), "more than 128 directories below each other"),
    (
        "large",
        |version| fs::File::create(version.tree.join("sparse")).unwrap().set_len((64 << 30) + 1).unwrap(),
        "more than 68719476736 bytes",
    ),
    (
        "large-in-sum",
        |version| (0..9).for_each(|part| fs::File::create(version.tree.join(part.to_string())).unwrap().set_len(8 << 30).unwrap()),
        "more than 68719476736 bytes",
    ),
];

/// What is no version at all, whatever stands below it.
fn no_versions(cache: &Path, outside: &Path) {
    for name in ["a\nb", ".hidden", "marked-by-link", "marked-by-directory", "marked-by-fifo", "link-to-tree"] {
        drop(Version::new(cache, name));
    }
    let marker = |name: &str| cache.join(name).join("1.0.0/x64.complete");
    for name in ["marked-by-link", "marked-by-directory", "marked-by-fifo"] {
        fs::remove_file(marker(name)).unwrap();
    }
    symlink(outside.join("file"), marker("marked-by-link")).unwrap();
    fs::create_dir(marker("marked-by-directory")).unwrap();
    nix::unistd::mkfifo(&marker("marked-by-fifo"), Mode::S_IRWXU).unwrap();
    fs::remove_dir(cache.join("link-to-tree/1.0.0/x64")).unwrap();
    symlink(outside, cache.join("link-to-tree/1.0.0/x64")).unwrap();
    symlink(outside, cache.join("link-to-tool")).unwrap();
}

#[test]
fn of_a_hostile_cache_only_what_is_harmless_is_saved_and_restored() {
    if !need(&[Need::Root]) {
        return;
    }
    for layout in Layout::BOTH {
        let temp = tempfile::tempdir().unwrap();
        let [cache, outside, remote, there] = ["cache", "outside", "remote", "there"].map(|name| temp.path().join(name));
        for dir in [&cache, &outside, &remote] {
            fs::create_dir(dir).unwrap();
        }
        fs::write(outside.join("file"), "plain").unwrap();
        fs::create_dir_all(outside.join("1.0.0/x64")).unwrap();
        fs::write(outside.join("1.0.0/x64.complete"), "").unwrap();
        let expected = nasty_but_usable(&cache, &outside);
        for (tool, make, _) in REFUSED {
            make(&Version::new(&cache, tool));
        }
        no_versions(&cache, &outside);

        let output = command("save", &cache, &remote).args(["--layout", layout.name()]).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        let saved = report(&output);
        assert_eq!((saved["versions"].as_u64(), saved["skipped"].as_u64()), (Some(1), Some(4)), "{saved}");
        assert_eq!(saved["failed"].as_array().unwrap().len(), REFUSED.len(), "{saved}");
        for (tool, _, why) in REFUSED {
            let error = error_of(&saved, &format!("{tool}/1.0.0/x64"));
            assert!(error.contains(why), "{tool}: {error}");
        }
        let restored = restore(&remote, &there);
        assert_eq!((restored["versions"].as_u64(), restored["files"].clone()), (Some(1), saved["files"].clone()), "{restored}");
        assert_eq!(inspected(&there.join("kept/1.0.0/x64")), expected, "{}", layout.name());
        if layout == Layout::Tree {
            assert_eq!(inspected(&remote.join("kept/1.0.0/x64")), expected);
        }
        let mut names: Vec<_> = fs::read_dir(&there).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["kept"]);
    }
}

/// What one save copies: versions, and files in each.
const BAITS: usize = 50;
const FILES: usize = 20;
/// Places of each version that are swapped, and how many of all are links at a time.
const PLACES: usize = 4;
const HELD: usize = 8;

/// The same time and the same length for all.
fn dated(path: &Path, contents: &str) {
    assert_eq!(PLAIN.len(), SECRET.len());
    fs::write(path, contents).unwrap();
    fs::File::open(path).unwrap().set_modified(std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000)).unwrap();
}

fn exchange(one: &Path, two: &Path) {
    renameat2(AT_FDCWD, one, AT_FDCWD, two, RenameFlags::RENAME_EXCHANGE).unwrap();
}

/// A version with a link ready for each place that a path to a file of it leads through.
fn bait(cache: &Path, aside: &Path, secret: &Path, number: usize) -> Vec<(PathBuf, PathBuf)> {
    let version = Version::new(cache, &format!("bait-{number}"));
    for file in 0..FILES {
        dated(&version.file(format!("lib/deep/file-{file}"), 0o644), PLAIN);
    }
    let places = [version.tree.clone(), version.tree.join("lib"), version.tree.join("lib/deep"), version.tree.join("lib/deep/file-7")];
    let targets: [&str; PLACES] = ["tree", "tree/lib", "tree/lib/deep", "tree/lib/deep/file-7"];
    let pairs = places.into_iter().zip(targets).enumerate().map(|(place, (path, target))| {
        let link = aside.join(format!("{number}-{place}"));
        symlink(secret.join(target), &link).unwrap();
        (path, link)
    });
    pairs.collect()
}

/// How many files below `root` hold the secret, and how many there are.
fn searched(root: &Path) -> (usize, usize) {
    let files = walkdir::WalkDir::new(root).into_iter().map(Result::unwrap).filter(|entry| entry.file_type().is_file());
    files.fold((0, 0), |(leaked, seen), entry| {
        let holds = fs::read(entry.path()).unwrap().windows(SECRET.len()).any(|part| part == SECRET.as_bytes());
        (leaked + usize::from(holds), seen + 1)
    })
}

fn swapped_while_saved(layout: Layout) {
    if !need(&[Need::Root]) {
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    let [cache, aside, secret] = ["cache", "aside", "secret"].map(|name| temp.path().join(name));
    for dir in [&cache, &aside] {
        fs::create_dir(dir).unwrap();
    }
    // The same names with the same lengths and times would be there: only the link tells them apart.
    for file in 0..FILES {
        let path = secret.join(format!("tree/lib/deep/file-{file}"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        dated(&path, SECRET);
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    }
    let pairs: Vec<_> = (0..BAITS).flat_map(|number| bait(&cache, &aside, &secret, number)).collect();
    let (over, swaps) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (mut copies, mut published, mut refused) = (0, 0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut state = 88_172_645_463_325_252_usize;
            let mut held = VecDeque::new();
            while !over.load(Ordering::Relaxed) {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                let next = state % pairs.len();
                // Never two places of one version: the path to the second would lead through the link at the first.
                if held.iter().any(|other| other / PLACES == next / PLACES) {
                    continue;
                }
                exchange(&pairs[next].0, &pairs[next].1);
                held.push_back(next);
                if held.len() > HELD
                    && let Some(oldest) = held.pop_front()
                {
                    exchange(&pairs[oldest].0, &pairs[oldest].1);
                }
                swaps.fetch_add(1, Ordering::Relaxed);
            }
            held.into_iter().for_each(|pair| exchange(&pairs[pair].0, &pairs[pair].1));
        });
        // Also when it fails, or the other thread would run for ever.
        let saves = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            // Who goes by path falls for it, so the trap is one.
            let by_path = |number| fs::read(cache.join(format!("bait-{number}/1.0.0/x64/lib/deep/file-7"))).unwrap_or_default();
            let fell = clock::poll(Duration::from_secs(60), || (0..BAITS).any(|number| by_path(number) == SECRET.as_bytes()).then_some(()));
            assert!(fell.is_some(), "nothing was swapped");
            while published < 10_000 || refused == 0 {
                let remote = tempfile::tempdir().unwrap();
                let output = command("save", &cache, remote.path()).args(["--layout", layout.name()]).output().unwrap();
                assert!(matches!(output.status.code(), Some(0 | 1)), "{output:?}");
                let saved = report(&output);
                let versions = usize::try_from(saved["versions"].as_u64().unwrap()).unwrap();
                refused += saved["failed"].as_array().unwrap().len();
                copies += BAITS * FILES;
                let there = remote.path().join("there");
                restore(remote.path(), &there);
                let (leaked, seen) = searched(remote.path());
                assert_eq!(leaked, 0, "{saved}");
                assert!(seen >= versions * FILES, "{saved}");
                published += versions * FILES;
            }
        }));
        over.store(true, Ordering::Relaxed);
        saves.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
    let (leaked, _) = searched(&cache);
    assert_eq!(leaked, 0, "the test itself put the secret into the cache");
    say(&format!(
        "{}: {} swaps while {copies} files were saved: {published} published, {refused} versions refused, leaked 0",
        layout.name(),
        swaps.into_inner()
    ));
}

#[test]
fn links_swapped_into_trees_while_they_are_saved_leak_nothing() {
    swapped_while_saved(Layout::Tree);
}

#[test]
fn links_swapped_into_packs_while_they_are_saved_leak_nothing() {
    swapped_while_saved(Layout::Pack);
}
