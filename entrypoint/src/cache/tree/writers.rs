//! A bound on how many threads write at once.

use std::sync::{Condvar, Mutex, PoisonError};

#[derive(Debug)]
pub(in crate::cache) struct Writers {
    free: Mutex<usize>,
    freed: Condvar,
}

impl Writers {
    pub(in crate::cache) fn new(most: usize) -> Self {
        Self { free: Mutex::new(most), freed: Condvar::new() }
    }

    /// Waits until fewer than the bound write.
    pub(in crate::cache) fn turn(&self) -> Turn<'_> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        while *free == 0 {
            free = self.freed.wait(free).unwrap_or_else(PoisonError::into_inner);
        }
        *free -= 1;
        Turn(self)
    }
}

/// Leave to write, until dropped.
#[derive(Debug)]
pub(in crate::cache) struct Turn<'a>(&'a Writers);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.freed.notify_one();
    }
}
