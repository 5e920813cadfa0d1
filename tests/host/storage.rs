//! Where docker's data lies: a file system of each task's own, whatever overlay works on, and what dead tasks left there.

use std::{
    fs::{self, File},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use nix::{
    mount::{MntFlags, umount2},
    sys::signal::Signal,
};
use runner_tests::{
    bed::{Launch, Subject},
    boxed::Boxed,
    clock,
    need::{Need, need},
    pair::{Pair, STORAGE, Witness},
    process::Ending,
    programs::Program,
    rootfs::Rootfs,
    scratch::Scratch,
};

const SOON: Duration = Duration::from_secs(60);

/// Where a volume of another kind is mounted in the sidecar.
const VOLUME: &str = "/mnt/volume";

/// An image of busybox in the daemon of this box.
const IMAGE: &str = "mkdir -p /tmp/i/bin && cp /usr/bin/busybox /tmp/i/bin/busybox && ln -sf busybox /tmp/i/bin/sh && tar -C /tmp/i -c . | docker import - tiny:1";

/// `/dev` as a container engine makes it: a few nodes and no loop device.
const BARE_DEV: &str = "mount -t tmpfs none /dev; mkdir /dev/pts /dev/shm; \
    for node in 'null 1 3' 'zero 1 5' 'full 1 7' 'random 1 8' 'urandom 1 9' 'tty 5 0'; do set -- $node; mknod -m 666 /dev/$1 c $2 $3; done; \
    mount -t devpts -o newinstance,ptmxmode=666 none /dev/pts; ln -s pts/ptmx /dev/ptmx; ln -s /proc/self/fd /dev/fd";

fn ready(launch: Launch<'_>) -> Subject {
    let dind = launch.start();
    dind.wait_for_line("\"ready\"", SOON);
    dind
}

/// The sidecar with this directory of the machine as its volume.
fn on<'a>(pair: &'a Pair, directory: &Path, mode: &str) -> Launch<'a> {
    let launch = pair.dind().env("DOCKER_STORAGE_ROOT", VOLUME).env("DOCKER_STORAGE_MODE", mode);
    launch.as_pid_1(pair.sidecar().bind(directory, Path::new(VOLUME)))
}

fn sh(dind: &Subject, script: &str) -> String {
    let (ending, output) = dind.boxed().sh(script, SOON);
    assert_eq!(ending, Ending::Code(0), "{output}");
    output
}

fn stop(dind: &mut Subject) {
    dind.signal(Signal::SIGTERM);
    assert_eq!(dind.wait(SOON), Ending::Code(0));
}

