//! Makes sure that a container gets the folder that was judged. Paths of the shared folders are the job's to change: between the gate's
//! word and the mount, a folder can become a link to anywhere. So docker's runtime is this program under another name: it opens each
//! shared folder without leaving it, mounts what it opened at a path of root's, puts that path in the place of the job's, and becomes runc.
//!
//! Mounted, not handed on as a descriptor: runc mounts in a namespace of its own, in which the mount behind a descriptor of this one is a
//! stranger's (mount(2), EINVAL). What is mounted is taken away when docker deletes the container, and else with the data-root.

use std::{
    convert::Infallible,
    ffi::{CString, OsString},
    fs, io,
    os::{
        fd::{AsRawFd as _, OwnedFd},
        unix::ffi::{OsStrExt as _, OsStringExt as _},
    },
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2},
    mount::{MntFlags, MsFlags, mount, umount2},
    sys::stat::{Mode, SFlag, fstat},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::allow::Allow;

/// The name under which this program is the runtime. Beside it lies its [`Order`].
pub const NAME: &str = "guarded-runc";

/// The folder beside it in which folders are held.
const HELD: &str = "held";

/// What the runtime needs to know, in a file: whoever starts it, far below the daemon, hands on nothing of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The true runtime.
    pub runc: PathBuf,
    /// As [`Allow::entries`] writes it.
    pub allow: Vec<String>,
}

/// Why a container does not get its mounts.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// A mount leads somewhere else now.
    #[error(
        "refused by DOCKER_API_POLICY=guarded of this runner: {path} leads out of {root}, or is not there: {cause}\n\
         hint: use folders and links that stay in {root}"
    )]
    Source {
        /// As the job wrote it.
        path: String,
        /// The shared folder.
        root: String,
        /// What the kernel says.
        cause: Errno,
    },
    /// Something of ours or of containerd's is not as it should be.
    #[error("the guarded runtime cannot {operation} {}: {cause}", path.display())]
    File {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        cause: io::Error,
    },
}

/// Becomes the true runtime, with what it is to mount held open.
///
/// # Errors
/// Why not; it is in the runtime's own log, too, which docker tells the user from.
pub fn run(itself: &Path, arguments: &[OsString]) -> Result<Infallible, PinError> {
    become_runc(itself, arguments).inspect_err(|error| {
        if let Some(log) = value(arguments, &["--log"]) {
            let line = json!({ "level": "error", "msg": error.to_string(), "time": "1970-01-01T00:00:00Z" });
            let _ = fs::write(log, format!("{line}\n"));
        }
    })
}

fn become_runc(itself: &Path, arguments: &[OsString]) -> Result<Infallible, PinError> {
    let file = itself.with_file_name(format!("{NAME}.json"));
    let failed = |operation, path: &Path| {
        let path = path.to_owned();
        move |cause| PinError::File { operation, path, cause }
    };
    let order: Order = fs::read(&file).and_then(|text| Ok(serde_json::from_slice(&text)?)).map_err(failed("read", &file))?;
    let allow =
        Allow::read(order.allow.iter().map(String::as_str)).map_err(|wrong| failed("read", &file)(io::Error::other(wrong.join("; "))))?;
    let told = |command: &str| arguments.iter().any(|word| *word == command);
    let held = arguments.last().map(|id| itself.with_file_name(HELD).join(id));
    if let Some(held) = held.filter(|_| told("create") || told("run") || told("restore") || told("delete")) {
        // Also before a creation: of one that failed, docker may not know that there is something to delete.
        release(&held);
        if !told("delete") {
            let bundle = value(arguments, &["--bundle", "-b"]).map_or_else(|| PathBuf::from("."), PathBuf::from);
            let config = bundle.join("config.json");
            let mut spec: Value = fs::read(&config).and_then(|text| Ok(serde_json::from_slice(&text)?)).map_err(failed("read", &config))?;
            hold_all(&mut spec, &allow, &held).inspect_err(|_| release(&held))?;
            fs::write(&config, spec.to_string()).map_err(failed("write", &config))?;
        }
    }
    let word = |word: &OsString| CString::new(word.as_bytes()).unwrap_or_default();
    let words: Vec<CString> = std::iter::once(&order.runc.clone().into_os_string()).chain(arguments).map(word).collect();
    nix::unistd::execv(&words[0], &words).map_err(|errno| failed("start", &order.runc)(errno.into()))
}

/// The value of a flag, as `--flag value` or `--flag=value`.
fn value(arguments: &[OsString], names: &[&str]) -> Option<OsString> {
    arguments.iter().enumerate().find_map(|(at, word)| {
        if names.iter().any(|name| word == name) {
            return arguments.get(at + 1).cloned();
        }
        let bytes = word.as_bytes();
        let rest = names.iter().find_map(|name| bytes.strip_prefix(name.as_bytes())?.strip_prefix(b"="));
        rest.map(|rest| OsString::from_vec(rest.to_vec()))
    })
}

