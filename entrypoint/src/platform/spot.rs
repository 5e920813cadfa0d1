//! EC2's notice that a spot instance is taken away, from instance metadata (IMDSv2). EC2 writes it about two minutes ahead.
//!
//! The ECS agent reads the same notice but only drains the instance, which stops the tasks of services; a task started by `RunTask`
//! gets no signal and is gone with the machine (ECS developer guide, "Amazon ECS container instance draining").

use std::time::{Duration, SystemTime};

use reqwest::{Client, header::HeaderValue};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use super::ask;

/// One try. The service answers in milliseconds; behind too small a hop limit it never does.
const ANSWER: Duration = Duration::from_secs(2);

/// How often in a row it may fail before it was ever reached.
const TRIES: u32 = 3;

/// The longest that EC2 gives a token. A token that ends earlier is renewed when the service says so.
const TOKEN_SECONDS: &str = "21600";

/// What EC2 promises, for a notice whose time cannot be read.
const PROMISED: u64 = 120;

const HINT: &str = "hint: from a container the instance needs HttpPutResponseHopLimit 2 and metadata that is not blocked \
    (ECS_AWSVPC_BLOCK_IMDS, a firewall); there is none on Fargate. Unset SPOT_NOTICE to do without";

/// How the watch ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Notice {
    /// The instance will be taken away.
    Ends {
        /// `terminate`, `stop` or `hibernate`.
        action: String,
        /// When, as EC2 writes it (RFC 3339).
        at: String,
        /// From the answer to `at`.
        seconds_left: u64,
    },
    /// Nobody answers: there will be no notice. A sentence with a hint.
    Unreachable(String),
}

/// Looks every `pause` until there is a notice. Once the service was reached its failures are waited out: an instance that is about
/// to go must not be missed for one lost answer.
///
/// Rebalance recommendations (`events/recommendations/rebalance`) are not looked at, on purpose: they come at any time without an end,
/// often with no interruption after them, and what they ask for (a new instance first) is not a runner's to do. A runner that took them
/// for a notice would give up jobs that could have ended.
pub(crate) async fn spot_notice(base: &str, pause: Duration) -> Notice {
    let base = base.trim_end_matches('/');
    let client = match ask::client() {
        Ok(client) => client,
        Err(problem) => return Notice::Unreachable(format!("spot notice: {problem}")),
    };
    let mut token = None;
    let mut failures = 0;
    loop {
        match look(&client, base, &mut token).await {
            Ok(Some(notice)) => return notice,
            // From here on no count is kept.
            Ok(None) => failures = u32::MAX,
            Err(_) if failures == u32::MAX => {}
            Err(problem) => {
                failures += 1;
                if failures == TRIES {
                    return Notice::Unreachable(format!("spot notice: instance metadata at {}: {problem}\n{HINT}", ask::origin(base)));
                }
            }
        }
        sleep(pause).await;
    }
}

async fn look(client: &Client, base: &str, token: &mut Option<HeaderValue>) -> Result<Option<Notice>, String> {
    // Twice: a token that is no longer good is found out by using it.
    for _ in 0..2 {
        let good = match token.take() {
            Some(token) => token,
            None => new_token(client, base).await?,
        };
        let request = client.get(format!("{base}/latest/meta-data/spot/instance-action")).header("X-aws-ec2-metadata-token", good.clone());
        let answer = ask::send(request, ANSWER).await;
        if answer.as_ref().is_ok_and(|answer| answer.status == 401) {
            continue;
        }
        *token = Some(good);
        let answer = answer?;
        return match answer.status {
            404 => Ok(None),
            200 => read(&answer.body, now(answer.date.as_deref())).map(Some),
            _ => Err(format!("it answers {}", answer.told())),
        };
    }
    Err("it refuses the token that it just gave".to_owned())
}

async fn new_token(client: &Client, base: &str) -> Result<HeaderValue, String> {
    let request = client.put(format!("{base}/latest/api/token")).header("X-aws-ec2-metadata-token-ttl-seconds", TOKEN_SECONDS);
    let answer = ask::send(request, ANSWER).await?;
    let token = String::from_utf8_lossy(&answer.body);
    let token = HeaderValue::from_str(token.trim()).ok().filter(|token| answer.status == 200 && !token.is_empty());
    let mut token = token.ok_or_else(|| format!("it answers {} where it should give a token", answer.status))?;
    token.set_sensitive(true);
    Ok(token)
}

#[derive(Deserialize)]
struct Wire {
    action: String,
    time: String,
}

fn read(body: &[u8], now: SystemTime) -> Result<Notice, String> {
    let wire: Wire = serde_json::from_slice(body)
        .map_err(|error| format!("its notice is not the expected JSON: {}", ask::printable(&error.to_string())))?;
    let end = humantime::parse_rfc3339(wire.time.trim()).ok();
    // A time that is over leaves nothing.
    let seconds_left = end.map_or(PROMISED, |end| end.duration_since(now).unwrap_or_default().as_secs());
    Ok(Notice::Ends { action: ask::printable(&wire.action), at: ask::printable(&wire.time), seconds_left })
}

/// The service's own clock, which is the one that its notice was written by.
fn now(date: Option<&str>) -> SystemTime {
    #[expect(clippy::disallowed_methods, reason = "for an answer without a date; nothing but this notice is measured by it")]
    date.and_then(http_date).unwrap_or_else(SystemTime::now)
}

