//! `runner-entrypoint check`: what would happen, and what is wrong, without doing it. Nothing is registered, started, waited for or left
//! behind, and a pair that lives is not disturbed.
//!
//! This file puts the answer together; each of the others looks at one thing.

mod docker;
mod github;
mod mount;
mod rights;
mod runner;
mod task;

use std::{ffi::OsString, io::IsTerminal as _};

use checkup::{Check, Checkup, Platform, Section, Style};
use settings::{Arguments, Effective};
use supervise::records;

pub(crate) use mount::{COMMAND as LOOK, run as look_at_mount};

use crate::{CONFIG, SOFTWARE, config::Config};

/// The word that asks for it.
pub(crate) const COMMAND: &str = "check";

/// The switch for programs.
pub(crate) const JSON: &str = "json";

/// Where lines end on a terminal that does not tell its width.
const WIDTH: usize = 100;

/// What of the environment the answer needs when the settings are read and forgotten.
#[derive(Debug)]
pub(crate) struct Surroundings {
    platform: Option<Platform>,
    settings: Vec<Effective>,
    colour: bool,
    width: usize,
}

impl Surroundings {
    /// Of an environment and a command line.
    pub(crate) fn of(environment: &[(OsString, OsString)], arguments: &Arguments) -> Self {
        let value = |wanted: &str| environment.iter().find(|(name, value)| name == wanted && !value.is_empty()).map(|(_, value)| value);
        let columns = value("COLUMNS").and_then(|columns| columns.to_str()?.parse().ok());
        Self {
            platform: Platform::of(environment.iter().map(|(name, _)| name.as_os_str())),
            settings: Config::effective(environment, arguments),
            colour: value("NO_COLOR").is_none(),
            width: columns.unwrap_or(WIDTH),
        }
    }
}

/// The command.
pub(crate) fn check(environment: Vec<(OsString, OsString)>, arguments: Arguments) -> u8 {
    let as_json = arguments.switches.iter().any(|switch| switch == JSON);
    let surroundings = Surroundings::of(&environment, &arguments);
    match Config::read(environment, arguments) {
        Ok(config) => report(&config, surroundings, as_json),
        Err(problems) => {
            let settings = Section { name: "Settings", checks: vec![Check::of_settings(Some(&problems), CONFIG)] };
            answer(checkup(surroundings.settings, surroundings.platform, vec![settings]), surroundings.colour, surroundings.width, as_json)
        }
    }
}

/// Looks at everything, tells it and returns the exit code of the worst.
pub(crate) fn report(config: &Config, surroundings: Surroundings, as_json: bool) -> u8 {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build() else { return SOFTWARE };
    let mut settings = Check::of_settings(None, CONFIG);
    config.warnings.iter().for_each(|warning| settings.warn(warning));
    let sections = runtime.block_on(async {
        vec![
            Section { name: "Settings", checks: vec![settings] },
            Section { name: "Runner", checks: runner::checks(config) },
            Section { name: "Task", checks: vec![task::check(config)] },
            Section { name: "Docker", checks: docker::checks(config).await },
            Section { name: "Tool cache", checks: mount::checks(config).await },
            Section { name: "GitHub", checks: github::checks(config).await },
        ]
    });
    let found = Checkup { configuration: config.described(), ..checkup(surroundings.settings, surroundings.platform, sections) };
    answer(found, surroundings.colour, surroundings.width, as_json)
}

fn checkup(settings: Vec<Effective>, platform: Option<Platform>, sections: Vec<Section>) -> Checkup {
    Checkup { program: "runner-entrypoint", version: env!("CARGO_PKG_VERSION"), platform, configuration: vec![], settings, sections }
}

fn answer(found: Checkup, colour: bool, width: usize, as_json: bool) -> u8 {
    let terminal = std::io::stdout().is_terminal();
    let style = Style { colour: colour && terminal, width: terminal.then_some(width) };
    records::answer(&if as_json { found.json() } else { found.text(style) });
    found.exit_code()
}
