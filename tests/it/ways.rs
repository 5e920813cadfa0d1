//! Every way to a registration, as whole lives: just in time by token and by App, made elsewhere, and by config.sh.

use std::{fs, time::Duration};

use nix::sys::signal::Signal;
use runner_tests::{
    bed::{ACCOUNT, Bed, Launch, REPOSITORY, Subject},
    github::{App, Job, Order, Route, Rules, Scope, Step},
    http::Request,
    need::{Need, need},
    process::Ending,
};

const DEADLINE: Duration = Duration::from_secs(40);
const LISTENING: &str = "Listening for Jobs";

fn with_app(app: &App) -> Rules {
    Rules::for_account(ACCOUNT).with_app(app.clone())
}

/// A launch that knows the App and no token.
fn as_app<'a>(bed: &'a Bed, app: &App) -> Launch<'a> {
    let id = app.id.to_string();
    bed.entrypoint().without("ACCESS_TOKEN").env("APP_ID", id).env("APP_PRIVATE_KEY", app.private_key())
}

fn one_job(bed: &Bed, launch: Launch<'_>) -> Subject {
    bed.github().queue_job(Job::new("build", "true"));
    let mut life = launch.start();
    assert_eq!(life.wait(DEADLINE), Ending::Code(0), "{}", life.transcript());
    assert_eq!(bed.github().finished().len(), 1);
    bed.github().assert_nobody_registered();
    bed.github().assert_no_secret_in_urls();
    life
}

#[test]
fn an_app_registers_for_a_repository_and_an_organisation_by_either_of_its_ids() {
    if !need(&[Need::Openssl]) {
        return;
    }
    let app = App::installed_on(ACCOUNT);
    let bed = Bed::with_rules(with_app(&app));
    one_job(&bed, as_app(&bed, &app));
    let minted = bed.github().requests_of(Route::AccessTokens);
    assert_eq!(minted.len(), 1);
    assert_eq!(minted[0].json()["permissions"]["administration"], "write", "the token may do more than it must");

    let bed = Bed::with_rules(with_app(&app));
    let org =
        as_app(&bed, &app).env("APP_ID", app.client_id.clone()).without("REPO_URL").env("RUNNER_SCOPE", "org").env("ORG_NAME", ACCOUNT);
    one_job(&bed, org);
    assert_eq!(bed.github().requests_of(Route::AccessTokens)[0].json()["permissions"]["organization_self_hosted_runners"], "write");
}

#[test]
fn the_key_of_an_app_may_be_a_file_and_its_clock_may_be_wrong() {
    if !need(&[Need::Openssl]) {
        return;
    }
    let app = App::installed_on(ACCOUNT);
    let bed = Bed::with_rules(with_app(&app).clock_offset(-900));
    fs::write(bed.path("key.pem"), app.private_key()).unwrap();
    let file = bed.path("key.pem").to_string_lossy().into_owned();
    one_job(&bed, as_app(&bed, &app).without("APP_PRIVATE_KEY").env("APP_PRIVATE_KEY_FILE", file));
    let asked: Vec<Option<u16>> = bed.github().requests_of(Route::Installation).iter().map(|seen| seen.status).collect();
    assert_eq!(asked, [Some(401), Some(200)], "the clock is corrected once, by the answer's date");
}

#[test]
fn an_hour_later_an_app_removes_its_idle_runner_with_a_fresh_token() {
    if !need(&[Need::Openssl]) {
        return;
    }
    let app = App::installed_on(ACCOUNT);
    let bed = Bed::with_rules(with_app(&app));
    let mut life = as_app(&bed, &app).start();
    life.wait_for_line(LISTENING, DEADLINE);
    bed.github().expire_tokens();
    life.signal(Signal::SIGTERM);
    assert_eq!(life.wait(DEADLINE), Ending::Code(0));
    bed.github().assert_nobody_registered();
    assert_eq!(bed.github().requests_of(Route::AccessTokens).len(), 2);
}

