//! The shared tool cache as it is mounted: is it there, how far is it, could a save write.

use std::{
    ffi::OsString,
    fs, io,
    io::Read as _,
    os::unix::{fs::MetadataExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

use checkup::Check;
use nix::unistd::User;
use serde::{Deserialize, Serialize};
use supervise::{off_loop, records};
use tokio::time::{Instant, timeout};

use crate::{
    USAGE,
    config::{Cache, Config, Layout},
    runner,
};

/// The first word of the command line of who looks, and what it is told when a save is wanted.
pub(crate) const COMMAND: &str = "look-at-mount";
const WRITE: &str = "write";

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
    let user = runner::user(&config.runner).ok().flatten();
    let seen = match started(&cache.remote, user.as_ref(), cache.save.is_some()) {
        Err(error) => Some(Err(error)),
        Ok((looking, mut answer)) => {
            let read = off_loop("mount", move || {
                let mut text = String::new();
                answer.read_to_string(&mut text).map(|_| text)
            });
            match timeout(ANSWER, read).await {
                Ok(Some(text)) => Some(text.and_then(|text| understood(&text))),
                Ok(None) | Err(_) => {
                    abandon(looking);
                    None
                }
            }
        }
    };
    told(cache, seen)
}

/// Starts this program once more to look at the mount, as the runner's user: so does a restore, and root has nothing to do in what jobs
/// write. A process and not a thread, because a mount that hangs holds whoever asked it, and with a thread of ours it would hold us.
#[expect(
    clippy::disallowed_methods,
    reason = "a check supervises nobody, so there is no other that waits, and this one may be left behind"
)]
fn started(remote: &Path, user: Option<&User>, save: bool) -> io::Result<(Child, ChildStdout)> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(COMMAND).arg(remote).args(save.then_some(WRITE)).env_clear().current_dir("/");
    if let Some(user) = user {
        // The library takes root's other groups away with that.
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
    }
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let answer = child.stdout.take().ok_or_else(|| io::Error::other("it has no output"))?;
    Ok((child, answer))
}

#[expect(clippy::disallowed_methods, reason = "see `started`: it ends when the mount lets it go, and nobody waits for that")]
fn abandon(mut looking: Child) {
    let _ = looking.kill();
}

/// The command that looks: writes what it saw, or why it could not, as one line of JSON.
pub(crate) fn run(words: impl IntoIterator<Item = OsString>) -> u8 {
    let mut words = words.into_iter();
    let Some(remote) = words.next() else { return USAGE };
    let save = words.next().is_some_and(|word| word == WRITE);
    let seen = look(Path::new(&remote), save).map_err(|error| error.to_string());
    records::answer(&serde_json::to_string(&seen).unwrap_or_default());
    0
}

fn understood(text: &str) -> io::Result<Seen> {
    let seen: Result<Seen, String> = serde_json::from_str(text).map_err(|_| io::Error::other("the look at it ended without an answer"))?;
    seen.map_err(io::Error::other)
}

/// What was seen of a mount.
#[derive(Debug, Serialize, Deserialize)]
struct Seen {
    /// It is a part of the root file system: nothing is mounted there.
    within_root: bool,
    /// How long each look took.
    looks: Vec<Duration>,
    /// Whether a save could write; `None` if none is wanted.
    writes: Option<Result<(), String>>,
}

/// Nothing is opened but the folder, and no link below it is followed.
fn look(remote: &Path, save: bool) -> io::Result<Seen> {
    fs::read_dir(remote)?.next().transpose()?;
    let within_root = fs::metadata(remote)?.dev() == fs::metadata("/")?.dev();
    let writes = save.then(|| try_to_write(remote).map_err(|error| error.to_string()));
    Ok(Seen { within_root, looks: looks(remote)?, writes })
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
        let packs = cache.layout == Layout::Pack;
        let restore = FILES * LOOKS_PER_FILE / f64::from(cache.jobs) * median.as_secs_f64();
        check.warn(&format!(
            "the mount is slow: to restore 5000 files one by one, {} at once, takes about {restore:.0} s{}\n\
             hint: {}bring the file server nearer, into the same zone",
            cache.jobs,
            if packs { "; from packs, a hundredth of the looks" } else { "" },
            if packs { "" } else { "save versions as packs (TOOL_CACHE_LAYOUT=pack), which cost a hundredth of the looks; " }
        ));
    }
    check
}

fn milliseconds(span: Duration) -> String {
    let milliseconds = span.as_secs_f64() * 1000.0;
    if milliseconds < 0.1 { format!("{milliseconds:.3} ms") } else { format!("{milliseconds:.1} ms") }
}

#[cfg(test)]
mod tests {
    use checkup::{Checkup, Section, Style};

    use super::*;
    use crate::config::SHARED;

    fn cache() -> Cache {
        Cache {
            remote: "/mnt/tools".into(),
            restore: None,
            before_job: false,
            save: Some(Duration::from_secs(1)),
            tools: vec![],
            layout: Layout::Pack,
            trust: SHARED.into(),
            allow: None,
            jobs: 64,
        }
    }

    fn looks(milliseconds: impl IntoIterator<Item = u64>) -> Vec<Duration> {
        milliseconds.into_iter().map(Duration::from_millis).collect()
    }

    fn text(seen: Option<io::Result<Seen>>) -> String {
        let sections = vec![Section { name: "Tool cache", checks: told(&cache(), seen) }];
        let found = Checkup { program: "it", version: "1", platform: None, configuration: vec![], settings: vec![], sections };
        found.text(Style::default())
    }

    #[test]
    fn a_mount_is_told_as_it_was_seen() {
        let near = Seen { within_root: false, looks: looks([3, 2, 5, 2, 3]), writes: Some(Ok(())) };
        let far =
            Seen { within_root: true, looks: looks([40, 300, 41]), writes: Some(Err("Read-only file system (os error 30)".to_owned())) };
        let reading = Seen { within_root: false, looks: looks([0]), writes: None };
        let all = [
            text(Some(Ok(near))),
            text(Some(Ok(far))),
            text(Some(Ok(reading))),
            text(Some(Err(io::ErrorKind::NotFound.into()))),
            text(None),
        ];
        insta::assert_snapshot!(all.join("\n"));
    }

    #[test]
    fn a_look_leaves_nothing_and_says_what_it_could_not() {
        let dir = tempfile::tempdir().unwrap();
        let seen = look(dir.path(), true).unwrap();
        assert_eq!((seen.looks.len(), seen.writes), (LOOKS, Some(Ok(()))));
        assert!(look(dir.path(), false).unwrap().writes.is_none());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        assert!(look(&dir.path().join("nothing"), true).is_err());
    }

    #[test]
    fn an_answer_is_read_and_none_is_no_answer() {
        let seen = Seen { within_root: false, looks: looks([1]), writes: Some(Err("full".to_owned())) };
        let told: Result<Seen, String> = Ok(seen);
        assert_eq!(understood(&serde_json::to_string(&told).unwrap()).unwrap().writes, Some(Err("full".to_owned())));
        let refused: Result<Seen, String> = Err("not there".to_owned());
        assert_eq!(understood(&serde_json::to_string(&refused).unwrap()).unwrap_err().to_string(), "not there");
        assert!(understood("").is_err());
    }
}
