//! What PID 1 does, whatever it runs.
//!
//! A program is a pure [`Machine`]: events in, actions out, no clock, no process, no file. [`drive`] is the one place that turns the
//! world into events and performs the actions; it alone spawns, waits, signals and reads the clock. What a job or a child *is* comes
//! from the program's [`Effects`].
//!
//! This crate names no product, no variable and no phase of its callers.

mod chart;
mod children;
mod descendants;
mod driver;
mod effects;
mod ending;
pub mod init;
pub mod kernel;
mod life;
mod lines;
mod machine;
mod program;
pub mod records;
mod signal;
mod signals;
mod state_file;
mod timeline;

pub use driver::{Outlets, drive};
pub use effects::{Doing, Effects, Errand, Tell, Work, off_loop};
pub use ending::{ChildEnd, SpawnError};
pub use kernel::{session_keyring, take_environment};
pub use life::{Life, Measure, Observer, Span, Verdict};
pub use machine::{Action, Event, Level, Machine, State, Target, Vocabulary};
pub use program::{Identity, Output, Program};
pub use signal::Signal;
pub use signals::Signals;
pub use state_file::{Published, StateFile};
