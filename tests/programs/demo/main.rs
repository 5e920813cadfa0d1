//! One whole task for a newcomer to watch: a GitHub stand-in, a directory as EFS, a real dockerd, one job.
//!
//! `cargo xtask demo [--all]`. Owns the order of the show; the task's host is the harness's, what is printed how is in `screen`,
//! when things happened in `timeline`, whether all is well in `verdict`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program to watch")]

mod screen;
mod task;
mod timeline;
mod verdict;

use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;

use runner_tests::need::{Need, lacks};
use runner_tests::rootfs::Rootfs;
use runner_tests::scratch;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use screen::Screen;

const USAGE: &str = "usage: cargo xtask demo [--all]\n\n  --all   show the lines of dockerd and containerd, too\n";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.iter().any(|word| word != "--all") {
        print!("{USAGE}");
        return ExitCode::from(64);
    }
    take_everything_away_on_a_signal();
    let screen = Screen::new(!words.is_empty());
    // The harness fails by panics, as tests do; here it is a sentence at the end.
    panic::set_hook(Box::new(|_| {}));
    match panic::catch_unwind(AssertUnwindSafe(|| show(&screen))) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(payload) => {
            eprintln!("\nthe demo could not go on: {}", sentence(payload.as_ref()));
            ExitCode::FAILURE
        }
    }
}

/// `true` when all was as it should be.
fn show(screen: &Screen) -> bool {
    screen.title("One task of a self-hosted runner");
    screen.note("Our programs are real, and so are dockerd and the containers that it runs. Stand-ins take the places of");
    screen.note("GitHub (on this machine), of Runner.Listener, and of EFS (a directory). Nothing leaves this machine.");
    println!();
    let swept = scratch::sweep();
    if !swept.is_empty() {
        screen.note("removed what an earlier run that was killed had left");
    }
    let missing = lacks(&[Need::Docker]);
    let lost = if missing.is_empty() { root_file_systems(screen).err() } else { Some(missing.join("; ")) };
    match lost {
        None => task::with_docker(screen),
        Some(why) => {
            screen.note("left out: docker, the sidecar and the containers; the runner's half follows, as the current user");
            screen.note(&format!("because  {why}"));
            task::without_docker(screen)
        }
    }
}

/// Debian, twice; made once and kept.
fn root_file_systems(screen: &Screen) -> Result<(), String> {
    for (rootfs, what) in [(Rootfs::Docker, "with docker"), (Rootfs::Runner, "for the runner")] {
        if rootfs.is_made() {
            continue;
        }
        screen.note(&format!("making a Debian root file system {what} (about 30 s, kept for the next run)"));
        let made = panic::catch_unwind(|| rootfs.path());
        made.map_err(|payload| sentence(payload.as_ref()).lines().last().unwrap_or_default().to_owned())?;
    }
    Ok(())
}

fn sentence(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str).or_else(|| payload.downcast_ref::<&str>().copied());
    text.unwrap_or("no reason given").to_owned()
}

fn take_everything_away_on_a_signal() {
    let Ok(mut signals) = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP]) else { return };
    std::thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            // Held to the end: what the other threads have to say about the death of their programs is of no use.
            let _silence = (std::io::stdout().lock(), std::io::stderr().lock());
            eprintln!("\nstopped: taking the task away");
            task::end_what_runs_plainly();
            scratch::abandon();
            #[expect(clippy::exit, reason = "the other threads wait for programs that are dead now")]
            std::process::exit(128 + signal);
        }
    });
}
