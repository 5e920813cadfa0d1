//! The environments of other images, as their documents and launchers write them.

use super::*;

/// The job file of smaeda-ks/nomad-github-runners-autoscaler-demo; the token is rendered from Vault.
#[test]
fn a_nomad_job_for_myoung34s_image_works_unchanged() {
    let config = read(&[
        ("ACCESS_TOKEN", "ghp_marker"),
        ("EPHEMERAL", "true"),
        ("DISABLE_AUTO_UPDATE", "true"),
        ("RUNNER_NAME_PREFIX", "gh-runner"),
        ("RUNNER_WORKDIR", "/tmp/runner/work"),
        ("RUNNER_SCOPE", "repo"),
        ("REPO_URL", "https://github.com/octo/hello"),
        ("LABELS", "linux-x86,t2-micro"),
        ("NOMAD_META_GH_REPO_URL", "https://github.com/octo/hello"),
        ("NOMAD_TASK_NAME", "runner"),
        ("AGENT_TOOLSDIRECTORY", "/opt/hostedtoolcache"),
    ])
    .unwrap();
    let wanted = jit(&config);
    assert_eq!((token(&config).as_str(), &config.github.scope), ("ghp_marker", &repo("octo", "hello")));
    assert_eq!((&wanted.name, wanted.work_folder.as_str()), (&Name::Prefixed("gh-runner".into()), "/tmp/runner/work"));
    assert_eq!(wanted.own_labels, ["linux-x86", "t2-micro"]);
    assert!(wanted.labels.starts_with(&["self-hosted".into(), "linux".into()]) && wanted.labels.len() == 5);
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
}

#[test]
fn myoung34s_compose_files_work_for_every_target_and_server() {
    let repository = read(&[
        ("REPO_URL", "https://github.com/octo/hello"),
        ("RUNNER_NAME", "example-name"),
        ("RUNNER_TOKEN", "AABBCC"),
        ("RUNNER_WORKDIR", "/tmp/runner/work"),
        ("RUNNER_GROUP", "my-group"),
        ("RUNNER_SCOPE", "repo"),
        ("LABELS", "linux,x64,gpu"),
    ])
    .unwrap();
    let Registration::Classic { wanted, token: Some(given), disable_update: false } = &repository.registration else { panic!() };
    assert_eq!((&wanted.name, revealed(given).as_str()), (&Name::Exactly("example-name".into()), "AABBCC"));
    assert_eq!((wanted.own_labels.len(), wanted.labels.len(), wanted.group.as_str()), (3, 4, "Default"));
    assert!(repository.warnings[0].starts_with("RUNNER_GROUP is not used"));

    let organisation = read(&[
        ("ACCESS_TOKEN", "t"),
        ("RUNNER_SCOPE", "ORG"),
        ("ORG_NAME", "octokode"),
        ("RUNNER_GROUP", "big"),
        ("NO_DEFAULT_LABELS", "1"),
        ("LABELS", "only"),
        ("DISABLE_AUTOMATIC_DEREGISTRATION", "false"),
        ("RUN_AS_ROOT", "false"),
    ])
    .unwrap();
    assert_eq!((&organisation.github.scope, jit(&organisation).group.as_str()), (&org("octokode"), "big"));
    assert_eq!((jit(&organisation).labels.as_slice(), jit(&organisation).default_labels), (&["only".to_owned()][..], false));

    let old = read(&[("ACCESS_TOKEN", "t"), ("ORG_RUNNER", "true"), ("ORG_NAME", "octokode")]).unwrap();
    assert_eq!(old.github.scope, org("octokode"));

    let enterprise = read(&[("ACCESS_TOKEN", "t"), ("RUNNER_SCOPE", "enterprise"), ("ENTERPRISE_NAME", "corp")]).unwrap();
    assert_eq!(enterprise.github.scope, Some(Scope::Enterprise("corp".into())));

    let app = read(&[
        ("APP_ID", "100000"),
        ("APP_PRIVATE_KEY", KEY),
        ("APP_LOGIN", "octokode"),
        ("RUNNER_SCOPE", "org"),
        ("ORG_NAME", "octokode"),
        ("EPHEMERAL", "1"),
        ("UNSET_CONFIG_VARS", "true"),
    ])
    .unwrap();
    assert!(matches!(&app.github.credential, Some(Credential::App { id, login: Some(_), .. }) if id == "100000"));
    assert!(app.warnings.is_empty(), "{:?}", app.warnings);

    let server = read(&[
        ("ACCESS_TOKEN", "t"),
        ("GITHUB_HOST", "https://git.corp/"),
        ("REPO_URL", "https://git.corp/octo/hello"),
        ("RUNNER_WORKDIR_ROOT", "/_work"),
    ])
    .unwrap();
    assert_eq!((server.github.api.as_str(), server.github.web.as_str()), ("https://git.corp/api/v3", "https://git.corp"));
    assert_eq!(jit(&server).work_folder, "/_work/{name}");
}

