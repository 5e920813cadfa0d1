//! Many lives one after the other, and lives cut at any moment: what is left is counted.

use std::{collections::BTreeMap, fs, process::Command, time::Duration};

use nix::sys::signal::Signal;
use runner_tests::{
    bed::Subject,
    clock,
    need::{Need, need},
    pair::Pair,
    process::Ending,
    programs::Program,
};

const SOON: Duration = Duration::from_secs(60);

/// How often, unless a variable says otherwise: `CYCLES=200`, `KILLS=200` for a long run.
fn times(variable: &str, usual: usize) -> usize {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// Counts everything that a life could leave in the namespaces of this shell, by name. This machine's own mounts show below /dev.
const COUNT: &str = "\
count() { echo \"$1 $(eval \"$2\" 2>/dev/null | wc -l)\"; }
count mounts 'grep -v -F \" /dev\" /proc/self/mountinfo'
count processes 'cat /proc/[0-9]*/comm | grep -xE \"dockerd|containerd.*|runc.*|docker-proxy|busybox|.*dind.*\"'
count networks 'readlink /proc/[0-9]*/ns/net | sort -u'
count links 'ip -o link'
count rules 'iptables-save | grep ^-A'
count cgroups 'find /sys/fs/cgroup -type d'
";

/// The same on this machine, where others are at work too: only what can be told to be ours. Who is in a deleted group is dead, and waits for
/// the test before this one to hear of it (seen in CI).
const COUNT_OURS: &str = "\
count() { echo \"$1 $(eval \"$2\" 2>/dev/null | wc -l)\"; }
count mounts 'grep -F -e $OURS -e $STORAGE /proc/self/mountinfo'
count processes 'grep -h -F -e $OURS /proc/[0-9]*/cgroup | grep -v deleted'
count links 'ip -o link'
count rules 'iptables-save | grep ^-A'
count cgroups 'find /sys/fs/cgroup -type d -name $OURS\\*'
count loops 'losetup --list --noheadings --output BACK-FILE | grep -F -e $(dirname $STORAGE)'
";

fn counted(text: &str) -> BTreeMap<String, usize> {
    let pairs = text.lines().filter_map(|line| line.split_once(' '));
    pairs.filter_map(|(name, count)| Some((name.to_owned(), count.trim().parse().ok()?))).collect()
}

fn on_this_machine(pair: &Pair) -> BTreeMap<String, usize> {
    let mut count = Command::new("sh");
    count.args(["-c", COUNT_OURS]).env("OURS", format!("box-{}-", std::process::id())).env("STORAGE", pair.storage());
    let output = count.output().expect("run sh");
    counted(&String::from_utf8_lossy(&output.stdout))
}

/// Seen in CI: the last test's box was still dying when this one began to count, and so less was there in the end.
fn before(pair: &Pair) -> BTreeMap<String, usize> {
    let mut before = BTreeMap::new();
    let quiet = clock::holds_within(SOON, || {
        before = on_this_machine(pair);
        before["processes"] == 0 && before["cgroups"] == 0
    });
    assert!(quiet, "something of ours is still there: {before:?}");
    before
}

/// The last namespaces and cgroups go a moment after their last process.
fn assert_nothing_more_than(before: &BTreeMap<String, usize>, pair: &Pair) {
    let mut after = BTreeMap::new();
    let same = clock::holds_within(SOON, || {
        after = on_this_machine(pair);
        after == *before
    });
    assert!(same, "before {before:?}, after {after:?}");
}

fn ready(pair: &Pair) -> Subject {
    let dind = pair.dind().start();
    dind.wait_for_line("\"ready\"", SOON);
    dind
}

/// A network, a published port and a container that ignores SIGTERM, in whichever sidecar this shell is.
const USE: &str = "\
mkdir -p /tmp/i/bin && cp /usr/bin/busybox /tmp/i/bin/busybox && ln -sf busybox /tmp/i/bin/sh
tar -C /tmp/i -c . | docker import - tiny:1 >/dev/null
docker network create own >/dev/null
docker run -d --network own -p 18080:80 tiny:1 sh -c 'trap \"\" TERM; while :; do busybox sleep 1; done' >/dev/null
docker run --rm tiny:1 busybox true
";

#[test]
fn many_lives_leave_nothing_on_the_machine() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let pair = Pair::new();
    let before = before(&pair);
    for _ in 0..times("CYCLES", 5) {
        let mut dind = ready(&pair);
        let (ending, said) = dind.boxed().sh(USE, SOON);
        assert_eq!(ending, Ending::Code(0), "{said}");
        dind.signal(Signal::SIGTERM);
        assert_eq!(dind.wait(SOON), Ending::Code(0));
        drop(dind);
        assert_eq!(pair.left_behind(), [""; 0]);
    }
    assert_nothing_more_than(&before, &pair);
}

