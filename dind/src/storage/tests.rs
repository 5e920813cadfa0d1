use super::*;
use crate::mounts;
use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

fn storage() -> (tempfile::TempDir, StorageRoot) {
    let dir = tempfile::tempdir().unwrap();
    let storage = StorageRoot::open(dir.path(), Path::new(mounts::MOUNTINFO)).unwrap();
    (dir, storage)
}

#[expect(clippy::disallowed_methods, reason = "a job with a deadline")]
fn within(span: Duration) -> Instant {
    Instant::now() + span
}

fn soon() -> Instant {
    within(Duration::from_secs(60))
}

fn names(path: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// As a killed owner leaves it: everything there, nobody holding the lock.
fn abandon(root: DataRoot) -> PathBuf {
    let path = root.path().to_owned();
    fs::write(root.data().join("layer"), "x").unwrap();
    drop(root);
    path
}

#[test]
fn a_data_root_is_made_with_its_parts_and_removed_with_all_that_came_into_it() {
    let (dir, storage) = storage();
    let root = storage.create(Layout::Plain).unwrap();
    assert_eq!(names(dir.path()), [format!("task-{}", root.id())]);
    assert_eq!(names(root.path()), ["data", "exec", "lock"]);
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(root.path()).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o711);
    fs::create_dir_all(root.data().join("overlay2/a/b")).unwrap();
    fs::write(root.path().join("docker.pid"), "1").unwrap();
    root.remove(soon()).unwrap();
    assert_eq!(names(dir.path()), [""; 0]);
}

#[test]
fn a_sweep_takes_the_dead_and_leaves_the_living() {
    let (dir, storage) = storage();
    let living = storage.create(Layout::Plain).unwrap();
    let dead = abandon(storage.create(Layout::Plain).unwrap());
    let swept = storage.sweep(soon()).unwrap();
    assert_eq!(swept.removed, [dead.file_name().unwrap().to_str().unwrap()]);
    assert_eq!((swept.alive, swept.left.len()), (1, 0));
    assert_eq!(names(dir.path()), [format!("task-{}", living.id())]);
    assert!(living.data().is_dir());
}

#[test]
fn ending_the_dead_deletes_nothing_and_leaves_it_to_the_sweep() {
    let (dir, storage) = storage();
    let living = storage.create(Layout::Plain).unwrap();
    let dead = abandon(storage.create(Layout::Plain).unwrap());
    let id = dead.file_name().unwrap().to_str().unwrap().trim_start_matches("task-").to_owned();
    let ended = storage.end_the_dead(soon()).unwrap();
    assert_eq!((ended.alive, ended.killed, ended.left.len()), (1, 0, 0));
    assert_eq!(names(dir.path()), [format!(".dead-{id}"), format!("task-{}", living.id())]);
    assert!(dir.path().join(format!(".dead-{id}/data/layer")).exists());
    assert_eq!(storage.sweep(soon()).unwrap().removed, [format!(".dead-{id}")]);
}

#[test]
fn a_directory_left_for_later_is_out_of_use_at_once_and_the_next_sweeps() {
    let (dir, storage) = storage();
    let root = storage.create(Layout::Plain).unwrap();
    fs::write(root.data().join("layer"), "x").unwrap();
    let name = root.leave().unwrap();
    assert_eq!(names(dir.path()), std::slice::from_ref(&name));
    assert_eq!(storage.sweep(soon()).unwrap().removed, [name]);
    assert_eq!(names(dir.path()), [""; 0]);
}

#[test]
fn a_disk_is_a_sparse_image_beside_its_mount_point_and_goes_like_anything_else() {
    use std::os::unix::fs::MetadataExt as _;
    let (dir, storage) = storage();
    let root = storage.create(Layout::OnDisk(20 << 30)).unwrap();
    assert_eq!(names(root.path()), ["disk", "image", "lock"]);
    let image = fs::metadata(root.path().join("image")).unwrap();
    assert_eq!((image.len(), image.blocks(), image.mode() & 0o777), (20 << 30, 0, 0o600));
    assert_eq!(root.data(), root.path().join("disk/data"));
    assert_eq!(root.disk().unwrap().point(), root.path().join("disk"));
    root.remove(soon()).unwrap();
    assert_eq!(names(dir.path()), [""; 0]);
}

