//! The stand-in runner against the GitHub stand-in.

use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use runner_tests::fixtures::RunnerHome;
use runner_tests::github::{GitHub, Job, Order, Route, Rules, Step};
use runner_tests::http::Request;
use runner_tests::process::{Ending, Running};
use serde_json::json;
use tempfile::TempDir;

const SOON: Duration = Duration::from_secs(10);

struct Scene {
    github: GitHub,
    token: String,
    _dir: TempDir,
    home: RunnerHome,
}

impl Scene {
    fn new() -> Self {
        let rules = Rules::for_account("acme");
        let token = rules.token();
        let dir = tempfile::tempdir().unwrap();
        let home = RunnerHome::make(&dir.path().join("home"));
        Self { github: GitHub::start(rules), token, _dir: dir, home }
    }

    fn register(&self) -> String {
        let body = json!({"name": "one", "runner_group_id": 1, "labels": ["self-hosted"]});
        let request = Request::new("POST", format!("{}/orgs/acme/actions/runners/generate-jitconfig", self.github.url()));
        let answer =
            request.header("Authorization", &format!("Bearer {}", self.token)).header("User-Agent", "raw").json(&body).send().unwrap();
        answer.json()["encoded_jit_config"].as_str().unwrap().to_owned()
    }

    fn start(&self, program: &str, extra: &[(&str, &str)]) -> Running {
        let blob = self.register();
        let mut environment =
            vec![("PATH", "/usr/bin:/bin"), ("RUNNER_ALLOW_RUNASROOT", "1"), ("ACTIONS_RUNNER_INPUT_JITCONFIG", blob.as_str())];
        environment.extend(extra);
        let arguments: &[&str] = if program.ends_with(".sh") { &[] } else { &["run"] };
        Running::start_clean(program, &self.home.path().join(program), arguments, environment)
    }

    fn listener(&self) -> Running {
        let listener = self.start("bin/Runner.Listener", &[]);
        listener.wait_for_line("Listening for Jobs", SOON);
        listener
    }

    fn busy(&self, job: Job) -> Running {
        let listener = self.listener();
        self.github.queue_job(job);
        listener.wait_for_line("Running job", SOON);
        listener
    }

    fn has(&self, name: &str) -> bool {
        self.home.path().join(name).exists()
    }
}

fn wait_for_file(path: &Path) {
    assert!(runner_tests::clock::holds_within(SOON, || path.exists()), "no {}", path.display());
}

/// A step that says that it runs and then waits, so that a signal finds it there.
fn waiting_step(mark: &Path) -> String {
    format!("touch {}; exec sleep 600", mark.display())
}

#[test]
fn a_job_runs_and_the_ephemeral_runner_is_gone() {
    let scene = Scene::new();
    let mut listener = scene.listener();
    assert!(scene.has(".runner") && scene.has(".credentials") && scene.has(".credentials_rsaparams"));
    let script = "echo tools in $RUNNER_TOOL_CACHE; env | grep -c INPUT_JITCONFIG || true";
    scene.github.queue_job(Job::new("build", script).step("echo second"));
    assert_eq!(listener.wait(SOON), Ending::Code(0));
    let output = listener.stdout();
    let lines: Vec<&str> = output.lines().filter_map(|line| line.split_once("Z: ").map(|(_, rest)| rest)).collect();
    assert_eq!(lines, ["Listening for Jobs", "Running job: build", "Job build completed with result: Succeeded"]);
    assert!(output.contains("Removed .credentials\nRemoved .runner\n"), "{output}");
    let finished = &scene.github.finished()[0];
    assert_eq!((finished.result.as_str(), finished.runner.as_str()), ("Succeeded", "one"));
    assert_eq!(finished.log, format!("tools in {}\n0\nsecond\n", scene.home.path().join("_work/_tool").display()));
    scene.github.wait_for("removal", SOON, |github| github.registered().is_empty());
    assert!(!scene.has(".runner") && !scene.has(".credentials_rsaparams"));
}

