//! The names of tasks in the storage root, and what all of their directories have alike.

use std::{
    ffi::{CStr, CString},
    fmt,
};

use nix::sys::stat::Mode;

use super::StorageError;

pub(super) const NEW: &str = ".new-";
pub(super) const TASK: &str = "task-";
pub(super) const DEAD: &str = ".dead-";

pub(super) const LOCK: &CStr = c"lock";

/// Only the owner lists it, but the root users of container user namespaces must be able to pass through.
pub(super) const PASSABLE: Mode = Mode::from_bits_truncate(0o711);

/// 16 hexadecimal digits that name one task.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TaskId(String);

impl TaskId {
    const DIGITS: usize = 16;

    /// A fresh one.
    ///
    /// # Errors
    /// The kernel has no randomness.
    pub fn random() -> Result<Self, StorageError> {
        let number = getrandom::u64().map_err(StorageError::Random)?;
        Ok(Self(format!("{number:0width$x}", width = Self::DIGITS)))
    }

    /// The id in a name of ours, and which of our names it is; everything else is not ours to touch.
    pub(super) fn read(name: &str) -> Option<(Self, &'static str)> {
        [NEW, TASK, DEAD].into_iter().find_map(|prefix| Some((Self::in_name(name, prefix)?, prefix)))
    }

    fn in_name(name: &str, prefix: &str) -> Option<Self> {
        let digits = name.strip_prefix(prefix)?;
        let ours = digits.len() == Self::DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        ours.then(|| Self(digits.to_owned()))
    }

    pub(super) fn name(&self, prefix: &str) -> CString {
        CString::new(format!("{prefix}{}", self.0)).unwrap_or_default()
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
