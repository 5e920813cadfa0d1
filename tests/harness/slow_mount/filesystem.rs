//! What the kernel asks, put on the line to the server.
//!
//! Where FUSE asks more than NFS would, it is not charged: the look-up before a new name is part of making it, and the
//! attributes of a directory that was just changed came with the change.

use std::{
    ffi::OsStr,
    fs::File,
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::Path,
    sync::PoisonError,
    time::{Duration, SystemTime},
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
        stat::{Mode, fstatat, mkdirat},
        statvfs::statvfs,
    },
    unistd::{UnlinkatFlags, linkat, symlinkat},
};

use super::{
    line::Trip,
    operation::Operation,
    profile::Listing,
    slow_tree::{SlowTree, Wanted, code, empty, errno},
    tree::absent,
};

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