/// Holds the source of each mount that lies in a shared folder in a place below `held` and names that place instead. All others are
/// docker's own, at paths of root.
fn hold_all(spec: &mut Value, allow: &Allow, held: &Path) -> Result<(), PinError> {
    for (number, mount) in spec.get_mut("mounts").and_then(Value::as_array_mut).into_iter().flatten().enumerate() {
        let Some(path) = mount.get("source").and_then(Value::as_str).filter(|path| path.starts_with('/')) else { continue };
        let source = |root: &str, cause| PinError::Source { path: path.to_owned(), root: root.to_owned(), cause };
        if !Allow::is_plain(path) {
            return Err(source("its folder", Errno::EINVAL));
        }
        let Some((root, rest)) = allow.root_of(path) else { continue };
        let descriptor = open_below(&root, &rest).map_err(|cause| source(&root, cause))?;
        let place = held.join(number.to_string());
        hold(&descriptor, &place).map_err(|cause| PinError::File { operation: "hold a folder at", path: place.clone(), cause })?;
        mount["source"] = place.to_string_lossy().into();
    }
    Ok(())
}

/// Mounts what is open at `place`, with what is mounted in it.
fn hold(descriptor: &OwnedFd, place: &Path) -> io::Result<()> {
    if SFlag::from_bits_truncate(fstat(descriptor)?.st_mode & SFlag::S_IFMT.bits()) == SFlag::S_IFDIR {
        fs::create_dir_all(place)?;
    } else {
        place.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::write(place, "")?;
    }
    let opened = format!("/proc/self/fd/{}", descriptor.as_raw_fd());
    Ok(mount(Some(opened.as_str()), place, None::<&str>, MsFlags::MS_BIND | MsFlags::MS_REC, None::<&str>)?)
}

/// Takes away what is held for one container. What stays goes with the data-root.
fn release(held: &Path) {
    for place in fs::read_dir(held).into_iter().flatten().flatten().map(|entry| entry.path()) {
        // Only what is no mount point any more can be removed: never what was mounted.
        let _ = umount2(&place, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW);
        let _ = fs::remove_dir(&place).or_else(|_| fs::remove_file(&place));
    }
    let _ = fs::remove_dir(held);
}

/// Opens `rest` below `root`, which is root's own path and may be a link; links further down may not lead out (openat2(2)).
fn open_below(root: &str, rest: &str) -> nix::Result<OwnedFd> {
    let top = open(root, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())?;
    if rest.is_empty() {
        return Ok(top);
    }
    let how = OpenHow::new().flags(OFlag::O_PATH | OFlag::O_CLOEXEC);
    openat2(&top, rest, how.resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_was_opened_is_held_whatever_is_at_its_path_by_then() {
        let dir = tempfile::tempdir().unwrap();
        let work = dir.path().join("work");
        for folder in ["work/a", "work/b", "outside"] {
            fs::create_dir_all(dir.path().join(folder)).unwrap();
            fs::write(dir.path().join(folder).join("file"), folder).unwrap();
        }
        symlink("a", work.join("within")).unwrap();
        let open = |name: &str| open_below(work.to_str().unwrap(), name);
        let read = |held: &OwnedFd| fs::read_to_string(format!("/proc/self/fd/{}/file", held.as_raw_fd())).unwrap();
        let held = [open("a").unwrap(), open("within").unwrap(), open("b/../a").unwrap()];
        fs::rename(work.join("a"), work.join("c")).unwrap();
        symlink("../outside", work.join("a")).unwrap();
        symlink("/", work.join("d")).unwrap();
        assert_eq!(held.each_ref().map(read), ["work/a"; 3]);
        for leading_out in ["a", "a/file", "within", "within/../a", "b/../../outside", "d", "d/etc"] {
            assert_eq!(open(leading_out).unwrap_err(), Errno::EXDEV, "{leading_out}");
        }
        assert_eq!(open("nothing").unwrap_err(), Errno::ENOENT);
        symlink("work", dir.path().join("link")).unwrap();
        assert!(open_below(dir.path().join("link").to_str().unwrap(), "b").is_ok(), "the way to a shared folder is root's");
    }

    #[test]
    fn only_what_lies_in_a_shared_folder_is_looked_at() {
        let allow = Allow::default().and_path("/nonexistent/work");
        let dir = tempfile::tempdir().unwrap();
        let try_to = |source: &str| {
            let mut spec = json!({ "mounts": [{}, { "source": "proc" }, { "source": source }] });
            hold_all(&mut spec, &allow, dir.path()).map(|()| spec["mounts"][2]["source"].as_str().unwrap().to_owned())
        };
        assert_eq!(try_to("/var/lib/docker/containers/x/hosts").unwrap(), "/var/lib/docker/containers/x/hosts");
        for refused in ["/nonexistent/work/a", "/nonexistent/work", "/x/../nonexistent/work", "/nonexistent/./work"] {
            let error = try_to(refused).unwrap_err().to_string();
            assert!(error.starts_with("refused by DOCKER_API_POLICY=guarded of this runner: "), "{error}");
        }
    }

    #[test]
    fn flags_are_read_as_runc_reads_them() {
        let words: Vec<OsString> = ["--root", "/r", "--log=/l", "create", "--bundle", "/b", "id"].map(OsString::from).to_vec();
        assert_eq!(value(&words, &["--bundle", "-b"]).unwrap(), "/b");
        assert_eq!(value(&words, &["--log"]).unwrap(), "/l");
        assert_eq!(value(&words, &["--pid-file"]), None);
    }

    #[test]
    fn a_failure_is_in_the_log_that_docker_tells_the_user_from() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log.json");
        let arguments = [OsString::from("--log"), log.clone().into(), "create".into()];
        run(&dir.path().join(NAME), &arguments).unwrap_err();
        let line: Value = serde_json::from_slice(&fs::read(log).unwrap()).unwrap();
        assert!(line["msg"].as_str().unwrap().starts_with("the guarded runtime cannot read "), "{line}");
    }
}
