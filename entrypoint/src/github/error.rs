//! What can go wrong between us and GitHub, in classes a caller branches on and in words that help at 3 a.m.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::retry::Asks;
use super::scope::Scope;

/// One call that did not bring what was asked for. Its text never holds the credential; text that came from the network
/// is escaped and cut before it gets here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{call}: {fault}{}", Hint(self))]
pub(crate) struct CallError {
    /// What was attempted on what, for example "generate a JIT configuration for organisation acme".
    call: Box<str>,
    scope: Option<Box<Scope>>,
    fault: Box<Fault>,
}

/// What happened to the call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub(crate) enum Fault {
    /// 401: no, expired or unknown credential.
    #[error("GitHub refused the credential (401): {0}")]
    Unauthorized(String),
    /// 401 to a call that an App signed.
    #[error("GitHub refused the App's signature (401): {message}{}", off(*.clock))]
    AppRefused {
        /// GitHub's words.
        message: String,
        /// GitHub's clock minus ours in seconds, when they differ enough to matter.
        clock: Option<i64>,
    },
    /// 404 where an App's installation is asked for.
    #[error("the GitHub App {app} is not installed there (404): {message}")]
    NotInstalled {
        /// The App's id as it was configured.
        app: String,
        /// GitHub's words.
        message: String,
    },
    /// 422 to the wish for an installation token: the App lacks the right, or its installation leaves the repository out.
    #[error("GitHub gives the App no token with the right to manage runners (422): {0}")]
    NotGranted(String),
    /// 403 that is not a limit: the credential lacks a right.
    #[error("GitHub forbids it (403): {message}")]
    Forbidden {
        /// GitHub's words.
        message: String,
        /// The header `x-accepted-github-permissions`: what would have been accepted.
        accepted: Option<String>,
    },
    /// 404: not there, or not visible to this credential.
    #[error("GitHub does not find it (404): {0}")]
    NotFound(String),
    /// 409: the name is taken.
    #[error("GitHub has one of that name already (409): {0}")]
    Conflict(String),
    /// 400 or 422: GitHub understood the request and will never accept it.
    #[error("GitHub refused the request ({status}): {message}")]
    Invalid {
        /// 400, 422 or another final 4xx.
        status: u16,
        /// GitHub's words.
        message: String,
    },
    /// 429, or a 403 with evidence of a primary or secondary rate limit.
    #[error("GitHub limits the rate of this credential ({status}): {message}; {}", wanted(*.wait))]
    Limited {
        /// 403 or 429.
        status: u16,
        /// GitHub's words.
        message: String,
        /// How long to wait as GitHub told it; `None`: it told nothing.
        wait: Option<Duration>,
    },
    /// 422 because the group holds as many runners as it can. Others end, and GitHub removes a runner that was offline for a day, so a
    /// later start may succeed; asking again at once would only add to the load.
    #[error("the runner group is full (422): {0}")]
    GroupFull(String),
    /// 408 or 5xx. The request may have been carried out.
    #[error("GitHub answered {status}: {message}")]
    Server {
        /// The status.
        status: u16,
        /// GitHub's words.
        message: String,
        /// Its `retry-after`.
        wait: Option<Duration>,
    },
    /// No connection: the request was certainly not sent.
    #[error("no connection to GitHub: {0}")]
    Unreachable(String),
    /// The request was, or may have been, sent, and no whole answer came.
    #[error("no answer from GitHub: {0}")]
    Lost(String),
    /// A success that is not what the API promises.
    #[error("GitHub's answer ({status}) makes no sense: {message}")]
    Garbled {
        /// The status.
        status: u16,
        /// What is wrong with it.
        message: String,
    },
    /// There is no runner group of the given name.
    #[error("there is no runner group \"{0}\"")]
    NoSuchGroup(String),
    /// A ready JIT configuration is not, or no longer, where it was said to be.
    #[error("there is no JIT configuration at that address ({status}): {message}")]
    NoJitConfig {
        /// 404 or 410.
        status: u16,
        /// The server's words.
        message: String,
    },
    /// The client cannot be made: bad address, no CA certificates, no usable key, no randomness.
    #[error("{0}")]
    Setup(String),
}

/// What the end of the program is to say about an error; each is one exit code of the programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Class {
    /// The credential is refused or lacks a right, or the scope is invisible to it: a person must act. Exit 77.
    Credentials,
    /// Unreachable, limited or confused for now: a later start may succeed. Exit 75.
    Temporary,
    /// What we were told to ask for is wrong: a person must act. Exit 78.
    Configuration,
}

impl CallError {
    pub(super) fn new(call: impl Into<String>, scope: &Scope, fault: Fault) -> Self {
        Self { call: call.into().into(), scope: Some(Box::new(scope.clone())), fault: Box::new(fault) }
    }

    pub(super) fn unscoped(call: impl Into<String>, fault: Fault) -> Self {
        Self { call: call.into().into(), scope: None, fault: Box::new(fault) }
    }

    pub(super) fn setup(call: impl Into<String>, cause: impl Into<String>) -> Self {
        Self::unscoped(call, Fault::Setup(cause.into()))
    }

    /// What happened.
    #[must_use]
    pub(crate) fn fault(&self) -> &Fault {
        &self.fault
    }

    /// What happened and what to do, without what was attempted: for who says that in his own words.
    #[must_use]
    pub(crate) fn told(&self) -> String {
        format!("{}{}", self.fault, Hint(self))
    }

