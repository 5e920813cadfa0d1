//! A stop from outside: what is half done is given up cleanly, what is whole stays.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Asked between files and frames.
#[derive(Debug, Clone, Default)]
pub(super) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// From now on nothing new is begun.
    pub(super) fn ask(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
