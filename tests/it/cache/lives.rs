//! The tool cache in whole lives of `runner-entrypoint`.

mod beside;

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use runner_tests::{
    bed::{Bed, Launch, Subject},
    boxed::Boxed,
    clock,
    fixtures::{Tool, ToolCache},
    github::{Job, Route},
    need::{Need, need},
    process::Ending,
};

use super::{Picture, command, picture, run, versions};

const DEADLINE: Duration = Duration::from_secs(40);

fn with_cache(bed: &Bed) -> Launch<'_> {
    bed.entrypoint().env("TOOL_CACHE_REMOTE", bed.path("remote").to_string_lossy())
}

/// What the next task would find, in whatever layout it is.
fn on_the_remote(bed: &Bed) -> BTreeMap<String, Picture> {
    let found = tempfile::tempdir().unwrap();
    run("restore", &bed.path("remote"), found.path());
    versions(found.path())
}

/// Saves tools to the remote as packs of a domain.
fn packed(bed: &Bed, trust: &str, tools: &[(Tool, &str)]) {
    let local = tempfile::tempdir().unwrap();
    let cache = ToolCache::at(local.path());
    let _ = tools.iter().fold(cache, |cache, (tool, version)| cache.with(*tool, version));
    let saved = command("save", local.path(), &bed.directory("remote")).args(["--trust", trust]).output().unwrap();
    assert_eq!(saved.status.code(), Some(0), "{saved:?}");
}

/// What setup actions do: tree, then marker.
const INSTALL: &str = "\
    tree=$RUNNER_TOOL_CACHE/go/1.22.0/x64; mkdir -p $tree/bin; echo a tool > $tree/bin/go; chmod 755 $tree/bin/go; touch $tree.complete";

#[test]
fn a_job_finds_what_was_saved_and_what_it_installs_is_saved() {
    let bed = Bed::new();
    let remote = bed.tool_cache("remote").with(Tool::Node, "20.1.0");
    let script =
        format!("test -e $RUNNER_TOOL_CACHE/node/20.1.0/x64.complete && $RUNNER_TOOL_CACHE/node/20.1.0/x64/bin/node hello; {INSTALL}");
    bed.github().queue_job(Job::new("build", &script));
    let mut life = with_cache(&bed).start();
    assert_eq!(life.wait(DEADLINE), Ending::Code(0));
    let finished = bed.github().finished();
    assert!(finished[0].log.contains("node 20.1.0 hello"), "{}", finished[0].log);
    let line = |text: &str| life.lines().iter().position(|line| line.text.contains(text)).unwrap_or_else(|| panic!("no line: {text}"));
    assert!(line("restored 1 version ") < line("Listening for Jobs"));
    assert!(line("completed with result") < line("saved 1 version "));
    let local = versions(&bed.path("hostedtoolcache"));
    assert_eq!(local.len(), 2);
    assert!(on_the_remote(&bed) == local);
    assert!(remote.path().join(".packs").is_dir(), "new versions are packs unless TOOL_CACHE_LAYOUT says otherwise");
}

#[test]
fn a_job_that_installs_nothing_changes_nothing() {
    let bed = Bed::new();
    let remote = bed.tool_cache("remote").with(Tool::Node, "20.1.0");
    let before = picture(remote.path());
    bed.github().queue_job(Job::new("build", "true"));
    let mut life = with_cache(&bed).start();
    assert_eq!(life.wait(DEADLINE), Ending::Code(0));
    assert!(picture(remote.path()) == before);
    assert!(life.stdout().contains("saved 0 versions"));
}

#[test]
fn with_restore_and_save_off_the_remote_is_not_looked_at() {
    let bed = Bed::new();
    let remote = bed.tool_cache("remote").with(Tool::Node, "20.1.0");
    let before = picture(remote.path());
    bed.github().queue_job(Job::new("build", INSTALL));
    let mut life = with_cache(&bed).env("TOOL_CACHE_RESTORE", "off").env("TOOL_CACHE_SAVE", "off").start();
    assert_eq!(life.wait(DEADLINE), Ending::Code(0));
    assert!(picture(remote.path()) == before);
    assert_eq!(versions(&bed.path("hostedtoolcache")).into_keys().collect::<Vec<_>>(), ["go/1.22.0/x64"]);
}

