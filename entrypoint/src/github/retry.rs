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
    /// The least wait after a limit for which the server named no time; doubles with each failure.
    pub unnamed_limit: Duration,
    /// Who was limited together was told the same second. So each comes back at a moment of its own within so long after it; doubles
    /// with each failure up to a minute.
    pub limit_spread: Duration,
    /// After a request whose answer was lost the runner may appear late: how long until the second look.
    pub second_look: Duration,
}

/// What the server said about when to come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asks {
    /// It, or the way to it, is in trouble; its `retry-after`.
    Server(Option<Duration>),
    /// We are too many, or too fast; until when.
    Limit(Option<Duration>),
}

/// The longest spread after a limit.
const LONGEST_SPREAD: Duration = Duration::from_secs(60);

impl Default for Policy {
    fn default() -> Self {
        Self {
            attempt: Duration::from_secs(20),
            first_wait: Duration::from_millis(500),
            longest_wait: Duration::from_secs(10),
            // GitHub: "wait for at least one minute" when a secondary limit names no time, then exponentially longer.
            unnamed_limit: Duration::from_secs(60),
            // GitHub lets a credential make some three changes a second: a hundred tasks need half a minute, in two rounds.
            limit_spread: Duration::from_secs(10),
            second_look: Duration::from_secs(2),
        }
    }
}

impl Policy {
    /// The wait before the next try, after `failures` failures (1 or more), with `left` of the budget. Never shorter than what the server
    /// asked for: a wait that is not shorter than `left` means that there is no next try. `random` gives a number uniformly from 0 up to
    /// and including its argument.
    pub(super) fn wait(&self, failures: u32, asks: Asks, left: Duration, random: impl FnOnce(u64) -> u64) -> Duration {
        let doubled = |first: Duration, longest: Duration| {
            let doublings = failures.saturating_sub(1).min(20);
            first.saturating_mul(1 << doublings).min(longest)
        };
        let (least, ceiling) = match asks {
            Asks::Server(asked) => (asked.unwrap_or_default(), doubled(self.first_wait, self.longest_wait)),
            Asks::Limit(asked) => {
                let least = asked.unwrap_or_else(|| doubled(self.unnamed_limit, Duration::MAX));
                let spread = doubled(self.limit_spread, LONGEST_SPREAD);
                // Half of what is left is for the tries: a short budget is no reason to wait past its end.
                (least, spread.min(left.saturating_sub(least) / 2))
            }
        };
        least.saturating_add(Duration::from_millis(random(u64::try_from(ceiling.as_millis()).unwrap_or(u64::MAX))))
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

    const PLENTY: Duration = Duration::from_secs(100_000_000);

    fn seconds(asked: Option<u64>) -> Option<Duration> {
        asked.map(Duration::from_secs)
    }

    #[test]
    fn the_wait_doubles_under_its_ceiling_and_obeys_the_server() {
        let policy = Policy::default();
        let longest = |failures, asks| policy.wait(failures, asks, PLENTY, |most| most).as_millis();
        let ours: Vec<u128> = (1..=7).map(|failures| longest(failures, Asks::Server(None))).collect();
        assert_eq!(ours, [500, 1000, 2000, 4000, 8000, 10_000, 10_000]);
        assert_eq!(longest(u32::MAX, Asks::Server(None)), 10_000);
        assert_eq!(longest(1, Asks::Server(seconds(Some(3)))), 3500);
        let named: Vec<u128> = (1..=4).map(|failures| longest(failures, Asks::Limit(seconds(Some(7))))).collect();
        assert_eq!(named, [17_000, 27_000, 47_000, 67_000]);
        let unnamed: Vec<u128> = (1..=4).map(|failures| longest(failures, Asks::Limit(None))).collect();
        assert_eq!(unnamed, [70_000, 140_000, 280_000, 540_000]);
    }

    #[test]
    fn jitter_is_full_so_the_shortest_wait_is_what_was_asked_for() {
        let policy = Policy::default();
        let shortest = |asks| policy.wait(5, asks, PLENTY, |_| 0);
        assert_eq!(shortest(Asks::Server(None)), Duration::ZERO);
        assert_eq!(shortest(Asks::Server(seconds(Some(3)))), Duration::from_secs(3));
        assert_eq!(shortest(Asks::Limit(seconds(Some(3)))), Duration::from_secs(3));
        assert_eq!(policy.wait(1, Asks::Limit(None), PLENTY, |_| 0), Duration::from_secs(60));
    }

    #[test]
    fn two_hundred_that_were_told_the_same_second_come_back_spread_over_ten() {
        let policy = Policy::default();
        let mut each_second = [0; 12];
        for _ in 0..200 {
            let wait = policy.wait(1, Asks::Limit(seconds(Some(1))), Duration::from_secs(60), uniform);
            each_second[usize::try_from(wait.as_secs()).unwrap()] += 1;
        }
        assert_eq!(each_second[0], 0, "nobody comes before the time asked for");
        // 20 each on average; 60 would be nine standard deviations away.
        assert!(each_second[1..11].iter().all(|count| (1..60).contains(count)), "{each_second:?}");
    }

    #[test]
    fn a_short_budget_is_not_slept_away_and_a_longer_demand_is_told_as_it_is() {
        let policy = Policy::default();
        let wait = |asked, left| policy.wait(1, Asks::Limit(seconds(asked)), Duration::from_secs(left), |most| most).as_millis();
        assert_eq!(wait(Some(1), 5), 3_000);
        assert_eq!(wait(Some(5), 5), 5_000);
        assert_eq!(wait(Some(3600), 5), 3_600_000);
        assert_eq!(wait(None, 30), 60_000);
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
