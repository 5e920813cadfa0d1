//! The ECS task definitions, from one source, and the checker for all deployments.

use crate::run::Failed;

/// `cargo xtask deployments`.
pub(crate) fn write() -> Result<(), Failed> {
    Err(Failed("not there yet".to_owned()))
}

/// `cargo xtask check-deploy`.
pub(crate) fn judge(_files: &[&str]) -> Result<(), Failed> {
    Err(Failed("not there yet".to_owned()))
}
