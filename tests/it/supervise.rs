//! `supervise -- CMD`: what PID 1 owes a container, row by row as measured on tini, dumb-init and catatonit.

use std::{
    fs,
    io::Write as _,
    os::fd::OwnedFd,
    path::Path,
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use nix::{
    fcntl::OFlag,
    libc,
    sys::signal::{Signal, kill},
    unistd::{Pid, pipe2},
};
use runner_tests::{
    clock,
    need::{Need, need},
    process::{Ending, Running},
    programs::Program,
};

const DEADLINE: Duration = Duration::from_secs(20);

/// `runner-entrypoint supervise WORDS…`
fn supervise(words: &[&str]) -> Command {
    let mut command = Command::new(Program::Entrypoint.path());
    command.arg("supervise").args(words);
    command
}

fn run(words: &[&str]) -> (Ending, String) {
    finish(supervise(words))
}

fn finish(command: Command) -> (Ending, String) {
    let mut running = Running::start("supervise", command);
    let ending = running.wait(DEADLINE);
    (ending, running.stdout())
}

/// The same as PID 1 of a PID namespace with its own /proc.
fn as_pid_1(words: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--kill-child", "--mount-proc"]).arg(Program::Entrypoint.path()).arg("supervise").args(words);
    command
}

fn path(program: Program) -> String {
    program.path().to_string_lossy().into_owned()
}

/// nix cannot name real-time signals.
fn send(pid: Pid, number: i32) {
    let sent = Command::new("kill").arg(format!("-{number}")).arg(pid.to_string()).status().unwrap();
    assert!(sent.success());
}

/// Every signal a supervisor passes on.
fn forwardable() -> impl Iterator<Item = i32> {
    supervise_signals().chain(libc::SIGRTMIN()..=libc::SIGRTMAX())
}

fn supervise_signals() -> impl Iterator<Item = i32> {
    [
        libc::SIGHUP,
        libc::SIGINT,
        libc::SIGQUIT,
        libc::SIGUSR1,
        libc::SIGUSR2,
        libc::SIGPIPE,
        libc::SIGALRM,
        libc::SIGTERM,
        libc::SIGSTKFLT,
        libc::SIGCONT,
        libc::SIGTSTP,
        libc::SIGURG,
        libc::SIGXCPU,
        libc::SIGXFSZ,
        libc::SIGVTALRM,
        libc::SIGPROF,
        libc::SIGWINCH,
        libc::SIGIO,
        libc::SIGPWR,
    ]
    .into_iter()
}

fn name(number: i32) -> String {
    Signal::try_from(number).map_or_else(|_| format!("SIGRTMIN+{}", number - libc::SIGRTMIN()), |signal| signal.as_str().to_owned())
}

fn zombies_below(pid: Pid) -> usize {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let is_zombie = |child: &str| fs::read_to_string(format!("/proc/{child}/stat")).is_ok_and(|stat| stat.contains(") Z "));
    children.split_whitespace().filter(|child| is_zombie(child)).count()
}

#[test]
fn every_exit_code_is_passed_on() {
    for code in 0..=255 {
        assert_eq!(run(&["--", "sh", "-c", &format!("exit {code}")]).0, Ending::Code(code));
    }
}

#[test]
fn death_by_any_signal_is_128_and_its_number() {
    let stops = [libc::SIGSTOP, libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU];
    let ignored = [libc::SIGCHLD, libc::SIGCONT, libc::SIGURG, libc::SIGWINCH];
    for number in (1..32).chain(libc::SIGRTMIN()..=libc::SIGRTMAX()).filter(|number| !stops.contains(number) && !ignored.contains(number)) {
        // A status of a real-time death was once lost by a library, and the supervisor waited for ever.
        let (ending, _) = run(&["--", "sh", "-c", &format!("ulimit -c 0; kill -{number} $$; sleep 60")]);
        assert_eq!(ending, Ending::Code(128 + number), "signal {number}");
    }
}

#[test]
fn what_cannot_be_started_is_127_or_126_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let plain = folder.path().join("plain");
    fs::write(&plain, "no program").unwrap();
    for (program, code) in [("no-such-program", 127), (&*plain.to_string_lossy(), 126), (&*format!("{}/x", plain.display()), 127)] {
        let mut running = Running::start("supervise", supervise(&["--", program]));
        assert_eq!(running.wait(DEADLINE), Ending::Code(code), "{program}");
        assert!(running.stderr().contains(&format!("cannot start {program}")), "{}", running.stderr());
    }
}

