//! The processes of a dead task. There are any only where tasks share a PID namespace, as they do on a machine without containers or
//! behind a PID 1 that starts this program twice: a container of its own takes all of them with it.
//!
//! Nothing is killed by its name alone. A process is a dead task's if it is one of docker's programs, belongs to our user, and names the
//! directory of that task, whose id is random and whose lock is ours, in its command line; or if it is below such a process. Each is held
//! by a descriptor before it is looked at, so a pid that means another process a moment later is never signalled.

use std::{
    collections::BTreeMap,
    fs,
    os::{
        fd::{AsFd as _, OwnedFd},
        unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
    },
    path::Path,
    time::Instant,
};

use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    unistd::{geteuid, getpid},
};
use supervise::{Signal, kernel};
use tracing::warn;

pub(super) const PROC: &str = "/proc";

/// Programs that hold a task's directory, as they are called by those who start them. The others (docker-proxy, docker-init, what runs in
/// containers) are below one of these.
const PROGRAMS: [&[u8]; 4] = [b"dockerd", b"containerd", b"containerd-shim-runc-v2", b"runc"];

/// What is killed may have started another a moment before, which the next round finds.
const ROUNDS: usize = 5;

/// Kills every process of the task whose directory was called `directory` and waits until `deadline` for their end. Returns how many.
pub(super) fn end(proc: &Path, directory: &Path, deadline: Instant) -> usize {
    let mut killed = 0;
    for _ in 0..ROUNDS {
        let found = find(proc, directory);
        if found.is_empty() {
            break;
        }
        killed += found.len();
        for process in found.values() {
            // One that has ended meanwhile is what we want.
            let _ = kernel::send_to_opened(process, Signal::KILL);
        }
        if !all_ended(&found, deadline) {
            let pids: Vec<String> = found.keys().map(ToString::to_string).collect();
            warn!(directory = %directory.display(), pids = pids.join(" "), "processes of a dead task survive SIGKILL, stuck in the kernel");
            break;
        }
    }
    killed
}

/// The processes of a dead task by pid, each held.
fn find(proc: &Path, directory: &Path) -> BTreeMap<i32, OwnedFd> {
    let pids = pids(proc);
    let is_dead = |pid: i32| {
        let ours = fs::metadata(proc.join(pid.to_string())).is_ok_and(|found| found.uid() == geteuid().as_raw());
        ours && fs::read(proc.join(pid.to_string()).join("cmdline")).is_ok_and(|line| names(&line, directory))
    };
    let mut found: BTreeMap<i32, OwnedFd> = pids
        .iter()
        .filter(|&&pid| is_dead(pid))
        .filter_map(|&pid| {
            let process = kernel::open_process(pid).ok()?;
            // What was read before it was held may have been another process.
            is_dead(pid).then_some((pid, process))
        })
        .collect();
    if found.is_empty() {
        return found;
    }
    // Then their children, and theirs.
    loop {
        let more: Vec<(i32, OwnedFd)> = pids
            .iter()
            .filter(|pid| !found.contains_key(pid))
            .filter_map(|&pid| {
                let process = kernel::open_process(pid).ok()?;
                let parent = found.get(&parent(&fs::read(proc.join(pid.to_string()).join("stat")).ok()?)?)?;
                // It lives now, so its pid meant it when we read that.
                (!has_ended(parent)).then_some((pid, process))
            })
            .collect();
        if more.is_empty() {
            break;
        }
        found.extend(more);
    }
    // A task in a container of a dead task's daemon: whatever is above us is not for us to end.
    if found.contains_key(&getpid().as_raw()) || found.contains_key(&1) { BTreeMap::new() } else { found }
}

fn pids(proc: &Path) -> Vec<i32> {
    let entries = fs::read_dir(proc).into_iter().flatten().flatten();
    let mut pids: Vec<i32> = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    pids.sort_unstable();
    pids
}

/// Whether a command line (proc_pid_cmdline(5): each word ends with a null byte) is that of one of [`PROGRAMS`] working in `directory`.
fn names(line: &[u8], directory: &Path) -> bool {
    let mut words = line.split(|&byte| byte == 0);
    let program = words.next().and_then(|word| word.rsplit(|&byte| byte == b'/').next()).unwrap_or_default();
    if !PROGRAMS.contains(&program) {
        return false;
    }
    words.any(|word| {
        // `-address /x` and `--config=/x` alike.
        let value = if word.starts_with(b"-") { word.splitn(2, |&byte| byte == b'=').nth(1).unwrap_or_default() } else { word };
        value.strip_prefix(directory.as_os_str().as_bytes()).is_some_and(|rest| rest.starts_with(b"/"))
    })
}

