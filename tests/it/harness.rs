//! The harness tested by itself: what the suites stand on must hold first.

mod beds;
mod boxes;
mod ecs;
mod github;
mod listener;
mod scratch;
