//! Both directions on directories of a test: what a copy keeps, what it refuses, and that nothing torn is ever seen.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use super::report::Report;
use super::tree::Gate;
use super::{command, restore, save};

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
        restore::restore(&self.remote(), &self.local(), 8, Gate::default()).unwrap()
    }

    fn save(&self) -> Report {
        save::save(&self.local(), &self.remote(), 8, Duration::ZERO, Gate::default()).unwrap()
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

#[test]
fn a_restored_version_is_the_same_in_everything_that_is_kept() {
    let sides = Sides::new();
    let there = rich(&sides.remote(), UNIT);
    rich(&sides.remote(), "go/1.22.0/x64");
    let report = sides.restore();
    assert_eq!((report.versions, report.already, report.failed.len()), (2, 0, 0));
    assert_eq!(picture(&there), picture(&sides.local().join(UNIT)));
    // Files, links and hard links; not directories.
    assert_eq!(report.files, 2 * 42);
    assert_eq!(names(&sides.local()), ["go", "node"]);
    assert!(sides.local().join("node/20.1.0/x64.complete").is_file());
    let sparse = fs::metadata(sides.local().join(UNIT).join("sparse")).unwrap();
    assert!(sparse.blocks() * 512 < 1 << 20);
    let again = sides.restore();
    assert_eq!((again.versions, again.already), (0, 2));
}

#[test]
fn a_saved_version_is_the_same_and_the_stage_is_gone() {
    let sides = Sides::new();
    let here = rich(&sides.local(), UNIT);
    fs::create_dir_all(sides.local().join("go/1.22.0/x64")).unwrap();
    let report = sides.save();
    assert_eq!((report.versions, report.failed.len()), (1, 0));
    assert_eq!(picture(&here), picture(&sides.remote().join(UNIT)));
    assert_eq!(names(&sides.remote()), ["node"]);
    assert_eq!(names(&sides.remote().join("node/20.1.0")), ["x64", "x64.complete"]);
}

#[test]
fn what_is_published_is_never_replaced() {
    let sides = Sides::new();
    put(&sides.local(), "node/20.1.0/x64/file", b"changed by a job", 0o644);
    mark(&sides.local(), UNIT);
    put(&sides.remote(), "node/20.1.0/x64/file", b"published", 0o644);
    mark(&sides.remote(), UNIT);
    let before = picture(&sides.remote());
    let report = sides.save();
    assert_eq!((report.versions, report.already), (0, 1));
    assert_eq!(picture(&sides.remote()), before);
    assert_eq!(sides.restore().already, 1);
    assert_eq!(fs::read(sides.local().join(UNIT).join("file")).unwrap(), b"changed by a job");
}

#[test]
fn a_hostile_tree_is_cut_down_to_what_is_harmless() {
    let sides = Sides::new();
    let version = sides.remote().join(UNIT);
    put(&version, "setuid", b"s", 0o6755);
    put(&version, "open", b"o", 0o666);
    put(&version, "unreadable", b"u", 0o000);
    fs::create_dir(version.join("sticky")).unwrap();
    fs::set_permissions(version.join("sticky"), fs::Permissions::from_mode(0o3777)).unwrap();
    fs::create_dir(version.join("closed")).unwrap();
    fs::set_permissions(version.join("closed"), fs::Permissions::from_mode(0o555)).unwrap();
    nix::unistd::mkfifo(&version.join("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(version.join("socket")).unwrap();
    let outside = sides.temp.path().join("outside");
    fs::write(&outside, "linked").unwrap();
    fs::hard_link(&outside, version.join("hard")).unwrap();
    mark(&sides.remote(), UNIT);

    let report = sides.restore();
    assert_eq!((report.versions, report.skipped), (1, 2));
    let copy = sides.local().join(UNIT);
    let modes: Vec<(OsString, u32)> = names(&copy)
        .into_iter()
        .map(|name| {
            let mode = fs::symlink_metadata(copy.join(&name)).unwrap().mode() & 0o7777;
            (name, mode)
        })
        .collect();
    let expected = [("closed", 0o755), ("hard", 0o644), ("open", 0o644), ("setuid", 0o755), ("sticky", 0o755), ("unreadable", 0o400)];
    assert_eq!(modes, expected.map(|(name, mode)| (name.into(), mode)));
    assert_eq!(fs::metadata(copy.join("hard")).unwrap().nlink(), 1);
}

#[test]
fn a_version_with_a_link_that_leads_out_is_refused_and_the_others_are_copied() {
    for target in ["/etc/passwd", "../../../../../etc/passwd", "..", "bin/../../x"] {
        let sides = Sides::new();
        rich(&sides.remote(), UNIT);
        symlink(target, sides.remote().join(UNIT).join("way-out")).unwrap();
        rich(&sides.remote(), "go/1.22.0/x64");
        let report = sides.restore();
        assert_eq!((report.versions, report.failed.len()), (1, 1), "{target}");
        assert_eq!(report.failed[0].version, UNIT);
        assert!(report.failed[0].error.contains("way-out"), "{}", report.failed[0].error);
        assert_eq!(names(&sides.local()), ["go"]);
    }
}

#[test]
fn an_absolute_link_into_its_own_version_becomes_relative() {
    let sides = Sides::new();
    let version = sides.local().join(UNIT);
    put(&version, "bin/pypy", b"pypy", 0o755);
    symlink(version.join("bin/pypy"), version.join("bin/python")).unwrap();
    mark(&sides.local(), UNIT);
    assert_eq!(sides.save().versions, 1);
    let link = sides.remote().join(UNIT).join("bin/python");
    assert_eq!(fs::read_link(&link).unwrap(), Path::new("../bin/pypy"));
    assert_eq!(fs::read(link).unwrap(), b"pypy");
}

#[test]
fn a_directory_swapped_for_a_link_is_not_entered() {
    let sides = Sides::new();
    let elsewhere = sides.temp.path().join("elsewhere");
    put(&elsewhere, "x64/secret", b"secret", 0o644);
    put(&elsewhere, "x64.complete", b"", 0o644);
    fs::create_dir_all(sides.remote().join("node")).unwrap();
    symlink(&elsewhere, sides.remote().join("node/20.1.0")).unwrap();
    assert_eq!(sides.restore().versions, 0);
    // And a version directory planted on the side that is written to is not written through.
    let sides = Sides::new();
    rich(&sides.local(), UNIT);
    let elsewhere = sides.temp.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    symlink(&elsewhere, sides.remote().join("node")).unwrap();
    let report = sides.save();
    assert_eq!((report.versions, report.failed.len()), (0, 1));
    assert_eq!(names(&elsewhere), [] as [&str; 0]);
}

#[test]
fn a_torn_leftover_is_replaced_on_either_side_and_kept_a_day_where_others_read() {
    let sides = Sides::new();
    let there = rich(&sides.remote(), UNIT);
    put(&sides.local(), "node/20.1.0/x64/torn", b"torn", 0o644);
    assert_eq!(sides.restore().versions, 1);
    assert_eq!(picture(&there), picture(&sides.local().join(UNIT)));
    assert_eq!(names(&sides.local()), ["node"]);

    let sides = Sides::new();
    let here = rich(&sides.local(), UNIT);
    put(&sides.remote(), "node/20.1.0/x64/torn", b"torn", 0o644);
    assert_eq!(sides.save().versions, 1);
    assert_eq!(picture(&here), picture(&sides.remote().join(UNIT)));
    let area = sides.remote().join(".stage");
    let kept = names(&area);
    assert_eq!(kept.len(), 1);
    assert_eq!(names(&area.join(&kept[0]).join("0")), ["torn"]);
}

#[test]
fn a_marker_without_its_tree_is_no_version_and_gets_one() {
    let sides = Sides::new();
    let here = rich(&sides.local(), UNIT);
    fs::create_dir_all(sides.remote().join("node/20.1.0")).unwrap();
    mark(&sides.remote(), UNIT);
    assert_eq!(sides.restore().versions, 0);
    assert_eq!(sides.save().versions, 1);
    assert_eq!(picture(&here), picture(&sides.remote().join(UNIT)));
}

/// A small version whose files all hold `build`, with their number in one of them: a mixture or a part shows.
fn build(root: &Path, unit: &str, build: u8) {
    for number in 0..12 {
        put(&root.join(unit), &format!("d{}/{number}", number % 3), &[build; 64], 0o644);
    }
    mark(root, unit);
}

/// `None`: no version there. Panics on a torn one.
fn build_of(root: &Path, unit: &str) -> Option<u8> {
    let version = root.join(unit);
    if !version.is_dir() || !root.join(format!("{unit}.complete")).is_file() {
        return None;
    }
    let contents: Vec<Vec<u8>> = (0..12).map(|number| fs::read(version.join(format!("d{}/{number}", number % 3))).unwrap()).collect();
    let first = contents[0][0];
    assert!(contents.iter().all(|file| *file == [first; 64]), "a mixture");
    Some(first)
}

fn race(rounds: usize, patience: Duration, exactly_one: bool) {
    for round in 0..rounds {
        let shared = tempfile::tempdir().unwrap();
        let savers: Vec<_> = (1..=2).map(|_| tempfile::tempdir().unwrap()).collect();
        for (number, saver) in (1..).zip(&savers) {
            build(saver.path(), UNIT, number);
        }
        let (over, restored) = (AtomicBool::new(false), AtomicUsize::new(0));
        let won: usize = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::SeqCst) || restored.load(Ordering::SeqCst) == 0 {
                    let here = tempfile::tempdir().unwrap();
                    let report = restore::restore(shared.path(), here.path(), 2, Gate::default()).unwrap();
                    if report.versions == 1 {
                        assert!(build_of(here.path(), UNIT).is_some());
                        restored.fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
            let running: Vec<_> = savers
                .iter()
                .map(|saver| {
                    scope.spawn(|| {
                        let gate = Gate::default();
                        let report = save::save(saver.path(), shared.path(), 2, patience, gate).unwrap();
                        assert!(report.failed.is_empty(), "{report:?}");
                        report.versions
                    })
                })
                .collect();
            let won = running.into_iter().map(|saver| saver.join().unwrap()).sum();
            over.store(true, Ordering::SeqCst);
            won
        });
        assert!(build_of(shared.path(), UNIT).is_some());
        assert!(won >= 1 && (won == 1 || !exactly_one), "round {round}: {won} winners");
    }
}

#[test]
fn of_two_savers_exactly_one_wins_and_no_reader_sees_a_mixture() {
    race(25, Duration::from_secs(20), true);
}

#[test]
fn savers_that_take_each_other_for_leftovers_still_tear_nothing() {
    race(25, Duration::ZERO, false);
}

/// Runs `act` again and again, each time stopped one step later, until it comes to its end by itself.
fn at_every_step(mut act: impl FnMut(Gate) -> Option<Report>, mut judge: impl FnMut(i64)) {
    for steps in 0.. {
        let gate = Gate::closing_after(steps);
        let report = act(gate.clone());
        let whole = report.is_some_and(|report| report.failed.is_empty());
        judge(steps);
        if whole && !gate.is_shut() {
            assert!(steps > 60, "the steps are not counted");
            return;
        }
    }
}

#[test]
fn a_save_stopped_after_any_step_leaves_no_torn_version_and_the_next_one_mends_all() {
    let here = tempfile::tempdir().unwrap();
    for unit in [UNIT, "go/1.22.0/x64"] {
        build(here.path(), unit, 7);
    }
    let shared = std::cell::RefCell::new(tempfile::tempdir().unwrap());
    at_every_step(
        |gate| {
            shared.replace(tempfile::tempdir().unwrap());
            let there = shared.borrow();
            // Something to be moved out of the way as well.
            put(there.path(), "node/20.1.0/x64/torn", b"torn", 0o644);
            save::save(here.path(), there.path(), 1, Duration::ZERO, gate).ok()
        },
        |steps| {
            let there = shared.borrow();
            for unit in [UNIT, "go/1.22.0/x64"] {
                build_of(there.path(), unit);
            }
            let next = save::save(here.path(), there.path(), 2, Duration::ZERO, Gate::default());
            assert!(next.unwrap().failed.is_empty(), "after {steps}");
            for unit in [UNIT, "go/1.22.0/x64"] {
                assert_eq!(build_of(there.path(), unit), Some(7), "after {steps}");
            }
        },
    );
}

#[test]
fn a_restore_stopped_after_any_step_leaves_no_torn_version_and_the_next_one_mends_all() {
    let there = tempfile::tempdir().unwrap();
    build(there.path(), UNIT, 7);
    let local = std::cell::RefCell::new(tempfile::tempdir().unwrap());
    at_every_step(
        |gate| {
            local.replace(tempfile::tempdir().unwrap());
            let here = local.borrow();
            put(here.path(), "node/20.1.0/x64/torn", b"torn", 0o644);
            restore::restore(there.path(), here.path(), 1, gate).ok()
        },
        |steps| {
            let here = local.borrow();
            build_of(here.path(), UNIT);
            let next = restore::restore(there.path(), here.path(), 2, Gate::default());
            assert!(next.unwrap().failed.is_empty(), "after {steps}");
            assert_eq!(build_of(here.path(), UNIT), Some(7), "after {steps}");
        },
    );
}

fn run(args: &[&OsStr]) -> (u8, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let status = command(args.iter().map(Into::into), &mut out, &mut err);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status, text(out), text(err))
}

fn words(direction: &str, from: &Path, to: &Path, more: &[&str]) -> (u8, String, String) {
    let mut args = vec![OsStr::new(direction), OsStr::new("--from"), from.as_os_str(), OsStr::new("--to"), to.as_os_str()];
    args.extend(more.iter().map(OsStr::new));
    run(&args)
}

#[test]
fn the_command_tells_what_it_did_in_the_form_that_was_asked_for() {
    let sides = Sides::new();
    build(&sides.remote(), UNIT, 1);
    let (status, out, err) = words("restore", &sides.remote(), &sides.local(), &[]);
    assert_eq!((status, err.as_str()), (0, ""));
    assert!(out.starts_with("restored 1 version (12 files, 768 B) in "), "{out}");
    assert_eq!(out.lines().count(), 1);

    symlink("/", sides.local().join(UNIT).join("out")).unwrap();
    fs::rename(sides.remote().join("node"), sides.temp.path().join("away")).unwrap();
    let more = ["--report", "json", "--jobs", "3"];
    let (status, out, _) = words("save", &sides.local(), &sides.remote(), &more);
    assert_eq!((status, out.lines().count()), (1, 1));
    let told: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(told["cache"], "save");
    assert_eq!(told["versions"], 0);
    assert_eq!(told["failed"][0]["version"], UNIT);
}

#[test]
fn the_command_refuses_what_it_does_not_understand_and_says_where_help_is() {
    let cases: [&[&str]; 7] = [
        &[],
        &["restore"],
        &["restore", "--from", "/a"],
        &["sync", "--from", "/a", "--to", "/b"],
        &["save", "--from", "/a", "--to", "/b", "--report", "xml"],
        &["save", "--from", "/a", "--to", "/b", "--jobs", "0"],
        &["save", "--from", "/a", "--to", "/b", "again"],
    ];
    for words in cases {
        let args: Vec<&OsStr> = words.iter().map(OsStr::new).collect();
        let (status, out, err) = run(&args);
        assert_eq!((status, out.as_str()), (64, ""), "{words:?}");
        assert!(err.contains("hint: `runner-entrypoint cache --help`"), "{words:?}: {err}");
    }
    let (status, out, _) = run(&[OsStr::new("--help")]);
    assert_eq!((status, out.as_str()), (0, super::HELP));
}

#[test]
fn a_directory_that_cannot_be_used_is_named_with_the_setting_to_look_at() {
    let sides = Sides::new();
    let missing = sides.temp.path().join("missing");
    let (status, out, err) = words("restore", &missing, &sides.local(), &[]);
    assert_eq!((status, out.as_str()), (69, ""));
    assert!(err.contains("remote tool cache directory") && err.contains("TOOL_CACHE_REMOTE"), "{err}");
    assert!(!missing.exists());

    let file = sides.temp.path().join("file");
    fs::write(&file, "").unwrap();
    let (status, _, err) = words("restore", &sides.remote(), &file, &[]);
    assert_eq!(status, 69);
    assert!(err.contains("RUNNER_TOOL_CACHE"), "{err}");
    // A local cache that does not exist yet is made.
    let fresh = sides.temp.path().join("fresh/cache");
    assert_eq!(words("restore", &sides.remote(), &fresh, &[]).0, 0);
    assert!(fresh.is_dir());
}

#[test]
fn names_that_are_not_utf8_travel_too() {
    let sides = Sides::new();
    let tool = sides.remote().join(OsStr::from_bytes(b"to\xffol"));
    fs::create_dir_all(tool.join("1/x64")).unwrap();
    fs::write(tool.join("1/x64.complete"), "").unwrap();
    assert_eq!(sides.restore().versions, 1);
    assert_eq!(names(&sides.local()), [OsStr::from_bytes(b"to\xffol")]);
}
