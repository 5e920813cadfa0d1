//! The images, by the docker of this machine.

use crate::run::Failed;

/// `cargo xtask images`.
pub(crate) fn build(_words: &[&str]) -> Result<(), Failed> {
    Err(Failed("not there yet".to_owned()))
}
