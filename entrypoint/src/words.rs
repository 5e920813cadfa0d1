//! The vocabulary of a runner's life. Data only.

use std::fmt;

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
    /// The Listener, or `run.sh` around it.
    Runner,
    /// Brings new versions of the tool cache to shared storage.
    Save,
}

/// Work beside the loop.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Job {
    /// Is everything there that the settings name?
    Check,
    /// Until docker answers.
    WaitForDocker,
    /// Until GitHub has given a registration.
    Register,
    /// One removal of a registration.
    Deregister(Registration),
    /// Until the runner's update of itself is in place.
    AwaitUpdate,
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

/// What must be undone before the end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Obligation {
    /// Remove the registration.
    Deregister(Registration),
    /// Save what the job added to the tool cache.
    SaveCache,
}

impl fmt::Display for Obligation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deregister(Registration::MayExist(name)) => write!(f, "deregister runner {name}, if it exists"),
            Self::Deregister(Registration::Runner { id, name }) => write!(f, "deregister runner {name} (id {id})"),
            Self::SaveCache => f.write_str("save the tool cache"),
        }
    }
}

/// What a job came back with, or told underway.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Outcome {
    /// All is there, or all that is wrong.
    Checked(Result<(), String>),
    /// Docker answers, or why it will not.
    Docker(Result<(), String>),
    /// A registration with this name is about to be asked for: from now on it may exist.
    MayExist(String),
    /// The request with this name certainly made none.
    Absent(String),
    /// The request failed; another follows after a while. What the failed one made may still appear.
    Waiting(String),
    /// It exists.
    Registered {
        /// GitHub's number for it.
        id: u64,
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
}

/// GitHub's answer to a removal.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Removal {
    /// It is gone: removed now (204) or before (404).
    Gone,
    /// It has a job (422).
    Busy,
    /// GitHub could not be asked.
    Failed(String),
}

/// A deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Timer {
    /// For the restore of the cache.
    Restore,
    /// For the answer to a registration that is no longer wanted.
    Answer,
    /// Until the runner is started again.
    Relaunch,
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
}
