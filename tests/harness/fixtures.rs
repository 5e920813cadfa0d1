//! Things a test puts on disk: a runner's home, a tool cache.

mod runner_home;
mod tool_cache;

pub use runner_home::RunnerHome;
pub use tool_cache::{Tool, ToolCache};
