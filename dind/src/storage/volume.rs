//! The question whether a volume can carry a task's data in the mode that is wished for: looked at first, judged as a value.

use std::{fs::File, os::fd::AsFd as _, path::Path};

use nix::{
    dir::Dir,
    fcntl::OFlag,
    sys::{stat::Mode as Permissions, statfs},
    unistd::{AccessFlags, access},
};

use super::{Mode, disk, quota, space::Space, space::readable};
pub use quota::Support;

/// What is wished for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wish {
    /// `DOCKER_STORAGE_MODE`.
    pub mode: Mode,
    /// `DOCKER_STORAGE_QUOTA`.
    pub quota: Option<u64>,
}

impl Wish {
    /// How large a task's own file system is to be on a volume with so much room.
    pub fn disk_size(&self, space: &Space) -> u64 {
        let most = space.free_bytes / 10 * 9;
        // Whole mebibytes: a loop device has whole sectors.
        self.quota.unwrap_or(most) >> 20 << 20
    }
}

/// XFS is not made smaller (mkfs.xfs(8), since 5.19).
pub const SMALLEST_DISK: u64 = 300 << 20;

/// What a file system is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// XFS.
    Xfs,
    /// Part of a container's own file system.
    Overlay,
    /// tmpfs.
    Memory,
    /// NFS, SMB, FUSE, 9p...
    Remote,
    /// ZFS, aufs, eCryptfs: overlay may work there, and docker's driver says no (moby/moby, daemon/graphdriver/overlay2/overlay.go).
    Refused,
    /// ext4, btrfs...
    Other,
}

impl Kind {
    /// As people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Xfs => "XFS",
            Self::Overlay => "overlay",
            Self::Memory => "memory",
            Self::Remote => "a network or FUSE file system",
            Self::Refused => "a file system that docker does not take",
            Self::Other => "not XFS",
        }
    }
}

/// Why a container's own file system does not do.
const OVERLAY_ON_OVERLAY: &str = "is on the container's own file system, which is an overlay: the kernel allows none upon it (EINVAL); a \
     dockerd left to itself takes vfs there, which copies every image whole for every container, and the containerd image store, the \
     default since Docker 29, fails at its first container";

/// A storage root as it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Its file system.
    pub kind: Kind,
    /// Directory entries tell their type (`ftype=1` of XFS); overlay2 needs it.
    pub entry_types: bool,
    /// How much room there is.
    pub space: Space,
    /// What quotas there are, where one is wished for.
    pub quota: Option<Support>,
    /// Whether loop devices and their formatter can be had, where they are needed.
    pub loops: Option<Result<(), String>>,
    /// There is a program to format one.
    pub has_maker: bool,
}

/// Something about a storage root that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// Docker cannot be started on it.
    pub refusal: bool,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub hint: String,
    /// Another volume is what helps.
    pub elsewhere: bool,
}

/// statfs(2). nix names some only with glibc.
const XFS_SUPER_MAGIC: statfs::FsType = statfs::FsType(0x5846_5342);
const REMOTE: [statfs::FsType; 7] = [
    statfs::NFS_SUPER_MAGIC,
    statfs::FsType(0x6573_5546), // FUSE
    statfs::FsType(0x517b),      // SMB
    statfs::FsType(0xff53_4d42), // CIFS
    statfs::FsType(0xfe53_4d42), // SMB2
    statfs::FsType(0x0102_1997), // 9p
    statfs::FsType(0x00c3_6400), // Ceph
];

const REFUSED: [statfs::FsType; 3] = [
    statfs::FsType(0x2fc1_2fc1), // ZFS
    statfs::FsType(0x6175_6673), // aufs
    statfs::FsType(0xf15f),      // eCryptfs
];

/// Looks at the storage root. `has_maker` says whether [`disk::MAKER`] is in this container.
///
/// # Errors
/// It cannot be used at all, and why.
pub fn look(path: &Path, wish: &Wish, has_maker: bool) -> Result<Seen, String> {
    let sentence = |cause: nix::Error| cause.desc().to_owned();
    let found = statfs::statfs(path).map_err(sentence)?;
    access(path, AccessFlags::W_OK).map_err(sentence)?;
    let kind = match found.filesystem_type() {
        XFS_SUPER_MAGIC => Kind::Xfs,
        statfs::OVERLAYFS_SUPER_MAGIC => Kind::Overlay,
        statfs::TMPFS_MAGIC => Kind::Memory,
        other if REMOTE.contains(&other) => Kind::Remote,
        other if REFUSED.contains(&other) => Kind::Refused,
        _ => Kind::Other,
    };
    let limited = wish.mode == Mode::Xfs && wish.quota.is_some() && kind == Kind::Xfs;
    let quota = limited.then(|| File::open(path).map(|file| quota::support(file.as_fd()))).and_then(Result::ok);
    Ok(Seen {
        kind,
        entry_types: tells_entry_types(path).map_err(sentence)?,
        space: Space::of(path).map_err(sentence)?,
        quota,
        loops: (wish.mode == Mode::Loop).then(|| disk::loop_control().map(drop).map_err(|error| error.to_string())),
        has_maker,
    })
}

