//! The policy of registering and of paying what it owes.
//!
//! A registration is a POST that is not idempotent, and its answer can be lost after GitHub carried it out. So every name
//! is an obligation from the moment before its request leaves: the caller is told [`Notice::MayExist`] first, and only a
//! later [`Notice::Registered`] or [`Notice::Absent`] changes that. Whoever drops the future in the middle therefore knows
//! all that may be left behind, and pays it with [`settle`].

use std::future::Future;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use super::error::{CallError, Fault};
use super::names::{Candidate, NAME_PLACE, Names, RunnerName};
use super::notice::Notice;
use super::patience::Patience;
use super::retry::Policy;
use super::scope::Scope;
use super::{Client, Deleted, NewRunner, Registered, RunnerId};

/// The runner we want.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Wish {
    /// Where its name comes from.
    pub names: Names,
    /// Its group, by name.
    pub group: String,
    /// Its labels, 1 to 100, literally.
    pub labels: Vec<String>,
    /// Its work folder.
    pub work_folder: String,
}

/// Why there is no runner, and what may be left behind nevertheless.
#[derive(Debug, Clone, thiserror::Error, Serialize, Deserialize)]
#[error("{error}")]
pub(crate) struct NotRegistered {
    /// The last error.
    #[source]
    pub error: CallError,
    /// Names whose request left and for which nothing certain is known: each is owed a [`settle`].
    pub may_exist: Vec<RunnerName>,
}

/// Something to be undone at GitHub.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Claim {
    /// A request with this name was sent and its answer never seen.
    MayExist(RunnerName),
    /// This runner was registered.
    Runner {
        /// Its number.
        id: RunnerId,
        /// Its name, for messages.
        name: RunnerName,
    },
}

/// How paying a claim ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Settled {
    /// No such runner exists any more.
    Gone,
    /// A job is on it; GitHub removes a runner for one job by itself when the job ends.
    Busy,
    /// Not known within the budget.
    Unknown(CallError),
}

/// Registers a runner within `budget`, with a fresh name for each try. Retries what is transient (no connection, no answer,
/// 408, 429, 5xx, a 403 that is a limit) and a taken name; never a refused credential, a missing right or a request that
/// GitHub calls invalid. A try whose outcome is unknown is looked up by name and deleted before the next; if it is not found
/// the claim stays open, because the request may still be on its way.
///
/// # Errors
/// The last error, when it is final or when the next try would begin after the budget.
pub(crate) async fn register(
    client: &Client,
    scope: &Scope,
    wish: &Wish,
    policy: &Policy,
    budget: Duration,
    mut notify: impl FnMut(Notice),
) -> Result<Registered, NotRegistered> {
    let mut claims = Claims::default();
    let outcome = attempts(client, scope, wish, Patience::new(policy, budget), &mut claims, &mut notify).await;
    outcome.map_err(|error| NotRegistered { error, may_exist: claims.all() })
}

/// Makes one idempotent call of a [`Client`] insist: retries what is transient within `budget`. `call` is what the error says was
/// attempted when nothing came back.
///
/// # Errors
/// The last error, when it is final or when the next try would begin after the budget.
pub(crate) async fn insist<T, F: Future<Output = Result<T, CallError>>>(
    scope: &Scope,
    call: &str,
    policy: &Policy,
    budget: Duration,
    attempt: impl Fn() -> F,
    mut notify: impl FnMut(Notice),
) -> Result<T, CallError> {
    Patience::new(policy, budget).insist(scope, call, attempt, &mut notify).await
}

/// Pays a claim: deletes the runner, found by name where its number is not known. Retries what is transient within
/// `budget`.
pub(crate) async fn settle(client: &Client, scope: &Scope, claim: &Claim, policy: &Policy, budget: Duration) -> Settled {
    let mut patience = Patience::new(policy, budget);
    let paid = match claim {
        Claim::Runner { id, name } => {
            let call = format!("delete runner {name} ({id}) of {scope}");
            patience.insist(scope, &call, || client.delete_runner(scope, *id), &mut |_| {}).await
        }
        Claim::MayExist(name) => by_name(client, scope, name, &mut patience).await,
    };
    match paid {
        Ok(Deleted::Gone | Deleted::AlreadyGone) => Settled::Gone,
        Ok(Deleted::Busy(_)) => Settled::Busy,
        Err(error) => Settled::Unknown(error),
    }
}

