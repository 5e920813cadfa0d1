//! Deployments written for other runner images, as whole lives: nothing is changed but the program, and where the stand-in is.

use std::time::Duration;

use runner_tests::{
    bed::{ACCOUNT, Bed},
    github::{Job, Route, Rules},
    process::Ending,
};

const DEADLINE: Duration = Duration::from_secs(40);

/// An environment, and the registration it must lead to.
struct Deployment {
    name: &'static str,
    environment: &'static [(&'static str, &'static str)],
    /// The variable that holds the token.
    token: &'static str,
    /// A server of one's own, found by this variable instead of by `GITHUB_API_URL`.
    server: Option<&'static str>,
    path: &'static str,
    runner: &'static str,
    labels: &'static [&'static str],
    work_folder: Option<&'static str>,
}

const DEPLOYMENTS: &[Deployment] = &[
    Deployment {
        name: "myoung34's image in a Nomad job",
        environment: &[
            ("EPHEMERAL", "true"),
            ("DISABLE_AUTO_UPDATE", "true"),
            ("RUNNER_NAME_PREFIX", "gh-runner"),
            ("RUNNER_WORKDIR", "/tmp/runner/work"),
            ("RUNNER_SCOPE", "repo"),
            ("REPO_URL", "https://github.com/acme/widgets"),
            ("LABELS", "linux-x86,t2-micro"),
            ("NOMAD_META_GH_REPO_URL", "https://github.com/acme/widgets"),
        ],
        token: "ACCESS_TOKEN",
        server: None,
        path: "/repos/acme/widgets/actions/runners/generate-jitconfig",
        runner: "gh-runner-",
        labels: &["self-hosted", "linux", "linux-x86", "t2-micro"],
        work_folder: Some("/tmp/runner/work"),
    },
    Deployment {
        name: "myoung34's image for an organisation, by compose",
        environment: &[
            ("RUNNER_SCOPE", "ORG"),
            ("ORG_NAME", "acme"),
            ("RUNNER_GROUP", "builders"),
            ("NO_DEFAULT_LABELS", "true"),
            ("LABELS", "only"),
            ("EPHEMERAL", "1"),
            ("UNSET_CONFIG_VARS", "true"),
            ("DISABLE_AUTOMATIC_DEREGISTRATION", "false"),
            ("START_DOCKER_SERVICE", "false"),
        ],
        token: "ACCESS_TOKEN",
        server: None,
        path: "/orgs/acme/actions/runners/generate-jitconfig",
        runner: "runner-",
        labels: &["only"],
        work_folder: None,
    },
    Deployment {
        name: "myoung34's image for an enterprise",
        environment: &[("RUNNER_SCOPE", "enterprise"), ("ENTERPRISE_NAME", "acme"), ("RUNNER_NAME", "fixed-name")],
        token: "ACCESS_TOKEN",
        server: None,
        path: "/enterprises/acme/actions/runners/generate-jitconfig",
        runner: "fixed-name",
        labels: &["self-hosted", "linux"],
        work_folder: None,
    },
    Deployment {
        name: "Passei Direto's overrides",
        environment: &[
            ("GITHUB_OWNER", "acme"),
            ("GITHUB_REPOSITORY", "widgets"),
            ("RUNNER_NAME", "build_9f8e7d6c5b4a"),
            ("RUNNER_LABELS", "build_9f8e7d6c5b4a"),
        ],
        token: "GITHUB_PERSONAL_TOKEN",
        server: None,
        path: "/repos/acme/widgets/actions/runners/generate-jitconfig",
        runner: "build_9f8e7d6c5b4a",
        labels: &["self-hosted", "linux", "build_9f8e7d6c5b4a"],
        work_folder: None,
    },
    Deployment {
        name: "redhat's names",
        environment: &[("GITHUB_OWNER", "acme"), ("RUNNER_LABELS", "openshift"), ("EPHEMERAL", "true")],
        token: "GITHUB_PAT",
        server: None,
        path: "/orgs/acme/actions/runners/generate-jitconfig",
        runner: "runner-",
        labels: &["self-hosted", "linux", "openshift"],
        work_folder: None,
    },
    Deployment {
        name: "a server of one's own, by its address",
        environment: &[("RUNNER_ORG", "acme"), ("RUNNER_GROUPS", "builders"), ("RUNNER_LABELS", "big")],
        token: "ACCESS_TOKEN",
        server: Some("GITHUB_URL"),
        path: "/api/v3/orgs/acme/actions/runners/generate-jitconfig",
        runner: "runner-",
        labels: &["self-hosted", "linux", "big"],
        work_folder: None,
    },
];

#[test]
fn deployments_written_for_other_images_run_their_job_unchanged() {
    for deployment in DEPLOYMENTS {
        let name = deployment.name;
        let rules = Rules::for_account(ACCOUNT).with_group("builders");
        let bed = Bed::with_rules(if deployment.server.is_some() { rules.enterprise_server() } else { rules });
        // Of the bed's own settings only those stay that say where things are on this machine.
        let mut launch = bed.entrypoint();
        for own in ["ACCESS_TOKEN", "RUNNER_SCOPE", "REPO_URL", "RUNNER_LABELS"] {
            launch = launch.without(own);
        }
        if let Some(variable) = deployment.server {
            launch = launch.without("GITHUB_API_URL").env(variable, bed.github().url().trim_end_matches("/api/v3"));
        }
        launch = launch.env(deployment.token, bed.token());
        for (variable, value) in deployment.environment {
            launch = launch.env(variable, *value);
        }
        bed.github().queue_job(Job::new("build", "env"));
        let mut life = launch.start();
        assert_eq!(life.wait(DEADLINE), Ending::Code(0), "{name}");

        let asked = bed.github().requests_of(Route::GenerateJit);
        assert_eq!((asked.len(), asked[0].path.as_str()), (1, deployment.path), "{name}");
        let body = asked[0].json();
        assert!(body["name"].as_str().is_some_and(|runner| runner.starts_with(deployment.runner)), "{name}: {body}");
        let labels: Vec<&str> = body["labels"].as_array().unwrap().iter().filter_map(|label| label.as_str()).collect();
        // The architecture is this machine's.
        let labels: Vec<&str> = labels.into_iter().filter(|label| !matches!(*label, "x64" | "arm64")).collect();
        assert_eq!(labels, deployment.labels, "{name}");
        if let Some(folder) = deployment.work_folder {
            assert_eq!(body["work_folder"], folder, "{name}");
        }
        let group = if deployment.environment.iter().any(|(_, value)| *value == "builders") { 3 } else { 1 };
        assert_eq!(body["runner_group_id"], group, "{name}");

        let job = &bed.github().finished()[0];
        assert_eq!(job.result, "Succeeded", "{name}");
        for (variable, _) in deployment.environment.iter().chain([&(deployment.token, "")]) {
            // The Worker sets these itself, to the runner's name and to the job's repository.
            let its_own = matches!(*variable, "RUNNER_NAME" | "GITHUB_REPOSITORY");
            let leaked = !its_own && job.log.lines().any(|line| line.starts_with(&format!("{variable}=")));
            assert!(!leaked, "{name}: the job sees {variable}");
        }
        assert!(!job.log.contains(bed.token()), "{name}");
        assert!(!life.stdout().contains("WARN"), "{name}: {}", life.stdout());
        bed.github().assert_nobody_registered();
    }
}
