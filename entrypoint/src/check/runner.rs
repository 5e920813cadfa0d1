//! The runner: is it there, as whom would it run, what could its job read of ours.

use checkup::Check;
use nix::unistd::Uid;

use crate::{
    CONFIG,
    config::{Config, Registration},
    exposed, hook,
    runner::{self, Found},
};

pub(super) fn checks(config: &Config) -> Vec<Check> {
    let mut program = Check::seen("program", program(config));
    let mut user = Check::seen("user", user(config));
    for problem in runner::problems(&config.runner, matches!(config.registration, Registration::Classic { .. })) {
        let of = if problem.starts_with("RUNNER_USER") { &mut user } else { &mut program };
        of.fail(CONFIG, &problem);
    }
    let mut checks = vec![program, user];
    if let Some(list) = config.allow_list() {
        let mut check = Check::seen("list of packs", list.display().to_string());
        exposed::problems(list, &config.runner).iter().for_each(|problem| check.fail(CONFIG, problem));
        checks.push(check);
    }
    if config.secrets().iter().any(|secret| secret.file().is_some()) {
        let warnings = exposed::warnings(config);
        let mut check = Check::seen("secrets", if warnings.is_empty() { "out of the job's reach" } else { "within the job's reach" });
        warnings.iter().for_each(|warning| check.warn(warning));
        checks.push(check);
    }
    match hook::planned(config) {
        Ok(None) => {}
        Ok(Some(_)) => checks.push(Check::seen("hook", "the job waits in it for its tool cache")),
        Err(why) => {
            let mut check = Check::seen("hook", "cannot be had");
            check.warn(&why);
            checks.push(check);
        }
    }
    checks
}

fn program(config: &Config) -> String {
    let home = config.runner.home.display();
    match runner::found(&config.runner) {
        Some(Found::Listener) => format!("bin/Runner.Listener in {home}"),
        Some(Found::RunSh) => format!("run.sh in {home}"),
        None => "not there".to_owned(),
    }
}

fn user(config: &Config) -> String {
    match runner::user(&config.runner) {
        Ok(Some(user)) => format!("{} (user id {})", user.name, user.uid),
        Ok(None) => format!("user id {}, as this program", Uid::effective()),
        Err(_) => "not there".to_owned(),
    }
}
