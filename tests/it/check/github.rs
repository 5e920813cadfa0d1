//! What `check` says of each way in which GitHub can refuse a runner.

use runner_tests::{
    bed::{ACCOUNT, Bed, Launch},
    github::{App, Route, Rules, Scope, Step, Token},
    http::Request,
    need::{Need, need},
};
use serde_json::Value;

use super::{asked, bind, check, lines};

const DAY: i64 = 86_400;

fn of_org(launch: Launch<'_>) -> Launch<'_> {
    launch.without("REPO_URL").env("RUNNER_SCOPE", "org").env("ORG_NAME", ACCOUNT)
}

fn with_token<'a>(bed: &'a Bed, token: &str) -> Launch<'a> {
    check(bed).env("ACCESS_TOKEN", token)
}

/// The part of the answer about GitHub, and the exit code.
#[track_caller]
fn about_github(bed: &Bed, launch: Launch<'_>) -> String {
    let (said, code) = asked(bed, launch);
    let part = said.split("\nGitHub\n").nth(1).unwrap_or_else(|| panic!("{said}"));
    assert!(bed.github().ever_registered().is_empty(), "a check registers nobody");
    format!("{part}--- exit code {code}\n")
}

/// Several answers, each under what it is an answer to.
fn reviewed(name: &str, bed: &Bed, answers: &[(&str, String)]) {
    let text: String = answers.iter().map(|(heading, answer)| format!("=== {heading}\n{answer}\n")).collect();
    bind(bed, "", || insta::assert_snapshot!(name, text));
}

#[test]
fn a_token_that_lacks_a_right_is_told_which_and_where_it_is_granted() {
    let none = Token { secret: "github_none".into(), accounts: vec![ACCOUNT.into()], permitted: false };
    let blind = Token { secret: "github_blind".into(), accounts: vec![], permitted: true };
    let rules = Rules::for_account(ACCOUNT).with_token(none).with_token(blind).with_reading_token("github_reading", ACCOUNT);
    let bed = Bed::with_rules(rules);
    let repo = |token: &str| about_github(&bed, with_token(&bed, token));
    let org = |token: &str| about_github(&bed, of_org(with_token(&bed, token)));
    let answers = [
        ("unknown", repo("github_unknown")),
        ("repository, no permission", repo("github_none")),
        ("repository, read alone", repo("github_reading")),
        ("organisation, read alone", org("github_reading")),
        ("repository, not visible", repo("github_blind")),
        (
            "enterprise, read alone",
            about_github(
                &bed,
                with_token(&bed, "github_reading").without("REPO_URL").env("RUNNER_SCOPE", "enterprise").env("ENTERPRISE_NAME", ACCOUNT),
            ),
        ),
    ];
    reviewed("tokens", &bed, &answers);
}

#[test]
fn a_classic_token_is_told_which_scope_it_lacks() {
    let rules = Rules::for_account(ACCOUNT)
        .with_classic_token("ghp_repo", ACCOUNT, &["repo", "workflow"])
        .with_classic_token("ghp_org", ACCOUNT, &["admin:org"])
        .with_classic_token("ghp_bare", ACCOUNT, &[])
        .with_classic_token("ghp_elsewhere", "other", &["repo", "admin:org"]);
    let bed = Bed::with_rules(rules);
    let repo = |token: &str| about_github(&bed, with_token(&bed, token));
    let org = |token: &str| about_github(&bed, of_org(with_token(&bed, token)));
    let answers = [
        ("repository, repo", repo("ghp_repo")),
        ("organisation, repo", org("ghp_repo")),
        ("organisation, admin:org", org("ghp_org")),
        ("repository, no scope", repo("ghp_bare")),
        ("organisation of others, admin:org", org("ghp_elsewhere")),
    ];
    reviewed("classic_tokens", &bed, &answers);
    // Single sign-on stands between a good token and its account.
    let refusal = Step::status(403, "Resource protected by organization SAML enforcement.");
    bed.github().script(
        Route::GenerateJit,
        [refusal.header("x-github-sso", "required; url=https://github.com/orgs/acme/sso?authorization_request=marker")],
    );
    reviewed("single_sign_on", &bed, &[("organisation, admin:org", org("ghp_org"))]);
}

