//! Limits of calls: the hourly one's numbers on every answer, and the secondary one as a rule.

use std::time::{Duration, Instant};

use super::clock;
use super::rest::Answer;
use super::server::Asked;
use super::world::World;

/// Calls of an hour.
const CALL_LIMIT: u64 = 5_000;

/// GitHub's limit of changes in a short time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecondaryLimit {
    /// Calls other than GET within any second; one more is refused and does not count.
    pub mutating_per_second: usize,
    /// Seconds in the refusal's `retry-after`; GitHub often sends none.
    pub retry_after: Option<u32>,
}

/// Puts the server's date and the rate limit's numbers on an answer, unless a script put its own.
pub(super) fn sign(world: &mut World, answer: &mut Answer) {
    world.calls += 1;
    let reset = clock::now(&world.rules) + 3_600;
    let own = [
        ("date", clock::http_date(&world.rules)),
        ("x-ratelimit-limit", CALL_LIMIT.to_string()),
        ("x-ratelimit-remaining", CALL_LIMIT.saturating_sub(world.calls).to_string()),
        ("x-ratelimit-used", world.calls.to_string()),
        ("x-ratelimit-reset", reset.to_string()),
        ("x-ratelimit-resource", "core".to_owned()),
    ];
    for (name, value) in own {
        if !answer.headers.iter().any(|(present, _)| present.eq_ignore_ascii_case(name)) {
            answer.headers.push((name.into(), value));
        }
    }
}

/// The refusal of a call that is one too many.
pub(super) fn refusal(world: &mut World, asked: &Asked) -> Option<Answer> {
    let limit = world.rules.secondary_limit?;
    if asked.seen.method == "GET" {
        return None;
    }
    let now = Instant::now();
    world.changes.retain(|at| now.duration_since(*at) < Duration::from_secs(1));
    if world.changes.len() < limit.mutating_per_second {
        world.changes.push(now);
        return None;
    }
    let words = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.";
    let mut refused = Answer::problem(403, words);
    refused.headers.extend(limit.retry_after.map(|seconds| ("retry-after".to_owned(), seconds.to_string())));
    Some(refused)
}
