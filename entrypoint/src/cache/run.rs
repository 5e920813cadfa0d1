//! One run from the first look to the report, the same for both directions.

use std::path::{Path, PathBuf};
use std::time::Instant;

use nix::errno::Errno;

use super::Side;
use super::layout::survey;
use super::plan::plan;
use super::publish::{Published, Rules};
use super::refusal::Limits;
use super::report::{Failure, Report};
use super::stage::Stage;
use super::transfer::{Manner, transfer};
use super::tree::{Dir, Gate};

/// What to do.
#[derive(Debug)]
pub(super) struct Course<'a> {
    pub(super) name: &'static str,
    pub(super) from: (Side, &'a Path),
    pub(super) to: (Side, &'a Path),
    pub(super) threads: usize,
    pub(super) writers: usize,
    pub(super) rules: Rules,
    pub(super) gate: Gate,
}

/// A side that cannot be read or written at all.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} the {side} directory {}: {cause}{}", .path.display(), .side.hint(*.cause))]
pub(super) struct Unusable {
    operation: &'static str,
    side: Side,
    path: PathBuf,
    cause: Errno,
}

#[expect(clippy::disallowed_methods, reason = "the duration of the run is part of its report")]
pub(super) fn run(course: &Course<'_>) -> Result<Report, Unusable> {
    let begun = Instant::now();
    let from = open(course.from, &course.gate)?;
    let to = open(course.to, &course.gate)?;
    let (there, here) = std::thread::scope(|scope| {
        let there = scope.spawn(|| survey(&from));
        let here = survey(&to);
        // A panic of the listing is our bug, here as there.
        let there = there.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        (there, here)
    });
    let versions = there.map_err(wrong("list", course.from))?;
    let present = here.map_err(wrong("list", course.to))?;
    let plan = plan(&versions, &present);
    let mut report =
        Report { cache: course.name, versions: 0, files: 0, bytes: 0, seconds: 0.0, already: plan.already, skipped: 0, failed: Vec::new() };
    if !plan.copy.is_empty() {
        let stage = Stage::make(&to).map_err(wrong("stage in", course.to))?;
        let manner = Manner {
            threads: course.threads,
            writers: course.writers,
            limits: Limits::default(),
            rules: course.rules,
            homes: homes(course),
        };
        for outcome in transfer(&from, &to, &stage, plan.copy, &manner) {
            match outcome.result {
                Ok(Published::Ours) => {
                    report.versions += 1;
                    report.files += outcome.files;
                    report.bytes += outcome.bytes;
                    report.skipped += outcome.skipped;
                }
                Ok(Published::Theirs) => report.already += 1,
                Err(refusal) => report.failed.push(Failure { version: outcome.id.to_string(), error: refusal.to_string() }),
            }
        }
        // Tidying up after others is not worth a failure.
        let _ = stage.collect_old();
        stage.remove(&to);
    }
    report.seconds = begun.elapsed().as_secs_f64();
    Ok(report)
}

fn open((side, path): (Side, &Path), gate: &Gate) -> Result<Dir, Unusable> {
    if side == Side::Local {
        // A restore may be the first to need it. That of a remote would be a directory under a mount that is missing.
        let _ = std::fs::create_dir_all(path);
    }
    Dir::root(path, gate.clone()).map_err(wrong("open", (side, path)))
}

fn wrong(operation: &'static str, (side, path): (Side, &Path)) -> impl FnOnce(Errno) -> Unusable {
    let path = path.to_owned();
    move |cause| Unusable { operation, side, path, cause }
}

/// The local root as it was named and as it is really called: absolute links were made with either.
fn homes(course: &Course<'_>) -> Vec<PathBuf> {
    let (_, local) = match course.from {
        (Side::Local, _) => course.from,
        (Side::Remote, _) => course.to,
    };
    let mut homes: Vec<PathBuf> = Vec::new();
    homes.extend(std::path::absolute(local));
    homes.extend(std::fs::canonicalize(local));
    homes.dedup();
    homes
}