#[test]
fn an_app_is_told_which_permission_its_installation_lacks() {
    if !need(&[Need::Openssl]) {
        return;
    }
    let answer = |app: &App, as_org: bool| {
        let bed = Bed::with_rules(Rules::for_account(ACCOUNT).with_app(app.clone()));
        let launch = check(&bed).without("ACCESS_TOKEN").env("APP_ID", app.id.to_string()).env("APP_PRIVATE_KEY", app.private_key());
        about_github(&bed, if as_org { of_org(launch) } else { launch })
    };
    let app = || App::installed_on(ACCOUNT);
    let answers = [
        ("good", answer(&app(), false)),
        ("organisation, only administration", answer(&app().permitted(&["administration"]), true)),
        ("repository, only self-hosted runners", answer(&app().permitted(&["organization_self_hosted_runners"]), false)),
        ("nothing", answer(&app().permitted(&[]), true)),
        ("another repository selected", answer(&app().only(&["other"]), false)),
        ("another account", answer(&App::installed_on("other"), true)),
    ];
    reviewed("apps", &Bed::new(), &answers);
}

#[test]
fn the_end_of_a_token_is_told_while_there_is_time() {
    let rules = Rules::for_account(ACCOUNT)
        .with_ending_token("github_long", ACCOUNT, 90 * DAY + 3600)
        .with_ending_token("github_short", ACCOUNT, 2 * DAY + 3600)
        .with_ending_token("github_hours", ACCOUNT, 5 * 3600 + 1800)
        .with_ending_token("github_ended", ACCOUNT, -1);
    let bed = Bed::with_rules(rules);
    let answer = |token: &str| about_github(&bed, with_token(&bed, token));
    let answers = [
        ("in 90 days", answer("github_long")),
        ("in two days", answer("github_short")),
        ("in hours", answer("github_hours")),
        ("ended", answer("github_ended")),
    ];
    reviewed("ends_of_tokens", &bed, &answers);
}

#[test]
fn clocks_that_differ_and_calls_that_run_out_are_found_in_the_same_answer() {
    for (offset, expected) in [(0, "ok"), (-20, "ok"), (600, "warn"), (-600, "warn")] {
        let bed = Bed::with_rules(Rules::for_account(ACCOUNT).clock_offset(offset));
        let (said, code) = asked(&bed, check(&bed).arg("--json"));
        assert!(lines(&said).iter().any(|line| line.starts_with(&format!("{expected} clock: "))), "{offset}: {said}");
        assert_eq!(code, 0);
    }
    let bed = Bed::new();
    bed.github().script(Route::GenerateJit, [Step::status(422, "no labels").header("x-ratelimit-remaining", "3")]);
    let (said, _) = asked(&bed, check(&bed).arg("--json"));
    assert!(lines(&said).iter().any(|line| line.starts_with("warn calls: few calls are left")), "{said}");
    bed.github().script(Route::GenerateJit, [Step::status(403, "You have exceeded a secondary rate limit").header("retry-after", "60")]);
    let (said, code) = asked(&bed, check(&bed).arg("--json"));
    assert!(
        code == 75 && lines(&said).iter().any(|line| line.starts_with("fail registration: ") && line.contains("limits the rate")),
        "{said}"
    );
}

#[test]
fn a_runner_group_that_is_not_there_is_found() {
    let bed = Bed::new();
    let answer = about_github(&bed, of_org(check(&bed)).env("RUNNER_GROUP", "bilders"));
    assert!(answer.contains("there is no runner group \"bilders\"") && answer.ends_with("exit code 78\n"), "{answer}");
}

/// A server in whose eyes a runner without labels is one.
#[test]
fn a_runner_that_a_strange_server_makes_of_the_look_is_deleted_at_once() {
    let bed = Bed::new();
    let id = bed.github().plant(&Scope::repo("acme/widgets"), "runner-entrypoint-check");
    let body = serde_json::json!({"runner": {"id": id, "name": "runner-entrypoint-check"}, "encoded_jit_config": "e30="});
    bed.github().script(Route::GenerateJit, [Step::answer(201, body.to_string())]);
    let (said, code) = asked(&bed, check(&bed));
    assert_eq!(code, 0, "{said}");
    bed.github().assert_nobody_registered();
}