#[test]
fn a_failing_step_fails_the_job_and_the_listener_still_says_zero() {
    let scene = Scene::new();
    let mut listener = scene.busy(Job::new("build", "false").step("echo never"));
    assert_eq!(listener.wait(SOON), Ending::Code(0));
    assert_eq!((scene.github.finished()[0].result.as_str(), scene.github.finished()[0].log.as_str()), ("Failed", ""));
}

#[test]
fn an_idle_listener_leaves_on_a_signal_and_stays_registered() {
    for (signal, ending) in [(Signal::SIGINT, 0), (Signal::SIGTERM, 143)] {
        let scene = Scene::new();
        let mut listener = scene.listener();
        listener.signal(signal);
        assert_eq!(listener.wait(SOON), Ending::Code(ending));
        assert!(listener.stdout().ends_with("Exiting...\n"));
        let registered = scene.github.registered();
        assert_eq!((registered.len(), registered[0].online), (1, false));
        assert!(scene.has(".runner"));
    }
}

#[test]
fn a_signal_cancels_the_job_and_the_step_gets_an_interrupt() {
    for (signal, ending) in [(Signal::SIGINT, 0), (Signal::SIGTERM, 143)] {
        let scene = Scene::new();
        let mark = scene.home.path().join("mark");
        let mut listener = scene.busy(Job::new("build", &waiting_step(&mark)).step("echo never"));
        wait_for_file(&mark);
        listener.signal(signal);
        assert_eq!(listener.wait(SOON), Ending::Code(ending));
        assert!(listener.stdout().contains("Job build completed with result: Canceled"), "{}", listener.transcript());
        assert!(scene.github.finished()[0].log.contains("ended signal 2"), "{:?}", scene.github.finished());
    }
}

#[test]
fn a_step_that_ignores_both_signals_is_killed() {
    let scene = Scene::new();
    let mark = scene.home.path().join("mark");
    let script = format!("trap '' INT TERM; touch {}; while :; do sleep 0.1; done", mark.display());
    let pace = Duration::from_millis(50);
    let mut listener = scene.busy(Job::new("build", &script).cancel_pace(pace, pace));
    wait_for_file(&mark);
    listener.signal(Signal::SIGINT);
    assert_eq!(listener.wait(SOON), Ending::Code(0));
    assert!(scene.github.finished()[0].log.contains("step killed"));
}

#[test]
fn a_second_signal_changes_nothing() {
    let scene = Scene::new();
    let mark = scene.home.path().join("mark");
    let script = format!("trap 'sleep 0.3; exit 0' INT; touch {}; while :; do sleep 0.02; done", mark.display());
    let mut listener = scene.busy(Job::new("build", &script));
    wait_for_file(&mark);
    listener.signal(Signal::SIGINT);
    listener.wait_for_line("Exiting...", SOON);
    listener.signal(Signal::SIGTERM);
    assert_eq!(listener.wait(SOON), Ending::Code(0));
    assert!(listener.stdout().contains("result: Canceled"));
}

#[test]
fn a_registration_taken_away_ends_an_idle_listener_with_zero() {
    let scene = Scene::new();
    let mut listener = scene.listener();
    scene.github.forget(scene.github.registered()[0].id);
    assert_eq!(listener.wait(SOON), Ending::Code(0));
    assert!(
        listener.stdout().contains("The runner no longer exists on the server. Cleaning up local configuration.\nRemoved .credentials")
    );
    assert!(!scene.has(".runner"));
}

#[test]
fn codes_come_as_ordered() {
    for code in [1, 2, 3, 4, 7] {
        let scene = Scene::new();
        scene.github.order_next_runner(Order::Exit(code));
        assert_eq!(scene.start("bin/Runner.Listener", &[]).wait(SOON), Ending::Code(i32::from(code)));
    }
    let scene = Scene::new();
    scene.github.order_next_runner(Order::Conflict);
    assert_eq!(scene.start("bin/Runner.Listener", &[]).wait(SOON), Ending::Code(5));
    let scene = Scene::new();
    scene.github.order_next_runner(Order::Die);
    assert_eq!(scene.start("bin/Runner.Listener", &[]).wait(SOON), Ending::Signal(9));
}

