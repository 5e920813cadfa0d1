//! The harness tested by itself: what the suites stand on must hold first.

mod boxes;
mod github;
mod listener;