/// On a virtual machine, or after `docker restart`, there is no namespace that would take the rest away.
#[test]
fn many_lives_in_one_place_leave_as_much_as_one_and_that_is_the_bridge() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let pair = Pair::new();
    let (dind, rounds) = (Program::Dind.path(), times("CYCLES", 5));
    let script = format!(
        "life() {{
             {dind} > /run/task/log 2>&1 & pid=$!
             until [ -S /run/task/docker.sock ]; do kill -0 $pid || exit 9; sleep 0.02; done
             {USE}
             kill -TERM $pid; wait $pid || exit 8
         }}
         counts() {{ {COUNT} }}
         counts > /run/task/before; life; counts > /run/task/first
         for round in $(seq {rounds}); do life; done
         counts > /run/task/last",
        dind = dind.display()
    );
    let mut boxed = pair.sidecar().spawn("lives", &["/bin/sh", "-c", &script]);
    let ending = boxed.wait(Duration::from_secs(60 + 10 * rounds as u64));
    let log = fs::read_to_string(pair.bed().path("task/log")).unwrap_or_default();
    assert_eq!(ending, Ending::Code(0), "{}\n{log}", boxed.transcript());
    let [before, first, last] =
        ["before", "first", "last"].map(|name| counted(&fs::read_to_string(pair.bed().path(&format!("task/{name}"))).expect("a count")));
    assert_eq!(first, last, "each life leaves more");
    for name in ["processes", "networks"] {
        assert_eq!(before[name], last[name], "{name}: before {before:?}, after {last:?}");
    }
    // docker0 stays and its rules, as long as their network namespace.
    assert!(last["links"] <= before["links"] + 1, "{before:?}, {last:?}");
    assert_eq!(pair.left_behind(), [""; 0]);
}

/// Kills it so long after its start, and again so long after it was told to stop.
#[test]
fn a_sidecar_killed_at_any_moment_leaves_nothing_that_its_successor_does_not_remove() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let (pair, kills) = (Pair::new(), times("KILLS", 16));
    let before = before(&pair);
    let mut dind = ready(&pair);
    let start = dind.age();
    dind.signal(Signal::SIGTERM);
    assert_eq!(dind.wait(SOON), Ending::Code(0));
    let stop = dind.age() - start;
    drop(dind);
    for kill in 0..kills {
        let part = |whole: Duration| whole * u32::try_from(kill).unwrap() / u32::try_from(kills).unwrap();
        let mut starting = pair.dind().start();
        until_aged(&starting, part(start * 5 / 4));
        starting.signal(Signal::SIGKILL);
        starting.wait(SOON);
        drop(starting);
        let mut stopping = ready(&pair);
        let (ending, said) = stopping.boxed().sh(USE, SOON);
        assert_eq!(ending, Ending::Code(0), "{said}");
        let told = stopping.age();
        stopping.signal(Signal::SIGTERM);
        until_aged(&stopping, told + part(stop * 5 / 4));
        stopping.signal(Signal::SIGKILL);
        stopping.wait(SOON);
    }
    let mut last = ready(&pair);
    // One that was just killed can hold its lock for a moment more, as the kernel closes its files: then the next look finds it, after a minute
    // (seen in CI).
    let one = || fs::read_dir(pair.storage()).expect("the storage").flatten().count() == 1;
    pair.bed().wait_for("the dead to be swept", 3 * SOON, one);
    last.signal(Signal::SIGTERM);
    assert_eq!(last.wait(SOON), Ending::Code(0));
    drop(last);
    assert_eq!(pair.left_behind(), [""; 0]);
    assert_nothing_more_than(&before, &pair);
}

fn until_aged(subject: &Subject, age: Duration) {
    while subject.age() < age {
        std::thread::yield_now();
    }
}
