//! `check` of both programs, for real: what it says and its exit code, beside a GitHub with rules, and that it leaves nothing behind.

mod github;

use std::{fs, os::unix::fs::PermissionsExt as _, time::Duration};

use runner_tests::{
    bed::{Bed, Launch},
    filters,
    github::{Route, Rules},
    need::{Need, need},
    process::Ending,
    programs::Program,
    slow_mount::{Operation, Profile, SlowMount},
};
use serde_json::Value;

const DEADLINE: Duration = Duration::from_secs(40);

/// In every secret of these tests that the stand-in does not know.
const MARKER: &str = "marker";

/// A file system that is not the root's, as a mounted volume is.
const ELSEWHERE: &str = "/dev/shm";

/// What a check says, with the secrets of the bed looked for in it, and its exit code.
#[track_caller]
fn asked(bed: &Bed, launch: Launch<'_>) -> (String, i32) {
    let mut life = launch.start();
    let ending = life.wait(DEADLINE);
    let (stdout, stderr) = (life.stdout(), life.stderr());
    for secret in [bed.token(), MARKER] {
        assert!(!stdout.contains(secret) && !stderr.contains(secret), "a secret was said: {stdout}{stderr}");
    }
    assert_eq!(stderr, "", "a check answers on standard output alone");
    let Ending::Code(code) = ending else { panic!("{ending:?}") };
    (stdout, code)
}

#[track_caller]
fn reviewed(name: &str, bed: &Bed, launch: Launch<'_>) -> i32 {
    let (said, code) = asked(bed, launch);
    // One of JSON is read by people here.
    let said = match serde_json::from_str::<Value>(&said) {
        Ok(mut value) => {
            // One of each kind; all would change with every new setting.
            let shown = |setting: &Value| setting["set"] == true || setting["name"] == "LOG_LEVEL" || setting["name"] == "JITCONFIG_URL";
            value["settings"].as_array_mut().unwrap().retain(shown);
            serde_json::to_string_pretty(&value).unwrap() + "\n"
        }
        Err(_) => said,
    };
    bind(bed, "check", || insta::assert_snapshot!(name, format!("{said}--- exit code {code}\n")));
    code
}

/// `folder` is that of the snapshots, from the file that asserts.
fn bind(bed: &Bed, folder: &str, judge: impl FnOnce()) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(folder);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.add_filter(&filters::literal(&bed.path("").display().to_string()), "[BED]/");
    settings.add_filter(r"/dev/shm/\.tmp\w+", "[VOLUME]");
    settings.add_filter(r"(127\.0\.0\.1|localhost):\d{4,5}", "$1:[PORT]");
    settings.add_filter(r"\d+(\.\d+)? ms", "[LATENCY]");
    settings.add_filter(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(?:\.\d+)?Z", "[TIME]");
    settings.add_filter(r"user id \d+", "user id [UID]");
    // Of another machine: how many of the hour's calls a test made before this look.
    settings.add_filter(r"\d+ of 5000 are left", "[CALLS] of 5000 are left");
    settings.bind(judge);
}

fn check(bed: &Bed) -> Launch<'_> {
    bed.entrypoint().arg("check")
}

/// The checks of an answer in JSON: name, status and what was found, in one line each.
fn lines(said: &str) -> Vec<String> {
    let report: Value = serde_json::from_str(said).unwrap_or_else(|error| panic!("{error}: {said}"));
    let checks = report["sections"].as_array().unwrap().iter().flat_map(|section| section["checks"].as_array().unwrap());
    checks
        .map(|check| {
            let found: Vec<&str> = check["findings"].as_array().unwrap().iter().map(|found| found["what"].as_str().unwrap()).collect();
            format!("{} {}: {}", check["status"].as_str().unwrap(), check["name"].as_str().unwrap(), found.join("; "))
        })
        .collect()
}

/// Everything below the bed, but for what a look at a file changes.
fn inventory(bed: &Bed) -> Vec<String> {
    let entries = walkdir::WalkDir::new(bed.path("")).sort_by_file_name().into_iter().map(Result::unwrap);
    entries.map(|entry| format!("{} {:o}", entry.path().display(), entry.metadata().unwrap().permissions().mode())).collect()
}

