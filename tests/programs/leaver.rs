//! One fault: leaves a daemon in a session of its own and ends. `leaver FILE [ignore]`: on SIGTERM the daemon writes FILE
//! after 200 ms and ends, or goes on. Prints the daemon's pid once that one is ready.
#![expect(clippy::print_stdout, reason = "tests read the daemon's pid")]

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

use nix::unistd::{getpid, setsid};
use signal_hook::consts::SIGTERM;
use signal_hook::iterator::Signals;

/// What a database does when it is told to end: a little work.
const WORK: Duration = Duration::from_millis(200);

#[expect(clippy::zombie_processes, reason = "leaving the daemon unwaited for is the fault")]
fn main() {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "--daemon") {
        return daemon(&arguments[1], arguments.get(2).is_some());
    }
    arguments.insert(0, "--daemon".into());
    let mut daemon = Command::new(std::env::current_exe().expect("a path"));
    daemon.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut daemon = daemon.spawn().expect("start the daemon");
    let mut line = String::new();
    let _ = BufReader::new(daemon.stdout.take().expect("piped")).read_line(&mut line);
    print!("{line}");
    let _ = std::io::stdout().flush();
}

fn daemon(file: &str, ignores: bool) {
    setsid().expect("a child is no group leader");
    let mut signals = Signals::new([SIGTERM]).expect("handlers can be set");
    println!("{}", getpid());
    for _ in signals.forever() {
        if !ignores {
            std::thread::sleep(WORK);
            std::fs::write(file, "ended properly\n").expect("write the file");
            return;
        }
    }
}
