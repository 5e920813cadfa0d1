//! Debian root file systems by mmdebstrap, made once and kept. Shared and never written to: a box puts memory above them.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::process::Command;

use nix::fcntl::{Flock, FlockArg};

use crate::programs::cache_dir;

/// A root file system by what it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rootfs {
    /// A Docker engine (26.1) and what it calls.
    Docker,
    /// The same with the oldest engine that the sidecar works with (20.10).
    OldDocker,
    /// A shell, a docker CLI and procps: where a runner would be.
    Runner,
    /// What stands beside a task: a registry, and a receiver of logs.
    Services,
    /// Debian and nothing more, with its package manager: what images are made from.
    Bare,
    /// Ubuntu as bare as that: what the runner's images are published on.
    Ubuntu,
    /// `docker compose`, a plugin of the CLI.
    Compose,
    /// podman and what it calls: what plays the pods of `images/kubernetes`.
    Podman,
    /// A whole host: kernel, systemd, a Docker engine, AppArmor. What [`crate::vm`] boots.
    Guest,
    /// A host before `ami/` has made anything of it: the same with a way in for Packer. What [`crate::vm::Machine`] boots.
    Ami,
    /// The last Packer that is free software and has its builders inside: nothing is downloaded for it.
    Packer,
    /// A QEMU that can boot it. Not this machine's own: QEMU 7.2 crashes kernel 6.12, and installing another release's beside what is
    /// there has removed packages.
    Qemu,
}