#[test]
fn an_app_without_its_rights_is_told_which() {
    if !need(&[Need::Openssl]) {
        return;
    }
    let app = App::installed_on(ACCOUNT).permitted(&[]);
    let bed = Bed::with_rules(with_app(&app));
    let mut life = as_app(&bed, &app).start();
    assert_eq!(life.wait(DEADLINE), Ending::Code(77));
    assert!(life.stdout().contains("hint: "), "{}", life.stdout());

    let stranger = App::installed_on("somebody-else");
    let bed = Bed::with_rules(with_app(&stranger));
    let mut life = as_app(&bed, &stranger).start();
    assert_eq!(life.wait(DEADLINE), Ending::Code(77), "{}", life.stdout());
}

/// What a controller makes and hands to the pod.
fn ready(bed: &Bed) -> Launch<'_> {
    bed.entrypoint().without("ACCESS_TOKEN").without("REPO_URL").without("RUNNER_SCOPE").without("RUNNER_LABELS")
}

/// Fetches the blob of an offer as anybody could.
fn blob(bed: &Bed) -> (u64, String) {
    let offer = bed.github().offer_jit(&Scope::repo(REPOSITORY), "made-elsewhere", false);
    let fetched = Request::new("GET", &offer.url).header("authorization", &format!("Bearer {}", offer.bearer)).send().unwrap();
    assert_eq!(fetched.status, 200);
    (offer.id, fetched.body)
}

#[test]
fn a_jit_configuration_made_elsewhere_starts_the_runner_without_a_call() {
    let bed = Bed::new();
    let (_, blob) = blob(&bed);
    let before = bed.github().requests_of(Route::GenerateJit).len();
    let life = one_job(&bed, ready(&bed).env("ACTIONS_RUNNER_INPUT_JITCONFIG", blob.clone()));
    assert!(life.stdout().contains("is for others to remove"), "{}", life.stdout());
    assert_eq!(bed.github().requests_of(Route::GenerateJit).len(), before);
    assert_eq!(bed.github().requests_of(Route::DeleteRunner).len(), 0);

    let bed = Bed::new();
    let (_, blob) = self::blob(&bed);
    fs::write(bed.path("blob"), blob + "\n").unwrap();
    one_job(&bed, ready(&bed).env("ACTIONS_RUNNER_INPUT_JITCONFIG_FILE", bed.path("blob").to_string_lossy()));
}

#[test]
fn a_jit_configuration_is_fetched_once_from_its_address() {
    for as_json in [false, true] {
        let bed = Bed::new();
        let offer = bed.github().offer_jit(&Scope::repo(REPOSITORY), "made-elsewhere", as_json);
        let launch = ready(&bed).env("JITCONFIG_URL", offer.url.clone()).env("JITCONFIG_TOKEN", offer.bearer.clone());
        let life = one_job(&bed, launch);
        assert_eq!(bed.github().requests_of(Route::Offer).len(), 1);
        assert!(!life.transcript().contains(&offer.bearer));
        let secret = offer.url.split_once('?').map(|(_, query)| query).unwrap_or_default();
        assert!(secret.is_empty() || !life.stdout().contains(secret), "the address's secret part was told");
        // Once: a second task with the same address is refused, and says so.
        let mut second = ready(&bed).env("JITCONFIG_URL", offer.url).env("JITCONFIG_TOKEN", offer.bearer).start();
        assert_eq!(second.wait(DEADLINE), Ending::Code(78), "{}", second.stdout());
    }
}

#[test]
fn with_a_credential_beside_it_an_idle_runner_made_elsewhere_is_removed() {
    let bed = Bed::new();
    let (id, blob) = blob(&bed);
    let mut life = bed.entrypoint().env("ACTIONS_RUNNER_INPUT_JITCONFIG", blob).start();
    life.wait_for_line(LISTENING, DEADLINE);
    assert_eq!(bed.github().registered()[0].id, id);
    life.signal(Signal::SIGTERM);
    assert_eq!(life.wait(DEADLINE), Ending::Code(0));
    bed.github().assert_nobody_registered();
}

