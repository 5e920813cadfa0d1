//! What the kernel asks, put on the line to the server.
//!
//! Where FUSE asks more than NFS would, it is not charged: the look-up before a new name is part of making it, and the
//! attributes of a directory that was just changed came with the change.

use std::{
    collections::HashSet,
    ffi::OsStr,
    fs::{File, Permissions},
    os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use fuser::{
    BsdFileFlags, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation, INodeNo, InitFlags, KernelConfig, LockOwner,
    OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory, ReplyDirectoryPlus, ReplyEmpty, ReplyEntry, ReplyOpen,
    ReplyStatfs, ReplyWrite, Request, TimeOrNow, WriteFlags,
};
use nix::{
    errno::Errno,
    fcntl::{AtFlags, OFlag, RenameFlags as How, openat, readlinkat, renameat2},
    sys::{
        stat::{Mode, UtimensatFlags, fstatat, mkdirat, utimensat},
        statvfs::statvfs,
        time::TimeSpec,
    },
    unistd::{Gid, Uid, UnlinkatFlags, fchownat, linkat, symlinkat, unlinkat},
};

use super::{
    fault::{Faults, Verdict},
    handles::Handles,
    line::{Line, Trip},
    operation::Operation,
    profile::{Listing, Profile},
    tree::{Tree, absent},
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

fn code(errno: Errno) -> fuser::Errno {
    fuser::Errno::from_i32(errno as i32)
}

fn errno(error: &std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(Errno::EIO as i32))
}

impl SlowTree {
    const fn ttl(&self) -> Duration {
        Duration::from_millis(self.profile.ttl_ms)
    }

    fn trip(&self, operation: Operation) -> Trip {
        Trip { operation, latency: self.profile.latency(operation), read: 0, written: 0 }
    }

    /// Does what was asked, unless a fault comes between, and answers when the server would have. The work says what it was in
    /// the end, which may be another operation than it seemed.
    fn serve<T: Send + 'static>(
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
    fn plain<T: Send + 'static>(
        &self,
        operation: Operation,
        work: impl FnOnce() -> Result<T, Errno>,
        reply: impl FnOnce(Result<T, fuser::Errno>) + Send + 'static,
    ) {
        self.serve(operation, || (self.trip(operation), work()), reply);
    }

    /// A new name in a directory.
    fn name(&self, operation: Operation, parent: INodeNo, name: &OsStr, make: impl FnOnce() -> Result<(), Errno>, reply: ReplyEntry) {
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

    fn touch(&self, directory: INodeNo) {
        self.touched.lock().unwrap_or_else(PoisonError::into_inner).insert(directory.0);
    }

    fn own(&self, request: &Request, parent: INodeNo, name: &OsStr) -> Result<(), Errno> {
        if request.uid() == 0 && request.gid() == 0 {
            return Ok(());
        }
        let owner = (Some(Uid::from_raw(request.uid())), Some(Gid::from_raw(request.gid())));
        fchownat(&*self.tree.directory(parent)?, name, owner.0, owner.1, AtFlags::AT_SYMLINK_NOFOLLOW)
    }

    fn change(&self, inode: INodeNo, wanted: &Wanted) -> Result<FileAttr, Errno> {
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

    fn remove(&self, parent: INodeNo, name: &OsStr, flags: UnlinkatFlags, reply: ReplyEmpty) {
        let work = || {
            let done = self.tree.directory(parent).and_then(|base| unlinkat(&*base, name, flags));
            self.touch(parent);
            done
        };
        self.plain(Operation::Remove, work, move |done| empty(done, reply));
    }

    /// Sends out what was written; then, and only then, the file is closed.
    fn settle(&self, handle: FileHandle, reply: ReplyEmpty) {
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

fn empty(done: Result<(), fuser::Errno>, reply: ReplyEmpty) {
    match done {
        Ok(()) => reply.ok(),
        Err(errno) => reply.error(errno),
    }
}

/// New attributes, each if at all.
struct Wanted {
    mode: Option<u32>,
    uid: Option<u32>,
    gid: Option<u32>,
    size: Option<u64>,
    atime: Option<TimeOrNow>,
    mtime: Option<TimeOrNow>,
}

fn timespec(time: Option<TimeOrNow>) -> TimeSpec {
    match time {
        None => TimeSpec::UTIME_OMIT,
        Some(TimeOrNow::Now) => TimeSpec::UTIME_NOW,
        Some(TimeOrNow::SpecificTime(time)) => TimeSpec::from_duration(time.duration_since(UNIX_EPOCH).unwrap_or_default()),
    }
}

fn at(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

impl Filesystem for SlowTree {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> std::io::Result<()> {
        // Each is the most we would like; the kernel's own bound is as good.
        let _ = config.set_max_write(1 << 20);
        let _ = config.set_max_readahead(16 << 20);
        let _ = config.set_max_background(512);
        let _ = config.set_congestion_threshold(512);
        let mut wanted = InitFlags::FUSE_PARALLEL_DIROPS | InitFlags::FUSE_CACHE_SYMLINKS | InitFlags::FUSE_HANDLE_KILLPRIV;
        if self.profile.listing != Listing::Never {
            wanted |= InitFlags::FUSE_DO_READDIRPLUS;
        }
        if self.profile.listing == Listing::Auto {
            wanted |= InitFlags::FUSE_READDIRPLUS_AUTO;
        }
        let _ = config.add_capabilities(wanted & config.capabilities());
        Ok(())
    }

    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let ttl = self.ttl();
        let work = || match self.tree.find(parent, name) {
            Err(Errno::ENOENT) => (self.trip(Operation::Absent), Ok(absent())),
            found => (self.trip(Operation::Lookup), found),
        };
        self.serve(Operation::Lookup, work, move |found| match found {
            Ok(found) if found.ino.0 == 0 && ttl.is_zero() => reply.error(fuser::Errno::ENOENT),
            Ok(found) => reply.entry(&ttl, &found, Generation(0)),
            Err(errno) => reply.error(errno),
        });
    }

    fn forget(&self, _: &Request, inode: INodeNo, lookups: u64) {
        self.tree.forget(inode, lookups);
    }

    fn getattr(&self, _: &Request, inode: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        let ttl = self.ttl();
        let answer = move |found: Result<FileAttr, fuser::Errno>| match found {
            Ok(found) => reply.attr(&ttl, &found),
            Err(errno) => reply.error(errno),
        };
        let known = self.touched.lock().unwrap_or_else(PoisonError::into_inner).remove(&inode.0);
        if known {
            return answer(self.tree.attributes(inode).map_err(code));
        }
        self.plain(Operation::Getattr, || self.tree.attributes(inode), answer);
    }

    fn setattr(
        &self,
        _: &Request,
        inode: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        atime: Option<TimeOrNow>,
        mtime: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let ttl = self.ttl();
        let wanted = Wanted { mode, uid, gid, size, atime, mtime };
        self.plain(
            Operation::Setattr,
            || self.change(inode, &wanted),
            move |changed| match changed {
                Ok(changed) => reply.attr(&ttl, &changed),
                Err(errno) => reply.error(errno),
            },
        );
    }

    fn readlink(&self, _: &Request, inode: INodeNo, reply: ReplyData) {
        let work = || self.tree.place(inode).and_then(|place| readlinkat(&*place.base, place.name.as_os_str()));
        self.plain(Operation::Readlink, work, move |target| match target {
            Ok(target) => reply.data(target.as_encoded_bytes()),
            Err(errno) => reply.error(errno),
        });
    }

    fn mkdir(&self, request: &Request, parent: INodeNo, name: &OsStr, mode: u32, umask: u32, reply: ReplyEntry) {
        let make = || {
            mkdirat(&*self.tree.directory(parent)?, name, Mode::from_bits_truncate(mode & !umask))?;
            self.own(request, parent, name)
        };
        self.name(Operation::Mkdir, parent, name, make, reply);
    }

    fn symlink(&self, request: &Request, parent: INodeNo, name: &OsStr, target: &Path, reply: ReplyEntry) {
        let make = || {
            symlinkat(target, &*self.tree.directory(parent)?, name)?;
            self.own(request, parent, name)
        };
        self.name(Operation::Symlink, parent, name, make, reply);
    }

    fn link(&self, _: &Request, inode: INodeNo, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let make = || {
            let place = self.tree.place(inode)?;
            let flags = if place.is_held() { AtFlags::AT_SYMLINK_FOLLOW } else { AtFlags::empty() };
            linkat(nix::fcntl::AT_FDCWD, &place.path(), &*self.tree.directory(parent)?, name, flags)
        };
        self.name(Operation::Link, parent, name, make, reply);
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        self.remove(parent, name, UnlinkatFlags::NoRemoveDir, reply);
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        self.remove(parent, name, UnlinkatFlags::RemoveDir, reply);
    }

    fn rename(&self, _: &Request, from: INodeNo, name: &OsStr, to: INodeNo, new: &OsStr, flags: RenameFlags, reply: ReplyEmpty) {
        let work = || {
            let mut trip = self.trip(Operation::Rename);
            let mut rename = || {
                let (one, two) = (self.tree.directory(from)?, self.tree.directory(to)?);
                if fstatat(&*two, new, AtFlags::AT_SYMLINK_NOFOLLOW).is_err() {
                    trip.latency = self.profile.after_lookup();
                }
                let moving = fstatat(&*one, name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
                renameat2(&*one, name, &*two, new, How::from_bits_truncate(flags.bits()))?;
                self.tree.moved(INodeNo(moving.st_ino), to, new);
                Ok(())
            };
            let done = rename();
            self.touch(from);
            self.touch(to);
            (trip, done)
        };
        self.serve(Operation::Rename, work, move |done| empty(done, reply));
    }

    fn open(&self, _: &Request, inode: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        let work = || {
            let flags = OFlag::from_bits_retain(flags.0) - (OFlag::O_NOFOLLOW | OFlag::O_CREAT | OFlag::O_EXCL);
            let place = self.tree.place(inode)?;
            let file = if place.is_held() {
                let access = flags & OFlag::O_ACCMODE;
                let mut options = File::options();
                options.read(access != OFlag::O_WRONLY).write(access != OFlag::O_RDONLY).custom_flags((flags - OFlag::O_ACCMODE).bits());
                options.open(place.path()).map_err(|error| errno(&error))?
            } else {
                File::from(openat(&*place.base, place.name.as_os_str(), flags | OFlag::O_CLOEXEC, Mode::empty())?)
            };
            Ok(self.handles.open(file))
        };
        self.plain(Operation::Open, work, move |opened| match opened {
            Ok(handle) => reply.opened(handle, FopenFlags::empty()),
            Err(errno) => reply.error(errno),
        });
    }

    fn create(&self, request: &Request, parent: INodeNo, name: &OsStr, mode: u32, umask: u32, flags: i32, reply: ReplyCreate) {
        let ttl = self.ttl();
        let work = || {
            let flags = (OFlag::from_bits_retain(flags) - OFlag::O_NOFOLLOW) | OFlag::O_CREAT | OFlag::O_CLOEXEC;
            let file = openat(&*self.tree.directory(parent)?, name, flags, Mode::from_bits_truncate(mode & !umask))?;
            self.own(request, parent, name)?;
            self.touch(parent);
            Ok((self.tree.find(parent, name)?, self.handles.open(File::from(file))))
        };
        self.plain(Operation::Create, work, move |made| match made {
            Ok((found, handle)) => reply.created(&ttl, &found, Generation(0), handle, FopenFlags::empty()),
            Err(errno) => reply.error(errno),
        });
    }

    fn read(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let work = || {
            let mut data = vec![0; at(size.into())];
            let mut filled = 0;
            let read = self.handles.file(handle).and_then(|file| {
                while filled < data.len() {
                    match file.read_at(&mut data[filled..], offset + filled as u64).map_err(|error| errno(&error))? {
                        0 => break,
                        more => filled += more,
                    }
                }
                Ok(())
            });
            data.truncate(filled);
            (Trip { read: filled as u64, ..self.trip(Operation::Read) }, read.map(|()| data))
        };
        self.serve(Operation::Read, work, move |data| match data {
            Ok(data) => reply.data(&data),
            Err(errno) => reply.error(errno),
        });
    }

    /// Data goes to the client's page cache, which costs nothing; it is paid for at close.
    fn write(
        &self,
        _: &Request,
        _: INodeNo,
        handle: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let written = self.handles.file(handle).and_then(|file| file.write_all_at(data, offset).map_err(|error| errno(&error)));
        match written {
            Ok(()) => {
                self.handles.dirty(handle, data.len() as u64);
                reply.written(u32::try_from(data.len()).unwrap_or(u32::MAX));
            }
            Err(errno) => reply.error(code(errno)),
        }
    }

    fn flush(&self, _: &Request, _: INodeNo, handle: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        self.settle(handle, reply);
    }

    fn fsync(&self, _: &Request, _: INodeNo, handle: FileHandle, _: bool, reply: ReplyEmpty) {
        self.settle(handle, reply);
    }

    fn release(&self, _: &Request, _: INodeNo, handle: FileHandle, _: OpenFlags, _: Option<LockOwner>, _: bool, reply: ReplyEmpty) {
        self.handles.close(handle);
        reply.ok();
    }

    /// NFS has nothing to do here: what changes a directory is stable when it is answered.
    fn fsyncdir(&self, _: &Request, _: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        reply.ok();
    }

    fn opendir(&self, _: &Request, _: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        reply.opened(self.handles.number(), FopenFlags::empty());
    }

    fn releasedir(&self, _: &Request, _: INodeNo, handle: FileHandle, _: OpenFlags, reply: ReplyEmpty) {
        self.handles.close_directory(handle);
        reply.ok();
    }

    fn readdir(&self, _: &Request, inode: INodeNo, handle: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let listing = match self.handles.listing(handle, at(offset), || self.tree.list(inode)) {
            Ok(listing) => listing,
            Err(errno) => return reply.error(code(errno)),
        };
        // The end comes with the last page.
        if at(offset) >= listing.len() {
            return reply.ok();
        }
        for (place, entry) in listing.iter().enumerate().skip(at(offset)) {
            if reply.add(INodeNo(entry.inode), place as u64 + 1, entry.kind, &entry.name) {
                break;
            }
        }
        self.plain(
            Operation::Readdir,
            || Ok(()),
            move |done| match done {
                Ok(()) => reply.ok(),
                Err(errno) => reply.error(errno),
            },
        );
    }

    fn readdirplus(&self, _: &Request, inode: INodeNo, handle: FileHandle, offset: u64, mut reply: ReplyDirectoryPlus) {
        let listing = match self.handles.listing(handle, at(offset), || self.tree.list(inode)) {
            Ok(listing) => listing,
            Err(errno) => return reply.error(code(errno)),
        };
        if at(offset) >= listing.len() {
            return reply.ok();
        }
        for (place, entry) in listing.iter().enumerate().skip(at(offset)) {
            let next = place as u64 + 1;
            if entry.name == "." || entry.name == ".." {
                let own = FileAttr { ino: INodeNo(entry.inode), kind: FileType::Directory, ..absent() };
                if reply.add(own.ino, next, &entry.name, &Duration::ZERO, &own, Generation(0)) {
                    break;
                }
            } else if let Ok(found) = self.tree.find(inode, &entry.name)
                && reply.add(found.ino, next, &entry.name, &self.ttl(), &found, Generation(0))
            {
                self.tree.forget(found.ino, 1);
                break;
            }
        }
        self.plain(
            Operation::Readdir,
            || Ok(()),
            move |done| match done {
                Ok(()) => reply.ok(),
                Err(errno) => reply.error(errno),
            },
        );
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        let work = || self.tree.place(INodeNo(1)).and_then(|root| statvfs(&root.path()));
        self.plain(Operation::Statfs, work, move |found| match found {
            Ok(found) => {
                let size = |size: u64| u32::try_from(size).unwrap_or(u32::MAX);
                reply.statfs(
                    found.blocks(),
                    found.blocks_free(),
                    found.blocks_available(),
                    found.files(),
                    found.files_free(),
                    size(found.block_size()),
                    size(found.name_max()),
                    size(found.fragment_size()),
                );
            }
            Err(errno) => reply.error(errno),
        });
    }
}