/// Deletes the runner of that name, looking twice: a request whose answer was lost may be carried out late.
async fn by_name(client: &Client, scope: &Scope, name: &RunnerName, patience: &mut Patience<'_>) -> Result<Deleted, CallError> {
    match remove_unstarted(client, scope, name, patience).await? {
        Removal::Removed => return Ok(Deleted::Gone),
        Removal::NotOurs => return Ok(Deleted::AlreadyGone),
        Removal::NotFound => {}
    }
    let again = Instant::now() + patience.policy().second_look;
    if again >= patience.deadline() {
        return Ok(Deleted::AlreadyGone);
    }
    sleep(patience.policy().second_look).await;
    remove_unstarted(client, scope, name, patience).await?;
    Ok(Deleted::AlreadyGone)
}

enum Removal {
    Removed,
    NotFound,
    /// Somebody's Listener is connected under that name. Ours was never started, and names are unique: ours does not exist.
    NotOurs,
}

async fn remove_unstarted(client: &Client, scope: &Scope, name: &RunnerName, patience: &mut Patience<'_>) -> Result<Removal, CallError> {
    let call = format!("look for runner {name} of {scope}");
    let found = patience.insist(scope, &call, || client.find_runner(scope, name), &mut |_| {}).await?;
    let Some(found) = found else {
        return Ok(Removal::NotFound);
    };
    if found.online || found.busy {
        return Ok(Removal::NotOurs);
    }
    let call = format!("delete runner {name} ({}) of {scope}", found.id);
    let deleted = patience.insist(scope, &call, || client.delete_runner(scope, found.id), &mut |_| {}).await?;
    Ok(match deleted {
        Deleted::Gone | Deleted::AlreadyGone => Removal::Removed,
        // It went online between the two calls.
        Deleted::Busy(_) => Removal::NotOurs,
    })
}

/// Names that may exist: those still to be looked up, and those that were not found once but may appear late.
#[derive(Default)]
struct Claims {
    unseen: Vec<RunnerName>,
    late: Vec<RunnerName>,
}

impl Claims {
    fn all(self) -> Vec<RunnerName> {
        self.unseen.into_iter().chain(self.late).collect()
    }
}

async fn attempts(
    client: &Client,
    scope: &Scope,
    wish: &Wish,
    mut patience: Patience<'_>,
    claims: &mut Claims,
    notify: &mut impl FnMut(Notice),
) -> Result<Registered, CallError> {
    // Before a name is sent: an App that gets no token owes nothing.
    let call = format!("get a token for {scope}");
    patience.insist(scope, &call, || client.authenticate(scope), notify).await?;
    let call = format!("look for the runner group of {scope}");
    let group_id = patience.insist(scope, &call, || client.runner_group_id(scope, &wish.group), notify).await?;
    let mut exact = wish.names.exact();
    if let Some(Candidate { name, .. }) = &exact {
        let call = format!("look for runner {name} of {scope}");
        let taken = patience.insist(scope, &call, || client.find_runner(scope, name), notify).await?;
        if taken.is_some() {
            exact = None;
        }
    }
    loop {
        let Candidate { name, drawn } = match exact.take() {
            Some(candidate) => candidate,
            None => wish.names.draw().map_err(|cause| CallError::setup("draw a runner name", cause.to_string()))?,
        };
        let call = format!("register runner {name} for {scope}");
        let work_folder = wish.work_folder.replace(NAME_PLACE, name.as_str());
        let new = NewRunner { name: &name, group_id, labels: &wish.labels, work_folder: &work_folder };
        notify(Notice::MayExist(name.clone()));
        // From here the claim is in the list: an early return below leaves it there.
        claims.unseen.push(name.clone());
        let error = match patience.one(scope, &call, client.generate_jitconfig(scope, new)).await {
            Ok(made) => {
                claims.unseen.retain(|claimed| *claimed != name);
                notify(Notice::Registered { id: made.id, name });
                return Ok(made);
            }
            Err(error) => error,
        };
        // A drawn name that is taken was taken by us: something between us and GitHub repeated the request.
        let taken = matches!(error.fault(), Fault::Conflict(_));
        let certainly_absent = !(error.outcome_unknown() || taken && drawn);
        if certainly_absent {
            claims.unseen.retain(|claimed| *claimed != name);
            notify(Notice::Absent(name));
        }
        let give_up = !(error.is_transient() || taken);
        let wait = (!give_up).then(|| patience.next_wait(&error)).flatten();
        if let Some(wait) = wait {
            notify(Notice::Waiting { error: error.clone(), wait });
            sleep(wait).await;
        }
        pay(client, scope, claims, &mut patience, notify).await;
        if wait.is_none() || patience.is_over() {
            return Err(error);
        }
    }
}

