mod cache;
mod dialects;

use std::path::Path;

use settings::Secret;

use super::*;

fn read(settings: &[(&str, &str)]) -> Result<Config, String> {
    let environment = settings.iter().map(|&(name, value)| (name.into(), value.into())).collect();
    Config::read(environment, Arguments::default()).map_err(|problems| problems.to_string())
}

/// What is wrong, without the first line and the indentation.
fn problems(settings: &[(&str, &str)]) -> Vec<String> {
    let text = read(settings).map(|config| format!("{config:?}")).expect_err("something is wrong");
    let mut problems: Vec<String> = Vec::new();
    for line in text.lines().skip(1) {
        match line.strip_prefix("    ") {
            Some(hint) => problems.last_mut().unwrap().push_str(&format!(" | {hint}")),
            None => problems.push(line.trim_start().to_owned()),
        }
    }
    problems
}

#[track_caller]
fn only_problem(settings: &[(&str, &str)], expected: &str) {
    let problems = problems(settings);
    assert!(problems.len() == 1 && problems[0].contains(expected), "{problems:#?}");
}

const REPO: [(&str, &str); 2] = [("ACCESS_TOKEN", "ghp_marker"), ("REPO_URL", "https://github.com/octo/hello")];
const KEY: &str = "-----BEGIN RSA PRIVATE KEY-----\\nMIIEmarker\\n-----END RSA PRIVATE KEY-----\\n";
const BLOB: &str = "eyJtYXJrZXIiOiAiIn0=";

fn with<'a>(more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    REPO.iter().copied().chain(more.iter().copied()).collect()
}

fn repo(owner: &str, name: &str) -> Option<Scope> {
    Some(Scope::Repo { owner: owner.to_owned(), name: name.to_owned() })
}

fn org(name: &str) -> Option<Scope> {
    Some(Scope::Org(name.to_owned()))
}

fn revealed(secret: &Secret) -> String {
    secret.reveal().unwrap().to_string()
}

fn jit(config: &Config) -> &Wanted {
    match &config.registration {
        Registration::Jit(wanted) => wanted,
        other => panic!("{other:?}"),
    }
}

