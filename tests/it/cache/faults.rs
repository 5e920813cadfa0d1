//! The program is killed, or a system call of it fails, at every point where it changes or reads something. Whatever happens, a version
//! that a reader finds is whole, and the next run brings the rest.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::{fs::symlink, process::ExitStatusExt as _},
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::Mutex,
    time::{Duration, SystemTime},
};

use runner_tests::need::{Need, need};

use super::{Layout, Picture, command, noise, picture, restore, save, say, versions};

/// Calls that change the directories. Of `openat` only those that make a file: between two of them a kill finds the same on disk.
const CHANGING: &[&str] = &[
    "openat",
    "mkdirat",
    "mkdir",
    "write",
    "pwrite64",
    "ftruncate",
    "fchmod",
    "utimensat",
    "symlinkat",
    "linkat",
    "renameat",
    "renameat2",
    "unlinkat",
    "fsync",
    "syncfs",
];
/// Calls that only look.
const READING: &[&str] = &["getdents64", "newfstatat", "fstat", "statx", "read", "pread64", "lseek", "readlinkat", "fcntl", "close"];
/// Calls for which "no space" is an answer.
const GROWING: &[&str] = &[
    "openat",
    "mkdirat",
    "mkdir",
    "write",
    "pwrite64",
    "ftruncate",
    "symlinkat",
    "linkat",
    "renameat",
    "renameat2",
    "fsync",
    "syncfs",
    "close",
];

/// Each of how many points is tried; `FAULT_STRIDE=1` tries all, which takes a minute.
fn stride(usual: usize) -> usize {
    std::env::var("FAULT_STRIDE").ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// A cache of two versions with all that a version can hold: sizes on both sides of the copy's buffer and of a frame, links of both kinds.
fn small_cache(root: &Path) {
    for version in ["1.0.0", "2.0.0"] {
        let tree = root.join("node").join(version).join("x64");
        fs::create_dir_all(tree.join("bin")).unwrap();
        fs::create_dir_all(tree.join("lib/empty")).unwrap();
        for number in 0..3 {
            fs::write(tree.join(format!("lib/file-{number}")), format!("{version} {number}")).unwrap();
        }
        fs::write(tree.join("lib/nothing"), "").unwrap();
        fs::write(tree.join("bin/node"), vec![version.as_bytes()[0]; 300 << 10]).unwrap();
        fs::write(tree.join("bin/large"), noise(1, 2 << 20)).unwrap();
        fs::hard_link(tree.join("bin/node"), tree.join("bin/nodejs")).unwrap();
        symlink("../bin/node", tree.join("lib/node")).unwrap();
        fs::write(tree.with_extension("complete"), "").unwrap();
    }
}

/// The `number`th time, counted for each thread by itself, that a call is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Point {
    call: &'static str,
    number: usize,
}

/// One direction with one layout, and a source with two versions.
struct Case {
    verb: &'static str,
    layout: Layout,
    source: PathBuf,
    wanted: BTreeMap<String, Picture>,
    /// The source as it must stay, without times: a restore notes the time of a pack's use.
    untouched: Vec<(PathBuf, String)>,
    _temp: tempfile::TempDir,
}

impl Case {
    fn new(verb: &'static str, layout: Layout) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let (local, remote) = (temp.path().join("local"), temp.path().join("remote"));
        small_cache(&local);
        let wanted = versions(&local);
        let source = match verb {
            "save" => local,
            _ => {
                fs::create_dir(&remote).unwrap();
                save(layout, &local, &remote);
                remote
            }
        };
        let untouched = timeless(&source);
        Self { verb, layout, source, wanted, untouched, _temp: temp }
    }

    fn name(&self) -> String {
        format!("{} of a {}", self.verb, self.layout.name())
    }

    /// A destination with what somebody left who died: one part of the stage two days ago, and half a version.
    fn destination(&self, temp: &Path) -> PathBuf {
        let to = temp.join("to");
        // A saver of trees gives the owner of half a version a second, which is too long for each of hundreds of runs.
        if (self.verb, self.layout) != ("save", Layout::Tree) {
            fs::create_dir_all(to.join("node/2.0.0/x64/lib")).unwrap();
            fs::write(to.join("node/2.0.0/x64/lib/file-1"), "half").unwrap();
        }
        let area = if self.packs() { ".packs/stage" } else { ".stage" };
        fs::create_dir_all(to.join(area)).unwrap();
        if self.packs() {
            fs::write(to.join(area).join("dead-1-ab"), "half a pack").unwrap();
        } else {
            fs::create_dir_all(to.join(area).join("dead-1-ab/0/lib")).unwrap();
        }
        let_a_day_pass(&to);
        to
    }

