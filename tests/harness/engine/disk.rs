//! The disk of an engine: an XFS on a file, copied from one that was filled once.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use nix::fcntl::{Flock, FlockArg};
use nix::mount::{MntFlags, umount2};

use super::{Engine, Form};
use crate::programs::cache_dir;
use crate::rootfs::Rootfs;
use crate::scratch::Scratch;

/// Sparse: what is not written takes no room.
const GIGABYTES: u64 = 16;

/// Makes `tiny:1` of a busybox, with the names a test calls, and `tiny.tar` of it for `docker import`.
const TINY: &str = "mkdir -p /tmp/tiny/bin /tmp/tiny/tmp && cp /usr/bin/busybox /tmp/tiny/bin && cd /tmp/tiny/bin && for name in sh cat echo env grep \
    hostname httpd id ls nc sleep stat touch true uname wget; do ln -sf busybox $name; done && tar -C /tmp/tiny -cf /engine/tiny.tar . && \
    docker import --change 'CMD [\"sleep\", \"2147483647\"]' /engine/tiny.tar tiny:1";

/// A mounted copy; unmounted and gone on drop.
#[derive(Debug)]
pub(super) struct Disk {
    mount_point: PathBuf,
    image: PathBuf,
    _dir: Scratch,
}

impl Disk {
    /// One whose docker has `tiny:1` alone.
    #[cfg(test)]
    pub(super) fn bare() -> Self {
        let disk = Self::empty();
        disk.filled(TINY)
    }

    /// One whose docker has the images.
    pub(super) fn with_images() -> Self {
        // What goes into the images is summed up once in a run.
        static KEPT: OnceLock<PathBuf> = OnceLock::new();
        let kept = KEPT.get_or_init(kept);
        let dir = Scratch::new();
        let image = dir.path().join("image");
        run(Command::new("cp").arg("--sparse=always").arg(kept).arg(&image));
        Self::mounted(dir, image)
    }

    fn empty() -> Self {
        let dir = Scratch::new();
        let image = dir.path().join("image");
        File::create(&image).and_then(|file| file.set_len(GIGABYTES << 30)).expect("make the image");
        run(Command::new("mkfs.xfs").args(["-q", "-m", "reflink=1,crc=1", "-n", "ftype=1"]).arg(&image));
        Self::mounted(dir, image)
    }

    fn mounted(dir: Scratch, image: PathBuf) -> Self {
        let mount_point = dir.path().join("mnt");
        fs::create_dir(&mount_point).expect("make the mount point");
        // Another copy of it may be mounted; and what is deleted on it is to take no room here.
        run(Command::new("mount").args(["-t", "xfs", "-o", "loop,nouuid,discard"]).arg(&image).arg(&mount_point));
        Self { mount_point, image, _dir: dir }
    }

    /// With what a script left that ran beside a docker on it.
    fn filled(self, script: &str) -> Self {
        let engine = Engine::on(self, Form::default());
        let _ = engine.sh(script);
        engine.into_disk()
    }

    pub(super) fn path(&self) -> &Path {
        &self.mount_point
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily when something still holds it: the loop device lets go with the last user.
        if umount2(&self.mount_point, MntFlags::empty()).is_err() {
            let _ = umount2(&self.mount_point, MntFlags::MNT_DETACH);
        }
    }
}

/// The file that is copied: made when the images are others than they were, by one process at a time.
fn kept() -> PathBuf {
    let archive = crate::images::archive();
    let mut hasher = DefaultHasher::new();
    (&archive, fs::metadata(&archive).and_then(|found| found.modified()).ok(), Rootfs::Docker.path(), TINY).hash(&mut hasher);
    let dir = cache_dir().join("engine");
    fs::create_dir_all(&dir).expect("make the cache directory");
    let lock = File::create(dir.join("lock")).expect("make a lock file");
    let _held = Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, error)| error).expect("lock the cache");
    let kept = dir.join(format!("{:016x}.xfs", hasher.finish()));
    if !kept.exists() {
        // Gigabytes that nobody will ask for again.
        let old = fs::read_dir(&dir).into_iter().flatten().flatten().map(|entry| entry.path());
        old.filter(|path| path.file_name().is_none_or(|name| name != "lock")).for_each(|path| drop(fs::remove_file(path)));
        let disk = Disk::empty();
        run(Command::new("cp").arg(&archive).arg(disk.path().join("images.tar")));
        let disk = disk.filled(&format!("docker load --quiet --input /engine/images.tar && rm /engine/images.tar && {TINY}"));
        let building = kept.with_extension("building");
        // Not unmounted: a box that somebody started meanwhile has this mount, too, and the file system stayed as it was. A copy then had
        // programs of no length.
        run(Command::new("fsfreeze").arg("--freeze").arg(&disk.mount_point));
        let copied = Command::new("cp").arg("--sparse=always").arg(&disk.image).arg(&building).status();
        run(Command::new("fsfreeze").arg("--unfreeze").arg(&disk.mount_point));
        assert!(copied.is_ok_and(|status| status.success()), "copy {}", disk.image.display());
        fs::rename(&building, &kept).expect("keep the disk");
    }
    kept
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{:?}: {error}", command.get_program()));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
