//! What a test needs of the machine. Missing: said and skipped here, a failure in CI (`CI` set), which promised it.

use std::fs;
use std::path::Path;
use std::process::Command;

use nix::sys::stat::{Mode, SFlag, makedev, mknod};

/// A capability of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Effective uid 0.
    Root,
    /// New mount, PID and cgroup namespaces, and a cgroup v2 hierarchy to write in.
    Boxes,
    /// PID namespaces alone.
    PidNamespace,
    /// Loop devices.
    Loop,
    /// mkfs.xfs and a kernel that mounts XFS.
    Xfs,
    /// mmdebstrap, to make root file systems.
    Mmdebstrap,
    /// What dockerd in a box wants: boxes, mmdebstrap, XFS on a loop device.
    Docker,
    /// What building and running the images wants: the static programs, and a dockerd in a box.
    Images,
    /// Ubuntu's keys, to make its root file systems: every Ubuntu has them, Debian has no package of them.
    UbuntuKeys,
    /// What a virtual machine wants: boxes, mmdebstrap, mkfs.ext4, and the processor that its kernel is for.
    Vm,
    /// Root and FUSE, for mounts of our own making.
    Fuse,
    /// rsync, the yardstick.
    Rsync,
    /// strace, which makes single system calls fail or kill.
    Strace,
    /// zstd, with which tar opens packs.
    Zstd,
    /// bsdtar, which reads mtree(5).
    Bsdtar,
    /// promtool, which judges metrics as Prometheus reads them.
    Promtool,
    /// openssl, which makes the keys of Apps.
    Openssl,
    /// The shells that there are completions for.
    Shells,
    /// mandoc, which judges man pages.
    Mandoc,
}

/// `true` when all is there. Otherwise says what is missing and why.
///
/// # Panics
/// When something is missing and `CI` is set.
#[must_use]
pub fn need(needs: &[Need]) -> bool {
    judge(&lacks(needs), std::env::var_os("CI").is_some_and(|value| !value.is_empty()))
}

/// What is missing and why, one line each, for who goes on without it.
#[must_use]
pub fn lacks(needs: &[Need]) -> Vec<String> {
    needs.iter().filter_map(|need| missing(*need).map(|why| format!("{need:?}: {why}"))).collect()
}

fn judge(missing: &[String], in_ci: bool) -> bool {
    assert!(missing.is_empty() || !in_ci, "CI promised what this machine lacks: {}", missing.join("; "));
    if !missing.is_empty() {
        say(&missing.join("; "));
    }
    missing.is_empty()
}

#[expect(clippy::print_stderr, reason = "who reads the test's output must see that nothing was tested")]
fn say(missing: &str) {
    eprintln!("SKIPPED, missing: {missing}");
}

fn missing(need: Need) -> Option<String> {
    let is_root = nix::unistd::geteuid().is_root();
    let program = |name: &str| find(name).is_none().then(|| format!("no {name} in PATH"));
    match need {
        Need::Root => (!is_root).then(|| "not root".into()),
        Need::PidNamespace => missing(Need::Root).or_else(|| probe("unshare", &["--pid", "--fork", "--mount", "true"])),
        Need::Boxes => missing(Need::PidNamespace).or_else(|| match crate::boxed::cgroup_mount() {
            None => Some("no cgroup v2 hierarchy is mounted".into()),
            Some(mount) => writable(&mount).err().map(|error| format!("{} is not writable: {error}", mount.display())),
        }),
        Need::Loop => missing(Need::Root).or_else(|| probe("losetup", &["--find"])),
        Need::Xfs => missing(Need::Loop).or_else(|| program("mkfs.xfs")).or_else(|| {
            let known = fs::read_to_string("/proc/filesystems").unwrap_or_default().lines().any(|line| line.trim() == "xfs");
            // A kernel with XFS as a module lists it only once it is loaded.
            (!known && probe("modprobe", &["xfs"]).is_some()).then(|| "the kernel knows no XFS".into())
        }),
        Need::Mmdebstrap => missing(Need::Root).or_else(|| program("mmdebstrap")),
        Need::Docker => [Need::Boxes, Need::Mmdebstrap, Need::Xfs].into_iter().find_map(missing),
        Need::Images => missing(Need::Docker).or_else(|| missing(Need::Zstd)).or_else(|| crate::images::dist().err()),
        Need::UbuntuKeys => {
            let keys = "/usr/share/keyrings/ubuntu-archive-keyring.gpg";
            (!Path::new(keys).exists()).then(|| format!("no {keys} (package ubuntu-keyring of Ubuntu)"))
        }
        Need::Vm => [Need::Boxes, Need::Mmdebstrap]
            .into_iter()
            .find_map(missing)
            .or_else(|| program("mkfs.ext4"))
            .or_else(|| (!cfg!(target_arch = "x86_64")).then(|| "the guest's kernel is for x86_64".into())),
        Need::Fuse => missing(Need::Root).or_else(|| {
            // Many a container has the kernel's FUSE and not its node; whoever has made it before is as good.
            let _ = mknod("/dev/fuse", SFlag::S_IFCHR, Mode::S_IRUSR | Mode::S_IWUSR, makedev(10, 229));
            match fs::File::options().read(true).write(true).open("/dev/fuse") {
                Ok(_) => probe("unshare", &["--mount", "true"]),
                Err(error) => Some(format!("/dev/fuse: {error}")),
            }
        }),
        Need::Promtool => program("promtool"),
        Need::Openssl => program("openssl"),
        Need::Shells => ["bash", "zsh", "fish"].into_iter().find_map(program),
        Need::Mandoc => program("mandoc"),
        Need::Rsync => program("rsync"),
        Need::Zstd => program("zstd"),
        Need::Bsdtar => program("bsdtar"),
        // A container may have the program and not the right.
        Need::Strace => probe("strace", &["-f", "-o", "/dev/null", "true"]),
    }
}

fn find(name: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    path.split(':').map(|dir| Path::new(dir).join(name)).find(|path| path.is_file())
}

fn probe(name: &str, arguments: &[&str]) -> Option<String> {
    let Some(program) = find(name) else { return Some(format!("no {name} in PATH")) };
    match Command::new(program).args(arguments).output() {
        Ok(output) if output.status.success() => None,
        Ok(output) => Some(format!("{name} {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim())),
        Err(error) => Some(format!("{name}: {error}")),
    }
}

fn writable(mount: &Path) -> std::io::Result<()> {
    let probe = mount.join(format!("probe-{}-{:?}", std::process::id(), std::thread::current().id()));
    fs::create_dir(&probe)?;
    fs::remove_dir(&probe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_skips_a_test_here() {
        assert!(judge(&[], false) && judge(&[], true));
        assert!(!judge(&["Xfs: no mkfs.xfs in PATH".into()], false));
    }

    #[test]
    #[should_panic(expected = "CI promised what this machine lacks: Xfs: no mkfs.xfs in PATH")]
    fn what_is_missing_fails_a_test_in_ci() {
        judge(&["Xfs: no mkfs.xfs in PATH".into()], true);
    }

    #[test]
    fn a_program_that_is_nowhere_is_named() {
        assert_eq!(probe("no-such-program", &[]).as_deref(), Some("no no-such-program in PATH"));
    }
}
