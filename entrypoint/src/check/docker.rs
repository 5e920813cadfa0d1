//! Docker: does it answer, who serves it, and what have both containers in common.

use std::{path::Path, time::Duration};

use checkup::{Check, Cure, Platform, Weight};
use pair::{Difference, Sight, differences};
use supervise::StateFile;
use tokio::time::{Instant, sleep};

use crate::{config::Config, docker, stages::Ending};

/// How long a sidecar may take to say what it sees. It looks at once.
const SIDECARS_SIGHT: Duration = Duration::from_secs(1);

/// Between two looks for its answer.
const PAUSE: Duration = Duration::from_millis(10);

pub(super) async fn checks(config: &Config) -> Vec<Check> {
    let Some(wanted) = &config.docker else { return vec![] };
    let theirs = config.task_dir.join("dind");
    let mut daemon = Check::seen("daemon", wanted.host.clone());
    match docker::answers(&wanted.host).await {
        Ok(version) => daemon.seen = format!("{version} at {}", wanted.host),
        Err(why) => {
            daemon.seen = "does not answer".to_owned();
            let starting = StateFile::read(&theirs).filter(|sidecar| !sidecar.ready);
            let hint = docker::hint(&wanted.host, StateFile::is_held(&theirs));
            match starting {
                Some(sidecar) => {
                    let wait = wanted.budget.as_secs();
                    daemon.warn(&format!(
                        "{why}; the sidecar is on its way ({}), and a start would wait for it up to {wait} s",
                        sidecar.phase
                    ));
                }
                // A start does not wait for it.
                None if wanted.budget.is_zero() => daemon.warn(&format!("{why}; the runner would start without docker\n{hint}")),
                None => daemon.fail(Ending::Unavailable.code(), &format!("{why}\n{hint}")),
            }
        }
    }
    let mut checks = vec![daemon];
    if StateFile::is_held(&theirs) {
        let phase =
            StateFile::read(&theirs).map_or_else(|| "starting".to_owned(), |state| format!("{} since {}", state.phase, state.since));
        checks.push(Check::seen("sidecar", phase));
        checks.push(contract(compared(config, &theirs).await));
    }
    checks
}

/// What both sides do not have in common, as a check of either says it.
fn contract(differences: Option<Vec<Difference>>) -> Check {
    let mut check = Check::seen("shared with it", "the same folders and the same network");
    match differences {
        None => {
            check.seen = "not compared".to_owned();
            check.warn("the sidecar has not said what it sees; a start asks it again");
        }
        Some(found) if found.is_empty() => {}
        Some(found) => {
            check.seen = "not everything".to_owned();
            for difference in found {
                let cures = Platform::ALL.into_iter().filter_map(|platform| Some((platform, difference.cure_on(platform.name())?)));
                check.find(Weight::Warning, difference.what(), Cure::On(cures.collect()));
            }
        }
    }
    check
}

/// Of a runner that lives both sides have said what they see, and nobody is asked again: its answer would be another's. Without one the
/// sidecar is asked as at a start, and what asked it is taken away.
async fn compared(config: &Config, theirs: &Path) -> Option<Vec<Difference>> {
    let own = config.task_dir.join("runner");
    if StateFile::is_held(&own) {
        let (runner, sidecar) = (Sight::read(&own)?, Sight::read(theirs)?);
        return (runner.token == sidecar.token).then(|| differences(&runner, &sidecar));
    }
    let sight = Sight::of_runner(getrandom::u64().ok()?, config.shared_folders());
    sight.write(&own).ok()?;
    let ends = Instant::now() + SIDECARS_SIGHT;
    let answer = loop {
        match Sight::read(theirs).filter(|theirs| theirs.token == sight.token) {
            None if Instant::now() < ends && StateFile::is_held(theirs) => sleep(PAUSE).await,
            answer => break answer,
        }
    };
    // Unless a runner has come meanwhile and shows its own.
    if !StateFile::is_held(&own) && Sight::read(&own).is_some_and(|shown| shown.token == sight.token) {
        let _ = std::fs::remove_file(own.join(pair::FILE));
    }
    answer.map(|answer| differences(&sight, &answer))
}

