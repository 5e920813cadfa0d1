//! What people read when something is wrong: the exact text of both programs for every bad input, with the exit code. Whoever changes
//! a sentence sees it here, and should read it as somebody would who was woken by it.

mod lives;

use std::{fs, os::unix::fs::PermissionsExt as _, time::Duration};

use runner_tests::{
    bed::{Bed, Launch},
    boxed::Boxed,
    filters,
    github::{Job, Route, Rules, Step, Token},
    need::{Need, need},
    process::Ending,
    programs::Program,
};

const DEADLINE: Duration = Duration::from_secs(40);

/// In every secret of these tests that the stand-in does not know.
const MARKER: &str = "marker";

/// Runs it to its end and compares all it said with what was reviewed.
#[track_caller]
fn reviewed(name: &str, bed: &Bed, launch: Launch<'_>) {
    let mut life = launch.start();
    let ending = life.wait(DEADLINE);
    compared(name, bed, ending, life.stdout(), life.stderr());
}

/// Compares what was said until the end with what was reviewed.
#[track_caller]
fn compared(name: &str, bed: &Bed, ending: Ending, stdout: String, stderr: String) {
    for secret in [bed.token(), MARKER] {
        assert!(!stdout.contains(secret) && !stderr.contains(secret), "a secret was said: {stdout}{stderr}");
    }
    let code = match ending {
        Ending::Code(code) => format!("exit code {code}"),
        Ending::Signal(signal) => format!("signal {signal}"),
    };
    let mut text = String::new();
    for (heading, said) in [("stdout", stdout), ("stderr", stderr)] {
        if !said.is_empty() {
            text.push_str(&format!("--- {heading}\n{}", before_the_chart(&said)));
        }
    }
    text.push_str(&format!("--- {code}\n"));
    let root = filters::literal(&bed.path("").display().to_string());
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("messages");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.add_filter(&root, "[BED]/");
    settings.add_filter(r"(?m)^\d{2}:\d{2}:\d{2}\.\d{3} ", "[CLOCK] ");
    settings.add_filter(r"\b(runner-|build-1-)[a-z0-9]{12}([^\w'])", "$1[SUFFIX]$2");
    settings.add_filter(r"\(id \d+\)", "(id [ID])");
    settings.add_filter(r"(127\.0\.0\.1|localhost):\d{5}", "$1:[PORT]");
    settings.add_filter(r"\b\d+\.\d+ s\b", "[SECONDS] s");
    settings.add_filter(r"busy_ms=\d+", "busy_ms=[MS]");
    settings.add_filter(r"total_ms=\d+.*", "total_ms=[MS]  phases=[PHASES]");
    settings.add_filter(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(?:\.\d+)?Z", "[TIME]");
    // How many attempts fit into the budget depends on the machine.
    settings.add_filter(r"(?:(\[CLOCK\] WARN  preparing   register [^\n]*\n +hint: [^\n]*\n +trying again in [^\n]*\n))+", "$1");
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// How long things took is another test's.
fn before_the_chart(said: &str) -> &str {
    let head = said.lines().position(|line| line.trim_start().starts_with("start ") && line.ends_with("outcome"));
    let lines = head.map_or(usize::MAX, |head| head.saturating_sub(1));
    let length: usize = said.split_inclusive('\n').take(lines).map(str::len).sum();
    &said[..length]
}

fn plainly(bed: &Bed) -> Launch<'_> {
    bed.entrypoint().env("LOG_FORMAT", "human").env("NO_COLOR", "1")
}

fn bare(bed: &Bed, program: Program) -> Launch<'_> {
    bed.program(program).env("LOG_FORMAT", "human").env("NO_COLOR", "1")
}

/// With less patience than a limit asks for, and more than a loaded machine needs for an answer.
fn short(bed: &Bed) -> Launch<'_> {
    plainly(bed).env("REGISTRATION_TIMEOUT", "30")
}

