//! From the shared side to this container's: a reader of the shared side, the only writer of the local one.

use std::path::Path;
use std::time::Duration;

use super::Side;
use super::publish::Rules;
use super::report::Report;
use super::run::{Course, Unusable, run};
use super::tree::Gate;

/// Copies every complete version of `remote` that `local` lacks. The local root is made if it does not exist.
pub(super) fn restore(remote: &Path, local: &Path, threads: usize, gate: Gate) -> Result<Report, Unusable> {
    run(&Course {
        name: "restore",
        from: (Side::Remote, remote),
        to: (Side::Local, local),
        threads,
        // More than a few writers only cost on a local disk.
        writers: 4,
        rules: Rules {
            // Nothing reads the local side before we are done.
            shared: false,
            // A container's cache does not outlive a crash of the host.
            durable: false,
            patience: Duration::ZERO,
        },
        gate,
    })
}