/// The one form of RFC 9110 that is still written: `Sat, 21 Nov 2026 15:00:00 GMT`.
fn http_date(text: &str) -> Option<SystemTime> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let words: Vec<&str> = text.split(' ').collect();
    let &[_, day, month, year, time, "GMT"] = words.as_slice() else { return None };
    let month = MONTHS.iter().position(|&name| name == month)? + 1;
    humantime::parse_rfc3339(&format!("{year}-{month:02}-{day}T{time}Z")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::stand_in::{Server, answer, run};

    const SOON: Duration = Duration::from_millis(1);
    const NOTICE: &str = r#"{"action":"terminate","time":"2026-11-21T15:02:00Z"}"#;
    const DATE: &str = "date: Sat, 21 Nov 2026 15:00:04 GMT\r\n";

    fn token(text: &str) -> String {
        answer("200 OK", "", text)
    }

    fn ends(seconds_left: u64) -> Notice {
        Notice::Ends { action: "terminate".into(), at: "2026-11-21T15:02:00Z".into(), seconds_left }
    }

    #[test]
    fn a_notice_is_found_with_one_token_and_measured_by_the_clock_of_its_answer() {
        run(async {
            let none = || answer("404 Not Found", "", "");
            let server = Server::start([token("t-1"), none(), none(), answer("200 OK", DATE, NOTICE)]).await;
            assert_eq!(spot_notice(&server.base(), SOON).await, ends(116));
            let look = "GET /latest/meta-data/spot/instance-action HTTP/1.1";
            assert_eq!(server.lines(), ["PUT /latest/api/token HTTP/1.1", look, look, look]);
            let requests = server.requests();
            assert!(requests[0].head.contains("x-aws-ec2-metadata-token-ttl-seconds: 21600"));
            assert!(requests[1..].iter().all(|request| request.head.contains("x-aws-ec2-metadata-token: t-1")));
        });
    }

    #[test]
    fn a_token_that_is_over_is_renewed_and_an_outage_is_waited_out() {
        run(async {
            let server = Server::start([
                token("t-1"),
                answer("404 Not Found", "", ""),
                answer("401 Unauthorized", "", ""),
                token("t-2"),
                answer("500 Oops", "", ""),
                String::new(),
                answer("503 Oops", "", ""),
                answer("200 OK", "", "junk"),
                answer("200 OK", DATE, NOTICE),
            ])
            .await;
            assert_eq!(spot_notice(&server.base(), SOON).await, ends(116));
            let verbs: String = server.lines().iter().map(|line| &line[..1]).collect();
            assert_eq!(verbs, "PGGPGGGGG");
            assert!(server.requests()[4..].iter().all(|request| request.head.contains("x-aws-ec2-metadata-token: t-2")));
        });
    }

    #[test]
    fn a_service_that_was_never_reached_is_given_up_with_a_hint() {
        for (answers, expected) in [
            (vec![answer("403 Forbidden", "", "")], "it answers 403 where it should give a token"),
            (vec![token("")], "it answers 200 where it should give a token"),
            (vec![token("t"), answer("401 Unauthorized", "", "")], "it refuses the token"),
            (vec![String::new()], "http://127.0.0.1"),
        ] {
            run(async {
                // The last answer is repeated for ever; a refused token is asked for anew each time.
                let answers: Vec<String> = if answers.len() == 2 { answers.iter().cycle().take(12).cloned().collect() } else { answers };
                let server = Server::start(answers).await;
                let Notice::Unreachable(said) = spot_notice(&server.base(), SOON).await else { panic!("there is no notice") };
                assert!(said.contains(expected) && said.ends_with(HINT), "{said}");
            });
        }
        let Notice::Unreachable(said) = run(spot_notice("http://127.0.0.1:1", SOON)) else { panic!("there is nobody") };
        assert!(said.contains("refused"), "{said}");
    }

    #[test]
    fn every_notice_says_how_long_there_is() {
        let now = http_date("Sat, 21 Nov 2026 15:00:00 GMT").unwrap();
        let left = |time: &str| match read(format!(r#"{{"action":"stop","time":"{time}","more":1}}"#).as_bytes(), now) {
            Ok(Notice::Ends { seconds_left, .. }) => seconds_left,
            other => panic!("{other:?}"),
        };
        assert_eq!(left("2026-11-21T15:02:00Z"), 120);
        assert_eq!(left("2026-11-21T14:00:00Z"), 0);
        assert_eq!(left("soon"), PROMISED);
        assert!(read(b"{}", now).unwrap_err().contains("missing field `action`"));
    }

    #[test]
    fn only_the_usual_form_of_a_date_is_understood() {
        let read = |text| http_date(text).map(|time| humantime::format_rfc3339_seconds(time).to_string());
        assert_eq!(read("Sat, 21 Nov 2026 15:00:04 GMT").as_deref(), Some("2026-11-21T15:00:04Z"));
        assert_eq!(read("Thu, 01 Jan 1970 00:00:00 GMT").as_deref(), Some("1970-01-01T00:00:00Z"));
        for wrong in
            ["", "2026-11-21T15:00:04Z", "Sat, 21 Now 2026 15:00:04 GMT", "Sat Nov 21 15:00:04 2026", "Sat, 21 Nov 2026 15:00:04 CET"]
        {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_notice_passes_through_json_unchanged() {
        for notice in [ends(7), Notice::Unreachable("no".into())] {
            let text = serde_json::to_string(&notice).unwrap();
            assert_eq!(serde_json::from_str::<Notice>(&text).unwrap(), notice);
        }
    }
}
