//! A directory behind the line: what is done at once, what is told when, what goes wrong.

use std::{
    collections::HashSet,
    ffi::OsStr,
    fs::{File, Permissions},
    os::unix::fs::PermissionsExt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, UNIX_EPOCH},
};

use fuser::{FileAttr, FileHandle, Generation, INodeNo, ReplyEmpty, ReplyEntry, Request, TimeOrNow};
use nix::{
    errno::Errno,
    fcntl::AtFlags,
    sys::{
        stat::{UtimensatFlags, utimensat},
        time::TimeSpec,
    },
    unistd::{Gid, Uid, UnlinkatFlags, fchownat, unlinkat},
};

use super::{
    fault::{Faults, Verdict},
    handles::Handles,
    line::{Line, Trip},
    operation::Operation,
    profile::Profile,
    tree::Tree,
};

/// What an NFS client sends in one piece (`wsize`).
const PIECE: u64 = 1 << 20;

pub(super) struct SlowTree {
    pub(super) profile: Profile,
    pub(super) faults: Faults,
    pub(super) line: Arc<Line>,
    pub(super) tree: Tree,
    pub(super) handles: Handles,
    /// Directories whose new attributes came with an answer.
    pub(super) touched: Mutex<HashSet<u64>>,
}

pub(super) fn code(errno: Errno) -> fuser::Errno {
    fuser::Errno::from_i32(errno as i32)
}

pub(super) fn errno(error: &std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(Errno::EIO as i32))
}

impl SlowTree {
    pub(super) const fn ttl(&self) -> Duration {
        Duration::from_millis(self.profile.ttl_ms)
    }

    pub(super) fn trip(&self, operation: Operation) -> Trip {
        Trip { operation, latency: self.profile.latency(operation), read: 0, written: 0 }
    }

