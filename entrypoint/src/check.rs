//! `runner-entrypoint check`: what would happen, and what is wrong, without doing it.

use std::{ffi::OsString, fmt::Write as _, path::PathBuf, time::Duration};

use settings::Arguments;
use supervise::{off_loop, records};
use tokio::time::timeout;

use crate::{
    CONFIG,
    config::{Config, Registration, TABLE},
    docker, effects, errand, exposed,
    github::{Client, RunnerName},
    hook, runner,
};

/// How long a mount may take to answer.
const MOUNT: Duration = Duration::from_secs(5);

/// The command: reads the settings, then reports.
pub(crate) fn check(environment: Vec<(OsString, OsString)>, arguments: Arguments) -> u8 {
    let given = given(&environment);
    match Config::read(environment, arguments) {
        Ok(config) => report(&config, &given),
        Err(problems) => {
            records::complain(&format!("runner-entrypoint: {problems}\n"));
            CONFIG
        }
    }
}

/// The settings that the environment has, by their first names.
pub(crate) fn given(environment: &[(OsString, OsString)]) -> Vec<&'static str> {
    let set = |name: &String| environment.iter().any(|(known, value)| known == name.as_str() && !value.is_empty());
    TABLE.0.iter().filter(|setting| setting.names().iter().any(set)).map(|setting| setting.name).collect()
}

/// Prints the findings and returns the exit code of the worst.
pub(crate) fn report(config: &Config, given: &[&'static str]) -> u8 {
    let mut report = describe(config, given);
    let mut code = 0;
    for finding in &findings(config) {
        let _ = match &finding.problem {
            None => writeln!(report, "ok    {}", finding.what),
            Some(problem) => {
                let grade = if finding.code == 0 { "warn" } else { "FAIL" };
                writeln!(report, "{grade}  {}", problem.replace('\n', "\n      "))
            }
        };
        if finding.problem.is_some() && code == 0 {
            code = finding.code;
        }
    }
    records::answer(&report);
    code
}

fn describe(config: &Config, given: &[&'static str]) -> String {
    let mut text = String::new();
    for (name, value) in config.described().into_iter().chain([("set", given.join(", "))]) {
        let _ = writeln!(text, "{name:<12}{value}");
    }
    for warning in config.warnings.iter().chain(&exposed::warnings(config)).chain(hook::planned(config).err().as_ref()) {
        let _ = writeln!(text, "warn  {}", warning.replace('\n', "\n      "));
    }
    text
}

struct Finding {
    /// What is well when there is no problem.
    what: String,
    problem: Option<String>,
    /// What the problem would end the life with; 0 when it would go on.
    code: u8,
}

fn findings(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut problems = runner::problems(&config.runner, matches!(config.registration, Registration::Classic { .. }));
    problems.extend(config.allow_list().iter().flat_map(|file| exposed::problems(file, &config.runner)));
    if problems.is_empty() {
        findings.push(Finding { what: "the runner can be started".to_owned(), problem: None, code: CONFIG });
    }
    findings.extend(problems.into_iter().map(|problem| Finding { what: String::new(), problem: Some(problem), code: CONFIG }));
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build() else { return findings };
    if let Some(docker) = &config.docker {
        let problem = runtime.block_on(docker::answers(&docker.host)).err().map(|why| format!("docker does not answer: {why}"));
        findings.push(Finding { what: format!("docker answers at {}", docker.host), problem, code: 69 });
    }
    if let Some(cache) = &config.cache {
        let what = format!("the shared tool cache is there at {}", cache.remote.display());
        // The runner would start without it, so it is no reason to fail.
        findings.push(Finding { what, problem: runtime.block_on(mounted(cache.remote.clone())).err(), code: 0 });
    }
    if config.github.credential.is_some() && config.github.scope.is_some() {
        findings.push(runtime.block_on(github(config)));
    }
    findings
}

async fn github(config: &Config) -> Finding {
    let what = config.github.scope.as_ref().map(|scope| format!("GitHub lets us see the runners of {scope}")).unwrap_or_default();
    let problem = |problem: String, code| Finding { what: String::new(), problem: Some(problem), code };
    let access = match effects::access(config) {
        Ok(access) => access,
        Err(error) => return problem(format!("the credential cannot be read: {error}"), CONFIG),
    };
    let asked = match Client::new(&access.endpoint, access.credential) {
        Ok(client) => client.find_runner(&access.scope, &RunnerName::new("runner-entrypoint-check")).await.map(drop),
        Err(error) => Err(error),
    };
    match asked {
        Ok(()) => Finding { what, problem: None, code: 0 },
        Err(error) => problem(error.to_string(), errand::ending(error.class()).code()),
    }
}

/// A mount may hang, so it is looked at from a thread that can be left behind.
async fn mounted(remote: PathBuf) -> Result<(), String> {
    let shown = remote.display().to_string();
    match timeout(MOUNT, off_loop("mount", move || remote.read_dir().map(drop))).await {
        Ok(Some(Ok(()))) => Ok(()),
        Ok(Some(Err(error))) => Err(format!(
            "the shared tool cache cannot be read at {shown}: {error}; the runner would start without it\nhint: is the volume mounted at TOOL_CACHE_REMOTE in this container?"
        )),
        Ok(None) | Err(_) => {
            Err(format!("the shared tool cache at {shown} does not answer within {} s; the runner would start without it", MOUNT.as_secs()))
        }
    }
}
