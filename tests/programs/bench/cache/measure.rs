//! One command, measured: time, processor, memory.
//!
//! Through a small process between: the kernel's largest memory of a child begins with what its parent had, and is kept for all
//! children together.

use std::{
    ffi::OsString,
    fs::{self, File},
    path::Path,
    process::{Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use nix::sys::{
    resource::{UsageWho, getrusage},
    time::{TimeVal, TimeValLike},
};
use serde::{Deserialize, Serialize};

/// The word that makes this program that small process.
pub(crate) const WORD: &str = "measured";

/// What a run took.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Taken {
    pub(super) seconds: f64,
    pub(super) user: f64,
    pub(super) system: f64,
    /// The most memory that one process of it had, in kB.
    pub(super) peak_kb: u64,
    code: i32,
}

/// Runs a command to its end.
///
/// # Panics
/// When it fails, with what it said.
pub(super) fn measure(command: &Command, folder: &Path) -> Taken {
    let report = folder.join("measured");
    let own = std::env::current_exe().expect("this program has a path");
    let status = Command::new(own).arg(WORD).arg(&report).arg(command.get_program()).args(command.get_args()).status();
    let status = status.expect("this program starts again");
    assert!(status.success(), "{command:?} could not be measured: {status}");
    let taken: Taken = serde_json::from_slice(&fs::read(&report).expect("a report")).expect("a report that can be read");
    let said = fs::read_to_string(report.with_extension("said")).unwrap_or_default();
    assert!(taken.code == 0, "{command:?} ended with {}:\n{said}", taken.code);
    taken
}

/// The small process: `REPORT PROGRAM [WORDS…]`.
pub(crate) fn child(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut words = words.into_iter();
    let (Some(report), Some(program)) = (words.next(), words.next()) else { return ExitCode::from(64) };
    let said = File::create(Path::new(&report).with_extension("said")).expect("make a file");
    let started = Instant::now();
    let status = Command::new(program).args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(said).status();
    let seconds = started.elapsed().as_secs_f64();
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).expect("usage");
    let span = |time: TimeVal| Duration::from_micros(u64::try_from(time.num_microseconds()).unwrap_or(0)).as_secs_f64();
    let code = status.ok().and_then(|status| status.code()).unwrap_or(-1);
    let peak_kb = u64::try_from(usage.max_rss()).unwrap_or(0);
    let taken = Taken { seconds, user: span(usage.user_time()), system: span(usage.system_time()), peak_kb, code };
    fs::write(report, serde_json::to_vec(&taken).expect("a report")).expect("write a file");
    ExitCode::SUCCESS
}
