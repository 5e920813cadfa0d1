//! Faults of Kubernetes manifests and of ARC's values.

use crate::{Row, check_rows, row};

pub(crate) const ROWS: &[Row] = &[
    row(
        &["plain-sidecar"],
        &[
            ("  initContainers:\n    - name: dind", "  containers:\n    - name: §dind"),
            ("      restartPolicy: Always\n", ""),
            ("  containers:\n    - name: runner", "    - name: runner"),
        ],
    ),
    row(
        &["sidecar-flaps"],
        &[(
            "        - {name: STOP_TIMEOUT, value: \"30\"}",
            "        - {name: STOP_TIMEOUT, value: \"30\"}\n        - {name: EXIT_WITH_RUNNER, value: §\"yes\"}",
        )],
    ),
    row(&["stop-budget"], &[("terminationGracePeriodSeconds: 120", "terminationGracePeriodSeconds: §100")]),
    row(&["stop-timeout-too-long"], &[("  terminationGracePeriodSeconds: 120\n", ""), ("value: \"85\"", "value: §\"85\"")]),
    row(&["restart"], &[("restartPolicy: Never", "restartPolicy: §OnFailure")]),
    row(&["service-account-token"], &[("automountServiceAccountToken: false", "automountServiceAccountToken: §true")]),
    row(&["host-path-type"], &[("type: Directory}", "type: §DirectoryOrCreate}")]),
    row(&["host-path-type"], &[("{path: /var/docker-storage, type: Directory}", "{path: §/var/docker-storage}")]),
    row(&["secret-in-environment"], &[("valueFrom: {secretKeyRef: {name: github, key: token}}", "value: §abc")]),
    row(
        &["secret-in-environment"],
        &[("valueFrom: {secretKeyRef: {name: github, key: token}}", "valueFrom: {configMapKeyRef: §{name: github, key: token}}")],
    ),
    row(
        &["externals-hidden"],
        &[
            ("        - {name: EXTERNALS_SHARED_DIR, value: /run/externals}\n", ""),
            ("mountPath: /run/externals", "mountPath: §/home/runner/externals"),
        ],
    ),
    row(
        &["mount-undeclared"],
        &[(
            "        - {name: tools, mountPath: /opt/hostedtoolcache}\n  volumes",
            "        - {name: tools, mountPath: /opt/hostedtoolcache}\n        - {name: §logs, mountPath: /logs}\n  volumes",
        )],
    ),
    row(
        &["volume-unused"],
        &[("    - {name: tools, emptyDir: {}}", "    - {name: tools, emptyDir: {}}\n    - {name: §logs, emptyDir: {}}")],
    ),
    row(
        &["volume-of-many-tasks"],
        &[
            ("{name: work, emptyDir: {}}", "{name: work, hostPath: {path: /var/work}}"),
            (
                "        - {name: work, mountPath: /home/runner/_work}\n        - {name: externals, mountPath: /run/externals}",
                "        - {name: work, mountPath: §/home/runner/_work}\n        - {name: externals, mountPath: /run/externals}",
            ),
        ],
    ),
    row(
        &["dind-seccomp"],
        &[(
            "securityContext: {privileged: true}",
            "securityContext: {capabilities: {add: [§SYS_ADMIN, NET_ADMIN]}, seccompProfile: {type: RuntimeDefault}}",
        )],
    ),
    row(&["dind-not-root"], &[("securityContext: {privileged: true}", "securityContext: {privileged: true, runAsNonRoot: §true}")]),
    row(&["capability"], &[("add: [CHOWN, ", "add: [CHOWN, §CAP_FSETID, ")]),
    row(&["network-of-host"], &[("restartPolicy: Never", "restartPolicy: Never\n  hostNetwork: §true")]),
    row(&["host-namespace"], &[("restartPolicy: Never", "restartPolicy: Never\n  hostPID: §true")]),
    row(
        &["health-missing"],
        &[("      startupProbe:\n        exec: {command: [/usr/local/bin/runner-dind, health]}\n", ""), ("- name: dind", "- name: §dind")],
    ),
];

#[test]
fn each_fault_of_a_pod_is_found_where_it_is() {
    insta::assert_snapshot!(check_rows("pod.yaml", include_str!("../files/pod.yaml"), ROWS));
}

/// The pod of the fixture, under what else makes pods.
fn template(head: &str, indent: usize) -> String {
    let pod = include_str!("../files/pod.yaml");
    let spec = &pod[pod.find("spec:").expect("a pod has a spec")..];
    let spec: String = spec.lines().map(|line| format!("{:indent$}{line}\n", "")).collect();
    format!("{head}{spec}")
}

#[test]
fn pods_of_jobs_cron_jobs_and_scale_sets_are_found() {
    for (head, indent) in [
        ("apiVersion: batch/v1\nkind: Job\nspec:\n  template:\n", 4),
        ("apiVersion: batch/v1\nkind: CronJob\nspec:\n  jobTemplate:\n    spec:\n      template:\n", 8),
        ("githubConfigUrl: https://github.com/octo-org\nminRunners: 0\ntemplate:\n", 2),
        ("apiVersion: v1\nkind: List\nitems:\n  - apiVersion: batch/v1\n    kind: Job\n    spec:\n      template:\n", 8),
    ] {
        let judged = deploy::judge("job.yaml", &template(head, indent));
        assert!(judged.kind == "kubernetes" && judged.findings.is_empty(), "{head}{judged:#?}");
        let judged = deploy::judge("job.yaml", &template(head, indent).replace("value: \"85\"", "value: \"200\""));
        assert_eq!(judged.findings.iter().map(|finding| finding.rule).collect::<Vec<_>>(), ["stop-timeout-too-long"], "{head}");
    }
}

#[test]
fn a_deployment_starts_its_runners_again_and_a_scale_set_adds_no_second_docker() {
    let deployment = template("apiVersion: apps/v1\nkind: Deployment\nspec:\n  template:\n", 4).replace("      restartPolicy: Never\n", "");
    let judged = deploy::judge("deployment.yaml", &deployment);
    assert_eq!(judged.findings.iter().map(|finding| finding.rule).collect::<Vec<_>>(), ["restart"], "{judged:#?}");
    let values = template("containerMode:\n  type: dind\ntemplate:\n", 2).replace("    restartPolicy: Never\n", "");
    let judged = deploy::judge("values.yaml", &values);
    let found: Vec<_> = judged.findings.iter().map(|finding| (finding.rule, finding.line, finding.column)).collect();
    assert_eq!(found, [("arc-container-mode", 2, 9)], "{judged:#?}");
}

/// ARC's chart fills the externals by an init container that runs the runner's image: it is no second runner, and nothing is hidden.
#[test]
fn an_init_container_that_copies_the_externals_is_no_runner() {
    let pod = include_str!("../files/pod.yaml")
        .replace("        - {name: EXTERNALS_SHARED_DIR, value: /run/externals}\n", "")
        .replace("mountPath: /run/externals", "mountPath: /home/runner/externals")
        .replace(
            "  initContainers:\n",
            "  initContainers:\n    - name: copy\n      image: ghcr.io/octo-org/runner:0.1.0\n      command: [cp, -r, /home/runner/externals/., /to]\n      \
             volumeMounts: [{name: externals, mountPath: /to}]\n",
        );
    let judged = deploy::judge("pod.yaml", &pod);
    assert!(judged.findings.is_empty(), "{judged:#?}");
}