#[test]
fn all_is_well_and_nothing_is_left() {
    let bed = Bed::with_rules(Rules::for_account("acme").with_group("big"));
    let volume = tempfile::tempdir_in(ELSEWHERE).unwrap();
    let launch = || {
        check(&bed)
            .without("REPO_URL")
            .without("ACCESS_TOKEN")
            .env("RUNNER_SCOPE", "org")
            .env("ORG_NAME", "acme")
            .env("GITHUB_PAT", bed.token())
            .env("RUNNER_GROUP", "big")
            .env("TOOL_CACHE_REMOTE", volume.path().display().to_string())
            .env("https_proxy", "http://me:marker@proxy.example.com:3128")
            .args(&["--stop-timeout", "120"])
    };
    // Made before, so that it is no change.
    drop(launch());
    let before = inventory(&bed);
    assert_eq!(reviewed("well", &bed, launch()), 0);
    assert_eq!(reviewed("well_json", &bed, launch().arg("--json")), 0);
    assert_eq!(inventory(&bed), before);
    assert_eq!(fs::read_dir(volume.path()).unwrap().count(), 0, "and nothing on the volume");
    bed.github().assert_nobody_registered();
    assert!(bed.github().ever_registered().is_empty());
}

#[test]
fn many_warnings_are_no_reason_not_to_run() {
    let bed = Bed::new();
    let foreign = [
        ("EPHEMERAL", "false"),
        ("RUNNER_FEATURE_FLAG_ONCE", "true"),
        ("START_DOCKER_SERVICE", "true"),
        ("CONFIGURED_ACTIONS_RUNNER_FILES_DIR", "/kept"),
        ("DISABLE_AUTOMATIC_DEREGISTRATION", "true"),
        ("RUNNER_ASSETS_DIR", "/runnertmp"),
        ("RUNNER_STATUS_UPDATE_HOOK", "true"),
        ("RUNNER_UPDATE_CA_CERTS", "1"),
        ("DOCKER_REGISTRY_MIRROR", "https://mirror.example.com"),
        ("ACTIONS_RUNNER_INPUT_MONITORSOCKETADDRESS", "127.0.0.1:1"),
        ("RUNNER_GROUP", "big"),
        ("RUNNER_TOKEN", "AABBmarker"),
        ("REGISTRATION", "jit"),
        ("TOOL_CACHE_REMOTE", "/not-mounted"),
        ("TOOL_CACHE_RESTORE", "before-job"),
        ("ACTIONS_RUNNER_HOOK_JOB_STARTED", "/hooks/none.sh"),
        ("STOP_TIMOUT", "60"),
    ];
    let launch = || foreign.iter().fold(check(&bed), |launch, (name, value)| launch.env(name, *value));
    assert_eq!(reviewed("warned", &bed, launch()), 0);
    assert_eq!(reviewed("warned_json", &bed, launch().arg("--json")), 0);
}

#[test]
fn several_failures_are_told_with_what_to_do_first() {
    let bed = Bed::new();
    let socket = format!("unix://{}", bed.path("task/docker.sock").display());
    let empty = bed.directory("empty-home").display().to_string();
    let launch = || {
        check(&bed)
            .env("RUNNER_HOME", &empty)
            .env("DOCKER_HOST", &socket)
            .env("ACCESS_TOKEN", "ghp_marker")
            .env("TASK_DIR", bed.path("task").display().to_string())
    };
    assert_eq!(reviewed("failed", &bed, launch()), 78);
    assert_eq!(reviewed("failed_json", &bed, launch().arg("--json")), 78);
    // Each alone has its own code.
    assert_eq!(asked(&bed, check(&bed).env("ACCESS_TOKEN", "ghp_marker")).1, 77);
    assert_eq!(asked(&bed, check(&bed).env("DOCKER_HOST", &socket)).1, 69);
    assert_eq!(asked(&bed, check(&bed).env("GITHUB_API_URL", "http://127.0.0.1:1")).1, 75);
    // Who does not wait for docker starts without it.
    assert_eq!(asked(&bed, check(&bed).env("DOCKER_HOST", &socket).env("DISABLE_WAIT_FOR_DOCKER", "yes")).1, 0);
}

