//! The runner program: how it is started, what its lines mean, whether it is there. Knows no GitHub API and no cache.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    io::Read as _,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use nix::unistd::{Uid, User};
use settings::Secret;
use supervise::{Identity, Output, Program};

use crate::{
    config::{Runner, RunnerCommand},
    words::Note,
};

/// What the Listener reads as `--jitconfig` and takes out of its environment (actions/runner `CommandSettings.cs`). Never an
/// argument: a command line can be read by every process of the container.
const JIT_VARIABLE: &str = "ACTIONS_RUNNER_INPUT_JITCONFIG";

/// The same for `config.sh`.
const TOKEN_VARIABLE: &str = "ACTIONS_RUNNER_INPUT_TOKEN";

/// A day's worth of its lines.
const LONGEST_PERF: u64 = 256 * 1024;

/// Without one of the image's own.
pub(crate) const USUAL_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

const CONFIG_SH: &str = "config.sh";
const LISTENER: &str = "bin/Runner.Listener";
const RUN_SH: &str = "run.sh";

/// What makes a runner of a program: never an argument, a command line can be read by every process of the container.
#[derive(Debug, Clone)]
pub(crate) enum Start {
    /// All that it needs to know.
    Jit(Secret),
    /// A token with which `config.sh` registers a runner of this name, and can remove it.
    Token { name: String, token: Secret },
}

