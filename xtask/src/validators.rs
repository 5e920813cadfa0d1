//! What others know to check: botocore, cfn-lint, Grafana's SDK, kubernetes-validate, python-hcl2, hadolint, zizmor, shellcheck.
//! `images/validate.py` runs them; this makes the virtual environment that it runs in, and keeps it.

use std::fs;

use crate::{
    machine,
    run::{self, Failed},
};

const SCRIPT: &str = "images/validate.py";

/// Every Python package with its version.
const PACKAGES: &str = "images/validators.txt";

/// Runs all of them on the project's files, after each has refused files with a fault: one that accepts everything would look the same.
pub(crate) fn check() -> Result<(), Failed> {
    let python = environment()?;
    run::run(&python, &[SCRIPT, "--self-test"])?;
    run::run(&python, &[SCRIPT])
}

/// The environment's Python. Made when the packages are not those of last time: half a minute, and a Python package index.
fn environment() -> Result<String, Failed> {
    let folder = run::target().join("validators");
    let python = folder.join("bin/python").to_string_lossy().into_owned();
    let wanted = fs::read_to_string(run::root().join(PACKAGES)).map_err(|error| Failed(format!("{PACKAGES} cannot be read: {error}")))?;
    let has = folder.join("has.txt");
    if fs::read_to_string(&has).is_ok_and(|has| has == wanted) {
        return Ok(python);
    }
    // Debian has a part of venv in a package of its own, so the program alone says nothing.
    if run::output("python3", &["-c", "import ensurepip, venv"]).is_err() {
        machine::install(&[&machine::PYTHON])?;
    }
    println!("installing what {PACKAGES} names");
    let place = folder.to_string_lossy().into_owned();
    let made = run::run("python3", &["-m", "venv", "--clear", &place]).and_then(|()| {
        let words =
            ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:", "--requirement"];
        run::run(&python, &[&words[..], &[PACKAGES]].concat())
    });
    made.map_err(|Failed(what)| {
        Failed(format!("{what}\nhint: it needs Python 3.11 or later with venv (Debian: python3-venv) and a package index"))
    })?;
    fs::write(&has, wanted).map_err(|error| Failed(format!("{} cannot be written: {error}", has.display())))?;
    Ok(python)
}
