//! Faults of ECS task definitions.

use crate::{Row, check_rows, row};

/// What ECS itself forbids, and no tool of AWS finds.
pub(crate) const ON_EC2: &[Row] = &[
    row(
        &["mount-undeclared"],
        &[(
            r#"{"sourceVolume": "tool-cache", "containerPath": "/mnt/tool-cache"}"#,
            r#"{"sourceVolume": "tool-cache", "containerPath": "/mnt/tool-cache"}, {"sourceVolume": §"logs", "containerPath": "/logs"}"#,
        )],
    ),
    row(
        &["volume-unused"],
        &[
            (
                r#"        {"sourceVolume": "tools", "containerPath": "/opt/hostedtoolcache"},
        {"sourceVolume": "tool-cache", "containerPath": "/mnt/tool-cache"}"#,
                r#"        {"sourceVolume": "tools", "containerPath": "/opt/hostedtoolcache"}"#,
            ),
            (r#"{"name": "tool-cache", "efs"#, r#"{"name": §"tool-cache", "efs"#),
        ],
    ),
    row(
        &["depends-on-unknown"],
        &[(
            r#""dependsOn": [{"containerName": "log-router", "#,
            r#""dependsOn": [{"containerName": "log-router", "condition": "START"}, {"containerName": §"proxy", "#,
        )],
    ),
    row(
        &["depends-on-cycle"],
        &[(r#""stopTimeout": 5,"#, r#""stopTimeout": 5, "dependsOn": [{"containerName": §"dind", "condition": "START"}],"#)],
    ),
    row(
        &["healthy-without-check", "healthy-waits"],
        &[
            (
                r#""dependsOn": [{"containerName": "log-router", "condition": "START"}]"#,
                r#""dependsOn": [{"containerName": "log-router", "condition": §"HEALTHY"}]"#,
            ),
            (r#"[{"containerName": "dind", "condition": "START"}"#, r#"[{"containerName": "dind", "condition": §"HEALTHY"}"#),
        ],
    ),
    row(
        &["complete-on-essential"],
        &[(
            r#""dependsOn": [{"containerName": "log-router", "condition": "START"}]"#,
            r#""dependsOn": [{"containerName": "log-router", "condition": §"SUCCESS"}]"#,
        )],
    ),
    row(
        &["health-range", "health-range", "health-range", "health-range"],
        &[(
            r#"/runner-dind", "health"], "interval": 10, "timeout": 5, "retries": 3, "startPeriod": 60"#,
            r#"/runner-dind", "health"], "interval": §1, "timeout": §61, "retries": §0, "startPeriod": §301"#,
        )],
    ),
    row(&["stop-budget"], &[(r#""stopTimeout": 85"#, r#""stopTimeout": §90"#), (r#""value": "85""#, r#""value": "90""#)]),
    row(
        &["duplicate-name"],
        &[(
            r#"    {
      "name": "log-router","#,
            r#"    {
      "name": "metrics",
      "image": "metrics:1"
    },
    {
      "name": §"metrics",
      "image": "metrics:1"
    },
    {
      "name": "log-router","#,
        )],
    ),
    row(&["duplicate-name"], &[(r#"{"name": "docker-storage", "host""#, r#"{"name": §"work"}, {"name": "docker-storage", "host""#)]),
    row(&["efs-without-tls"], &[(r#""transitEncryption": "ENABLED""#, r#""transitEncryption": §"DISABLED""#)]),
    row(&["efs-without-tls"], &[(r#""transitEncryption": "ENABLED", "#, ""), (r#""accessPointId": "fsap"#, r#""accessPointId": §"fsap"#)]),
    row(&["efs-root-directory"], &[(r#""transitEncryption": "ENABLED""#, r#""transitEncryption": "ENABLED", "rootDirectory": §"/cache""#)]),
    row(&["capability", "capability"], &[(r#""add": ["CHOWN", "#, r#""add": ["CHOWN", §"CAP_FSETID", §"NET_RAWW", "#)]),
    row(&["log-driver"], &[(r#""logDriver": "awslogs""#, r#""logDriver": §"cloudwatch""#)]),
    row(
        &["firelens-without-router", "firelens-without-router"],
        &[
            (
                r#"      "firelensConfiguration": {"type": "fluentbit", "options": {"enable-ecs-log-metadata": "true"}},
"#,
                "",
            ),
            (
                r#""dependsOn": [{"containerName": "log-router", "condition": "START"}],
      "logConfiguration": {"logDriver": "#,
                r#""dependsOn": [{"containerName": "log-router", "condition": "START"}],
      "logConfiguration": {"logDriver": §"#,
            ),
            (
                r#"/runner-entrypoint", "health"], "interval": 10, "timeout": 5, "retries": 3, "startPeriod": 60},
      "logConfiguration": {"logDriver": "#,
                r#"/runner-entrypoint", "health"], "interval": 10, "timeout": 5, "retries": 3, "startPeriod": 60},
      "logConfiguration": {"logDriver": §"#,
            ),
        ],
    ),
    row(
        &["router-without-users"],
        &[
            (
                r#""condition": "START"}],
      "logConfiguration": {"logDriver": "awsfirelens""#,
                r#""condition": "START"}],
      "logConfiguration": {"logDriver": "awslogs""#,
            ),
            (
                r#""startPeriod": 60},
      "logConfiguration": {"logDriver": "awsfirelens""#,
                r#""startPeriod": 60},
      "logConfiguration": {"logDriver": "awslogs""#,
            ),
            (r#""firelensConfiguration""#, r#"§"firelensConfiguration""#),
        ],
    ),
    row(
        &["log-router-order"],
        &[(r#", {"containerName": "log-router", "condition": "START"}]"#, "]"), (r#""name": "runner","#, r#""name": §"runner","#)],
    ),
    row(&["user"], &[(r#""user": "0""#, r#""user": §"-5""#)]),
    row(&["user"], &[(r#""user": "0""#, r#""user": §"1001:1001:1001""#)]),
    row(&["user"], &[(r#""user": "0""#, r#""user": §"2147483648""#)]),
    row(&["family"], &[(r#""family": "actions-runner""#, r#""family": §"actions runner""#)]),
    row(
        &["memory-missing"],
        &[
            (
                r#"  "memory": "15360",
"#,
                "",
            ),
            (
                r#"      "memory": 64,
"#,
                "",
            ),
            (r#""name": "log-router","#, r#""name": §"log-router","#),
        ],
    ),
    row(
        &["memory-of-container"],
        &[
            (
                r#"      "memory": 6144,
"#,
                "",
            ),
            (r#""name": "runner","#, r#""name": §"runner","#),
        ],
    ),
    row(&["host-namespace"], &[(r#""networkMode": "awsvpc""#, r#""networkMode": "awsvpc", "pidMode": §"host""#)]),
    row(&["fargate-only"], &[(r#""cpu": "4096""#, r#""cpu": "4096", §"ephemeralStorage": {"sizeInGiB": 50}"#)]),
    row(
        &["not-essential"],
        &[(
            r#""essential": true,
      "privileged""#,
            r#""essential": §false,
      "privileged""#,
        )],
    ),
];

pub(crate) const ON_FARGATE: &[Row] = &[
    row(&["fargate-unsupported"], &[(r#"{"initProcessEnabled": true}"#, r#"{"initProcessEnabled": true}, "privileged": §true"#)]),
    row(&["fargate-unsupported"], &[(r#"{"initProcessEnabled": true}"#, r#"{"capabilities": {"add": ["SYS_PTRACE", §"NET_ADMIN"]}}"#)]),
    row(
        &["fargate-unsupported", "fargate-unsupported"],
        &[(r#"{"initProcessEnabled": true}"#, r#"{§"devices": [{"hostPath": "/dev/fuse"}], §"sharedMemorySize": 64}"#)],
    ),
    row(
        &["fargate-unsupported"],
        &[(r#"{"initProcessEnabled": true}"#, r#"{"initProcessEnabled": true}, §"dockerSecurityOptions": ["no-new-privileges"]"#)],
    ),
    row(&["fargate-unsupported"], &[(r#"[{"name": "work"}]"#, r#"[{"name": "work", "host": {"sourcePath": §"/var/work"}}]"#)]),
    row(&["fargate-unsupported"], &[(r#"[{"name": "work"}]"#, r#"[{"name": "work", §"dockerVolumeConfiguration": {"scope": "task"}}]"#)]),
    row(&["fargate-unsupported"], &[(r#""networkMode": "awsvpc""#, r#""networkMode": §"bridge""#)]),
    row(&["fargate-unsupported", "host-namespace"], &[(r#""networkMode": "awsvpc""#, r#""networkMode": "awsvpc", "pidMode": §§"host""#)]),
    row(&["log-driver"], &[(r#""logDriver": "awslogs""#, r#""logDriver": §"json-file""#)]),
    row(
        &["stop-timeout-range", "stop-budget"],
        &[(r#""stopTimeout": 115"#, r#""stopTimeout": §§150"#), (r#""value": "115""#, r#""value": "150""#)],
    ),
    row(
        &["docker-host-without-dind"],
        &[(
            r#"{"name": "STOP_TIMEOUT", "#,
            r#"{"name": "DOCKER_HOST", "value": §"unix:///run/task/docker.sock"}, {"name": "STOP_TIMEOUT", "#,
        )],
    ),
];

#[test]
fn each_fault_on_ec2_is_found_where_it_is() {
    insta::assert_snapshot!(check_rows("ec2.json", include_str!("../files/ec2.json"), ON_EC2));
}

#[test]
fn each_fault_on_fargate_is_found_where_it_is() {
    insta::assert_snapshot!(check_rows("fargate.json", include_str!("../files/fargate.json"), ON_FARGATE));
}

#[test]
fn what_describe_task_definition_answers_is_judged_and_so_are_containers_alone() {
    let definition = include_str!("../files/ec2.json");
    let described = format!("{{\"taskDefinition\": {definition}, \"tags\": []}}");
    let judged = deploy::judge("described.json", &described);
    assert!(judged.kind == "ecs" && judged.findings.is_empty(), "{judged:#?}");
    let start = definition.find("\"containerDefinitions\": ").expect("there are containers") + "\"containerDefinitions\": ".len();
    let containers = definition[start..].trim_end().strip_suffix('}').expect("a map ends").to_owned();
    let judged = deploy::judge("containers.json", &containers);
    assert!(judged.kind == "ecs" && judged.findings.is_empty(), "{judged:#?}");
    let judged = deploy::judge("containers.json", &containers.replace("unix:///run/task/docker.sock", "unix:///var/run/docker.sock"));
    assert_eq!(judged.findings.iter().map(|finding| finding.rule).collect::<Vec<_>>(), ["docker-host"]);
}

/// Both programs take a span with a unit, and a flag for a variable.
#[test]
fn a_stop_timeout_may_have_a_unit_or_be_a_flag() {
    let right = include_str!("../files/ec2.json");
    let with_unit = right.replace(r#""value": "85""#, r#""value": "1m 25s""#);
    assert!(deploy::judge("unit.json", &with_unit).findings.is_empty());
    let variable = r#",
        {"name": "STOP_TIMEOUT", "value": "85"}"#;
    for (flag, expected) in [(r#""--stop-timeout", "85""#, &[][..]), (r#""--stop-timeout=86""#, &["stop-timeout-too-long"][..])] {
        let command = format!(r#""stopTimeout": 85, "command": ["run", {flag}]"#);
        let judged = deploy::judge("flag.json", &right.replace(variable, "").replace(r#""stopTimeout": 85"#, &command));
        assert_eq!(judged.findings.iter().map(|finding| finding.rule).collect::<Vec<_>>(), expected, "{flag}");
    }
}

#[test]
fn overrides_of_run_task_hold_no_secret() {
    let text = r#"{"taskDefinition": "runner", "overrides": {"containerOverrides": [{"name": "runner", "environment": [{"name": "GITHUB_PERSONAL_TOKEN", "value": "secret"}]}]}}"#;
    let judged = deploy::judge("run.json", text);
    let found: Vec<_> = judged.findings.iter().map(|finding| (finding.rule, finding.path.as_str())).collect();
    assert_eq!(found, [("secret-in-environment", "overrides.containerOverrides[0].environment[0].value")]);
    assert!(!format!("{judged:?}").contains("\"secret\""), "the value was said");
}