/// Looks every unseen name up and deletes what is there. An error leaves the claim for the next round or for the caller.
async fn pay(client: &Client, scope: &Scope, claims: &mut Claims, patience: &mut Patience<'_>, notify: &mut impl FnMut(Notice)) {
    for name in std::mem::take(&mut claims.unseen) {
        match remove_unstarted(client, scope, &name, patience).await {
            Ok(Removal::Removed | Removal::NotOurs) => notify(Notice::Absent(name)),
            Ok(Removal::NotFound) => claims.late.push(name),
            Err(_) => claims.unseen.push(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::stand_in::{Reply, Server};
    use super::super::{Class, Credential, SecretText};
    use super::*;
    use std::sync::{Arc, Mutex};

    const TOKEN: &str = "token-that-nobody-may-see";
    const FOUND: &str = "/repos/o/r/actions/runners?per_page=100&name=";

    fn scope() -> Scope {
        Scope::Repo { owner: "o".into(), name: "r".into() }
    }

    fn quick() -> Policy {
        Policy {
            attempt: Duration::from_millis(400),
            first_wait: Duration::from_millis(2),
            longest_wait: Duration::from_millis(10),
            unnamed_limit: Duration::from_millis(30),
            limit_spread: Duration::from_millis(10),
            second_look: Duration::from_millis(20),
        }
    }

    fn wish(names: Names) -> Wish {
        Wish { names, group: "Default".into(), labels: vec!["self-hosted".into()], work_folder: "_work".into() }
    }

    fn drawn() -> Wish {
        wish(Names::Prefixed("t".into()))
    }

    fn client(server: &Server) -> Client {
        Client::new(&server.endpoint(), Credential::Token(SecretText::new(TOKEN))).unwrap()
    }

    /// Runs [`register`] and tells the notices in short: `may`, `made 7`, `absent`, `wait`.
    async fn run(server: &Server, wish: &Wish, budget: Duration) -> (Result<Registered, NotRegistered>, Vec<String>) {
        let mut told = Vec::new();
        let outcome = register(&client(server), &scope(), wish, &quick(), budget, |notice| {
            told.push(match notice {
                Notice::MayExist(_) => "may".into(),
                Notice::Registered { id, .. } => format!("made {id}"),
                Notice::Absent(_) => "absent".into(),
                Notice::Waiting { error, .. } => {
                    assert!(!error.to_string().contains(TOKEN));
                    "wait".to_owned()
                }
            });
        })
        .await;
        (outcome, told)
    }

    const PLENTY: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn a_runner_is_registered_with_one_call_that_carries_the_wish() {
        let server = Server::obedient();
        let (made, told) = run(&server, &drawn(), PLENTY).await;
        let made = made.unwrap();
        assert_eq!(told, ["may", "made 1"]);
        assert_eq!(made.blob.reveal(), "YmxvYg==");
        let requests = server.requests();
        assert_eq!(requests.len(), 1);
        assert_eq!(requests[0].line, "POST /repos/o/r/actions/runners/generate-jitconfig");
        let body: serde_json::Value = serde_json::from_str(&requests[0].body).unwrap();
        assert_eq!(body["runner_group_id"], 1);
        assert_eq!(body["labels"], serde_json::json!(["self-hosted"]));
        assert_eq!(body["work_folder"], "_work");
        assert_eq!(body["name"], made.name.as_str());
        for header in [
            format!("authorization: bearer {TOKEN}"),
            "accept: application/vnd.github+json".into(),
            "x-github-api-version: 2022-11-28".into(),
            "user-agent: runner-entrypoint/".into(),
        ] {
            assert!(requests[0].head.contains(&header), "{header}");
        }
        let shown = format!("{made:?} {:?}", client(&server));
        assert!(!shown.contains(TOKEN) && !shown.contains("YmxvYg"), "{shown}");
    }

    #[tokio::test]
    async fn a_lost_answer_is_found_by_its_name_and_deleted_before_a_new_name_is_tried() {
        let server = Server::losing_answers(2);
        let (made, told) = run(&server, &drawn(), PLENTY).await;
        assert_eq!(made.unwrap().id, RunnerId(3));
        assert_eq!(told, ["may", "wait", "absent", "may", "wait", "absent", "may", "made 3"]);
        assert_eq!(server.registered(), [3]);
        let verbs: Vec<String> = server.verbs();
        assert_eq!(verbs, ["POST", "GET", "DELETE", "POST", "GET", "DELETE", "POST"]);
    }

    #[tokio::test]
    async fn a_request_that_is_not_found_after_a_lost_answer_stays_owed() {
        let mut first = true;
        let server = Server::with(move |request, state| match &*request.line {
            line if line.starts_with("POST") && std::mem::take(&mut first) => Reply::Cut,
            _ => state.obey(request),
        });
        let told = Arc::new(Mutex::new(Vec::new()));
        let (outcome, notices) = run(&server, &drawn(), PLENTY).await;
        told.lock().unwrap().extend(notices);
        assert!(outcome.is_ok());
        // No "absent" for the first name: the server may still carry it out.
        assert_eq!(*told.lock().unwrap(), ["may", "wait", "may", "made 1"]);
    }

    #[tokio::test]
    async fn a_taken_drawn_name_is_ours_so_it_is_deleted_and_another_drawn() {
        let mut first = true;
        let server = Server::with(move |request, state| {
            let reply = state.obey(request);
            if request.line.starts_with("POST") && std::mem::take(&mut first) {
                return Reply::json(409, r#"{"message":"Already exists"}"#);
            }
            reply
        });
        let (made, told) = run(&server, &drawn(), PLENTY).await;
        assert_eq!(made.unwrap().id, RunnerId(2));
        assert_eq!(told, ["may", "wait", "absent", "may", "made 2"]);
        assert_eq!(server.registered(), [2]);
    }

    #[tokio::test]
    async fn an_exact_name_that_somebody_has_is_left_alone_and_becomes_a_prefix() {
        let server = Server::obedient();
        server.add("build", "offline");
        let (made, told) = run(&server, &wish(Names::Exact("build".into())), PLENTY).await;
        assert!(made.unwrap().name.as_str().starts_with("build-"));
        assert_eq!(told, ["may", "made 2"]);
        assert_eq!(server.registered(), [1, 2]);
    }

    #[tokio::test]
    async fn a_free_exact_name_is_taken_and_when_taken_in_between_nothing_is_deleted() {
        let server = Server::obedient();
        let (made, _) = run(&server, &wish(Names::Exact("build".into())), PLENTY).await;
        assert_eq!(made.unwrap().name.as_str(), "build");

        let mut first = true;
        let server = Server::with(move |request, state| {
            if request.line.starts_with("POST") && std::mem::take(&mut first) {
                state.add("build", "offline");
                return Reply::json(409, r#"{"message":"Already exists"}"#);
            }
            state.obey(request)
        });
        let (made, told) = run(&server, &wish(Names::Exact("build".into())), PLENTY).await;
        assert!(made.is_ok());
        assert_eq!(told, ["may", "absent", "wait", "may", "made 2"]);
        assert_eq!(server.registered(), [1, 2]);
    }

    #[tokio::test]
    async fn what_is_final_is_asked_once_and_says_what_to_do() {
        let cases = [
            (401, r#"{"message":"Bad credentials"}"#, Class::Credentials, "expired or revoked"),
            (403, r#"{"message":"Resource not accessible"}"#, Class::Credentials, "\"Administration\": write"),
            (404, r#"{"message":"Not Found"}"#, Class::Credentials, "either repository o/r does not exist"),
            (422, r#"{"message":"Invalid input"}"#, Class::Configuration, "refused the request (422)"),
            (422, r#"{"message":"Runner group 1 has reached max limit of 10000 runners."}"#, Class::Temporary, "group is full"),
        ];
        for (status, body, class, words) in cases {
            let server = Server::with(move |_, _| Reply::json(status, body));
            let (outcome, told) = run(&server, &drawn(), PLENTY).await;
            let failure = outcome.unwrap_err();
            assert_eq!(failure.error.class(), class);
            assert!(failure.error.to_string().contains(words), "{failure}");
            assert!(!failure.error.to_string().contains(TOKEN));
            assert_eq!(failure.may_exist, []);
            assert_eq!(told, ["may", "absent"]);
            assert_eq!(server.requests().len(), 1);
        }
    }

    #[tokio::test]
    async fn a_limit_is_waited_out_as_long_as_the_server_asks() {
        let mut first = true;
        let server = Server::with(move |request, state| {
            if std::mem::take(&mut first) {
                return Reply::json(403, r#"{"message":"You have exceeded a secondary rate limit"}"#).header("retry-after: 1");
            }
            state.obey(request)
        });
        let begun = Instant::now();
        let (made, told) = run(&server, &drawn(), PLENTY).await;
        assert!(made.is_ok());
        assert!(begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());
        assert_eq!(told, ["may", "absent", "wait", "may", "made 1"]);
    }

    #[tokio::test]
    async fn a_limit_longer_than_the_budget_ends_at_once() {
        let server = Server::with(|_, _| Reply::json(429, "{}").header("retry-after: 3600"));
        let begun = Instant::now();
        let (outcome, _) = run(&server, &drawn(), PLENTY).await;
        let failure = outcome.unwrap_err();
        assert_eq!(failure.error.class(), Class::Temporary);
        assert!(failure.to_string().contains("it asks to wait 3600 s"), "{failure}");
        assert!(begun.elapsed() < Duration::from_secs(10));
        assert_eq!(server.requests().len(), 1);
    }

    #[tokio::test]
    async fn a_server_that_never_answers_ends_at_the_deadline_with_every_name_owed() {
        let server = Server::with(|_, _| Reply::Hang);
        let begun = Instant::now();
        let (outcome, told) = run(&server, &drawn(), Duration::from_millis(900)).await;
        let took = begun.elapsed();
        let failure = outcome.unwrap_err();
        assert!(matches!(failure.error.fault(), Fault::Lost(_)), "{failure}");
        assert!(took < Duration::from_secs(5), "{took:?}");
        let asked = told.iter().filter(|notice| *notice == "may").count();
        assert_eq!(failure.may_exist.len(), asked);
        assert!(asked >= 1);
    }

    #[tokio::test]
    async fn an_unreachable_server_owes_nothing() {
        let server = Server::obedient();
        let client = client(&server);
        drop(server);
        let budget = Duration::from_millis(100);
        let outcome = register(&client, &scope(), &drawn(), &quick(), budget, |_| {}).await;
        let failure = outcome.unwrap_err();
        assert!(matches!(failure.error.fault(), Fault::Unreachable(_)), "{failure}");
        assert_eq!(failure.may_exist, []);
    }

    #[tokio::test]
    async fn junk_after_success_is_an_error_that_still_pays_and_shows_no_body() {
        let mut first = true;
        let server = Server::with(move |request, state| {
            let reply = state.obey(request);
            if std::mem::take(&mut first) {
                return Reply::json(201, "\"c2VjcmV0IGJsb2I=");
            }
            reply
        });
        let (outcome, told) = run(&server, &drawn(), PLENTY).await;
        let failure = outcome.unwrap_err();
        assert!(!failure.to_string().contains("c2VjcmV0"), "{failure}");
        assert_eq!(told, ["may", "absent"]);
        assert!(server.registered().is_empty());
    }

    #[tokio::test]
    async fn a_dropped_registration_left_its_name_with_the_caller() {
        let server = Server::with(|request, state| {
            state.obey(request);
            Reply::Hang
        });
        let owed = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&owed);
        let client = client(&server);
        let task = tokio::spawn({
            let client = client.clone();
            async move {
                let policy = Policy { attempt: PLENTY, ..quick() };
                register(&client, &scope(), &drawn(), &policy, PLENTY, |notice| {
                    if let Notice::MayExist(name) = notice {
                        noted.lock().unwrap().push(name);
                    }
                })
                .await
                .map(|made| made.blob)
            }
        });
        while server.registered().is_empty() {
            tokio::task::yield_now().await;
        }
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        server.become_obedient();
        let name = owed.lock().unwrap().pop().unwrap();
        let settled = settle(&client, &scope(), &Claim::MayExist(name), &quick(), PLENTY).await;
        assert!(matches!(settled, Settled::Gone), "{settled:?}");
        assert!(server.registered().is_empty());
    }

    #[tokio::test]
    async fn settling_tells_gone_busy_and_unknown_apart() {
        let server = Server::obedient();
        server.add("ours", "offline");
        let runner = |id| Claim::Runner { id: RunnerId(id), name: RunnerName::new("ours") };
        for _ in 0..2 {
            let settled = settle(&client(&server), &scope(), &runner(1), &quick(), PLENTY).await;
            assert!(matches!(settled, Settled::Gone), "{settled:?}");
        }
        let server = Server::with(|_, _| Reply::json(422, r#"{"message":"is currently running a job"}"#));
        let settled = settle(&client(&server), &scope(), &runner(1), &quick(), PLENTY).await;
        assert!(matches!(settled, Settled::Busy), "{settled:?}");

        let server = Server::with(|_, _| Reply::json(502, ""));
        let short = Duration::from_millis(50);
        let settled = settle(&client(&server), &scope(), &runner(1), &quick(), short).await;
        assert!(matches!(&settled, Settled::Unknown(error) if error.class() == Class::Temporary), "{settled:?}");
    }

    #[tokio::test]
    async fn settling_a_name_looks_twice_and_never_deletes_a_connected_runner() {
        let mut looks = 0;
        let server = Server::with(move |request, state| {
            if request.line.contains(FOUND) {
                looks += 1;
                if looks == 2 {
                    state.add("late", "offline");
                }
            }
            state.obey(request)
        });
        let claim = Claim::MayExist(RunnerName::new("late"));
        let settled = settle(&client(&server), &scope(), &claim, &quick(), PLENTY).await;
        assert!(matches!(settled, Settled::Gone), "{settled:?}");
        assert_eq!(server.verbs(), ["GET", "GET", "DELETE"]);
        assert!(server.registered().is_empty());

        let server = Server::obedient();
        server.add("late", "online");
        let settled = settle(&client(&server), &scope(), &claim, &quick(), PLENTY).await;
        assert!(matches!(settled, Settled::Gone), "{settled:?}");
        assert_eq!(server.registered(), [1]);
    }
}
