//! Faults of compose files.

use crate::{Row, check_rows, row};

pub(crate) const ROWS: &[Row] = &[
    row(&["network-not-shared"], &[("    network_mode: service:dind\n", ""), ("  runner:\n", "  §runner:\n")]),
    row(&["network-not-shared"], &[("network_mode: service:dind", "network_mode: §bridge")]),
    row(
        &["stop-timeout-too-long"],
        &[("    stop_grace_period: 1m25s\n", ""), ("STOP_TIMEOUT: ${STOP_TIMEOUT:-85}", "STOP_TIMEOUT: §${STOP_TIMEOUT:-85}")],
    ),
    row(&["stop-timeout-too-long"], &[("    stop_grace_period: 30s\n", ""), ("STOP_TIMEOUT: \"30\"", "STOP_TIMEOUT: §\"30\"")]),
    row(&["stop-timeout-unset"], &[("      STOP_TIMEOUT: ${STOP_TIMEOUT:-85}\n", ""), ("1m25s", "§1m25s")]),
    row(
        &["network-not-shared", "stop-order"],
        &[
            ("    network_mode: service:dind\n    depends_on:\n      dind:\n        condition: service_started\n", ""),
            ("  runner:\n", "  §§runner:\n"),
        ],
    ),
    row(&["secret-in-environment"], &[("ACCESS_TOKEN: ${ACCESS_TOKEN:?}", "ACCESS_TOKEN: §not-a-reference")]),
    row(&["secret-in-environment"], &[("ACCESS_TOKEN: ${ACCESS_TOKEN:?}", "ACCESS_TOKEN: §${ACCESS_TOKEN:-fallback}")]),
    row(
        &["work-path"],
        &[(
            "      - task:/run/task\n      - work:/home/runner/_work\n      - externals:",
            "      - task:/run/task\n      - §work:/work\n      - externals:",
        )],
    ),
    row(&["externals-not-shared"], &[("        target: /run/externals", "        target: §/srv/externals")]),
    row(
        &["mount-undeclared", "mount-undeclared"],
        &[
            ("  tools:\n  docker-storage:\n", "  docker-storage:\n"),
            ("      - tools:/opt/hostedtoolcache\n      - docker", "      - §tools:/opt/hostedtoolcache\n      - docker"),
            ("      - tools:/opt/hostedtoolcache\n    restart", "      - §tools:/opt/hostedtoolcache\n    restart"),
        ],
    ),
    row(&["volume-unused"], &[("  externals:\n  tools:\n", "  externals:\n  §cache:\n  tools:\n")]),
    row(&["dind-seccomp"], &[("    privileged: true\n", "    cap_add: [§SYS_ADMIN, NET_ADMIN]\n")]),
    row(
        &["restart"],
        &[(
            "      - docker-storage:/var/docker-storage\n    restart: \"no\"",
            "      - docker-storage:/var/docker-storage\n    restart: §unless-stopped",
        )],
    ),
    row(
        &["duplicate-key"],
        &[(
            "      REPO_URL: https://github.com/octo-org/octo-repo\n",
            "      REPO_URL: https://github.com/octo-org/octo-repo\n      §REPO_URL: https://github.com/octo-org/other\n",
        )],
    ),
    row(
        &["storage-not-mounted"],
        &[
            ("      DOCKER_STORAGE_MODE: loop\n", ""),
            ("      - docker-storage:/var/docker-storage\n", ""),
            ("  docker-storage:\n", ""),
            ("  dind:\n    image", "  §dind:\n    image"),
        ],
    ),
    row(
        &["role-unclear"],
        &[
            ("image: ghcr.io/octo-org/runner-dind:0.1.0", "image: ghcr.io/octo-org/sidecar:0.1.0"),
            ("      DOCKER_STORAGE_MODE: loop\n", ""),
            ("      - docker-storage:/var/docker-storage\n", "      - docker-storage:/var/docker-storage\n"),
            ("  dind:\n    image", "  §dind:\n    image"),
        ],
    ),
];

#[test]
fn each_fault_of_a_compose_file_is_found_where_it_is() {
    insta::assert_snapshot!(check_rows("compose.yaml", include_str!("../files/compose.yaml"), ROWS));
}

/// Anchors, merge keys and lists of `NAME=value` are how compose files are written.
#[test]
fn what_an_alias_repeats_counts_where_it_is_repeated() {
    let text = "
x-both: &both
  volumes: [task:/run/task, work:/home/runner/_work, 'tools:/opt/hostedtoolcache', 'externals:/srv/externals']
services:
  dind:
    <<: *both
    image: runner-dind:1
    privileged: true
    stop_grace_period: 30s
    environment: [STOP_TIMEOUT=30, DOCKER_STORAGE_MODE=loop, RUNNER_HOME]
  runner:
    <<: *both
    image: runner:1
    network_mode: service:dind
    stop_grace_period: 30s
    environment: [STOP_TIMEOUT=30, ACCESS_TOKEN, DOCKER_HOST=unix:///run/task/docker.sock, EXTERNALS_SHARED_DIR=/srv/externals]
volumes: {task: {}, work: {}, tools: {}, externals: {}}
";
    let judged = deploy::judge("compose.yaml", text);
    let found: Vec<_> = judged.findings.iter().map(|finding| (finding.rule, finding.line)).collect();
    // Of all that both share one folder is at the wrong place, and a setting is for the other program.
    assert_eq!(found, [("externals-not-shared", 3), ("setting-of-the-other", 10)], "{judged:#?}");
}
