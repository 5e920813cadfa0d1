//! The images, built here, and the deployments of `images/`, run as a platform runs them: real dockerd, real containers.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the message, in its helpers too")]

mod builds;
mod compose;
mod contents;
mod ecs;
mod kube;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// One at a time: dockerd is heavy, and the builder's data is one.
fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}
