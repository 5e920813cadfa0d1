//! The tool cache: whole versions of tools copied from a shared directory to the local one before a job, and new ones back
//! after it. Runs as a child process of its own, as the runner's user, and may be killed at any instruction: what is half
//! done lies in a staging area and is no version to anybody.
//!
//! It knows two directories and nothing of GitHub, settings, the environment or the life of the runner.
//!
//! Crates that copy trees (`walkdir`, `fs_extra`) go by path, so a directory that is swapped for a link between two of their
//! steps leads them elsewhere; here every step is relative to an open directory ([`tree`]).

mod contents;
mod layout;
mod links;
mod node;
mod plan;
mod publish;
mod queue;
mod refusal;
mod report;
mod restore;
mod run;
mod save;
mod stage;
#[cfg(test)]
mod tests;
mod transfer;
mod tree;
mod version;
mod writers;

use std::ffi::OsString;
use std::fmt;
use std::io::Write;
use std::path::PathBuf;

use lexopt::prelude::{Long, Short, Value, ValueExt as _};
use nix::errno::Errno;

use self::report::Report;
use self::tree::Gate;

/// What `--help` says.
pub(crate) const HELP: &str = "\
Copies whole tool versions between a shared directory and the local tool cache.

usage: runner-entrypoint cache restore --from REMOTE --to LOCAL [OPTIONS]
       runner-entrypoint cache save --from LOCAL --to REMOTE [OPTIONS]

options:
  --report human|json  what to print at the end [human]
  --jobs N             files copied at once, 1 to 256 [64]
  -h, --help           this text

A version is <tool>/<version>/<arch>/ beside <arch>.complete. A reader sees a whole version or none, a published
one is never replaced, and a run that is killed leaves only entries in .stage/, which a later run removes.

Exit codes:
  0    done, also when there was nothing to do
  1    some versions were not copied, each is named; the others were
  64   usage: the command line is not understood
  69   one of the directories cannot be used
";

/// Which of the two directories.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Remote,
    Local,
}

impl Side {
    /// What to look at when a directory of this side cannot be used.
    fn hint(self, cause: Errno) -> &'static str {
        match (self, cause) {
            (Self::Remote, Errno::ENOENT | Errno::ENOTDIR) => {
                "\nhint: is the shared volume mounted at TOOL_CACHE_REMOTE in this container?"
            }
            (Self::Remote, _) => {
                "\nhint: the runner's user must be able to read (and to save, write) TOOL_CACHE_REMOTE; look at the volume's access point, uid and mount options"
            }
            (Self::Local, _) => "\nhint: RUNNER_TOOL_CACHE must be a directory that the runner's user owns",
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Remote => "remote tool cache",
            Self::Local => "local tool cache",
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Restore,
    Save,
}

#[derive(Debug, PartialEq, Eq)]
struct Request {
    direction: Direction,
    from: PathBuf,
    to: PathBuf,
    json: bool,
    jobs: usize,
}

/// Runs `cache restore` or `cache save`: `args` are the words after `cache`, results go to `out`, complaints to `err`.
/// Returns the exit status of the process: 0, 1, 64 or 69 (see [`HELP`]).
///
/// It sets the process's umask and raises its limit of open files, so it is for a process of its own.
pub(crate) fn command(args: impl IntoIterator<Item = OsString>, out: &mut dyn Write, err: &mut dyn Write) -> u8 {
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
    let outcome = match request.direction {
        Direction::Restore => restore::restore(&request.from, &request.to, request.jobs, Gate::default()),
        Direction::Save => save::save(&request.from, &request.to, request.jobs, save::PATIENCE, Gate::default()),
    };
    match outcome {
        Ok(report) => {
            let _ = writeln!(out, "{}", told(&report, request.json));
            u8::from(!report.failed.is_empty())
        }
        Err(unusable) => {
            let _ = writeln!(err, "{unusable}");
            69
        }
    }
}

fn told(report: &Report, json: bool) -> String {
    if json { report.json() } else { report.human() }
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

fn parsed(args: impl IntoIterator<Item = OsString>) -> Result<Option<Request>, lexopt::Error> {
    let mut parser = lexopt::Parser::from_args(args);
    let mut direction = None;
    let (mut from, mut to) = (None, None);
    let mut json = false;
    let mut jobs = 64;
    while let Some(argument) = parser.next()? {
        match argument {
            Short('h') | Long("help") => return Ok(None),
            Long("from") => from = Some(PathBuf::from(parser.value()?)),
            Long("to") => to = Some(PathBuf::from(parser.value()?)),
            Long("report") => {
                json = match parser.value()?.string()?.as_str() {
                    "json" => true,
                    "human" => false,
                    other => return Err(format!("no such report: {other}").into()),
                }
            }
            Long("jobs") => {
                jobs = parser.value()?.parse()?;
                if !(1..=256).contains(&jobs) {
                    return Err("--jobs takes 1 to 256".into());
                }
            }
            Value(word) if direction.is_none() => {
                direction = Some(match word.to_str() {
                    Some("restore") => Direction::Restore,
                    Some("save") => Direction::Save,
                    _ => return Err(Value(word).unexpected()),
                });
            }
            other => return Err(other.unexpected()),
        }
    }
    Ok(Some(Request {
        direction: direction.ok_or("say restore or save after it")?,
        from: from.ok_or("--from is missing")?,
        to: to.ok_or("--to is missing")?,
        json,
        jobs,
    }))
}