/// The fourth field of proc_pid_stat(5); the second is a name in parentheses that may hold anything.
fn parent(stat: &[u8]) -> Option<i32> {
    let rest = stat.get(stat.iter().rposition(|&byte| byte == b')')? + 1..)?;
    std::str::from_utf8(rest).ok()?.split_ascii_whitespace().nth(1)?.parse().ok()
}

fn has_ended(process: &OwnedFd) -> bool {
    let mut watched = [PollFd::new(process.as_fd(), PollFlags::POLLIN)];
    poll(&mut watched, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}

fn all_ended(processes: &BTreeMap<i32, OwnedFd>, deadline: Instant) -> bool {
    processes.values().all(|process| {
        #[expect(clippy::disallowed_methods, reason = "a job with a deadline")]
        let left = deadline.saturating_duration_since(Instant::now());
        let mut watched = [PollFd::new(process.as_fd(), PollFlags::POLLIN)];
        poll(&mut watched, PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)).is_ok_and(|ready| ready > 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        os::unix::process::CommandExt as _,
        process::{Child, Command},
        time::Duration,
    };

    fn line(words: &[&str]) -> Vec<u8> {
        words.iter().flat_map(|word| word.bytes().chain([0])).collect()
    }

    #[test]
    fn only_dockers_programs_that_name_the_directory_are_a_dead_tasks() {
        let directory = Path::new("/s/task-0000000000000001");
        for words in [
            &["/usr/bin/containerd-shim-runc-v2", "-namespace", "moby", "-address", "/s/task-0000000000000001/exec/containerd/c.sock"][..],
            &["dockerd", "--data-root=/s/task-0000000000000001/data"],
            &["/usr/bin/containerd", "--config=/s/task-0000000000000001/disk/exec/containerd/containerd.toml"],
            &["runc", "--root", "/s/task-0000000000000001/exec/runtime-runc/moby", "create"],
        ] {
            assert!(names(&line(words), directory), "{words:?}");
        }
        for words in [
            &["vi", "/s/task-0000000000000001/data/file"][..],
            &["/s/task-0000000000000001/data/overlay2/x/merged/bin/sh"],
            &["dockerd", "--data-root=/s/task-00000000000000011/data"],
            &["dockerd", "--data-root=/other/s/task-0000000000000001/data"],
            &["dockerd", "--data-root=/s/task-0000000000000001"],
            &["dockerd", "--label=a=/s/task-0000000000000001/x"],
            &["dockerd-evil", "--data-root=/s/task-0000000000000001/data"],
            &[],
        ] {
            assert!(!names(&line(words), directory), "{words:?}");
        }
    }

    #[test]
    fn the_parent_is_found_behind_any_name() {
        assert_eq!(parent(b"42 (a) b (c) S 7 42 42 0 -1"), Some(7));
        assert_eq!(parent(b"nonsense"), None);
    }

    /// A process under a name of docker's, with a child.
    #[expect(clippy::disallowed_methods, reason = "processes to end")]
    fn shim(directory: &Path) -> Child {
        let address = format!("{}/exec/containerd/containerd.sock", directory.display());
        let mut command = Command::new("sh");
        command.arg0("containerd-shim-runc-v2").args(["-c", "sleep 600 & echo; wait", "-address", &address]);
        let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
        // It has said its line when its child is there.
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut [0]).unwrap();
        child
    }

    fn below(pid: u32) -> Vec<i32> {
        let pid = i32::try_from(pid).unwrap();
        let stat = |child: &i32| fs::read(format!("/proc/{child}/stat")).ok();
        pids(Path::new(PROC)).into_iter().filter(|child| stat(child).is_some_and(|stat| parent(&stat) == Some(pid))).collect()
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "processes to end")]
    fn a_dead_tasks_shim_goes_with_what_it_runs_and_a_living_ones_stays() {
        let (dead, living) = (Path::new("/s/task-00000000000000d1"), Path::new("/s/task-00000000000000a1"));
        let (mut gone, mut stays) = (shim(dead), shim(living));
        let workload = below(gone.id());
        assert_eq!(workload.len(), 1);
        let deadline = Instant::now() + Duration::from_secs(60);
        assert_eq!(end(Path::new(PROC), dead, deadline), 2);
        assert!(!gone.wait().unwrap().success());
        assert!(stays.try_wait().unwrap().is_none());
        assert_eq!(end(Path::new(PROC), dead, deadline), 0);
        assert_eq!(end(Path::new(PROC), living, deadline), 2);
        stays.wait().unwrap();
    }
}
