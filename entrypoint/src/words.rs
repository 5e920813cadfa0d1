//! The vocabulary of a runner's life. Data only.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};
use supervise::Vocabulary;

use crate::stages::Ending;

/// Ties the words together for the driver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Words;

impl Vocabulary for Words {
    type Role = Role;
    type Job = Job;
    type Outcome = Outcome;
    type Timer = Timer;
    type Note = Note;
}

/// A child process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Role {
    /// Brings the tool cache from shared storage.
    Restore,
    /// `config.sh`, which registers the runner with a token.
    Configure,
    /// The Listener, or `run.sh` around it.
    Runner,
    /// Brings new versions of the tool cache to shared storage.
    Save,
    /// `config.sh remove`, for a registration that nothing but its token can remove.
    Unconfigure,
}

/// Work beside the loop.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Job {
    /// Is everything there that the settings name?
    Check,
    /// Which task of the platform is this?
    FindTask,
    /// Until docker answers.
    WaitForDocker,
    /// Until GitHub has given a registration, or what `config.sh` needs for one.
    Register,
    /// What `config.sh` has written about the runner it registered.
    ReadRegistration,
    /// One removal of a registration.
    Deregister(Registration),
    /// Until the runner's update of itself is in place.
    AwaitUpdate,
    /// Protect the task from scale-in, or no longer.
    Protect(bool),
    /// Until the machine is to be taken away.
    WatchSpot,
    /// What the Listener has measured of itself.
    ReadPerf,
    /// Serve metrics to whoever asks, for ever.
    ServeMetrics,
}

/// A registration, or the possibility of one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Registration {
    /// A request with this name was sent, and its answer is not known.
    MayExist(String),
    /// GitHub said so.
    Runner {
        /// GitHub's number for it.
        id: u64,
        /// Its name.
        name: String,
    },
}

impl Registration {
    fn name(&self) -> &str {
        match self {
            Self::MayExist(name) | Self::Runner { name, .. } => name,
        }
    }
}

/// What must be undone before the end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Obligation {
    /// Remove the registration.
    Deregister(Registration),
    /// Save what the job added to the tool cache.
    SaveCache,
    /// Let the platform take the task away again.
    Unprotect,
}

impl fmt::Display for Obligation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deregister(registration @ Registration::MayExist(_)) => {
                write!(f, "deregister runner {}, if it exists", registration.name())
            }
            Self::Deregister(Registration::Runner { id, name }) => write!(f, "deregister runner {name} (id {id})"),
            Self::SaveCache => f.write_str("save the tool cache"),
            Self::Unprotect => f.write_str("end the task's protection from scale-in"),
        }
    }
}

/// What a job came back with, or told underway.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Outcome {
    /// All is there, or all that is wrong.
    Checked(Result<(), String>),
    /// The task, as the platform calls it.
    Task(Result<Task, String>),
    /// Docker can be used, and what of it will not work; or why it cannot.
    Docker(Result<Vec<String>, String>),
    /// A registration with this name is about to be asked for: from now on it may exist.
    MayExist(String),
    /// The request with this name certainly made none.
    Absent(String),
    /// The request failed; another follows after a while. What the failed one made may still appear.
    Waiting(String),
    /// `config.sh` can register a runner of this name.
    Permitted(String),
    /// It exists.
    Registered {
        /// GitHub's number for it; `None` where it is somebody else's to remove.
        id: Option<u64>,
        /// Its name.
        name: String,
    },
    /// There will be no registration.
    RegisterFailed {
        /// How the life ends because of it.
        ending: Ending,
        /// What the user reads.
        why: String,
    },
    /// The runner's update is in place, or did not come in time.
    Updated,
    /// How the removal of a registration went.
    Deregistered(Removal),
    /// How the protection of the task went.
    Protected(Protection),
    /// The machine is to be taken away, or nobody can say so.
    Spot(SpotNotice),
    /// What the Listener has measured of itself, if it was asked to.
    Perf(Option<String>),
    /// Metrics are not served, and why.
    Unserved(String),
}

/// A task of the platform, by the names that its people look for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Task {
    /// The cluster.
    pub(crate) cluster: String,
    /// The task's own id.
    pub(crate) id: String,
}

/// GitHub's answer to a removal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Removal {
    /// It is gone: removed now (204) or before (404).
    Gone,
    /// It has a job (422).
    Busy,
    /// GitHub could not be asked.
    Failed(String),
}

/// The platform's answer to a wish for protection.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Protection {
    /// As wished.
    Done,
    /// Never for this task: it belongs to no service, or has no right to ask.
    NotForThisTask(String),
    /// Not this time.
    Failed(String),
}

/// What the machine's own platform announces.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum SpotNotice {
    /// It is taken away after this time.
    Ends(Duration),
    /// It cannot be asked.
    Unreachable(String),
}

/// A deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Timer {
    /// Until anything is begun at all.
    StartDelay,
    /// For the restore of the cache.
    Restore,
    /// For `config.sh`.
    Configure,
    /// For the answer to a registration that is no longer wanted.
    Answer,
    /// Until the runner is started again.
    Relaunch,
    /// For a job to come.
    Idle,
    /// For the whole life.
    Lifetime,
    /// Until the protection of the task is asked for once more.
    Protection,
    /// For the removal of an idle runner's registration.
    Ask,
    /// For the running job to end.
    Drain,
    /// For the Listener to end after SIGINT.
    Cancel,
    /// For what the job left, after SIGTERM.
    Leftovers,
    /// For the kernel to end what was killed.
    AfterKill,
    /// For the save of the cache.
    Save,
    /// For the removal of the registration at the end.
    Deregister,
    /// Until the removal is tried again.
    Retry,
    /// For the end of the protection.
    Unprotect,
    /// For what the Listener has measured.
    Perf,
    /// For the whole stop.
    Budget,
}

/// What a child's line means.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Note {
    /// The runner waits for a job.
    Listening,
    /// It took one, by its display name.
    JobStarted(String),
    /// The job is over.
    JobCompleted {
        /// Its display name.
        job: String,
        /// `Succeeded`, `Failed`, `Canceled`.
        result: String,
    },
    /// `run.sh` says with which code its Listener ended; its own code is always 0.
    ListenerEnded(u8),
    /// GitHub refuses the token that `config.sh` was given.
    TokenRefused,
    /// GitHub does not remove the runner: it has a job.
    RemovalRefused,
}
