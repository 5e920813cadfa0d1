//! Running other programs in the project's folder, and saying which one failed.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// What failed, in a sentence.
#[derive(Debug)]
pub(crate) struct Failed(pub(crate) String);

/// The project's folder.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("this package has a folder above it").to_owned()
}

/// Where cargo builds: `CARGO_TARGET_DIR` when somebody set it (relative to the project's folder, where we run cargo), else `target`.
pub(crate) fn target() -> PathBuf {
    root().join(std::env::var_os("CARGO_TARGET_DIR").filter(|folder| !folder.is_empty()).unwrap_or_else(|| "target".into()))
}

/// Runs a program; its output is shown.
pub(crate) fn run(program: &str, words: &[&str]) -> Result<(), Failed> {
    finish(Command::new(program).args(words).current_dir(root()), program, words)
}

/// Runs cargo, the one that runs us.
pub(crate) fn cargo(words: &[&str]) -> Result<(), Failed> {
    run(&std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()), words)
}

/// Runs cargo as this user, and the tests that it builds as root where that can be had without a question: most of what is worth
/// testing here needs namespaces, mounts and other users.
pub(crate) fn cargo_with_root_tests(words: &[&str]) -> Result<(), Failed> {
    let program = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let mut cargo = Command::new(&program);
    cargo.args(words).current_dir(root());
    if !is_root() && sudo_works() {
        // cargo's own hook for "run it with": CARGO_TARGET_<TRIPLE>_RUNNER.
        let triple = output("rustc", &["--print", "host-tuple"])?.trim().to_uppercase().replace('-', "_");
        cargo.env(format!("CARGO_TARGET_{triple}_RUNNER"), "sudo --non-interactive --preserve-env");
    }
    finish(&mut cargo, &program, words)
}

/// Runs a program of ours, by its path in [`target`], as root where that can be had without a question, else as we are: it says itself
/// what it left out.
pub(crate) fn privileged(program: &str, words: &[&str]) -> Result<(), Failed> {
    let path = target().join(program).to_string_lossy().into_owned();
    if is_root() || !sudo_works() {
        return run(&path, words);
    }
    let mut all = vec!["--non-interactive", path.as_str()];
    all.extend(words);
    run("sudo", &all)
}

/// What a program prints.
pub(crate) fn output(program: &str, words: &[&str]) -> Result<String, Failed> {
    let output = Command::new(program)
        .args(words)
        .current_dir(root())
        .output()
        .map_err(|error| Failed(format!("{program} cannot be run: {error}")))?;
    if !output.status.success() {
        return Err(Failed(format!("{program} {} failed:\n{}", words.join(" "), String::from_utf8_lossy(&output.stderr))));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

pub(crate) fn finish(command: &mut Command, program: &str, words: &[&str]) -> Result<(), Failed> {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failed(format!("{program} {} failed: {status}", words.join(" ")))),
        Err(error) => Err(Failed(format!("{program} cannot be run: {error}"))),
    }
}

/// A text as another program's standard input.
pub(crate) fn text(content: &str) -> Result<Stdio, Failed> {
    let (reader, mut writer) = std::io::pipe().map_err(|error| Failed(format!("no pipe: {error}")))?;
    writer.write_all(content.as_bytes()).map_err(|error| Failed(format!("a pipe does not take {} bytes: {error}", content.len())))?;
    Ok(reader.into())
}

/// Whether this process is root.
pub(crate) fn is_root() -> bool {
    output("id", &["-u"]).is_ok_and(|id| id.trim() == "0")
}

/// Whether root can be had without asking a person.
pub(crate) fn sudo_works() -> bool {
    output("sudo", &["--non-interactive", "true"]).is_ok()
}

/// Whether a program can be found.
pub(crate) fn exists(program: &str) -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders).chain(["/usr/sbin".into(), "/sbin".into()]).any(|folder| folder.join(program).is_file())
}

/// A file's text.
pub(crate) fn read(path: &Path) -> Result<String, Failed> {
    fs::read_to_string(path).map_err(|error| Failed(format!("{} cannot be read: {error}", path.display())))
}
