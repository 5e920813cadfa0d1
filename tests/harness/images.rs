//! The images, built from `images/` and kept.
//!
//! Owns what a registry and GitHub would give: bases from Debian packages, the runner's archive with the stand-in for its Listener, and the
//! docker that builds ([`builder`]). What goes in is summed up, so a second run costs nothing and a change is never missed.

mod builder;
mod shelf;

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::fcntl::{Flock, FlockArg};

pub use builder::{Builder, Kind, runner_arguments, runner_file};
pub use shelf::Shelf;

use crate::fixtures::RunnerHome;
use crate::programs::{built_dir, cache_dir};
use crate::rootfs::Rootfs;
use crate::scratch::Scratch;

/// The images in [`archive`].
pub const NAMES: [&str; 6] =
    ["runner:test", "runner-sudo:test", "runner-fargate:test", "runner-dind:test", "runner-toolkit:test", "stand-in:test"];

/// The version of the runner that the tests' archive says it has.
pub const RUNNER_VERSION: &str = "2.999.0";

/// How many archives stay: that of today's sources, and that of another branch.
const KEPT: usize = 2;

/// Debian's names of the base, and of the official docker CLI's image, among the builder's images.
const BASE: &str = "bare:test";
const DOCKER_CLI: &str = "docker-cli:test";

/// All of [`NAMES`] as `docker save` writes them, and `docker load` reads them: compressed, a third of a gigabyte. Built when anything that goes in is not what it was: minutes and a Debian mirror the
/// first time, seconds when only a program changed.
///
/// # Panics
/// When it can not be built; the message has what docker said.
#[must_use]
pub fn archive() -> PathBuf {
    let dir = cache_dir().join("images");
    fs::create_dir_all(&dir).expect("make the cache directory");
    let scratch = Scratch::new();
    let context = Context::make(scratch.path());
    let path = dir.join(format!("{}.tar.zst", context.sum()));
    let lock = File::create(dir.join("archive.lock")).expect("make a lock file");
    let _held = Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, error)| error).expect("lock the cache");
    if !path.exists() {
        let builder = Builder::kept(context.path(), Kind::Classic);
        builder.make_bases();
        builder.build_all(&context);
        let building = path.with_extension("building");
        builder.save(&NAMES, &building);
        fs::rename(&building, &path).expect("put the archive in its place");
        builder.holds(&path);
        forget_old(&dir);
    }
    path
}

/// A docker with the images in it. What else is made there is not in the archive.
///
/// # Panics
/// As [`archive`].
#[must_use]
pub fn engine() -> Builder {
    let archive = archive();
    let folder = archive.parent().expect("the archive is in the cache");
    let builder = Builder::kept(folder, Kind::Classic);
    if !builder.is_known_to_hold(&archive) {
        builder.sh(&format!("docker load --quiet --input '{}'", archive.display()));
        builder.holds(&archive);
    }
    builder
}

fn forget_old(dir: &Path) {
    let mut archives: Vec<PathBuf> = fs::read_dir(dir).expect("read the cache").flatten().map(|entry| entry.path()).collect();
    archives.retain(|path| path.extension().is_some_and(|extension| extension == "zst"));
    archives.sort_by_key(|path| fs::metadata(path).and_then(|found| found.modified()).ok());
    for old in archives.iter().rev().skip(KEPT) {
        let _ = fs::remove_file(old);
    }
}

/// Where the static programs are: `RUNNER_TEST_DIST`, else `target/dist`; for this machine's architecture.
///
/// # Errors
/// When they are not built.
pub fn dist() -> Result<PathBuf, String> {
    let folder = std::env::var_os("RUNNER_TEST_DIST")
        .filter(|folder| !folder.is_empty())
        .map_or_else(|| sources().join("target/dist"), PathBuf::from);
    let found = [folder.join(architecture()), folder.clone()].into_iter().find(|folder| folder.join("runner-entrypoint").is_file());
    found.ok_or_else(|| format!("no static programs in {}: `cargo xtask dist` makes them", folder.display()))
}

