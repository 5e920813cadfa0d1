//! How the runner would run a hook, so that ours can in its place (actions/runner `HostContext.cs` `GetDefaultShellForScript`,
//! `ScriptHandlerHelpers.cs`, `NodeUtil.cs`).

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
};

use crate::{config::Runner, runner};

/// What it gives to bash and to sh before the script.
const BASH: [&str; 5] = ["--noprofile", "--norc", "-e", "-o", "pipefail"];
const SH: [&str; 1] = ["-e"];

/// Which of its own nodes runs a script, and what it is without a wish, if it is there.
const FORCED_NODE: &str = "ACTIONS_RUNNER_FORCED_INTERNAL_NODE_VERSION";
const USUAL_NODE: &str = "node20";

/// The command for a hook.
///
/// # Errors
/// Why there is none: the runner will refuse it too, or lacks what runs it.
pub(super) fn command(hook: &OsStr, runner: &Runner) -> Result<Vec<OsString>, String> {
    let file = Path::new(hook);
    if !file.is_absolute() || !file.is_file() {
        return Err(format!("there is no file {}", file.display()));
    }
    let path = value(runner, "PATH").unwrap_or_else(|| runner::USUAL_PATH.into());
    let with = |program: PathBuf, options: &[&str]| {
        let options = options.iter().map(OsString::from);
        std::iter::once(program.into_os_string()).chain(options).chain([hook.to_owned()]).collect()
    };
    match file.extension().and_then(OsStr::to_str) {
        Some("sh") => match (found("bash", &path), found("sh", &path)) {
            (Some(bash), _) => Ok(with(bash, &BASH)),
            (None, Some(sh)) => Ok(with(sh, &SH)),
            (None, None) => Err("there is no bash and no sh in PATH".to_owned()),
        },
        Some("ps1") => {
            let shell = found("pwsh", &path).or_else(|| found("powershell", &path)).ok_or("there is no pwsh in PATH")?;
            let mut script = OsString::from(". '");
            script.push(hook);
            script.push("'");
            Ok(vec![shell.into(), "-command".into(), script])
        }
        Some("js") => Ok(with(node(runner)?, &[])),
        _ => Err(format!("{} is not a script that the runner takes", file.display())),
    }
}

fn value(runner: &Runner, name: &str) -> Option<OsString> {
    let set = runner.environment.iter().find(|(known, value)| known == name && !value.is_empty());
    set.map(|(_, value)| value.clone())
}

fn found(program: &str, path: &OsStr) -> Option<PathBuf> {
    std::env::split_paths(path).map(|folder| folder.join(program)).find(|file| runner::executable(file))
}

/// The runner brings its own, and which of them is its usual one changes with its version.
fn node(runner: &Runner) -> Result<PathBuf, String> {
    let externals = runner.home.join("externals");
    let program = |version: &OsStr| externals.join(version).join("bin/node");
    let wished = value(runner, FORCED_NODE).into_iter().chain([USUAL_NODE.into()]);
    let mut others: Vec<OsString> = externals.read_dir().into_iter().flatten().flatten().map(|entry| entry.file_name()).collect();
    others.sort();
    let one_name = |version: &OsString| Path::new(version).components().count() == 1;
    let mut nodes = wished.filter(one_name).chain(others).map(|version| program(&version));
    nodes.find(|node| runner::executable(node)).ok_or_else(|| format!("there is no node in {}", externals.display()))
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;
    use crate::config::RunnerCommand;

    fn executable(file: &Path) {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, "").unwrap();
        fs::set_permissions(file, fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn a_hook_is_run_by_what_the_runner_would_run_it_by() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for name in ["hook.sh", "hook.js", "hook.ps1", "hook.py", "hook"] {
            fs::write(at(name), "").unwrap();
        }
        let runner = |more: &[(&str, &str)]| Runner {
            home: at("home"),
            command: RunnerCommand::Auto,
            user: None,
            environment: [("PATH", at("bin").to_str().unwrap())]
                .iter()
                .chain(more)
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
            tool_cache: at("tools"),
        };
        let told = |hook: &str, more: &[(&str, &str)]| {
            command(at(hook).as_os_str(), &runner(more)).map(|words| {
                let words: Vec<_> = words.iter().map(|word| word.to_string_lossy().replace(dir.path().to_str().unwrap(), "")).collect();
                words.join(" ")
            })
        };
        for name in ["hook.sh", "hook.js", "hook.ps1", "hook.py", "hook", "none.sh"] {
            assert!(told(name, &[]).is_err(), "{name}");
        }
        for name in ["bin/sh", "bin/pwsh", "home/externals/node24/bin/node", "home/externals/node26/bin/node"] {
            executable(&at(name));
        }
        assert_eq!(told("hook.sh", &[]).unwrap(), "/bin/sh -e /hook.sh");
        assert_eq!(told("hook.js", &[]).unwrap(), "/home/externals/node24/bin/node /hook.js");
        executable(&at("bin/bash"));
        executable(&at("home/externals/node20/bin/node"));
        assert_eq!(told("hook.sh", &[]).unwrap(), "/bin/bash --noprofile --norc -e -o pipefail /hook.sh");
        assert_eq!(told("hook.ps1", &[]).unwrap(), "/bin/pwsh -command . '/hook.ps1'");
        assert_eq!(told("hook.js", &[]).unwrap(), "/home/externals/node20/bin/node /hook.js");
        assert_eq!(told("hook.js", &[(FORCED_NODE, "node24")]).unwrap(), "/home/externals/node24/bin/node /hook.js");
        assert_eq!(told("hook.js", &[(FORCED_NODE, "../node")]).unwrap(), "/home/externals/node20/bin/node /hook.js");
        for name in ["hook.py", "hook", "none.sh"] {
            assert!(told(name, &[]).is_err(), "{name}");
        }
        assert!(command("hook.sh".as_ref(), &runner(&[])).is_err(), "a relative path");
    }
}
