//! The directory behind the mount: what the kernel calls by number, by descriptor and name here.
//!
//! Directories and files with several names are held open; anything else is reached through its directory by its last known
//! name, so that the limit on open files does not limit the tree.

use std::{
    collections::HashMap,
    ffi::{OsStr, OsString},
    fs::File,
    os::fd::{AsFd, AsRawFd, OwnedFd},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, UNIX_EPOCH},
};

use fuser::{FileAttr, FileType, INodeNo};
use nix::{
    dir::Dir,
    errno::Errno,
    fcntl::{AtFlags, OFlag, openat},
    sys::stat::{FileStat, Mode, SFlag, fstatat},
};

/// The kernel's number for the root.
const ROOT: u64 = 1;

struct Node {
    held: Option<Arc<OwnedFd>>,
    parent: u64,
    name: OsString,
    /// How often the kernel was told of it and has not forgotten.
    lookups: u64,
}

/// Where something is: a descriptor, and a name in it; without a name the descriptor itself.
pub(super) struct Place {
    pub(super) base: Arc<OwnedFd>,
    pub(super) name: OsString,
}

impl Place {
    /// A path for the calls that have no variant with descriptors.
    pub(super) fn path(&self) -> PathBuf {
        let base = PathBuf::from(format!("/proc/self/fd/{}", self.base.as_raw_fd()));
        if self.name.is_empty() { base } else { base.join(&self.name) }
    }

    pub(super) fn is_held(&self) -> bool {
        self.name.is_empty()
    }
}

/// An entry of a directory.
pub(super) struct Entry {
    pub(super) inode: u64,
    pub(super) kind: FileType,
    pub(super) name: OsString,
}

pub(super) struct Tree {
    nodes: Mutex<HashMap<u64, Node>>,
}

impl Tree {
    pub(super) fn over(directory: &Path) -> std::io::Result<Self> {
        let root = Arc::new(OwnedFd::from(File::open(directory)?));
        let node = Node { held: Some(root), parent: ROOT, name: OsString::new(), lookups: 1 };
        Ok(Self { nodes: Mutex::new(HashMap::from([(ROOT, node)])) })
    }

    fn nodes(&self) -> MutexGuard<'_, HashMap<u64, Node>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A directory that the kernel knows.
    pub(super) fn directory(&self, inode: INodeNo) -> Result<Arc<OwnedFd>, Errno> {
        self.nodes().get(&inode.0).and_then(|node| node.held.clone()).ok_or(Errno::ESTALE)
    }

    pub(super) fn place(&self, inode: INodeNo) -> Result<Place, Errno> {
        let nodes = self.nodes();
        let node = nodes.get(&inode.0).ok_or(Errno::ESTALE)?;
        if let Some(held) = &node.held {
            return Ok(Place { base: Arc::clone(held), name: OsString::new() });
        }
        let base = nodes.get(&node.parent).and_then(|parent| parent.held.clone()).ok_or(Errno::ESTALE)?;
        Ok(Place { base, name: node.name.clone() })
    }

    pub(super) fn attributes(&self, inode: INodeNo) -> Result<FileAttr, Errno> {
        let place = self.place(inode)?;
        let flags = AtFlags::AT_SYMLINK_NOFOLLOW | if place.is_held() { AtFlags::AT_EMPTY_PATH } else { AtFlags::empty() };
        let status = fstatat(&*place.base, place.name.as_os_str(), flags)?;
        Ok(FileAttr { ino: inode, ..attributes(&status) })
    }

    /// Looks for a name; the kernel is going to be told of what is found.
    pub(super) fn find(&self, parent: INodeNo, name: &OsStr) -> Result<FileAttr, Errno> {
        let base = self.directory(parent)?;
        let status = fstatat(&*base, name, AtFlags::AT_SYMLINK_NOFOLLOW)?;
        let found = attributes(&status);
        let hold = || -> Option<Arc<OwnedFd>> {
            let several = found.kind == FileType::Directory || found.nlink > 1;
            let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            several.then(|| openat(&*base, name, flags, Mode::empty()).ok().map(Arc::new)).flatten()
        };
        let mut nodes = self.nodes();
        let node = nodes.entry(found.ino.0).or_insert_with(|| Node { held: None, parent: parent.0, name: OsString::new(), lookups: 0 });
        node.held = node.held.take().or_else(hold);
        node.parent = parent.0;
        node.name = name.to_owned();
        node.lookups += 1;
        Ok(found)
    }