#[test]
fn settings_that_are_wrong_are_told_in_the_same_form() {
    let bed = Bed::new();
    let wrong = || check(&bed).env("STOP_TIMEOUT", "soon").env("RUN_AS_ROOT", "maybe").env("ACCESS_TOKEN_FILE", "/run/secrets/github");
    assert_eq!(reviewed("wrong_settings", &bed, wrong()), 78);
    let (said, code) = asked(&bed, wrong().arg("--json"));
    assert_eq!(code, 78);
    assert_eq!(lines(&said).len(), 1, "{said}");
    let dind = || bed.dind().env("DOCKER_STORAGE_ROOT", "docker").env("DOCKER_GROUP_GID", "docker").arg("check");
    assert_eq!(reviewed("dind_wrong_settings", &bed, dind()), 78);
    assert_eq!(asked(&bed, dind().arg("--json")).1, 78);
}

#[test]
fn debug_only_is_the_same_as_check() {
    let bed = Bed::new();
    let launch = || bed.entrypoint().env("RUNNER_NAME", "mine").env("SPOT_NOTICE", "yes").env("DEBUG_ONLY", "yes");
    assert_eq!(reviewed("debug_only", &bed, launch()), 0);
    assert_eq!(asked(&bed, bed.entrypoint().env("RUNNER_NAME", "mine").env("SPOT_NOTICE", "yes").arg("--debug-only").arg("yes")).1, 0);
    assert!(bed.github().ever_registered().is_empty());
}

#[test]
fn both_programs_answer_in_one_form() {
    let bed = Bed::new();
    let (runner, _) = asked(&bed, check(&bed).arg("--json"));
    let (dind, code) = asked(&bed, bed.dind().arg("check").arg("--json"));
    let keys = |said: &str| -> Vec<String> { serde_json::from_str::<Value>(said).unwrap().as_object().unwrap().keys().cloned().collect() };
    assert_eq!(keys(&runner), keys(&dind));
    let dind: Value = serde_json::from_str(&dind).unwrap();
    assert_eq!((dind["program"].as_str(), dind["exit_code"].as_u64()), (Some("runner-dind"), u64::try_from(code).ok()));
    let settings = dind["settings"].as_array().unwrap();
    let task = settings.iter().find(|setting| setting["name"] == "TASK_DIR").unwrap();
    assert_eq!((task["set"].as_bool(), task["from"]["kind"].as_str()), (Some(true), Some("variable")));
    assert!(
        settings.iter().any(|setting| setting["from"]["kind"] == "default")
            && settings.iter().any(|setting| setting["from"]["kind"] == "unset")
    );
}

