//! The program `slow-mount`: serves one mount until its standard input ends, and tells its counts when it gets a line.

use std::{
    collections::HashSet,
    ffi::OsString,
    io::{BufRead, Write},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use fuser::{Config, MountOption, Session, SessionACL};
use nix::{
    mount::{MntFlags, umount2},
    sys::{resource, stat},
};

use super::{
    fault::{Fault, Faults},
    handles::Handles,
    line::Line,
    profile::Profile,
    slow_tree::SlowTree,
    tree::Tree,
};

/// What `--help` says.
pub(super) const HELP: &str = "\
Shows a directory as a far-away file server would: FUSE with a latency for each request, any number of them at once.

usage: slow-mount [OPTIONS] DIRECTORY MOUNTPOINT

options, the values are those of profile `efs`:
  --profile NAME      efs, efs-slow (1 ms, 5 ms, 100 MiB/s) or instant (no latency); the others change it
  --read-us N         one answer that changes nothing [600]
  --change-us N       one change, on stable storage [2700]
  --mib-s N           data each way; 0 is without limit [500]
  --slots N           requests that are on their way at once [64]
  --ttl-ms N          names and attributes are believed so long [30000]
  --read-ahead-kb N   [15000]
  --listing HOW       attributes with directory listings: auto, always or never [auto]
  --fail OP:ERRNO:N   the N-th OP fails; with a + behind N all after it too; may be given often
  --hang-after N      requests after the N-th are never answered

Prints `ready`, then the counts for each line of its input, as JSON; unmounts at the input's end. Wants root and /dev/fuse.
";

struct Order {
    profile: Profile,
    faults: Vec<Fault>,
    hang_after: Option<u64>,
    directory: PathBuf,
    mount_point: PathBuf,
}

impl Order {
    /// `None` when help is wanted.
    fn read(words: impl IntoIterator<Item = OsString>) -> Result<Option<Self>, String> {
        use lexopt::prelude::{Long, Short, Value};
        let mut parser = lexopt::Parser::from_args(words);
        let (mut profile, mut faults, mut hang_after, mut paths) = (Profile::EFS, Vec::new(), None, Vec::new());
        while let Some(word) = parser.next().map_err(|error| error.to_string())? {
            let option = match word {
                Long("help") | Short('h') => return Ok(None),
                Long(name) => name.to_owned(),
                Value(path) => {
                    paths.push(PathBuf::from(path));
                    continue;
                }
                other => return Err(other.unexpected().to_string()),
            };
            let value = parser.value().map_err(|error| error.to_string())?.to_string_lossy().into_owned();
            match option.as_str() {
                "profile" => profile = Profile::named(&value).ok_or_else(|| format!("{value}: profiles are efs, efs-slow and instant"))?,
                "fail" => faults.push(Fault::parse(&value)?),
                "hang-after" => hang_after = Some(value.parse().map_err(|_| format!("--hang-after {value}: not a number"))?),
                option if profile.set(option, &value) => {}
                option => return Err(format!("--{option} {value}: not understood")),
            }
        }
        let [directory, mount_point] =
            <[PathBuf; 2]>::try_from(paths).map_err(|_| "a directory and a mount point are wanted".to_owned())?;
        Ok(Some(Self { profile, faults, hang_after, directory, mount_point }))
    }
}

/// Serves what the words say, until the input ends.
///
/// # Errors
/// A sentence that says what is not understood or could not be done.
pub fn serve(words: impl IntoIterator<Item = OsString>, input: impl BufRead, output: &mut dyn Write) -> Result<(), String> {
    let Some(order) = Order::read(words)? else {
        return output.write_all(HELP.as_bytes()).map_err(|error| error.to_string());
    };
    // Modes are what the kernel says; open files are many.
    stat::umask(stat::Mode::empty());
    if let Ok((_, most)) = resource::getrlimit(resource::Resource::RLIMIT_NOFILE) {
        let _ = resource::setrlimit(resource::Resource::RLIMIT_NOFILE, most, most);
    }
    let line = Line::open(order.profile);
    let tree = Tree::over(&order.directory).map_err(|error| format!("{}: {error}", order.directory.display()))?;
    let slow = SlowTree {
        profile: order.profile,
        faults: Faults::new(order.faults, order.hang_after),
        line: Arc::clone(&line),
        tree,
        handles: Handles::default(),
        touched: Mutex::new(HashSet::new()),
    };
    let mut config = Config::default();
    config.mount_options = vec![
        MountOption::FSName("slow-mount".into()),
        MountOption::Subtype("slow".into()),
        MountOption::DefaultPermissions,
        MountOption::Suid,
        MountOption::NoAtime,
    ];
    config.acl = SessionACL::All;
    config.n_threads = Some(2);
    config.clone_fd = true;
    let mount_point = order.mount_point;
    let session = Session::new(slow, &mount_point, &config).and_then(Session::spawn);
    // Kept until the process ends, and with it the connection: whoever still uses the mount hears so.
    let _session = session.map_err(|error| format!("{}: {error}", mount_point.display()))?;
    read_ahead(&mount_point, order.profile.read_ahead_kb);
    let mut say = |text: &str| writeln!(output, "{text}").and_then(|()| output.flush()).map_err(|error| error.to_string());
    let mut told = say("ready");
    for asked in input.lines() {
        if told.is_err() || asked.is_err() {
            break;
        }
        told = serde_json::to_string(&line.counts()).map_err(|error| error.to_string()).and_then(|counts| say(&counts));
    }
    // Lazily: somebody may be in it, and a request may hang for ever.
    umount2(&mount_point, MntFlags::MNT_DETACH).map_err(|error| format!("{} cannot be unmounted: {error}", mount_point.display()))?;
    told
}

/// As the mount helper of EFS does. Without it only large files are read more slowly.
fn read_ahead(mount_point: &Path, kilobytes: u64) {
    if let Some(device) = own_device(mount_point) {
        let _ = std::fs::write(format!("/sys/class/bdi/{device}/read_ahead_kb"), kilobytes.to_string());
    }
}

/// The device of the mount, from the table: asking the mount itself would be a request that faults count, and may hang.
fn own_device(mount_point: &Path) -> Option<String> {
    let table = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    let line = table.lines().rev().find(|line| line.split(' ').nth(4).is_some_and(|point| Path::new(point) == mount_point))?;
    line.split(' ').nth(2).map(str::to_owned)
}
