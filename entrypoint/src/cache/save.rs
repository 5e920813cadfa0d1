//! From this container's side to the shared one: one of many writers among many readers.

use std::path::Path;
use std::time::Duration;

use super::Side;
use super::publish::Rules;
use super::report::Report;
use super::run::{Course, Unusable, run};
use super::tree::Gate;

/// How long a directory without marker on the shared side may belong to a saver between his rename and his marker: two
/// round trips, given a hundred times that.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// Copies every complete version of `local` that `remote` lacks. What is published there is never replaced.
pub(super) fn save(local: &Path, remote: &Path, threads: usize, patience: Duration, gate: Gate) -> Result<Report, Unusable> {
    run(&Course {
        name: "save",
        from: (Side::Local, local),
        to: (Side::Remote, remote),
        threads,
        writers: threads,
        rules: Rules { shared: true, durable: true, patience },
        gate,
    })
}
