//! The vocabulary of this program's machine: what can happen, what there is to do, what must be undone. Data only.

use std::{fmt, time::Duration};

use supervise::Vocabulary;

use crate::daemon::version::Version;

/// Exit codes of this program.
pub mod exit {
    /// Life as intended.
    pub const FINE: u8 = 0;
    /// The command line (`EX_USAGE`).
    pub const USAGE: u8 = 64;
    /// Docker is not to be had (`EX_UNAVAILABLE`).
    pub const UNAVAILABLE: u8 = 69;
    /// A bug of ours (`EX_SOFTWARE`).
    pub const BUG: u8 = 70;
    /// The host is not suitable (`EX_OSERR`).
    pub const HOST: u8 = 71;
    /// The settings (`EX_CONFIG`).
    pub const CONFIG: u8 = 78;
    /// The time of a stop ended while the runner was still there (128 + SIGTERM).
    pub const CUT: u8 = 143;

    /// Every one with its meaning, for `--help` and the reference.
    pub const EXIT_CODES: &[(u8, &str)] = &[
        (FINE, "the life went as intended: docker served until it was asked to stop, and all of it is gone"),
        (USAGE, "usage: the command line is not understood"),
        (UNAVAILABLE, "docker did not become usable in time, or it died"),
        (BUG, "a bug in this program"),
        (HOST, "the host is not suitable, or this container may not do what docker needs"),
        (CONFIG, "configuration: a setting is wrong, or a deployment that was checked"),
        (CUT, "the stop budget ended while the runner was still there"),
    ];
}

/// The words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words;

/// Our children.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// What runs containers for the docker daemon.
    Containerd,
    /// The docker daemon.
    Dockerd,
    /// What stands between jobs and the docker daemon, if a policy is set.
    Gate,
    /// The docker daemon's program, asked which version it is.
    Version,
    /// Formats the file system of a task that has one of its own.
    Mkfs,
}

impl Role {
    /// The program's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Containerd => "containerd",
            Self::Dockerd | Self::Version => "dockerd",
            Self::Gate => "gate",
            Self::Mkfs => "mkfs.xfs",
        }
    }
}

/// Something that must be undone before the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Obligation {
    /// Remove this task's directory from the storage root.
    RemoveDataRoot,
    /// Unmount what docker mounts there.
    Unmount,
    /// Take away the docker socket and the link to it.
    RemoveSocket,
}

impl fmt::Display for Obligation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RemoveDataRoot => "remove the data-root",
            Self::Unmount => "unmount what docker mounted in the data-root",
            Self::RemoveSocket => "remove the docker socket",
        })
    }
}

/// Work beside the loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Job {
    /// Find out whether this host can carry docker.
    Check,
    /// Pass on the cgroup controllers, share the mounts.
    Nest,
    /// Make the data-root.
    Prepare,
    /// Mount this task's own file system, formatted, and finish the data-root.
    Mount,
    /// Remove what dead tasks left.
    Sweep,
    /// Write dockerd's configuration, now that it is known which docker it is.
    Furnish,
    /// Take away what dead daemons left, so that others can start in their place.
    Clear,
    /// Watch how much room is left; it never ends by itself.
    WatchSpace,
    /// Wait until docker is usable.
    Probe,
    /// Give the socket its shared name.
    Publish,
    /// Ask docker again and again whether it lives. Goes on until it is given up.
    WatchDaemon,
    /// Wait until the runner's container is done.
    AwaitRunner,
    /// Answer each runner that shows itself in the task's folder.
    MeetRunners,
    /// Notice the end of a runner.
    FollowRunner,
    /// Kill every container.
    KillContainers,
    /// Undo one thing.
    Pay(Obligation),
}

/// Why something did not work, and the exit code it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// One of [`exit`].
    pub code: u8,
    /// A sentence or more.
    pub why: String,
}

/// What a job came back with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Of [`Job::Check`].
    Checked(Result<(), Failure>),
    /// Of [`Job::Nest`].
    Nested(Result<(), Failure>),
    /// Of [`Job::Prepare`].
    Prepared(Result<(), Failure>),
    /// Of [`Job::Prepare`]: this task has a file system of its own, which must be formatted and mounted first.
    Unformatted,
    /// Of [`Job::Mount`].
    Mounted(Result<(), Failure>),
    /// Of [`Job::Sweep`]; it has told the log.
    Swept,
    /// Of [`Job::Furnish`].
    Furnished(Result<(), Failure>),
    /// Of [`Job::Clear`].
    Cleared(Result<(), Failure>),
    /// Of [`Job::WatchSpace`], underway: what to say about the room that is left, and whether it is little.
    Space {
        /// There is too little.
        short: bool,
        /// With numbers.
        what: String,
    },
    /// Of [`Job::WatchSpace`]: nothing can be watched any more.
    SpaceUnseen,
    /// Of [`Job::Probe`].
    Usable(Result<(), Failure>),
    /// Of [`Job::Publish`].
    Published(Result<(), Failure>),
    /// Of [`Job::WatchDaemon`], underway: docker has not answered for this long.
    Silent(Duration),
    /// Of [`Job::WatchDaemon`], underway: docker answers again, after this long.
    Answering(Duration),
    /// Of [`Job::WatchDaemon`]: nobody asks any more.
    Unwatched,
    /// Of [`Job::AwaitRunner`].
    RunnerGone,
    /// Of [`Job::MeetRunners`], which ends only if it cannot go on; it has told the log.
    Met,
    /// Of [`Job::FollowRunner`].
    RunnerEnded,
    /// Of [`Job::KillContainers`]: how many, or why not.
    ContainersKilled(Result<usize, String>),
    /// Of [`Job::Pay`].
    Paid(Obligation, Result<(), String>),
}

/// Deadlines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// Docker is usable by now.
    Start,
    /// Dead daemons are started again.
    Restart,
    /// Look again for what dead tasks left.
    Sweep,
    /// The runner has had its time.
    Linger,
    /// Containers have had theirs.
    Containers,
    /// dockerd has had its time to end.
    Dockerd,
    /// Killed processes are gone by now.
    Alone,
    /// The end, whatever is still owed.
    End,
    /// A gate that ended is started again.
    Gate,
}

/// What a line of a child meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// A daemon says what is wrong; the last such line is usually why it ends.
    Complaint(String),
    /// The gate listens: its socket can be published.
    Listening,
    /// dockerd does not take its settings, in its own words: another start would end in the same way.
    Refusal(String),
    /// Which docker this is.
    Version(Version),
}

impl Vocabulary for Words {
    type Role = Role;
    type Job = Job;
    type Outcome = Outcome;
    type Timer = Timer;
    type Note = Note;
}
