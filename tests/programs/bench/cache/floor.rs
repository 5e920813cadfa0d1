//! What no program could go below on this ground: the latencies over the slots, the line, the local work.

use std::time::Duration;

use runner_tests::slow_mount::{Counts, Profile};

/// The bounds of one way of copying, in seconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Floor {
    /// All latencies, as many at once as there are slots.
    pub(super) latency: f64,
    /// All data over the line.
    pub(super) line: f64,
    /// The same work where nothing is far.
    pub(super) local: Option<f64>,
}

impl Floor {
    pub(super) fn of(counts: &Counts, profile: Profile, local: Option<f64>) -> Self {
        let slots = u32::try_from(profile.slots).unwrap_or(u32::MAX);
        let bytes = counts.read_bytes.max(counts.written_bytes);
        let rate = f64::from(u32::try_from(profile.mib_per_second).unwrap_or(u32::MAX)) * f64::from(1 << 20);
        let line = if rate > 0.0 { bytes as f64 / rate } else { 0.0 };
        Self { latency: (counts.latency() / slots).max(Duration::ZERO).as_secs_f64(), line, local }
    }

    /// The highest of them.
    pub(super) fn seconds(&self) -> f64 {
        self.latency.max(self.line).max(self.local.unwrap_or(0.0))
    }
}
