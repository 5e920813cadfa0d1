//! Tests that need processes: one binary, a module for each subject.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the message, in its helpers too")]

mod cache;
mod cache_keeping;
mod check;
mod crowd;
mod dashboards;
mod dialects;
mod harness;
mod life;
mod manual;
mod messages;
mod platform;
mod secrets;
mod spot;
mod stops;
mod supervise;
mod telemetry;
mod tidy;
mod ways;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Tests that load the whole machine take turns: one would take the time from the other that its platform promised.
fn heavy() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}
