//! The AMI's recipe as Packer reads it. What its scripts do is `cargo xtask test ami`'s; shellcheck is one of the validators.

use std::{fs, path::Path};

use crate::{
    machine,
    run::{self, Failed},
};

/// Around what Packer 1.6 does not know. That one is Debian's, has its builders inside and needs neither network nor account.
const NEWER: (&str, &str) = ("# packer 1.7 and later: begin", "# packer 1.7 and later: end");

/// The file that only newer ones read.
const PLUGINS: &str = "plugins.pkr.hcl";

/// The recipe is written as Packer writes it, and every source of it is valid for both processors.
pub(crate) fn check() -> Result<(), Failed> {
    // Not every distribution has a package of it any more.
    if machine::install_what_is_missing(machine::FOR_AMI).is_err() || !run::exists("packer") {
        println!("no packer to be had: left out");
        return Ok(());
    }
    let recipe = run::root().join("ami").to_string_lossy().into_owned();
    run::run("env", &["CHECKPOINT_DISABLE=1", "packer", "fmt", "-check", "-diff", &recipe])?;
    let newer = !run::output("packer", &["version"])?.contains("Packer v1.6.");
    let copy = run::target().join("ami");
    copy_for(newer, &run::root().join("ami"), &copy)?;
    let place = copy.to_string_lossy().into_owned();
    if newer {
        run::run("env", &["CHECKPOINT_DISABLE=1", "packer", "init", &place])?;
    }
    for arch in ["arch=x86_64", "arch=arm64"] {
        // Packer looks for the files that a build sends.
        let words = ["-C", &place, "CHECKPOINT_DISABLE=1", "packer", "validate", "-var", "programs=dist", "-var", arch, "."];
        run::run("env", &words)?;
    }
    Ok(())
}

/// The recipe with empty programs, and for the old Packer without what it takes for a fault.
fn copy_for(newer: bool, from: &Path, to: &Path) -> Result<(), Failed> {
    let failed = |error: std::io::Error| Failed(format!("{} cannot be copied to {}: {error}", from.display(), to.display()));
    if to.exists() {
        fs::remove_dir_all(to).map_err(failed)?;
    }
    fs::create_dir_all(to.join("dist/amd64")).and_then(|()| fs::create_dir_all(to.join("dist/arm64"))).map_err(failed)?;
    for arch in ["amd64", "arm64"] {
        fs::write(to.join("dist").join(arch).join("runner-dind"), "").map_err(failed)?;
    }
    for folder in ["files", "scripts"] {
        run::run("cp", &["-r", &from.join(folder).to_string_lossy(), &to.to_string_lossy()])?;
    }
    for entry in fs::read_dir(from).map_err(failed)?.flatten() {
        let name = entry.file_name();
        if entry.path().extension().is_some_and(|kind| kind == "hcl") && (newer || name != PLUGINS) {
            let text = fs::read_to_string(entry.path()).map_err(failed)?;
            fs::write(to.join(name), if newer { text } else { without_newer(&text) }).map_err(failed)?;
        }
    }
    Ok(())
}

fn without_newer(text: &str) -> String {
    let mut newer = false;
    let old = text.lines().filter(|line| {
        newer = (newer || line.ends_with(NEWER.0)) && !line.ends_with(NEWER.1);
        !newer
    });
    old.map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_old_packer_does_not_know_is_between_two_lines() {
        let text = "a\n  # packer 1.7 and later: begin\n  b\n  # packer 1.7 and later: end\nc\n";
        assert_eq!(without_newer(text), "a\n  # packer 1.7 and later: end\nc\n");
    }
}
