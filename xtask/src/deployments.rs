//! The ECS task definitions, from one source, and the checker for all deployments.

use std::process::Command;

use crate::run::{self, Failed};

/// `cargo xtask deployments`.
pub(crate) fn write() -> Result<(), Failed> {
    Err(Failed("not there yet".to_owned()))
}

/// `cargo xtask check-deploy`: what `runner-dind check-deploy` says, in the folder where it was asked.
pub(crate) fn judge(files: &[&str]) -> Result<(), Failed> {
    let manifest = run::root().join("Cargo.toml").to_string_lossy().into_owned();
    let mut words = vec!["run", "--quiet", "--manifest-path", &manifest, "--package", "runner-dind", "--", "check-deploy"];
    words.extend(files);
    match Command::new("cargo").args(&words).status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) if status.code() == Some(78) => Err(Failed("these deployments would not work".to_owned())),
        Ok(status) => Err(Failed(format!("the checker ended with {status}"))),
        Err(error) => Err(Failed(format!("cargo cannot be run: {error}"))),
    }
}
