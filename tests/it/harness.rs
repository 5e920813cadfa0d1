//! The harness tested by itself: what the suites stand on must hold first.

mod apps;
mod beds;
mod boxes;
mod config_sh;
mod ecs;
mod fleet;
mod github;
mod listener;
mod scratch;