fn names(directory: &Path) -> Vec<String> {
    fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

/// Loop devices of this machine whose file is a task's.
fn loops() -> Vec<String> {
    let devices = fs::read_dir("/sys/block").unwrap().flatten();
    let files = devices.filter_map(|device| fs::read_to_string(device.path().join("loop/backing_file")).ok());
    files.filter(|file| file.contains("/task-") || file.contains("/.dead-")).collect()
}

/// ext4 on a loop file, mounted; unmounted and gone on drop.
struct Ext4 {
    point: PathBuf,
    _dir: Scratch,
}

impl Ext4 {
    fn make(gigabytes: u64) -> Self {
        let dir = Scratch::new();
        let (image, point) = (dir.path().join("image"), dir.path().join("mnt"));
        File::create(&image).and_then(|file| file.set_len(gigabytes << 30)).unwrap();
        fs::create_dir(&point).unwrap();
        assert!(Command::new("mkfs.ext4").arg("-q").arg(&image).status().unwrap().success());
        assert!(Command::new("mount").args(["-o", "loop"]).arg(&image).arg(&point).status().unwrap().success());
        Self { point, _dir: dir }
    }
}

impl Drop for Ext4 {
    fn drop(&mut self) {
        let _ = umount2(&self.point, MntFlags::MNT_DETACH);
    }
}

#[test]
fn a_task_on_a_file_system_of_its_own_is_held_to_its_size_told_of_it_and_leaves_nothing() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let pair = Pair::new();
    let volume = Ext4::make(4);
    let boxed = pair.sidecar().bind(&volume.point, Path::new(VOLUME));
    // The nodes of loop devices are not there and are made.
    let script = format!("cp \"$0\" /tmp/dind; {BARE_DEV}; exec /tmp/dind");
    let program = Program::Dind.path();
    let boxed = boxed.env("DOCKER_STORAGE_ROOT", VOLUME).env("DOCKER_STORAGE_MODE", "loop").env("DOCKER_STORAGE_QUOTA", "600M");
    let mut dind = boxed.spawn("dind", &["sh", "-ec", &script, program.to_str().unwrap()]);
    dind.wait_for_line("\"ready\"", SOON);
    let sh = |script: &str| dind.sh(script, SOON);
    let task = names(&volume.point).into_iter().find(|name| name.starts_with("task-")).unwrap();
    assert_eq!(loops().len(), 1, "{:?}", loops());
    assert!(fs::metadata(volume.point.join(&task).join("image")).unwrap().len() == 600 << 20);
    let (_, seen) = sh("docker info --format '{{.Driver}} {{.DriverStatus}} {{.DockerRootDir}}'");
    assert!(seen.starts_with("overlay2 [[Backing Filesystem xfs]") && seen.contains("/disk/data"), "{seen}");
    let (ending, said) = sh(&format!("{IMAGE} && docker run --name filler tiny:1 busybox dd if=/dev/zero of=/fill bs=1M"));
    assert!(matches!(ending, Ending::Code(1)) && said.contains("No space left on device"), "{ending:?} {said}");
    dind.wait_for_line("MiB left\\nhint: builds and pulls will fail with ENOSPC", SOON);
    assert_eq!(sh("docker rm filler && docker run --rm tiny:1 busybox true").0, Ending::Code(0));
    dind.wait_for_line("has enough room again", SOON);
    dind.signal(Signal::SIGTERM);
    assert_eq!(dind.wait(SOON), Ending::Code(0), "{}", dind.stdout());
    assert_eq!((names(&volume.point), loops()), (vec!["lost+found".to_owned()], vec![]));
}

#[test]
fn a_killed_task_leaves_an_image_on_any_file_system_and_the_next_start_removes_it() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let pair = Pair::new();
    // A file system in memory, as good as any here: it holds sparse files, and nothing else is asked of it.
    let volume = pair.bed().directory("volume");
    let mut first = ready(on(&pair, &volume, "loop"));
    sh(&first, &format!("{IMAGE} && docker run -d tiny:1 busybox sleep 600"));
    first.signal(Signal::SIGKILL);
    first.wait(SOON);
    drop(first);
    assert_eq!(names(&volume).len(), 1);
    pair.bed().wait_for("the loop device to go with its mount", SOON, || loops().is_empty());
    let mut second = ready(on(&pair, &volume, "loop"));
    second.wait_for_line("removed what dead tasks left", SOON);
    let mut witness = Witness::of(&second);
    stop(&mut second);
    assert_eq!([names(&volume), loops(), witness.left_behind(VOLUME)].concat(), [""; 0]);
}

#[test]
fn a_file_system_of_its_own_works_in_a_container_without_any_volume() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let pair = Pair::new();
    let boxed =
        pair.sidecar().env("DOCKER_STORAGE_ROOT", "/var/inside").env("DOCKER_STORAGE_MODE", "loop").env("DOCKER_STORAGE_QUOTA", "2G");
    let script = "mkdir /var/inside; \"$0\"; echo ended with $?; ls -A /var/inside; echo that is all";
    let mut shell = boxed.spawn("dind", &["sh", "-ec", script, Program::Dind.path().to_str().unwrap()]);
    shell.wait_for_line("\"ready\"", SOON);
    assert_eq!(shell.sh(&format!("{IMAGE} && docker run --rm tiny:1 busybox true"), SOON).0, Ending::Code(0));
    assert_eq!(shell.sh("pkill -TERM -x dind-under-test", SOON).0, Ending::Code(0));
    assert_eq!(shell.wait(SOON), Ending::Code(0));
    assert!(shell.stdout().ends_with("ended with 0\nthat is all\n"), "{}", shell.stdout());
    assert_eq!(loops(), [""; 0]);
}