#[test]
fn without_one_a_stop_ends_the_idle_listener_and_leaves_the_rest_to_its_maker() {
    let bed = Bed::new();
    let (_, blob) = blob(&bed);
    let mut life = ready(&bed).env("ACTIONS_RUNNER_INPUT_JITCONFIG", blob).start();
    life.wait_for_line(LISTENING, DEADLINE);
    life.signal(Signal::SIGTERM);
    assert_eq!(life.wait(DEADLINE), Ending::Code(0));
    assert_eq!(bed.github().registered().len(), 1);
}

#[test]
fn what_is_no_jit_configuration_is_refused_before_the_runner_starts() {
    for text in ["not base64!", "bm90IEpTT04=", ""] {
        let bed = Bed::new();
        let mut life = ready(&bed).env("ACTIONS_RUNNER_INPUT_JITCONFIG", text).start();
        assert_eq!(life.wait(DEADLINE), Ending::Code(78), "{text}: {}", life.stdout());
        assert!(!life.transcript().contains("bm90"), "the configuration was told");
    }
}

/// A launch by config.sh, whose address is the stand-in's page.
fn classic(bed: &Bed) -> Launch<'_> {
    let web = bed.github().web_url();
    bed.entrypoint().env("REGISTRATION", "classic").env("REPO_URL", format!("{web}/{REPOSITORY}")).env("GITHUB_URL", web)
}

/// A registration token as an administrator makes one.
fn token(bed: &Bed) -> String {
    let url = format!("{}/repos/{REPOSITORY}/actions/runners/registration-token", bed.github().url());
    let bearer = format!("Bearer {}", bed.token());
    let made = Request::new("POST", url).header("authorization", &bearer).header("user-agent", "an-administrator").send().unwrap();
    made.json()["token"].as_str().unwrap().to_owned()
}

#[test]
fn config_sh_registers_with_a_token_made_for_it() {
    let bed = Bed::new();
    let life = one_job(&bed, classic(&bed).env("RUNNER_LABELS", "gpu").env("RUNNER_WORKDIR_ROOT", bed.directory("work").to_string_lossy()));
    let registered = &bed.github().ever_registered()[0];
    assert!(registered.ephemeral && registered.labels.iter().any(|label| label == "gpu"), "{registered:?}");
    assert!(life.stdout().contains(&format!("registered runner {} (id {})", registered.name, registered.id)), "{}", life.stdout());
    assert_eq!(bed.github().requests_of(Route::GenerateJit).len(), 0);
    let (finished, registered) = (bed.github().finished(), bed.github().ever_registered());
    assert!(finished[0].set_up.contains(&format!("##[group]Runner: this one\n{}\n", registered[0].name)), "{}", finished[0].set_up);
}

#[test]
fn an_idle_runner_of_config_sh_is_removed_by_the_credential_or_by_its_token_alone() {
    let bed = Bed::new();
    let with_credential = classic(&bed);
    let bed_of_token = Bed::new();
    let token = token(&bed_of_token);
    let with_token = classic(&bed_of_token).without("ACCESS_TOKEN").without("REGISTRATION").env("RUNNER_TOKEN", token.clone());
    for (bed, launch, route) in [(&bed, with_credential, Route::DeleteRunner), (&bed_of_token, with_token, Route::RemoveRunner)] {
        let mut life = launch.start();
        life.wait_for_line(LISTENING, DEADLINE);
        life.signal(Signal::SIGTERM);
        assert_eq!(life.wait(DEADLINE), Ending::Code(0), "{}", life.transcript());
        bed.github().assert_nobody_registered();
        assert_eq!(bed.github().requests_of(route).len(), 1, "{route:?}");
        assert!(!life.stdout().contains(&token), "{}", life.stdout());
    }
}

