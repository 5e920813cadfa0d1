//! A docker to build in: Debian's, in a box that shares this machine's network (packages come over it), without a bridge.
//!
//! Its data is kept between runs for its layers, so that packages are fetched again only when they change. What a killed run left is not
//! trusted: the data has a mark that is there only after an orderly end.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::Signal;

use super::{BASE, Context, DOCKER_CLI, RUNNER_VERSION, Shelf, architecture};
use crate::boxed::{Boxed, BoxedProcess};
use crate::clock;
use crate::process::Ending;
use crate::programs::cache_dir;
use crate::rootfs::Rootfs;

/// For anything that is done in it; a Debian mirror may be slow.
const PATIENCE: Duration = Duration::from_secs(540);
/// For the daemon to come up or to end.
const SOON: Duration = Duration::from_secs(60);

/// Which of docker's two builders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The one that knows no `RUN --mount`, no heredocs and no TARGETARCH.
    Classic,
    /// BuildKit.
    BuildKit,
}

/// A docker, while it runs. No other process has it meanwhile.
#[derive(Debug)]
pub struct Builder {
    boxed: BoxedProcess,
    data: PathBuf,
    kind: Kind,
    _held: Flock<File>,
}

/// As PID 1 dockerd is in the top cgroup, below which it could not make any.
const START: &str = "mkdir /sys/fs/cgroup/init && echo 0 > /sys/fs/cgroup/init/cgroup.procs && exec dockerd --data-root /docker-data \
                     --bridge=none --iptables=false --ip6tables=false --storage-driver=overlay2 --host=unix:///run/docker.sock";

