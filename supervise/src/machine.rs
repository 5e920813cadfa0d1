//! The vocabulary between a program's pure machine and the driver. Data only.

use std::{fmt::Debug, hash::Hash, time::Duration};

use crate::{ChildEnd, Signal, SpawnError};

/// The words of one program: which children it has, which jobs it runs off the loop, which timers it sets.
pub trait Vocabulary: Debug + Clone + 'static {
    /// A child process by what it is for.
    type Role: Copy + Eq + Hash + Debug + Send;
    /// A unit of work beside the loop, with what it needs to know.
    type Job: Clone + Eq + Debug;
    /// What a job came back with, or told underway.
    type Outcome: Clone + Debug + Send;
    /// A deadline.
    type Timer: Copy + Eq + Hash + Debug + Send;
    /// What a child's line of output meant.
    type Note: Clone + Debug + Send;
}

/// Something happened.
#[derive(Debug, Clone)]
pub enum Event<V: Vocabulary> {
    /// The first event, after all signals that arrived before it.
    Started,
    /// A signal for this program; never SIGCHLD.
    Signal(Signal),
    /// A child ended and every line it wrote before its end was told.
    ChildEnded(V::Role, ChildEnd),
    /// A child never came to be.
    SpawnFailed(V::Role, SpawnError),
    /// A job ended, or has something to tell before it does.
    Told(V::Outcome),
    /// A child wrote a line that means something.
    Noted(V::Note),
    /// A timer ran out.
    Expired(V::Timer),
    /// No process is left below this one.
    Alone,
}

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action<V: Vocabulary> {
    /// Start a child.
    Spawn(V::Role),
    /// Send a signal; a target that is gone is no error.
    Signal(Target<V::Role>, Signal),
    /// Start a job.
    Run(V::Job),
    /// Drop a job: nothing it tells from now on is heard.
    Abandon(V::Job),
    /// End a job, and hear what it told before its end; then it collapses, unless its outcome was among that. For a job whose deeds must
    /// be known: what it told may still be on its way when it is given up.
    Recall(V::Job),
    /// Set a timer, in place of the same timer set before.
    Arm(V::Timer, Duration),
    /// Set a timer, unless it is set and ends earlier.
    Tighten(V::Timer, Duration),
    /// Take a timer back.
    Disarm(V::Timer),
    /// Make the state known: state file, log, timeline.
    Publish(State),
    /// Write a sentence to the log.
    Say(Level, String),
    /// Write a sentence to the log that tells of an event which programs may wait for: a lower-case word that stays, whatever the sentence.
    Mark(Level, &'static str, String),
    /// Something to be told with the last record of the life, in place of what was told before under this name.
    Fact(&'static str, String),
    /// The same, and with every record from now on.
    Label(&'static str, String),
    /// End the process with this code. What follows is not performed.
    Exit(u8),
}

/// Whom a signal is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<Role> {
    /// The child's own process.
    Child(Role),
    /// The child's whole process group.
    Group(Role),
    /// The one process below the child with this name (`/proc/PID/comm`, at most 15 bytes).
    Named(Role, &'static str),
    /// Every process below this one, however it was started.
    Everything,
}

/// How loud a sentence is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// The life goes as intended.
    Info,
    /// Something was lost or left out, the life goes on.
    Warn,
    /// The life ends because of it.
    Error,
}

/// What a program is doing, for its state file, its log and whoever asks for its health.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// The phase, one lower-case word.
    pub phase: &'static str,
    /// It can be used for what it is for.
    pub ready: bool,
    /// It is being used.
    pub busy: bool,
    /// What goes on beside the phase and others may wait for, a lower-case word each.
    pub pending: Vec<&'static str>,
    /// What must still be undone, a sentence each.
    pub owes: Vec<String>,
}

/// A program: pure, without clock, process, file, network or environment.
pub trait Machine<V: Vocabulary> {
    /// Takes one event, changes, and says what to do about it, in order.
    fn on(&mut self, event: Event<V>) -> Vec<Action<V>>;
}
