//! The tool cache: whole versions of tools copied from a shared directory to the local one before a job, and new ones back
//! after it. Runs as a child process of its own, as the runner's user, and may be killed at any instruction: what is half
//! done lies in a staging area and is no version to anybody.
//!
//! It knows two directories and nothing of GitHub, settings, the environment or the life of the runner. The shared one may have
//! a version as a plain [`tree`] or as a [`pack`]; the local one has trees.
//!
//! Crates that copy trees (`walkdir`, `fs_extra`) go by path, so a directory that is swapped for a link between two of their
//! steps leads them elsewhere; here every step is relative to an open directory ([`dir`]).

mod changed;
mod command_line;
mod dir;
mod links;
mod modes;
mod names;
mod outcome;
mod pack;
mod plan;
mod publish;
mod queue;
mod refusal;
mod report;
mod restore;
mod save;
mod selection;
mod side;
mod stage;
mod stop;
#[cfg(test)]
mod tests;
mod token;
mod tree;

use std::ffi::OsString;
use std::io::Write;

use supervise::Signals;

pub(crate) use self::command_line::HELP;
use self::command_line::{Request, Verb, parsed};
use self::dir::Gate;
use self::report::Report;
use self::restore::Restore;
use self::save::{PATIENCE, Save};
use self::side::Unusable;
use self::stop::Stop;

/// Runs `cache …` as a whole process: `args` are the words after `cache`. Returns its exit status (see [`HELP`]).
///
/// It sets the process's umask and raises its limit of open files. The first signal that asks it to end makes it give up what is
/// half done and say what is.
pub(crate) fn main(signals: Signals, args: impl IntoIterator<Item = OsString>) -> u8 {
    let stop = Stop::default();
    let asked = stop.clone();
    signals.on_end(move || asked.ask());
    command(args, &stop, &mut std::io::stdout().lock(), &mut std::io::stderr().lock())
}

fn command(args: impl IntoIterator<Item = OsString>, stop: &Stop, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
    // A reader that has gone away is no reason to fail: what was copied is copied.
    let request = match parsed(args) {
        Ok(Some(request)) => request,
        Ok(None) => {
            let _ = out.write_all(HELP.as_bytes());
            return 0;
        }
        Err(cause) => {
            let _ = writeln!(err, "runner-entrypoint: cache: {cause}\nhint: `runner-entrypoint cache --help` lists what there is");
            return 64;
        }
    };
    prepare_process(request.jobs);
    let json = request.json;
    match perform(request, stop) {
        Ok(report) => {
            let _ = writeln!(out, "{}", if json { report.json() } else { report.human() });
            u8::from(!report.failed.is_empty())
        }
        Err(unusable) => {
            let _ = writeln!(err, "{unusable}");
            69
        }
    }
}

fn perform(request: Request, stop: &Stop) -> Result<Report, Unusable> {
    let Request { verb, from, to, trust, jobs, json: _ } = request;
    let (trust, stop, gate) = (&trust, stop.clone(), Gate::default());
    match verb {
        Verb::Restore { selection, allow, read_only } => {
            Restore { remote: &from, local: &to, jobs, selection, trust, allow, read_only, stop, gate }.run()
        }
        Verb::Save { layout } => Save { local: &from, remote: &to, layout, trust, jobs, patience: PATIENCE, stop, gate }.run(),
    }
}

/// Modes are exact, and there are descriptors for every thread's directories.
fn prepare_process(jobs: usize) {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    use nix::sys::stat::{Mode, umask};
    umask(Mode::from_bits_truncate(0o022));
    let wanted = 1024 + 64 * jobs as u64;
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < wanted
    {
        // If it is refused the run may still fit; if not, the version that did not says so.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, wanted.min(hard), hard);
    }
}
