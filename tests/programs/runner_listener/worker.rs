//! The Worker: runs the steps of one job, cancels them, cleans up what they left.
//!
//! Exit codes are task results plus 100 (actions/runner, src/Runner.Common/Util/TaskResultUtil.cs). SIGINT is
//! swallowed; SIGTERM ends it with 143, which the Listener takes for a crash.

use std::fs;
use std::io::{BufRead, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use runner_tests::clock;
use runner_tests::github::Job;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::{hook, listener};

const SUCCEEDED: u8 = 100;
const FAILED: u8 = 102;
const CANCELED: u8 = 103;
const TERMINATED: u8 = 143;

/// Marks the processes of one job; what still carries it at the end is killed.
const TRACKING: &str = "RUNNER_TRACKING_ID";

/// Longest look between two checks for a cancel.
const FOREVER: Duration = Duration::from_secs(24 * 3_600);

struct Flags {
    cancelled: Arc<AtomicBool>,
    terminated: Arc<AtomicBool>,
}

impl Flags {
    fn any(&self) -> bool {
        self.cancelled.load(Ordering::SeqCst) || self.terminated.load(Ordering::SeqCst)
    }
}

pub(crate) fn main() -> ExitCode {
    let swallowed = Arc::new(AtomicBool::new(false));
    let flags = Flags { cancelled: Arc::default(), terminated: Arc::default() };
    signal_hook::flag::register(SIGINT, swallowed).expect("a handler can be set");
    signal_hook::flag::register(SIGTERM, Arc::clone(&flags.terminated)).expect("a handler can be set");
    let mut line = String::new();
    let _ = std::io::stdin().lock().read_line(&mut line);
    let Ok(job) = serde_json::from_str::<Job>(&line) else { return ExitCode::from(1) };
    let cancelled = Arc::clone(&flags.cancelled);
    std::thread::spawn(move || {
        let mut line = String::new();
        // The end of the channel is a Listener that died: the Worker cancels itself then, too.
        let _ = std::io::stdin().lock().read_line(&mut line);
        cancelled.store(true, Ordering::SeqCst);
    });
    ExitCode::from(run(&job, &flags))
}

/// What the step "Set up job" prints of `.setup_info`: each group folded, nothing of a file that is none (actions/runner,
/// src/Runner.Worker/JobExtension.cs).
fn print_setup_info(root: &Path) {
    let groups = fs::read_to_string(root.join(".setup_info")).ok().and_then(|text| serde_json::from_str::<serde_json::Value>(&text).ok());
    let mut out = std::io::stdout().lock();
    for group in groups.iter().filter_map(serde_json::Value::as_array).flatten() {
        let _ = writeln!(out, "##[group]{}", group["group"].as_str().unwrap_or("Machine Setup Info"));
        for line in group["detail"].as_str().unwrap_or_default().lines() {
            let _ = writeln!(out, "{line}");
        }
        let _ = writeln!(out, "##[endgroup]");
    }
}

fn run(job: &Job, flags: &Flags) -> u8 {
    print_setup_info(&listener::runner_root());
    let work = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/"));
    let temp = work.join("_temp");
    let workspace = work.join("repo").join("repo");
    // Emptied at the start of a job, as the real ones are.
    for emptied in [&temp, &work.join("_actions")] {
        let _ = fs::remove_dir_all(emptied);
        let _ = fs::create_dir_all(emptied);
    }
    let _ = fs::create_dir_all(&workspace);
    let tracking = format!("github_{}", std::process::id());
    let mut result = SUCCEEDED;
    // The first step is the hook: as the runner's user, on the host; a hook that cannot be run fails the job like one that fails.
    let mut steps: Vec<std::io::Result<Command>> = hook::configured().iter().map(|hook| hook::command(hook)).collect();
    for (number, script) in job.steps.iter().enumerate() {
        let file = temp.join(format!("step-{number}.sh"));
        let _ = fs::write(&file, script);
        let mut step = Command::new("bash");
        step.arg("-e").arg(file);
        steps.push(Ok(step));
    }
    for step in steps {
        if flags.any() {
            break;
        }
        match step.and_then(|step| start_step(step, &workspace, &temp, &tracking)) {
            Ok(mut step) => {
                if !wait(&mut step, job, flags) {
                    result = FAILED;
                    break;
                }
            }
            Err(error) => {
                let _ = writeln!(std::io::stdout(), "start the step: {error}");
                result = FAILED;
                break;
            }
        }
    }
    kill_leftovers(&tracking);
    let _ = fs::remove_dir_all(&temp);
    if flags.terminated.load(Ordering::SeqCst) {
        return TERMINATED;
    }
    if flags.cancelled.load(Ordering::SeqCst) { CANCELED } else { result }
}

fn start_step(mut step: Command, workspace: &Path, temp: &Path, tracking: &str) -> std::io::Result<Child> {
    step.current_dir(workspace).stdin(Stdio::null());
    step.env("CI", "true").env("GITHUB_ACTIONS", "true").env("GITHUB_WORKSPACE", workspace).env(TRACKING, tracking);
    step.env("RUNNER_TEMP", temp).env("RUNNER_WORKSPACE", workspace.parent().unwrap_or(workspace));
    step.env("GITHUB_JOB", "build").env("GITHUB_RUN_ID", "1").env("GITHUB_REPOSITORY", "acme/widgets").env("GITHUB_WORKFLOW", "ci");
    step.env("RUNNER_OS", "Linux").env("RUNNER_ARCH", "X64");
    // One pipe for both: the log of a job has them mixed.
    step.stderr(std::io::stdout().lock().try_clone_pipe()?);
    step.spawn()
}

/// Both outputs of a step go where ours goes.
trait TryClonePipe {
    fn try_clone_pipe(&self) -> std::io::Result<Stdio>;
}

impl<T: std::os::fd::AsFd> TryClonePipe for T {
    fn try_clone_pipe(&self) -> std::io::Result<Stdio> {
        self.as_fd().try_clone_to_owned().map(Stdio::from)
    }
}

/// Waits for a step; on a cancel SIGINT, then SIGTERM, then the whole tree is killed. `true` when it succeeded.
fn wait(step: &mut Child, job: &Job, flags: &Flags) -> bool {
    let ended = |step: &mut Child| step.try_wait().ok().flatten();
    let status = clock::poll(FOREVER, || ended(step).map(Some).or_else(|| flags.any().then_some(None))).flatten();
    if let Some(status) = status {
        return status.success();
    }
    let pid = Pid::from_raw(i32::try_from(step.id()).unwrap_or(0));
    let (to_term, to_kill) = job.cancel_pace;
    for (signal, pause) in [(Signal::SIGINT, to_term), (Signal::SIGTERM, to_kill)] {
        // Only the direct child, as the real one does.
        let _ = kill(pid, signal);
        let start = Instant::now();
        let status = clock::poll(Duration::from_millis(pause), || ended(step));
        if let Some(status) = status {
            let how = status.signal().map_or_else(|| format!("code {:?}", status.code()), |signal| format!("signal {signal}"));
            let _ = writeln!(std::io::stdout(), "step ended {how} {:?} after {signal}", start.elapsed());
            return false;
        }
    }
    for process in descendants(pid) {
        let _ = kill(process, Signal::SIGKILL);
    }
    let _ = kill(pid, Signal::SIGKILL);
    let _ = step.wait();
    let _ = writeln!(std::io::stdout(), "step killed");
    false
}

fn processes() -> Vec<Pid> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).map(Pid::from_raw).collect()
}

fn parent_of(process: Pid) -> Option<Pid> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name in parentheses may hold anything, so the fields are counted from its end.
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok().map(Pid::from_raw)
}

fn descendants(of: Pid) -> Vec<Pid> {
    let all: Vec<(Pid, Option<Pid>)> = processes().into_iter().map(|process| (process, parent_of(process))).collect();
    let mut found = vec![of];
    let mut next = 0;
    while next < found.len() {
        let parent = found[next];
        found.extend(all.iter().filter(|(_, its)| *its == Some(parent)).map(|(process, _)| *process));
        next += 1;
    }
    found.split_off(1)
}

fn kill_leftovers(tracking: &str) {
    let mark = format!("{TRACKING}={tracking}");
    for process in processes() {
        let environment = fs::read(format!("/proc/{process}/environ")).unwrap_or_default();
        if environment.split(|byte| *byte == 0).any(|entry| entry == mark.as_bytes()) {
            let _ = kill(process, Signal::SIGKILL);
        }
    }
}
