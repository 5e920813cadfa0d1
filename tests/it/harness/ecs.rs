//! The ECS stand-in's rules, seen by a raw client.

use std::time::{Duration, SystemTime};

use runner_tests::ecs::{Ecs, Rules};
use runner_tests::http::{Answer, Request};
use serde_json::{Value, json};

const TOKEN: &str = "X-aws-ec2-metadata-token";
const SPAN: &str = "X-aws-ec2-metadata-token-ttl-seconds";

fn get(url: &str) -> Answer {
    Request::new("GET", url).send().unwrap()
}

fn protect(ecs: &Ecs, body: &Value) -> Answer {
    Request::new("PUT", format!("{}/task-protection/v1/state", ecs.agent_uri())).json(body).send().unwrap()
}

fn service() -> Rules {
    Rules::service("runners-x64")
}

#[test]
fn the_task_has_the_shape_that_the_agent_gives_it() {
    let ecs = Ecs::start(service());
    let task = get(&format!("{}/task", ecs.metadata_uri())).json();
    assert_eq!(task["TaskARN"], format!("arn:aws:ecs:eu-central-1:111122223333:task/runners/{}", ecs.task_id()));
    assert_eq!((&task["Cluster"], &task["Family"], &task["Revision"]), (&json!("runners"), &json!("runner-pair"), &json!("7")));
    assert_eq!((&task["ServiceName"], &task["LaunchType"]), (&json!("runners-x64"), &json!("EC2")));
    assert_eq!(get(&ecs.metadata_uri()).json()["Name"], "runner");
    assert_eq!(get(&ecs.metadata_uri().replace("/v4/", "/v4/x")).status, 404);

    let alone = Ecs::start(Rules::standalone());
    let task = get(&format!("{}/task", alone.metadata_uri())).json();
    assert!(task.get("ServiceName").is_none(), "{task}");
    assert_ne!(alone.metadata_uri(), ecs.metadata_uri());
}

#[test]
fn protection_goes_on_for_the_minutes_that_were_asked_for_and_off() {
    let ecs = Ecs::start(service());
    let on = protect(&ecs, &json!({"ProtectionEnabled": true, "ExpiresInMinutes": 90})).json();
    assert_eq!(on["protection"]["ProtectionEnabled"], true);
    let end = humantime::parse_rfc3339(on["protection"]["ExpirationDate"].as_str().unwrap()).unwrap();
    let minutes = end.duration_since(SystemTime::now()).unwrap().as_secs() / 60;
    assert!((85..=90).contains(&minutes), "{minutes}");
    assert!(ecs.protected_until().is_some());
    assert_eq!(get(&format!("{}/task-protection/v1/state", ecs.agent_uri())).json(), on);

    let off = protect(&ecs, &json!({"ProtectionEnabled": false})).json();
    assert_eq!((&off["protection"]["ProtectionEnabled"], &off["protection"]["ExpirationDate"]), (&json!(false), &Value::Null));
    assert_eq!(ecs.protected_until(), None);
    let seen: Vec<_> = ecs.protections().into_iter().map(|put| (put.enabled, put.minutes, put.status, put.granted)).collect();
    assert_eq!(seen, [(true, Some(90), 200, true), (false, None, 200, true)]);
}

#[test]
fn what_the_agent_refuses_is_refused_with_its_code() {
    let wish = json!({"ProtectionEnabled": true});
    for (rules, body, status, code) in [
        (service(), json!({"ProtectionEnabled": true, "Minutes": 5}), 400, "InvalidParameterException"),
        (service(), json!({"ProtectionEnabled": "yes"}), 400, "InvalidParameterException"),
        (service(), json!({"ExpiresInMinutes": 5}), 400, "InvalidParameterException"),
        (service(), json!({"ProtectionEnabled": true, "ExpiresInMinutes": 2881}), 400, "InvalidParameterException"),
        (service(), json!({"ProtectionEnabled": true, "ExpiresInMinutes": 0}), 400, "InvalidParameterException"),
        (service().without_task_role(), wish.clone(), 403, "AccessDeniedException"),
        (service().throttled(1), wish.clone(), 400, "ThrottlingException"),
    ] {
        let ecs = Ecs::start(rules);
        let answer = protect(&ecs, &body);
        assert_eq!((answer.status, answer.json()["error"]["Code"].as_str()), (status, Some(code)), "{body}");
        assert_eq!(ecs.protected_until(), None);
        assert!(!ecs.protections().iter().any(|put| put.granted));
    }
    let ecs = Ecs::start(service());
    let stranger = ecs.agent_uri() + "0/task-protection/v1/state";
    let answer = Request::new("PUT", stranger).json(&wish).send().unwrap();
    assert_eq!((answer.status, answer.json()["error"]["Code"].as_str()), (404, Some("ResourceNotFoundException")));
}

#[test]
fn a_standalone_task_is_told_so_with_status_200() {
    let ecs = Ecs::start(Rules::standalone());
    let answer = protect(&ecs, &json!({"ProtectionEnabled": true}));
    assert_eq!((answer.status, answer.json()["failure"]["Reason"].as_str()), (200, Some("TASK_NOT_VALID")));
    assert!(!ecs.protections()[0].granted);
}

#[test]
fn throttling_and_a_late_start_pass() {
    let ecs = Ecs::start(service().throttled(2).late(1));
    let statuses: Vec<u16> = (0..4).map(|_| protect(&ecs, &json!({"ProtectionEnabled": true})).status).collect();
    assert_eq!(statuses, [500, 400, 400, 200]);
    assert_eq!(ecs.requests().iter().map(|seen| seen.status).collect::<Vec<_>>(), statuses);
}

#[test]
fn every_answer_takes_its_latency() {
    let latency = Duration::from_millis(40);
    let ecs = Ecs::start(service().latency(latency));
    assert_eq!(get(&ecs.metadata_uri()).status, 200);
    assert!(ecs.age() - ecs.requests()[0].at >= latency);
}

#[test]
fn instance_metadata_wants_a_token_and_tells_of_an_end_that_was_announced() {
    let ecs = Ecs::start(service());
    let base = ecs.instance_metadata_url();
    let action = format!("{base}/latest/meta-data/spot/instance-action");
    let token_for = |seconds: &str| Request::new("PUT", format!("{base}/latest/api/token")).header(SPAN, seconds).send().unwrap();
    let look = |token: &str| Request::new("GET", &action).header(TOKEN, token).send().unwrap();

    assert_eq!(get(&action).status, 401);
    assert_eq!((token_for("").status, token_for("21601").status), (400, 400));
    let token = token_for("21600").body;
    assert_eq!(look(&token).status, 404);
    ecs.announce_spot(Duration::from_secs(120));
    let notice = look(&token);
    assert_eq!((notice.status, notice.json()["action"].as_str()), (200, Some("terminate")));
    assert!(notice.header("date").is_some_and(|date| date.ends_with(" GMT")));
    let end = humantime::parse_rfc3339(notice.json()["time"].as_str().unwrap()).unwrap();
    assert!(end > SystemTime::now());
    ecs.expire_tokens();
    assert_eq!(look(&token).status, 401);

    let blocked = Ecs::start(service().without_instance_metadata());
    let url = format!("{}/latest/api/token", blocked.instance_metadata_url());
    assert_eq!(Request::new("PUT", url).header(SPAN, "21600").send().unwrap().status, 403);
}