#[test]
fn every_signal_reaches_the_command_real_time_ones_too() {
    let running = Running::start("supervise", supervise(&["--", &path(Program::SignalPrinter)]));
    running.wait_for_line("ready", DEADLINE);
    for number in forwardable() {
        send(running.pid(), number);
        running.wait_for_line(&format!("got {}", name(number)), DEADLINE);
    }
}

#[test]
fn two_hundred_queued_real_time_signals_are_two_hundred() {
    let number = libc::SIGRTMIN() + 2;
    let running = Running::start("supervise", supervise(&["--", &path(Program::SignalPrinter)]));
    running.wait_for_line("ready", DEADLINE);
    // Held, so that they queue at the supervisor and are not passed on one by one.
    running.signal(Signal::SIGSTOP);
    let burst = format!("for i in $(seq 200); do kill -{number} {}; done", running.pid());
    assert!(Command::new("sh").args(["-c", &burst]).status().unwrap().success());
    running.signal(Signal::SIGCONT);
    let wanted = format!("got {}", name(number));
    let count = || running.lines().iter().filter(|line| line.text == wanted).count();
    assert!(clock::holds_within(DEADLINE, || count() == 200), "{} of 200 arrived", count());
}

#[test]
fn a_stop_that_waited_for_the_supervisor_means_the_command_never_starts() {
    let folder = tempfile::tempdir().unwrap();
    let started = folder.path().join("started");
    let mut command = Command::new("env");
    let script = format!("kill -TERM $$; exec {} supervise -- touch {}", path(Program::Entrypoint), started.display());
    command.args(["--block-signal=TERM", "sh", "-c", &script]);
    assert_eq!(finish(command).0, Ending::Code(143));
    assert!(!started.exists());
}

#[test]
fn the_command_starts_with_default_signals_and_an_empty_mask_whatever_we_inherited() {
    let mut command = Command::new("env");
    command.args(["--block-signal=CHLD,TERM,USR1", "--ignore-signal=CHLD,INT,TTOU,QUIT,HUP"]);
    command.arg(Program::Entrypoint.path()).args(["supervise", "--", "grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"]);
    let (ending, said) = finish(command);
    assert_eq!(ending, Ending::Code(0));
    let words: Vec<&str> = said.split_whitespace().collect();
    // The C library keeps 32 and 33 for itself: nobody can give them back their default.
    let ignored = u64::from_str_radix(words[3], 16).unwrap() & !(0b11 << 31);
    assert_eq!((words[1], ignored), ("0000000000000000", 0), "{said}");
}

#[test]
fn an_ignored_or_blocked_sigchld_does_not_lose_the_exit_code() {
    for option in ["--ignore-signal=CHLD", "--block-signal=CHLD"] {
        let mut command = Command::new("env");
        command.arg(option).arg(Program::Entrypoint.path()).args(["supervise", "--", "sh", "-c", "exit 9"]);
        assert_eq!(finish(command).0, Ending::Code(9), "{option}");
    }
}

#[test]
fn closed_standard_streams_do_not_matter() {
    for redirection in ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"] {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("exec {} supervise -- sh -c 'exit 4' {redirection}", path(Program::Entrypoint))]);
        assert_eq!(finish(command).0, Ending::Code(4), "{redirection}");
    }
}

#[test]
fn nobody_reading_our_complaints_does_not_hold_us() {
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK).unwrap();
    let mut full = fs::File::from(writer.try_clone().unwrap());
    while full.write(&[b'x'; 4096]).is_ok() {}
    drop(full);
    nix::fcntl::fcntl(&writer, nix::fcntl::FcntlArg::F_SETFL(OFlag::empty())).unwrap();
    complain_into(writer);
    drop(reader);
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC).unwrap();
    drop(reader);
    complain_into(writer);
}

/// A command that ignores SIGTERM makes the supervisor complain.
fn complain_into(stderr: OwnedFd) {
    let mut command = supervise(&["--grace", "0", "--", "sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr);
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.as_mut().unwrap()), &mut line).unwrap();
    send(Pid::from_raw(i32::try_from(child.id()).unwrap()), libc::SIGTERM);
    let ended = clock::poll(DEADLINE, || child.try_wait().unwrap());
    let _ = child.kill();
    assert_eq!(ended.expect("it ends although nobody reads").code(), Some(137));
}