impl Rootfs {
    /// The release of Debian, or of Ubuntu.
    const fn suite(self) -> &'static str {
        match self {
            Self::Ubuntu => "noble",
            Self::OldDocker | Self::Packer => "bookworm",
            _ => "trixie",
        }
    }

    const fn packages(self) -> &'static [&'static str] {
        match self {
            Self::Docker => &[
                "docker.io",
                "docker-cli",
                "docker-buildx",
                "iptables",
                "xfsprogs",
                "busybox-static",
                "ca-certificates",
                "iproute2",
                "procps",
            ],
            Self::OldDocker => &["docker.io", "iptables", "busybox-static", "ca-certificates", "iproute2", "procps"],
            Self::Runner => &["docker-cli", "ca-certificates", "iproute2", "procps", "git"],
            Self::Services => &["docker-registry", "rsyslog", "procps"],
            Self::Bare => &[],
            // There apt is no part of what every system must have.
            Self::Ubuntu => &["apt"],
            Self::Compose => &["docker-compose"],
            // catatonit holds a pod's namespaces; podman only recommends it.
            Self::Podman => &["podman", "crun", "catatonit", "netavark", "nftables", "ca-certificates", "iproute2", "procps", "zstd"],
            Self::Guest => &[
                "systemd-sysv",
                "dbus",
                "udev",
                "linux-image-cloud-amd64",
                "initramfs-tools",
                "kmod",
                "docker.io",
                "docker-cli",
                "iptables",
                "apparmor",
                "xfsprogs",
                "busybox-static",
                "iproute2",
                "procps",
            ],
            Self::Ami => &[
                "systemd-sysv",
                "systemd-resolved",
                "dbus",
                "udev",
                "linux-image-cloud-amd64",
                "initramfs-tools",
                "kmod",
                "e2fsprogs",
                "openssh-server",
                "sudo",
                "docker.io",
                "docker-cli",
                "docker-registry",
                "iptables",
                "apparmor",
                "xfsprogs",
                "busybox-static",
                "ca-certificates",
                "curl",
                "iproute2",
                "procps",
            ],
            Self::Packer => &["packer"],
            // With qemu-img, which Packer calls.
            Self::Qemu => &["qemu-system-x86", "qemu-utils"],
        }
    }

    /// mmdebstrap's hooks, in its order: `$1` is the root being made.
    const fn hooks(self) -> &'static [&'static str] {
        match self {
            // As in the official image.
            Self::Ubuntu => &["--customize-hook=chroot \"$1\" useradd --create-home --uid 1000 ubuntu"],
            Self::Guest => &[
                // No service is to be started while it is made.
                "--setup-hook=mkdir -p \"$1/usr/sbin\" && printf '#!/bin/sh\\nexit 101\\n' >\"$1/usr/sbin/policy-rc.d\" && chmod 755 \"$1/usr/sbin/policy-rc.d\"",
                // The few modules that this one machine needs to find its root: a third of the time and of the size.
                "--essential-hook=mkdir -p \"$1/etc/initramfs-tools/conf.d\" && printf 'MODULES=list\\nCOMPRESS=zstd\\n' >\"$1/etc/initramfs-tools/conf.d/list\" && printf 'virtio_pci\\nvirtio_blk\\next4\\n' >\"$1/etc/initramfs-tools/modules\"",
                // The disk with the work is the second one; nothing else is to start by itself.
                "--customize-hook=printf '#!/bin/sh\\nmkdir -p /job && mount -o ro /dev/vdb /job && exec /bin/sh /job/run\\n' >\"$1/usr/local/sbin/guest-job\" && chmod 755 \"$1/usr/local/sbin/guest-job\"",
                "--customize-hook=echo guest >\"$1/etc/hostname\" && chroot \"$1\" systemctl disable docker.service docker.socket containerd.service",
            ],
            Self::Ami => &[
                "--setup-hook=mkdir -p \"$1/usr/sbin\" && printf '#!/bin/sh\\nexit 101\\n' >\"$1/usr/sbin/policy-rc.d\" && chmod 755 \"$1/usr/sbin/policy-rc.d\"",
                "--essential-hook=mkdir -p \"$1/etc/initramfs-tools/conf.d\" && printf 'MODULES=list\\nCOMPRESS=zstd\\n' >\"$1/etc/initramfs-tools/conf.d/list\" && printf 'virtio_pci\\nvirtio_blk\\next4\\n' >\"$1/etc/initramfs-tools/modules\"",
                "--customize-hook=printf '#!/bin/sh\\nmkdir -p /job && mount -o ro LABEL=job /job && exec /bin/sh /job/run\\n' >\"$1/usr/local/sbin/guest-job\" && chmod 755 \"$1/usr/local/sbin/guest-job\"",
                // Packer's way in: a password that is good on loopback alone, as the network is QEMU's own.
                "--customize-hook=echo root:packer | chroot \"$1\" chpasswd && printf 'PermitRootLogin yes\\nPasswordAuthentication yes\\nUseDNS no\\n' >\"$1/etc/ssh/sshd_config.d/packer.conf\"",
                "--customize-hook=printf '[Match]\\nName=e*\\n[Network]\\nDHCP=yes\\n' >\"$1/etc/systemd/network/e.network\" && chroot \"$1\" systemctl enable systemd-networkd ssh",
                "--customize-hook=echo '/dev/vda / ext4 rw 0 1' >\"$1/etc/fstab\"; echo host >\"$1/etc/hostname\"; chroot \"$1\" systemctl mask systemd-networkd-wait-online.service apt-daily.timer apt-daily-upgrade.timer; chroot \"$1\" systemctl disable docker-registry.service",
            ],
            _ => &[],
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::OldDocker => "docker-old",
            Self::Runner => "runner",
            Self::Services => "services",
            Self::Bare => "bare",
            Self::Ubuntu => "ubuntu",
            Self::Compose => "compose",
            Self::Podman => "podman",
            Self::Guest => "guest",
            Self::Ami => "ami",
            Self::Packer => "packer",
            Self::Qemu => "qemu",
        }
    }

    /// Whether it was made in an earlier run.
    #[must_use]
    pub fn is_made(self) -> bool {
        self.place().exists()
    }

    fn place(self) -> PathBuf {
        let mut hasher = DefaultHasher::new();
        (self.suite(), self.packages()).hash(&mut hasher);
        if !self.hooks().is_empty() {
            self.hooks().hash(&mut hasher);
        }
        cache_dir().join("rootfs").join(format!("{}-{:016x}", self.name(), hasher.finish()))
    }

    /// Its path; made now when it is not there (half a minute and a Debian mirror), by one process at a time.
    ///
    /// # Panics
    /// When it can not be made.
    #[must_use]
    pub fn path(self) -> PathBuf {
        let (path, dir) = (self.place(), cache_dir().join("rootfs"));
        fs::create_dir_all(&dir).expect("make the cache directory");
        let lock = File::create(dir.join(format!("{}.lock", self.name()))).expect("make a lock file");
        let _held = Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, error)| error).expect("lock the cache");
        if !path.exists() {
            let building = path.with_extension("building");
            if building.exists() {
                // What an interrupted run left; a mount inside it would make this fail, not delete elsewhere.
                let removed = Command::new("rm").args(["-rf", "--one-file-system", "--"]).arg(&building).status();
                assert!(removed.is_ok_and(|status| status.success()), "remove {}", building.display());
            }
            let mut make = Command::new("mmdebstrap");
            make.arg("--variant=minbase").args(self.hooks());
            if !self.packages().is_empty() {
                make.arg(format!("--include={}", self.packages().join(",")));
            }
            make.arg(self.suite()).arg(&building);
            let output = make.output().expect("run mmdebstrap");
            assert!(output.status.success(), "mmdebstrap: {}", String::from_utf8_lossy(&output.stderr));
            fs::rename(&building, &path).expect("put the root file system in its place");
        }
        path
    }
}
