//! Which ECS task this container belongs to (task metadata endpoint version 4, path `/task`).

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use super::ask;

/// One try. The agent answers from memory.
const ANSWER: Duration = Duration::from_secs(3);

const NOT_ECS: &str = "hint: ECS sets ECS_CONTAINER_METADATA_URI_V4 itself; elsewhere it must not be set";

/// A task as ECS knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Task {
    /// Name of the cluster, also where ECS gives its ARN (Fargate).
    pub(crate) cluster: String,
    /// The last part of the task's ARN.
    pub(crate) id: String,
    /// Family of the task definition.
    pub(crate) family: String,
    /// Revision of the task definition.
    pub(crate) revision: String,
    /// `None` is a task that was started by itself (`RunTask`): no service replaces it, and it cannot be protected.
    pub(crate) service: Option<String>,
    /// Where it runs, such as `eu-central-1a`.
    pub(crate) availability_zone: Option<String>,
    /// `EC2`, `FARGATE` or `EXTERNAL`.
    pub(crate) launch_type: Option<String>,
}

/// Asks for the task of this container, again and again for at most `budget` while nothing answers: the agent may start late.
///
/// # Errors
/// A sentence with a hint: no answer, another answer than ECS gives, or JSON without a task.
pub(crate) async fn task(metadata_base: &str, budget: Duration) -> Result<Task, String> {
    let ends = Instant::now() + budget;
    let host = ask::origin(metadata_base);
    let url = format!("{}/task", metadata_base.trim_end_matches('/'));
    let client = ask::client()?;
    let mut failures = 0;
    loop {
        let limit = ANSWER.min(ends.saturating_duration_since(Instant::now()));
        let problem = match ask::send(client.get(&url), limit).await {
            Ok(answer) if answer.status == 200 => {
                return read(&answer.body)
                    .map_err(|problem| format!("ECS task metadata from {host} cannot be understood: {problem}\n{NOT_ECS}"));
            }
            Ok(answer) if !answer.passes() => {
                return Err(format!("ECS task metadata: {host} answers {}\n{NOT_ECS}", answer.told()));
            }
            Ok(answer) => format!("{host} answers {}", answer.told()),
            Err(problem) => format!("{host}: {problem}"),
        };
        failures += 1;
        let pause = ask::pause(failures);
        if Instant::now() + pause >= ends {
            return Err(format!("no ECS task metadata within {} s: {problem}\n{NOT_ECS}", budget.as_secs()));
        }
        sleep(pause).await;
    }
}

/// The fields that are used, by the names of the agent (amazon-ecs-agent, `tmds/handlers/v2/response.go` and `v4/state/response.go`).
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Wire {
    cluster: String,
    #[serde(rename = "TaskARN")]
    task_arn: String,
    family: String,
    revision: String,
    service_name: Option<String>,
    availability_zone: Option<String>,
    launch_type: Option<String>,
}