#[test]
fn without_the_shared_storage_the_job_runs_all_the_same() {
    let bed = Bed::new();
    bed.github().queue_job(Job::new("build", INSTALL));
    let mut life = with_cache(&bed).start();
    assert_eq!(life.wait(DEADLINE), Ending::Code(0));
    assert_eq!(bed.github().finished()[0].result, "Succeeded");
    assert!(!bed.path("remote").exists(), "a directory was made where a mount is missing");
    let said = life.stdout();
    assert!(said.contains("cannot open the remote tool cache directory"), "{said}");
    assert!(said.contains("is the shared volume mounted at TOOL_CACHE_REMOTE"), "{said}");
    bed.github().assert_nobody_registered();
}

/// A restore that takes as long as it can, so that it is there to be held.
fn slowly(bed: &Bed) -> Launch<'_> {
    with_cache(bed).env("TOOL_CACHE_JOBS", "1")
}

/// The child whose command line has these words, awaited.
fn child(life: &Subject, words: &str) -> Pid {
    // Of this process alone: a walk through all of /proc would take longer than the restore.
    let children = format!("/proc/{0}/task/{0}/children", life.pid());
    let found = clock::poll(DEADLINE, || {
        let pids = fs::read_to_string(&children).unwrap_or_default();
        let mut pids = pids.split_whitespace().filter_map(|pid| pid.parse::<i32>().ok());
        pids.find(|pid| fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default().contains(words))
    });
    Pid::from_raw(found.unwrap_or_else(|| panic!("no child {words:?}")))
}

/// The restore's process, held still as a mount that does not answer would hold it.
fn hold_restore(life: &Subject) -> Pid {
    let pid = child(life, "\0cache\0restore\0");
    kill(pid, Signal::SIGSTOP).expect("a restore that still runs");
    // Its parent may not have been told of its end yet.
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    assert!(!stat.contains(") Z ") && !stat.contains(") X "), "the restore was over before it could be held: {stat}");
    pid
}

/// So large that the restore cannot be over before it is held.
fn large_remote(bed: &Bed) -> ToolCache {
    bed.tool_cache("remote").scale(12).with(Tool::Go, "1.22.0")
}

fn gone(pid: Pid) -> bool {
    !Path::new(&format!("/proc/{pid}")).exists()
}

#[test]
fn a_restore_that_hangs_is_given_up_and_the_job_runs() {
    let bed = Bed::new();
    let remote = large_remote(&bed);
    let before = picture(remote.path());
    bed.github().queue_job(Job::new("build", "ls $RUNNER_TOOL_CACHE/go/1.22.0/x64.complete || echo not restored"));
    let mut life = slowly(&bed).env("TOOL_CACHE_RESTORE_TIMEOUT", "1").start();
    let restore = hold_restore(&life);
    assert_eq!(life.wait(DEADLINE), Ending::Code(0));
    assert!(bed.github().finished()[0].log.contains("not restored"));
    assert!(gone(restore));
    assert!(life.stdout().contains("WARN") || life.stdout().contains("\"warn\""), "{}", life.stdout());
    assert!(picture(remote.path()) == before, "what was half restored was saved");
}

#[test]
fn a_stop_while_the_cache_is_restored_ends_in_time_with_nobody_registered() {
    let bed = Bed::new();
    let _remote = large_remote(&bed);
    let mut life = slowly(&bed).env("STOP_TIMEOUT", "10").start();
    let restore = hold_restore(&life);
    bed.wait_for("a registration", DEADLINE, || !bed.github().registered().is_empty());
    let asked = life.age();
    life.signal(Signal::SIGTERM);
    assert_eq!(life.wait(DEADLINE), Ending::Code(0));
    assert!(life.age() - asked < Duration::from_secs(10));
    assert!(gone(restore));
    bed.github().assert_nobody_registered();
    assert!(!life.stdout().contains("Listening for Jobs"));
    assert!(!bed.github().requests_of(Route::DeleteRunner).is_empty());
}

