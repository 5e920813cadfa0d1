//! Faults of Nomad jobs.

use crate::{Row, check_rows, row};

pub(crate) const ROWS: &[Row] = &[
    // Docker takes either case; only names in capitals were seen once, and a right job was refused.
    row(&["runner-capabilities"], &[("cap_drop = [\"all\"]", "cap_drop = [§\"all\"]"), ("\"setuid\"]", "\"setpcap\"]")]),
    row(&["stop-order"], &[("hook    = \"prestart\"", "hook    = \"poststart\""), ("task \"runner\"", "task §\"runner\"")]),
    row(&["stop-timeout-too-long"], &[("      kill_timeout = \"85s\"\n", ""), ("= \"85\"", "= §\"85\"")]),
    row(&["stop-timeout-unset"], &[("        STOP_TIMEOUT = \"30\"\n", ""), ("kill_timeout = \"30s\"", "kill_timeout = §\"1m\"")]),
    row(&["network-not-shared"], &[("mode = \"bridge\"", "mode = §\"host\"")]),
    row(&["network-not-shared"], &[("    network {\n      mode = \"bridge\"\n    }\n", ""), ("group \"runner\"", "group §\"runner\"")]),
    row(&["network-not-shared"], &[("        privileged = true", "        privileged = true\n        network_mode = §\"bridge\"")]),
    row(&["restart"], &[("attempts = 0", "attempts = §3")]),
    row(
        &["restart"],
        &[("    restart {\n      attempts = 0\n      mode     = \"fail\"\n    }\n", ""), ("task \"runner\"", "task §\"runner\"")],
    ),
    row(&["template-ends-job"], &[("change_mode = \"noop\"", "change_mode = §\"signal\"\n        change_signal = \"SIGINT\"")]),
    row(&["template-ends-job"], &[("        change_mode = \"noop\"\n", ""), ("      template {", "      §template {")]),
    row(&["secret-in-environment"], &[("        REPO_URL ", "        RUNNER_TOKEN = §\"AABBCC\"\n        REPO_URL ")]),
    row(&["secret-in-environment"], &[("  parameterized {", "  meta {\n    ACCESS_TOKEN = §\"AABBCC\"\n  }\n\n  parameterized {")]),
    row(
        &["work-path"],
        &[(
            "\"../alloc/work:/home/runner/_work\",\n          \"../alloc/externals:/home",
            "§\"../alloc/work:/work\",\n          \"../alloc/externals:/home",
        )],
    ),
    row(
        &["volume-of-many-tasks"],
        &[
            (
                "\"../alloc/work:/home/runner/_work\",\n          \"../alloc/externals:/home",
                "\"/srv/work:/home/runner/_work\",\n          \"../alloc/externals:/home",
            ),
            (
                "\"../alloc/work:/home/runner/_work\",\n          \"../alloc/externals:/run",
                "§\"/srv/work:/home/runner/_work\",\n          \"../alloc/externals:/run",
            ),
        ],
    ),
    row(&["docker-host"], &[("\"unix://${NOMAD_ALLOC_DIR}/task/docker.sock\"", "§\"unix://${NOMAD_ALLOC_DIR}/docker.sock\"")]),
    row(&["dind-seccomp"], &[("privileged = true", "cap_add = [§\"sys_admin\", \"net_admin\"]")]),
    row(&["image-latest"], &[("\"ghcr.io/octo-org/runner:0.1.0\"", "§\"ghcr.io/octo-org/runner:latest\"")]),
];

#[test]
fn each_fault_of_a_nomad_job_is_found_where_it_is() {
    insta::assert_snapshot!(check_rows("runner.nomad.hcl", include_str!("../files/runner.nomad.hcl"), ROWS));
}

#[test]
fn mount_blocks_and_host_volumes_are_mounts_as_lines_of_volumes_are() {
    let right = include_str!("../files/runner.nomad.hcl");
    let block = |target: &str| {
        format!(
            "        mount {{\n          type = \"bind\"\n          source = \"../alloc/externals\"\n          target = \"{target}\"\n        }}\n      }}\n\n      env {{\n        REPO_URL"
        )
    };
    let with = |target: &str| {
        right
            .replace("          \"../alloc/externals:/run/externals\",\n", "")
            .replace("      }\n\n      env {\n        REPO_URL", &block(target))
    };
    let judged = deploy::judge("runner.hcl", &with("/run/externals"));
    assert!(judged.findings.is_empty(), "{judged:#?}");
    let judged = deploy::judge("runner.hcl", &with("/externals"));
    assert_eq!(judged.findings.iter().map(|finding| finding.rule).collect::<Vec<_>>(), ["externals-not-shared"]);
    let volume = "    volume \"disk\" {\n      type   = \"host\"\n      source = \"docker\"\n    }\n\n    task \"dind\" {\n      volume_mount {\n        volume      = \"disk\"\n        destination = \"/var/docker-storage\"\n      }\n";
    let text = right.replace("          \"/var/docker-storage:/var/docker-storage\",\n", "").replace("    task \"dind\" {\n", volume);
    let judged = deploy::judge("runner.hcl", &text);
    assert!(judged.findings.is_empty(), "{judged:#?}");
}
