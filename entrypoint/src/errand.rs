//! Errands: what this program starts itself for once more, because it speaks over a network, may hang, or holds a credential.
//!
//! PID 1 waits for hours in two megabytes. TLS, HTTP and the buffers of a registration are gone with the process that needed them, and so
//! is the credential. An errand reads one order from standard input and writes answers to standard output, a JSON value a line; exit
//! code 0 says that the last answer was the outcome.

use std::{
    io::{Read as _, Write as _},
    net::SocketAddr,
    path::PathBuf,
    time::Duration,
};

use nix::sys::{prctl, signal::Signal};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{
    docker,
    github::{self, Blob, CallError, Claim, Class, Client, Credential, Endpoint, Notice, Policy, Scope, SecretText, Settled, Wish},
    platform, runner, scrape,
    stages::{Ending, PROTECTION_MINUTES},
    words::{Outcome, Protection, Removal, SpotNotice, Task},
};

/// The command that runs an errand.
pub(crate) const COMMAND: &str = "errand";

/// An order with every secret in it is a few kilobytes. Room from the start, so that no copy is left behind in memory by growing.
pub(crate) const ORDER: usize = 64 * 1024;

/// The longest a removal may take; the machine's own deadline is shorter when a stop presses.
const REMOVAL: Duration = Duration::from_secs(60);

/// The platform's metadata is local, and late only while its agent starts.
const TASK: Duration = Duration::from_secs(5);

/// The agent gives ECS 4 s to answer, and may be asked twice.
const PROTECTION: Duration = Duration::from_secs(10);

/// A notice comes 120 s before the end; the platform's own agent asks as often as twice a second.
const SPOT_PAUSE: Duration = Duration::from_secs(5);

/// How GitHub is reached, and with which right.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Access {
    pub(crate) endpoint: Endpoint,
    pub(crate) credential: Credential,
    pub(crate) scope: Scope,
}

/// What an errand is sent for.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    /// Which task of the platform is this?
    FindTask { metadata: String },
    /// Wait for docker.
    WaitForDocker { host: String, sidecar: PathBuf, budget: Duration, company: docker::Company },
    /// Register a runner just in time.
    Register { access: Access, wish: Wish, budget: Duration },
    /// Make a token with which `config.sh` registers the runner of this name.
    MakeToken { access: Access, name: String, budget: Duration },
    /// Fetch a JIT configuration that somebody else made.
    FetchJit { url: SecretText, bearer: Option<SecretText>, endpoint: Endpoint, budget: Duration },
    /// Remove a registration.
    Deregister { access: Access, claim: Claim },
    /// Protect the task from scale-in, or no longer.
    Protect { agent: String, on: bool },
    /// Wait until the machine is to be taken away.
    WatchSpot { metadata: String },
    /// Serve the metrics in these files, of which none is ours to write.
    ServeMetrics { address: SocketAddr, files: Vec<PathBuf> },
    /// Read what the Listener has measured. As the runner's user: it is a file that the job could write.
    ReadPerf { file: PathBuf },
}

/// What an errand answers.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    /// For the machine.
    Outcome(Outcome),
    /// What starts the runner. For its process alone: the machine's words may be logged.
    JitConfig(Blob),
    /// What `config.sh` registers with. For its process alone.
    Token(SecretText),
    /// Which docker it is. For developers to read.
    Docker(String),
}

/// Runs one errand in this process, and returns its exit code. `closed`: whether nobody can read this process; one that
/// is open reads no order, which holds a credential.
pub(crate) fn run(closed: nix::Result<()>) -> u8 {
    // And who sent us is all that we are there for.
    if closed.and_then(|()| prctl::set_pdeathsig(Signal::SIGKILL)).is_err() {
        return crate::USAGE;
    }
    let mut order = Zeroizing::new(Vec::with_capacity(ORDER));
    let order = std::io::stdin().take(1 << 20).read_to_end(&mut order).ok().and_then(|_| serde_json::from_slice::<Order>(&order).ok());
    let Some(order) = order else { return crate::USAGE };
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build() else { return crate::SOFTWARE };
    let last = runtime.block_on(perform(order));
    u8::from(!say(&last))
}

fn say(answer: &Answer) -> bool {
    let Ok(mut line) = serde_json::to_vec(answer) else { return false };
    line.push(b'\n');
    let mut out = std::io::stdout().lock();
    out.write_all(&line).and_then(|()| out.flush()).is_ok()
}