#[test]
fn a_stopped_terminal_job_leaves_the_supervisor_awake() {
    let running = Running::start("supervise", supervise(&["--", &path(Program::SignalPrinter)]));
    running.wait_for_line("ready", DEADLINE);
    for number in [libc::SIGTTIN, libc::SIGTTOU, libc::SIGTSTP] {
        send(running.pid(), number);
    }
    // The last is passed on, the other two are about our own terminal and are swallowed; it still listens.
    running.wait_for_line("got SIGTSTP", DEADLINE);
    send(running.pid(), libc::SIGUSR1);
    running.wait_for_line("got SIGUSR1", DEADLINE);
    assert!(!running.stdout().contains("SIGTTIN"));
}

#[test]
fn the_command_has_a_process_group_of_its_own_and_no_descriptor_of_ours() {
    let mut running = Running::start("supervise", supervise(&["--", &path(Program::SignalPrinter), "15"]));
    running.wait_for_line("ready", DEADLINE);
    running.signal(Signal::SIGTERM);
    assert_eq!(running.wait(DEADLINE), Ending::Code(0));
    let said = running.stdout();
    let ids: Vec<&str> = said.lines().find(|line| line.starts_with("pid ")).unwrap().split(' ').collect();
    assert_eq!(ids[1], ids[3], "{said}");
    let numbers = |said: &str| -> Vec<String> {
        let line = said.lines().find(|line| line.starts_with("descriptors ")).unwrap();
        line.split(' ').skip(1).map(|entry| entry.split('=').next().unwrap().to_owned()).collect()
    };
    // What the caller left open is the caller's matter: the same program without us has it too.
    let bare = Running::start("bare", Command::new(Program::SignalPrinter.path()));
    bare.wait_for_line("ready", DEADLINE);
    assert_eq!(numbers(&said), numbers(&bare.stdout()));
}

#[test]
fn a_signal_goes_to_the_command_alone_or_with_its_group_when_asked() {
    let script = format!("trap '' USR1; {} & echo started; wait", path(Program::SignalPrinter));
    for (options, reaches) in [(&["--"][..], false), (&["-g", "--"][..], true)] {
        let words = [options, &["sh", "-c", &script]].concat();
        let running = Running::start("supervise", supervise(&words));
        running.wait_for_line("ready", DEADLINE);
        send(running.pid(), libc::SIGUSR1);
        send(running.pid(), libc::SIGWINCH);
        if reaches {
            running.wait_for_line("got SIGUSR1", DEADLINE);
        } else {
            // To the grandchild itself: what the supervisor sent before would have come first.
            let pid: i32 = running.stdout().lines().find_map(|line| line.strip_prefix("pid ")?.split(' ').next()?.parse().ok()).unwrap();
            send(Pid::from_raw(pid), libc::SIGHUP);
            running.wait_for_line("got SIGHUP", DEADLINE);
            assert!(!running.stdout().contains("SIGUSR1"));
        }
    }
}

#[test]
fn signals_from_inside_cannot_hurt_pid_1() {
    if !need(&[Need::PidNamespace]) {
        return;
    }
    for signal in ["KILL", "STOP", "SEGV", "ABRT"] {
        assert_eq!(finish(as_pid_1(&["--", "sh", "-c", &format!("kill -{signal} 1; exit 5")])).0, Ending::Code(5), "{signal}");
    }
}

/// The pipe of the handlers had lost its reader by then: a write raised SIGPIPE, whose handler wrote, and the process never ended.
#[test]
fn a_signal_in_the_last_moment_does_not_hold_the_end() {
    for turn in 0..60 {
        let mut running = Running::start("supervise", supervise(&["--", "true"]));
        let (pid, over) = (running.pid(), AtomicBool::new(false));
        let ending = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let _ = kill(pid, Signal::SIGWINCH);
                }
            });
            let ending = clock::poll(DEADLINE, || running.ended());
            over.store(true, Ordering::Relaxed);
            ending
        });
        assert_eq!(ending, Some(Ending::Code(0)), "turn {turn}");
    }
}

#[test]
fn what_the_command_leaves_behind_gets_a_signal_and_time() {
    let folder = tempfile::tempdir().unwrap();
    let check = |command: fn(&[&str]) -> Command, file: &Path| {
        let words = ["--", &path(Program::Leaver), &file.to_string_lossy()];
        let (ending, _) = finish(command(&words));
        assert_eq!(ending, Ending::Code(0));
        assert!(file.exists(), "the daemon could not end properly");
    };
    check(supervise, &folder.path().join("below a subreaper"));
    if need(&[Need::PidNamespace]) {
        check(as_pid_1, &folder.path().join("below PID 1"));
    }
}