#[test]
fn a_task_that_cannot_be_limited_leaves_nothing_half_made() {
    let (dir, storage) = storage();
    // No file system of a temporary directory has project quotas switched on.
    let error = storage.create(Layout::Limited(1 << 30)).unwrap_err().to_string();
    assert!(error.starts_with("DOCKER_STORAGE_QUOTA is set, but "), "{error}");
    assert_eq!(names(dir.path()), [""; 0]);
}

#[test]
fn a_sweep_goes_on_with_what_another_began_or_never_finished_making() {
    let (dir, storage) = storage();
    let half_deleted = abandon(storage.create(Layout::Plain).unwrap());
    fs::rename(&half_deleted, dir.path().join(".dead-00000000000000aa")).unwrap();
    fs::create_dir(dir.path().join(".dead-00000000000000bb")).unwrap();
    fs::create_dir(dir.path().join(".new-00000000000000cc")).unwrap();
    let half_made = abandon(storage.create(Layout::Plain).unwrap());
    fs::rename(&half_made, dir.path().join(".new-00000000000000dd")).unwrap();
    let swept = storage.sweep(soon()).unwrap();
    assert!(swept.left.is_empty(), "{swept:?}");
    assert_eq!(names(dir.path()), [""; 0]);
}

#[test]
fn names_that_only_look_like_ours_are_never_touched() {
    let (dir, storage) = storage();
    let victim = tempfile::tempdir().unwrap();
    fs::write(victim.path().join("lock"), "").unwrap();
    for name in ["task-", "task-0123456789abcde", "task-0123456789abcdef0", "task-0123456789ABCDEF", "tasks", "data", ".dead-x"] {
        fs::create_dir(dir.path().join(name)).unwrap();
        fs::write(dir.path().join(name).join("lock"), "").unwrap();
    }
    // With our name, but a link, a file, a directory without a lock, one whose lock is a link.
    symlink(victim.path(), dir.path().join("task-0000000000000001")).unwrap();
    fs::write(dir.path().join("task-0000000000000002"), "").unwrap();
    fs::create_dir(dir.path().join("task-0000000000000003")).unwrap();
    fs::create_dir(dir.path().join("task-0000000000000004")).unwrap();
    symlink(victim.path().join("lock"), dir.path().join("task-0000000000000004/lock")).unwrap();
    let before = names(dir.path());
    let swept = storage.sweep(soon()).unwrap();
    assert_eq!((swept.removed.len(), swept.left.len()), (0, 0), "{swept:?}");
    assert_eq!(names(dir.path()), before);
    assert_eq!(names(victim.path()), ["lock"]);
}

#[test]
fn what_the_deadline_leaves_is_out_of_use_and_taken_up_by_the_next_sweep() {
    let (dir, storage) = storage();
    let root = storage.create(Layout::Plain).unwrap();
    let id = root.id().clone();
    let error = root.remove(within(Duration::ZERO)).unwrap_err();
    assert!(matches!(&error, StorageError::Left { left, .. } if left.out_of_time), "{error}");
    assert_eq!(names(dir.path()), [format!(".dead-{id}")]);
    assert_eq!(storage.sweep(soon()).unwrap().removed.len(), 1);
    assert_eq!(names(dir.path()), [""; 0]);
}