#[test]
fn settings_that_are_missing_wrong_or_contradict_each_other() {
    let bed = Bed::new();
    reviewed("entrypoint_no_settings", &bed, bare(&bed, Program::Entrypoint));
    let wrong = plainly(&bed)
        .env("ORG_NAME", "acme")
        .env("RUNNER_SCOPE", "team")
        .env("RUN_AS_ROOT", "maybe")
        .env("STOP_TIMEOUT", "soon")
        .env("TOOL_CACHE_REMOTE", "efs")
        .env("STOP_SIGNALS", "TERM,KILL")
        .env("DOCKER_HOST", "/var/run/docker.sock")
        .env("LOG_FORMAT", "xml");
    reviewed("entrypoint_many_wrong_settings", &bed, wrong);
    reviewed("entrypoint_two_targets", &bed, plainly(&bed).without("RUNNER_SCOPE").env("ORG_NAME", "acme"));
    reviewed("entrypoint_scope_without_its_target", &bed, plainly(&bed).without("REPO_URL").env("RUNNER_SCOPE", "org"));
    reviewed("entrypoint_docker_host", &bed, plainly(&bed).env("DOCKER_HOST", "/var/run/docker.sock"));
}

const APP: (&str, &str) = ("APP_ID", "12345");
const APP_KEY: (&str, &str) = ("APP_PRIVATE_KEY", "-----BEGIN RSA PRIVATE KEY-----\\nmarker\\n-----END RSA PRIVATE KEY-----");
const PAT: (&str, &str) = ("ACCESS_TOKEN", "ghp_marker");
const TOKEN: (&str, &str) = ("RUNNER_TOKEN", "AABBmarker");
const READY: (&str, &str) = ("ACTIONS_RUNNER_INPUT_JITCONFIG", "bWFya2Vymarker");
const READY_URL: (&str, &str) = ("JITCONFIG_URL", "https://pool.example.com/runner?signature=marker");
const ORG: (&str, &str) = ("ORG_NAME", "acme");

#[track_caller]
fn reviewed_settings(cases: &[(&str, &[(&str, &str)])]) {
    let bed = Bed::new();
    for (name, settings) in cases {
        let launch = settings.iter().fold(bare(&bed, Program::Entrypoint), |launch, (name, value)| launch.env(name, *value));
        reviewed(&format!("entrypoint_{name}"), &bed, launch);
    }
}

#[test]
fn ways_to_register_that_are_incomplete_or_contradict_each_other() {
    reviewed_settings(&[
        ("no_way_to_register", &[ORG]),
        ("token_and_app", &[ORG, PAT, APP, APP_KEY]),
        ("app_without_key", &[ORG, APP]),
        ("app_key_without_id", &[ORG, APP_KEY]),
        ("app_id_malformed", &[ORG, ("APP_ID", "my app"), APP_KEY]),
        ("app_key_no_pem", &[ORG, APP, ("GITHUB_APP_PEM", "LS0tLmarker")]),
        ("app_key_cut_off", &[ORG, APP, ("APP_PRIVATE_KEY", "-----BEGIN RSA PRIVATE KEY-----")]),
        ("app_key_file_missing", &[ORG, APP, ("APP_PRIVATE_KEY_FILE", "/run/secrets/missing")]),
        ("jit_with_registration_token", &[ORG, TOKEN, ("REGISTRATION", "jit")]),
        ("registration_unknown", &[ORG, PAT, ("REGISTRATION", "just-in-time")]),
        ("ready_and_registration_token", &[READY, TOKEN]),
        ("ready_twice", &[READY, READY_URL]),
        ("ready_and_classic", &[READY_URL, ("REGISTRATION", "classic")]),
        ("ready_malformed", &[("ACTIONS_RUNNER_INPUT_JITCONFIG", "{\"marker\": 1}")]),
        ("ready_address_malformed", &[("JITCONFIG_URL", "https://me:marker@pool.example.com/runner?signature=marker")]),
        ("ready_token_without_address", &[ORG, PAT, ("JITCONFIG_TOKEN", "marker")]),
        ("token_of_two_lines", &[ORG, ("ACCESS_TOKEN", "ghp_marker\nghp_marker")]),
    ]);
}

