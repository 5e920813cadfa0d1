//! Owns the budgets of this program's phases, as data, and how a stop's time is split among them. Pure.

use std::time::Duration;

/// Retries of the nesting of cgroups: each is a few writes, and what it waits for is somebody's `docker exec` to settle.
pub const NESTING: Duration = Duration::from_secs(5);

/// Between two tries of it.
pub const NESTING_PAUSE: Duration = Duration::from_millis(20);

/// Killed processes are gone at once unless the kernel holds them.
pub const ALONE: Duration = Duration::from_secs(2);

/// Undoing when nobody asked us to stop, so no clock of the platform's runs.
pub const UNHURRIED: Duration = Duration::from_secs(60);

/// Before a gate that ended is started again: it is up in milliseconds, and one that cannot live must not fill the log.
pub const GATE_PAUSE: Duration = Duration::from_millis(500);

/// Deleting what dead tasks left, beside the service.
pub const SWEEP: Duration = Duration::from_secs(300);

/// The same before the start, where a full volume would not let docker start.
pub const SWEEP_FIRST: Duration = Duration::from_secs(20);

/// Between two looks for dead tasks. A look that finds none reads one directory and tries some locks.
pub const BETWEEN_SWEEPS: Duration = Duration::from_secs(60);

/// Between two looks at the room that is left.
pub const BETWEEN_LOOKS: Duration = Duration::from_secs(20);

/// How long to wait before daemons that died are started again: as often as there are numbers, in one life. Who dies once has met a bad
/// moment; who dies for the fourth time will die again, and another task on another host is the better try.
pub const RESTARTS: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(4)];

/// At most this much of a stop is kept for the last line of the log and the end of the process.
const RESERVE: Duration = Duration::from_millis(500);

/// A phase of leaving and its share of `STOP_TIMEOUT`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// The phase.
    pub phase: &'static str,
    /// Hundredths of the whole.
    pub percent: u32,
}

/// Shares in the order of the phases. What one does not use is the next one's: each has a deadline counted from the stop itself.
pub const SHARES: [Share; 4] = [
    Share { phase: "lingering", percent: 40 },
    Share { phase: "draining", percent: 20 },
    Share { phase: "killing", percent: 20 },
    Share { phase: "settling", percent: 20 },
];

/// Deadlines of one stop, counted from its signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Deadlines {
    /// The runner has had its time.
    pub linger: Duration,
    /// Containers have had theirs.
    pub containers: Duration,
    /// The daemon has had its.
    pub dockerd: Duration,
    /// This program has had its, whatever is still to be undone.
    pub end: Duration,
}

/// Splits the time of a stop.
pub fn split(total: Duration) -> Deadlines {
    let reserve = RESERVE.min(total / 20);
    let until = |phases: usize| total * SHARES[..phases].iter().map(|share| share.percent).sum::<u32>() / 100;
    Deadlines { linger: until(1), containers: until(2), dockerd: until(3), end: until(4).saturating_sub(reserve) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shares_are_the_whole() {
        assert_eq!(SHARES.iter().map(|share| share.percent).sum::<u32>(), 100);
    }

    #[test]
    fn deadlines_follow_each_other_and_end_before_the_platforms() {
        for total in [1, 2, 10, 30, 120, 3600].map(Duration::from_secs) {
            let Deadlines { linger, containers, dockerd, end } = split(total);
            assert!(Duration::ZERO < linger && linger < containers && containers < dockerd && dockerd < end && end < total, "{total:?}");
        }
        let at = split(Duration::from_secs(30));
        assert_eq!([at.linger, at.containers, at.dockerd].map(|at| at.as_secs()), [12, 18, 24]);
        assert_eq!(at.end, Duration::from_millis(29_500));
    }
}