#[cfg(test)]
mod tests {
    use std::{ffi::OsString, fs, path::PathBuf};

    use settings::Arguments;
    use supervise::State;

    use super::*;

    /// A task's folder, with a work folder beside it, and the settings of a runner of it.
    fn task() -> (tempfile::TempDir, Config) {
        let dir = tempfile::tempdir().unwrap();
        for name in ["task/runner", "task/dind", "home/_work", "home/externals"] {
            fs::create_dir_all(dir.path().join(name)).unwrap();
        }
        let path = |name: &str| dir.path().join(name).into_os_string();
        let environment = [
            ("ACCESS_TOKEN", "x".into()),
            ("REPO_URL", "https://github.com/acme/widgets".into()),
            ("RUNNER_HOME", path("home")),
            ("TASK_DIR", path("task")),
            ("DOCKER_HOST", OsString::from(format!("unix://{}/task/docker.sock", dir.path().display()))),
        ];
        let environment = environment.map(|(name, value)| (name.into(), value));
        let config = Config::read(environment.into(), Arguments::default()).unwrap();
        (dir, config)
    }

    fn living(folder: PathBuf, phase: &'static str, ready: bool) -> StateFile {
        let mut state = StateFile::at(&folder, "program");
        state.write(&State { phase, ready, busy: false, pending: vec![], owes: vec![] }).unwrap();
        state
    }

    fn told(config: &Config) -> Vec<String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let checks = runtime.block_on(checks(config));
        checks.iter().map(|check| format!("{}: {} ({:?})", check.name, check.seen, check.worst())).collect()
    }

    #[test]
    fn a_sidecar_on_its_way_is_no_failure_and_none_at_all_is_one() {
        let (dir, config) = task();
        assert_eq!(told(&config), ["daemon: does not answer (Some(Failure(69)))"]);
        let _sidecar = living(dir.path().join("task/dind"), "starting", false);
        let told = told(&config);
        assert_eq!(told[0], "daemon: does not answer (Some(Warning))");
        assert!(told[1].starts_with("sidecar: starting since "), "{told:?}");
        // It has not been heard, and what asked it is gone.
        assert_eq!(told[2], "shared with it: not compared (Some(Warning))");
        assert!(!dir.path().join("task/runner").join(pair::FILE).exists());
    }

    #[test]
    fn beside_a_runner_that_lives_what_both_said_is_compared_and_nobody_is_asked() {
        let (dir, config) = task();
        let (own, theirs) = (dir.path().join("task/runner"), dir.path().join("task/dind"));
        let (_runner, _sidecar) = (living(own.clone(), "running", true), living(theirs.clone(), "serving", true));
        let sight = Sight::of_runner(7, config.shared_folders());
        sight.write(&own).unwrap();
        assert!(told(&config)[2].starts_with("shared with it: not compared"));
        sight.answered().write(&theirs).unwrap();
        assert_eq!(told(&config)[2], "shared with it: the same folders and the same network (None)");
        let mut other = sight.answered();
        other.folders[0].inode = None;
        other.write(&theirs).unwrap();
        assert_eq!(told(&config)[2], "shared with it: not everything (Some(Warning))");
        assert_eq!(Sight::read(&own), Some(sight), "the runner's own is untouched");
    }

    #[test]
    fn without_a_runner_the_sidecar_is_asked_and_what_asked_it_is_taken_away() {
        let (dir, config) = task();
        let (own, theirs) = (dir.path().join("task/runner"), dir.path().join("task/dind"));
        let _sidecar = living(theirs.clone(), "serving", true);
        let answering = std::thread::spawn({
            let own = own.clone();
            move || loop {
                match Sight::read(&own) {
                    Some(sight) => break sight.answered().write(&theirs).unwrap(),
                    None => std::thread::yield_now(),
                }
            }
        });
        assert_eq!(told(&config)[2], "shared with it: the same folders and the same network (None)");
        answering.join().unwrap();
        assert!(!own.join(pair::FILE).exists());
    }
}