    /// Does what was asked, unless a fault comes between, and answers when the server would have. The work says what it was in
    /// the end, which may be another operation than it seemed.
    pub(super) fn serve<T: Send + 'static>(
        &self,
        operation: Operation,
        work: impl FnOnce() -> (Trip, Result<T, Errno>),
        reply: impl FnOnce(Result<T, fuser::Errno>) + Send + 'static,
    ) {
        let arrived = Instant::now();
        let (trip, outcome) = match self.faults.judge(operation) {
            Verdict::Serve => work(),
            Verdict::Fail(errno) => (self.trip(operation), Err(errno)),
            Verdict::Hang => return self.line.never(Box::new(move || reply(Err(fuser::Errno::EIO)))),
        };
        let outcome = outcome.map_err(code);
        self.line.answer(self.line.send(trip, arrived), Box::new(move || reply(outcome)));
    }

    /// Something that is what it seems.
    pub(super) fn plain<T: Send + 'static>(
        &self,
        operation: Operation,
        work: impl FnOnce() -> Result<T, Errno>,
        reply: impl FnOnce(Result<T, fuser::Errno>) + Send + 'static,
    ) {
        self.serve(operation, || (self.trip(operation), work()), reply);
    }

    /// A new name in a directory.
    pub(super) fn name(
        &self,
        operation: Operation,
        parent: INodeNo,
        name: &OsStr,
        make: impl FnOnce() -> Result<(), Errno>,
        reply: ReplyEntry,
    ) {
        let ttl = self.ttl();
        let trip = Trip { latency: self.profile.after_lookup(), ..self.trip(operation) };
        let work = || {
            let made = make().and_then(|()| self.tree.find(parent, name));
            self.touch(parent);
            (trip, made)
        };
        self.serve(operation, work, move |made| match made {
            Ok(found) => reply.entry(&ttl, &found, Generation(0)),
            Err(errno) => reply.error(errno),
        });
    }

    pub(super) fn touch(&self, directory: INodeNo) {
        self.touched.lock().unwrap_or_else(PoisonError::into_inner).insert(directory.0);
    }

    pub(super) fn own(&self, request: &Request, parent: INodeNo, name: &OsStr) -> Result<(), Errno> {
        if request.uid() == 0 && request.gid() == 0 {
            return Ok(());
        }
        let owner = (Some(Uid::from_raw(request.uid())), Some(Gid::from_raw(request.gid())));
        fchownat(&*self.tree.directory(parent)?, name, owner.0, owner.1, AtFlags::AT_SYMLINK_NOFOLLOW)
    }

    pub(super) fn change(&self, inode: INodeNo, wanted: &Wanted) -> Result<FileAttr, Errno> {
        let place = self.tree.place(inode)?;
        if let Some(mode) = wanted.mode {
            std::fs::set_permissions(place.path(), Permissions::from_mode(mode & 0o7777)).map_err(|error| errno(&error))?;
        }
        if wanted.uid.is_some() || wanted.gid.is_some() {
            let flags = AtFlags::AT_SYMLINK_NOFOLLOW | if place.is_held() { AtFlags::AT_EMPTY_PATH } else { AtFlags::empty() };
            fchownat(&*place.base, place.name.as_os_str(), wanted.uid.map(Uid::from_raw), wanted.gid.map(Gid::from_raw), flags)?;
        }
        if let Some(size) = wanted.size {
            let file = File::options().write(true).open(place.path());
            file.and_then(|file| file.set_len(size)).map_err(|error| errno(&error))?;
        }
        if wanted.atime.is_some() || wanted.mtime.is_some() {
            let (atime, mtime) = (timespec(wanted.atime), timespec(wanted.mtime));
            if place.is_held() {
                // The path is a link of /proc that has to be followed.
                utimensat(nix::fcntl::AT_FDCWD, &place.path(), &atime, &mtime, UtimensatFlags::FollowSymlink)?;
            } else {
                utimensat(&*place.base, place.name.as_os_str(), &atime, &mtime, UtimensatFlags::NoFollowSymlink)?;
            }
        }
        self.tree.attributes(inode)
    }

    pub(super) fn remove(&self, parent: INodeNo, name: &OsStr, flags: UnlinkatFlags, reply: ReplyEmpty) {
        let work = || {
            let done = self.tree.directory(parent).and_then(|base| unlinkat(&*base, name, flags));
            self.touch(parent);
            done
        };
        self.plain(Operation::Remove, work, move |done| empty(done, reply));
    }

    /// Sends out what was written; then, and only then, the file is closed.
    pub(super) fn settle(&self, handle: FileHandle, reply: ReplyEmpty) {
        let arrived = Instant::now();
        let mut left = self.handles.clean(handle);
        let mut stable = arrived;
        let mut failed = None;
        while left > 0 {
            let piece = left.min(PIECE);
            left -= piece;
            match self.faults.judge(Operation::Write) {
                Verdict::Serve => {}
                Verdict::Fail(errno) => failed = Some(errno),
                Verdict::Hang => return self.line.never(Box::new(move || reply.ok())),
            }
            stable = stable.max(self.line.send(Trip { written: piece, ..self.trip(Operation::Write) }, arrived));
        }
        match self.faults.judge(Operation::Close) {
            Verdict::Serve => {}
            Verdict::Fail(errno) => failed = failed.or(Some(errno)),
            Verdict::Hang => return self.line.never(Box::new(move || reply.ok())),
        }
        // It waits for the data, so it takes its slot for nothing: who counts slots finds a little less traffic than there is.
        let close = self.trip(Operation::Close);
        self.line.send(close, arrived);
        let outcome = failed.map_or(Ok(()), |errno| Err(code(errno)));
        self.line.answer(stable + close.latency, Box::new(move || empty(outcome, reply)));
    }
}

pub(super) fn empty(done: Result<(), fuser::Errno>, reply: ReplyEmpty) {
    match done {
        Ok(()) => reply.ok(),
        Err(errno) => reply.error(errno),
    }
}

/// New attributes, each if at all.
pub(super) struct Wanted {
    pub(super) mode: Option<u32>,
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
    pub(super) size: Option<u64>,
    pub(super) atime: Option<TimeOrNow>,
    pub(super) mtime: Option<TimeOrNow>,
}

fn timespec(time: Option<TimeOrNow>) -> TimeSpec {
    match time {
        None => TimeSpec::UTIME_OMIT,
        Some(TimeOrNow::Now) => TimeSpec::UTIME_NOW,
        Some(TimeOrNow::SpecificTime(time)) => TimeSpec::from_duration(time.duration_since(UNIX_EPOCH).unwrap_or_default()),
    }
}