/// What PasseiDireto/gh-runner-task-action writes into the container's overrides, in a task of ECS.
#[test]
fn passei_diretos_overrides_work_unchanged() {
    let overrides = [
        ("GITHUB_PERSONAL_TOKEN", "ghp_marker"),
        ("GITHUB_OWNER", "PasseiDireto"),
        ("GITHUB_REPOSITORY", "gh-runner"),
        ("RUNNER_NAME", "build_9f8e7d6c5b4a"),
        ("RUNNER_LABELS", "build_9f8e7d6c5b4a,ecs"),
        ("AWS_EXECUTION_ENV", "AWS_ECS_EC2"),
        ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/x"),
        ("ECS_CONTAINER_METADATA_URI", "http://169.254.170.2/v3/x"),
        ("ECS_CONTAINER_METADATA_URI_V4", "http://169.254.170.2/v4/x"),
        ("ECS_AGENT_URI", "http://169.254.170.2/api/x"),
    ];
    let config = read(&overrides).unwrap();
    assert_eq!((token(&config).as_str(), &config.github.scope), ("ghp_marker", &repo("PasseiDireto", "gh-runner")));
    assert_eq!(jit(&config).name, Name::Exactly("build_9f8e7d6c5b4a".into()));
    assert_eq!(jit(&config).own_labels, ["build_9f8e7d6c5b4a", "ecs"]);
    assert!(config.warnings.is_empty() && config.runner.environment.is_empty());
    let without_repository: Vec<_> = overrides.into_iter().filter(|(name, _)| *name != "GITHUB_REPOSITORY").collect();
    assert_eq!(read(&without_repository).unwrap().github.scope, org("PasseiDireto"));
}

/// A pod of a scale set in dind mode, with GitHub Enterprise Server's certificate.
#[test]
fn a_pod_of_an_arc_scale_set_needs_nothing_but_its_blob() {
    let config = read(&[
        ("ACTIONS_RUNNER_INPUT_JITCONFIG", BLOB),
        ("ACTIONS_RUNNER_RETURN_VERSION_DEPRECATED_EXIT_CODE", "1"),
        ("GITHUB_ACTIONS_RUNNER_EXTRA_USER_AGENT", "actions-runner-controller/0.12.1"),
        ("RUNNER_MANUALLY_TRAP_SIG", "1"),
        ("ACTIONS_RUNNER_PRINT_LOG_TO_STDOUT", "1"),
        ("ImageOS", "ubuntu24"),
        ("RUNNER_WAIT_FOR_DOCKER_IN_SECONDS", "120"),
        ("DOCKER_HOST", "unix:///var/run/docker.sock"),
        ("https_proxy", "http://proxy:3128"),
        ("KUBERNETES_SERVICE_HOST", "10.0.0.1"),
    ])
    .unwrap();
    let Registration::Ready(Ready::Blob(blob)) = &config.registration else { panic!() };
    assert_eq!(revealed(blob), BLOB);
    assert!(config.github.scope.is_none() && config.github.credential.is_none());
    let docker = Docker { host: "unix:///var/run/docker.sock".into(), budget: Duration::from_secs(120), externals: None };
    assert_eq!(config.docker, Some(docker));
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    let names: Vec<&str> = config.runner.environment.iter().filter_map(|(name, _)| name.to_str()).collect();
    assert!(names.contains(&"GITHUB_ACTIONS_RUNNER_EXTRA_USER_AGENT") && names.contains(&"https_proxy"));
    assert!(!names.contains(&"ACTIONS_RUNNER_INPUT_JITCONFIG") && !names.contains(&"KUBERNETES_SERVICE_HOST"));
}