    pub(super) fn forget(&self, inode: INodeNo, lookups: u64) {
        let mut nodes = self.nodes();
        if let Some(node) = nodes.get_mut(&inode.0).filter(|_| inode.0 != ROOT) {
            node.lookups = node.lookups.saturating_sub(lookups);
            if node.lookups == 0 {
                nodes.remove(&inode.0);
            }
        }
    }

    /// What was found at one name has another now.
    pub(super) fn moved(&self, inode: INodeNo, parent: INodeNo, name: &OsStr) {
        if let Some(node) = self.nodes().get_mut(&inode.0) {
            node.parent = parent.0;
            node.name = name.to_owned();
        }
    }

    /// All entries of a directory, in the file system's order.
    pub(super) fn list(&self, inode: INodeNo) -> Result<Vec<Entry>, Errno> {
        let directory = self.directory(inode)?;
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let mut listing = Dir::openat(directory.as_fd(), ".", flags, Mode::empty())?;
        let entry = |entry: nix::dir::Entry| {
            use std::os::unix::ffi::OsStrExt;
            let kind = match entry.file_type() {
                Some(nix::dir::Type::Directory) => FileType::Directory,
                Some(nix::dir::Type::Symlink) => FileType::Symlink,
                _ => FileType::RegularFile,
            };
            Entry { inode: entry.ino(), kind, name: OsStr::from_bytes(entry.file_name().to_bytes()).to_owned() }
        };
        listing.iter().map(|found| found.map(entry)).collect()
    }
}

fn attributes(status: &FileStat) -> FileAttr {
    // What is older than 1970 is shown as of 1970: nobody here makes such.
    let time = |seconds: i64, nanoseconds: i64| {
        UNIX_EPOCH + Duration::new(u64::try_from(seconds).unwrap_or(0), u32::try_from(nanoseconds).unwrap_or(0))
    };
    let format = SFlag::from_bits_truncate(status.st_mode & SFlag::S_IFMT.bits());
    let kind = match format {
        SFlag::S_IFDIR => FileType::Directory,
        SFlag::S_IFLNK => FileType::Symlink,
        SFlag::S_IFIFO => FileType::NamedPipe,
        SFlag::S_IFSOCK => FileType::Socket,
        SFlag::S_IFCHR => FileType::CharDevice,
        SFlag::S_IFBLK => FileType::BlockDevice,
        _ => FileType::RegularFile,
    };
    FileAttr {
        ino: INodeNo(status.st_ino),
        size: u64::try_from(status.st_size).unwrap_or(0),
        blocks: u64::try_from(status.st_blocks).unwrap_or(0),
        atime: time(status.st_atime, status.st_atime_nsec),
        mtime: time(status.st_mtime, status.st_mtime_nsec),
        ctime: time(status.st_ctime, status.st_ctime_nsec),
        crtime: UNIX_EPOCH,
        kind,
        perm: u16::try_from(status.st_mode & 0o7777).unwrap_or(0),
        nlink: u32::try_from(status.st_nlink).unwrap_or(u32::MAX),
        uid: status.st_uid,
        gid: status.st_gid,
        rdev: u32::try_from(status.st_rdev).unwrap_or(0),
        blksize: 1 << 20,
        flags: 0,
    }
}

/// A name that is not there, which the kernel may believe for a while.
pub(super) fn absent() -> FileAttr {
    FileAttr {
        ino: INodeNo(0),
        size: 0,
        blocks: 0,
        atime: UNIX_EPOCH,
        mtime: UNIX_EPOCH,
        ctime: UNIX_EPOCH,
        crtime: UNIX_EPOCH,
        kind: FileType::RegularFile,
        perm: 0,
        nlink: 0,
        uid: 0,
        gid: 0,
        rdev: 0,
        blksize: 1 << 20,
        flags: 0,
    }
}
