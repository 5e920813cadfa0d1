//! Tests that want root and a kernel to themselves: real dockerd, XFS on a loop file, a FUSE mount. Serial, by a lock in `alone`.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the message, in its helpers too")]

mod check;
mod contract;
mod dind;
mod endurance;
mod engine;
mod escapes;
mod forms;
mod gate;
mod harness;
mod logs;
mod mirror;
mod pair;
mod round_trips;
mod runbook;
mod slow_mount;
mod storage;
mod telemetry;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// One at a time: dockerd is heavy, and start times mean something only on a quiet machine.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}
