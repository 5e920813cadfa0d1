//! What a life says that goes wrong on its way: the runbook's texts, beside those of starts that are refused at once.

use std::{fs, os::unix::net::UnixListener, path::Path, process::Command};

use nix::{
    fcntl::{Flock, FlockArg},
    sys::signal::{Signal, kill},
    unistd::{Pid, chown},
};
use runner_tests::{
    bed::{ACCOUNT, Bed, Launch, REPOSITORY, Subject},
    boxed::Boxed,
    clock,
    fixtures::{Tool, ToolCache},
    github::{App, Job, Order, Route, Rules, Scope, Step},
    http::Request,
    need::{Need, need},
    process::{Ending, Running},
    programs::Program,
};

use super::{DEADLINE, compared, dind, plainly, reviewed, short};

/// Where the name of a child ends, in a line that is the child's.
const BAR: usize = 29;

/// The records of ours that tell of trouble, with the lines below each, those that have one of `words`, and the last: what the runner itself
/// says in between, and when, is its own.
fn essence(said: &str, words: &[&str]) -> String {
    let mut told = false;
    let mut text = String::new();
    for line in said.lines() {
        if !line.starts_with("                    ") {
            // A line of a child has its name there, and a bar.
            let record = line.as_bytes().get(BAR) != Some(&b'|');
            let trouble = [" WARN ", " ERROR ", "  ended  exit_code="].iter().any(|word| line.contains(word));
            told = record && trouble || words.iter().any(|word| line.contains(word));
        }
        if told {
            text.push_str(line);
            text.push('\n');
        }
        if line.contains("  ended  exit_code=") {
            break;
        }
    }
    text
}

/// Waits for the end, and compares what matters of what was said.
#[track_caller]
fn told(name: &str, bed: &Bed, life: &mut Running, words: &[&str]) {
    let ending = life.wait(DEADLINE);
    compared(name, bed, ending, essence(&life.stdout(), words), life.stderr());
}

fn listening(launch: Launch<'_>) -> Subject {
    let life = launch.start();
    life.wait_for_line("Listening for Jobs", DEADLINE);
    life
}

/// A life in whose job we are; it ends when the file `go` is there.
fn busy<'a>(bed: &'a Bed, launch: Launch<'a>) -> Subject {
    let life = listening(launch);
    let script = format!("touch {0}/begun; until [ -e {0}/go ]; do sleep 0.02; done", bed.path("").display());
    let pace = std::time::Duration::from_millis(200);
    bed.github().queue_job(Job::new("build", &script).cancel_pace(pace, pace));
    life.wait_for_line("job started", DEADLINE);
    bed.wait_for("the job to begin", DEADLINE, || bed.path("begun").exists());
    life
}

/// A child of this process whose command line has these words, awaited.
fn child(life: &Subject, words: &str) -> Pid {
    let children = format!("/proc/{0}/task/{0}/children", life.pid());
    let found = clock::poll(DEADLINE, || {
        let pids = fs::read_to_string(&children).unwrap_or_default();
        let mut pids = pids.split_whitespace().filter_map(|pid| pid.parse::<i32>().ok());
        pids.find(|pid| fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default().contains(words))
    });
    Pid::from_raw(found.unwrap_or_else(|| panic!("no child {words:?}")))
}

#[test]
fn an_app_that_github_does_not_know_or_that_is_not_installed() {
    if !need(&[Need::Openssl]) {
        return;
    }
    let app = App::installed_on(ACCOUNT);
    let bed = Bed::with_rules(Rules::for_account(ACCOUNT).with_app(app.clone()));
    let as_app = |app: &App| {
        short(&bed).without("ACCESS_TOKEN").env("APP_ID", app.id.to_string()).env("APP_PRIVATE_KEY", app.private_key().to_owned())
    };
    reviewed("entrypoint_app_other_key", &bed, as_app(&app.with_a_fresh_key()));
    let elsewhere = App::installed_on("somebody-else");
    let bed = Bed::with_rules(Rules::for_account(ACCOUNT).with_app(elsewhere.clone()));
    let as_app = short(&bed).without("ACCESS_TOKEN").env("APP_ID", elsewhere.id.to_string());
    reviewed("entrypoint_app_not_installed", &bed, as_app.env("APP_PRIVATE_KEY", elsewhere.private_key().to_owned()));
}