fn token(config: &Config) -> String {
    match &config.github.credential {
        Some(Credential::Token(token)) => revealed(token),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_smallest_configuration_is_a_token_and_a_target() {
    let config = read(&REPO).unwrap();
    assert_eq!((config.github.api.as_str(), config.github.web.as_str()), ("https://api.github.com", "https://github.com"));
    assert_eq!(config.github.scope, repo("octo", "hello"));
    let wanted = jit(&config);
    assert_eq!(wanted.name, Name::Prefixed("runner".into()));
    assert_eq!(wanted.labels[..2], ["self-hosted", "linux"]);
    assert_eq!((wanted.default_labels, wanted.own_labels.len(), wanted.group.as_str()), (true, 0, "Default"));
    assert_eq!((config.docker, config.cache), (None, None));
    assert_eq!(config.stop, StopBudget::split(Duration::from_secs(30)));
    assert_eq!((config.idle_timeout, config.max_lifetime, config.start_delay), (None, None, Duration::ZERO));
    assert_eq!(config.platform, Platform { metadata: None, agent: None, protect: true, spot: None });
    assert_eq!(config.termination_log, Path::new("/dev/termination-log"));
    assert!(!config.dry_run && config.warnings.is_empty());
}

#[test]
fn an_empty_environment_says_all_that_is_missing() {
    insta::assert_snapshot!(read(&[]).unwrap_err());
}

#[test]
fn everything_wrong_is_said_at_once_and_no_secret_with_it() {
    let wrong = read(&with(&[
        ("ORG_NAME", "octo"),
        ("RUNNER_SCOPE", "team"),
        ("ACCESS_TOKEN_FILE", "/nowhere"),
        ("GITHUB_API_URL", "ftp://x"),
        ("RUNNER_NAME", "a name that is much too long for GitHub because it has more than 64 characters"),
        ("RUNNER_LABELS", "good,ba\u{7}d"),
        ("STOP_TIMEOUT", "1"),
        ("STOP_SIGNALS", "TERM,KILL,NONE"),
        ("DOCKER_HOST", "/var/run/docker.sock"),
        ("TOOL_CACHE_REMOTE", "efs"),
        ("RUNNER_COMMAND", "bash"),
        ("RUN_AS_ROOT", "perhaps"),
        ("LOG_FORMAT", "xml"),
    ]))
    .unwrap_err();
    assert!(!wrong.contains("ghp_marker"));
    insta::assert_snapshot!(wrong);
}

/// Every combination of what a registration can come from, in order of decision.
#[test]
fn the_way_to_register_follows_from_what_is_given() {
    const TARGET: (&str, &str) = ("ORG_NAME", "octo");
    const PAT: (&str, &str) = ("ACCESS_TOKEN", "ghp_marker");
    const APP: [(&str, &str); 2] = [("APP_ID", "Iv23li"), ("APP_PRIVATE_KEY", KEY)];
    const TOKEN: (&str, &str) = ("RUNNER_TOKEN", "AABBCC");
    const READY: (&str, &str) = ("ACTIONS_RUNNER_INPUT_JITCONFIG", BLOB);
    const URL: (&str, &str) = ("JITCONFIG_URL", "https://pool.example/one?sig=marker");
    const JIT: (&str, &str) = ("REGISTRATION", "jit");
    const CLASSIC: (&str, &str) = ("REGISTRATION", "Classic");
    let way = |settings: &[(&str, &str)]| {
        let config = read(settings).unwrap();
        let credential = match &config.github.credential {
            None => "nobody",
            Some(Credential::Token(_)) => "token",
            Some(Credential::App { .. }) => "app",
        };
        let way = match &config.registration {
            Registration::Jit(_) => "jit",
            Registration::Ready(Ready::Blob(_)) => "blob",
            Registration::Ready(Ready::Url { .. }) => "url",
            Registration::Classic { token: Some(_), .. } => "classic, given",
            Registration::Classic { token: None, .. } => "classic, made",
        };
        (way, credential, config.github.scope.is_some())
    };
    for (settings, expected) in [
        (&[TARGET, PAT][..], ("jit", "token", true)),
        (&[TARGET, PAT, JIT], ("jit", "token", true)),
        (&[TARGET, APP[0], APP[1]], ("jit", "app", true)),
        (&[TARGET, PAT, CLASSIC], ("classic, made", "token", true)),
        (&[TARGET, APP[0], APP[1], CLASSIC], ("classic, made", "app", true)),
        (&[TARGET, TOKEN], ("classic, given", "nobody", true)),
        (&[TARGET, TOKEN, CLASSIC], ("classic, given", "nobody", true)),
        (&[TARGET, TOKEN, PAT], ("classic, given", "token", true)),
        (&[TARGET, TOKEN, APP[0], APP[1]], ("classic, given", "app", true)),
        (&[TARGET, TOKEN, PAT, JIT], ("jit", "token", true)),
        (&[READY], ("blob", "nobody", false)),
        (&[READY, JIT], ("blob", "nobody", false)),
        (&[READY, TARGET, PAT], ("blob", "token", true)),
        (&[URL, ("JITCONFIG_TOKEN", "bearer")], ("url", "nobody", false)),
    ] {
        assert_eq!(way(settings), expected, "{settings:?}");
    }
    for (settings, expected) in [
        (&[TARGET][..], "ACCESS_TOKEN: is not set, nor is anything else"),
        (&[PAT], "REPO_URL: no repository, organisation or enterprise is named"),
        (&[TOKEN], "REPO_URL: no repository, organisation or enterprise is named"),
        (&[TARGET, PAT, APP[0], APP[1]], "ACCESS_TOKEN: is set, and APP_ID too"),
        (&[TARGET, APP[0]], "APP_PRIVATE_KEY: is not set, and APP_ID is"),
        (&[TARGET, APP[1]], "APP_ID: is not set, and APP_PRIVATE_KEY is"),
        (&[TARGET, APP[0], ("APP_PRIVATE_KEY", "ghp_marker")], "APP_PRIVATE_KEY: is not a private key in PEM"),
        (&[TARGET, ("APP_ID", "my app"), APP[1]], "APP_ID: `my app` is not the id of an App"),
        (&[TARGET, TOKEN, JIT], "REGISTRATION: `jit` cannot be done with RUNNER_TOKEN alone"),
        (&[READY, TOKEN], "RUNNER_TOKEN: is set beside a JIT configuration that is ready"),
        (&[READY, URL], "JITCONFIG_URL: is set, and ACTIONS_RUNNER_INPUT_JITCONFIG too"),
        (&[READY, CLASSIC], "REGISTRATION: `classic` contradicts ACTIONS_RUNNER_INPUT_JITCONFIG"),
        (&[READY, ("JITCONFIG_TOKEN", "bearer")], "JITCONFIG_TOKEN: is set, and JITCONFIG_URL is not"),
        (&[("ACTIONS_RUNNER_INPUT_JITCONFIG", "{}")], "ACTIONS_RUNNER_INPUT_JITCONFIG: is not a JIT configuration"),
        (
            &[("JITCONFIG_URL", "https://me:marker@pool.example/x")],
            "JITCONFIG_URL: `https://pool.example/x` has a user or a password in it",
        ),
        (&[("JITCONFIG_URL", "pool.example/x")], "JITCONFIG_URL: `pool.example/x` is not an http address"),
    ] {
        only_problem(settings, expected);
        assert!(!problems(settings)[0].contains("marker"));
    }
}

#[test]
fn a_token_for_another_way_than_the_one_asked_for_is_warned_of() {
    let config = read(&with(&[("RUNNER_TOKEN", "AABBCC"), ("REGISTRATION", "jit")])).unwrap();
    assert_eq!(config.warnings, ["RUNNER_TOKEN is not used: REGISTRATION=jit registers with the token or the App"]);
    let plain = read(&[("JITCONFIG_URL", "http://pool.example/one")]).unwrap();
    assert_eq!(plain.warnings, ["JITCONFIG_URL is plain http: whoever listens on the way can become this runner"]);
    assert!(read(&[("JITCONFIG_URL", "http://169.254.169.254/one")]).unwrap().warnings.is_empty());
}

#[test]
fn an_apps_key_comes_with_real_line_breaks_and_a_ready_address_does_not_show_its_query() {
    let config = read(&[("ORG_NAME", "octo"), ("GITHUB_APP_ID", "12345"), ("GITHUB_APP_PEM", KEY), ("APP_LOGIN", "octo")]).unwrap();
    let Some(Credential::App { id, key, login }) = &config.github.credential else { panic!() };
    assert_eq!((id.as_str(), login.as_deref()), ("12345", Some("octo")));
    assert_eq!(revealed(key), "-----BEGIN RSA PRIVATE KEY-----\nMIIEmarker\n-----END RSA PRIVATE KEY-----");
    let config = read(&[("JITCONFIG_URL", "https://pool.example/one?sig=marker"), ("JITCONFIG_TOKEN", "marker")]).unwrap();
    let told = format!("{config:?} {:?}", config.described());
    assert!(told.contains("https://pool.example/one") && !told.contains("marker"), "{told}");
}

#[test]
fn a_secret_in_a_file_stays_there() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("key.pem");
    std::fs::write(&file, KEY.replace("\\n", "\n")).unwrap();
    let config = read(&[("ORG_NAME", "octo"), ("APP_ID", "1"), ("APP_PRIVATE_KEY_FILE", file.to_str().unwrap())]).unwrap();
    let Some(Credential::App { key, .. }) = &config.github.credential else { panic!() };
    assert!(revealed(key).contains("MIIEmarker"));
    std::fs::remove_file(&file).unwrap();
    assert!(key.reveal().is_err());
    std::fs::write(&file, "-----BEGIN RSA PRIVATE KEY-----\nMIIE").unwrap();
    only_problem(&[("ORG_NAME", "octo"), ("APP_ID", "1"), ("APP_PRIVATE_KEY_FILE", file.to_str().unwrap())], "which is cut off");
}

#[test]
fn where_github_is_follows_from_whatever_names_it() {
    let pat = ("ACCESS_TOKEN", "t");
    for (settings, api, web) in [
        (&[("ORG_NAME", "o"), ("GITHUB_HOST", "github.com")][..], "https://api.github.com", "https://github.com"),
        (&[("ORG_NAME", "o"), ("GITHUB_HOST", "acme.ghe.com")], "https://api.acme.ghe.com", "https://acme.ghe.com"),
        (&[("ORG_NAME", "o"), ("GITHUB_HOST", "https://Git.Corp/")], "https://git.corp/api/v3", "https://git.corp"),
        (&[("ORG_NAME", "o"), ("GITHUB_DOMAIN", "git.corp")], "https://git.corp/api/v3", "https://git.corp"),
        (&[("ORG_NAME", "o"), ("GITHUB_URL", "https://git.corp/")], "https://git.corp/api/v3", "https://git.corp"),
        (&[("ORG_NAME", "o"), ("GITHUB_URL", "http://127.0.0.1:80")], "http://127.0.0.1:80/api/v3", "http://127.0.0.1:80"),
        (&[("REPO_URL", "https://git.corp/o/r")], "https://git.corp/api/v3", "https://git.corp"),
        (&[("REPO_URL", "https://acme.ghe.com/o/r")], "https://api.acme.ghe.com", "https://acme.ghe.com"),
        (&[("REPO_URL", "https://www.github.com/o/r")], "https://api.github.com", "https://github.com"),
        (&[("ACTIONS_RUNNER_INPUT_URL", "https://git.corp/enterprises/e")], "https://git.corp/api/v3", "https://git.corp"),
        (&[("REPO_URL", "https://git.corp/o/r"), ("GITHUB_HOST", "git.corp")], "https://git.corp/api/v3", "https://git.corp"),
        (&[("ORG_NAME", "o"), ("GITHUB_API_URL", "http://127.0.0.1:8080/")], "http://127.0.0.1:8080", "https://github.com"),
        (
            &[("ORG_NAME", "o"), ("GITHUB_HOST", "git.corp"), ("GITHUB_API_HOST", "api.git.corp")],
            "https://api.git.corp/api/v3",
            "https://git.corp",
        ),
        (
            &[("ORG_NAME", "o"), ("GITHUB_HOST", "git.corp"), ("GITHUB_API_HOST", "api.git.corp"), ("GITHUB_API_PATH", "/")],
            "https://api.git.corp",
            "https://git.corp",
        ),
        (&[("ORG_NAME", "o"), ("GITHUB_HOST", "git.corp"), ("GITHUB_API_PATH", "/rest/")], "https://git.corp/rest", "https://git.corp"),
        // A repository that is not the target does not say where GitHub is.
        (
            &[("REPO_URL", "https://github.com/o/r"), ("RUNNER_SCOPE", "org"), ("ORG_NAME", "o"), ("GITHUB_HOST", "git.corp")],
            "https://git.corp/api/v3",
            "https://git.corp",
        ),
    ] {
        let settings: Vec<_> = settings.iter().copied().chain([pat]).collect();
        let config = read(&settings).unwrap();
        assert_eq!((config.github.api.as_str(), config.github.web.as_str()), (api, web), "{settings:?}");
    }
    for (settings, expected) in [
        (
            &[("REPO_URL", "https://git.corp/o/r"), ("GITHUB_HOST", "github.com")][..],
            "REPO_URL: is at `git.corp`, and GITHUB_HOST says `github.com`",
        ),
        (
            &[("ORG_NAME", "o"), ("GITHUB_URL", "https://a.corp"), ("GITHUB_HOST", "b.corp")],
            "GITHUB_URL: is at `a.corp`, and GITHUB_HOST says",
        ),
        (&[("ORG_NAME", "o"), ("GITHUB_HOST", "git.corp/api")], "GITHUB_HOST: `git.corp/api` is not a host name"),
        (&[("ORG_NAME", "o"), ("GITHUB_URL", "git.corp")], "GITHUB_URL: `git.corp` is not the address of a GitHub"),
        (
            &[("ORG_NAME", "o"), ("GITHUB_API_URL", "https://x"), ("GITHUB_API_HOST", "x")],
            "GITHUB_API_HOST: is set, and GITHUB_API_URL too",
        ),
        (&[("ORG_NAME", "o"), ("GITHUB_API_HOST", "x/y")], "GITHUB_API_HOST: `x/y` is not a host"),
        (&[("ORG_NAME", "o"), ("GITHUB_API_PATH", "api")], "GITHUB_API_PATH: `api` is not a path"),
        (&[("ORG_NAME", "o"), ("GITHUB_CA_FILE", "/does/not/exist")], "GITHUB_CA_FILE: /does/not/exist cannot be read"),
        (&[("ORG_NAME", "o"), ("GITHUB_CA_FILE", "/dev/null")], "GITHUB_CA_FILE: /dev/null holds no certificate"),
    ] {
        let settings: Vec<_> = settings.iter().copied().chain([pat]).collect();
        only_problem(&settings, expected);
    }
}

#[test]
fn proxies_are_read_in_both_cases_and_the_lower_wins() {
    let config = read(&with(&[("HTTPS_PROXY", "http://upper"), ("https_proxy", "http://lower"), ("NO_PROXY", "corp")])).unwrap();
    assert_eq!(config.github.proxies.https.as_deref(), Some("http://lower"));
    assert_eq!(config.github.proxies.except.as_deref(), Some("corp"));
    assert_eq!(config.github.proxies.http, None);
}

#[test]
fn limits_and_the_platform_are_off_unless_asked_for() {
    let config = read(&with(&[
        ("IDLE_TIMEOUT", "10m"),
        ("MAX_LIFETIME", "86400"),
        ("STARTUP_DELAY_IN_SECONDS", "3"),
        ("ECS_AGENT_URI", "http://169.254.170.2/api/1-2"),
        ("ECS_CONTAINER_METADATA_URI_V4", "http://169.254.170.2/v4/1-2"),
        ("ECS_TASK_PROTECTION", "no"),
        ("SPOT_NOTICE", "yes"),
        ("DEBUG_ONLY", "true"),
        ("DEBUG_OUTPUT", "true"),
    ]))
    .unwrap();
    assert_eq!(config.idle_timeout, Some(Duration::from_secs(600)));
    assert_eq!((config.max_lifetime, config.start_delay), (Some(Duration::from_secs(86_400)), Duration::from_secs(3)));
    let platform = Platform {
        metadata: Some("http://169.254.170.2/v4/1-2".into()),
        agent: Some("http://169.254.170.2/api/1-2".into()),
        protect: false,
        spot: Some("http://169.254.169.254".into()),
    };
    assert_eq!((config.platform, config.dry_run, config.log.level), (platform, true, tracing::Level::DEBUG));
    let zero = read(&with(&[("IDLE_TIMEOUT", "0"), ("MAX_LIFETIME", "0"), ("DEBUG_OUTPUT", "true"), ("LOG_LEVEL", "warn")])).unwrap();
    assert_eq!((zero.idle_timeout, zero.max_lifetime, zero.log.level), (None, None, tracing::Level::WARN));
}

#[test]
fn a_work_folder_is_given_or_named_for_the_runner() {
    for (settings, expected) in [
        (&[][..], "_work"),
        (&[("RUNNER_WORKDIR", "/tmp/runner/work")], "/tmp/runner/work"),
        (&[("RUNNER_WORKDIR_ROOT", "/_work")], "/_work/{name}"),
        (&[("RUNNER_WORKDIR_ROOT", "/_work"), ("RUNNER_WORKDIR", "/w")], "/w"),
        (&[("ENABLE_RUNNER_WORKDIR_SUFFIX", "true"), ("RUNNER_WORKDIR", "/w/")], "/w/{name}"),
    ] {
        assert_eq!(jit(&read(&with(settings)).unwrap()).work_folder, expected, "{settings:?}");
    }
}

#[test]
fn a_repository_has_no_runner_groups() {
    let config = read(&with(&[("RUNNER_GROUPS", "big")])).unwrap();
    assert_eq!(jit(&config).group, "Default");
    assert_eq!(config.warnings, ["RUNNER_GROUPS is not used: a repository has no runner groups, only organisations and enterprises have"]);
    assert!(read(&with(&[("RUNNER_GROUP", "default")])).unwrap().warnings.is_empty());
}

#[test]
fn more_labels_than_github_takes_are_refused_before_it_is_asked() {
    let many: Vec<String> = (0..98).map(|n| format!("l{n}")).collect();
    only_problem(&with(&[("LABELS", &many.join(","))]), "LABELS: 98 labels are too many");
    assert!(read(&with(&[("LABELS", &many.join(",")), ("NO_DEFAULT_LABELS", "yes")])).is_ok());
    only_problem(&with(&[("LABELS", &"x".repeat(257))]), "LABELS: `xxx");
    only_problem(&with(&[("NO_DEFAULT_LABELS", "yes")]), "NO_DEFAULT_LABELS: leaves the runner without a label");
}

#[test]
fn what_is_done_differently_here_is_warned_of_and_what_is_so_anyway_is_not() {
    for (name, value, warned) in [
        ("EPHEMERAL", "true", false),
        ("EPHEMERAL", "0", true),
        ("RUNNER_EPHEMERAL", "false", true),
        ("RUNNER_FEATURE_FLAG_ONCE", "true", true),
        ("START_DOCKER_SERVICE", "true", true),
        ("START_DOCKER_SERVICE", "false", false),
        ("DOCKERD_IN_RUNNER", "true", true),
        ("UNSET_CONFIG_VARS", "true", false),
        ("CONFIGURED_ACTIONS_RUNNER_FILES_DIR", "/kept", true),
        ("DISABLE_AUTOMATIC_DEREGISTRATION", "true", true),
        ("RUNNER_MANUALLY_TRAP_SIG", "1", false),
        ("RUNNER_ALLOW_RUNASROOT", "1", false),
        ("RUNNER_UPDATE_CA_CERTS", "1", true),
        ("MTU", "1400", true),
        ("ACTIONS_RUNNER_INPUT_MONITORSOCKETADDRESS", "127.0.0.1:1", true),
        ("GITHUB_ACTIONS_RUNNER_HTTP_RETRY", "3", false),
        ("RUNNER_LABLES", "x", true),
    ] {
        let warnings = read(&with(&[(name, value)])).unwrap().warnings;
        assert_eq!(warnings.len(), usize::from(warned), "{name}={value}: {warnings:?}");
        assert!(warnings.iter().all(|warning| warning.starts_with(&format!("{name} "))), "{warnings:?}");
    }
    only_problem(&with(&[("EPHEMERAL", "maybe")]), "EPHEMERAL: `maybe` is neither yes nor no");
}

fn handed_on(settings: &[(&str, &str)]) -> Vec<String> {
    let config = read(&with(settings)).unwrap();
    config.runner.environment.iter().filter_map(|(name, _)| name.to_str().map(str::to_owned)).collect()
}

const AWS: [(&str, &str); 3] =
    [("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2"), ("ECS_AGENT_URI", "http://169.254.170.2"), ("AWS_REGION", "eu-west-1")];

#[test]
fn no_secret_and_no_variable_of_the_platform_reaches_the_job() {
    let plain = [("PATH", "/usr/bin"), ("HTTPS_PROXY", "http://proxy"), ("MY_OWN", "1"), ("RUNNER_ENVIRONMENT", "MY_OWN")];
    assert_eq!(handed_on(&[&plain[..], &AWS[..]].concat()), ["PATH", "HTTPS_PROXY", "MY_OWN"]);
}

#[test]
fn more_certificates_reach_actions_in_javascript_and_the_runner_is_warned_of() {
    let bundle = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(bundle.path(), "-----BEGIN CERTIFICATE-----").unwrap();
    let path = bundle.path().to_str().unwrap();
    for (more, extra, warned) in [
        (&[][..], path, true),
        (&[("NODE_EXTRA_CA_CERTS", "/own.pem")], "/own.pem", true),
        (&[("SSL_CERT_FILE", "/whole.pem")], path, false),
        (&[("SSL_CERT_DIR", "/certificates")], path, false),
    ] {
        let config = read(&with(&[&[("GITHUB_CA_FILE", path)], more].concat())).unwrap();
        let found: Vec<_> = config.runner.environment.iter().filter(|(name, _)| name == "NODE_EXTRA_CA_CERTS").collect();
        assert_eq!(found, [&("NODE_EXTRA_CA_CERTS".into(), extra.into())], "{more:?}");
        assert_eq!(config.warnings.iter().any(|warning| warning.contains("GITHUB_CA_FILE")), warned, "{more:?}");
    }
}

#[test]
fn the_tasks_role_reaches_the_job_only_when_asked_for() {
    assert!(handed_on(&AWS).is_empty());
    let names = handed_on(&[&AWS[..], &[("HAND_ON_AWS_CREDENTIALS", "yes"), ("AWS_SECRET_ACCESS_KEY", "x")][..]].concat());
    assert_eq!(names, AWS.map(|(name, _)| name));
}

#[test]
fn what_the_runner_itself_reads_is_handed_on_but_none_of_its_options() {
    let runners = [
        ("ACTIONS_RUNNER_DEBUG", "1"),
        ("ACTIONS_RUNNER_FORCED_INTERNAL_NODE_VERSION", "node20"),
        ("GITHUB_ACTIONS_RUNNER_TLS_NO_VERIFY", "1"),
        ("GITHUB_ACTIONS_RUNNER_FORCE_GHES", "1"),
        ("RUNNER_PERFLOG", "/tmp"),
        ("RUNNER_LOGSIZE", "8"),
        ("PIPELINE_JOB_OOMSCOREADJ", "100"),
    ];
    assert_eq!(handed_on(&runners), runners.map(|(name, _)| name));
    assert!(handed_on(&[("ACTIONS_RUNNER_INPUT_LABELS", "a"), ("ACTIONS_RUNNER_INPUT_ONCE", "true")]).is_empty());
    assert!(handed_on(&[("KUBERNETES_SERVICE_HOST", "10.0.0.1")]).is_empty());
    assert_eq!(handed_on(&[("KUBERNETES_SERVICE_HOST", "10.0.0.1"), ("ACTIONS_RUNNER_CONTAINER_HOOKS", "/h/index.js")]).len(), 2);
}

#[test]
fn a_secret_cannot_be_handed_to_the_job_by_name() {
    for name in ["ACCESS_TOKEN", "GITHUB_PAT", "ACCESS_TOKEN_FILE", "GITHUB_PAT_FILE", "ACTIONS_RUNNER_INPUT_URL", "actions_runner_input_x"]
    {
        only_problem(&with(&[("RUNNER_ENVIRONMENT", name)]), &format!("RUNNER_ENVIRONMENT: `{name}` "));
    }
}
