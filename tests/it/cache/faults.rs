//! The program is killed, or a system call of it fails, at every point where it changes or reads something. Whatever happens, a version
//! that a reader finds is whole, and the next run brings the rest.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::{fs::symlink, process::ExitStatusExt as _},
    path::Path,
    process::{Command, Output},
    sync::Mutex,
    time::{Duration, SystemTime},
};

use runner_tests::need::{Need, need};

use super::{command, run, versions};

/// Calls that change the directories. Of `openat` only those that make a file.
const CHANGING: &[&str] = &[
    "openat",
    "mkdirat",
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
const READING: &[&str] = &["getdents64", "newfstatat", "read", "readlinkat"];
/// Calls for which "no space" is an answer.
const GROWING: &[&str] = &["openat", "mkdirat", "write", "pwrite64", "symlinkat", "linkat", "renameat", "fsync", "syncfs"];

/// Each of how many points is tried; `FAULT_STRIDE=1` tries all, which takes a minute.
fn stride(usual: usize) -> usize {
    std::env::var("FAULT_STRIDE").ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// A cache of two versions with all that a version can hold: sizes on both sides of the copy's buffer, links of both kinds.
fn small_cache(root: &Path) {
    for version in ["1.0.0", "2.0.0"] {
        let tree = root.join("node").join(version).join("x64");
        fs::create_dir_all(tree.join("bin")).unwrap();
        fs::create_dir_all(tree.join("lib/empty")).unwrap();
        for number in 0..11 {
            fs::write(tree.join(format!("lib/file-{number}")), format!("{version} {number}")).unwrap();
        }
        fs::write(tree.join("lib/nothing"), "").unwrap();
        fs::write(tree.join("bin/node"), vec![version.as_bytes()[0]; 300 << 10]).unwrap();
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

/// Runs `cache verb` on one thread besides the main one below strace.
fn traced(verb: &str, from: &Path, to: &Path, options: &[&str]) -> Output {
    let program = command(verb, from, to);
    let mut strace = Command::new("strace");
    // Without --seccomp-bpf: stopped by that filter, a call goes on in spite of the signal.
    strace.args(["-f", "-qq"]).args(options).arg("--").arg(program.get_program()).args(program.get_args());
    strace.args(["--jobs", "1"]).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).output().unwrap()
}

/// The points of an undisturbed run, from the first look at a cache on: before that it is only a program being loaded.
fn points(verb: &str, source: &Path, calls: &[&'static str]) -> BTreeSet<Point> {
    let temp = tempfile::tempdir().unwrap();
    let (to, log) = (temp.path().join("to"), temp.path().join("log"));
    fs::create_dir(&to).unwrap();
    let output = traced(verb, source, &to, &["-o", &log.to_string_lossy(), "-e", &format!("trace={}", calls.join(","))]);
    assert!(output.status.success(), "{output:?}");
    let mut points = BTreeSet::new();
    let mut made: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut loading = BTreeMap::new();
    let mut begun = false;
    let text = fs::read_to_string(&log).unwrap();
    for line in text.lines() {
        let Some((thread, said)) = line.split_once(char::is_whitespace) else { continue };
        let Some((name, arguments)) = said.trim_start().split_once('(') else { continue };
        let Some(&call) = calls.iter().find(|call| **call == name) else { continue };
        let number = made.entry((thread, call)).or_default();
        *number += 1;
        if !begun {
            begun = arguments.contains(&*source.to_string_lossy());
            loading.insert(call, *number);
        } else if call != "openat" || arguments.contains("O_CREAT") {
            points.insert(Point { call, number: *number });
        }
    }
    assert!(begun, "the cache was never looked at:\n{text}");
    // strace counts for each thread by itself, so what is as early in a thread would hit the loader first.
    points.retain(|point| loading.get(point.call).is_none_or(|early| point.number > *early));
    points
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
    for part in fs::read_dir(root.join(".stage")).into_iter().flatten() {
        fs::File::open(part.unwrap().path()).unwrap().set_modified(long_ago).unwrap();
    }
}

/// Nothing torn after `what` happened; the next run brings the rest; a run a day later tidies up after the dead.
fn judge(what: &str, verb: &str, source: &Path, to: &Path) {
    let wanted = versions(source);
    for (name, tree) in versions(to) {
        assert!(wanted.get(&name) == Some(&tree), "{what}: {name} is torn");
    }
    run(verb, source, to);
    assert!(versions(to) == wanted, "{what}: the next run did not bring everything");
    let_a_day_pass(to);
    let newer = to.parent().unwrap().join("newer");
    fs::create_dir_all(newer.join("go/1.0.0/x64")).unwrap();
    fs::write(newer.join("go/1.0.0/x64.complete"), "").unwrap();
    run(verb, &newer, to);
    assert!(!to.join(".stage").exists(), "{what}: what it left is still there a day later");
}

fn killed_everywhere(verb: &str) {
    if !need(&[Need::Strace]) {
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    let source = temp.path().join("source");
    small_cache(&source);
    let points = points(verb, &source, CHANGING);
    let tried = for_each(&points, stride(1), |Point { call, number }| {
        let temp = tempfile::tempdir().unwrap();
        let to = temp.path().join("to");
        fs::create_dir(&to).unwrap();
        let output =
            traced(verb, &source, &to, &["-e", &format!("trace={call}"), "-e", &format!("inject={call}:signal=KILL:when={number}")]);
        let what = format!("{verb} killed at {call} {number}");
        assert_eq!(output.status.signal(), Some(9), "{what}: {output:?}");
        judge(&what, verb, &source, &to);
    });
    say(&format!("{verb}: killed at {tried} of {} points", points.len()));
}

fn failing_everywhere(verb: &str) {
    if !need(&[Need::Strace]) {
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    let source = temp.path().join("source");
    small_cache(&source);
    let all: Vec<&str> = CHANGING.iter().chain(READING).copied().collect();
    let mut codes = BTreeMap::<i32, usize>::new();
    for (error, calls) in [("EIO", &all[..]), ("ENOSPC", GROWING)] {
        let points = points(verb, &source, &with_openat(calls));
        let counted = Mutex::new(&mut codes);
        let tried = for_each(&points, stride(4), |Point { call, number }| {
            let temp = tempfile::tempdir().unwrap();
            let to = temp.path().join("to");
            fs::create_dir(&to).unwrap();
            let inject = format!("inject={call}:error={error}:when={number}");
            let output = traced(verb, &source, &to, &["-o", "/dev/null", "-e", &format!("trace={call}"), "-e", &inject]);
            let what = format!("{verb} with {error} at {call} {number}");
            let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
            let code = output.status.code().unwrap_or_else(|| panic!("{what}: {output:?}"));
            let missing: Vec<String> = versions(&source).into_keys().filter(|name| !versions(&to).contains_key(name)).collect();
            match code {
                0 => assert!(missing.is_empty(), "{what}: 0, but {missing:?} were not copied"),
                // What was not copied is named, and so is the error.
                1 => {
                    assert!(said.contains(error) && missing.iter().all(|name| said.contains(name.as_str())), "{what}: {missing:?}: {said}")
                }
                69 => assert!(said.contains(error) && said.contains("hint: "), "{what}: {said}"),
                _ => panic!("{what}: exit code {code}: {said}"),
            }
            *counted.lock().unwrap_or_else(std::sync::PoisonError::into_inner).entry(code).or_default() += 1;
            judge(&what, verb, &source, &to);
        });
        say(&format!("{verb}: {error} at {tried} of {} points", points.len()));
    }
    say(&format!("{verb}: exit codes {codes:?}"));
    assert!(codes.contains_key(&1), "no error was ever felt: {codes:?}");
}

/// The first `openat` of a cache tells where a run begins.
fn with_openat(calls: &[&'static str]) -> Vec<&'static str> {
    let more = (!calls.contains(&"openat")).then_some("openat");
    calls.iter().copied().chain(more).collect()
}

#[expect(clippy::print_stderr, reason = "how much was tried belongs to the result")]
fn say(text: &str) {
    eprintln!("{text}");
}

#[test]
fn a_save_killed_at_any_point_leaves_nothing_torn() {
    killed_everywhere("save");
}

#[test]
fn a_restore_killed_at_any_point_leaves_nothing_torn() {
    killed_everywhere("restore");
}

#[test]
fn a_save_whose_calls_fail_says_so_and_leaves_nothing_torn() {
    failing_everywhere("save");
}

#[test]
fn a_restore_whose_calls_fail_says_so_and_leaves_nothing_torn() {
    failing_everywhere("restore");
}
