//! Packer's build of the machine, in a box with QEMU: no network but its own loopback, no plugin to download, no account.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use runner_tests::{boxed::Boxed, clock, process::Ending, programs::Program, rootfs::Rootfs, scratch::Scratch, vm};

/// Five times what it takes on a quiet machine.
const LIMIT: Duration = Duration::from_secs(1500);

/// What Packer made.
#[derive(Debug)]
pub(crate) struct Built {
    /// The host's disk.
    pub(crate) disk: PathBuf,
    /// All that was said; nothing of one that was built before.
    pub(crate) said: String,
    _scratch: Scratch,
}

/// The recipe.
pub(crate) fn ami() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("ami")
}

/// The host, built once.
pub(crate) fn built() -> &'static Built {
    static BUILT: OnceLock<Built> = OnceLock::new();
    BUILT.get_or_init(build)
}

/// `RUNNER_TEST_AMI_DISK` is a disk that was built before, for who works on what follows.
fn build() -> Built {
    let scratch = Scratch::new();
    if let Some(disk) = std::env::var_os("RUNNER_TEST_AMI_DISK") {
        return Built { disk: disk.into(), said: String::new(), _scratch: scratch };
    }
    let (machine, recipe) = (scratch.path().join("machine"), scratch.path().join("ami"));
    fs::create_dir_all(&machine).unwrap();
    for_old_packer(&ami(), &recipe);
    let program = recipe.join("dist/amd64");
    fs::create_dir_all(&program).unwrap();
    fs::copy(Program::Dind.path(), program.join("runner-dind")).unwrap();
    let root = Rootfs::Ami.path();
    for file in ["vmlinuz", "initrd.img"] {
        fs::copy(root.join(file), machine.join(file)).unwrap();
    }
    let system = vm::system(Rootfs::Ami);
    let packer = Rootfs::Packer.path().join("usr/bin/packer");
    let boxed = Boxed::new(&Rootfs::Qemu.path())
        .bind(&machine, Path::new("/machine"))
        .bind_read_only(&system, Path::new("/machine/base.img"))
        .bind(&recipe, Path::new("/ami"))
        .bind_read_only(&packer, Path::new("/usr/local/bin/packer"))
        .envs([("HOME", "/tmp"), ("TMPDIR", "/tmp"), ("PACKER_CACHE_DIR", "/tmp/packer"), ("CHECKPOINT_DISABLE", "1")]);
    fs::write(machine.join("base.img"), "").unwrap();
    let script = "cd /ami && exec packer build -color=false -only=qemu.local -var machine=/machine -var programs=dist .";
    let mut building = boxed.spawn("packer", &["sh", "-c", script]);
    let ended = clock::poll(LIMIT, || building.ended());
    let said = building.transcript();
    let console = || fs::read_to_string(machine.join("console")).unwrap_or_default();
    assert_eq!(ended, Some(Ending::Code(0)), "{said}\n{}", console());
    Built { disk: machine.join("out/host"), said, _scratch: scratch }
}

/// A copy without what Packer 1.6 does not know: `cargo xtask check` judges the same.
fn for_old_packer(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-r").args([from, to]).status().unwrap();
    assert!(copied.success(), "copy {}", from.display());
    fs::remove_file(to.join("plugins.pkr.hcl")).unwrap();
    for entry in fs::read_dir(to).unwrap().flatten().filter(|entry| entry.path().extension().is_some_and(|kind| kind == "hcl")) {
        let mut newer = false;
        let text = fs::read_to_string(entry.path()).unwrap();
        let old = text.lines().filter(|line| {
            newer = (newer || line.ends_with("# packer 1.7 and later: begin")) && !line.ends_with("# packer 1.7 and later: end");
            !newer
        });
        let old: Vec<&str> = old.collect();
        fs::write(entry.path(), old.join("\n") + "\n").unwrap();
    }
}
