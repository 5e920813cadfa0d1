//! Tests that need processes: one binary, a module for each subject.

mod harness;
mod supervise;
