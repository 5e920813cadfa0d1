//! The harness tested by itself: what the suites stand on must hold first.

mod github;
mod listener;
