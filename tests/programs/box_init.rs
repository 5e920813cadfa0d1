//! PID 1 of a box before it becomes the program under test: cgroup, mounts, pivot, exec.
//!
//! Started by the harness inside fresh namespaces (`harness/boxed.rs`):
//! `unshare --mount --pid --fork --kill-child --ipc --uts [--net] --propagation private box-init --root DIR --scratch DIR
//! --cgroup DIR [--env-file FILE] [--hostname NAME] [--loopback] [--net-of PID] [--bind SRC:DST[:ro]]... [--tmpfs DST]...
//! [--user NAME:UID:GID]... -- CMD...`. Everything it mounts vanishes with its mount namespace.
#![expect(clippy::print_stderr, reason = "a box that can not be made must say why")]

use std::error::Error;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::{Gid, Uid, chdir, chown, pivot_root};

/// How it ends when the box can not be made.
const CANNOT: u8 = 125;

#[derive(Debug, Default)]
struct Options {
    root: PathBuf,
    scratch: PathBuf,
    cgroup: PathBuf,
    env_file: Option<PathBuf>,
    hostname: Option<String>,
    loopback: bool,
    net_of: Option<u32>,
    binds: Vec<String>,
    tmpfs: Vec<String>,
    users: Vec<String>,
    command: Vec<std::ffi::OsString>,
}

fn options() -> Result<Options, lexopt::Error> {
    use lexopt::prelude::*;
    let mut found = Options::default();
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("root") => found.root = parser.value()?.into(),
            Long("scratch") => found.scratch = parser.value()?.into(),
            Long("cgroup") => found.cgroup = parser.value()?.into(),
            Long("env-file") => found.env_file = Some(parser.value()?.into()),
            Long("hostname") => found.hostname = Some(parser.value()?.string()?),
            Long("loopback") => found.loopback = true,
            Long("net-of") => found.net_of = Some(parser.value()?.parse()?),
            Long("bind") => found.binds.push(parser.value()?.string()?),
            Long("user") => found.users.push(parser.value()?.string()?),
            Long("tmpfs") => found.tmpfs.push(parser.value()?.string()?),
            Value(program) => {
                found.command.push(program);
                found.command.extend(parser.raw_args()?);
            }
            other => return Err(other.unexpected()),
        }
    }
    if found.command.is_empty() {
        return Err("no command".into());
    }
    Ok(found)
}

fn main() -> ExitCode {
    let done = options().map_err(Into::into).and_then(|options| enter(&options));
    if let Err(error) = done {
        eprintln!("box-init: {error}");
    }
    ExitCode::from(CANNOT)
}

/// Returns only when something failed.
fn enter(options: &Options) -> Result<(), Box<dyn Error>> {
    // First, while this machine's /proc and /sys are still what they were.
    say("join the cgroup", fs::write(options.cgroup.join("cgroup.procs"), "0"))?;
    say("leave the cgroup namespace", unshare(CloneFlags::CLONE_NEWCGROUP))?;
    if let Some(pid) = options.net_of {
        let namespace = say("open the network", File::open(format!("/proc/{pid}/ns/net")))?;
        say("join the network", setns(namespace, CloneFlags::CLONE_NEWNET))?;
    }
    if options.loopback {
        let up = say("run ip", Command::new("ip").args(["link", "set", "lo", "up"]).status())?;
        if !up.success() {
            return Err("ip link set lo up failed".into());
        }
    }
    if let Some(name) = &options.hostname {
        say("set the host name", fs::write("/proc/sys/kernel/hostname", name))?;
    }
    let environment = options.env_file.as_deref().map_or(Ok(String::new()), fs::read_to_string)?;

    let root = layer(options)?;
    kernel_mounts(&root)?;
    for target in &options.tmpfs {
        let target = inside(&root, target);
        fs::create_dir_all(&target)?;
        fresh(&target, "tmpfs", None)?;
    }
    for bind in &options.binds {
        bind_mount(&root, bind).map_err(|error| format!("bind {bind}: {error}"))?;
    }
    name_the_loopback(&root, options.hostname.as_deref())?;
    for user in &options.users {
        add_user(&root, user).map_err(|error| format!("add user {user}: {error}"))?;
    }
    let old = root.join("run/old");
    fs::create_dir_all(&old)?;
    say("change to the root", chdir(&root))?;
    say("pivot", pivot_root(&root, &old))?;
    say("change to the new root", chdir("/"))?;
    say("let the old root go", umount2("/run/old", MntFlags::MNT_DETACH))?;
    fs::remove_dir("/run/old")?;
    // dockerd wants what it mounts to be seen by its containers.
    say("share the mounts", mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_SHARED, None::<&str>))?;

    let variables = environment.split('\0').filter_map(|entry| entry.split_once('='));
    let error = Command::new(&options.command[0]).args(&options.command[1..]).env_clear().envs(variables).exec();
    Err(format!("run {}: {error}", options.command[0].display()).into())
}

