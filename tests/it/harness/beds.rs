//! Beds, fixtures, the fault programs and the filters.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use runner_tests::bed::Bed;
use runner_tests::boxed::Boxed;
use runner_tests::filters::{FILTERS, literal};
use runner_tests::fixtures::{Tool, ToolCache};
use runner_tests::github::Job;
use runner_tests::need::{Need, need};
use runner_tests::process::Ending;
use runner_tests::programs::Program;
use runner_tests::trees::{Strictness, assert_same, differences};

const SOON: Duration = Duration::from_secs(10);

fn full(root: &std::path::Path, seed: u64) -> ToolCache {
    ToolCache::at(root).seed(seed).with(Tool::Node, "20.1.0").with(Tool::Python, "3.12.4").with(Tool::Go, "1.22.0")
}

#[test]
fn a_tool_cache_is_the_same_for_the_same_seed_only() {
    let dir = tempfile::tempdir().unwrap();
    let [one, two, other] = ["one", "two", "other"].map(|name| dir.path().join(name));
    full(&one, 1);
    full(&two, 1);
    full(&other, 2);
    assert_same(&one, &two, Strictness::USUAL);
    assert!(differences(&one, &other, Strictness::USUAL).len() > 500);
}

#[test]
fn a_tool_cache_has_what_real_ones_have_and_a_program_to_run() {
    let dir = tempfile::tempdir().unwrap();
    let cache = full(dir.path(), 1);
    let python = cache.tree(Tool::Python, "3.12.4");
    assert!(cache.marker(Tool::Python, "3.12.4").is_file());
    assert_eq!(fs::metadata(python.join("bin/python")).unwrap().nlink(), 2);
    assert_eq!(fs::read_link(python.join("python")).unwrap().to_str(), Some("bin/python3.12"));
    let entries = walkdir::WalkDir::new(dir.path()).into_iter().count();
    assert!(entries > 1_400, "{entries}");
    let node = Command::new(cache.tree(Tool::Node, "20.1.0").join("bin/node")).arg("-v").output().unwrap();
    assert_eq!(String::from_utf8_lossy(&node.stdout), "node 20.1.0 -v\n");
    cache.incomplete(Tool::Go, "1.23.0");
    assert!(cache.tree(Tool::Go, "1.23.0").is_dir() && !cache.marker(Tool::Go, "1.23.0").exists());
}

#[test]
fn every_kind_of_difference_between_trees_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let [left, right] = ["left", "right"].map(|name| dir.path().join(name));
    for root in [&left, &right] {
        fs::create_dir(root).unwrap();
        for name in ["same", "content", "mode", "time", "type"] {
            fs::write(root.join(name), name).unwrap();
            let file = fs::File::options().write(true).open(root.join(name)).unwrap();
            file.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(1_000)).unwrap();
        }
        std::os::unix::fs::symlink("same", root.join("link")).unwrap();
    }
    assert_same(&left, &right, Strictness::ALL);
    fs::write(left.join("more"), "").unwrap();
    fs::write(right.join("other"), "").unwrap();
    fs::write(right.join("content"), "CONTENT").unwrap();
    fs::set_permissions(right.join("mode"), fs::Permissions::from_mode(0o600)).unwrap();
    let file = fs::File::options().write(true).open(right.join("time")).unwrap();
    file.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(2_000)).unwrap();
    fs::remove_file(right.join("type")).unwrap();
    fs::create_dir(right.join("type")).unwrap();
    fs::remove_file(right.join("link")).unwrap();
    std::os::unix::fs::symlink("other", right.join("link")).unwrap();
    let names = |strictness| {
        let found: Vec<String> = differences(&left, &right, strictness);
        let mut names: Vec<String> = found.iter().map(|line| line.split(':').next().unwrap().to_owned()).collect();
        names.dedup();
        names
    };
    assert_eq!(names(Strictness::USUAL), ["content", "link", "mode", "more", "type", "other"]);
    assert_eq!(names(Strictness { modes: false, ..Strictness::USUAL }), ["content", "link", "more", "type", "other"]);
    assert!(names(Strictness::ALL).contains(&"time".to_owned()));
}

#[test]
fn a_program_gets_only_the_environment_it_was_given() {
    let bed = Bed::new();
    let program = bed.program(Program::SignalPrinter).env("ONE", "1").env("TWO", "2").without("ONE").start();
    program.wait_for_line("ready", SOON);
    let environ = fs::read_to_string(format!("/proc/{}/environ", program.pid())).unwrap();
    let names: Vec<&str> = environ.split_terminator('\0').map(|entry| entry.split('=').next().unwrap()).collect();
    assert_eq!(names, ["PATH", "TWO"]);
}

#[test]
fn the_settings_of_a_bed_point_into_it() {
    let bed = Bed::new();
    let launch = bed.entrypoint();
    let environment = launch.environment();
    assert_eq!(environment["GITHUB_API_URL"], bed.github().url());
    for name in ["RUNNER_HOME", "RUNNER_TOOL_CACHE", "TASK_DIR"] {
        assert!(
            std::path::Path::new(&environment[name]).is_dir() && environment[name].starts_with(bed.path("").to_str().unwrap()),
            "{name}"
        );
    }
}

#[test]
#[should_panic(expected = "for: what never comes")]
fn waiting_for_what_never_comes_fails() {
    let bed = Bed::new();
    bed.wait_for("what never comes", Duration::from_millis(20), || false);
}