#[test]
fn hosts_that_contradict_each_other_or_are_none() {
    reviewed_settings(&[
        ("two_hosts", &[PAT, ("REPO_URL", "https://github.example.com/acme/widgets"), ("GITHUB_HOST", "github.com")]),
        ("host_with_path", &[PAT, ORG, ("GITHUB_HOST", "github.example.com/api/v3")]),
        ("github_url_without_scheme", &[PAT, ORG, ("GITHUB_URL", "github.example.com")]),
        ("api_named_twice", &[PAT, ORG, ("GITHUB_API_URL", "https://a.example.com"), ("GITHUB_API_HOST", "b.example.com")]),
        ("api_host_and_path_malformed", &[PAT, ORG, ("GITHUB_API_HOST", "a.example.com/api"), ("GITHUB_API_PATH", "api/v3")]),
        ("ca_file_missing", &[PAT, ORG, ("GITHUB_CA_FILE", "/etc/ssl/missing.pem")]),
        ("ca_file_without_certificate", &[PAT, ORG, ("GITHUB_CA_FILE", "/dev/null")]),
        ("page_of_nothing", &[PAT, ("ACTIONS_RUNNER_INPUT_URL", "https://github.com/")]),
    ]);
}

#[test]
fn names_labels_limits_and_words_that_are_wrong() {
    let long = "n".repeat(65);
    let many = (0..98).map(|n| format!("l{n}")).collect::<Vec<_>>().join(",");
    reviewed_settings(&[
        ("name_too_long", &[PAT, ORG, ("RUNNER_NAME", &long)]),
        ("prefix_too_long", &[PAT, ORG, ("RUNNER_NAME_PREFIX", &long)]),
        ("too_many_labels", &[PAT, ORG, ("LABELS", &many)]),
        ("no_label", &[PAT, ORG, ("NO_DEFAULT_LABELS", "true")]),
        ("limits_malformed", &[PAT, ORG, ("IDLE_TIMEOUT", "-1"), ("MAX_LIFETIME", "30d"), ("STARTUP_DELAY_IN_SECONDS", "1h30")]),
        ("platform_malformed", &[PAT, ORG, ("ECS_AGENT_URI", "169.254.170.2"), ("SPOT_NOTICE", "maybe"), ("SPOT_METADATA_URL", "imds")]),
        (
            "cache_malformed",
            &[
                PAT,
                ORG,
                ("TOOL_CACHE_RESTORE", "lazily"),
                ("TOOL_CACHE_TOOLS", "node@20,python@"),
                ("TOOL_CACHE_LAYOUT", "tree"),
                ("TOOL_CACHE_TRUST", "team-a"),
                ("TOOL_CACHE_ALLOW", "/run/allow"),
                ("TOOL_CACHE_JOBS", "0"),
            ],
        ),
        ("foreign_word_malformed", &[PAT, ORG, ("EPHEMERAL", "once"), ("START_DOCKER_SERVICE", "auto")]),
        ("job_environment_with_secrets", &[PAT, ORG, ("RUNNER_ENVIRONMENT", "MY_OWN,GITHUB_PAT_FILE,ACTIONS_RUNNER_INPUT_URL")]),
    ]);
}

#[test]
fn secrets_in_files_that_cannot_be_had() {
    let bed = Bed::new();
    let file = |name: &str| bed.path(name).display().to_string();
    let missing = plainly(&bed).without("ACCESS_TOKEN").env("ACCESS_TOKEN_FILE", file("missing"));
    reviewed("entrypoint_secret_file_missing", &bed, missing);
    fs::write(bed.path("empty"), "\n").unwrap();
    reviewed("entrypoint_secret_file_empty", &bed, plainly(&bed).without("ACCESS_TOKEN").env("ACCESS_TOKEN_FILE", file("empty")));
    reviewed("entrypoint_secret_twice", &bed, plainly(&bed).env("ACCESS_TOKEN_FILE", file("empty")));
}

#[test]
fn words_that_are_not_understood() {
    let bed = Bed::new();
    for (program, prefix) in [(Program::Entrypoint, "entrypoint"), (Program::Dind, "dind")] {
        reviewed(&format!("{prefix}_unknown_command"), &bed, bare(&bed, program).arg("start"));
        reviewed(&format!("{prefix}_unknown_flag"), &bed, bare(&bed, program).arg("--stop-timeot=3"));
        reviewed(&format!("{prefix}_flag_without_value"), &bed, bare(&bed, program).arg("--stop-timeout"));
        reviewed(&format!("{prefix}_stray_word"), &bed, bare(&bed, program).args(&["run", "now"]));
    }
    reviewed("entrypoint_secret_as_flag", &bed, bare(&bed, Program::Entrypoint).args(&["--access-token", "ghp_marker"]));
    reviewed("entrypoint_supervise_nothing", &bed, bare(&bed, Program::Entrypoint).arg("supervise"));
    reviewed("entrypoint_cache_without_direction", &bed, bare(&bed, Program::Entrypoint).arg("cache"));
}