impl Builder {
    /// Starts it on the kept data. It sees `folder` at the same path.
    ///
    /// # Panics
    /// When docker does not come up.
    #[must_use]
    pub fn kept(folder: &Path, kind: Kind) -> Self {
        let dir = cache_dir().join("images");
        let data = dir.join("docker-data");
        fs::create_dir_all(&dir).expect("make the cache directory");
        let lock = File::create(dir.join("docker-data.lock")).expect("make a lock file");
        let held = Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, error)| error).expect("lock docker's data");
        if fs::remove_file(mark(&data)).is_err() && data.exists() {
            let removed = Command::new("rm").args(["-rf", "--one-file-system", "--"]).arg(&data).status();
            assert!(removed.is_ok_and(|status| status.success()), "remove {}", data.display());
        }
        if !data.exists() {
            let _ = fs::remove_file(note(&data));
            fs::create_dir_all(&data).expect("make docker's data");
        }
        let boxed = Boxed::new(&Rootfs::Docker.path())
            .host_network()
            .bind(&data, Path::new("/docker-data"))
            .bind(folder, folder)
            .bind_read_only(&Rootfs::Bare.path(), Path::new("/bare"))
            .bind_read_only(&fs::canonicalize("/etc/resolv.conf").expect("this machine resolves names"), Path::new("/etc/resolv.conf"))
            .spawn("docker", &["/bin/sh", "-c", START]);
        let builder = Self { boxed, data, kind, _held: held };
        let up = clock::holds_within(SOON, || builder.boxed.sh("docker version", SOON).0 == Ending::Code(0));
        assert!(up, "docker did not come up\n{}", builder.boxed.transcript());
        builder
    }

    /// Runs a script beside docker: how it ended, and what it said.
    #[must_use]
    pub fn try_sh(&self, script: &str) -> (Ending, String) {
        let kit = u8::from(self.kind == Kind::BuildKit);
        self.boxed.sh(&format!("set -eu; export DOCKER_BUILDKIT={kit} BUILDKIT_PROGRESS=plain\n{script}"), PATIENCE)
    }

    /// Runs a script that must succeed: what it said.
    ///
    /// # Panics
    /// When it fails.
    pub fn sh(&self, script: &str) -> String {
        let (ending, said) = self.try_sh(script);
        assert_eq!(ending, Ending::Code(0), "{script}\n{said}");
        said
    }

    /// What a registry would give: the base, and docker's CLI where the official image has it.
    pub fn make_bases(&self) {
        // Kept by the name of the root that they are made from.
        let [bare, docker] = [Rootfs::Bare, Rootfs::Docker]
            .map(|root| root.path().file_name().map(|name| format!("kept:{}", name.to_string_lossy())).unwrap_or_default());
        self.sh(&format!(
            "import() {{ tar -C $1 -c . | docker import - $2 >/dev/null; }}
             there() {{ docker image inspect $1 >/dev/null 2>&1; }}
             there {bare} || import /bare {bare}
             there {docker} || {{
                 cli=/tmp/cli/usr/local; mkdir -p $cli/bin $cli/libexec/docker/cli-plugins
                 cp /usr/bin/docker $cli/bin/
                 cp /usr/libexec/docker/cli-plugins/docker-buildx $cli/libexec/docker/cli-plugins/
                 import /tmp/cli {docker}
             }}
             docker tag {bare} {BASE}
             docker tag {docker} {DOCKER_CLI}"
        ));
    }

    /// Builds every image from a context, with the bases that are there.
    pub fn build_all(&self, context: &Context) {
        let _ = fs::remove_file(note(&self.data));
        let shelf = Shelf::serve(&[(runner_file(architecture()), context.runner())]);
        self.build(context, "toolkit", "dist", "--tag runner-toolkit:test");
        let runner = runner_arguments(&shelf, context.runner_sum());
        for target in ["runner-fargate", "runner", "runner-sudo"] {
            self.build(context, "runner", "empty", &format!("--target {target} {runner} --tag {target}:test"));
        }
        self.build(
            context,
            "dind",
            "empty",
            &format!("--build-arg BASE={BASE} --build-arg TOOLKIT=runner-toolkit:test --tag runner-dind:test"),
        );
        self.build(context, "stand-in", "stand-in", "--build-arg RUNNER=runner:test --tag stand-in:test");
        self.forget_old();
    }

    /// Removes what earlier builds left. Layers of what has a name stay, and BuildKit's as far as one build goes: they spare the next one
    /// its packages.
    pub fn forget_old(&self) {
        self.sh("docker image prune --force >/dev/null; docker builder prune --force --keep-storage 1500MB >/dev/null");
    }

    /// Builds one image, or panics with what docker said.
    pub fn build(&self, context: &Context, image: &str, folder: &str, arguments: &str) -> String {
        self.sh(&self.build_command(context, image, folder, arguments))
    }

    /// Builds one image that may fail.
    #[must_use]
    pub fn try_build(&self, context: &Context, image: &str, folder: &str, arguments: &str) -> (Ending, String) {
        self.try_sh(&self.build_command(context, image, folder, arguments))
    }

    fn build_command(&self, context: &Context, image: &str, folder: &str, arguments: &str) -> String {
        let path = context.path().display();
        format!(
            "mkdir -p '{path}/empty'
             docker build --network host --build-arg TARGETARCH={arch} {arguments} --file '{path}/images/{image}/Dockerfile' '{path}/{folder}'",
            arch = architecture()
        )
    }

    /// Notes which archive the tags are those of.
    ///
    /// # Panics
    /// When that can not be written.
    pub fn holds(&self, archive: &Path) {
        fs::write(note(&self.data), archive.display().to_string()).expect("note what docker holds");
    }

    /// Whether the tags are those of this archive.
    #[must_use]
    pub fn is_known_to_hold(&self, archive: &Path) -> bool {
        fs::read_to_string(note(&self.data)).is_ok_and(|noted| noted == archive.display().to_string())
    }

    /// Writes images as `docker save` does.
    ///
    /// # Panics
    /// When one is not there, or the file can not be written.
    pub fn save(&self, names: &[&str], to: &Path) {
        // Below the data, which is where both sides have a folder in common.
        let handed = "archive.tar";
        self.sh(&format!("docker save --output /docker-data/{handed} {}", names.join(" ")));
        let mut pack = Command::new("zstd");
        pack.args(["-1", "-T0", "--quiet", "--force", "--rm", "-o"]).arg(to).arg(self.data.join(handed));
        assert!(pack.status().is_ok_and(|status| status.success()), "{pack:?} failed");
    }
}

impl Drop for Builder {
    fn drop(&mut self) {
        self.boxed.signal(Signal::SIGTERM);
        if clock::holds_within(SOON, || self.boxed.ended().is_some()) {
            let _ = fs::write(mark(&self.data), "");
        }
    }
}

fn mark(data: &Path) -> PathBuf {
    data.with_extension("in-order")
}

/// The arguments of a build of the runner's Dockerfile: bases of this machine, the runner from a shelf.
#[must_use]
pub fn runner_arguments(shelf: &Shelf, sum: &str) -> String {
    let arguments = [
        format!("BASE={BASE}"),
        "IMAGE_OS=debian13".into(),
        "TOOLKIT=runner-toolkit:test".into(),
        format!("DOCKER_CLI={DOCKER_CLI}"),
        format!("RUNNER_VERSION={RUNNER_VERSION}"),
        format!("RUNNER_DOWNLOAD={}", shelf.url()),
        format!("RUNNER_SHA256_AMD64={sum}"),
        format!("RUNNER_SHA256_ARM64={sum}"),
    ];
    arguments.map(|argument| format!("--build-arg {argument}")).join(" ")
}

/// The runner's archive as GitHub names it.
#[must_use]
pub fn runner_file(architecture: &str) -> String {
    let name = if architecture == "amd64" { "x64" } else { architecture };
    format!("actions-runner-linux-{name}-{RUNNER_VERSION}.tar.gz")
}

fn note(data: &Path) -> PathBuf {
    data.with_extension("holds")
}
