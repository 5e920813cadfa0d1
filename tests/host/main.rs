//! Tests that want root and a kernel to themselves: real dockerd, XFS on a loop file, a FUSE mount. Serial, by a lock in `alone`.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the message, in its helpers too")]

mod dind;
mod forms;
mod harness;
mod pair;
mod round_trips;
mod slow_mount;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// One at a time: dockerd is heavy, and start times mean something only on a quiet machine.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}
