//! The ways in which secrets are given, each with secrets of its own.

use std::{fs, os::unix::fs::PermissionsExt as _};

use nix::unistd::chown;
use runner_tests::{
    bed::{ACCOUNT, Bed, Launch, REPOSITORY},
    github::{App, Rules, Scope},
    http::Request,
};

use super::{As, KEPT, USER};

/// What the life is given to register with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Given {
    Token,
    TokenFile,
    App,
    AppFile,
    RegistrationToken,
    RegistrationTokenFile,
    JitUrl,
    JitUrlTokenFile,
}

impl Given {
    pub(super) const ALL: [Self; 8] = [
        Self::Token,
        Self::TokenFile,
        Self::App,
        Self::AppFile,
        Self::RegistrationToken,
        Self::RegistrationTokenFile,
        Self::JitUrl,
        Self::JitUrlTokenFile,
    ];

    /// Whether an errand removes the runner. `config.sh remove` is a process of the job's user, and has its token from us.
    pub(super) fn removes(self) -> bool {
        matches!(self, Self::Token | Self::TokenFile | Self::App | Self::AppFile)
    }

    pub(super) fn in_file(self) -> bool {
        matches!(self, Self::TokenFile | Self::AppFile | Self::RegistrationTokenFile | Self::JitUrlTokenFile)
    }
}

/// One way, ready to be gone.
#[derive(Debug)]
pub(super) struct Form {
    pub(super) given: Given,
    /// A part of each that is unlike anything else: memory that was freed has lost the beginning of what it held.
    pub(super) secrets: Vec<(String, String)>,
    /// In PID 1's memory, and no secret.
    pub(super) kept: (String, String),
    environment: Vec<(&'static str, String)>,
}

/// What an ECS task has besides.
const ROLE: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";

impl Form {
    pub(super) fn new(given: Given) -> (Bed, Self) {
        let app = matches!(given, Given::App | Given::AppFile).then(|| App::installed_on(ACCOUNT).with_a_fresh_key());
        let rules = Rules::for_account(ACCOUNT);
        let bed = Bed::with_rules(app.iter().cloned().fold(rules, Rules::with_app));
        let kept = (KEPT.to_owned(), random());
        let role = random();
        let mut environment = vec![("TERMINATION_LOG", format!("/{}/log", kept.1)), (ROLE, format!("/v2/credentials/{role}"))];
        let mut secrets = vec![("role".to_owned(), role)];
        let mut with = |name: &'static str, text: &str, marker: &str| {
            assert!(text.contains(marker) && marker.len() >= 12);
            secrets.push((name.to_owned(), marker.to_owned()));
            environment.push((name, text.to_owned()));
        };
        let (owner, repository) = REPOSITORY.split_once('/').unwrap();
        match given {
            Given::Token | Given::TokenFile => with("ACCESS_TOKEN", bed.token(), &bed.token()[100..140]),
            Given::App | Given::AppFile => {
                let app = app.unwrap();
                let line = app.private_key().lines().nth(9).unwrap();
                with("APP_PRIVATE_KEY", app.private_key(), line);
                environment.push(("APP_ID", app.id.to_string()));
            }
            Given::RegistrationToken | Given::RegistrationTokenFile => {
                let asked = Request::new("POST", format!("{}/repos/{REPOSITORY}/actions/runners/registration-token", bed.github().url()));
                let asked = asked.header("Authorization", &format!("Bearer {}", bed.token())).header("User-Agent", "raw");
                let made = asked.send().unwrap().json();
                let token = made["token"].as_str().unwrap();
                with("RUNNER_TOKEN", token, &token[16..]);
            }
            Given::JitUrl | Given::JitUrlTokenFile => {
                let scope = Scope::Repo { owner: owner.into(), repo: repository.into() };
                let offer = bed.github().offer_jit(&scope, "offered", false);
                with("JITCONFIG_URL", &offer.url, &offer.url[offer.url.len() - 20..]);
                with("JITCONFIG_TOKEN", &offer.bearer, &offer.bearer[20..50]);
            }
        }
        (bed, Self { given, secrets, kept, environment })
    }

    /// The life, with its secrets where they belong.
    pub(super) fn launch<'a>(&self, bed: &'a Bed, user: As) -> Launch<'a> {
        let launch = bed.entrypoint().without("RUN_AS_ROOT").without("ACCESS_TOKEN").env("STOP_TIMEOUT", "600");
        let launch = launch.env("REPO_URL", format!("{}/{REPOSITORY}", bed.github().web_url()));
        let secret = |name: &str| self.secrets.iter().any(|(known, _)| known == name);
        self.environment.iter().fold(launch, |launch, (name, text)| {
            if !self.given.in_file() || !secret(name) || *name == "JITCONFIG_URL" {
                return launch.env(name, text);
            }
            let file = bed.path(name);
            fs::write(&file, text).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o400)).unwrap();
            if user == As::TheJob {
                chown(&file, Some(USER.into()), Some(USER.into())).unwrap();
            }
            launch.env(&format!("{name}_FILE"), file.to_string_lossy())
        })
    }

    /// In how many places of PID 1's memory a secret is while a job runs. `None` for a registration token, which lives for an hour: what
    /// `config.sh` is given in its environment goes through `std::process`, which frees it as it is.
    pub(super) fn copies(&self, name: &str) -> Option<u64> {
        match name {
            "role" => Some(0),
            "RUNNER_TOKEN" => None,
            _ => Some(u64::from(!self.given.in_file() || name == "JITCONFIG_URL")),
        }
    }
}

/// Letters that are nowhere else.
pub(super) fn random() -> String {
    let mut bytes = [0; 24];
    getrandom::fill(&mut bytes).unwrap();
    bytes.iter().map(|byte| char::from(b'a' + byte % 26)).collect()
}
