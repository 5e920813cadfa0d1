//! Tests that need processes: one binary, a module for each subject.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the message, in its helpers too")]

mod cache;
mod crowd;
mod dialects;
mod harness;
mod life;
mod messages;
mod platform;
mod secrets;
mod stops;
mod supervise;
mod tidy;
mod ways;
