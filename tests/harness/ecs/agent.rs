//! What the ECS agent answers to a container of one task (amazon-ecs-agent, `ecs-agent/tmds/handlers`), and ECS behind it.

use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde_json::{Value, json};

use super::Put;
use super::server::{Answer, Asked, Shared, World, random_hex};

const ACCOUNT: &str = "arn:aws:ecs:eu-central-1:111122223333";
const CLUSTER: &str = "runners";

/// Protection without a number of minutes.
const DEFAULT_MINUTES: i64 = 120;

pub(super) fn answer(world: &mut World, shared: &Shared, asked: &Asked) -> Answer {
    let parts: Vec<&str> = asked.path.trim_start_matches('/').splitn(3, '/').collect();
    let rest = parts.get(2).copied().unwrap_or("");
    let known = parts.get(1).is_some_and(|&id| id == shared.container);
    match (asked.method.as_str(), parts[0], rest) {
        ("GET", "v4", "" | "task") if !known => {
            json_answer(404, &json!("V4 task metadata handler: unable to get task arn from request: unable to get v3 endpoint ID"))
        }
        ("GET", "v4", "") => json_answer(200, &container(shared)),
        ("GET", "v4", "task") => json_answer(200, &task(world, shared)),
        ("GET" | "PUT", "api", "task-protection/v1/state") => protection(world, shared, asked, known),
        _ => Answer { status: 404, content_type: "text/plain; charset=utf-8", body: "404 page not found\n".into() },
    }
}

fn json_answer(status: u16, body: &Value) -> Answer {
    Answer { status, content_type: "application/json", body: body.to_string() }
}

fn arn(shared: &Shared) -> String {
    format!("{ACCOUNT}:task/{CLUSTER}/{}", shared.task)
}

fn container(shared: &Shared) -> Value {
    json!({
        "DockerId": format!("{}{}", shared.task, shared.task),
        "Name": "runner",
        "DockerName": format!("ecs-runner-pair-7-runner-{}", &shared.task[..20]),
        "Image": "runner:1",
        "ImageID": "sha256:0",
        "Labels": {
            "com.amazonaws.ecs.cluster": CLUSTER,
            "com.amazonaws.ecs.container-name": "runner",
            "com.amazonaws.ecs.task-arn": arn(shared),
            "com.amazonaws.ecs.task-definition-family": "runner-pair",
            "com.amazonaws.ecs.task-definition-version": "7",
        },
        "DesiredStatus": "RUNNING",
        "KnownStatus": "RUNNING",
        "Limits": {"CPU": 2048, "Memory": 8192},
        "Type": "NORMAL",
        "ContainerARN": format!("{ACCOUNT}:container/{CLUSTER}/{}/0206b271-b33f-47ab-86c6-a0ba208a70a9", shared.task),
        "Networks": [],
    })
}

/// Fields that have nothing to say are left out.
fn task(world: &World, shared: &Shared) -> Value {
    let mut task = json!({
        "Cluster": CLUSTER,
        "TaskARN": arn(shared),
        "Family": "runner-pair",
        "Revision": "7",
        "DesiredStatus": "RUNNING",
        "KnownStatus": "RUNNING",
        "Limits": {"CPU": 4, "Memory": 16384},
        "PullStartedAt": "2026-11-21T14:59:50.000000000Z",
        "PullStoppedAt": "2026-11-21T14:59:58.000000000Z",
        "AvailabilityZone": "eu-central-1a",
        "VPCID": "vpc-0123456789abcdef0",
        "LaunchType": "EC2",
        "Containers": [container(shared)],
        "FaultInjectionEnabled": false,
    });
    if let Some(service) = &world.rules.service {
        task["ServiceName"] = json!(service);
    }
    task
}

/// What a container may say. The agent refuses every other field.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Wish {
    protection_enabled: Option<bool>,
    expires_in_minutes: Option<i64>,
}

/// In the order of the agent: form, container, form again, role, ECS.
fn protection(world: &mut World, shared: &Shared, asked: &Asked, known: bool) -> Answer {
    let arn = arn(shared);
    let wish = match (asked.method.as_str(), serde_json::from_slice::<Wish>(&asked.body)) {
        ("GET", _) => None,
        (_, Ok(wish)) => Some(wish),
        (_, Err(_)) => return error(400, "", "InvalidParameterException", "UpdateTaskProtection: failed to decode request"),
    };
    if !known {
        return error(404, "", "ResourceNotFoundException", "Failed to find a task for the request");
    }
    let Some(wish) = wish else { return ecs(world, &arn, |world| granted(world, &arn)).0 };
    let Some(enabled) = wish.protection_enabled else {
        return error(400, &arn, "InvalidParameterException", "Invalid request: does not contain 'ProtectionEnabled' field");
    };
    let minutes = wish.expires_in_minutes;
    let (answer, done) = ecs(world, &arn, |world| {
        let span = minutes.unwrap_or(DEFAULT_MINUTES);
        let Some(span) = u64::try_from(span).ok().filter(|span| (1..=2880).contains(span)) else {
            return error_of_ecs(&arn, "InvalidParameterException", "expiresInMinutes must be between 1 and 2880 minutes");
        };
        world.protection_ends = enabled.then(|| SystemTime::now() + Duration::from_secs(span * 60));
        granted(world, &arn)
    });
    let granted = done && answer.status == 200;
    world.protections.push(Put { enabled, minutes, at: asked.at, status: answer.status, granted });
    answer
}

/// What comes before ECS does what it is asked for, and whether it came to that.
fn ecs(world: &mut World, arn: &str, act: impl FnOnce(&mut World) -> Answer) -> (Answer, bool) {
    if !world.rules.task_role {
        let message = "Invalid Request: no task IAM role credentials available for task";
        return (error(403, arn, "AccessDeniedException", message), false);
    }
    if world.rules.throttled > 0 {
        world.rules.throttled -= 1;
        return (error_of_ecs(arn, "ThrottlingException", "Rate exceeded"), false);
    }
    if world.rules.service.is_none() {
        return (json_answer(200, &json!({"failure": {"Arn": arn, "Detail": null, "Reason": "TASK_NOT_VALID"}})), false);
    }
    (act(world), true)
}

fn granted(world: &World, arn: &str) -> Answer {
    let end = world.protected_until();
    let date = end.map(|end| humantime::format_rfc3339_seconds(end).to_string());
    json_answer(200, &json!({"protection": {"ExpirationDate": date, "ProtectionEnabled": end.is_some(), "TaskArn": arn}}))
}

/// The agent's own.
fn error(status: u16, arn: &str, code: &str, message: &str) -> Answer {
    let mut error = json!({"Code": code, "Message": message});
    if !arn.is_empty() {
        error["Arn"] = json!(arn);
    }
    json_answer(status, &json!({"error": error}))
}

/// One that the agent passes on: AWS's JSON protocol knows only 400 for what the caller did.
fn error_of_ecs(arn: &str, code: &str, message: &str) -> Answer {
    let request = random_hex();
    json_answer(400, &json!({"requestID": request, "error": {"Arn": arn, "Code": code, "Message": message}}))
}
