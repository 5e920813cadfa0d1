//! Protection of an ECS task from scale-in and deployments (`PUT {ECS_AGENT_URI}/task-protection/v1/state`).
//!
//! Answers are those of amazon-ecs-agent, `ecs-agent/tmds/handlers/taskprotection/v1`, which passes on ECS's own.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use super::ask::{self, Answer};

/// One try. The agent itself gives ECS 4 s, and its answer to that is worth having.
const ANSWER: Duration = Duration::from_secs(6);

/// What ECS accepts, in minutes.
const MINUTES: std::ops::RangeInclusive<u32> = 1..=2880;

/// Codes that pass although their status is 400: that is how AWS's JSON protocol answers them.
const PASSING: [&str; 5] =
    ["ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded", "ExpiredTokenException"];

const ROLE: &str =
    "hint: give the task definition a taskRoleArn whose policy allows ecs:UpdateTaskProtection, or set ECS_TASK_PROTECTION=no";
const AGENT: &str = "hint: ECS sets ECS_AGENT_URI itself; elsewhere it must not be set";

/// What became of a wish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Protection {
    /// ECS stops this task for no scale-in and no deployment.
    Set {
        /// When that ends, as ECS writes it (RFC 3339).
        until: Option<String>,
    },
    /// ECS may stop this task.
    Cleared,
    /// This task cannot be protected, and asking again changes nothing. A sentence, mostly with a hint.
    NotApplicable(String),
    /// It did not work and may later. A sentence.
    Failed(String),
}

/// Turns protection on for `minutes` (1 to 2880, counted from now each time) or off. Repeats what may pass within `budget`; repeating
/// is harmless.
pub(crate) async fn protect(agent_base: &str, minutes: u32, on: bool, budget: Duration) -> Protection {
    let ends = Instant::now() + budget;
    let host = ask::origin(agent_base);
    let url = format!("{}/task-protection/v1/state", agent_base.trim_end_matches('/'));
    let client = match ask::client() {
        Ok(client) => client,
        Err(problem) => return Protection::Failed(problem),
    };
    let wish = Wish { protection_enabled: on, expires_in_minutes: on.then(|| minutes.clamp(*MINUTES.start(), *MINUTES.end())) };
    let mut failures = 0;
    loop {
        let limit = ANSWER.min(ends.saturating_duration_since(Instant::now()));
        let problem = match ask::send(client.put(&url).json(&wish), limit).await.map(|answer| judge(&answer, on)) {
            Ok(Protection::Failed(problem)) => problem,
            Ok(settled) => return settled,
            Err(problem) => format!("task protection: the ECS agent at {host}: {problem}"),
        };
        failures += 1;
        let pause = ask::pause(failures);
        if Instant::now() + pause >= ends {
            return Protection::Failed(problem);
        }
        sleep(pause).await;
    }
}

/// The agent refuses every field that it does not know.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Wish {
    protection_enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_in_minutes: Option<u32>,
}