    /// What this means for the end of the program.
    #[must_use]
    pub(crate) fn class(&self) -> Class {
        match *self.fault {
            Fault::Unauthorized(_)
            | Fault::AppRefused { .. }
            | Fault::NotInstalled { .. }
            | Fault::NotGranted(_)
            | Fault::Forbidden { .. }
            | Fault::NotFound(_) => Class::Credentials,
            Fault::Conflict(_)
            | Fault::GroupFull(_)
            | Fault::Limited { .. }
            | Fault::Server { .. }
            | Fault::Unreachable(_)
            | Fault::Lost(_)
            | Fault::Garbled { .. } => Class::Temporary,
            Fault::Invalid { .. } | Fault::NoSuchGroup(_) | Fault::NoJitConfig { .. } | Fault::Setup(_) => Class::Configuration,
        }
    }

    /// Whether the same call may succeed a little later.
    pub(super) fn is_transient(&self) -> bool {
        matches!(*self.fault, Fault::Limited { .. } | Fault::Server { .. } | Fault::Unreachable(_) | Fault::Lost(_))
    }

    /// Whether the server may have carried the request out although we hold no answer that says so.
    pub(super) fn outcome_unknown(&self) -> bool {
        matches!(*self.fault, Fault::Server { .. } | Fault::Lost(_) | Fault::Garbled { .. })
    }

    /// What the server said about when to come back.
    pub(super) fn asks(&self) -> Asks {
        match *self.fault {
            Fault::Limited { wait, .. } => Asks::Limit(wait),
            Fault::Server { wait, .. } => Asks::Server(wait),
            _ => Asks::Server(None),
        }
    }
}

fn off(clock: Option<i64>) -> String {
    clock.map_or_else(String::new, |off| {
        let which = if off > 0 { "behind" } else { "ahead of" };
        format!("; the clock of this host is {} s off, {which} GitHub's", off.unsigned_abs())
    })
}

fn wanted(wait: Option<Duration>) -> String {
    match wait {
        Some(wait) => format!("it asks to wait {} s", wait.as_secs()),
        None => "it names no time, which by its rules means a minute or more".to_owned(),
    }
}

/// The line that says what to do, or nothing.
struct Hint<'a>(&'a CallError);

impl fmt::Display for Hint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let needed = self.0.scope.as_deref().map_or("", Scope::needed_permission);
        match &*self.0.fault {
            Fault::Unauthorized(_) => {
                write!(f, "\nhint: the token in ACCESS_TOKEN, or in its file, is wrong, expired or revoked, or belongs to another GitHub host; it needs {needed}")
            }
            Fault::AppRefused { clock: Some(_), .. } => f.write_str("\nhint: set the clock of this host; GitHub takes an App's signature for a few minutes only"),
            Fault::AppRefused { clock: None, .. } => {
                f.write_str("\nhint: APP_ID and APP_PRIVATE_KEY must be of one and the same GitHub App, of this GitHub host, and the key not revoked")
            }
            Fault::NotInstalled { .. } => f.write_str(
                "\nhint: install the App on that account and give it access to the repository; APP_LOGIN, when set, must be the account it is installed on",
            ),
            Fault::NotGranted(_) => write!(f, "\nhint: the App needs {needed}; a right that was added later must be accepted by the account's owner"),
            Fault::GroupFull(_) => f.write_str("\nhint: delete runners of that group that are offline, or let RUNNER_GROUP name another group"),
            Fault::NoJitConfig { .. } => f.write_str(
                "\nhint: an address in JITCONFIG_URL is often good for one start only: make a new one for each, and let nothing restart this container",
            ),
            Fault::Forbidden { accepted, .. } => {
                write!(f, "\nhint: the token needs {needed}")?;
                match accepted {
                    Some(accepted) => write!(f, "; GitHub names: {accepted}"),
                    None => Ok(()),
                }
            }
            Fault::NotFound(_) => match &self.0.scope {
                Some(scope) => {
                    write!(f, "\nhint: either {scope} does not exist under that name, or the token may not see it: it needs {needed}")
                }
                None => Ok(()),
            },
            Fault::Limited { .. } => {
                f.write_str("\nhint: too many calls with this credential: start fewer runners at once, or give each fleet an App of its own; REGISTRATION_TIMEOUT is the longest wait")
            }
            Fault::Unreachable(_) => {
                f.write_str("\nhint: from inside this container check DNS, the proxy (https_proxy), the firewall, and GITHUB_HOST or GITHUB_API_URL; for a certificate of your own there is GITHUB_CA_FILE")
            }
            Fault::NoSuchGroup(_) => f.write_str(
                "\nhint: RUNNER_GROUP must name a group that this organisation or enterprise can see; case does not matter",
            ),
            Fault::Conflict(_) => f.write_str("\nhint: RUNNER_NAME must be fresh for every task; with RUNNER_NAME_PREFIX each gets a random end"),
            Fault::Server { .. } | Fault::Lost(_) => f.write_str(
                "\nhint: nothing is wrong on this side: www.githubstatus.com may know; REGISTRATION_TIMEOUT is how long a start goes on trying",
            ),
            Fault::Garbled { .. } => f.write_str("\nhint: is what GITHUB_HOST or GITHUB_API_URL names GitHub's API, and no proxy's page?"),
            Fault::Invalid { .. } => f.write_str("\nhint: check RUNNER_NAME, RUNNER_LABELS and RUNNER_WORKDIR against GitHub's words"),
            Fault::Setup(_) => Ok(()),
        }
    }
}
