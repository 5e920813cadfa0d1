//! Says in which state it was started, then every signal it gets, real-time ones too. Nothing ends it but SIGKILL, or the
//! signal numbers given as arguments: after one of these it ends with 0.
#![expect(clippy::print_stdout, reason = "tests read its lines")]

use std::process::ExitCode;

use nix::libc;
use nix::sys::signal::SigSet;
use nix::sys::signalfd::SignalFd;
use nix::unistd::{Pid, getpgrp, getpid, getsid};

fn main() -> ExitCode {
    // Before any handler is set: this is what was inherited.
    let status = std::fs::read_to_string("/proc/self/status").expect("read /proc/self/status");
    for name in ["SigBlk", "SigIgn", "SigCgt", "Groups", "Uid", "Gid", "NoNewPrivs", "CapEff"] {
        if let Some(line) = status.lines().find(|line| line.starts_with(&format!("{name}:"))) {
            println!("{}", line.split_whitespace().collect::<Vec<_>>().join(" "));
        }
    }
    let session = getsid(None).unwrap_or(Pid::from_raw(0));
    println!("pid {} group {} session {session}", getpid(), getpgrp());
    println!("descriptors {}", descriptors().join(" "));
    let last: Vec<i32> = std::env::args().skip(1).map(|text| text.parse().expect("a signal number")).collect();
    // Through a descriptor, which gives every queued real-time signal; a handler's flag would make one of many.
    SigSet::all().thread_block().expect("signals can be blocked");
    let signals = SignalFd::new(&SigSet::all()).expect("signals can be read");
    println!("ready");
    while let Ok(Some(signal)) = signals.read_signal() {
        let signal = i32::try_from(signal.ssi_signo).expect("a signal number");
        println!("got {}", name(signal));
        if last.contains(&signal) {
            break;
        }
    }
    ExitCode::SUCCESS
}

fn name(signal: i32) -> String {
    let first = libc::SIGRTMIN();
    nix::sys::signal::Signal::try_from(signal).map_or_else(|_| format!("SIGRTMIN+{}", signal - first), |known| known.as_str().to_owned())
}

/// Open descriptors and what they are, without the one that reads the list.
fn descriptors() -> Vec<String> {
    let entries = std::fs::read_dir("/proc/self/fd").expect("read /proc/self/fd");
    let mut found: Vec<String> = entries
        .flatten()
        .filter_map(|entry| {
            let target = std::fs::read_link(entry.path()).ok()?;
            let is_listing = target.to_string_lossy().ends_with("/fd");
            (!is_listing).then(|| format!("{}={}", entry.file_name().to_string_lossy(), target.display()))
        })
        .collect();
    found.sort();
    found
}
