//! A job that waits for its tool cache: with `TOOL_CACHE_RESTORE=before-job` the runner listens while the cache is still on its way, and
//! runs this program, as its hook, before the first step of the job.
//!
//! The hook only reads the state file, for as long as a restore may take. It can neither fail a job nor hold it longer than that, and
//! what it prints is read by the runner as commands, so it is one line of our own words.
//!
//! A job gains nothing by it: the runner has one job, and the hook is over before any of that job's own code runs.

mod chain;
mod script;

use std::{
    ffi::OsString,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use supervise::{StateFile, records};

use crate::{
    USAGE,
    config::{Config, Runner},
    exposed,
    lifecycle::RESTORING,
    runner,
    stages::HOOK_RESERVE,
};
use script::Script;

/// The first word of its command line.
pub(crate) const COMMAND: &str = "hook";

/// Where the runner finds its hook (actions/runner `Constants.cs`).
pub(crate) const VARIABLE: &str = "ACTIONS_RUNNER_HOOK_JOB_STARTED";

/// Between two looks at the state file.
const LOOK: Duration = Duration::from_millis(20);

/// Writes the hook of this life, if it is to have one.
///
/// # Errors
/// Why a job of this runner could not wait for its cache, with a hint: then it must be restored before the runner starts.
pub(crate) fn install(config: &Config) -> Result<Option<PathBuf>, String> {
    let Some(script) = planned(config)? else { return Ok(None) };
    let place = script.place.clone();
    script.write().map_err(|error| why(&format!("{} cannot be written: {error}", place.display()), TASK_DIR))?;
    match runner::user(&config.runner) {
        Ok(Some(user)) if !user.uid.is_root() && !exposed::readable(&place, user.uid.as_raw(), user.gid.as_raw()) => {
            Err(why(&format!("{} cannot be read by user id {}", place.display(), user.uid), TASK_DIR))
        }
        _ => Ok(Some(place)),
    }
}

/// The hook of this life without writing it, for `check`.
///
/// # Errors
/// As [`install`].
pub(crate) fn planned(config: &Config) -> Result<Option<Script>, String> {
    let Some(budget) = config.cache.as_ref().filter(|cache| cache.before_job).and_then(|cache| cache.restore) else { return Ok(None) };
    if set_by_the_runner_itself(&config.runner) {
        let what = format!("{} sets {VARIABLE}, and the runner takes that", config.runner.home.join(DOT_ENV).display());
        return Err(why(&what, "set it in this container's environment instead"));
    }
    let theirs = config.runner.environment.iter().find(|(name, value)| name == VARIABLE && !value.is_empty());
    let then = match theirs {
        None => Vec::new(),
        // What is wrong with it the runner tells the job in its own words.
        Some((_, hook)) => chain::command(hook, &config.runner)
            .map_err(|what| why(&format!("{VARIABLE}: {what}"), "the runner takes the absolute path of a .sh, .ps1 or .js"))?,
    };
    let state = config.task_dir.join("runner");
    let program = std::env::current_exe().map_err(|error| why(&format!("this program does not know where it is: {error}"), TASK_DIR))?;
    let script = Script { place: state.join(script::NAME), program, state, within: budget + HOOK_RESERVE, then };
    // The runner puts the path into a command line as it is (actions/runner `ScriptHandler.cs`).
    match script.place.to_str() {
        Some(path) if path.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+' | '@' | ':' | ',')) => {
            Ok(Some(script))
        }
        _ => Err(why(&format!("the runner cannot run {}: its path is not plain", script.place.display()), TASK_DIR)),
    }
}

const TASK_DIR: &str = "TASK_DIR must be a folder that this program may write and the runner's user may enter";

fn why(what: &str, hint: &str) -> String {
    format!("TOOL_CACHE_RESTORE=before-job: {what}; the tool cache is restored before the runner starts\nhint: {hint}")
}

/// What the runner reads into its environment, over what is there (actions/runner `Program.cs`).
const DOT_ENV: &str = ".env";

fn set_by_the_runner_itself(runner: &Runner) -> bool {
    let text = std::fs::read_to_string(runner.home.join(DOT_ENV)).unwrap_or_default();
    text.lines().any(|line| line.split_once('=').is_some_and(|(name, _)| name == VARIABLE))
}

