//! The shared tool cache as it is mounted: is it there, how far is it, could a save write.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use checkup::Check;
use nix::unistd::{Gid, Uid, setfsgid, setfsuid};
use supervise::off_loop;
use tokio::time::{Instant, timeout};

use crate::{
    config::{Cache, Config},
    runner,
};

/// How long a mount may take to answer at all.
const ANSWER: Duration = Duration::from_secs(10);

/// Looks that are measured, and for how long.
const LOOKS: usize = 20;
const LOOKING: Duration = Duration::from_secs(3);

/// Above it a restore of trees takes long enough to be felt.
const SLOW: Duration = Duration::from_millis(20);

/// The tool cache of a fleet (docs/benchmarks.md), and what each of its files costs: tests/host/round_trips.rs holds the number.
const FILES: f64 = 5_000.0;
const LOOKS_PER_FILE: f64 = 3.2;

pub(super) async fn checks(config: &Config) -> Vec<Check> {
    let Some(cache) = &config.cache else { return vec![] };
    let user = runner::user(&config.runner).ok().flatten().map(|user| (user.uid, user.gid));
    let (remote, save) = (cache.remote.clone(), cache.save.is_some());
    // A mount may hang, so it is looked at from a thread that can be left behind.
    let seen = timeout(ANSWER, off_loop("mount", move || look(&remote, user, save))).await;
    told(cache, seen.ok().flatten())
}

/// What was seen of a mount.
#[derive(Debug)]
struct Seen {
    /// It is a part of the root file system: nothing is mounted there.
    within_root: bool,
    /// How long each look took.
    looks: Vec<Duration>,
    /// Whether a save could write; `None` if none is wanted.
    writes: Option<io::Result<()>>,
}

/// Belongs on a thread of its own, which looks as the runner's user: so does a restore, and root has nothing to do in what jobs write.
/// Nothing is opened but the folder, and no link below it is followed.
fn look(remote: &Path, user: Option<(Uid, Gid)>, save: bool) -> io::Result<Seen> {
    if let Some((uid, gid)) = user {
        // Of this thread alone; the rights of root over files go with it (capabilities(7)).
        setfsgid(gid);
        setfsuid(uid);
    }
    fs::read_dir(remote)?.next().transpose()?;
    let within_root = fs::metadata(remote)?.dev() == fs::metadata("/")?.dev();
    Ok(Seen { within_root, looks: looks(remote)?, writes: save.then(|| try_to_write(remote)) })
}

/// Each looks for another name that nobody has, so that nothing in between can answer for the server.
fn looks(remote: &Path) -> io::Result<Vec<Duration>> {
    let stem = getrandom::u64().map_err(io::Error::other)?;
    let begun = Instant::now();
    let mut looks = Vec::with_capacity(LOOKS);
    for number in 0..LOOKS {
        let name = remote.join(format!(".check-{stem:016x}-{number}"));
        let before = Instant::now();
        match fs::symlink_metadata(name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => looks.push(before.elapsed()),
        }
        if begun.elapsed() > LOOKING {
            break;
        }
    }
    Ok(looks)
}

/// With a folder that is gone at once.
fn try_to_write(remote: &Path) -> io::Result<()> {
    let folder: PathBuf = remote.join(format!(".check-{:016x}", getrandom::u64().map_err(io::Error::other)?));
    fs::create_dir(&folder)?;
    fs::remove_dir(folder)
}

/// `None`: the mount did not answer in time.
fn told(cache: &Cache, seen: Option<io::Result<Seen>>) -> Vec<Check> {
    let shown = cache.remote.display();
    let mut mount = Check::seen("mount", shown.to_string());
    let seen = match seen {
        Some(Ok(seen)) => seen,
        Some(Err(error)) => {
            mount.warn(&format!(
                "the shared tool cache cannot be read at {shown}: {error}; the runner would start without it\n\
                 hint: is the volume mounted at TOOL_CACHE_REMOTE in this container, and may the runner's user enter it?"
            ));
            return vec![mount];
        }
        None => {
            mount.warn(&format!(
                "the shared tool cache at {shown} does not answer within {} s; the runner would start without it\n\
                 hint: does this container reach the file server? For NFS: port 2049 in the security group or firewall",
                ANSWER.as_secs()
            ));
            return vec![mount];
        }
    };
    if seen.within_root {
        mount.warn(&format!(
            "{shown} is on this container's own file system, so what is saved there ends with it\n\
             hint: mount the shared storage at TOOL_CACHE_REMOTE"
        ));
    }
    let mut checks = vec![mount, latency(cache, seen.looks)];
    if let Some(writes) = seen.writes {
        let mut save = Check::seen("save", "could write");
        if let Err(error) = writes {
            save.seen = "could not write".to_owned();
            save.warn(&format!(
                "nothing would be saved to {shown}: {error}\n\
                 hint: mount it writable and give the folder to the runner's user; or set TOOL_CACHE_SAVE=no"
            ));
        }
        checks.push(save);
    }
    checks
}

fn latency(cache: &Cache, mut looks: Vec<Duration>) -> Check {
    looks.sort_unstable();
    let (median, worst) = (looks.get(looks.len() / 2).copied().unwrap_or_default(), looks.last().copied().unwrap_or_default());
    let count = looks.len();
    let mut check = Check::seen("latency", format!("{} per look (median of {count}), {} worst", milliseconds(median), milliseconds(worst)));
    if median > SLOW {
        let restore = FILES * LOOKS_PER_FILE / f64::from(cache.jobs) * median.as_secs_f64();
        check.warn(&format!(
            "the mount is slow: to restore 5000 files one by one, {} at once, takes about {restore:.0} s\n\
             hint: save versions as packs, which cost a hundredth of the looks (TOOL_CACHE_LAYOUT=pack); bring the file server nearer, into \
             the same zone",
            cache.jobs
        ));
    }
    check
}

fn milliseconds(span: Duration) -> String {
    let milliseconds = span.as_secs_f64() * 1000.0;
    if milliseconds < 0.1 { format!("{milliseconds:.3} ms") } else { format!("{milliseconds:.1} ms") }
}