fn read(body: &[u8]) -> Result<Task, String> {
    let wire: Wire = serde_json::from_slice(body).map_err(|error| ask::printable(&error.to_string()))?;
    let tail = |arn: &str| arn.rsplit('/').next().unwrap_or_default().to_owned();
    let (cluster, id) = (tail(&wire.cluster), tail(&wire.task_arn));
    if cluster.is_empty() || id.is_empty() {
        return Err("it names no cluster or no task".to_owned());
    }
    let known = |text: Option<String>| text.filter(|text| !text.is_empty());
    Ok(Task {
        cluster,
        id,
        family: wire.family,
        revision: wire.revision,
        service: known(wire.service_name),
        availability_zone: known(wire.availability_zone),
        launch_type: known(wire.launch_type),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::stand_in::{Server, answer, run};

    const ON_EC2: &str = r#"{"Cluster":"runners","TaskARN":"arn:aws:ecs:eu-central-1:111122223333:task/runners/158d1c8083dd49d6b527399fd6414f5c",
        "Family":"runner-pair","Revision":"7","DesiredStatus":"RUNNING","KnownStatus":"RUNNING","Limits":{"CPU":4,"Memory":16384},
        "AvailabilityZone":"eu-central-1a","VPCID":"vpc-1","ServiceName":"runners-x64","LaunchType":"EC2","Containers":[],"FaultInjectionEnabled":false}"#;

    fn on_ec2() -> Task {
        Task {
            cluster: "runners".into(),
            id: "158d1c8083dd49d6b527399fd6414f5c".into(),
            family: "runner-pair".into(),
            revision: "7".into(),
            service: Some("runners-x64".into()),
            availability_zone: Some("eu-central-1a".into()),
            launch_type: Some("EC2".into()),
        }
    }

    #[test]
    fn every_shape_of_a_task_is_read() {
        assert_eq!(read(ON_EC2.as_bytes()), Ok(on_ec2()));
        let on_fargate = ON_EC2.replace(r#""runners","#, r#""arn:aws:ecs:eu-central-1:111122223333:cluster/runners","#);
        assert_eq!(read(on_fargate.as_bytes()), Ok(on_ec2()));
        for standalone in [ON_EC2.replace("runners-x64", ""), ON_EC2.replace(r#""ServiceName":"runners-x64","#, "")] {
            assert_eq!(read(standalone.as_bytes()), Ok(Task { service: None, ..on_ec2() }));
        }
        let sparse = read(br#"{"Cluster":"c","TaskARN":"t","Family":"f","Revision":"1"}"#).unwrap();
        assert_eq!((sparse.id.as_str(), sparse.availability_zone, sparse.launch_type), ("t", None, None));
        for (wrong, expected) in [
            ("not json", "expected"),
            ("{}", "missing field `Cluster`"),
            (r#"{"Cluster":"","TaskARN":"a/","Family":"f","Revision":"1"}"#, "no cluster"),
            (r#"{"Cluster":"c","TaskARN":"t","Family":"f","Revision":7}"#, "invalid type"),
        ] {
            assert!(read(wrong.as_bytes()).unwrap_err().contains(expected), "{wrong}");
        }
    }

    #[test]
    fn a_task_passes_through_json_unchanged() {
        let text = serde_json::to_string(&on_ec2()).unwrap();
        assert_eq!(serde_json::from_str::<Task>(&text).unwrap(), on_ec2());
    }

    #[test]
    fn an_agent_that_answers_late_is_asked_again() {
        run(async {
            let server = Server::start([
                String::new(),
                answer("503 Service Unavailable", "", ""),
                answer("429 Too Many Requests", "", ""),
                answer("200 OK", "", ON_EC2),
            ])
            .await;
            let base = format!("{}/v4/0f3a-1", server.base());
            assert_eq!(task(&base, Duration::from_secs(60)).await, Ok(on_ec2()));
            assert_eq!(server.lines(), vec!["GET /v4/0f3a-1/task HTTP/1.1"; 4]);
            // The slash at the end of a base is no part of the path.
            assert!(task(&format!("{base}/"), Duration::from_secs(60)).await.is_ok());
            assert_eq!(server.lines()[4], "GET /v4/0f3a-1/task HTTP/1.1");
        });
    }

    #[test]
    fn what_cannot_get_better_is_said_at_once_and_the_rest_when_the_time_is_over() {
        for (said, once, budget, expected) in [
            (
                answer("404 Not Found", "", "\"V4 task metadata handler: unknown\"\n"),
                true,
                60_000,
                "answers 404: \"V4 task metadata handler: unknown\"",
            ),
            (answer("200 OK", "", "<html>"), true, 60_000, "cannot be understood: expected value at line 1 column 1"),
            (answer("301 Moved", "location: http://127.0.0.1:1/\r\n", ""), true, 60_000, "answers 301"),
            (answer("500 Oops", "", ""), false, 400, "no ECS task metadata within 0 s: http://127.0.0.1"),
        ] {
            run(async {
                let server = Server::start([said.clone()]).await;
                let problem = task(&format!("{}/v4/secret-id", server.base()), Duration::from_millis(budget)).await.unwrap_err();
                assert!(problem.contains(expected) && problem.ends_with(NOT_ECS), "{problem}");
                assert!(!problem.contains("secret-id"), "{problem}");
                assert!(!once || server.lines().len() == 1);
            });
        }
        let nobody = run(task("http://127.0.0.1:1", Duration::from_millis(200))).unwrap_err();
        assert!(nobody.contains("refused"), "{nobody}");
        let no_address = run(task("not an address", Duration::from_millis(1))).unwrap_err();
        assert!(no_address.contains("not an address"), "{no_address}");
    }
}