#[test]
fn help_of_everything() {
    let bed = Bed::new();
    for (name, program, words) in [
        ("entrypoint_help", Program::Entrypoint, &["--help"][..]),
        ("entrypoint_help_supervise", Program::Entrypoint, &["supervise", "--help"]),
        ("entrypoint_help_cache", Program::Entrypoint, &["cache", "--help"]),
        ("dind_help", Program::Dind, &["--help"]),
    ] {
        reviewed(name, &bed, bed.program(program).args(words));
    }
}

/// A task definition that ECS takes, and in which jobs would find neither docker nor their files in it.
#[test]
fn deployments_that_would_not_work() {
    let bed = Bed::new();
    let right = include_str!("../../deploy/tests/files/ec2.json");
    let wrong = right
        .replacen("\"containerPath\": \"/home/runner/_work\"", "\"containerPath\": \"/work\"", 1)
        .replace("unix:///run/task/docker.sock", "unix:///var/run/docker.sock")
        .replace(",\n        {\"name\": \"STOP_TIMEOUT\", \"value\": \"85\"}", "")
        .replace(
            "{\"name\": \"REPO_URL\", ",
            "{\"name\": \"ACCESS_TOKEN\", \"value\": \"ghp_marker\"},\n        {\"name\": \"REPO_URL\", ",
        );
    fs::write(bed.path("right.json"), right).unwrap();
    fs::write(bed.path("wrong.json"), wrong).unwrap();
    let warned = right.replace("/runner-dind:0.1.0", "/runner-dind:latest");
    fs::write(bed.path("warned.json"), warned).unwrap();
    // What people try first where there is no host of theirs.
    fs::write(bed.path("fargate.json"), right.replace("[\"EC2\"]", "[\"FARGATE\"]")).unwrap();
    let file = |name: &str| bed.path(name).display().to_string();
    for (name, words) in [
        ("dind_deploy_fargate", vec![file("fargate.json")]),
        ("dind_deploy_right", vec![file("right.json")]),
        ("dind_deploy_wrong", vec![file("wrong.json"), file("missing.json")]),
        ("dind_deploy_wrong_json", vec!["--json".to_owned(), file("wrong.json")]),
        ("dind_deploy_warned", vec![file("warned.json")]),
        ("dind_deploy_warned_strictly", vec!["--strict".to_owned(), file("warned.json")]),
        ("dind_deploy_rules", vec!["--rules".to_owned()]),
        ("dind_deploy_unknown_flag", vec!["--jsn".to_owned(), file("right.json")]),
        ("dind_deploy_no_file", vec![]),
    ] {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        reviewed(name, &bed, bed.program(Program::Dind).arg("check-deploy").args(&words));
    }
}

#[test]
fn github_that_cannot_be_reached_or_refuses() {
    let bed = Bed::new();
    // The one that waits for its whole budget; one of a second was over on a loaded machine before anything was tried again.
    reviewed(
        "entrypoint_github_unreachable",
        &bed,
        plainly(&bed).env("REGISTRATION_TIMEOUT", "4").env("GITHUB_API_URL", "http://127.0.0.1:1"),
    );
    reviewed("entrypoint_github_401", &bed, short(&bed).env("ACCESS_TOKEN", "ghp_marker"));

    let forbidden = Token { secret: "ghp_weak".into(), accounts: vec!["acme".into()], permitted: false };
    let blind = Token { secret: "ghp_blind".into(), accounts: vec![], permitted: true };
    let bed = Bed::with_rules(Rules::for_account("acme").with_token(forbidden).with_token(blind));
    reviewed("entrypoint_github_403", &bed, short(&bed).env("ACCESS_TOKEN", "ghp_weak"));
    reviewed("entrypoint_github_404", &bed, short(&bed).env("ACCESS_TOKEN", "ghp_blind"));
    let group = short(&bed).without("REPO_URL").env("RUNNER_SCOPE", "org").env("ORG_NAME", "acme").env("RUNNER_GROUP", "bilders");
    reviewed("entrypoint_github_unknown_group", &bed, group);
    let limit = || Step::status(403, "You have exceeded a secondary rate limit").header("retry-after", "60");
    bed.github().script(Route::GenerateJit, [limit(), limit()]);
    reviewed("entrypoint_github_limited", &bed, short(&bed));
}