    /// Whether this case writes packs.
    fn packs(&self) -> bool {
        self.verb == "save" && self.layout == Layout::Pack
    }

    /// What a reader of the destination finds.
    fn found(&self, to: &Path) -> BTreeMap<String, Picture> {
        if self.packs() { self.layout.published(to) } else { versions(to) }
    }

    fn run(&self, from: &Path, to: &Path) {
        match self.verb {
            "save" => save(self.layout, from, to),
            _ => restore(from, to),
        };
    }

    /// Runs below strace with one thread for each kind of work.
    fn traced(&self, to: &Path, options: &[&str]) -> Output {
        let mut program = command(self.verb, &self.source, to);
        if self.verb == "save" {
            program.args(["--layout", self.layout.name()]);
        }
        let mut strace = Command::new("strace");
        // Without --seccomp-bpf: stopped by that filter, a call goes on in spite of the signal.
        strace.args(["-f", "-qq"]).args(options).arg("--").arg(program.get_program()).args(program.get_args());
        strace.args(["--jobs", "1"]).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).output().unwrap()
    }

    /// The points of an undisturbed run, from the first look at a cache on: before that it is only a program being loaded.
    fn points(&self, calls: &[&'static str], openings: bool) -> BTreeSet<Point> {
        let temp = tempfile::tempdir().unwrap();
        let (to, log) = (self.destination(temp.path()), temp.path().join("log"));
        let traced: BTreeSet<&str> = calls.iter().copied().chain(["openat"]).collect();
        let trace = format!("trace={}", Vec::from_iter(traced.iter().copied()).join(","));
        let output = self.traced(&to, &["-o", &log.to_string_lossy(), "-e", &trace]);
        assert!(output.status.success(), "{output:?}");
        let mut points = BTreeSet::new();
        let mut made: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        let mut loading = BTreeMap::new();
        let mut begun = false;
        let text = fs::read_to_string(&log).unwrap();
        for line in text.lines() {
            let Some((thread, said)) = line.split_once(char::is_whitespace) else { continue };
            let Some((name, arguments)) = said.trim_start().split_once('(') else { continue };
            begun = begun || name == "openat" && [&self.source, &to].iter().any(|root| arguments.contains(&*root.to_string_lossy()));
            let Some(&call) = calls.iter().find(|call| **call == name) else { continue };
            let number = made.entry((thread, call)).or_default();
            *number += 1;
            if !begun {
                loading.insert(call, *number);
            } else if call != "openat" || openings || arguments.contains("O_CREAT") {
                points.insert(Point { call, number: *number });
            }
        }
        assert!(begun, "the cache was never looked at:\n{text}");
        // strace counts for each thread by itself, so what is as early in a thread would hit the loader first.
        points.retain(|point| loading.get(point.call).is_none_or(|early| point.number > *early));
        points
    }

    /// Nothing torn after `what` happened; the next run brings the rest; a run a day later tidies up after the dead.
    fn judge(&self, what: &str, to: &Path) {
        for (name, tree) in self.found(to) {
            assert!(self.wanted.get(&name) == Some(&tree), "{what}: {name} is torn");
        }
        assert!(timeless(&self.source) == self.untouched, "{what}: its source was changed");
        self.run(&self.source, to);
        assert!(self.found(to) == self.wanted, "{what}: the next run did not bring everything");
        let_a_day_pass(to);
        let newer = to.parent().unwrap().join("newer");
        fs::create_dir_all(newer.join("go/1.0.0/x64")).unwrap();
        fs::write(newer.join("go/1.0.0/x64.complete"), "").unwrap();
        self.run(&newer, to);
        let left = [".stage", ".packs/stage"].map(|area| fs::read_dir(to.join(area)).into_iter().flatten().count());
        assert_eq!(left, [0, 0], "{what}: what it left is still there a day later");
    }
}

fn timeless(root: &Path) -> Vec<(PathBuf, String)> {
    picture(root).into_iter().map(|(path, what)| (path, what.split(", time").next().unwrap_or_default().to_owned())).collect()
}

/// Calls `check` for every point, or every few, on two threads. Returns how many it were.
fn for_each(points: &BTreeSet<Point>, stride: usize, check: impl Fn(Point) + Sync) -> usize {
    let chosen: Vec<Point> = points.iter().copied().step_by(stride).collect();
    let rest = Mutex::new(chosen.iter());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let next = rest.lock().unwrap_or_else(std::sync::PoisonError::into_inner).next().copied();
                    let Some(point) = next else { return };
                    check(point);
                }
            });
        }
    });
    chosen.len()
}