/// One of the three.
#[derive(Deserialize)]
struct Reply {
    protection: Option<State>,
    failure: Option<Failure>,
    error: Option<Fault>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct State {
    expiration_date: Option<String>,
    protection_enabled: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Failure {
    reason: String,
    detail: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Fault {
    code: String,
    message: String,
}

fn judge(answer: &Answer, on: bool) -> Protection {
    match serde_json::from_slice(&answer.body) {
        Ok(Reply { protection: Some(state), .. }) => match state.protection_enabled {
            true if on => Protection::Set { until: state.expiration_date.map(|date| ask::printable(&date)) },
            false if !on => Protection::Cleared,
            _ => Protection::Failed(format!("task protection: ECS was asked for {on} and answered {}", !on)),
        },
        Ok(Reply { failure: Some(failure), .. }) => failed(&failure),
        Ok(Reply { error: Some(fault), .. }) => faulty(answer, &fault),
        _ if answer.passes() || answer.status == 200 => {
            Protection::Failed(format!("task protection: the ECS agent answers {}", answer.told()))
        }
        _ => Protection::NotApplicable(format!("task protection: the ECS agent answers {}\n{AGENT}", answer.told())),
    }
}

/// Comes with status 200: the call was right and its one task was not.
fn failed(failure: &Failure) -> Protection {
    if failure.reason == "TASK_NOT_VALID" {
        return Protection::NotApplicable(
            "task protection: this task belongs to no service (TASK_NOT_VALID), so nothing scales it in and there is nothing to protect from".to_owned(),
        );
    }
    let detail = failure.detail.as_deref().unwrap_or("no detail");
    Protection::Failed(format!("task protection: ECS answers {}: {}", ask::printable(&failure.reason), ask::printable(detail)))
}

fn faulty(answer: &Answer, fault: &Fault) -> Protection {
    let code = fault.code.as_str();
    let said = format!("task protection: {} {}: {}", answer.status, ask::printable(code), ask::printable(&fault.message));
    if answer.passes() || PASSING.contains(&code) {
        Protection::Failed(said)
    } else if answer.status == 403 || code.starts_with("AccessDenied") {
        Protection::NotApplicable(format!("{said}\n{ROLE}"))
    } else if answer.status == 404 {
        Protection::NotApplicable(format!("{said}\n{AGENT}"))
    } else {
        Protection::NotApplicable(said)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::stand_in::{Server, answer, run};

    const SET: &str = r#"{"protection":{"ExpirationDate":"2026-11-21T17:00:00Z","ProtectionEnabled":true,"TaskArn":"arn:t"}}"#;
    const CLEARED: &str = r#"{"protection":{"ExpirationDate":null,"ProtectionEnabled":false,"TaskArn":"arn:t"}}"#;

    fn error(code: &str, message: &str) -> String {
        format!(r#"{{"requestID":"12","error":{{"Arn":"arn:t","Code":"{code}","Message":"{message}"}}}}"#)
    }

    fn failure(reason: &str) -> String {
        format!(r#"{{"failure":{{"Arn":"arn:t","Detail":null,"Reason":"{reason}"}}}}"#)
    }

    fn judged(status: u16, body: &str, on: bool) -> Protection {
        judge(&Answer { status, date: None, body: body.as_bytes().to_vec() }, on)
    }

    #[test]
    fn a_granted_wish_is_set_or_cleared() {
        assert_eq!(judged(200, SET, true), Protection::Set { until: Some("2026-11-21T17:00:00Z".into()) });
        assert_eq!(judged(200, CLEARED, false), Protection::Cleared);
        assert_eq!(judged(200, r#"{"protection":{"ProtectionEnabled":true}}"#, true), Protection::Set { until: None });
        assert!(matches!(judged(200, SET, false), Protection::Failed(_)));
        assert!(matches!(judged(200, CLEARED, true), Protection::Failed(_)));
    }

    #[test]
    fn every_refusal_of_the_agent_is_either_final_with_what_to_do_or_may_pass() {
        let no_role = error("AccessDeniedException", "Invalid Request: no task IAM role credentials available for task");
        for (status, body, expected, hint) in [
            (200, failure("TASK_NOT_VALID"), "belongs to no service", ""),
            (403, no_role, "no task IAM role", ROLE),
            (400, error("AccessDeniedException", "not authorized to perform: ecs:UpdateTaskProtection"), "400 AccessDenied", ROLE),
            (404, error("ResourceNotFoundException", "Failed to find a task for the request"), "404 Resource", AGENT),
            (404, "404 page not found\n".to_owned(), "answers 404: 404 page not found", AGENT),
            (400, error("InvalidParameterException", "failed to decode request"), "400 InvalidParameterException", ""),
            (400, error("UnsupportedFeatureException", "no"), "400 Unsupported", ""),
        ] {
            let Protection::NotApplicable(said) = judged(status, &body, true) else { panic!("{status} {body} is final") };
            assert!(said.starts_with("task protection: ") && said.contains(expected) && said.ends_with(hint), "{said}");
        }
        for (status, body, expected) in [
            (200, failure("DEPLOYMENT_BLOCKED"), "ECS answers DEPLOYMENT_BLOCKED: no detail"),
            (400, error("ThrottlingException", "Rate exceeded"), "400 ThrottlingException: Rate exceeded"),
            (400, error("ExpiredTokenException", "expired"), "400 ExpiredTokenException"),
            (500, error("ServerException", "Unexpected error occurred"), "500 ServerException"),
            (504, error("RequestCanceled", "Timed out calling ECS Task Protection API"), "504 RequestCanceled"),
            (503, error("AccessDenied", "an outage of IAM"), "503 AccessDenied"),
            (429, String::new(), "answers 429"),
            (502, "<html>".to_owned(), "answers 502: <html>"),
            (200, "{}".to_owned(), "answers 200: {}"),
            (200, "junk\n".to_owned(), "answers 200: junk"),
        ] {
            let Protection::Failed(said) = judged(status, &body, true) else { panic!("{status} {body} may pass") };
            assert!(said.starts_with("task protection: ") && said.contains(expected), "{said}");
        }
    }

    #[test]
    fn the_question_has_exactly_the_fields_that_the_agent_knows() {
        run(async {
            let server = Server::start([answer("200 OK", "", SET), answer("200 OK", "", SET), answer("200 OK", "", CLEARED)]).await;
            let agent = format!("{}/api/0f3a-1", server.base());
            for (minutes, on) in [(90, true), (99_999, true), (90, false)] {
                let answered = protect(&agent, minutes, on, Duration::from_secs(60)).await;
                assert!(matches!(answered, Protection::Set { .. } | Protection::Cleared), "{answered:?}");
            }
            assert_eq!(server.lines(), vec!["PUT /api/0f3a-1/task-protection/v1/state HTTP/1.1"; 3]);
            let bodies: Vec<String> = server.requests().iter().map(|request| request.body.clone()).collect();
            assert_eq!(
                bodies,
                [
                    r#"{"ProtectionEnabled":true,"ExpiresInMinutes":90}"#,
                    r#"{"ProtectionEnabled":true,"ExpiresInMinutes":2880}"#,
                    r#"{"ProtectionEnabled":false}"#
                ]
            );
        });
    }

    #[test]
    fn what_may_pass_is_tried_again_and_what_is_final_is_not() {
        run(async {
            let throttled = answer("400 Bad Request", "", &error("ThrottlingException", "Rate exceeded"));
            let server = Server::start([throttled, String::new(), answer("200 OK", "", SET)]).await;
            assert!(matches!(protect(&server.base(), 1, true, Duration::from_secs(60)).await, Protection::Set { .. }));
            assert_eq!(server.lines().len(), 3);

            let standalone = Server::start([answer("200 OK", "", &failure("TASK_NOT_VALID"))]).await;
            assert!(matches!(protect(&standalone.base(), 1, true, Duration::from_secs(60)).await, Protection::NotApplicable(_)));
            assert_eq!(standalone.lines().len(), 1);

            let Protection::Failed(said) = protect("http://127.0.0.1:1/api/x", 1, true, Duration::from_millis(1)).await else {
                panic!("nobody is there")
            };
            assert!(said.contains("http://127.0.0.1:1: "), "{said}");
        });
    }

    #[test]
    fn an_outcome_passes_through_json_unchanged() {
        for outcome in [
            Protection::Set { until: None },
            Protection::Cleared,
            Protection::NotApplicable("no".into()),
            Protection::Failed("later".into()),
        ] {
            let text = serde_json::to_string(&outcome).unwrap();
            assert_eq!(serde_json::from_str::<Protection>(&text).unwrap(), outcome);
        }
    }
}
