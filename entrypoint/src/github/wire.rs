//! What travels: bodies of requests and answers, the judgement of an answer (status, headers, message together), and the
//! cleaning of text that came from the network. Pure: no connection here.

use std::time::Duration;

use reqwest::header::HeaderMap;
use serde::{Deserialize, Serialize};

use super::{error::Fault, quote::printable, secret::SecretText};

/// Body of `generate-jitconfig`. All but the folder are required; labels are taken exactly as sent.
#[derive(Debug, Serialize)]
pub(super) struct JitRequest<'a> {
    pub(super) name: &'a str,
    pub(super) runner_group_id: u64,
    pub(super) labels: &'a [String],
    pub(super) work_folder: &'a str,
}

/// Answer 201 to it.
#[derive(Deserialize)]
pub(super) struct JitAnswer {
    pub(super) runner: RunnerEntry,
    pub(super) encoded_jit_config: String,
}

/// A runner as the lists show it.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct RunnerEntry {
    pub(super) id: u64,
    pub(super) name: String,
    #[serde(default)]
    pub(super) status: String,
    #[serde(default)]
    pub(super) busy: bool,
}

/// One page of `GET .../actions/runners`.
#[derive(Debug, Deserialize)]
pub(super) struct RunnerPage {
    pub(super) runners: Vec<RunnerEntry>,
}

/// One page of `GET .../actions/runner-groups`.
#[derive(Debug, Deserialize)]
pub(super) struct GroupPage {
    pub(super) runner_groups: Vec<GroupEntry>,
}

/// Answer 201 to `registration-token` and `remove-token`. Both are good for an hour; `expires_at` is not looked at.
#[derive(Deserialize)]
pub(super) struct TokenAnswer {
    pub(super) token: SecretText,
}

/// A runner group.
#[derive(Debug, Deserialize)]
pub(super) struct GroupEntry {
    pub(super) id: u64,
    pub(super) name: String,
}

/// GitHub's error body; `errors` may hold strings or objects.
#[derive(Debug, Deserialize)]
struct Complaint {
    #[serde(default)]
    message: String,
    #[serde(default)]
    errors: Vec<serde_json::Value>,
}

/// The message of an error body, fit for printing. A body that is not GitHub's JSON (a proxy's page) is quoted as it is.
pub(super) fn complaint(body: &[u8]) -> String {
    let text = match serde_json::from_slice::<Complaint>(body) {
        Ok(Complaint { message, errors }) if !(message.is_empty() && errors.is_empty()) => {
            let details: Vec<String> = errors
                .iter()
                .map(|error| {
                    error
                        .as_str()
                        .or_else(|| error.get("message").and_then(serde_json::Value::as_str))
                        .map_or_else(|| error.to_string(), str::to_owned)
                })
                .collect();
            if details.is_empty() { message } else { format!("{message} ({})", details.join("; ")) }
        }
        _ => String::from_utf8_lossy(body).into_owned(),
    };
    let shown = printable(text.trim());
    if shown.is_empty() { "no message".to_owned() } else { shown }
}

/// What an answer that is not a success means. A 403 is a limit only on evidence: `retry-after`, a message that speaks of a
/// limit, or an empty quota with no message at all; an empty quota alone may stand beside an unrelated refusal.
pub(super) fn judge(status: u16, headers: &HeaderMap, message: &str) -> Fault {
    let message_owned = || message.to_owned();
    match status {
        401 => Fault::Unauthorized(message_owned()),
        403 if is_limit(headers, message) => limited(status, headers, message),
        403 => Fault::Forbidden { message: message_owned(), accepted: text(headers, "x-accepted-github-permissions").map(printable) },
        404 => Fault::NotFound(message_owned()),
        408 | 500..=599 => Fault::Server { status, message: message_owned(), wait: seconds(headers, "retry-after") },
        409 => Fault::Conflict(message_owned()),
        422 if message.to_ascii_lowercase().contains("max limit") => Fault::GroupFull(message_owned()),
        429 => limited(status, headers, message),
        200..=299 => Fault::Garbled { status, message: message_owned() },
        _ => Fault::Invalid { status, message: message_owned() },
    }
}

