//! Faults of the pair's contract, in a task definition.

use crate::{Row, check_rows, row};

pub(crate) const ROWS: &[Row] = &[
    row(
        &["work-path"],
        &[(
            r#"{"sourceVolume": "work", "containerPath": "/home/runner/_work"},
        {"sourceVolume": "externals", "containerPath": "/home/runner/externals"}"#,
            r#"{"sourceVolume": "work", "containerPath": §"/work"},
        {"sourceVolume": "externals", "containerPath": "/home/runner/externals"}"#,
        )],
    ),
    row(
        &["work-path"],
        &[(
            r#"{"sourceVolume": "work", "containerPath": "/home/runner/_work"},
        {"sourceVolume": "externals", "containerPath": "/run/externals"}"#,
            r#"{"sourceVolume": "work", "containerPath": §"/work"},
        {"sourceVolume": "externals", "containerPath": "/run/externals"}"#,
        )],
    ),
    row(
        &["work-not-shared"],
        &[
            (
                r#"        {"sourceVolume": "work", "containerPath": "/home/runner/_work"},
        {"sourceVolume": "externals", "containerPath": "/home/runner/externals"}"#,
                r#"        {"sourceVolume": "externals", "containerPath": "/home/runner/externals"}"#,
            ),
            (r#""name": "dind","#, r#""name": §"dind","#),
        ],
    ),
    row(
        &["work-not-shared", "work-not-shared"],
        &[
            (
                r#"{"name": "STOP_TIMEOUT", "value": "85"}"#,
                r#"{"name": "STOP_TIMEOUT", "value": "85"}, {"name": "RUNNER_WORKDIR", "value": "/home/runner/work"}"#,
            ),
            (r#""name": "dind","#, r#""name": §"dind","#),
            (r#""name": "runner","#, r#""name": §"runner","#),
        ],
    ),
    row(
        &["work-read-only"],
        &[(
            r#"{"sourceVolume": "work", "containerPath": "/home/runner/_work"},
        {"sourceVolume": "externals", "containerPath": "/home/runner/externals"}"#,
            r#"{"sourceVolume": "work", "containerPath": "/home/runner/_work", "readOnly": §true},
        {"sourceVolume": "externals", "containerPath": "/home/runner/externals"}"#,
        )],
    ),
    row(
        &["task-folder-not-shared"],
        &[
            (
                r#"        {"sourceVolume": "task", "containerPath": "/run/task"},
        {"sourceVolume": "work", "containerPath": "/home/runner/_work"},
        {"sourceVolume": "externals", "containerPath": "/home/runner/externals"}"#,
                r#"        {"sourceVolume": "work", "containerPath": "/home/runner/_work"},
        {"sourceVolume": "externals", "containerPath": "/home/runner/externals"}"#,
            ),
            (r#""name": "dind","#, r#""name": §"dind","#),
        ],
    ),
    row(
        &["task-folder-read-only"],
        &[(
            r#"{"sourceVolume": "task", "containerPath": "/run/task"},
        {"sourceVolume": "work", "containerPath": "/home/runner/_work"},
        {"sourceVolume": "externals", "containerPath": "/run/externals"}"#,
            r#"{"sourceVolume": "task", "containerPath": "/run/task", "readOnly": §true},
        {"sourceVolume": "work", "containerPath": "/home/runner/_work"},
        {"sourceVolume": "externals", "containerPath": "/run/externals"}"#,
        )],
    ),
    row(
        &["externals-not-shared"],
        &[
            (
                r#"        {"name": "EXTERNALS_SHARED_DIR", "value": "/run/externals"},
"#,
                "",
            ),
            (
                r#""sourceVolume": "externals", "containerPath": "/run/externals""#,
                r#""sourceVolume": "externals", "containerPath": §"/run/externals""#,
            ),
        ],
    ),
    row(
        &["tools-not-shared"],
        &[
            (
                r#"        {"sourceVolume": "tools", "containerPath": "/opt/hostedtoolcache"},
        {"sourceVolume": "docker-storage""#,
                r#"        {"sourceVolume": "docker-storage""#,
            ),
            (r#""name": "dind","#, r#""name": §"dind","#),
        ],
    ),
    row(
        &["volume-of-many-tasks"],
        &[
            (
                r#"{"name": "work", "dockerVolumeConfiguration": {"scope": "task", "driver": "local"}}"#,
                r#"{"name": "work", "host": {"sourcePath": "/var/work"}}"#,
            ),
            (
                r#"{"sourceVolume": "work", "containerPath": "/home/runner/_work"},
        {"sourceVolume": "externals", "containerPath": "/run/externals"}"#,
                r#"{"sourceVolume": "work", "containerPath": §"/home/runner/_work"},
        {"sourceVolume": "externals", "containerPath": "/run/externals"}"#,
            ),
        ],
    ),
    row(
        &["storage-not-mounted"],
        &[
            (
                r#"        {"sourceVolume": "tools", "containerPath": "/opt/hostedtoolcache"},
        {"sourceVolume": "docker-storage", "containerPath": "/var/docker-storage"}"#,
                r#"        {"sourceVolume": "tools", "containerPath": "/opt/hostedtoolcache"}"#,
            ),
            (
                r#"    {"name": "docker-storage", "host": {"sourcePath": "/var/docker-storage"}},
"#,
                "",
            ),
            (r#""name": "dind","#, r#""name": §"dind","#),
        ],
    ),
    row(
        &["storage-read-only"],
        &[(r#""containerPath": "/var/docker-storage""#, r#""containerPath": "/var/docker-storage", "readOnly": §true"#)],
    ),
    row(
        &["storage-in-runner"],
        &[(
            r#"{"sourceVolume": "tool-cache", "containerPath""#,
            r#"{"sourceVolume": "docker-storage", "containerPath": §"/docker"}, {"sourceVolume": "tool-cache", "containerPath""#,
        )],
    ),
    row(&["docker-host"], &[(r#""unix:///run/task/docker.sock""#, r#"§"unix:///var/run/docker.sock""#)]),
    row(&["docker-host"], &[(r#""unix:///run/task/docker.sock""#, r#"§"tcp://127.0.0.1:2375""#)]),
    row(&["docker-host"], &[(r#""unix:///run/task/docker.sock""#, r#"§"/run/task/docker.sock""#)]),
    row(
        &["docker-host-missing"],
        &[
            (
                r#"        {"name": "DOCKER_HOST", "value": "unix:///run/task/docker.sock"},
"#,
                "",
            ),
            (r#""name": "runner","#, r#""name": §"runner","#),
        ],
    ),
    row(&["network-not-shared"], &[(r#""networkMode": "awsvpc""#, r#""networkMode": §"bridge""#)]),
    row(
        &["network-not-shared"],
        &[
            (
                r#"  "networkMode": "awsvpc",
"#,
                "",
            ),
            ("{\n  \"family\"", "§{\n  \"family\""),
        ],
    ),
    row(&["network-of-host"], &[(r#""networkMode": "awsvpc""#, r#""networkMode": §"host""#)]),
    row(
        &["stop-order"],
        &[(r#"[{"containerName": "dind", "condition": "START"}, "#, "["), (r#""name": "runner","#, r#""name": §"runner","#)],
    ),
    row(&["stop-timeout-malformed"], &[(r#""value": "85""#, r#""value": §"soon""#)]),
    row(&["stop-timeout-too-long"], &[(r#""value": "85""#, r#""value": §"90""#)]),
    row(
        &["stop-timeout-too-long"],
        &[
            (
                r#"      "stopTimeout": 85,
"#,
                "",
            ),
            (r#""value": "85""#, r#""value": §"85""#),
        ],
    ),
    row(
        &["stop-timeout-unset"],
        &[
            (
                r#",
        {"name": "STOP_TIMEOUT", "value": "85"}"#,
                "",
            ),
            (r#""stopTimeout": 85"#, r#""stopTimeout": §85"#),
        ],
    ),
    row(&["restart"], &[(r#""stopTimeout": 85"#, r#""restartPolicy": {"enabled": §true}, "stopTimeout": 85"#)]),
    row(
        &["secret-in-environment"],
        &[(
            r#"{"name": "REPO_URL", "#,
            r#"{"name": "GITHUB_PERSONAL_TOKEN", "value": §"ghp_0123456789abcdefghijABCDEFGHIJ012345"}, {"name": "REPO_URL", "#,
        )],
    ),
    row(
        &["secret-in-file"],
        &[(
            r#"{"name": "REPO_URL", "#,
            r#"{"name": "NPM_PASSWORD", "value": §"ghp_0123456789abcdefghijABCDEFGHIJ012345"}, {"name": "REPO_URL", "#,
        )],
    ),
    row(&["setting-misspelt"], &[(r#"{"name": "REPO_URL", "#, r#"{"name": §"RUNNER_LABEL", "value": "large"}, {"name": "REPO_URL", "#)]),
    row(
        &["setting-of-the-other"],
        &[(r#"{"name": "REPO_URL", "#, r#"{"name": §"DOCKER_STORAGE_QUOTA", "value": "20G"}, {"name": "REPO_URL", "#)],
    ),
    row(&["runner-privileged"], &[(r#""stopTimeout": 85"#, r#""privileged": §true, "stopTimeout": 85"#)]),
    row(&["runner-read-only"], &[(r#""stopTimeout": 85"#, r#""readonlyRootFilesystem": §true, "stopTimeout": 85"#)]),
    row(
        &["runner-capabilities"],
        &[(r#""drop": ["ALL"], "add": ["CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "SETGID", "SETUID"]"#, r#""drop": [§"ALL"]"#)],
    ),
    row(
        &["hosts-docker"],
        &[
            (
                r#"{"name": "docker-storage", "host""#,
                r#"{"name": "sock", "host": {"sourcePath": "/var/run/docker.sock"}}, {"name": "docker-storage", "host""#,
            ),
            (
                r#"{"sourceVolume": "tool-cache", "containerPath""#,
                r#"{"sourceVolume": "sock", "containerPath": §"/host.sock"}, {"sourceVolume": "tool-cache", "containerPath""#,
            ),
        ],
    ),
    row(&["dind-not-root"], &[(r#""privileged": true"#, r#""privileged": true, "user": §"1001""#)]),
    row(
        &["dind-rights"],
        &[
            (
                r#"      "privileged": true,
"#,
                "",
            ),
            (r#""name": "dind","#, r#""name": §"dind","#),
        ],
    ),
    row(
        &["dind-seccomp-of-host"],
        &[(r#""privileged": true"#, r#""linuxParameters": {"capabilities": {"add": [§"SYS_ADMIN", "NET_ADMIN"]}}"#)],
    ),
    row(
        &["image-latest"],
        &[
            ("/runner-dind:0.1.0\"", "/runner-dind\""),
            (
                r#""image": "111122223333.dkr.ecr.eu-central-1.amazonaws.com/runner-dind"#,
                r#""image": §"111122223333.dkr.ecr.eu-central-1.amazonaws.com/runner-dind"#,
            ),
        ],
    ),
    row(
        &["health-missing"],
        &[
            (
                r#"      "healthCheck": {"command": ["CMD", "/usr/local/bin/runner-entrypoint", "health"], "interval": 10, "timeout": 5, "retries": 3, "startPeriod": 60},
"#,
                "",
            ),
            (r#""name": "runner","#, r#""name": §"runner","#),
        ],
    ),
    row(
        &["health-command"],
        &[(r#"["CMD", "/usr/local/bin/runner-dind", "health"]"#, r#"§["CMD", "/usr/local/bin/runner-dind", "healthcheck"]"#)],
    ),
    row(&["init"], &[(r#""linuxParameters": {"#, r#""linuxParameters": {"initProcessEnabled": §true, "#)]),
    row(&["role-unclear"], &[(r#""name": "log-router","#, r#""name": §"log-router","#), ("/fluent-bit:3.1.9", "/runner:0.1.0")]),
    row(&["duplicate-key"], &[(r#""cpu": "4096""#, r#""cpu": "4096", §"family": "other""#)]),
];

#[test]
fn each_breach_of_the_contract_is_found_where_it_is() {
    insta::assert_snapshot!(check_rows("ec2.json", include_str!("../files/ec2.json"), ROWS));
}
