//! The two programs as users get them: one static file each, the same bytes whoever builds them and where.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    machine::{self, Need, need},
    run::{self, Failed},
    trial,
};

/// The largest a program may be. Its pages are read from an image that a new host has to pull first; 5 MB is what was promised.
const LIMIT: u64 = 4_500_000;

/// What of zstd's compressor is left out: the strategies of levels that we never use, a fifth of a megabyte.
const WITHOUT: [&str; 7] = ["DFAST", "GREEDY", "LAZY", "LAZY2", "BTLAZY2", "BTOPT", "BTULTRA"];

const PROGRAMS: [&str; 2] = ["runner-entrypoint", "runner-dind"];

/// What a program is built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Architecture {
    Amd64,
    Arm64,
}

impl Architecture {
    pub(crate) const ALL: [Self; 2] = [Self::Amd64, Self::Arm64];

    /// By its name in image manifests.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|architecture| architecture.name() == name)
    }

    /// This machine's.
    pub(crate) fn native() -> Self {
        if std::env::consts::ARCH == "aarch64" { Self::Arm64 } else { Self::Amd64 }
    }

    /// Its name in image manifests and in `target/dist`.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    const fn cpu(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64",
            Self::Arm64 => "aarch64",
        }
    }

    /// The compiler of the C and assembly in ring and zstd. musl has none of its own on most machines, and one that makes objects for the
    /// processor is enough.
    fn compiler(self) -> &'static str {
        match self {
            _ if self == Self::native() => "cc",
            Self::Amd64 => "x86_64-linux-gnu-gcc",
            Self::Arm64 => "aarch64-linux-gnu-gcc",
        }
    }

    /// What runs its programs here, when this machine cannot.
    fn emulator(self) -> Option<&'static str> {
        match self {
            _ if self == Self::native() => None,
            Self::Amd64 => Some("qemu-x86_64-static"),
            Self::Arm64 => Some("qemu-aarch64-static"),
        }
    }

    fn needs(self) -> Vec<Need> {
        match self {
            _ if self == Self::native() => vec![],
            Self::Amd64 => vec![
                need("x86_64-linux-gnu-gcc", "gcc-x86-64-linux-gnu", "compiles ring and zstd for amd64"),
                need("/usr/x86_64-linux-gnu/include/stdint.h", "libc6-dev-amd64-cross", "has the headers for that"),
                need("qemu-x86_64-static", "qemu-user-static", "runs programs of amd64"),
            ],
            Self::Arm64 => vec![
                need("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu", "compiles ring and zstd for arm64"),
                // Only recommended by the compiler, which takes this machine's headers where they are missing, and then misses parts of them.
                need("/usr/aarch64-linux-gnu/include/stdint.h", "libc6-dev-arm64-cross", "has the headers for that"),
                need("qemu-aarch64-static", "qemu-user-static", "runs programs of arm64"),
            ],
        }
    }
}

/// Builds both for this machine and says how large they are; the folder that has them.
pub(crate) fn build() -> Result<PathBuf, Failed> {
    build_for(Architecture::native())
}

/// `cargo xtask dist [amd64|arm64|all|again]`.
pub(crate) fn dist(words: &[&str]) -> Result<(), Failed> {
    match words {
        [] => build().map(drop),
        ["all"] => Architecture::ALL.into_iter().try_for_each(|architecture| build_for(architecture).map(drop)),
        ["again"] => again(),
        [name] => match Architecture::named(name) {
            Some(architecture) => build_for(architecture).map(drop),
            None => Err(Failed(format!("dist knows amd64, arm64, all and again, not {name}"))),
        },
        _ => Err(Failed("dist takes one word at most".to_owned())),
    }
}

/// Builds both for a processor into `target/dist/NAME`, and runs them.
pub(crate) fn build_for(architecture: Architecture) -> Result<PathBuf, Failed> {
    machine::install_what_is_missing(&architecture.needs())?;
    let folder = run::root().join("target/dist").join(architecture.name());
    fs::create_dir_all(&folder).map_err(|error| Failed(format!("{} cannot be made: {error}", folder.display())))?;
    let target = target(architecture);
    for program in PROGRAMS {
        let built = compile(&run::root(), &run::target(), architecture, &target, program)?;
        let size =
            fs::copy(&built, folder.join(program)).map_err(|error| Failed(format!("{} cannot be copied: {error}", built.display())))?;
        println!("{program}: {:.2} MB, static, {target}", size as f64 / 1e6);
        if size > LIMIT {
            return Err(Failed(format!("{program} is larger than {LIMIT} bytes")));
        }
        check_static(&built)?;
    }
    trial::both(&folder, architecture.emulator())?;
    Ok(folder)
}

/// Builds what is committed once more, in another folder and from nothing, and compares every byte with what `target/dist` has.
fn again() -> Result<(), Failed> {
    let elsewhere = run::target().join("elsewhere, with a space");
    let _ = fs::remove_dir_all(&elsewhere);
    let source = elsewhere.join("source");
    let changed = run::output("git", &["status", "--porcelain"])?;
    if !changed.is_empty() {
        return Err(Failed(format!("what is committed is built again, and this is not:\n{changed}")));
    }
    run::run("git", &["clone", "--quiet", ".", &source.to_string_lossy()])?;
    let mut differing = Vec::new();
    for architecture in Architecture::ALL {
        let first = build_for(architecture)?;
        for program in PROGRAMS {
            let second = compile(&source, &elsewhere.join("target"), architecture, &target(architecture), program)?;
            let [one, two] = [first.join(program), second].map(|path| run::output("sha256sum", &[&path.to_string_lossy()]));
            let [one, two] = [one?, two?].map(|line| line.split_whitespace().next().unwrap_or_default().to_owned());
            println!("{program} {}: {one} {}", architecture.name(), if one == two { "twice" } else { "and then another" });
            if one != two {
                differing.push(format!("{program} for {}", architecture.name()));
            }
        }
    }
    let _ = fs::remove_dir_all(&elsewhere);
    if differing.is_empty() { Ok(()) } else { Err(Failed(format!("built twice and not the same: {}", differing.join(", ")))) }
}

