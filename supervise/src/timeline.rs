//! When each phase was reached, told once at ready and once at the end.

use std::time::Duration;

use tokio::time::Instant;
use tracing::info;

use crate::State;

/// The phases so far.
#[derive(Debug)]
pub(crate) struct Timeline {
    started: Instant,
    phases: Vec<(&'static str, Instant)>,
    ready: bool,
}

impl Timeline {
    pub(crate) fn start(now: Instant) -> Self {
        Self { started: now, phases: Vec::new(), ready: false }
    }

    pub(crate) fn reached(&mut self, state: &State, now: Instant) {
        if self.phases.last().is_none_or(|&(phase, _)| phase != state.phase) {
            self.phases.push((state.phase, now));
        }
        if state.ready && !self.ready {
            self.ready = true;
            info!(ready_ms = milliseconds(now - self.started), phases = self.spans(now), "ready");
        }
    }

    /// A program that never published a phase has nothing to sum up.
    pub(crate) fn ended(&self, code: u8, now: Instant) {
        if !self.phases.is_empty() {
            info!(exit_code = code, total_ms = milliseconds(now - self.started), phases = self.spans(now), "ended");
        }
    }

    /// `checking 3 ms, preparing 812 ms`.
    fn spans(&self, now: Instant) -> String {
        let ends = self.phases.iter().skip(1).map(|&(_, at)| at).chain([now]);
        let spans: Vec<String> =
            self.phases.iter().zip(ends).map(|(&(phase, at), end)| format!("{phase} {} ms", milliseconds(end - at))).collect();
        spans.join(", ")
    }
}

fn milliseconds(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_phase_lasts_until_the_next_one() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut timeline = Timeline::start(start);
        let state = |phase| State { phase, ready: false, busy: false, owes: vec![] };
        timeline.reached(&state("checking"), at(0));
        timeline.reached(&state("preparing"), at(3));
        timeline.reached(&state("preparing"), at(10));
        timeline.reached(&state("running"), at(815));
        assert_eq!(timeline.spans(at(1000)), "checking 3 ms, preparing 812 ms, running 185 ms");
    }
}