#[test]
fn what_ignores_its_signal_is_killed_and_the_exit_code_stays() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("never");
    let words = ["--leftovers", "1", "--", "sh", "-c", &format!("{} {} ignore; exit 6", path(Program::Leaver), file.display())];
    let (ending, said) = finish(supervise(&words));
    assert_eq!(ending, Ending::Code(6));
    let daemon = said.trim();
    assert!(clock::holds_within(DEADLINE, || !Path::new(&format!("/proc/{daemon}")).exists()), "daemon {daemon} lives");
}

#[test]
fn a_command_that_ignores_sigterm_is_killed_after_its_grace() {
    let mut running =
        Running::start("supervise", supervise(&["--grace", "1", "--", "sh", "-c", "trap '' TERM; echo ready; while :; do sleep 1; done"]));
    running.wait_for_line("ready", DEADLINE);
    running.signal(Signal::SIGTERM);
    assert_eq!(running.wait(DEADLINE), Ending::Code(137));
    assert!(running.stderr().contains("the command still runs 1 s after SIGTERM; killing it"), "{}", running.stderr());
}

#[test]
fn orphans_of_two_generations_are_reaped_by_pid_1_and_by_a_subreaper() {
    let script = format!("{} 100 2; echo made; read line", path(Program::OrphanMaker));
    let check = |mut running: Running, reaper: Pid| {
        running.wait_for_line("made 100", DEADLINE);
        assert!(clock::holds_within(DEADLINE, || zombies_below(reaper) == 0), "{} zombies", zombies_below(reaper));
        running.write("go\n");
        assert_eq!(running.wait(DEADLINE), Ending::Code(0));
    };
    let plain = Running::start("supervise", supervise(&["--", "sh", "-c", &script]));
    let pid = plain.pid();
    check(plain, pid);
    if need(&[Need::PidNamespace]) {
        let outer = Running::start("supervise", as_pid_1(&["--", "sh", "-c", &script]));
        outer.wait_for_line("made 100", DEADLINE);
        let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", outer.pid())).unwrap();
        check(outer, Pid::from_raw(children.trim().parse().unwrap()));
    }
}

#[test]
fn it_works_below_another_init() {
    if !need(&[Need::PidNamespace]) {
        return;
    }
    // `docker run --init` and ECS's initProcessEnabled put tini before us.
    let mut command = Command::new("unshare");
    let script = format!("{} supervise -- sh -c '{} 20 2; exit 3'; echo code $?", path(Program::Entrypoint), path(Program::OrphanMaker));
    command.args(["--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", &script]);
    let (_, said) = finish(command);
    assert!(said.contains("code 3"), "{said}");
}

#[test]
fn it_sleeps_while_nothing_happens() {
    let running = Running::start("supervise", supervise(&["--", &path(Program::SignalPrinter)]));
    running.wait_for_line("ready", DEADLINE);
    let wakes = || -> u64 {
        let tasks = fs::read_dir(format!("/proc/{}/task", running.pid())).unwrap();
        let switches = |status: String| -> u64 {
            let counts = status.lines().filter_map(|line| line.split_once("_ctxt_switches:"));
            counts.map(|(_, count)| count.trim().parse::<u64>().unwrap()).sum()
        };
        tasks.map(|task| switches(fs::read_to_string(task.unwrap().path().join("status")).unwrap())).sum()
    };
    // It may still be on its way to sleep; then it must sleep through a whole window. tini would wake twice in it.
    let slept = || {
        let before = wakes();
        std::thread::sleep(Duration::from_secs(2));
        wakes() == before
    };
    assert!(slept() || slept(), "it wakes up while idle");
}

#[test]
fn the_command_keeps_its_folder_and_we_do_not_pin_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = supervise(&["--", "sh", "-c", "pwd; echo ready; read line"]);
    command.current_dir(folder.path());
    let running = Running::start("supervise", command);
    running.wait_for_line("ready", DEADLINE);
    assert!(running.stdout().starts_with(&*folder.path().canonicalize().unwrap().to_string_lossy()));
    assert_eq!(fs::read_link(format!("/proc/{}/cwd", running.pid())).unwrap(), Path::new("/"));
}

#[test]
fn the_command_may_read_the_terminal() {
    // A background process group that reads a terminal is stopped: without the hand-over this would hang.
    let mut command = Command::new("script");
    let inner = format!("{} supervise -- sh -c 'read word; echo heard $word'", path(Program::Entrypoint));
    command.args(["--quiet", "--return", "--command", &inner, "/dev/null"]);
    let mut running = Running::start("terminal", command);
    running.write("hello\n");
    running.wait_for_line("heard hello", DEADLINE);
    assert_eq!(running.wait(DEADLINE), Ending::Code(0));
}
