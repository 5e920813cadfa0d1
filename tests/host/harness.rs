//! The heavy half of the harness: file systems, and an engine in a box.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;
use runner_tests::boxed::Boxed;
use runner_tests::clock;
use runner_tests::need::{Need, need};
use runner_tests::process::Ending;
use runner_tests::rootfs::Rootfs;
use runner_tests::xfs::{Ftype, Xfs};

const SOON: Duration = Duration::from_secs(60);

fn mounted(path: &Path) -> Option<String> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    mounts.lines().find(|line| line.split(' ').nth(1) == path.to_str()).map(str::to_owned)
}

#[test]
fn an_xfs_is_mounted_with_the_ftype_asked_for_and_goes_on_drop() {
    let _alone = crate::alone();
    if !need(&[Need::Xfs]) {
        return;
    }
    let xfs = Xfs::make(1, Ftype::With).unwrap();
    let path = xfs.path().to_path_buf();
    let mount = mounted(&path).unwrap();
    assert!(mount.contains(" xfs "), "{mount}");
    let info = Command::new("xfs_info").arg(&path).output().unwrap();
    assert!(String::from_utf8_lossy(&info.stdout).contains("ftype=1"));
    let device = mount.split(' ').next().unwrap().to_owned();
    drop(xfs);
    assert_eq!(mounted(&path), None);
    let backing = format!("/sys/block/{}/loop/backing_file", device.trim_start_matches("/dev/"));
    let name = path.parent().unwrap().to_str().unwrap().to_owned();
    let free = || !std::fs::read_to_string(&backing).is_ok_and(|file| file.contains(&name));
    assert!(clock::holds_within(SOON, free), "{device} still holds the image");
}

#[test]
fn an_xfs_without_ftype_can_be_had_or_the_reason_is_told() {
    let _alone = crate::alone();
    if !need(&[Need::Xfs]) {
        return;
    }
    match Xfs::make(1, Ftype::Without) {
        Ok(xfs) => {
            let info = Command::new("xfs_info").arg(xfs.path()).output().unwrap();
            assert!(String::from_utf8_lossy(&info.stdout).contains("ftype=0"));
        }
        Err(reason) => assert!(reason.contains("mkfs.xfs") || reason.contains("mount"), "{reason}"),
    }
}

#[test]
fn a_real_dockerd_in_a_box_answers_and_runs_a_container_on_xfs() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let xfs = Xfs::make(4, Ftype::With).unwrap();
    let rootfs = Rootfs::Docker.path();
    let command = ["/usr/sbin/dockerd", "--data-root=/var/docker-storage/root", "--host=unix:///run/docker.sock", "--group=root"];
    let mut engine = Boxed::new(&rootfs).bind(xfs.path(), Path::new("/var/docker-storage")).spawn("dockerd", &command);
    engine.wait_for_line("API listen on", SOON);
    let (_, info) = engine.sh("docker info --format '{{.ServerVersion}} {{.Driver}} v{{.CgroupVersion}}'", SOON);
    assert!(info.starts_with("26.1") && info.trim().ends_with("overlay2 v2"), "{info}\n{}", engine.transcript());
    let mut socket = UnixStream::connect(engine.path("/run/docker.sock")).unwrap();
    socket.write_all(b"GET /_ping HTTP/1.0\r\n\r\n").unwrap();
    let mut pong = String::new();
    socket.read_to_string(&mut pong).unwrap();
    assert!(pong.starts_with("HTTP/1.0 200") && pong.ends_with("OK"), "{pong}");
    let image = "mkdir /tmp/image && cp /bin/busybox /tmp/image/busybox && tar -C /tmp/image -c . | docker import - tiny:1";
    let (ending, output) = engine.sh(&format!("{image} && docker run --rm tiny:1 /busybox echo from a container"), SOON);
    assert_eq!(ending, Ending::Code(0), "{output}\n{}", engine.transcript());
    assert!(output.ends_with("from a container\n"), "{output}");
    engine.signal(Signal::SIGTERM);
    assert_eq!(engine.wait(SOON), Ending::Code(0));
    assert!(xfs.path().join("root/overlay2").is_dir());
    assert!(!rootfs.join("run/docker.sock").exists());
}