#[test]
fn a_runner_that_cannot_be_started() {
    let bed = Bed::new();
    let empty = bed.directory("empty-home").display().to_string();
    reviewed("entrypoint_no_runner", &bed, plainly(&bed).env("RUNNER_HOME", empty));
    let home = bed.directory("stiff-home");
    fs::create_dir(home.join("bin")).unwrap();
    fs::write(home.join("bin/Runner.Listener"), "").unwrap();
    fs::set_permissions(home.join("bin/Runner.Listener"), fs::Permissions::from_mode(0o644)).unwrap();
    let stiff = plainly(&bed).env("RUNNER_HOME", home.to_string_lossy()).env("RUNNER_COMMAND", "listener");
    reviewed("entrypoint_runner_not_executable", &bed, stiff);
    if need(&[Need::Root]) {
        reviewed("entrypoint_unknown_user", &bed, plainly(&bed).without("RUN_AS_ROOT").env("RUNNER_USER", "nobody-of-that-name"));
    }
}

#[test]
fn a_life_with_something_missing() {
    let bed = Bed::new();
    let socket = format!("unix://{}", bed.path("task/docker.sock").display());
    reviewed("entrypoint_no_docker", &bed, plainly(&bed).env("DOCKER_HOST", &socket).env("WAIT_FOR_DOCKER_SECONDS", "1"));
}

#[test]
fn a_cache_that_is_not_mounted_and_a_variable_that_is_misspelt() {
    let bed = Bed::new();
    bed.github().queue_job(Job::new("build", "true"));
    let remote = bed.path("not-mounted").display().to_string();
    let mut life = plainly(&bed).env("TOOL_CACHE_REMOTE", remote).env("RUNNER_LABLES", "big").start();
    assert_eq!(life.wait(DEADLINE), Ending::Code(0));
    // What the runner says in between is its own.
    let ours: Vec<String> =
        life.stdout().lines().filter(|line| line.contains(" WARN ") || line.contains("cache ")).map(str::to_owned).collect();
    let root = filters::literal(&bed.path("").display().to_string());
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("messages");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_sort_maps(true);
    settings.add_filter(&root, "[BED]/");
    settings.add_filter(r"(?m)^\d{2}:\d{2}:\d{2}\.\d{3} ", "[CLOCK] ");
    settings.bind(|| insta::assert_snapshot!("entrypoint_cache_not_mounted", ours.join("\n")));
}

fn dind(bed: &Bed) -> Launch<'_> {
    bed.dind().env("LOG_FORMAT", "human").env("NO_COLOR", "1")
}

#[test]
fn settings_of_docker_that_are_wrong() {
    let bed = Bed::new();
    let wrong = dind(&bed)
        .env("DOCKER_STORAGE_ROOT", "docker")
        .env("DOCKER_GROUP_GID", "docker")
        .env("DOCKER_REGISTRY_MIRROR", "mirror:5000")
        .env("DOCKER_START_TIMEOUT", "0")
        .env("STOP_TIMEOUT", "1");
    reviewed("dind_wrong_settings", &bed, wrong);
}

#[test]
fn a_host_without_what_docker_needs() {
    if !need(&[Need::Root, Need::Boxes]) {
        return;
    }
    let bed = Bed::new();
    let boxed = || Boxed::host().tmpfs("/opt/nothing");
    let launch = |command: &str| {
        dind(&bed).env("PATH", "/opt/nothing").env("DOCKER_STORAGE_ROOT", "/opt/nothing/here").arg(command).as_pid_1(boxed())
    };
    // What it warns of besides is this machine's: limits, controllers. `check` tells even more of that; `dind/src/host/tests.rs` has its words.
    insta::with_settings!({filters => vec![(r"(?m)^\S+ WARN  checking .*\n(?: {31}.*\n)*", "")]}, {
        reviewed("dind_unsuitable_host", &bed, launch("run"));
    });
}