/// The command: waits, and becomes the hook that was configured.
pub(crate) fn run(words: impl IntoIterator<Item = OsString>) -> u8 {
    let wanted = match parse(words) {
        Ok(wanted) => wanted,
        Err(problem) => {
            records::complain(&format!("runner-entrypoint hook: {problem}\n"));
            return USAGE;
        }
    };
    if let Some(line) = wait(&wanted.state, wanted.within) {
        records::answer(&line);
    }
    let Some((program, arguments)) = wanted.then.split_first() else { return 0 };
    let error = Command::new(program).args(arguments).exec();
    records::complain(&format!("runner-entrypoint hook: {} cannot be run: {error}\n", program.display()));
    126
}

/// What the hook is told.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    state: PathBuf,
    within: Duration,
    then: Vec<OsString>,
}

fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Wanted, lexopt::Error> {
    let mut parser = lexopt::Parser::from_args(words);
    let mut wanted = Wanted { state: PathBuf::new(), within: Duration::ZERO, then: Vec::new() };
    match parser.next()? {
        Some(lexopt::Arg::Value(word)) if word == script::JOB_STARTED => {}
        _ => return Err("it is for the runner alone, which runs `hook job-started`".into()),
    }
    while let Some(word) = parser.next()? {
        match word {
            lexopt::Arg::Long("state") => wanted.state = parser.value()?.into(),
            lexopt::Arg::Long("within") => {
                use lexopt::ValueExt as _;
                wanted.within = Duration::from_secs(parser.value()?.parse()?);
            }
            lexopt::Arg::Value(program) => {
                wanted.then.push(program);
                wanted.then.extend(parser.raw_args()?);
            }
            other => return Err(other.unexpected()),
        }
    }
    Ok(wanted)
}

/// Waits while a restore is pending, at most `within`; what is to be said of it, if anything. A state file that cannot be read is of
/// nobody who restores.
#[expect(clippy::disallowed_methods, reason = "a process of its own that does nothing but wait, with a deadline")]
fn wait(state: &Path, within: Duration) -> Option<String> {
    let restoring = || StateFile::last(state).is_some_and(|said| said.pending.iter().any(|word| word == RESTORING));
    if !restoring() {
        return None;
    }
    let begin = Instant::now();
    loop {
        std::thread::sleep(LOOK);
        let waited = format!("waited {:.1} s for the tool cache", begin.elapsed().as_secs_f64());
        if !restoring() {
            return Some(format!("{waited}\n"));
        }
        if begin.elapsed() >= within {
            return Some(format!("{waited}, which is not there yet; going on\n"));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use supervise::State;

    use super::*;

    fn say(file: &mut StateFile, pending: &[&'static str]) {
        file.write(&State { phase: "running", ready: true, busy: true, pending: pending.to_vec(), owes: vec![] }).unwrap();
    }

    #[test]
    fn it_waits_only_for_a_restore_and_only_so_long() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(wait(dir.path(), Duration::MAX), None, "nobody has said anything");
        fs::write(dir.path().join("state.json"), "{").unwrap();
        assert_eq!(wait(dir.path(), Duration::MAX), None, "nobody understands it");
        let mut file = StateFile::at(dir.path(), "program");
        say(&mut file, &["something else"]);
        assert_eq!(wait(dir.path(), Duration::MAX), None);
        say(&mut file, &["something else", RESTORING]);
        assert!(wait(dir.path(), Duration::ZERO).unwrap().ends_with(" s for the tool cache, which is not there yet; going on\n"));
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| wait(dir.path(), Duration::MAX));
            say(&mut file, &[]);
            // It may have looked only now, and then had nothing to wait for.
            let said = waiting.join().unwrap();
            assert!(said.is_none_or(|said| said.starts_with("waited ") && said.ends_with(" s for the tool cache\n")));
        });
    }

    #[test]
    fn its_command_line_is_read_back_as_it_was_meant() {
        let words = ["job-started", "--state", "/run/task/runner", "--within", "126", "--", "/bin/bash", "-e", "--", "/hook.sh"];
        let wanted = parse(words.map(OsString::from)).unwrap();
        assert_eq!((wanted.state.as_path(), wanted.within.as_secs()), (Path::new("/run/task/runner"), 126));
        assert_eq!(wanted.then, ["/bin/bash", "-e", "--", "/hook.sh"]);
        for words in [&[][..], &["job-completed"], &["job-started", "--within", "soon"], &["job-started", "--other"]] {
            assert!(parse(words.iter().map(OsString::from)).is_err(), "{words:?}");
        }
    }
}