#[test]
fn any_file_system_that_overlay_works_on_will_do_if_that_is_said() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let pair = Pair::new();
    let volume = Ext4::make(4);
    let mut dind = ready(on(&pair, &volume.point, "any"));
    assert_eq!(sh(&dind, "docker info --format '{{.Driver}}'").trim(), "overlay2");
    assert_eq!(sh(&dind, &format!("{IMAGE} >/dev/null && docker run --rm tiny:1 busybox echo from ext4")).trim(), "from ext4");
    let mut witness = Witness::of(&dind);
    stop(&mut dind);
    assert_eq!([names(&volume.point), witness.left_behind(VOLUME)].concat(), ["lost+found"]);
}

/// What a start says and how it ends.
fn refused(boxed: &Boxed, before: &str) -> String {
    let task = tempfile::tempdir().unwrap();
    let boxed = boxed.clone().bind(task.path(), Path::new("/run/task")).env("LOG_FORMAT", "human").env("NO_COLOR", "1");
    let script = format!("{before}; exec \"$0\"");
    let mut dind = boxed.spawn("dind", &["sh", "-ec", &script, Program::Dind.path().to_str().unwrap()]);
    assert_eq!(dind.wait(SOON), Ending::Code(71), "{}", dind.stdout());
    dind.stdout()
}

#[test]
fn what_cannot_hold_a_tasks_data_is_refused_with_what_to_do() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let boxed = Boxed::new(&Rootfs::Docker.path());
    let said = refused(&boxed.clone().env("DOCKER_STORAGE_MODE", "any"), "mkdir -p /var/docker-storage");
    assert!(said.contains("is on the container's own file system, which is an overlay: the kernel allows none upon it"), "{said}");
    assert!(said.contains("hint: mount a volume with XFS or ext4 there, or set DOCKER_STORAGE_MODE=loop"), "{said}");

    let without = "mkdir -p /var/docker-storage; rm /usr/sbin/mkfs.xfs";
    let said = refused(&boxed.clone().env("DOCKER_STORAGE_MODE", "loop"), without);
    assert!(said.contains("mkfs.xfs is not there") && said.contains("install xfsprogs in the image"), "{said}");

    // The kernel of this machine may know project quotas or not; this volume is mounted without.
    let pair = Pair::new();
    let quota = boxed.bind(pair.storage(), Path::new(STORAGE)).env("DOCKER_STORAGE_QUOTA", "2G");
    let said = refused(&quota, "true");
    assert!(said.contains("DOCKER_STORAGE_QUOTA is set, but /var/docker-storage ") && said.contains("pquota"), "{said}");
    assert_eq!(pair.left_behind(), [""; 0]);
}