#[test]
fn without_a_registration_or_with_root_it_is_terminated() {
    let scene = Scene::new();
    let path = scene.home.path().join("bin/Runner.Listener");
    let run = |environment: &[(&str, &str)]| Running::start_clean("listener", &path, &["run"], environment.iter().copied()).wait(SOON);
    assert_eq!(run(&[("RUNNER_ALLOW_RUNASROOT", "1")]), Ending::Code(1));
    assert_eq!(run(&[("RUNNER_ALLOW_RUNASROOT", "1"), ("ACTIONS_RUNNER_INPUT_JITCONFIG", "%%%")]), Ending::Code(1));
    if nix::unistd::geteuid().is_root() {
        assert_eq!(run(&[("ACTIONS_RUNNER_INPUT_JITCONFIG", &scene.register())]), Ending::Code(1));
    }
}

#[test]
fn a_signal_while_connecting_is_heard() {
    let scene = Scene::new();
    scene.github.script(Route::Connect, [Step::hang()]);
    let mut listener = scene.start("bin/Runner.Listener", &[]);
    scene.github.wait_for("the connect", SOON, |github| !github.requests_of(Route::Connect).is_empty());
    listener.signal(Signal::SIGINT);
    assert_eq!(listener.wait(SOON), Ending::Code(0));
}

#[test]
fn run_sh_says_zero_to_everything_and_names_the_listeners_end() {
    let cases = [
        (Order::Exit(1), "Runner listener exit with terminated error, stop the service, no retry needed."),
        (Order::Conflict, "Runner listener exit with Session Conflict error, stop the service, no retry needed."),
        (Order::Exit(7), "Runner listener exit with deprecated version exit code: 7"),
    ];
    for (order, line) in cases {
        let scene = Scene::new();
        scene.github.order_next_runner(order);
        let mut script = scene.start("run.sh", &[]);
        assert_eq!(script.wait(SOON), Ending::Code(0));
        assert!(script.stdout().contains(line), "{}", script.transcript());
    }
    let scene = Scene::new();
    scene.github.order_next_runner(Order::Exit(7));
    assert_eq!(scene.start("run.sh", &[("ACTIONS_RUNNER_RETURN_VERSION_DEPRECATED_EXIT_CODE", "1")]).wait(SOON), Ending::Code(7));
}

#[test]
fn run_sh_launches_again_after_a_retryable_error_and_an_update() {
    for code in [2, 3, 4] {
        let scene = Scene::new();
        scene.github.order_next_runner(Order::Exit(code));
        scene.github.queue_job(Job::new("build", "true"));
        let mut script = scene.start("run.sh", &[("STAND_IN_RETRY_PAUSE", "0"), ("STAND_IN_UPDATE_WAIT", "0")]);
        assert_eq!(script.wait(SOON), Ending::Code(0));
        assert_eq!(scene.github.requests_of(Route::Connect).len(), 2);
        assert!(script.stdout().contains("re-launch runner"), "{}", script.transcript());
        assert!(script.stdout().contains("Runner listener exit with 0 return code, stop the service, no retry needed."));
    }
}

#[test]
fn run_sh_with_the_trap_interrupts_the_whole_group_and_ends_as_signalled() {
    let scene = Scene::new();
    let mark = scene.home.path().join("mark");
    let mut script = scene.start("run.sh", &[("RUNNER_MANUALLY_TRAP_SIG", "1")]);
    scene.github.queue_job(Job::new("build", &waiting_step(&mark)));
    wait_for_file(&mark);
    script.signal(Signal::SIGTERM);
    assert_eq!(script.wait(SOON), Ending::Code(143));
    assert!(script.stdout().contains("result: Canceled"), "{}", script.transcript());
}

#[test]
fn run_sh_without_the_trap_dies_alone() {
    let scene = Scene::new();
    let mut script = scene.start("run.sh", &[]);
    script.wait_for_line("Listening for Jobs", SOON);
    script.signal(Signal::SIGTERM);
    assert_eq!(script.wait(SOON), Ending::Signal(15));
    scene.github.queue_job(Job::new("build", "true"));
    scene.github.wait_for("the orphan's job", SOON, |github| !github.finished().is_empty());
}