fn say<T, E: std::fmt::Display>(what: &str, done: Result<T, E>) -> Result<T, String> {
    done.map_err(|error| format!("{what}: {error}"))
}

fn inside(root: &Path, path: &str) -> PathBuf {
    root.join(path.trim_start_matches('/'))
}

/// The root file system below, memory above it: runs do not dirty each other.
fn layer(options: &Options) -> Result<PathBuf, Box<dyn Error>> {
    let scratch = &options.scratch;
    fresh(scratch, "tmpfs", None)?;
    let [upper, work, merged] = ["upper", "work", "merged"].map(|name| scratch.join(name));
    for directory in [&upper, &work, &merged] {
        fs::create_dir_all(directory)?;
    }
    let data = format!("lowerdir={},upperdir={},workdir={}", options.root.display(), upper.display(), work.display());
    say("mount the overlay", mount(Some("overlay"), &merged, Some("overlay"), MsFlags::empty(), Some(data.as_str())))?;
    Ok(merged)
}

fn fresh(target: &Path, kind: &str, data: Option<&str>) -> Result<(), Box<dyn Error>> {
    say(&format!("mount {kind} on {}", target.display()), mount(Some(kind), target, Some(kind), MsFlags::empty(), data))?;
    Ok(())
}

fn kernel_mounts(root: &Path) -> Result<(), Box<dyn Error>> {
    for directory in ["proc", "sys", "dev", "run", "tmp"] {
        fs::create_dir_all(root.join(directory))?;
    }
    fresh(&root.join("proc"), "proc", None)?;
    fresh(&root.join("sys"), "sysfs", None)?;
    fresh(&root.join("sys/fs/cgroup"), "cgroup2", None)?;
    let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
    say("bind /dev", mount(Some("/dev"), &root.join("dev"), None::<&str>, flags, None::<&str>))?;
    fresh(&root.join("run"), "tmpfs", Some("mode=755"))?;
    fresh(&root.join("tmp"), "tmpfs", Some("mode=1777"))
}

fn bind_mount(root: &Path, bind: &str) -> Result<(), Box<dyn Error>> {
    let mut parts = bind.split(':');
    let (Some(from), Some(to), option) = (parts.next(), parts.next(), parts.next()) else {
        return Err("wanted: source:target[:ro]".into());
    };
    let target = inside(root, to);
    if fs::metadata(from)?.is_dir() {
        fs::create_dir_all(&target)?;
    } else if !target.exists() {
        fs::create_dir_all(target.parent().unwrap_or(root))?;
        fs::write(&target, "")?;
    }
    mount(Some(from), &target, None::<&str>, MsFlags::MS_BIND | MsFlags::MS_REC, None::<&str>)?;
    if option == Some("ro") {
        let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
        mount(None::<&str>, &target, None::<&str>, flags, None::<&str>)?;
    }
    Ok(())
}

/// `/etc/hosts`, which every container engine writes and a bare root file system lacks.
fn name_the_loopback(root: &Path, hostname: Option<&str>) -> std::io::Result<()> {
    let hosts = root.join("etc/hosts");
    if hosts.exists() {
        return Ok(());
    }
    fs::create_dir_all(root.join("etc"))?;
    fs::write(hosts, format!("127.0.0.1 localhost {}\n", hostname.unwrap_or_default()))
}

/// Adds a user and a group of the same name to the files of the box, and makes the home directory.
fn add_user(root: &Path, user: &str) -> Result<(), Box<dyn Error>> {
    let parts: Vec<&str> = user.split(':').collect();
    let [name, uid, gid] = parts.as_slice() else { return Err("wanted: name:uid:gid".into()) };
    for (file, line) in
        [("etc/passwd", format!("{name}:x:{uid}:{gid}::/home/{name}:/bin/sh\n")), ("etc/group", format!("{name}:x:{gid}:\n"))]
    {
        let path = root.join(file);
        let known = fs::read_to_string(&path).unwrap_or_default();
        if !known.lines().any(|line| line.split(':').next() == Some(name)) {
            fs::write(&path, known + &line)?;
        }
    }
    let home = root.join("home").join(name);
    fs::create_dir_all(&home)?;
    Ok(chown(&home, Some(Uid::from_raw(uid.parse()?)), Some(Gid::from_raw(gid.parse()?)))?)
}
