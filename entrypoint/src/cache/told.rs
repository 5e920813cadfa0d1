//! How the keeper's commands tell names, sizes and times.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::names::VersionId;
use super::restore::SHARED;

/// A version, with its trust domain unless that is everybody's.
pub(super) fn named(trust: &str, id: &VersionId) -> String {
    if trust == SHARED { id.to_string() } else { format!("{trust}: {id}") }
}

/// Seconds since 1970 as RFC 3339.
pub(super) fn time(seconds: i64) -> String {
    // Years above 9999 cannot be written so; a file that claims one is told as 1970.
    let seconds = u64::try_from(seconds).ok().filter(|seconds| *seconds < 253_402_300_800).unwrap_or(0);
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string()
}

/// The time of now in seconds, only to say how long ago something was.
#[expect(clippy::disallowed_methods, reason = "a list for people says how long ago; nothing is decided by it")]
pub(super) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX))
}

/// `3 days ago`.
pub(super) fn ago(then: i64, now: i64) -> String {
    const UNITS: [(i64, &str); 4] = [(365 * 86_400, "year"), (86_400, "day"), (3_600, "hour"), (60, "minute")];
    let since = now - then;
    for (seconds, unit) in UNITS {
        let count = since / seconds;
        if count > 0 {
            let plural = if count == 1 { "" } else { "s" };
            return format!("{count} {unit}{plural} ago");
        }
    }
    "just now".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_long_ago_is_said_in_the_largest_whole_unit() {
        let cases = [
            (0, "just now"),
            (59, "just now"),
            (-5, "just now"),
            (60, "1 minute ago"),
            (7_200, "2 hours ago"),
            (3 * 86_400 + 5, "3 days ago"),
            (364 * 86_400, "364 days ago"),
            (800 * 86_400, "2 years ago"),
        ];
        for (since, expected) in cases {
            assert_eq!(ago(1_000_000_000, 1_000_000_000 + since), expected);
        }
    }

    #[test]
    fn times_are_written_as_everywhere_and_strange_ones_do_no_harm() {
        assert_eq!(time(1_000_000_000), "2001-09-09T01:46:40Z");
        assert_eq!(time(-1), "1970-01-01T00:00:00Z");
        assert_eq!(time(i64::MAX), "1970-01-01T00:00:00Z");
    }
}
