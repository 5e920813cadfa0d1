//! How long to wait before asking again: full jitter under a doubling ceiling, or what the server asked for. Pure.

use std::time::Duration;

/// How patient a call is. All durations are wall-clock; the deadline of the whole comes from the caller.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    /// One request, from connecting to the last byte of the answer.
    pub attempt: Duration,
    /// The ceiling of the first wait; doubles with each failure.
    pub first_wait: Duration,
    /// No wait we choose is longer. What the server asks for is not cut.
    pub longest_wait: Duration,
    /// The least wait after a limit for which the server named no time.
    pub unnamed_limit: Duration,
    /// After a request whose answer was lost the runner may appear late: how long until the second look.
    pub second_look: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            attempt: Duration::from_secs(20),
            first_wait: Duration::from_millis(500),
            longest_wait: Duration::from_secs(10),
            // GitHub: "wait for at least one minute" when a secondary limit names no time.
            unnamed_limit: Duration::from_secs(60),
            second_look: Duration::from_secs(2),
        }
    }
}

impl Policy {
    /// The wait before the next try, after `failures` failures (1 or more). `asked` is what the server named, `limited` whether
    /// it was a limit; `random` gives a number uniformly from 0 up to and including its argument.
    pub(super) fn wait(&self, failures: u32, asked: Option<Duration>, limited: bool, random: impl FnOnce(u64) -> u64) -> Duration {
        let doublings = failures.saturating_sub(1).min(20);
        let ceiling = self.first_wait.saturating_mul(1 << doublings).min(self.longest_wait);
        let jitter = Duration::from_millis(random(u64::try_from(ceiling.as_millis()).unwrap_or(u64::MAX)));
        match asked {
            // Everybody who was limited with us was told the same second: come a little later than asked, not all at once.
            Some(asked) => asked + jitter.min(Duration::from_secs(1)),
            None if limited => self.unnamed_limit + jitter,
            None => jitter,
        }
    }
}

/// A uniform number from 0 to `most`; without a random source the longest wait is the safe choice.
pub(super) fn uniform(most: u64) -> u64 {
    match (getrandom::u64(), most.checked_add(1)) {
        (Ok(random), Some(count)) => random % count,
        (Ok(random), None) => random,
        (Err(_), _) => most,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_under_its_ceiling_and_obeys_the_server() {
        let policy = Policy::default();
        let longest =
            |failures, asked: Option<u64>, limited| policy.wait(failures, asked.map(Duration::from_secs), limited, |most| most).as_millis();
        let ours: Vec<u128> = (1..=7).map(|failures| longest(failures, None, false)).collect();
        assert_eq!(ours, [500, 1000, 2000, 4000, 8000, 10_000, 10_000]);
        assert_eq!(longest(u32::MAX, None, false), 10_000);
        assert_eq!(longest(1, Some(7), true), 7500);
        assert_eq!(longest(5, Some(700), true), 701_000);
        assert_eq!(longest(2, None, true), 61_000);
    }

    #[test]
    fn jitter_is_full_so_the_shortest_wait_is_none() {
        let policy = Policy::default();
        assert_eq!(policy.wait(5, None, false, |_| 0), Duration::ZERO);
        assert_eq!(policy.wait(5, Some(Duration::from_secs(3)), true, |_| 0), Duration::from_secs(3));
    }

    #[test]
    fn a_uniform_number_stays_in_its_range() {
        for most in [0, 1, 5, u64::MAX] {
            assert!((0..200).all(|_| uniform(most) <= most));
        }
        let seen: std::collections::BTreeSet<u64> = (0..500).map(|_| uniform(3)).collect();
        assert_eq!(seen.len(), 4);
    }
}