/// A life that was killed beside one that goes on in the same namespaces, as with `docker restart` of what is no container of its own:
/// its daemons, shims and containers live, its mounts are there, and a job has planted what leads out of its directory.
#[test]
fn what_a_killed_life_left_running_and_mounted_in_the_same_namespaces_is_ended_and_nothing_else_is() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let pair = Pair::new();
    let precious = pair.bed().directory("precious");
    fs::write(precious.join("file"), "x").unwrap();
    let script = "sleep 603 & \"$0\" & echo $! > /run/task/first; wait $! || true; touch /run/task/dead; until [ -e /run/task/go ]; do sleep 0.02; done; \"$0\"; echo ended with $?";
    let boxed = pair.sidecar().bind(&precious, Path::new("/precious"));
    let mut shell = boxed.spawn("dind", &["sh", "-ec", script, Program::Dind.path().to_str().unwrap()]);
    shell.wait_for_line("\"ready\"", SOON);
    let run = |script: &str| {
        let (ending, output) = shell.sh(script, SOON);
        assert_eq!(ending, Ending::Code(0), "{script}\n{output}\n{}", shell.stdout());
        output
    };
    run(&format!("{IMAGE} && docker run -d tiny:1 busybox sleep 601 && docker run -d --network none tiny:1 busybox sleep 602"));
    run("cd /var/docker-storage/task-*/data; ln -s /precious out; mkdir -p volumes/x; mount --bind /precious volumes/x; \
         mount --bind /precious volumes/x; ln -s ../../../precious/file up; ln /run/task/first ../exec/hard 2>/dev/null || true");
    run("kill -KILL $(cat /run/task/first); until [ -e /run/task/dead ]; do sleep 0.02; done");
    // As seen by hand: all of it lives on.
    run("pgrep -x dockerd; pgrep -x containerd; [ $(pgrep -x containerd-shim | wc -l) -ge 2 ]; pgrep -f 'slee[p] 601'");
    let dead = names(pair.storage()).into_iter().next().unwrap();
    run("touch /run/task/go");
    shell.wait_for_line("killed what still ran for dead tasks", SOON);
    shell.wait_for_line("removed what dead tasks left", SOON);
    assert_eq!(
        run("pgrep -x dockerd | wc -l; pgrep -x containerd | wc -l; pgrep -x containerd-shim | wc -l")
            .split_whitespace()
            .collect::<Vec<_>>(),
        ["1", "1", "0"]
    );
    run("! pgrep -f 'slee[p] 601' && ! pgrep -f 'slee[p] 602' && pgrep -f 'slee[p] 603'");
    let id = dead.trim_start_matches("task-");
    assert_eq!(run(&format!("grep -c {id} /proc/self/mountinfo || true")).trim(), "0");
    assert_eq!(names(pair.storage()).iter().filter(|name| name.contains(id)).count(), 0);
    assert_eq!(names(&precious), ["file"]);
    // The daemon that lives works, with an address of its own.
    run(&format!("{IMAGE} && docker run --rm tiny:1 busybox true"));
    run("pkill -TERM -x dind-under-test");
    assert_eq!(shell.wait(SOON), Ending::Code(0), "{}", shell.stdout());
    assert!(shell.stdout().ends_with("ended with 0\n"), "{}", shell.stdout());
    assert_eq!(pair.left_behind(), [""; 0]);
}

#[test]
fn a_task_that_leaves_its_deletion_to_others_ends_at_once_and_the_next_start_deletes() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let pair = Pair::new();
    let mut first = ready(pair.dind().env("DOCKER_STORAGE_CLEANUP", "later"));
    stop(&mut first);
    let left = names(pair.storage());
    assert!(left.len() == 1 && left[0].starts_with(".dead-"), "{left:?}");
    drop(first);
    let mut second = ready(pair.dind());
    second.wait_for_line("removed what dead tasks left", SOON);
    stop(&mut second);
    assert_eq!(pair.left_behind(), [""; 0]);
}

/// A sidecar in mode loop whose mkfs.xfs runs `script` first; `/opt/mkfs.xfs` is the real one.
fn formatting<'a>(pair: &'a Pair, volume: &Path, script: &str) -> Launch<'a> {
    let gate = pair.bed().path("mkfs");
    fs::write(&gate, format!("#!/bin/sh\n{script}\nexec /opt/mkfs.xfs \"$@\"\n")).unwrap();
    fs::set_permissions(&gate, fs::Permissions::from_mode(0o755)).unwrap();
    let real = Rootfs::Docker.path().join("usr/sbin/mkfs.xfs");
    let boxed = pair.sidecar().bind(volume, Path::new(VOLUME)).bind_read_only(&real, Path::new("/opt/mkfs.xfs"));
    on(pair, volume, "loop").as_pid_1(boxed.bind_read_only(&gate, Path::new("/usr/sbin/mkfs.xfs")))
}

