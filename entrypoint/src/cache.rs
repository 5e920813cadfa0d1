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
mod crew;
mod dir;
mod gc;
mod links;
mod list;
mod modes;
mod names;
mod outcome;
mod pack;
mod plan;
mod progress;
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
mod told;
mod tree;
mod verify;

use std::ffi::OsString;
use std::io::Write;

use supervise::Signals;

pub(crate) use self::command_line::COMMANDS;
use self::command_line::{Asked, Request, Style, Verb, Way, parsed};
use self::dir::Gate;
use self::gc::Gc;
use self::list::List;
use self::progress::{Deed, Form, Progress, shown};
use self::restore::Restore;
use self::save::{PATIENCE, Save};
use self::side::Unusable;
use self::stage::KEPT_SECONDS;
use self::stop::Stop;
use self::verify::Verify;

/// Runs `cache …` as a whole process: `args` are the words after `cache`. Returns its exit status (see [`COMMANDS`]).
///
/// It sets the process's umask and raises its limit of open files. The first signal that asks it to end makes it give up what is
/// half done and say what is.
pub(crate) fn main(signals: Signals, args: impl IntoIterator<Item = OsString>) -> u8 {
    let stop = Stop::default();
    let asked = stop.clone();
    signals.on_end(move || asked.ask());
    // Not locked: the thread that shows progress writes there, too.
    command(
        args,
        &stop,
        &mut std::io::stdout().lock(),
        &mut std::io::stderr(),
        Form::of_stderr,
        supervise::kernel::columns(std::io::stdout()),
    )
}

fn command(
    args: impl IntoIterator<Item = OsString>,
    stop: &Stop,
    out: &mut dyn Write,
    err: &mut (dyn Write + Send),
    form: impl Fn(bool) -> Form,
    columns: Option<usize>,
) -> u8 {
    // A reader that has gone away is no reason to fail: what was copied is copied.
    let request = match parsed(args) {
        Ok(Asked::For(request)) => request,
        Ok(Asked::Help(name)) => {
            let text = settings::render_command("runner-entrypoint", COMMANDS, &name, columns.unwrap_or(settings::NARROW));
            let _ = out.write_all(text.as_bytes());
            return 0;
        }
        Err(cause) => {
            let _ = writeln!(err, "runner-entrypoint: cache: {cause}\nhint: `runner-entrypoint cache --help` lists what there is");
            return 64;
        }
    };
    prepare_process(request.verb.way().map_or(0, |way| way.jobs));
    let progress = Progress::default();
    let done = match request.verb.deed() {
        Some(deed) => shown(deed, &progress, form(request.style == Style::Json), err, || perform(&request, stop, &progress)),
        None => perform(&request, stop, &progress),
    };
    match done {
        Ok(Done { text, good }) => {
            // A list of lines ends with its last, and an empty one has none.
            let end: &[u8] = if text.is_empty() || text.ends_with('\n') { b"" } else { b"\n" };
            let _ = out.write_all(text.as_bytes()).and_then(|()| out.write_all(end));
            u8::from(!good)
        }
        Err(unusable) => {
            let _ = writeln!(err, "{unusable}");
            69
        }
    }
}

/// What a run tells, and whether all of it is well.
struct Done {
    text: String,
    good: bool,
}

impl Verb {
    fn way(&self) -> Option<&Way> {
        match self {
            Self::Restore { way, .. } | Self::Save { way, .. } => Some(way),
            Self::List { .. } | Self::Verify { .. } | Self::Gc { .. } => None,
        }
    }

    /// What its progress is called; a list is over too soon.
    fn deed(&self) -> Option<Deed> {
        let (verb, done, unit) = match self {
            Self::Restore { export: false, .. } => ("restore", "restored", "version"),
            Self::Restore { export: true, .. } => ("export", "exported", "version"),
            Self::Save { import: false, .. } => ("save", "saved", "version"),
            Self::Save { import: true, .. } => ("import", "imported", "version"),
            Self::Verify { .. } => ("verify", "verified", "pack"),
            Self::Gc { .. } => ("gc", "looked at", "pack"),
            Self::List { .. } => return None,
        };
        Some(Deed { verb, done, unit })
    }
}

fn perform(request: &Request, stop: &Stop, progress: &Progress) -> Result<Done, Unusable> {
    let (stop, progress, gate) = (stop.clone(), progress.clone(), Gate::default());
    let style = request.style;
    let json = style == Style::Json;
    let told = |report: report::Report| {
        let text = match style {
            Style::Human => report.human(),
            Style::Json => report.json(),
            Style::Both => format!("{}\n{}", report.human(), report.json()),
        };
        Done { good: report.failed.is_empty(), text }
    };
    match &request.verb {
        Verb::Restore { way: Way { from, to, trust, jobs }, selection, allow, read_only, export } => {
            let (jobs, selection, allow) = (*jobs, selection.clone(), allow.clone());
            let (read_only, export) = (*read_only, *export);
            Restore { remote: from, local: to, jobs, selection, trust, allow, read_only, export, stop, progress, gate }.run().map(told)
        }
        Verb::Save { way: Way { from, to, trust, jobs }, layout, import } => {
            let (layout, jobs, patience, import) = (*layout, *jobs, PATIENCE, *import);
            Save { local: from, remote: to, layout, trust, jobs, patience, import, stop, progress, gate }.run().map(told)
        }
        Verb::List { remote, trust, long, digests } => {
            let listing = List { remote, trust: trust.as_deref(), long: *long, gate }.run()?;
            let text = match (digests, json) {
                (true, _) => listing.digests(),
                (false, true) => listing.json(),
                (false, false) => listing.human(*long),
            };
            Ok(Done { text, good: true })
        }
        Verb::Verify { remote, trust, selection, quarantine } => {
            let (trust, selection, quarantine) = (trust.as_deref(), selection.clone(), *quarantine);
            let report = Verify { remote, trust, selection, quarantine, stop, progress, gate }.run()?;
            Ok(Done { good: report.broken.is_empty(), text: if json { report.json() } else { report.human() } })
        }
        Verb::Gc { remote, unused_for, dry_run } => {
            let (unused_for, dry_run, patience) = (*unused_for, *dry_run, KEPT_SECONDS);
            let report = Gc { remote, unused_for, dry_run, patience, stop, progress, gate }.run()?;
            Ok(Done { good: report.is_good(), text: if json { report.json() } else { report.human() } })
        }
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
