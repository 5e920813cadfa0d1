//! The time of day as this GitHub has it, which a rule can set apart from the host's.

use std::time::{Duration, SystemTime};

use super::Rules;

/// Its time of day.
fn time(rules: &Rules) -> SystemTime {
    let off = Duration::from_secs(rules.clock_offset.unsigned_abs());
    if rules.clock_offset < 0 { SystemTime::now() - off } else { SystemTime::now() + off }
}

/// Seconds since 1970.
pub(super) fn now(rules: &Rules) -> i64 {
    let since = time(rules).duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// So long from now, as JSON has it.
pub(super) fn text(rules: &Rules, ahead: Duration) -> String {
    humantime::format_rfc3339_seconds(time(rules) + ahead).to_string()
}

/// For the header `Date` (RFC 9110, IMF-fixdate).
pub(super) fn http_date(rules: &Rules) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    let text = text(rules, Duration::ZERO);
    let month = text[5..7].parse::<usize>().map_or("Jan", |month| MONTHS[month - 1]);
    let day = usize::try_from(now(rules) / 86_400 % 7).map_or("Thu", |day| DAYS[day]);
    format!("{day}, {} {month} {} {} GMT", &text[8..10], &text[..4], &text[11..19])
}