async fn perform(order: Order) -> Answer {
    Answer::Outcome(match order {
        Order::FindTask { metadata } => {
            Outcome::Task(platform::task(&metadata, TASK).await.map(|task| Task { cluster: task.cluster, id: task.id }))
        }
        Order::WaitForDocker { host, sidecar, budget, company } => {
            let waited = docker::wait(&host, &sidecar, budget, company).await;
            Outcome::Docker(waited.map(|docker| {
                say(&Answer::Docker(docker.version));
                docker.warnings
            }))
        }
        Order::Register { access, wish, budget } => register(access, wish, budget).await,
        Order::MakeToken { access, name, budget } => make_token(access, name, budget).await,
        Order::FetchJit { url, bearer, endpoint, budget } => {
            match github::fetch_jit(url.reveal(), bearer.as_ref(), &endpoint, budget).await {
                Ok(blob) => {
                    let outcome = ready(&blob);
                    say(&Answer::JitConfig(blob));
                    outcome
                }
                Err(error) => failed(&error),
            }
        }
        Order::Deregister { access, claim } => Outcome::Deregistered(deregister(access, &claim).await),
        Order::Protect { agent, on } => Outcome::Protected(match platform::protect(&agent, PROTECTION_MINUTES, on, PROTECTION).await {
            platform::Protection::Set { .. } | platform::Protection::Cleared => Protection::Done,
            platform::Protection::NotApplicable(why) => Protection::NotForThisTask(why),
            platform::Protection::Failed(why) => Protection::Failed(why),
        }),
        Order::WatchSpot { metadata } => Outcome::Spot(match platform::spot_notice(&metadata, SPOT_PAUSE).await {
            platform::Notice::Ends { seconds_left, .. } => SpotNotice::Ends(Duration::from_secs(seconds_left)),
            platform::Notice::Unreachable(why) => SpotNotice::Unreachable(why),
        }),
        Order::ServeMetrics { address, files } => Outcome::Unserved(scrape::serve(address, files).await),
        Order::ReadPerf { file } => Outcome::Perf(runner::perf(&file)),
    })
}

async fn register(access: Access, wish: Wish, budget: Duration) -> Outcome {
    let client = match Client::new(&access.endpoint, access.credential) {
        Ok(client) => client,
        Err(error) => return failed(&error),
    };
    let tell = |outcome| {
        say(&Answer::Outcome(outcome));
    };
    let registered = github::register(&client, &access.scope, &wish, &Policy::default(), budget, |notice| match notice {
        Notice::MayExist(name) => tell(Outcome::MayExist(name.as_str().to_owned())),
        Notice::Absent(name) => tell(Outcome::Absent(name.as_str().to_owned())),
        Notice::Waiting { error, wait } => tell(Outcome::Waiting(waiting(&error, wait))),
        // The machine hears of it with the outcome, when there is also what starts the runner.
        Notice::Registered { .. } => {}
    })
    .await;
    match registered {
        Ok(registered) => {
            say(&Answer::JitConfig(registered.blob));
            Outcome::Registered { id: Some(registered.id.0), name: registered.name.as_str().to_owned() }
        }
        Err(refused) => failed(&refused.error),
    }
}

fn waiting(error: &CallError, wait: Duration) -> String {
    format!("{error}\ntrying again in {:.1} s", wait.as_secs_f64())
}

async fn make_token(access: Access, name: String, budget: Duration) -> Outcome {
    let client = match Client::new(&access.endpoint, access.credential) {
        Ok(client) => client,
        Err(error) => return failed(&error),
    };
    let call = format!("make a registration token for {}", access.scope);
    let made = github::insist(
        &access.scope,
        &call,
        &Policy::default(),
        budget,
        || client.registration_token(&access.scope),
        |notice| {
            if let Notice::Waiting { error, wait } = notice {
                say(&Answer::Outcome(Outcome::Waiting(waiting(&error, wait))));
            }
        },
    )
    .await;
    match made {
        Ok(token) => {
            say(&Answer::Token(token));
            Outcome::Permitted(name)
        }
        Err(error) => failed(&error),
    }
}

/// A JIT configuration that somebody else made, as a registration.
pub(crate) fn ready(blob: &Blob) -> Outcome {
    match github::JitConfig::decode(blob.reveal()) {
        Ok(config) => Outcome::Registered { id: config.id, name: config.name.unwrap_or_else(|| "without a name".to_owned()) },
        Err(why) => Outcome::RegisterFailed { ending: Ending::Configuration, why },
    }
}

async fn deregister(access: Access, claim: &Claim) -> Removal {
    match Client::new(&access.endpoint, access.credential) {
        Err(error) => Removal::Failed(error.to_string()),
        Ok(client) => match github::settle(&client, &access.scope, claim, &Policy::default(), REMOVAL).await {
            Settled::Gone => Removal::Gone,
            Settled::Busy => Removal::Busy,
            Settled::Unknown(error) => Removal::Failed(error.to_string()),
        },
    }
}

fn failed(error: &CallError) -> Outcome {
    Outcome::RegisterFailed { ending: ending(error.class()), why: error.to_string() }
}

/// How a life ends that GitHub answered so.
pub(crate) fn ending(class: Class) -> Ending {
    match class {
        Class::Credentials => Ending::CredentialsRefused,
        Class::Temporary => Ending::GitHubUnreachable,
        Class::Configuration => Ending::Configuration,
    }
}
