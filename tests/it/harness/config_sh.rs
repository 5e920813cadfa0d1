//! The stand-in `config.sh` and the Listener that runs from its files, against the GitHub stand-in.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use runner_tests::fixtures::RunnerHome;
use runner_tests::github::{GitHub, Job, Route, Rules, Step};
use runner_tests::http::Request;
use runner_tests::process::{Ending, Running};
use serde_json::Value;
use tempfile::TempDir;

const SOON: Duration = Duration::from_secs(10);

struct Scene {
    github: GitHub,
    token: String,
    home: RunnerHome,
    _dir: TempDir,
}

impl Scene {
    fn new() -> Self {
        let rules = Rules::for_account("acme").with_group("Big");
        let token = rules.token();
        let dir = tempfile::tempdir().unwrap();
        let home = RunnerHome::make(&dir.path().join("home"));
        Self { github: GitHub::start(rules), token, home, _dir: dir }
    }

    /// A registration or remove token.
    fn fresh(&self, scope: &str, kind: &str) -> String {
        let request = Request::new("POST", format!("{}{scope}/actions/runners/{kind}-token", self.github.url()));
        let answer = request.header("Authorization", &format!("Bearer {}", self.token)).header("User-Agent", "raw").send().unwrap();
        answer.json()["token"].as_str().unwrap().to_owned()
    }

    fn run(&self, program: &str, arguments: &[&str], extra: &[(&str, &str)]) -> Running {
        let mut environment = vec![("PATH", "/usr/bin:/bin"), ("RUNNER_ALLOW_RUNASROOT", "1"), ("STAND_IN_RETRY_PAUSE", "0")];
        environment.extend(extra);
        Running::start_clean(program, &self.home.path().join(program), arguments, environment)
    }

    fn configure(&self, target: &str, token: &str, more: &[&str]) -> (Ending, String) {
        let url = format!("{}/{target}", self.github.web_url());
        let mut config = self.run(
            "config.sh",
            &[&["--unattended", "--ephemeral", "--url", &url, "--name", "one", "--disableupdate"], more].concat(),
            &[("ACTIONS_RUNNER_INPUT_TOKEN", token)],
        );
        let ending = config.wait(SOON);
        (ending, config.transcript())
    }

    fn file(&self, name: &str) -> Option<Value> {
        let text = fs::read_to_string(self.home.path().join(name)).ok()?;
        // As the real one writes it.
        serde_json::from_str(text.strip_prefix('\u{feff}').unwrap()).ok()
    }

    fn remove(&self, token: &str) -> (Ending, String) {
        let mut config = self.run("config.sh", &["remove", "--token", token], &[]);
        let ending = config.wait(SOON);
        (ending, config.transcript())
    }
}

fn configured() -> Scene {
    let scene = Scene::new();
    let token = scene.fresh("/orgs/acme", "registration");
    let (ending, shown) = scene.configure("acme", &token, &[]);
    assert_eq!(ending, Ending::Code(0), "{shown}");
    scene
}

