//! What the kernel holds open: files with the data that is not paid for, directories with their listing.

use std::{
    collections::HashMap,
    fs::File,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use fuser::FileHandle;
use nix::errno::Errno;

use super::tree::Entry;

#[derive(Default)]
pub(super) struct Handles {
    next: AtomicU64,
    files: Mutex<HashMap<u64, Open>>,
    listings: Mutex<HashMap<u64, Arc<Vec<Entry>>>>,
}

struct Open {
    file: Arc<File>,
    dirty: u64,
}

impl Handles {
    fn files(&self) -> MutexGuard<'_, HashMap<u64, Open>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn listings(&self) -> MutexGuard<'_, HashMap<u64, Arc<Vec<Entry>>>> {
        self.listings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number that no other handle has.
    pub(super) fn number(&self) -> FileHandle {
        FileHandle(self.next.fetch_add(1, Ordering::Relaxed) + 1)
    }

    pub(super) fn open(&self, file: File) -> FileHandle {
        let handle = self.number();
        self.files().insert(handle.0, Open { file: Arc::new(file), dirty: 0 });
        handle
    }

    pub(super) fn file(&self, handle: FileHandle) -> Result<Arc<File>, Errno> {
        self.files().get(&handle.0).map(|open| Arc::clone(&open.file)).ok_or(Errno::EBADF)
    }

    /// Notes data that was taken over and is not on the server's disk yet.
    pub(super) fn dirty(&self, handle: FileHandle, bytes: u64) {
        if let Some(open) = self.files().get_mut(&handle.0) {
            open.dirty += bytes;
        }
    }

    /// The bytes that have to go out before the file may be closed.
    pub(super) fn clean(&self, handle: FileHandle) -> u64 {
        self.files().get_mut(&handle.0).map_or(0, |open| std::mem::take(&mut open.dirty))
    }

    pub(super) fn close(&self, handle: FileHandle) {
        let closed = self.files().remove(&handle.0);
        drop(closed);
    }

    /// The listing of an open directory; read anew at its beginning.
    pub(super) fn listing(
        &self,
        handle: FileHandle,
        offset: usize,
        read: impl FnOnce() -> Result<Vec<Entry>, Errno>,
    ) -> Result<Arc<Vec<Entry>>, Errno> {
        let known = self.listings().get(&handle.0).cloned().filter(|_| offset > 0);
        if let Some(listing) = known {
            return Ok(listing);
        }
        let listing = Arc::new(read()?);
        self.listings().insert(handle.0, Arc::clone(&listing));
        Ok(listing)
    }

    pub(super) fn close_directory(&self, handle: FileHandle) {
        self.listings().remove(&handle.0);
    }
}