#[test]
fn while_its_file_system_is_made_a_task_can_be_stopped_and_killed_and_nothing_stays() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let pair = Pair::new();
    let volume = pair.bed().directory("volume");
    let wait = "echo the gate is closed; until [ -e /run/task/go ]; do sleep 0.02; done";

    let mut stopped = formatting(&pair, &volume, wait).start();
    stopped.wait_for_line("the gate is closed", SOON);
    assert_eq!(names(&volume).len(), 1);
    stop(&mut stopped);
    assert_eq!([names(&volume), loops()].concat(), [""; 0]);

    let mut killed = formatting(&pair, &volume, wait).start();
    killed.wait_for_line("the gate is closed", SOON);
    killed.signal(Signal::SIGKILL);
    killed.wait(SOON);
    assert_eq!(names(&volume).len(), 1);

    // The next one, killed as soon as its file system is mounted: the daemons have just been started.
    fs::write(pair.bed().path("task/go"), "").unwrap();
    let mut mounted = formatting(&pair, &volume, "").start();
    mounted.wait_for_line("this task's own file system is mounted", SOON);
    mounted.signal(Signal::SIGKILL);
    mounted.wait(SOON);
    drop(mounted);

    let mut last = ready(on(&pair, &volume, "loop"));
    last.wait_for_line("removed what dead tasks left", SOON);
    stop(&mut last);
    assert_eq!([names(&volume), loops()].concat(), [""; 0]);
}

#[test]
fn a_file_system_that_cannot_be_made_is_told_in_its_makers_words_and_nothing_stays() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let pair = Pair::new();
    let volume = pair.bed().directory("volume");
    let mut failed = formatting(&pair, &volume, "echo mkfs.xfs: no room for a log >&2; exit 1").start();
    assert_eq!(failed.wait(SOON), Ending::Code(71));
    let said = failed.stdout();
    assert!(
        said.contains(
            "this task's file system could not be made: mkfs.xfs ended with exit code 1\\nits last complaint: mkfs.xfs: no room for a log"
        ),
        "{said}"
    );
    // What is no XFS is not mounted, and the kernel's log is where it says why.
    let mut unmountable = formatting(&pair, &volume, "exit 0").start();
    assert_eq!(unmountable.wait(SOON), Ending::Code(71));
    let said = unmountable.stdout();
    assert!(said.contains("as XFS on /mnt/volume/task-") && said.contains("\\nhint: the host's kernel needs XFS"), "{said}");
    assert_eq!([names(&volume), loops()].concat(), [""; 0]);
}

/// A task that was killed leaves its data until the next one starts; on a host where none does, for ever. Here the host sweeps, from
/// its own mounts and its own pids, while a neighbour lives.
#[test]
fn the_host_sweeps_a_killed_task_beside_a_living_one() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let pair = Pair::new();
    let mut killed = ready(pair.dind());
    let of_the_killed = names(pair.storage());
    let other = pair.bed().directory("other-task");
    let beside = pair.dind().as_pid_1(pair.sidecar().without(runner_tests::pair::TASK).bind(&other, Path::new(runner_tests::pair::TASK)));
    let mut neighbour = ready(beside);
    killed.signal(Signal::SIGKILL);
    killed.wait(SOON);
    let left: Vec<String> = names(pair.storage()).into_iter().filter(|name| of_the_killed.contains(name)).collect();
    assert_eq!(left, of_the_killed, "nobody has swept yet");

    let sweep = || Command::new(Program::Dind.path()).args(["sweep", "--docker-storage-root"]).arg(pair.storage()).output().unwrap();
    // One that was just killed can hold its lock for a moment more, as the kernel closes its files.
    let said = clock::poll(SOON, || {
        let swept = sweep();
        assert_eq!(swept.status.code(), Some(0), "{swept:?}");
        let said = String::from_utf8_lossy(&swept.stdout).into_owned();
        said.contains("swept what dead tasks left").then_some(said)
    });
    assert!(said.as_ref().is_some_and(|said| said.contains(&of_the_killed[0])), "{said:?}");
    let now = names(pair.storage());
    assert!(now.len() == 1 && now != of_the_killed, "{now:?}");
    assert!(sh(&neighbour, IMAGE).contains("sha256:"), "the neighbour's docker is as it was");
    assert!(String::from_utf8_lossy(&sweep().stdout).contains("dead tasks left nothing"));
    stop(&mut neighbour);
    assert_eq!(names(pair.storage()), [""; 0]);
}