#[test]
fn a_configured_runner_is_registered_has_its_files_and_does_a_job() {
    let scene = Scene::new();
    let token = scene.fresh("/repos/acme/widgets", "registration");
    let (ending, shown) = scene.configure("acme/widgets", &token, &["--labels", "gpu,Big Box", "--work", "w"]);
    assert_eq!(ending, Ending::Code(0), "{shown}");
    assert!(shown.contains("√ Runner successfully added") && !shown.contains(&token), "{shown}");
    let runner = &scene.github.registered()[0];
    assert_eq!(runner.labels, ["self-hosted", "linux", "x64", "gpu", "big box"]);
    assert!(runner.ephemeral);
    let settings = scene.file(".runner").unwrap();
    assert_eq!((&settings["agentId"], &settings["workFolder"]), (&runner.id.into(), &"w".into()));
    assert_eq!(settings["gitHubUrl"], format!("{}/acme/widgets", scene.github.web_url()));
    let mode = fs::metadata(scene.home.path().join(".credentials_rsaparams")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    scene.github.queue_job(Job::new("build", "pwd"));
    let mut listener = scene.run("bin/Runner.Listener", &["run"], &[]);
    assert_eq!(listener.wait(SOON), Ending::Code(0), "{}", listener.transcript());
    assert_eq!(scene.github.finished()[0].log, format!("{}\n", scene.home.path().join("w/repo/repo").display()));
    scene.github.wait_for("removal", SOON, |github| github.registered().is_empty());
    assert!(scene.file(".runner").is_none());
}

#[test]
fn a_runner_for_many_jobs_stays_registered() {
    let scene = Scene::new();
    let (url, token) = (format!("{}/acme", scene.github.web_url()), scene.fresh("/orgs/acme", "registration"));
    let words = ["--unattended", "--url", &url, "--token", &token, "--no-default-labels", "--labels", "x", "--runnergroup", "big"];
    assert_eq!(scene.run("config.sh", &words, &[]).wait(SOON), Ending::Code(0));
    let runner = scene.github.registered()[0].clone();
    assert_eq!((runner.labels, runner.group, runner.ephemeral), (vec!["x".to_owned()], 3, false));
    scene.github.queue_job(Job::new("build", "true"));
    let mut listener = scene.run("bin/Runner.Listener", &["run"], &[]);
    assert_eq!(listener.wait(SOON), Ending::Code(0));
    assert_eq!(scene.github.registered().len(), 1);
}

#[test]
fn what_the_service_refuses_ends_with_one_and_leaves_no_files() {
    let scene = Scene::new();
    let good = scene.fresh("/orgs/acme", "registration");
    let removal = scene.fresh("/orgs/acme", "remove");
    scene.github.plant(&runner_tests::github::Scope::Org("acme".into()), "one");
    for (token, more, words) in [
        ("WRONG", &[][..], "NotFound"),
        (removal.as_str(), &[], "NotFound"),
        (good.as_str(), &["--runnergroup", "nowhere"], "no such runner group"),
        (good.as_str(), &[], "Already exists"),
    ] {
        let (ending, shown) = scene.configure("acme", token, more);
        assert_eq!(ending, Ending::Code(1), "{shown}");
        assert!(shown.contains(words), "{shown}");
        assert!(!scene.home.path().join(".runner").exists());
    }
    assert_eq!(scene.configure("acme/widgets", &good, &[]).0, Ending::Code(1), "a token is for its own scope");
    scene.github.expire_tokens();
    assert_eq!(scene.configure("acme", &good, &["--replace"]).0, Ending::Code(1));
}

#[test]
fn a_name_that_is_taken_is_replaced_on_demand() {
    let scene = Scene::new();
    let old = scene.github.plant(&runner_tests::github::Scope::Org("acme".into()), "one");
    let token = scene.fresh("/orgs/acme", "registration");
    assert_eq!(scene.configure("acme", &token, &["--replace"]).0, Ending::Code(0));
    let ids: Vec<u64> = scene.github.registered().iter().map(|runner| runner.id).collect();
    assert!(ids.len() == 1 && ids[0] != old, "{ids:?}");
    let (ending, shown) = scene.configure("acme", &token, &["--replace"]);
    assert_eq!(ending, Ending::Code(1));
    assert!(shown.contains("already configured"), "{shown}");
}

#[test]
fn a_service_in_trouble_is_asked_three_times() {
    let scene = Scene::new();
    let token = scene.fresh("/orgs/acme", "registration");
    scene.github.script(Route::RunnerRegistration, (0..2).map(|_| Step::status(503, "later")));
    assert_eq!(scene.configure("acme", &token, &[]).0, Ending::Code(0));
    let scene = Scene::new();
    scene.github.script(Route::RunnerRegistration, (0..9).map(|_| Step::status(503, "later")));
    assert_eq!(scene.configure("acme", "x", &[]).0, Ending::Code(1));
    assert_eq!(scene.github.unused_steps(Route::RunnerRegistration), 6);
}

#[test]
fn an_idle_runner_is_removed_and_a_busy_one_is_not() {
    let scene = configured();
    let token = scene.fresh("/orgs/acme", "remove");
    let (ending, shown) = scene.remove(&token);
    assert_eq!(ending, Ending::Code(0), "{shown}");
    assert!(shown.contains("√ Runner removed successfully"), "{shown}");
    scene.github.assert_nobody_registered();
    assert!(scene.file(".runner").is_none());
    let (ending, shown) = scene.remove(&token);
    assert_eq!(ending, Ending::Code(0), "without files there is nothing to remove");
    assert!(shown.contains("config files are missing"), "{shown}");

    let scene = configured();
    scene.github.queue_job(Job::new("build", "exec sleep 600"));
    let mut listener = scene.run("bin/Runner.Listener", &["run"], &[]);
    listener.wait_for_line("Running job", SOON);
    let (ending, shown) = scene.remove(&scene.fresh("/orgs/acme", "remove"));
    assert_eq!(ending, Ending::Code(1));
    assert!(shown.contains("is currently running a job and cannot be deleted"), "{shown}");
    assert!(scene.file(".runner").is_some());
    listener.signal(Signal::SIGINT);
    assert_eq!(listener.wait(SOON), Ending::Code(0));
}

#[test]
fn a_runner_made_just_in_time_can_not_be_removed_that_way() {
    let scene = Scene::new();
    let offer = scene.github.offer_jit(&runner_tests::github::Scope::Org("acme".into()), "one", false);
    let blob = Request::new("GET", &offer.url).header("Authorization", &format!("Bearer {}", offer.bearer)).send().unwrap().body;
    let mut listener = scene.run("bin/Runner.Listener", &["run"], &[("ACTIONS_RUNNER_INPUT_JITCONFIG", blob.trim())]);
    listener.wait_for_line("Listening for Jobs", SOON);
    listener.signal(Signal::SIGINT);
    assert_eq!(listener.wait(SOON), Ending::Code(0));
    let (ending, shown) = scene.remove(&scene.fresh("/orgs/acme", "remove"));
    assert_eq!(ending, Ending::Code(1), "{shown}");
    assert_eq!(scene.github.registered().len(), 1);
}

#[test]
fn its_cost_is_paid_and_an_interrupt_ends_it_at_once() {
    let scene = Scene::new();
    let begun = Instant::now();
    let mut config = scene.run("config.sh", &["remove"], &[("CONFIG_SH_COST_MS", "150")]);
    assert_eq!(config.wait(SOON), Ending::Code(0));
    assert!(begun.elapsed() >= Duration::from_millis(150));

    let token = scene.fresh("/orgs/acme", "registration");
    scene.github.script(Route::RunnerRegistration, [Step::hang()]);
    let url = format!("{}/acme", scene.github.web_url());
    let mut config = scene.run("config.sh", &["--unattended", "--url", &url, "--token", &token], &[]);
    scene.github.wait_for("the request", SOON, |github| !github.requests_of(Route::RunnerRegistration).is_empty());
    config.signal(Signal::SIGINT);
    assert_eq!(config.wait(SOON), Ending::Code(1));
    assert!(config.stdout().ends_with("Exiting...\n"), "{}", config.transcript());
}
