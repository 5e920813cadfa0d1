//! `runner-dind check`: what docker needs, what stands in its way here, and what the runner beside does not have in common with us. Nothing
//! is started or left behind, and a pair that lives is not disturbed.

use std::{collections::BTreeMap, ffi::OsStr, ffi::OsString, io::IsTerminal as _, path::Path};

use checkup::{Check, Checkup, Cure, Platform, Section, Style};
use pair::{Sight, differences};
use settings::{Arguments, Reader};
use supervise::{Published, StateFile, records};

use crate::{
    NAME,
    config::{Config, SETTINGS},
    ground, guide,
    host::report,
    outfit,
    words::exit,
};

/// Where lines end on a terminal that does not tell its width.
const WIDTH: usize = 100;

/// Answers on standard output, without a log: who asks wants to read it, or to parse it.
pub(crate) fn check(environment: &BTreeMap<OsString, OsString>, arguments: Arguments) -> u8 {
    let as_json = arguments.switches.iter().any(|switch| switch == guide::JSON);
    let settings = Reader::new(SETTINGS, environment.clone(), arguments.settings.iter().cloned()).effective();
    let read = Config::read(environment.clone(), arguments.settings);
    let (configuration, sections) = match &read {
        Ok((config, doubts)) => (config.described(), sections(config, environment, doubts)),
        Err(problems) => (vec![], vec![Section { name: "Settings", checks: vec![Check::of_settings(Some(problems), exit::CONFIG)] }]),
    };
    let platform = Platform::of(environment.keys().map(OsString::as_os_str));
    let found = Checkup { program: NAME, version: env!("CARGO_PKG_VERSION"), platform, configuration, settings, sections };
    records::answer(&if as_json { found.json() } else { found.text(style(environment)) });
    found.exit_code()
}

fn style(environment: &BTreeMap<OsString, OsString>) -> Style {
    let value = |name: &str| environment.get(OsStr::new(name)).filter(|value| !value.is_empty());
    let terminal = std::io::stdout().is_terminal();
    let columns = value("COLUMNS").and_then(|columns| columns.to_str()?.parse().ok()).unwrap_or(WIDTH);
    Style { colour: terminal && value("NO_COLOR").is_none(), width: terminal.then_some(columns) }
}

fn sections(config: &Config, environment: &BTreeMap<OsString, OsString>, doubts: &[String]) -> Vec<Section> {
    let mut settings = Check::of_settings(None, exit::CONFIG);
    for problem in outfit::problems(config) {
        settings.seen = "not usable".to_owned();
        settings.fail(exit::CONFIG, &problem);
    }
    doubts.iter().for_each(|doubt| settings.warn(doubt));
    let mut sections = vec![Section { name: "Settings", checks: vec![settings] }];
    sections.extend(report::sections(ground::examine(config, environment)));
    if let Some(task) = sections.iter_mut().find(|section| section.name == "Task") {
        task.checks.push(socket(config));
        task.checks.extend(runner(&config.runner_folder()));
    }
    sections
}

fn socket(config: &Config) -> Check {
    let shared = config.socket("").shared;
    // The socket of a living runner-dind is in its place: `check` may be asked beside `run`.
    if StateFile::is_held(&config.own_folder()) {
        let phase = StateFile::read(&config.own_folder()).map(|state| format!(", {} since {}", state.phase, state.since));
        return Check::seen("socket", format!("{} is that of a runner-dind that runs{}", shared.display(), phase.unwrap_or_default()));
    }
    let mut check = Check::seen("socket", format!("{} is free", shared.display()));
    if let Err(error) = config.socket("").check() {
        check.seen = format!("{} is taken", shared.display());
        check.fail(exit::HOST, &error.to_string());
    }
    check
}

/// The runner beside, if one lives: what it says of itself, and what the two sides do not have in common. We look for ourselves at what it
/// shows and write nothing, so neither side notices.
fn runner(folder: &Path) -> Vec<Check> {
    if !StateFile::is_held(folder) {
        return vec![Check::seen("runner", "none lives beside")];
    }
    let said = pair::read(&folder.join("state.json")).and_then(|bytes| serde_json::from_slice::<Published>(&bytes).ok());
    let phase = said.map_or_else(|| "lives".to_owned(), |state| format!("{} since {}", state.phase, state.since));
    let mut shared = Check::seen("shared with it", "the same folders and the same network");
    match Sight::read(folder) {
        None => shared.seen = "not compared: it has not shown what it sees, so it waits for no docker".to_owned(),
        Some(theirs) => {
            for difference in differences(&theirs, &theirs.answered()) {
                shared.seen = "not everything".to_owned();
                let cures = Platform::ALL.into_iter().filter_map(|platform| Some((platform, difference.cure_on(platform.name())?)));
                shared.find(checkup::Weight::Warning, difference.what(), Cure::On(cures.collect()));
            }
        }
    }
    vec![Check::seen("runner", phase), shared]
}

#[cfg(test)]
mod tests {
    use std::fs;

    use pair::Use;
    use supervise::State;

    use super::*;

    fn told(checks: &[Check]) -> Vec<String> {
        checks.iter().map(|check| format!("{}: {} ({})", check.name, check.seen, check.findings.len())).collect()
    }

    #[test]
    fn a_runner_beside_is_looked_at_and_not_disturbed() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("runner");
        assert_eq!(told(&runner(&folder)), ["runner: none lives beside (0)"]);
        let mut state = StateFile::at(&folder, "runner");
        state.write(&State { phase: "running", ready: true, busy: true, pending: vec![], owes: vec![] }).unwrap();
        let seen = runner(&folder);
        assert!(seen[0].seen.starts_with("running since "), "{seen:?}");
        assert!(seen[1].seen.starts_with("not compared") && seen[1].worst().is_none());
        let work = dir.path().join("work");
        fs::create_dir(&work).unwrap();
        Sight::of_runner(7, [(Use::Work, work.clone(), work.clone())]).write(&folder).unwrap();
        let before: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(runner(&folder)[1].seen, "the same folders and the same network");
        Sight::of_runner(7, [(Use::Work, dir.path().join("nothing"), work)]).write(&folder).unwrap();
        let seen = runner(&folder);
        assert_eq!((seen[1].seen.as_str(), seen[1].findings.len()), ("not everything", 1));
        assert_eq!(before.len(), fs::read_dir(dir.path()).unwrap().count());
        assert_eq!(Sight::read(&folder).unwrap().token, 7);
    }

    #[test]
    fn a_pipe_in_the_place_of_what_a_runner_says_holds_nobody() {
        let dir = tempfile::tempdir().unwrap();
        let mut state = StateFile::at(dir.path(), "runner");
        state.claim().unwrap();
        nix::unistd::mkfifo(&dir.path().join("state.json"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(told(&runner(dir.path()))[0], "runner: lives (0)");
    }
}