#[test]
fn a_registration_token_that_is_too_old_and_an_address_that_was_used() {
    let bed = Bed::new();
    let address = format!("{}/repos/{REPOSITORY}/actions/runners/registration-token", bed.github().url());
    let bearer = format!("Bearer {}", bed.token());
    let made = Request::new("POST", address).header("authorization", &bearer).header("user-agent", "an-administrator").send().unwrap();
    bed.github().expire_tokens();
    let classic = plainly(&bed).without("ACCESS_TOKEN").env("GITHUB_URL", bed.github().web_url()).without("REPO_URL");
    let classic = classic.env("GITHUB_REPOSITORY", REPOSITORY).env("RUNNER_TOKEN", made.json()["token"].as_str().unwrap());
    told("entrypoint_registration_token_too_old", &bed, &mut classic.start(), &["Http response code"]);

    let offer = bed.github().offer_jit(&Scope::repo(REPOSITORY), "made-elsewhere", false);
    let bearer = format!("Bearer {}", offer.bearer);
    assert_eq!(Request::new("GET", &offer.url).header("authorization", &bearer).send().unwrap().status, 200);
    let again = ["ACCESS_TOKEN", "REPO_URL", "RUNNER_SCOPE", "RUNNER_LABELS"].into_iter().fold(plainly(&bed), Launch::without);
    let mut life = again.env("JITCONFIG_URL", offer.url).env("JITCONFIG_TOKEN", offer.bearer).start();
    assert_eq!(life.wait(DEADLINE), Ending::Code(78), "{}", life.transcript());
    told("entrypoint_ready_used", &bed, &mut life, &[]);
}

#[test]
fn github_that_is_out_of_order_or_full_or_has_the_name() {
    let bed = Bed::new();
    bed.github().script(Route::GenerateJit, (0..100).map(|_| Step::status(502, "Bad Gateway")));
    told("entrypoint_github_502", &bed, &mut plainly(&bed).env("REGISTRATION_TIMEOUT", "4").start(), &[]);

    let bed = Bed::new();
    let full = "Can't create a runner: the runner group has reached its max limit of 10000 runners";
    bed.github().script(Route::GenerateJit, [Step::status(422, full)]);
    told("entrypoint_github_group_full", &bed, &mut short(&bed).start(), &[]);

    let bed = Bed::new();
    let _taken = bed.github().offer_jit(&Scope::repo(REPOSITORY), "build-1", false);
    bed.github().queue_job(Job::new("build", "true"));
    told("entrypoint_name_taken", &bed, &mut short(&bed).env("RUNNER_NAME", "build-1").start(), &["registered runner"]);
}

#[test]
fn a_runner_that_github_refuses_or_that_does_not_stay() {
    for (name, orders) in [
        ("entrypoint_version_refused", vec![Order::Exit(7)]),
        ("entrypoint_update_loop", vec![Order::Update; 6]),
        ("entrypoint_session_conflict", vec![Order::Exit(5)]),
        ("entrypoint_runner_gave_up", vec![Order::Exit(1)]),
    ] {
        let bed = Bed::new();
        orders.into_iter().for_each(|order| bed.github().order_next_runner(order));
        told(name, &bed, &mut plainly(&bed).start(), &["registration removed"]);
    }
}

#[test]
fn a_runner_that_is_killed_with_its_job() {
    let bed = Bed::new();
    let mut life = busy(&bed, plainly(&bed));
    kill(child(&life, "Runner.Listener"), Signal::SIGKILL).unwrap();
    told("entrypoint_runner_killed", &bed, &mut life, &["job started"]);
}

#[test]
fn a_runner_without_a_job_that_is_deleted_is_too_long_idle_or_cannot_be_removed() {
    let bed = Bed::new();
    let mut life = listening(plainly(&bed));
    bed.github().forget(bed.github().registered()[0].id);
    told("entrypoint_withdrawn", &bed, &mut life, &[]);

    let bed = Bed::new();
    told("entrypoint_idle_timeout", &bed, &mut plainly(&bed).env("IDLE_TIMEOUT", "1").start(), &["IDLE_TIMEOUT", "registration removed"]);

    let bed = Bed::new();
    let mut life = listening(plainly(&bed).env("STOP_TIMEOUT", "6"));
    bed.github().script(Route::DeleteRunner, (0..100).map(|_| Step::status(502, "Bad Gateway")));
    life.signal(Signal::SIGTERM);
    told("entrypoint_left_registered", &bed, &mut life, &["stopping within"]);
}

#[test]
fn a_job_that_outlasts_the_time_of_the_platform() {
    let bed = Bed::new();
    let mut life = busy(&bed, plainly(&bed).env("STOP_TIMEOUT", "6"));
    life.signal(Signal::SIGTERM);
    told("entrypoint_job_cut", &bed, &mut life, &["stopping within", "a job is running", "job completed"]);
}

#[test]
fn a_cache_that_is_not_saved_in_time() {
    let bed = Bed::new();
    let large = "tree=$RUNNER_TOOL_CACHE/go/1.22.0/x64; mkdir -p $tree; head -c 80000000 /dev/urandom > $tree/go; touch $tree.complete";
    bed.github().queue_job(Job::new("build", large));
    let remote = bed.directory("efs").display().to_string();
    let mut life = plainly(&bed).env("TOOL_CACHE_REMOTE", remote).env("TOOL_CACHE_SAVE_TIMEOUT", "1").start();
    // As a mount that does not answer would hold it.
    kill(child(&life, "\0cache\0save\0"), Signal::SIGSTOP).unwrap();
    told("entrypoint_cache_not_saved", &bed, &mut life, &["job completed"]);
}