/// What dead processes left in the staging area becomes older than the design keeps it.
fn let_a_day_pass(root: &Path) {
    let long_ago = SystemTime::now() - Duration::from_secs(2 * 86_400);
    for part in [".stage", ".packs/stage"].into_iter().flat_map(|area| fs::read_dir(root.join(area)).into_iter().flatten()) {
        fs::File::open(part.unwrap().path()).unwrap().set_modified(long_ago).unwrap();
    }
}

fn killed_everywhere(verb: &'static str, layout: Layout) {
    if !need(&[Need::Strace]) {
        return;
    }
    let case = Case::new(verb, layout);
    let points = case.points(CHANGING, false);
    let tried = for_each(&points, stride(1), |Point { call, number }| {
        let temp = tempfile::tempdir().unwrap();
        let to = case.destination(temp.path());
        let output = case.traced(&to, &["-e", &format!("trace={call}"), "-e", &format!("inject={call}:signal=KILL:when={number}")]);
        let what = format!("{} killed at {call} {number}", case.name());
        assert_eq!(output.status.signal(), Some(9), "{what}: {output:?}");
        case.judge(&what, &to);
    });
    say(&format!("{}: killed at {tried} of {} points, torn 0", case.name(), points.len()));
}

fn failing_everywhere(verb: &'static str, layout: Layout) {
    if !need(&[Need::Strace]) {
        return;
    }
    let case = Case::new(verb, layout);
    let all: Vec<&str> = CHANGING.iter().chain(READING).copied().collect();
    let mut felt = 0;
    for (error, calls) in [("EIO", &all[..]), ("ENOSPC", GROWING), ("ESTALE", &all[..]), ("EINTR", &all[..])] {
        let points = case.points(calls, true);
        let codes = Mutex::new(BTreeMap::<i32, usize>::new());
        let tried = for_each(&points, stride(16), |Point { call, number }| {
            let temp = tempfile::tempdir().unwrap();
            let to = case.destination(temp.path());
            let inject = format!("inject={call}:error={error}:when={number}");
            let output = case.traced(&to, &["-o", "/dev/null", "-e", &format!("trace={call}"), "-e", &inject]);
            let what = format!("{} with {error} at {call} {number}", case.name());
            let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
            let code = output.status.code().unwrap_or_else(|| panic!("{what}: {output:?}"));
            let found = case.found(&to);
            let missing: Vec<&String> = case.wanted.keys().filter(|name| !found.contains_key(*name)).collect();
            // The report itself is a write, and so is its closing line: who cannot be told has the code.
            let untold = call == "write" && output.stdout.is_empty();
            match code {
                0 => assert!(missing.is_empty(), "{what}: 0, but {missing:?} were not copied"),
                // What was not copied is named, and why.
                1 => assert!(untold || missing.iter().all(|name| said.contains(name.as_str())), "{what}: {missing:?}: {said}"),
                69 => assert!(said.contains(error) && said.contains("hint: "), "{what}: {said}"),
                _ => panic!("{what}: exit code {code}: {said}"),
            }
            *codes.lock().unwrap_or_else(std::sync::PoisonError::into_inner).entry(code).or_default() += 1;
            case.judge(&what, &to);
        });
        let codes = codes.into_inner().unwrap();
        felt += codes.get(&1).copied().unwrap_or_default();
        say(&format!("{}: {error} at {tried} of {} points, torn 0; exit codes {codes:?}", case.name(), points.len()));
    }
    assert!(felt > 0, "no error was ever felt");
}

#[test]
fn a_save_of_trees_killed_at_any_point_leaves_nothing_torn() {
    killed_everywhere("save", Layout::Tree);
}

#[test]
fn a_save_of_trees_whose_calls_fail_says_so_and_leaves_nothing_torn() {
    failing_everywhere("save", Layout::Tree);
}

#[test]
fn a_save_of_packs_killed_at_any_point_leaves_nothing_torn() {
    killed_everywhere("save", Layout::Pack);
}

#[test]
fn a_save_of_packs_whose_calls_fail_says_so_and_leaves_nothing_torn() {
    failing_everywhere("save", Layout::Pack);
}

#[test]
fn a_restore_of_trees_killed_at_any_point_leaves_nothing_torn() {
    killed_everywhere("restore", Layout::Tree);
}

#[test]
fn a_restore_of_trees_whose_calls_fail_says_so_and_leaves_nothing_torn() {
    failing_everywhere("restore", Layout::Tree);
}

#[test]
fn a_restore_of_packs_killed_at_any_point_leaves_nothing_torn() {
    killed_everywhere("restore", Layout::Pack);
}

#[test]
fn a_restore_of_packs_whose_calls_fail_says_so_and_leaves_nothing_torn() {
    failing_everywhere("restore", Layout::Pack);
}
