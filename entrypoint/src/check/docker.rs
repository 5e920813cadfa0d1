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
