//! Things a test puts on disk: a runner's home, a tool cache.

mod fleet_cache;
mod matter;
mod random;
mod runner_home;
mod tool_cache;

pub use fleet_cache::{FleetCache, NEW, Version};
pub use runner_home::RunnerHome;
pub use tool_cache::{Tool, ToolCache};
