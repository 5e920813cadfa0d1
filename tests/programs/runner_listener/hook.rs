//! The job-started hook, as the Worker runs it (actions/runner, src/Runner.Worker/JobHookProvider.cs, src/Runner.Common/HostContext.cs
//! `GetDefaultShellForScript`, src/Runner.Worker/Handlers/ScriptHandlerHelpers.cs): a file that must be there, by the shell that its
//! ending asks for, with the path put into the command line as it is.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where its path stands.
const VARIABLE: &str = "ACTIONS_RUNNER_HOOK_JOB_STARTED";
/// The node that the runner brings.
const NODE: &str = "externals/node20/bin/node";

/// The hook of this job, if one is configured.
pub(crate) fn configured() -> Option<PathBuf> {
    std::env::var_os(VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// What runs it.
///
/// # Errors
/// What the job fails with.
pub(crate) fn command(hook: &Path) -> std::io::Result<Command> {
    if !hook.is_file() {
        return Err(std::io::Error::other("File doesn't exist"));
    }
    let (shell, options) = match hook.extension().and_then(OsStr::to_str) {
        Some("sh") => (PathBuf::from("bash"), "--noprofile --norc -e -o pipefail"),
        Some("js") => (crate::listener::runner_root().join(NODE), ""),
        _ => {
            let what = format!("{} is not a valid path to a script. Make sure it ends in '.sh', '.ps1' or '.js'.", hook.display());
            return Err(std::io::Error::other(what));
        }
    };
    let mut command = Command::new(shell);
    command.args(options.split_whitespace()).args(hook.to_string_lossy().split(' '));
    Ok(command)
}