/// A tool version whose one file on the shared storage lost its end.
#[test]
fn a_saved_version_that_is_torn() {
    let bed = Bed::new();
    let (local, remote) = (bed.path("elsewhere"), bed.directory("efs"));
    let _ = ToolCache::at(&local).with(Tool::Node, "20.1.0");
    let save = |from: &Path, to: &Path| {
        let mut save = Command::new(Program::Entrypoint.path());
        save.args(["cache", "save", "--from"]).arg(from).arg("--to").arg(to).env_clear().output().unwrap()
    };
    assert!(save(&local, &remote).status.success());
    let pack = fs::canonicalize(remote.join(".packs/refs/shared/node@20.1.0@x64")).unwrap();
    let whole = fs::read(&pack).unwrap();
    fs::remove_file(&pack).unwrap();
    fs::write(&pack, &whole[..whole.len() / 2]).unwrap();
    bed.github().queue_job(Job::new("build", "true"));
    let launch = plainly(&bed).env("TOOL_CACHE_REMOTE", remote.display().to_string()).env("TOOL_CACHE_SAVE", "no");
    insta::with_settings!({filters => vec![(r"[0-9a-f]{64}", "[DIGEST]")]}, {
        told("entrypoint_cache_torn", &bed, &mut launch.start(), &["cache     |"]);
    });
}

/// Held as a living program of another task holds it.
fn in_use(bed: &Bed, program: &str) -> Flock<fs::File> {
    let lock = fs::File::create(bed.directory(&format!("task/{program}")).join("lock")).unwrap();
    Flock::lock(lock, FlockArg::LockExclusiveNonblock).unwrap()
}

#[test]
fn a_task_folder_that_is_in_use() {
    let bed = Bed::new();
    let _held = [in_use(&bed, "runner"), in_use(&bed, "dind")];
    bed.github().queue_job(Job::new("build", "true"));
    told("entrypoint_task_dir_in_use", &bed, &mut plainly(&bed).start(), &[]);
    told("dind_task_dir_in_use", &bed, &mut dind(&bed).start(), &[]);
}

/// Refused too late, it had already written its own hook over the one that the living runner's job waits in.
#[test]
fn a_runner_that_is_refused_a_task_folder_changes_nothing_in_it() {
    let bed = Bed::new();
    let _held = in_use(&bed, "runner");
    let folder = bed.path("task/runner");
    let remote = bed.directory("remote").to_string_lossy().into_owned();
    let mut life = plainly(&bed).env("TOOL_CACHE_REMOTE", remote).env("TOOL_CACHE_RESTORE", "before-job").start();
    assert_eq!(life.wait(DEADLINE), Ending::Code(69));
    let names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["lock"]);
    assert!(bed.github().requests().is_empty());
}

#[test]
fn a_socket_that_belongs_to_another_group() {
    if !need(&[Need::Root, Need::Boxes]) {
        return;
    }
    let bed = Bed::new();
    bed.give_runner_to(1001, 1001);
    let folder = bed.task_dir();
    chown(&folder, Some(1001.into()), Some(1001.into())).unwrap();
    let socket = folder.join("docker.sock");
    let _docker = UnixListener::bind(&socket).unwrap();
    fs::set_permissions(&socket, std::os::unix::fs::PermissionsExt::from_mode(0o660)).unwrap();
    chown(&socket, Some(0.into()), Some(123.into())).unwrap();
    let launch = plainly(&bed).without("RUN_AS_ROOT").env("DOCKER_HOST", format!("unix://{}", socket.display()));
    let program = Program::Entrypoint.path();
    let boxed =
        Boxed::host().user("runner", 1001, 1001).host_network().bind(&bed.path(""), &bed.path("")).envs(launch.environment().clone());
    let boxed = boxed.bind_read_only(program.parent().unwrap(), program.parent().unwrap());
    let mut life = boxed.spawn("entrypoint", &["setpriv", "--reuid=1001", "--regid=1001", "--clear-groups", program.to_str().unwrap()]);
    // Whether it was registered meanwhile is chance.
    insta::with_settings!({filters => vec![(r"runner=\S+  ", "")]}, {
        told("entrypoint_docker_group", &bed, &mut life, &[]);
    });
}

#[test]
fn words_that_mean_something_else_than_they_seem_to() {
    let bed = Bed::new();
    bed.github().queue_job(Job::new("build", "true"));
    let foreign = [("EPHEMERAL", "0"), ("START_DOCKER_SERVICE", "true"), ("MTU", "1400"), ("DOCKER_REGISTRY_MIRROR", "http://mirror:5000")];
    let mut life = foreign.iter().fold(plainly(&bed), |launch, (name, value)| launch.env(name, *value)).start();
    let end = life.wait(DEADLINE);
    let warned: String = life.stdout().lines().filter(|line| line.contains(" WARN ")).map(|line| format!("{line}\n")).collect();
    compared("entrypoint_foreign_words_warned", &bed, end, warned, String::new());
}