/// Even `.` has no type on a file system that does not keep them; docker itself looks at the same field (readdir(3), `d_type`).
fn tells_entry_types(path: &Path) -> nix::Result<bool> {
    let mut directory = Dir::open(path, OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Permissions::empty())?;
    for entry in directory.iter() {
        if entry?.file_type().is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Everything that is wrong with what was seen.
pub fn judge(seen: &Result<Seen, String>, path: &Path, wish: &Wish) -> Vec<Remark> {
    let mut remarks = Vec::new();
    let shown = path.display();
    let volume = match wish.mode {
        Mode::Xfs => "mount an XFS volume there (mkfs.xfs; its default is ftype=1), or set DOCKER_STORAGE_ROOT to where it is",
        Mode::Loop | Mode::Any => "mount a volume there, or set DOCKER_STORAGE_ROOT to where it is",
    };
    let mut add = |refusal, what: String, hint: &str| {
        remarks.push(Remark { refusal, what, hint: hint.to_owned(), elsewhere: wish.mode == Mode::Xfs && hint == volume });
    };
    let found = match seen {
        Ok(found) => found,
        Err(cause) => {
            add(true, format!("{shown} cannot be used for docker's data: {cause}"), volume);
            return remarks;
        }
    };
    match wish.mode {
        Mode::Xfs => {
            if found.kind != Kind::Xfs {
                let why = if found.kind == Kind::Overlay {
                    OVERLAY_ON_OVERLAY
                } else {
                    "is not XFS: overlay2 would be unavailable or without limits, and a dockerd left to itself might take vfs"
                };
                add(true, format!("{shown} {why}"), volume);
            } else if !found.entry_types {
                let what = format!("{shown} is XFS made with ftype=0: overlay2 refuses it");
                add(true, what, "make the file system anew with mkfs.xfs -n ftype=1; it cannot be changed later");
            }
            if let Some(support) = found.quota.filter(|support| *support != Support::Enforced) {
                add(true, format!("DOCKER_STORAGE_QUOTA is set, but {shown} {support}"), support.hint());
            }
        }
        Mode::Any => judge_any(found, path, &mut add),
        Mode::Loop => judge_loop(found, path, wish, &mut add),
    }
    if found.kind == Kind::Memory && wish.mode != Mode::Xfs {
        let what = format!("{shown} is in memory: every image and every container of the job takes it from the processes");
        add(false, what, "mount a volume of a disk there");
    }
    for what in found.space.shortages(path) {
        let hint = if what.ends_with("inodes left") {
            "use a larger volume, or raise the share for inodes with mkfs.xfs -i maxpct"
        } else {
            "use a larger volume, or fewer tasks on one host"
        };
        add(false, what, hint);
    }
    remarks
}

fn judge_any(found: &Seen, path: &Path, add: &mut impl FnMut(bool, String, &str)) {
    const ELSEWHERE: &str = "mount a volume with XFS or ext4 there, or set DOCKER_STORAGE_MODE=loop";
    let shown = path.display();
    match found.kind {
        Kind::Overlay => {
            add(true, format!("{shown} {OVERLAY_ON_OVERLAY}"), ELSEWHERE);
        }
        Kind::Remote => {
            add(true, format!("{shown} is on a network or FUSE file system: overlay2 loses files there, or does not work"), ELSEWHERE);
        }
        Kind::Refused => add(true, format!("{shown} is on a file system that docker's overlay2 does not take"), ELSEWHERE),
        _ if !found.entry_types => {
            add(true, format!("{shown} is on a file system that does not tell the types of entries: overlay2 refuses it"), ELSEWHERE);
        }
        Kind::Xfs | Kind::Memory | Kind::Other => {}
    }
}

fn judge_loop(found: &Seen, path: &Path, wish: &Wish, add: &mut impl FnMut(bool, String, &str)) {
    let shown = path.display();
    if let Some(Err(said)) = &found.loops {
        let (what, hint) = said.split_once("\nhint: ").unwrap_or((said, "run the container with --privileged"));
        add(true, what.to_owned(), hint);
    }
    if !found.has_maker {
        let what = format!("{} is not there, and DOCKER_STORAGE_MODE=loop needs it to make the task's file system", disk::MAKER);
        add(true, what, "install xfsprogs in the image");
    }
    let (size, free) = (wish.disk_size(&found.space), found.space.free_bytes);
    if size < SMALLEST_DISK {
        let what = format!("{shown} has {} left: too little for a file system of this task's own", readable(free));
        add(true, what, "use a larger volume; XFS needs 300 MiB, and images need more");
    } else if size > free {
        let what = format!("DOCKER_STORAGE_QUOTA lets a task write {}, but {shown} has only {} left", readable(size), readable(free));
        add(
            false,
            what,
            "a file system in a file breaks when the volume below it is full: lower DOCKER_STORAGE_QUOTA, or use a larger volume",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::errno::Errno;

    const ROOM: Space = Space { bytes: 120 << 30, free_bytes: 100 << 30, inodes: 1 << 30, free_inodes: 1 << 30 };

    fn seen(kind: Kind) -> Seen {
        Seen { kind, entry_types: true, space: ROOM, quota: None, loops: Some(Ok(())), has_maker: true }
    }

    fn wish(mode: Mode) -> Wish {
        Wish { mode, quota: None }
    }

    fn refusals(seen: Seen, wish: Wish) -> Vec<String> {
        let remarks = judge(&Ok(seen), Path::new("/s"), &wish);
        remarks.into_iter().filter(|remark| remark.refusal).map(|remark| remark.what).collect()
    }

    #[test]
    fn each_mode_takes_the_file_systems_that_it_can_work_on() {
        let kinds = [Kind::Xfs, Kind::Overlay, Kind::Memory, Kind::Remote, Kind::Refused, Kind::Other];
        let taken = |mode| kinds.map(|kind| refusals(seen(kind), wish(mode)).is_empty());
        assert_eq!(taken(Mode::Xfs), [true, false, false, false, false, false]);
        assert_eq!(taken(Mode::Any), [true, false, true, false, false, true]);
        assert_eq!(taken(Mode::Loop), [true; 6]);
    }

    #[test]
    fn everything_that_can_stand_in_the_way_is_told_with_its_cure() {
        let tight = Space { free_bytes: 200 << 20, ..ROOM };
        let cases = [
            (Seen { entry_types: false, ..seen(Kind::Xfs) }, wish(Mode::Xfs)),
            (Seen { quota: Some(Support::Off), ..seen(Kind::Xfs) }, Wish { quota: Some(20 << 30), ..wish(Mode::Xfs) }),
            (Seen { quota: Some(Support::Taken(5)), ..seen(Kind::Xfs) }, Wish { quota: Some(20 << 30), ..wish(Mode::Xfs) }),
            (Seen { quota: Some(Support::Unknown(Errno::EPERM)), ..seen(Kind::Xfs) }, Wish { quota: Some(20 << 30), ..wish(Mode::Xfs) }),
            (seen(Kind::Overlay), wish(Mode::Any)),
            (seen(Kind::Remote), wish(Mode::Any)),
            (seen(Kind::Refused), wish(Mode::Any)),
            (seen(Kind::Memory), wish(Mode::Any)),
            (Seen { entry_types: false, ..seen(Kind::Other) }, wish(Mode::Any)),
            (Seen { has_maker: false, loops: Some(Err("no loop device\nhint: take one".into())), ..seen(Kind::Overlay) }, wish(Mode::Loop)),
            (Seen { space: tight, ..seen(Kind::Other) }, wish(Mode::Loop)),
            (Seen { space: tight, ..seen(Kind::Other) }, Wish { quota: Some(20 << 30), ..wish(Mode::Loop) }),
        ];
        let mut told = String::new();
        for (seen, wish) in cases {
            told += &format!("{:?} in mode {:?}\n", seen.kind, wish.mode);
            for remark in judge(&Ok(seen), Path::new("/s"), &wish) {
                let weight = if remark.refusal { "refusal" } else { "warning" };
                told += &format!("  {weight}: {}\n    hint: {}\n", remark.what, remark.hint);
            }
        }
        insta::assert_snapshot!(told);
    }

    #[test]
    fn a_disk_is_as_large_as_the_quota_or_most_of_what_is_free() {
        assert_eq!(Wish { quota: Some(20 << 30), ..wish(Mode::Loop) }.disk_size(&ROOM), 20 << 30);
        assert_eq!(wish(Mode::Loop).disk_size(&ROOM), 90 << 30);
        let odd = Space { free_bytes: 12_345_678_901, ..ROOM };
        assert_eq!(wish(Mode::Loop).disk_size(&odd) % (1 << 20), 0);
    }

    #[test]
    fn a_directory_is_seen_as_it_is_and_what_is_not_there_says_why() {
        let dir = tempfile::tempdir().unwrap();
        let seen = look(dir.path(), &wish(Mode::Xfs), false).unwrap();
        assert!(seen.entry_types && seen.quota.is_none() && seen.loops.is_none());
        assert_eq!(look(&dir.path().join("not"), &wish(Mode::Xfs), false), Err("No such file or directory".to_owned()));
    }
}