#[test]
fn who_still_writes_into_the_cache_after_the_job_is_dead_before_it_is_saved() {
    if !need(&[Need::Root, Need::Boxes]) {
        return;
    }
    let bed = Bed::new();
    bed.give_runner_to(1001, 1001);
    for name in ["remote", "task"] {
        nix::unistd::chown(&bed.directory(name), Some(1001.into()), Some(1001.into())).unwrap();
    }
    let boxed = Boxed::host().user("runner", 1001, 1001).host_network();
    let daemon = "trap '' TERM; while :; do echo more >> $tree/bin/log; done";
    let script = format!(
        "{INSTALL}; export tree; env -u RUNNER_TRACKING_ID setsid sh -c \"{}\" >/dev/null 2>&1 & until [ -s $RUNNER_TOOL_CACHE/go/1.22.0/x64/bin/log ]; do sleep 0.02; done",
        daemon.replace('$', "\\$")
    );
    bed.github().queue_job(Job::new("leaves a writer", &script));
    let mut life = with_cache(&bed).without("RUN_AS_ROOT").as_pid_1(boxed).start();
    assert_eq!(life.wait(DEADLINE), Ending::Code(0));
    assert_eq!(bed.github().finished()[0].result, "Succeeded");
    let (local, remote) = (versions(&bed.path("hostedtoolcache")), on_the_remote(&bed));
    assert!(local["go/1.22.0/x64"].contains_key(Path::new("bin/log")));
    assert!(remote == local, "it was saved while it was written");
}

#[test]
fn a_list_of_allowed_packs_that_the_job_could_change_is_refused() {
    if !need(&[Need::Root, Need::Boxes]) {
        return;
    }
    let bed = Bed::new();
    bed.give_runner_to(1001, 1001);
    let list = bed.path("allow");
    fs::write(&list, "# nothing yet\n").unwrap();
    let launch = || {
        let boxed = Boxed::host().user("runner", 1001, 1001).host_network();
        with_cache(&bed).without("RUN_AS_ROOT").env("TOOL_CACHE_ALLOW", list.display().to_string()).as_pid_1(boxed)
    };
    nix::unistd::chown(&list, Some(1001.into()), None).unwrap();
    let mut refused = launch().start();
    assert_eq!(refused.wait(DEADLINE), Ending::Code(78));
    let said = refused.stdout();
    assert!(said.contains("TOOL_CACHE_ALLOW: the job could change what") && said.contains("user id 1001"), "{said}");
    bed.github().assert_nobody_registered();
    nix::unistd::chown(&list, Some(0.into()), None).unwrap();
    packed(&bed, "shared", &[(Tool::Node, "20.1.0"), (Tool::Go, "1.22.0")]);
    let pack = fs::canonicalize(bed.path("remote/.packs/refs/shared/go@1.22.0@x64")).unwrap();
    let digest = pack.file_name().unwrap().to_str().unwrap().trim_end_matches(".tar.zst");
    fs::write(&list, format!("{digest} # go\n")).unwrap();
    bed.github().queue_job(Job::new("build", "cd $RUNNER_TOOL_CACHE; ls -d */*"));
    assert_eq!(launch().env("TOOL_CACHE_SAVE", "no").start().wait(DEADLINE), Ending::Code(0));
    assert_eq!(bed.github().finished()[0].log, "go/1.22.0\n");
}

#[test]
fn only_the_tools_that_are_asked_for_are_restored_and_only_from_the_own_domain() {
    let bed = Bed::new();
    let remote = bed.tool_cache("remote").with(Tool::Go, "1.22.0");
    packed(&bed, "team", &[(Tool::Node, "20.1.0"), (Tool::Node, "18.20.0"), (Tool::Python, "3.12.4")]);
    packed(&bed, "other", &[(Tool::Node, "20.2.0")]);
    let before = picture(remote.path());
    bed.github().queue_job(Job::new("build", "cd $RUNNER_TOOL_CACHE; ls -d */*"));
    let launch = with_cache(&bed).env("TOOL_CACHE_TRUST", "team").env("TOOL_CACHE_TOOLS", "Node@20,go").env("TOOL_CACHE_JOBS", "2");
    assert_eq!(launch.env("TOOL_CACHE_SAVE", "no").start().wait(DEADLINE), Ending::Code(0));
    assert_eq!(bed.github().finished()[0].log, "node/20.1.0\n");
    assert!(picture(remote.path()) == before, "who never saves wrote something all the same");
}

#[test]
fn new_versions_are_saved_as_trees_on_request_and_as_packs_of_the_own_domain() {
    for (setting, value, place) in
        [("TOOL_CACHE_LAYOUT", "tree", "go/1.22.0/x64.complete"), ("TOOL_CACHE_TRUST", "team", ".packs/refs/team/go@1.22.0@x64")]
    {
        let bed = Bed::new();
        let remote = bed.directory("remote");
        bed.github().queue_job(Job::new("build", INSTALL));
        assert_eq!(with_cache(&bed).env(setting, value).start().wait(DEADLINE), Ending::Code(0));
        assert!(remote.join(place).is_file(), "{place}");
    }
}