fn is_limit(headers: &HeaderMap, message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    headers.contains_key("retry-after")
        || message.contains("rate limit")
        || message.contains("abuse detection")
        || (quota_is_empty(headers) && message == "no message")
}

fn quota_is_empty(headers: &HeaderMap) -> bool {
    text(headers, "x-ratelimit-remaining") == Some("0")
}

fn limited(status: u16, headers: &HeaderMap, message: &str) -> Fault {
    Fault::Limited { status, message: message.to_owned(), wait: seconds(headers, "retry-after").or_else(|| until_reset(headers)) }
}

/// The time until the quota is refilled. Both ends are the server's own: `x-ratelimit-reset` and `date`, so that a wrong
/// clock here does not matter.
fn until_reset(headers: &HeaderMap) -> Option<Duration> {
    if !quota_is_empty(headers) {
        return None;
    }
    let reset: u64 = text(headers, "x-ratelimit-reset")?.trim().parse().ok()?;
    let now = u64::try_from(date(headers)?).ok()?;
    Some(Duration::from_secs(reset.saturating_sub(now) + 1))
}

/// The server's time of day, in seconds since 1970.
pub(super) fn date(headers: &HeaderMap) -> Option<i64> {
    i64::try_from(http_date(text(headers, "date")?)?).ok()
}

fn seconds(headers: &HeaderMap, name: &str) -> Option<Duration> {
    let value: u64 = text(headers, name)?.trim().parse().ok()?;
    Some(Duration::from_secs(value))
}

/// A header as text.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Seconds since 1970 of a date in the one form servers may send (RFC 9110, IMF-fixdate): `Sun, 06 Nov 1994 08:49:37 GMT`.
fn http_date(date: &str) -> Option<u64> {
    let mut words = date.split_once(", ")?.1.split(' ');
    let day: u64 = words.next()?.parse().ok()?;
    let month = words.next()?;
    let year: u64 = words.next()?.parse().ok()?;
    let clock: Vec<u64> = words.next()?.split(':').map(str::parse).collect::<Result<_, _>>().ok()?;
    let month =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"].iter().position(|name| *name == month)? as u64
            + 1;
    let [hour, minute, second] = clock[..] else {
        return None;
    };
    if words.next()? != "GMT" || !(1970..=9999).contains(&year) || !(1..=31).contains(&day) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    // Days since the epoch in a calendar whose year begins in March, so that a leap day is a year's last day.
    let march_year = if month <= 2 { year - 1 } else { year };
    let march_month = (month + 9) % 12;
    let days = march_year * 365 + march_year / 4 - march_year / 100 + march_year / 400 + (march_month * 306 + 5) / 10 + day - 1;
    Some((days - 719_468) * 86_400 + hour * 3600 + minute * 60 + second)
}