/// This machine's architecture by docker's name.
#[must_use]
pub fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "aarch64" => "arm64",
        _ => "amd64",
    }
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this package has a folder above it").to_owned()
}

/// A folder with all that the builds read: `images/` as it is in the sources, `dist`, `stand-in` and `shelf/actions-runner.tar.gz`.
#[derive(Debug)]
pub struct Context {
    path: PathBuf,
    runner_sum: String,
}

impl Context {
    /// Makes one in a folder that is there.
    ///
    /// # Panics
    /// When a file can not be written, or the static programs are not built.
    #[must_use]
    pub fn make(path: &Path) -> Self {
        let programs = path.join("dist").join(architecture());
        fs::create_dir_all(&programs).expect("make the context");
        let built = dist().unwrap_or_else(|error| panic!("{error}"));
        for (name, mode) in [("runner-entrypoint", 0o711), ("runner-dind", 0o755)] {
            copy(&built.join(name), &programs.join(name));
            fs::set_permissions(programs.join(name), fs::Permissions::from_mode(mode)).expect("set a mode");
        }
        copy(&sources().join("images"), &path.join("images"));
        let stand_in = path.join("stand-in");
        drop(RunnerHome::make(&stand_in.join("runner")));
        copy(&built_dir().join("github-stand-in"), &stand_in.join("github-stand-in"));
        fs::create_dir(path.join("shelf")).expect("make the shelf");
        let archive = path.join("shelf/actions-runner.tar.gz");
        pack(&stand_in.join("runner"), &archive);
        Self { path: path.into(), runner_sum: sum_of(&archive) }
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The runner's archive.
    #[must_use]
    pub fn runner(&self) -> PathBuf {
        self.path.join("shelf/actions-runner.tar.gz")
    }

    /// Its sha256.
    #[must_use]
    pub fn runner_sum(&self) -> &str {
        &self.runner_sum
    }

    /// Of everything that goes into the images, as it lies here, and of what makes the bases and the builds.
    fn sum(&self) -> String {
        let roots = [Rootfs::Bare, Rootfs::Docker].map(|root| root.path().file_name().map(|name| name.to_string_lossy().into_owned()));
        let recipe = [include_str!("images.rs"), include_str!("images/builder.rs"), &format!("{roots:?}")].concat();
        fs::write(self.path.join("recipe"), recipe).expect("write the recipe");
        let dockerfiles = ["toolkit", "runner", "dind", "stand-in"].map(|name| format!("images/{name}/Dockerfile"));
        let mut sums = Command::new("sh");
        sums.current_dir(&self.path);
        sums.args(["-c", "find \"$@\" -type f -print0 | sort -z | xargs -0 sha256sum && find \"$@\" -printf '%m %p\\n' | sort", "sum"]);
        sums.args(["recipe", "dist", "stand-in", "shelf"]).args(dockerfiles);
        let listed = output(&mut sums);
        fs::write(self.path.join("sums"), listed).expect("write the sums");
        sum_of(&self.path.join("sums"))[..16].to_owned()
    }
}

/// The runner's archive has its files at the top; the same files give the same archive.
fn pack(folder: &Path, to: &Path) {
    let tar = "tar -C \"$1\" --sort=name --mtime=@0 --owner=0 --group=0 -c . | gzip -n -1 > \"$2\"";
    drop(output(Command::new("sh").args(["-c", tar, "pack"]).args([folder, to])));
}

/// By another process, so that no descriptor open for writing is inherited by what another thread starts.
fn copy(from: &Path, to: &Path) {
    drop(output(Command::new("cp").arg("-R").args([from, to])));
}

fn sum_of(file: &Path) -> String {
    output(Command::new("sha256sum").arg(file)).chars().take(64).collect()
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
