//! What a command needs of the machine, by Debian package, and why.

use crate::run::{self, Failed};

/// A program, or a file by its whole path, that must be there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Need {
    program: &'static str,
    package: &'static str,
    why: &'static str,
}

pub(crate) const fn need(program: &'static str, package: &'static str, why: &'static str) -> Need {
    Need { program, package, why }
}

const ROOTFS: Need = need("mmdebstrap", "mmdebstrap", "makes the Debian root file system that the real dockerd runs in");
const KEYRING: Need = need(
    "/usr/share/keyrings/debian-archive-keyring.gpg",
    "debian-archive-keyring",
    "has the keys that Debian's packages are signed with: Ubuntu is without",
);
const XFS: Need = need("mkfs.xfs", "xfsprogs", "makes the XFS volume that dockerd's data-root is on");
const UNSHARE: Need = need("unshare", "util-linux", "makes the namespaces of a host in a box");
const IP: Need = need("ip", "iproute2", "brings up the loopback interface of a box");
const CC: Need = need("cc", "gcc", "ring compiles its assembly and C");
const RSYNC: Need = need("rsync", "rsync", "the yardstick of the tool cache");
const STRACE: Need = need("strace", "strace", "kills or fails the tool cache at every system call that changes something");
const ZSTD: Need = need("zstd", "zstd", "opens the packs of the tool cache for tar");
const CURL: Need = need("curl", "curl", "asks for the Spot notice, in a script of the AMI");
const OPENSSL: Need = need("openssl", "openssl", "makes the keys and certificates of tests: none is committed");

const PROMTOOL: Need = need("promtool", "prometheus", "judges metrics and dashboards as Prometheus reads them");
const ZSH: Need = need("zsh", "zsh", "completes the programs' command lines, as bash does");
const FISH: Need = need("fish", "fish", "completes the programs' command lines, as bash does");
const MANDOC: Need = need("mandoc", "mandoc", "judges the man pages");

/// For the validators of deployments. Whether venv is whole no program's name says: `validators` asks Python.
pub(crate) const PYTHON: Need =
    need("python3", "python3-venv", "runs what others know to check of task definitions, manifests and workflows");

/// For `cargo xtask demo`.
pub(crate) const FOR_DEMO: &[Need] = &[CC, ROOTFS, KEYRING, XFS, UNSHARE, IP];

/// For `cargo xtask test`.
pub(crate) const FOR_TESTS: &[Need] =
    &[CC, ROOTFS, KEYRING, XFS, UNSHARE, IP, RSYNC, STRACE, ZSTD, OPENSSL, CURL, ZSH, FISH, MANDOC, PROMTOOL];

/// For the check of the AMI's recipe. What `cargo xtask test ami` builds with comes in a root file system of its own.
pub(crate) const FOR_AMI: &[Need] = &[need("packer", "packer", "judges the AMI's recipe")];

/// For `cargo xtask test vm` and `test ami`. QEMU is not among them: it is installed into a root file system of its own.
pub(crate) const FOR_VM: &[Need] =
    &[CC, ROOTFS, KEYRING, UNSHARE, IP, need("mkfs.ext4", "e2fsprogs", "makes the disks of the virtual machine")];

/// For `cargo xtask bench`.
pub(crate) const FOR_BENCH: &[Need] = &[
    CC,
    UNSHARE,
    RSYNC,
    need("fpsync", "fpart", "parallel rsync, to compare the tool cache with"),
    need("zstd", "zstd", "archives to compare the tool cache with"),
    need("curl", "curl", "the shell entrypoint to compare with asks the API with it"),
    need("jq", "jq", "the shell entrypoint to compare with reads answers with it"),
    need("tini", "tini", "the init to compare with"),
    need("dumb-init", "dumb-init", "the init to compare with"),
    need("catatonit", "catatonit", "the init to compare with"),
];

/// Installs the packages of what is missing. Without root it says what stays missing; the command goes on with what there is.
pub(crate) fn install_what_is_missing(needs: &[Need]) -> Result<(), Failed> {
    let missing: Vec<&Need> = needs.iter().filter(|need| !run::exists(need.program)).collect();
    if missing.is_empty() { Ok(()) } else { install(&missing) }
}

/// Installs the packages of these, whether their programs are there or not; else as [`install_what_is_missing`].
pub(crate) fn install(missing: &[&Need]) -> Result<(), Failed> {
    for need in missing {
        println!("missing: {} (package {}): {}", need.program, need.package, need.why);
    }
    if !run::exists("apt-get") {
        println!("these are Debian's package names, and there is no apt-get here: going on without them");
        return Ok(());
    }
    let sudo = !run::is_root();
    if sudo && !run::sudo_works() {
        println!("no root and no sudo without a password: going on without them");
        return Ok(());
    }
    println!("installing them");
    let mut packages: Vec<&str> = missing.iter().map(|need| need.package).collect();
    packages.sort_unstable();
    packages.dedup();
    let mut install = vec!["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "--yes", "--quiet", "--no-install-recommends"];
    install.extend(packages);
    for words in [vec!["apt-get", "update", "--quiet"], install] {
        let words = if sudo { [vec!["sudo", "--non-interactive"], words].concat() } else { words };
        run::run(words[0], &words[1..])?;
    }
    Ok(())
}