#[test]
fn a_job_just_assigned_to_a_runner_of_config_sh_is_not_lost_to_a_stop() {
    let bed = Bed::new();
    let token = token(&bed);
    let mut life =
        classic(&bed).without("ACCESS_TOKEN").without("REGISTRATION").env("RUNNER_TOKEN", token).env("STOP_TIMEOUT", "120").start();
    life.wait_for_line(LISTENING, DEADLINE);
    bed.github().script(Route::RemoveRunner, [Step::real().at_gate("removal")]);
    life.signal(Signal::SIGTERM);
    bed.github().gate("removal").wait_reached(DEADLINE);
    let script = format!("touch {0}/begun; until [ -e {0}/go ]; do sleep 0.02; done", bed.path("").display());
    bed.github().queue_job(Job::new("build", &script));
    bed.wait_for("the job to begin", DEADLINE, || bed.path("begun").exists());
    bed.github().gate("removal").open();
    life.wait_for_line("a job is running", DEADLINE);
    fs::write(bed.path("go"), "").unwrap();
    assert_eq!(life.wait(DEADLINE), Ending::Code(0));
    assert_eq!(bed.github().finished()[0].result, "Succeeded");
}

#[test]
fn a_token_that_github_refuses_is_told_by_the_exit_code() {
    let bed = Bed::new();
    let launch = classic(&bed).without("ACCESS_TOKEN").without("REGISTRATION").env("RUNNER_TOKEN", "AAAAexpired");
    let mut life = launch.start();
    assert_eq!(life.wait(DEADLINE), Ending::Code(77), "{}", life.transcript());
    assert!(!life.stdout().contains("AAAAexpired"));
}

#[test]
fn a_stop_while_config_sh_registers_leaves_no_runner_behind() {
    let bed = Bed::new();
    bed.github().script(Route::RegisterRunner, [Step::real().then_gate("answer")]);
    let mut life = classic(&bed).start();
    bed.github().gate("answer").wait_reached(DEADLINE);
    life.signal(Signal::SIGTERM);
    life.wait_for_line("stopping", DEADLINE);
    bed.github().gate("answer").open();
    assert_eq!(life.wait(DEADLINE), Ending::Code(0), "{}", life.transcript());
    assert_eq!(bed.github().ever_registered().len(), 1);
    bed.github().assert_nobody_registered();
}

#[test]
fn an_arc_legacy_pod_works_unchanged_but_for_the_image() {
    let bed = Bed::new();
    let token = token(&bed);
    let pod = bed
        .entrypoint()
        .without("ACCESS_TOKEN")
        .without("REPO_URL")
        .without("RUNNER_SCOPE")
        .env("RUNNER_NAME", "pool-x7k2p-9d8fh")
        .env("RUNNER_REPO", REPOSITORY)
        .env("RUNNER_TOKEN", token)
        .env("GITHUB_URL", format!("{}/", bed.github().web_url()))
        .env("RUNNER_LABELS", "pool")
        .env("RUNNER_EPHEMERAL", "true")
        .env("DISABLE_RUNNER_UPDATE", "true")
        .env("DOCKER_ENABLED", "false")
        .env("RUNNER_WORKDIR", bed.directory("work").to_string_lossy());
    one_job(&bed, pod);
    let registered = &bed.github().ever_registered()[0];
    assert_eq!(registered.name, "pool-x7k2p-9d8fh");
    assert!(registered.labels.iter().any(|label| label == "pool"), "{registered:?}");
}

#[test]
fn an_update_of_itself_starts_the_listener_again_with_the_same_registration() {
    let bed = Bed::new();
    bed.github().order_next_runner(Order::Update);
    let life = one_job(&bed, bed.entrypoint());
    assert!(life.stdout().contains("the runner ended after an update of itself; starting it again (1 of 5)"), "{}", life.stdout());
    assert_eq!(bed.github().ever_registered().len(), 1);
}