/// Makers, users and sweepers at once: nobody ever loses a directory whose lock is held, and nothing is left in the end.
#[test]
fn making_and_sweeping_at_once_never_takes_a_living_directory() {
    let (dir, storage) = storage();
    thread::scope(|scope| {
        let makers: Vec<_> = (0..3)
            .map(|maker| {
                let storage = storage.clone();
                scope.spawn(move || {
                    for round in 0..200 {
                        let root = storage.create(Layout::Plain).unwrap();
                        let mark = root.data().join("mark");
                        fs::write(&mark, "x").unwrap();
                        assert!(root.path().is_dir() && root.exec().is_dir());
                        if round % 2 == maker % 2 {
                            assert!(mark.exists());
                            root.remove(soon()).unwrap();
                        } else {
                            abandon(root);
                        }
                    }
                })
            })
            .collect();
        let sweeper = || {
            while !makers.iter().all(thread::ScopedJoinHandle::is_finished) {
                let swept = storage.sweep(soon()).unwrap();
                assert!(swept.left.is_empty(), "{swept:?}");
            }
        };
        thread::scope(|inner| {
            inner.spawn(sweeper);
            inner.spawn(sweeper);
        });
    });
    storage.sweep(soon()).unwrap();
    assert_eq!(names(dir.path()), [""; 0]);
}

/// Runs `test` on a thread with a mount namespace of its own, which dies with it.
#[expect(clippy::print_stdout, reason = "a test that cannot run here says so")]
fn in_own_mounts(test: impl FnOnce(&Path) + Send + 'static) {
    use nix::{
        mount::{MsFlags, mount},
        sched::{CloneFlags, unshare},
    };
    let thread = thread::spawn(|| {
        if unshare(CloneFlags::CLONE_NEWNS).is_err() {
            println!("skipped: needs CAP_SYS_ADMIN for a mount namespace");
            return;
        }
        mount(None::<&str>, "/", None::<&str>, MsFlags::MS_PRIVATE | MsFlags::MS_REC, None::<&str>).unwrap();
        test(Path::new("/proc/thread-self/mountinfo"));
    });
    thread.join().unwrap();
}

fn bind(from: &Path, to: &Path) {
    use nix::mount::{MsFlags, mount};
    fs::create_dir_all(to).unwrap();
    mount(Some(from), to, None::<&str>, MsFlags::MS_BIND, None::<&str>).unwrap();
}

/// Measured with a plain `rm -rf`: it says EBUSY at the mount, and everything else is gone by then, also what is mounted.
#[test]
fn a_mount_inside_is_unmounted_and_its_source_stays_whole() {
    in_own_mounts(|mountinfo| {
        let (dir, precious) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(precious.path().join("file"), "x").unwrap();
        let storage = StorageRoot::open(dir.path(), mountinfo).unwrap();
        let root = storage.create(Layout::Plain).unwrap();
        bind(&root.data(), &root.data());
        bind(precious.path(), &root.data().join("volumes/a"));
        bind(precious.path(), &root.data().join("volumes/a"));
        root.remove(soon()).unwrap();
        assert_eq!(names(dir.path()), [""; 0]);
        assert_eq!(names(precious.path()), ["file"]);

        let dead = abandon(storage.create(Layout::Plain).unwrap());
        bind(precious.path(), &dead.join("exec/b"));
        assert_eq!(storage.sweep(soon()).unwrap().removed.len(), 1);
        assert_eq!(names(precious.path()), ["file"]);
    });
}

/// The mount table is read before the deletion; what is mounted after that is the kernel's to keep from us.
#[test]
fn a_mount_that_comes_too_late_to_be_seen_is_not_crossed() {
    in_own_mounts(|_| {
        let (dir, precious) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(precious.path().join("file"), "x").unwrap();
        let blind = tempfile::NamedTempFile::new().unwrap();
        let storage = StorageRoot::open(dir.path(), blind.path()).unwrap();
        let root = storage.create(Layout::Plain).unwrap();
        bind(precious.path(), &root.data().join("a"));
        let error = root.remove(soon()).unwrap_err().to_string();
        assert!(error.contains("1 entries could not be deleted, the first: a: Device or resource busy"), "{error}");
        assert_eq!(names(precious.path()), ["file"]);
    });
}