/// What actions.summerwind.net's controller injects; it sets the targets that are not meant to nothing.
#[test]
fn an_arc_legacy_pod_registers_with_the_injected_token() {
    let pod = |more: &[(&'static str, &'static str)]| {
        let common = [
            ("RUNNER_NAME", "example-runnerdeploy-abcde"),
            ("RUNNER_TOKEN", "AABBCC"),
            ("RUNNER_LABELS", "big"),
            ("RUNNER_GROUP", ""),
            ("RUNNER_EPHEMERAL", "true"),
            ("RUNNER_WORKDIR", "/runner/_work"),
            ("RUNNER_STATUS_UPDATE_HOOK", "false"),
            ("DOCKER_ENABLED", "true"),
            ("DOCKERD_IN_RUNNER", "false"),
            ("DOCKER_HOST", "unix:///run/docker.sock"),
            ("GITHUB_URL", "https://github.com/"),
            ("GITHUB_ACTIONS_RUNNER_EXTRA_USER_AGENT", "actions-runner-controller/v0.27.6"),
            ("RUNNER_GRACEFUL_STOP_TIMEOUT", "90"),
            ("STARTUP_DELAY_IN_SECONDS", "2"),
            ("DISABLE_RUNNER_UPDATE", "true"),
        ];
        read(&[&common[..], more].concat()).unwrap()
    };
    let config = pod(&[("RUNNER_ORG", ""), ("RUNNER_REPO", "octo/hello"), ("RUNNER_ENTERPRISE", "")]);
    let Registration::Classic { wanted, token: Some(given), disable_update: true } = &config.registration else { panic!() };
    assert_eq!((revealed(given).as_str(), &config.github.scope), ("AABBCC", &repo("octo", "hello")));
    assert_eq!(
        (&wanted.name, wanted.own_labels.as_slice()),
        (&Name::Exactly("example-runnerdeploy-abcde".into()), &["big".to_owned()][..])
    );
    assert_eq!((config.stop.total.as_secs(), config.start_delay.as_secs(), config.github.credential.is_none()), (90, 2, true));
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    assert_eq!(pod(&[("RUNNER_ORG", "octo")]).github.scope, org("octo"));
    assert_eq!(pod(&[("RUNNER_ORG", "octo"), ("RUNNER_REPO", "hello")]).github.scope, repo("octo", "hello"));
    assert_eq!(pod(&[("RUNNER_ENTERPRISE", "corp")]).github.scope, Some(Scope::Enterprise("corp".into())));
}

#[test]
fn redhats_names_mean_the_same() {
    let app = read(&[
        ("GITHUB_APP_ID", "1"),
        ("GITHUB_APP_INSTALL_ID", "2"),
        ("GITHUB_APP_PEM", KEY),
        ("GITHUB_OWNER", "redhat-actions"),
        ("GITHUB_REPOSITORY", "openshift-actions-runners"),
        ("GITHUB_DOMAIN", "github.corp"),
        ("EPHEMERAL", "true"),
    ])
    .unwrap();
    assert_eq!(app.github.scope, repo("redhat-actions", "openshift-actions-runners"));
    assert_eq!(app.github.api, "https://github.corp/api/v3");
    assert!(matches!(app.github.credential, Some(Credential::App { .. })) && app.warnings.is_empty());
}