#[test]
fn the_transcript_has_the_lines_of_every_program_and_what_github_saw() {
    let bed = Bed::new();
    let mut orphans = bed.program(Program::OrphanMaker).args(&["2"]).start();
    let stubborn = bed.program(Program::Stubborn).start();
    stubborn.wait_for_line("ready", SOON);
    assert_eq!(orphans.wait(SOON), Ending::Code(0));
    bed.github().queue_job(Job::new("build", "true"));
    let text = bed.transcript();
    for part in ["--- orphan-maker", "| made 2", "--- stubborn", "| ready", "--- the GitHub stand-in", "jobs waiting: 1"] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
}

#[test]
fn the_stubborn_program_needs_a_kill() {
    let bed = Bed::new();
    let mut stubborn = bed.program(Program::Stubborn).start();
    stubborn.wait_for_line("ready", SOON);
    stubborn.signal(Signal::SIGTERM);
    stubborn.wait_for_line("got 15", SOON);
    stubborn.signal(Signal::SIGKILL);
    assert_eq!(stubborn.wait(SOON), Ending::Signal(9));
}

#[test]
fn the_signal_printer_prints_its_state_and_every_signal() {
    let bed = Bed::new();
    let mut printer = bed.program(Program::SignalPrinter).args(&["15"]).start();
    printer.wait_for_line("ready", SOON);
    let before = printer.stdout();
    assert!(before.contains("SigBlk: 0000000000000000\n") && before.contains(&format!("pid {0} group {0}", printer.pid())), "{before}");
    assert!(before.lines().any(|line| line.starts_with("descriptors 0=")), "{before}");
    for (signal, name) in [("HUP", "SIGHUP"), ("USR1", "SIGUSR1"), ("TSTP", "SIGTSTP"), ("RTMIN+3", "SIGRTMIN+3"), ("TERM", "SIGTERM")] {
        let sent = Command::new("bash").args(["-c", &format!("kill -{signal} {}", printer.pid())]).status().unwrap();
        assert!(sent.success());
        printer.wait_for_line(&format!("got {name}"), SOON);
    }
    assert_eq!(printer.wait(SOON), Ending::Code(0));
}

#[test]
fn the_leaver_leaves_a_daemon_that_ends_properly_or_not_at_all() {
    for ignores in [false, true] {
        let bed = Bed::new();
        let file = bed.path("ended");
        let mut arguments = vec![file.to_str().unwrap()];
        arguments.extend(ignores.then_some("ignore"));
        let mut leaver = bed.program(Program::Leaver).args(&arguments).start();
        assert_eq!(leaver.wait(SOON), Ending::Code(0));
        let daemon = Pid::from_raw(leaver.stdout().trim().parse().unwrap());
        assert_eq!(nix::unistd::getsid(Some(daemon)).unwrap(), daemon);
        kill(daemon, Signal::SIGTERM).unwrap();
        if ignores {
            assert!(kill(daemon, None).is_ok() && !file.exists());
            kill(daemon, Signal::SIGKILL).unwrap();
        } else {
            bed.wait_for("the daemon's file", SOON, || file.exists());
        }
    }
}

#[test]
fn orphans_of_two_generations_come_to_pid_1() {
    if !need(&[Need::Boxes]) {
        return;
    }
    let maker = Program::OrphanMaker.path();
    // The generation between is a zombie of PID 1 for a moment, so look until only the last one is left.
    let look = "n=$(cat /proc/[0-9]*/stat 2>/dev/null | grep -c '(orphan-maker) S 1 ')";
    let script = format!("{} 3 2 600000; for i in $(seq 200); do {look}; [ $n = 3 ] && break; sleep 0.02; done; echo $n", maker.display());
    let (ending, output) = Boxed::host().run(&script, SOON);
    assert_eq!(ending, Ending::Code(0), "{output}");
    assert_eq!(output.lines().last(), Some("3"), "{output}");
}

#[test]
fn a_bed_can_put_a_program_into_a_box_with_a_user() {
    if !need(&[Need::Boxes]) {
        return;
    }
    let bed = Bed::new();
    let mut printer =
        bed.program(Program::SignalPrinter).args(&["15"]).as_pid_1(Boxed::host().host_network().user("somebody", 4321, 4321)).start();
    printer.wait_for_line("ready", SOON);
    assert!(printer.stdout().contains("pid 1 "), "{}", printer.transcript());
    let (_, output) = printer.boxed().sh("id -u somebody; stat -c %u /home/somebody", SOON);
    assert_eq!(output, "4321\n4321\n");
    assert!(printer.boxed().path("/").join(bed.path("").strip_prefix("/").unwrap()).is_dir());
    printer.signal(Signal::SIGTERM);
    assert_eq!(printer.wait(SOON), Ending::Code(0));
}

#[test]
fn what_differs_from_run_to_run_is_filtered_out() {
    let bed = Bed::new();
    let text = format!(
        "2026-11-21T12:00:00.123Z ready in 1.25s pid=4711\n2026-11-21 12:00:00Z: Listening for Jobs\n{} {} {}",
        bed.github().url(),
        bed.path("home").display(),
        bed.token()
    );
    let mut settings = insta::Settings::clone_current();
    let token = literal(bed.token());
    FILTERS.iter().for_each(|(pattern, replacement)| settings.add_filter(pattern, *replacement));
    settings.add_filter(&token, "[TOKEN]");
    settings.bind(|| {
        insta::assert_snapshot!(text, @r"
        [TIME] ready in [DURATION] pid=[PID]
        [TIME]: Listening for Jobs
        http://127.0.0.1:[PORT] [TEMP]/home [TOKEN]
        ");
    });
}
