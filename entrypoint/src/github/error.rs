//! What can go wrong between us and GitHub, in classes a caller branches on and in words that help at 3 a.m.

use std::fmt;
use std::time::Duration;

use super::scope::Scope;

/// One call that did not bring what was asked for. Its text never holds the credential; text that came from the network
/// is escaped and cut before it gets here.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{call}: {fault}{}", Hint(self))]
pub(crate) struct CallError {
    /// What was attempted on what, for example "generate a JIT configuration for organisation acme".
    call: Box<str>,
    scope: Option<Box<Scope>>,
    fault: Box<Fault>,
}

/// What happened to the call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// 401: no, expired or unknown credential.
    #[error("GitHub refused the credential (401): {0}")]
    Unauthorized(String),
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
    #[error("GitHub limits the rate of this credential ({status}): {message}")]
    Limited {
        /// 403 or 429.
        status: u16,
        /// GitHub's words.
        message: String,
        /// How long to wait as GitHub told it; `None`: it told nothing.
        wait: Option<Duration>,
    },
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
    /// The client cannot be made: bad address, no CA certificates, no randomness.
    #[error("{0}")]
    Setup(String),
}

/// What the end of the program is to say about an error; each is one exit code of the programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

    pub(super) fn setup(call: impl Into<String>, cause: impl Into<String>) -> Self {
        Self { call: call.into().into(), scope: None, fault: Box::new(Fault::Setup(cause.into())) }
    }

    /// What happened.
    #[must_use]
    pub(crate) fn fault(&self) -> &Fault {
        &self.fault
    }

    /// What this means for the end of the program.
    #[must_use]
    pub(crate) fn class(&self) -> Class {
        match *self.fault {
            Fault::Unauthorized(_) | Fault::Forbidden { .. } | Fault::NotFound(_) => Class::Credentials,
            Fault::Conflict(_)
            | Fault::Limited { .. }
            | Fault::Server { .. }
            | Fault::Unreachable(_)
            | Fault::Lost(_)
            | Fault::Garbled { .. } => Class::Temporary,
            Fault::Invalid { .. } | Fault::NoSuchGroup(_) | Fault::Setup(_) => Class::Configuration,
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

    /// How long the server asked us to stay away.
    pub(super) fn asked_wait(&self) -> Option<Duration> {
        match *self.fault {
            Fault::Limited { wait, .. } | Fault::Server { wait, .. } => wait,
            _ => None,
        }
    }
}

/// The line that says what to do, or nothing.
struct Hint<'a>(&'a CallError);

impl fmt::Display for Hint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let needed = self.0.scope.as_deref().map_or("", Scope::needed_permission);
        match &*self.0.fault {
            Fault::Unauthorized(_) => {
                write!(f, "\nhint: the token is wrong, expired or revoked, or belongs to another GitHub host; it needs {needed}")
            }
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
                f.write_str("\nhint: too many calls with this credential; start fewer runners at once or use one credential per fleet")
            }
            Fault::Unreachable(_) => {
                f.write_str("\nhint: check DNS, the proxy, the firewall and the host name of the API from inside this container")
            }
            Fault::NoSuchGroup(_) => f.write_str(
                "\nhint: group names are compared without regard to case; the group must be visible to this organisation or enterprise",
            ),
            _ => Ok(()),
        }
    }
}