#[test]
fn a_check_beside_a_runner_that_lives_disturbs_nothing() {
    let bed = Bed::new();
    let mut life = bed.entrypoint().start();
    life.wait_for_line("Listening for Jobs", DEADLINE);
    let (registered, before) = (bed.github().registered().len(), inventory(&bed));
    let (said, code) = asked(&bed, check(&bed));
    assert_eq!((code, bed.github().registered().len()), (0, registered), "{said}");
    assert!(said.contains(": a runner lives there, "), "{said}");
    assert_eq!(inventory(&bed), before);
    let (said, _) = asked(&bed, bed.dind().arg("check"));
    let runner = said.lines().find(|line| line.starts_with("  ok    runner ")).unwrap_or_else(|| panic!("{said}"));
    assert!(runner.contains("running since "), "{runner}");
    life.signal(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(life.wait(DEADLINE), Ending::Code(0));
    bed.github().assert_nobody_registered();
}

#[test]
fn a_list_of_packs_that_the_job_could_change_is_found() {
    if !need(&[Need::Root]) {
        return;
    }
    let bed = Bed::new();
    let list = bed.path("allow");
    fs::write(&list, format!("sha256:{}\n", "0".repeat(64))).unwrap();
    let launch = check(&bed).env("TOOL_CACHE_REMOTE", ELSEWHERE).env("TOOL_CACHE_ALLOW", list.display().to_string()).arg("--json");
    let (said, code) = asked(&bed, launch);
    assert_eq!(code, 78);
    assert!(lines(&said).iter().any(|line| line.starts_with("fail list of packs: TOOL_CACHE_ALLOW: the job could change")), "{said}");
}

/// A far mount is measured by questions that nothing on the way can answer, and too far a one is told with what it costs.
#[test]
fn a_slow_mount_is_measured_and_one_that_hangs_is_left_behind() {
    if !need(&[Need::Fuse]) {
        return;
    }
    let bed = Bed::new();
    let remote = bed.tool_cache("remote").with(runner_tests::fixtures::Tool::Node, "20.1.0");
    let slow = Profile { read_us: 30_000, ..Profile::INSTANT };
    let mount = SlowMount::over(remote.path()).profile(slow).mount();
    let asking = |mount: &SlowMount| check(&bed).env("TOOL_CACHE_REMOTE", mount.path().to_string_lossy()).arg("--json");
    drop(asking(&mount));
    let before = inventory(&bed);
    let (said, code) = asked(&bed, asking(&mount));
    assert_eq!(code, 0, "{said}");
    assert!(lines(&said).iter().any(|line| line.starts_with("warn latency: the mount is slow: to restore 5000 files")), "{said}");
    assert!(lines(&said).contains(&"ok save: ".to_owned()) && mount.counts().of(Operation::Absent) >= 20, "{said}");
    assert_eq!(mount.counts().of(Operation::Open), 0, "no file of a job's is opened");
    assert_eq!(inventory(&bed), before);
    drop(mount);
    let mount = SlowMount::over(remote.path()).profile(Profile::INSTANT).hang_after(0).mount();
    let (said, code) = asked(&bed, asking(&mount));
    assert_eq!(code, 0);
    assert!(lines(&said).iter().any(|line| line.starts_with("warn mount: ") && line.contains("does not answer within 10 s")), "{said}");
}

/// As root the looks are the runner's user's, who could not enter here.
#[test]
fn a_mount_is_looked_at_as_the_user_who_restores() {
    if !need(&[Need::Root, Need::Boxes]) {
        return;
    }
    let bed = Bed::new();
    bed.give_runner_to(1001, 1001);
    let remote = bed.directory("remote");
    let boxed = || runner_tests::boxed::Boxed::host().user("runner", 1001, 1001).host_network();
    let asking =
        || check(&bed).without("RUN_AS_ROOT").env("TOOL_CACHE_REMOTE", remote.display().to_string()).arg("--json").as_pid_1(boxed());
    let lines_of = || lines(&asked(&bed, asking()).0);
    fs::set_permissions(&remote, fs::Permissions::from_mode(0o755)).unwrap();
    let found = lines_of();
    assert!(found.iter().any(|line| line.starts_with("warn save: nothing would be saved")), "root's folder: {found:?}");
    fs::set_permissions(&remote, fs::Permissions::from_mode(0o700)).unwrap();
    let found = lines_of();
    assert!(found.iter().any(|line| line.starts_with("warn mount: the shared tool cache cannot be read")), "{found:?}");
    nix::unistd::chown(&remote, Some(1001.into()), Some(1001.into())).unwrap();
    assert!(lines_of().contains(&"ok save: ".to_owned()));
}

#[test]
fn the_help_names_the_switch() {
    let bed = Bed::new();
    for program in [Program::Entrypoint, Program::Dind] {
        let mut life = bed.program(program).args(&["help", "check"]).start();
        assert_eq!(life.wait(DEADLINE), Ending::Code(0));
        assert!(life.stdout().contains("check [--json]"), "{}", life.stdout());
    }
    assert!(bed.github().requests_of(Route::GenerateJit).is_empty());
}