#[test]
fn a_registration_with_config_sh_is_looked_at_in_its_own_way() {
    let bed = Bed::with_rules(Rules::for_account(ACCOUNT).with_reading_token("github_reading", ACCOUNT));
    let made = Request::new("POST", format!("{}/repos/acme/widgets/actions/runners/registration-token", bed.github().url()))
        .header("Authorization", &format!("Bearer {}", bed.token()))
        .header("User-Agent", "raw")
        .send()
        .unwrap();
    let token = made.json()["token"].as_str().unwrap().to_owned();
    let answer = |launch: Launch<'_>| about_github(&bed, launch.env("GITHUB_URL", bed.github().web_url()));
    let alone = || check(&bed).without("ACCESS_TOKEN").without("REPO_URL").env("GITHUB_OWNER", "acme").env("GITHUB_REPOSITORY", "widgets");
    let classic = |token: &str| {
        check(&bed)
            .without("REPO_URL")
            .env("GITHUB_OWNER", "acme")
            .env("GITHUB_REPOSITORY", "widgets")
            .env("REGISTRATION", "classic")
            .env("ACCESS_TOKEN", token)
    };
    let answers = [
        ("a registration token", answer(alone().env("RUNNER_TOKEN", &token))),
        ("one that is not good", answer(alone().env("RUNNER_TOKEN", "AAAAexpired"))),
        ("a credential that makes one", answer(classic(bed.token()))),
        ("a credential that may not", answer(classic("github_reading"))),
    ];
    reviewed("classic_registration", &bed, &answers);
    assert_eq!(bed.github().requests_of(Route::RegisterRunner).len(), 0);
}

#[test]
fn a_ready_jit_configuration_is_read_and_its_runner_looked_for() {
    let bed = Bed::new();
    let request = Request::new("POST", format!("{}/repos/acme/widgets/actions/runners/generate-jitconfig", bed.github().url()))
        .header("Authorization", &format!("Bearer {}", bed.token()))
        .header("User-Agent", "raw");
    let made = request.json(&serde_json::json!({"name": "made-elsewhere", "runner_group_id": 1, "labels": ["x"]})).send().unwrap();
    let blob = made.json()["encoded_jit_config"].as_str().unwrap().to_owned();
    let said_of = |launch: Launch<'_>| {
        let (said, code) = asked(&bed, launch.arg("--json"));
        let report: Value = serde_json::from_str(&said).unwrap();
        let github = report["sections"].as_array().unwrap().iter().find(|section| section["name"] == "GitHub").unwrap();
        let seen: Vec<String> =
            github["checks"].as_array().unwrap().iter().map(|check| format!("{} {}", check["name"], check["seen"])).collect();
        (seen.join("\n"), code)
    };
    let bare = || check(&bed).without("ACCESS_TOKEN").without("REPO_URL").without("RUNNER_SCOPE");
    let (seen, code) = said_of(bare().env("ACTIONS_RUNNER_INPUT_JITCONFIG", &blob));
    assert!(code == 0 && seen.contains("of runner made-elsewhere (id "), "{seen}");
    let (seen, _) = said_of(check(&bed).env("ACTIONS_RUNNER_INPUT_JITCONFIG", &blob));
    assert!(seen.contains("\"runner\" \"is registered\"") && seen.contains("\"removal\" \"permitted"), "{seen}");
    bed.github().forget(bed.github().registered()[0].id);
    let (seen, code) = said_of(check(&bed).env("ACTIONS_RUNNER_INPUT_JITCONFIG", &blob));
    assert!(code == 0 && seen.contains("\"runner\" \"is not registered\""), "{seen}");
    let (seen, code) = said_of(bare().env("ACTIONS_RUNNER_INPUT_JITCONFIG", "e30="));
    assert!(code == 78 && seen.contains("cannot be used"), "{seen}");
    let (seen, code) = said_of(bare().env("JITCONFIG_URL", "http://127.0.0.1:1/runner?signature=marker"));
    assert!(code == 0 && seen.contains("not fetched"), "{seen}");
}
