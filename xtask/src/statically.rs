//! The two programs as users get them: one static file each.

use std::{fs, path::PathBuf, process::Command};

use crate::run::{self, Failed};

/// The largest a program may be.
const LIMIT: u64 = 4_000_000;

/// What of zstd's compressor is left out: the strategies of levels that we never use, a fifth of a megabyte.
const WITHOUT: [&str; 7] = ["DFAST", "GREEDY", "LAZY", "LAZY2", "BTLAZY2", "BTOPT", "BTULTRA"];

const PROGRAMS: [&str; 2] = ["runner-entrypoint", "runner-dind"];

/// Builds both into `target/dist` and says how large they are.
pub(crate) fn build() -> Result<PathBuf, Failed> {
    let target = target();
    // One package at a time: built together, each would get the features that only the other needs.
    for program in PROGRAMS {
        let words = ["build", "--quiet", "--release", "--target", &target, "--package", program];
        run::finish(cargo(&target).args(words), "cargo", &words)?;
    }
    let folder = run::root().join("target/dist");
    fs::create_dir_all(&folder).map_err(|error| Failed(format!("{} cannot be made: {error}", folder.display())))?;
    for program in PROGRAMS {
        let built = run::target().join(&target).join("release").join(program);
        let size =
            fs::copy(&built, folder.join(program)).map_err(|error| Failed(format!("{} cannot be copied: {error}", built.display())))?;
        println!("{program}: {:.2} MB, static, {target}", size as f64 / 1e6);
        if size > LIMIT {
            return Err(Failed(format!("{program} is larger than {LIMIT} bytes")));
        }
        check_static(&built)?;
    }
    Ok(folder)
}

fn cargo(target: &str) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(run::root());
    let without: Vec<String> = WITHOUT.iter().map(|name| format!("-DZSTD_EXCLUDE_{name}_BLOCK_COMPRESSOR")).collect();
    cargo.env(format!("CFLAGS_{}", target.replace('-', "_")), without.join(" "));
    if target.ends_with("musl") {
        // musl has no compiler of its own on most machines, and ring needs only one that makes objects for this processor.
        cargo.env(format!("CC_{}", target.replace('-', "_")), "cc");
        // A static program that can be loaded anywhere relocates itself; written plainly, the list of places is a thirtieth of it.
        cargo.env("RUSTFLAGS", "-C link-arg=-Wl,-z,pack-relative-relocs");
    } else {
        cargo.env("RUSTFLAGS", "-C target-feature=+crt-static");
    }
    cargo
}

fn check_static(program: &std::path::Path) -> Result<(), Failed> {
    let bytes = fs::read(program).map_err(|error| Failed(format!("{} cannot be read: {error}", program.display())))?;
    // A program header of type PT_INTERP names the dynamic loader (elf(5)); a static file has none.
    let header = |at: usize, length: usize| bytes[at..at + length].iter().rev().fold(0, |value, &byte| value << 8 | usize::from(byte));
    let (table, size, count) = (header(32, 8), header(54, 2), header(56, 2));
    if (0..count).any(|entry| header(table + entry * size, 4) == 3) {
        return Err(Failed(format!("{} needs a dynamic loader; it is not static", program.display())));
    }
    Ok(())
}

/// musl where its standard library is or can be installed, else the C library of this machine, linked statically.
fn target() -> String {
    let architecture = std::env::consts::ARCH;
    let musl = format!("{architecture}-unknown-linux-musl");
    let installed =
        run::output("rustc", &["--print", "target-libdir", "--target", &musl]).is_ok_and(|folder| PathBuf::from(folder.trim()).is_dir());
    if installed || run::output("rustup", &["target", "add", &musl]).is_ok() { musl } else { format!("{architecture}-unknown-linux-gnu") }
}