#[test]
fn an_update_leaves_with_four_and_its_mark_appears_afterwards() {
    let scene = Scene::new();
    scene.github.order_next_runner(Order::Update);
    let mut listener = scene.start("bin/Runner.Listener", &[]);
    assert_eq!(listener.wait(SOON), Ending::Code(4));
    assert!(listener.stdout().contains("Runner update in progress"), "{}", listener.transcript());
    assert_eq!(scene.github.registered().len(), 1, "the registration is for the updated one");

    // run.sh waits for the mark, takes it away and starts again.
    let scene = Scene::new();
    scene.github.order_next_runner(Order::Update);
    scene.github.queue_job(Job::new("build", "true"));
    let mut script = scene.start("run.sh", &[]);
    assert_eq!(script.wait(SOON), Ending::Code(0));
    assert_eq!(scene.github.requests_of(Route::Connect).len(), 2);
    assert_eq!(scene.github.finished().len(), 1);
}

#[test]
fn an_update_can_follow_a_job() {
    let scene = Scene::new();
    let mut listener = scene.busy(Job::new("build", "true").then(Order::Update));
    assert_eq!(listener.wait(SOON), Ending::Code(4));
    assert_eq!(scene.github.finished()[0].result, "Succeeded");
}

#[test]
fn a_runner_that_vanished_cleans_up_and_leaves_with_zero() {
    let scene = Scene::new();
    scene.github.order_next_runner(Order::Vanish);
    let mut listener = scene.start("bin/Runner.Listener", &[]);
    assert_eq!(listener.wait(SOON), Ending::Code(0));
    let lines = "The runner no longer exists on the server. Cleaning up local configuration.\nRemoved .credentials\nRemoved .runner";
    assert!(listener.stdout().contains(lines), "{}", listener.transcript());
    scene.github.assert_nobody_registered();
}

#[test]
fn the_perf_log_names_each_step_with_its_time() {
    let scene = Scene::new();
    let logs = scene.home.path().join("perf");
    scene.github.queue_job(Job::new("build", "true"));
    let mut listener = scene.start("bin/Runner.Listener", &[("RUNNER_PERFLOG", logs.to_str().unwrap())]);
    assert_eq!(listener.wait(SOON), Ending::Code(0));
    let text = std::fs::read_to_string(logs.join("Runner.perf")).unwrap();
    let (names, times): (Vec<&str>, Vec<&str>) = text.lines().map(|line| line.split_once(':').unwrap()).unzip();
    let sent = format!("SentJobToWorker_{}", scene.github.ever_registered()[0].id);
    assert_eq!(names, ["SessionCreated", "MessageReceived_RunnerJobRequest", "StartingWorkerProcess", sent.as_str()]);
    assert!(times.iter().all(|time| time.ends_with('Z')) && times.is_sorted(), "{text}");
}

#[test]
fn the_hook_runs_before_the_steps_and_its_failure_is_the_jobs() {
    let run = |hook: Option<&str>| {
        let scene = Scene::new();
        let file = scene.home.path().join("hook.sh");
        if let Some(text) = hook {
            std::fs::write(&file, text).unwrap();
        }
        scene.github.queue_job(Job::new("build", "echo step"));
        let mut listener = scene.start("bin/Runner.Listener", &[("ACTIONS_RUNNER_HOOK_JOB_STARTED", file.to_str().unwrap())]);
        assert_eq!(listener.wait(SOON), Ending::Code(0));
        let done = scene.github.finished()[0].clone();
        (done.result, done.log)
    };
    assert_eq!(run(Some("echo hook of $GITHUB_JOB")), ("Succeeded".into(), "hook of build\nstep\n".into()));
    assert_eq!(run(Some("exit 3")), ("Failed".into(), String::new()));
    assert_eq!(run(Some("false | true; echo no pipefail")).0, "Failed");
    assert_eq!(run(None), ("Failed".into(), "start the step: File doesn't exist\n".into()));
}
