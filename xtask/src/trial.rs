//! What a released program does before it is given away, on this processor or an emulated one: more than its help, less than the suites.

use std::{fs, path::Path, process::Command};

use crate::run::Failed;

/// Tries both programs in a folder. `emulator` runs them where this machine's processor cannot.
pub(crate) fn both(folder: &Path, emulator: Option<&str>) -> Result<(), Failed> {
    let entrypoint = Tried { path: folder.join("runner-entrypoint"), emulator };
    let dind = Tried { path: folder.join("runner-dind"), emulator };
    entrypoint.says(&["--help"], 0, "runner-entrypoint")?;
    dind.says(&["--help"], 0, "runner-dind")?;
    entrypoint.says(&["supervise", "--", "sh", "-c", "echo from a child; exit 7"], 7, "from a child")?;
    dind.says(&["check", "--json", "--docker-storage-root", "/nowhere"], 71, "\"status\"")?;
    round_trip(&entrypoint)
}

struct Tried<'emulator> {
    path: std::path::PathBuf,
    emulator: Option<&'emulator str>,
}

impl Tried<'_> {
    fn says(&self, words: &[&str], code: i32, part: &str) -> Result<(), Failed> {
        let mut command = match self.emulator {
            Some(emulator) => {
                let mut command = Command::new(emulator);
                command.arg(&self.path);
                command
            }
            None => Command::new(&self.path),
        };
        let what = format!("{} {}", self.path.display(), words.join(" "));
        let output = command.args(words).output().map_err(|error| Failed(format!("{what} cannot be run: {error}")))?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        if output.status.code() == Some(code) && said.contains(part) {
            return Ok(());
        }
        Err(Failed(format!("{what} should end with {code} and say {part:?}; it ended with {} and said\n{said}", output.status)))
    }
}

/// A tool version goes to shared storage and comes back: threads, zstd, SHA-256 and the calls of the kernel, on this processor.
fn round_trip(entrypoint: &Tried<'_>) -> Result<(), Failed> {
    let name = format!("runner-trial-{}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    let content: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
    let version = folder.join("local/node/20.11.0/x64");
    let file = |error: std::io::Error| Failed(format!("{}: {error}", folder.display()));
    fs::create_dir_all(&version).map_err(file)?;
    fs::write(version.join("node"), &content).map_err(file)?;
    fs::write(version.with_extension("complete"), "").map_err(file)?;
    for made in ["remote", "back"] {
        fs::create_dir(folder.join(made)).map_err(file)?;
    }
    let at = |part: &str| folder.join(part).to_string_lossy().into_owned();
    let done = entrypoint
        .says(&["cache", "save", "--from", &at("local"), "--to", &at("remote")], 0, "")
        .and_then(|()| entrypoint.says(&["cache", "restore", "--from", &at("remote"), "--to", &at("back")], 0, ""))
        .and_then(|()| fs::read(folder.join("back/node/20.11.0/x64/node")).map_err(file));
    let removed = fs::remove_dir_all(&folder).map_err(file);
    if done? != content {
        return Err(Failed("a tool that was saved and restored is another one".to_owned()));
    }
    removed
}