/// The address of the next page in a `Link` header (RFC 8288 as GitHub writes it): `<https://...>; rel="next", ...`.
pub(super) fn next_page(headers: &HeaderMap) -> Option<&str> {
    text(headers, "link")?.split(',').find_map(|link| {
        let (address, parameters) = link.split_once(';')?;
        let is_next = parameters.split(';').any(|parameter| parameter.trim().replace('"', "") == "rel=next");
        is_next.then(|| address.trim().trim_start_matches('<').trim_end_matches('>'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::{HeaderName, HeaderValue};

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    fn name_of(fault: &Fault) -> String {
        match fault {
            Fault::Unauthorized(_) => "unauthorized".into(),
            Fault::Forbidden { .. } => "forbidden".into(),
            Fault::NotFound(_) => "not found".into(),
            Fault::Conflict(_) => "conflict".into(),
            Fault::GroupFull(_) => "full".into(),
            Fault::Invalid { .. } => "invalid".into(),
            Fault::Limited { wait, .. } => {
                format!("limited {:?}", wait.map(|wait| wait.as_secs()))
            }
            Fault::Server { wait, .. } => {
                format!("server {:?}", wait.map(|wait| wait.as_secs()))
            }
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn an_answer_is_judged_by_status_headers_and_message_together() {
        const EMPTY: (&str, &str) = ("x-ratelimit-remaining", "0");
        const RESET: (&str, &str) = ("x-ratelimit-reset", "784111787");
        const DATE: (&str, &str) = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        let permission = "Resource not accessible by personal access token";
        let secondary = "You have exceeded a secondary rate limit. Please wait";
        type Case<'a> = (u16, &'a [(&'static str, &'static str)], &'a str, &'a str);
        let cases: &[Case<'_>] = &[
            (401, &[], "Bad credentials", "unauthorized"),
            (401, &[EMPTY], "Bad credentials", "unauthorized"),
            (403, &[], permission, "forbidden"),
            (403, &[EMPTY, RESET, DATE], permission, "forbidden"),
            (403, &[EMPTY, RESET, DATE], "API rate limit exceeded for user ID 1.", "limited Some(11)"),
            (403, &[EMPTY, RESET], "API rate limit exceeded", "limited None"),
            (403, &[EMPTY, RESET, DATE], "no message", "limited Some(11)"),
            (403, &[], "no message", "forbidden"),
            (403, &[("retry-after", "7")], secondary, "limited Some(7)"),
            (403, &[("retry-after", "soon")], secondary, "limited None"),
            (403, &[], secondary, "limited None"),
            (404, &[EMPTY], "Not Found", "not found"),
            (408, &[], "", "server None"),
            (409, &[], "Already exists", "conflict"),
            (422, &[], "Invalid", "invalid"),
            (422, &[], "Invalid Argument - Runner group 1 has reached max limit of 10000 runners.", "full"),
            (400, &[], "Bad version", "invalid"),
            (429, &[], "", "limited None"),
            (429, &[("retry-after", "2"), EMPTY, RESET, DATE], "", "limited Some(2)"),
            (500, &[], "", "server None"),
            (503, &[("retry-after", "3")], "", "server Some(3)"),
        ];
        for (status, pairs, message, expected) in cases {
            let fault = judge(*status, &headers(pairs), message);
            assert_eq!(name_of(&fault), *expected, "{status} {pairs:?} {message}");
        }
    }

    #[test]
    fn a_complaint_is_githubs_message_with_its_details_or_the_raw_body() {
        let cases: [(&[u8], &str); 5] = [
            (br#"{"message":"Not Found"}"#, "Not Found"),
            (br#"{"message":"Bad","errors":["a",{"message":"b"},{"code":1}]}"#, r#"Bad (a; b; {"code":1})"#),
            (b"<html>502</html>\n", "<html>502</html>"),
            (b"", "no message"),
            (br#"{"unrelated":1}"#, r#"{"unrelated":1}"#),
        ];
        for (body, expected) in cases {
            assert_eq!(complaint(body), expected);
        }
    }

    #[test]
    fn dates_of_servers_are_read_exactly() {
        let cases = [
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
            ("Thu, 29 Feb 2024 23:59:59 GMT", Some(1_709_251_199)),
            ("Sunday, 06-Nov-94 08:49:37 GMT", None),
            ("Sun, 06 Nov 1994 08:49 GMT", None),
            ("Sun, 06 Nov 1969 08:49:37 GMT", None),
            ("", None),
        ];
        for (date, expected) in cases {
            assert_eq!(http_date(date), expected, "{date}");
        }
    }

    #[test]
    fn the_next_page_is_the_link_marked_next() {
        let link = r#"<https://h/a?page=1>; rel="prev", <https://h/a?page=3>; rel="next""#;
        let mut map = HeaderMap::new();
        assert_eq!(next_page(&map), None);
        map.insert("link", HeaderValue::from_static(r#"<https://h/a>; rel="last""#));
        assert_eq!(next_page(&map), None);
        map.insert("link", HeaderValue::from_str(link).unwrap());
        assert_eq!(next_page(&map), Some("https://h/a?page=3"));
    }
}