/// Which of the runner's programs.
#[derive(Debug)]
pub(crate) enum Which<'a> {
    /// The Listener, or `run.sh` around it.
    Run(Option<&'a Start>),
    /// `config.sh`
    Configure { arguments: Vec<OsString>, token: &'a Secret },
    /// `config.sh remove`
    Unconfigure { token: &'a Secret },
}

/// A program of the runner's, with an environment made from nothing.
pub(crate) fn program(runner: &Runner, which: Which<'_>, identity: Option<&User>, docker_group: Option<u32>) -> Program {
    let mut environment: BTreeMap<OsString, OsString> = runner.environment.iter().cloned().collect();
    environment.entry("PATH".into()).or_insert_with(|| USUAL_PATH.into());
    let (home, name) = identity.map_or_else(|| own_home(&runner.home), |user| (user.dir.clone(), user.name.clone()));
    for (name, value) in [
        ("HOME", home.into_os_string()),
        ("USER", name.into()),
        // Tools find the cache under either name, and an action that sees two different places installs into one and looks in the other.
        ("RUNNER_TOOL_CACHE", runner.tool_cache.clone().into_os_string()),
        ("AGENT_TOOLSDIRECTORY", runner.tool_cache.clone().into_os_string()),
        // Otherwise "your version is too old" looks like any other error (actions/runner `Constants.cs`).
        ("ACTIONS_RUNNER_RETURN_VERSION_DEPRECATED_EXIT_CODE", "1".into()),
    ] {
        environment.insert(name.into(), value);
    }
    if runner.user.is_none() && Uid::effective().is_root() {
        environment.insert("RUNNER_ALLOW_RUNASROOT".into(), "1".into());
    }
    let in_home = |file: &str| runner.home.join(file);
    let (file, arguments, source) = match which {
        Which::Run(start) => {
            if let Some(Start::Jit(blob)) = start {
                environment.insert(JIT_VARIABLE.into(), text(blob));
            }
            match found(runner) {
                Some(Found::RunSh) => (in_home(RUN_SH), vec![], "runner"),
                _ => (in_home(LISTENER), vec!["run".into()], "runner"),
            }
        }
        Which::Configure { arguments, token } => {
            environment.insert(TOKEN_VARIABLE.into(), text(token));
            (in_home(CONFIG_SH), arguments, "config.sh")
        }
        Which::Unconfigure { token } => {
            environment.insert(TOKEN_VARIABLE.into(), text(token));
            (in_home(CONFIG_SH), vec!["remove".into(), "--unattended".into()], "config.sh")
        }
    };
    Program {
        file: file.into_os_string(),
        arguments,
        environment: Some(environment),
        directory: Some(runner.home.clone()),
        identity: identity.map(|user| identity_of(user, docker_group)),
        output: Output::Lines(source),
    }
}

/// Of what was revealed before; should its file be gone meanwhile, the runner says itself what it lacks.
fn text(secret: &Secret) -> OsString {
    secret.reveal().map(|text| OsString::from(text.as_str())).unwrap_or_default()
}

/// What `config.sh` wrote about the runner it registered: its number and its name (actions/runner `ConfigurationStore.cs`).
///
/// # Errors
/// A sentence.
pub(crate) fn registration(home: &Path) -> Result<(u64, String), String> {
    let path = home.join(".runner");
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    // .NET writes a byte order mark.
    let settings: serde_json::Value = serde_json::from_str(text.trim_start_matches('\u{feff}'))
        .map_err(|error| format!("{} is not what config.sh writes: {error}", path.display()))?;
    let id = settings["agentId"].as_u64().or_else(|| settings["AgentId"].as_u64());
    let name = settings["agentName"].as_str().or_else(|| settings["AgentName"].as_str());
    id.zip(name).map(|(id, name)| (id, name.to_owned())).ok_or_else(|| format!("{} does not say which runner it is", path.display()))
}

/// What the Listener has measured of itself, as one line: each of its moments once, from the first one on.
pub(crate) fn perf(file: &Path) -> Option<String> {
    let mut text = String::new();
    // A link or a pipe in its place is the job's doing.
    let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK;
    let file = std::fs::OpenOptions::new().read(true).custom_flags(flags).open(file).ok()?;
    file.take(LONGEST_PERF).read_to_string(&mut text).ok()?;
    moments(&text)
}

/// Lines of `NAME:TIME`, the time as .NET writes it.
fn moments(text: &str) -> Option<String> {
    let parsed = text.lines().filter_map(|line| {
        let (name, time) = line.split_once(':')?;
        // `JobRequestRenewed_ID` and the like: the id is of no use here, and there is one a minute.
        let name = name.split('_').next().filter(|name| name.len() <= 40 && name.chars().all(|c| c.is_ascii_alphanumeric()))?;
        Some((name, humantime::parse_rfc3339(time.trim()).ok()?))
    });
    let mut moments: Vec<(&str, std::time::SystemTime)> = Vec::new();
    for (name, time) in parsed {
        if moments.iter().all(|(known, _)| *known != name) {
            moments.push((name, time));
        }
    }
    let (_, first) = *moments.first()?;
    let since = |time: std::time::SystemTime| time.duration_since(first).unwrap_or_default().as_millis();
    Some(moments.iter().map(|(name, time)| format!("{name} +{} ms", since(*time))).collect::<Vec<_>>().join(", "))
}

/// The user's own groups are not asked for: the image decides them by name, the socket's owner decides by number, and only the number
/// is true inside this container.
pub(crate) fn identity_of(user: &User, docker_group: Option<u32>) -> Identity {
    let mut groups = vec![user.gid.as_raw()];
    groups.extend(docker_group.filter(|&gid| gid != user.gid.as_raw()));
    Identity { uid: user.uid.as_raw(), gid: user.gid.as_raw(), groups }
}

fn own_home(fallback: &Path) -> (PathBuf, String) {
    match User::from_uid(Uid::effective()) {
        Ok(Some(user)) => (user.dir, user.name),
        _ => (fallback.to_owned(), Uid::effective().to_string()),
    }
}

/// Which program is there to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// `bin/Runner.Listener`.
    Listener,
    /// `run.sh`.
    RunSh,
}

/// The program that the settings ask for, if it is there.
pub(crate) fn found(runner: &Runner) -> Option<Found> {
    let listener = || executable(&runner.home.join(LISTENER)).then_some(Found::Listener);
    let run_sh = || executable(&runner.home.join(RUN_SH)).then_some(Found::RunSh);
    match runner.command {
        RunnerCommand::Auto => listener().or_else(run_sh),
        RunnerCommand::Listener => listener(),
        RunnerCommand::RunSh => run_sh(),
    }
}

/// Whether there is a program.
pub(crate) fn executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

/// Everything that would keep the runner from starting, as `setting: what` with a hint on the next line.
pub(crate) fn problems(runner: &Runner, classic: bool) -> Vec<String> {
    let mut problems = Vec::new();
    let home = runner.home.display();
    if classic && !executable(&runner.home.join(CONFIG_SH)) {
        problems.push(format!("RUNNER_HOME: {home} has no config.sh that can be executed, and RUNNER_TOKEN needs it\nhint: unpack the actions/runner release there, or register with ACCESS_TOKEN or an App"));
    }
    if found(runner).is_none() {
        let wanted = match runner.command {
            RunnerCommand::Auto => "neither bin/Runner.Listener nor run.sh",
            RunnerCommand::Listener => "no bin/Runner.Listener",
            RunnerCommand::RunSh => "no run.sh",
        };
        problems.push(format!("RUNNER_HOME: {home} has {wanted} that can be executed\nhint: unpack the actions/runner release there, or set RUNNER_HOME to where it is"));
    }
    match user(runner) {
        Err(problem) => problems.push(problem),
        Ok(user) => {
            let uid = user.map_or_else(Uid::effective, |user| user.uid);
            // The Listener writes its registration and its logs into its own folder.
            if let Ok(folder) = runner.home.metadata()
                && !uid.is_root()
                && folder.uid() != uid.as_raw()
                && folder.permissions().mode() & 0o022 == 0
            {
                problems.push(format!("RUNNER_HOME: {home} cannot be written by user id {uid}\nhint: chown it in the image; the runner keeps its registration there"));
            }
        }
    }
    problems
}

/// Whom the runner runs as; `None` is as this program does.
pub(crate) fn user(runner: &Runner) -> Result<Option<User>, String> {
    let Some(name) = runner.user.as_deref().filter(|_| Uid::effective().is_root()) else { return Ok(None) };
    match User::from_name(name) {
        Ok(Some(user)) => Ok(Some(user)),
        Ok(None) => {
            Err(format!("RUNNER_USER: there is no user `{name}` in this image\nhint: create it, name another one, or set RUN_AS_ROOT=yes"))
        }
        Err(error) => Err(format!("RUNNER_USER: user `{name}` cannot be looked up: {error}")),
    }
}

/// The group that owns docker's socket.
pub(crate) fn socket_group(docker_host: &str) -> Option<u32> {
    Path::new(docker_host.strip_prefix("unix://")?).metadata().ok().map(|socket| socket.gid())
}

/// What a line of the runner means. The Listener's lines begin with the UTC time and `Z: `.
pub(crate) fn note(line: &str) -> Option<Note> {
    if let Some((_, said)) = line.split_once("Z: ") {
        if said.starts_with("Listening for Jobs") {
            return Some(Note::Listening);
        }
        if let Some(job) = said.strip_prefix("Running job: ") {
            return Some(Note::JobStarted(job.to_owned()));
        }
        if let Some((job, result)) = said.strip_prefix("Job ").and_then(|rest| rest.rsplit_once(" completed with result: ")) {
            return Some(Note::JobCompleted { job: job.to_owned(), result: result.to_owned() });
        }
    }
    helper_line(line).map(Note::ListenerEnded)
}

/// What a line of `config.sh` means (actions/runner `ConfigurationManager.cs`, `RunnerService.cs`).
pub(crate) fn note_of_config(line: &str) -> Option<Note> {
    let refused = ["Http response code: NotFound", "Http response code: Unauthorized", "Http response code: Forbidden"];
    if refused.iter().any(|words| line.contains(words)) {
        return Some(Note::TokenRefused);
    }
    line.contains("is currently running a job and cannot be deleted").then_some(Note::RemovalRefused)
}

/// The lines with which `run-helper.sh` tells how its Listener ended (actions/runner `run-helper.sh.template`).
fn helper_line(line: &str) -> Option<u8> {
    if let Some(code) = line.strip_prefix("Exiting with unknown error code: ") {
        return code.trim().parse().ok();
    }
    let said = line.strip_prefix("Runner listener exit ")?;
    match said {
        said if said.starts_with("with 0 return code") => Some(0),
        said if said.starts_with("with terminated error") => Some(1),
        said if said.starts_with("with Session Conflict error") => Some(5),
        said if said.starts_with("with deprecated version") => Some(7),
        // After a retryable error and after an update the script starts the Listener again by itself.
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_a_life_are_understood() {
        let job = |name: &str| name.to_owned();
        for (line, expected) in [
            ("2026-11-21 12:00:00Z: Listening for Jobs", Some(Note::Listening)),
            ("2026-11-21 12:00:01Z: Running job: build (x64)", Some(Note::JobStarted(job("build (x64)")))),
            (
                "2026-11-21 12:00:02Z: Job build completed with result: x completed with result: Failed",
                Some(Note::JobCompleted { job: job("build completed with result: x"), result: job("Failed") }),
            ),
            ("Listening for Jobs", None),
            ("√ Connected to GitHub", None),
            ("Runner listener exit with 0 return code, stop the service, no retry needed.", Some(Note::ListenerEnded(0))),
            ("Runner listener exit with terminated error, stop the service, no retry needed.", Some(Note::ListenerEnded(1))),
            ("Runner listener exit with retryable error, re-launch runner in 5 seconds.", None),
            ("Runner listener exit because of updating, re-launch runner after successful update", None),
            ("Runner listener exit with Session Conflict error, stop the service, no retry needed.", Some(Note::ListenerEnded(5))),
            ("Runner listener exit with deprecated version exit code: 7", Some(Note::ListenerEnded(7))),
            ("Exiting with unknown error code: 137", Some(Note::ListenerEnded(137))),
        ] {
            assert_eq!(note(line), expected, "{line}");
        }
    }

    fn runner(home: &Path, command: RunnerCommand) -> Runner {
        Runner {
            home: home.to_owned(),
            command,
            user: None,
            environment: vec![("PATH".into(), "/bin".into())],
            tool_cache: "/opt/hostedtoolcache".into(),
        }
    }

    fn executable(path: &Path) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "#!/bin/sh\n").unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn the_listener_itself_is_preferred_because_run_sh_hides_its_exit_code() {
        let home = tempfile::tempdir().unwrap();
        let auto = runner(home.path(), RunnerCommand::Auto);
        assert_eq!(found(&auto), None);
        assert!(problems(&auto, false)[0].contains("neither bin/Runner.Listener nor run.sh"));
        executable(&home.path().join(RUN_SH));
        assert_eq!(found(&auto), Some(Found::RunSh));
        executable(&home.path().join(LISTENER));
        assert_eq!(found(&auto), Some(Found::Listener));
        assert_eq!(found(&runner(home.path(), RunnerCommand::RunSh)), Some(Found::RunSh));
    }

    #[test]
    fn the_registration_reaches_the_runner_by_its_environment_alone() {
        let home = tempfile::tempdir().unwrap();
        executable(&home.path().join(LISTENER));
        let runner = runner(home.path(), RunnerCommand::Auto);
        let start = Start::Jit(Secret::new("blob"));
        let run = program(&runner, Which::Run(Some(&start)), None, None);
        assert_eq!(run.arguments, ["run"]);
        let environment = run.environment.unwrap();
        assert_eq!(environment[&OsString::from(JIT_VARIABLE)], "blob");
        assert_eq!(environment[&OsString::from("RUNNER_TOOL_CACHE")], environment[&OsString::from("AGENT_TOOLSDIRECTORY")]);

        let remove = program(&runner, Which::Unconfigure { token: &Secret::new("AAAA") }, None, None);
        assert_eq!(remove.arguments, ["remove", "--unattended"]);
        assert_eq!(remove.environment.unwrap()[&OsString::from(TOKEN_VARIABLE)], "AAAA");
        let token = Start::Token { name: "r".into(), token: Secret::new("AAAA") };
        let run = program(&runner, Which::Run(Some(&token)), None, None);
        assert!(!run.environment.unwrap().values().any(|value| value == "AAAA"), "the registered runner needs no token any more");
    }

    #[test]
    fn what_config_sh_wrote_names_the_runner_with_and_without_a_byte_order_mark() {
        let home = tempfile::tempdir().unwrap();
        assert!(registration(home.path()).unwrap_err().contains("cannot be read"));
        for (text, expected) in [
            ("\u{feff}{\"agentId\": 42, \"agentName\": \"r\"}", Some((42, "r".to_owned()))),
            ("{\"AgentId\": 7, \"AgentName\": \"s\"}", Some((7, "s".to_owned()))),
            ("{\"agentName\": \"r\"}", None),
            ("{", None),
        ] {
            std::fs::write(home.path().join(".runner"), text).unwrap();
            assert_eq!(registration(home.path()).ok(), expected, "{text}");
        }
    }

    #[test]
    fn what_the_listener_measured_is_one_line_and_what_is_none_of_it_is_left_out() {
        let text = "SessionCreated:2026-11-21T12:00:00.1000000Z\nMessageReceived_RunnerJobRequest:2026-11-21T12:00:04.3500000Z\n\
                    JobRequestRenewed_17:2026-11-21T12:01:00.0000000Z\nJobRequestRenewed_17:2026-11-21T12:02:00.0000000Z\n\
                    evil\u{1b}[2J:2026-11-21T12:02:00Z\nnot a moment\nx:soon\n";
        assert_eq!(moments(text).unwrap(), "SessionCreated +0 ms, MessageReceived +4250 ms, JobRequestRenewed +59900 ms");
        assert_eq!(moments(""), None);
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("Runner.perf"), dir.path().join("link"));
        std::fs::write(&file, text).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert!(perf(&file).is_some());
        assert_eq!((perf(&link), perf(dir.path()), perf(&dir.path().join("missing"))), (None, None, None));
    }

    #[test]
    fn the_refusals_of_config_sh_are_understood() {
        for (line, expected) in [
            ("Http response code: NotFound from 'POST https://api.github.com/actions/runner-registration'", Some(Note::TokenRefused)),
            ("Http response code: Unauthorized from 'POST https://api.github.com/actions/runner-registration'", Some(Note::TokenRefused)),
            ("Bad request - Runner \"r\" is currently running a job and cannot be deleted.", Some(Note::RemovalRefused)),
            ("√ Runner successfully added", None),
        ] {
            assert_eq!(note_of_config(line), expected, "{line}");
        }
    }
}