/// The stand-ins of the tests, static as well: the image that they go into may have an older C library than this machine.
pub(crate) fn build_stand_ins(architecture: Architecture) -> Result<PathBuf, Failed> {
    machine::install_what_is_missing(&architecture.needs())?;
    let target = target(architecture);
    let bins = ["--bin", "github-stand-in", "--bin", "stand-in-listener"];
    let words = [&["build", "--quiet", "--release", "--locked", "--target", &target, "--package", "runner-tests"], &bins[..]].concat();
    run::finish(cargo(&run::root(), &run::target(), architecture, &target)?.args(&words), "cargo", &words)?;
    Ok(run::target().join(&target).join("release"))
}

/// One package at a time: built together, each would get the features that only the other needs.
fn compile(source: &Path, into: &Path, architecture: Architecture, target: &str, program: &str) -> Result<PathBuf, Failed> {
    let words = ["build", "--quiet", "--release", "--locked", "--target", target, "--package", program];
    run::finish(cargo(source, into, architecture, target)?.args(words), "cargo", &words)?;
    Ok(into.join(target).join("release").join(program))
}

fn cargo(source: &Path, into: &Path, architecture: Architecture, target: &str) -> Result<Command, Failed> {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(source).env("CARGO_TARGET_DIR", into).env_remove("RUSTFLAGS");
    // The moment of the commit stands for the moment of the build, for whatever asks.
    cargo.env("SOURCE_DATE_EPOCH", run::output("git", &["log", "-1", "--format=%ct"])?.trim());
    // A panic names its place in the source: not this machine's, and not that of the registry which its crates came from.
    let mut places = vec![(source.to_owned(), "runner"), (into.to_owned(), "target")];
    places.extend(registries(source)?.into_iter().map(|folder| (folder, "crates")));
    let mut flags: Vec<String> = places.iter().map(|(from, to)| format!("--remap-path-prefix={}=/{to}", from.display())).collect();
    let upper = target.to_uppercase().replace('-', "_");
    let mut c = vec!["-g0".to_owned()];
    c.extend(WITHOUT.iter().map(|name| format!("-DZSTD_EXCLUDE_{name}_BLOCK_COMPRESSOR")));
    if target.ends_with("musl") {
        cargo.env(format!("CC_{}", target.replace('-', "_")), architecture.compiler());
        // A static program that can be loaded anywhere relocates itself; written plainly, the list of places is a thirtieth of it.
        if architecture == Architecture::native() {
            flags.push("-Clink-arg=-Wl,-z,pack-relative-relocs".to_owned());
        } else {
            // Rust's own linker and musl do for any processor.
            cargo.env(format!("CARGO_TARGET_{upper}_LINKER"), "rust-lld");
            flags.extend(["-Clinker-flavor=ld.lld", "-Clink-self-contained=yes", "-Clink-arg=-zpack-relative-relocs"].map(str::to_owned));
        }
    } else {
        flags.push("-Ctarget-feature=+crt-static".to_owned());
    }
    cargo.env(format!("CFLAGS_{}", target.replace('-', "_")), c.join(" "));
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"));
    Ok(cargo)
}

/// Where cargo unpacks crates: a folder for each registry, which a mirror gives another name.
fn registries(source: &Path) -> Result<Vec<PathBuf>, Failed> {
    run::finish(Command::new("cargo").args(["fetch", "--quiet", "--locked"]).current_dir(source), "cargo", &["fetch"])?;
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.unwrap_or_else(|| PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cargo"));
    let folders = fs::read_dir(home.join("registry/src")).map_err(|error| Failed(format!("{}: {error}", home.display())))?;
    Ok(folders.filter_map(Result::ok).map(|entry| entry.path()).collect())
}

fn check_static(program: &Path) -> Result<(), Failed> {
    let bytes = fs::read(program).map_err(|error| Failed(format!("{} cannot be read: {error}", program.display())))?;
    // A program header of type PT_INTERP names the dynamic loader (elf(5)); a static file has none.
    let header = |at: usize, length: usize| bytes[at..at + length].iter().rev().fold(0, |value, &byte| value << 8 | usize::from(byte));
    let (table, size, count) = (header(32, 8), header(54, 2), header(56, 2));
    if (0..count).any(|entry| header(table + entry * size, 4) == 3) {
        return Err(Failed(format!("{} needs a dynamic loader; it is not static", program.display())));
    }
    for place in [run::root(), run::target()].map(|place| place.to_string_lossy().into_owned()) {
        if bytes.windows(place.len()).any(|window| window == place.as_bytes()) {
            return Err(Failed(format!("{} names {place}: another build will not be the same", program.display())));
        }
    }
    Ok(())
}

/// musl where its standard library is or can be installed, else the C library of this machine, linked statically.
fn target(architecture: Architecture) -> String {
    let musl = format!("{}-unknown-linux-musl", architecture.cpu());
    let installed =
        run::output("rustc", &["--print", "target-libdir", "--target", &musl]).is_ok_and(|folder| PathBuf::from(folder.trim()).is_dir());
    let native = architecture == Architecture::native();
    if installed || run::output("rustup", &["target", "add", &musl]).is_ok() || !native {
        musl
    } else {
        format!("{}-unknown-linux-gnu", architecture.cpu())
    }
}
