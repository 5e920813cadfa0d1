//! Boxes: what PID 1 sees, and that nothing of them stays.

use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use runner_tests::boxed::{Boxed, cgroup_mount};
use runner_tests::github::{GitHub, Rules};
use runner_tests::need::{Need, need};
use runner_tests::process::Ending;

const SOON: Duration = Duration::from_secs(20);

fn look(script: &str) -> String {
    let (ending, output) = Boxed::host().run(script, SOON);
    assert_eq!(ending, Ending::Code(0), "{output}");
    output
}

#[test]
fn the_program_is_pid_1_at_the_root_of_a_pure_cgroup_v2_view() {
    if !need(&[Need::Boxes]) {
        return;
    }
    let output = look("echo $$; grep ^0: /proc/self/cgroup; stat -f -c %T /sys/fs/cgroup; cat /sys/fs/cgroup/cgroup.procs; hostname");
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!(lines[..3], ["1", "0::/", "cgroup2fs"], "{output}");
    assert!(lines[3..].contains(&"1"), "{output}");
    // A process of the outer PID namespace would show as 0 and could not be moved.
    assert!(!lines[3..].contains(&"0"), "{output}");
    assert_eq!(lines.last(), Some(&"box"));
}

#[test]
fn a_box_can_nest_its_cgroups() {
    if !need(&[Need::Boxes]) {
        return;
    }
    let output = look(
        "cd /sys/fs/cgroup && mkdir leaf && echo 1 > leaf/cgroup.procs && cat /proc/self/cgroup | grep ^0: \
         && for c in $(cat cgroup.controllers); do echo +$c > cgroup.subtree_control || exit 1; done; echo nested",
    );
    assert_eq!(output, "0::/leaf\nnested\n");
}

#[test]
fn the_environment_is_what_was_given_and_nothing_else() {
    if !need(&[Need::Boxes]) {
        return;
    }
    let mut running = Boxed::host().env("GREETING", "two words\nand a line").spawn("env", &["/usr/bin/env", "-0"]);
    assert_eq!(running.wait(SOON), Ending::Code(0));
    let output = running.stdout();
    let names: Vec<&str> = output.split('\0').filter_map(|entry| entry.split_once('=')).map(|(name, _)| name).collect();
    assert_eq!(names, ["GREETING", "PATH"]);
    assert!(output.contains("two words\nand a line"));
}

#[test]
fn writes_stay_in_memory_except_in_bound_directories() {
    if !need(&[Need::Boxes]) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let name = format!("/written-by-a-box-{}", std::process::id());
    let boxed = Boxed::host().bind(dir.path(), Path::new("/shared")).bind_read_only(dir.path(), Path::new("/frozen")).tmpfs("/fast");
    let script = format!("touch {name} /fast/one && echo hello > /shared/file && ! touch /frozen/other 2>/dev/null && cat /frozen/file");
    let (ending, output) = boxed.run(&script, SOON);
    assert_eq!((ending, output.as_str()), (Ending::Code(0), "hello\n"));
    assert!(!Path::new(&name).exists());
    assert_eq!(std::fs::read_to_string(dir.path().join("file")).unwrap(), "hello\n");
}

#[test]
fn a_box_has_a_network_of_its_own_or_that_of_another() {
    if !need(&[Need::Boxes]) {
        return;
    }
    let links = "tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '; readlink /proc/self/ns/net";
    let first = Boxed::host().spawn("first", &["/bin/sleep", "600"]);
    let (_, own) = first.sh(links, SOON);
    assert_eq!(own.lines().next(), Some("lo"), "{own}");
    let (_, shared) = Boxed::host().network_of(first.pid()).run(links, SOON);
    assert_eq!(shared, own);
    let (_, hosts) = Boxed::host().host_network().run("readlink /proc/self/ns/net", SOON);
    assert_eq!(hosts.trim(), std::fs::read_link("/proc/self/ns/net").unwrap().to_str().unwrap());
}

#[test]
fn signals_reach_pid_1_and_its_end_is_seen() {
    if !need(&[Need::Boxes]) {
        return;
    }
    let mut running = Boxed::host().spawn("trap", &["/bin/sh", "-c", "trap 'exit 42' TERM; echo ready; while :; do sleep 0.02; done"]);
    running.wait_for_line("ready", SOON);
    running.signal(Signal::SIGTERM);
    assert_eq!(running.wait(SOON), Ending::Code(42));
}

#[test]
fn nothing_of_a_box_stays() {
    if !need(&[Need::Boxes]) {
        return;
    }
    let running =
        Boxed::host().spawn("tree", &["/bin/sh", "-c", "mkdir /sys/fs/cgroup/deep; setsid sleep 601 & echo $!; echo ready; wait"]);
    running.wait_for_line("ready", SOON);
    let (cgroup, pid) = (running.cgroup().to_path_buf(), running.pid());
    assert!(cgroup.join("deep").is_dir());
    drop(running);
    assert!(!cgroup.exists() && !cgroup.parent().unwrap().exists());
    assert!(cgroup.starts_with(cgroup_mount().unwrap()));
    assert!(runner_tests::clock::holds_within(SOON, || !Path::new(&format!("/proc/{pid}")).exists()));
}

#[test]
fn a_box_that_can_not_be_made_says_why() {
    if !need(&[Need::Boxes]) {
        return;
    }
    let mut running = Boxed::host().bind(Path::new("/does/not/exist"), Path::new("/x")).spawn("broken", &["/bin/true"]);
    assert_eq!(running.wait(SOON), Ending::Code(125));
    assert!(running.stderr().contains("box-init: bind /does/not/exist:/x: No such file"), "{}", running.transcript());
}

#[test]
fn github_can_be_reached_at_its_address_from_a_box_with_its_own_network() {
    if !need(&[Need::Boxes]) {
        return;
    }
    let github = GitHub::start(Rules::for_account("acme"));
    let address = github.url().replace("http://", "").replace(':', "/");
    let script = format!("exec 3<>/dev/tcp/{address} && printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3 && head -1 <&3");
    let boxed = Boxed::host().spawn("box", &["/bin/sleep", "600"]);
    let ask = || {
        let mut asking = boxed.enter(&["bash", "-c", &script]);
        (asking.wait(SOON), asking.stdout())
    };
    assert_ne!(ask().0, Ending::Code(0));
    github.reach_from(boxed.pid());
    assert_eq!(ask(), (Ending::Code(0), "HTTP/1.0 404 Not Found\r\n".into()));
    assert_eq!(github.requests().len(), 1);
}
