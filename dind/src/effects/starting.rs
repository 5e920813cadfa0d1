//! The deeds of a start.

use std::{collections::BTreeMap, ffi::OsString};

use supervise::{Work, off_loop};

use super::{World, collapse, storage};
use crate::{
    api::Docker,
    config::Config,
    ground, outfit, probe,
    words::{Failure, Outcome, Words, exit},
};

impl World {
    pub(super) fn check(&self) -> Work<Words> {
        let (config, environment) = (Config::clone(&self.config), self.environment.clone());
        Work::here(async move {
            let checked = off_loop("check", move || {
                ground::open_up();
                storage::end_the_dead(&config.storage.root);
                check(&config, &environment)
            });
            Outcome::Checked(checked.await.unwrap_or_else(|| Err(collapse("checking the host"))))
        })
    }

    pub(super) fn furnish(&self) -> Work<Words> {
        let (config, version) = (Config::clone(&self.config), self.version.get());
        let task = self.task.borrow();
        let known = task.as_ref().map(|task| (task.daemon.clone(), task.guard.as_ref().map(|order| order.allow.clone())));
        Work::here(async move {
            let furnished = off_loop("furnish", move || {
                let (daemon, allow) = known?;
                Some(outfit::furnish_dockerd(&config, &daemon, version, allow.as_ref()))
            });
            Outcome::Furnished(furnished.await.flatten().unwrap_or_else(|| Err(collapse("configuring docker"))))
        })
    }

    pub(super) fn probe(&self) -> Work<Words> {
        let socket = self.hidden_socket();
        Work::here(async move {
            let Some(socket) = socket else { return Outcome::Usable(Err(collapse("probing docker"))) };
            Outcome::Usable(match probe::probe(&Docker::at(&socket)).await {
                Ok(_) => Ok(()),
                Err(error) => {
                    let code = if error.is_final() { exit::HOST } else { exit::UNAVAILABLE };
                    Err(Failure { code, why: error.to_string() })
                }
            })
        })
    }

    pub(super) fn publish(&self) -> Work<Words> {
        let socket = self.socket();
        Work::here(async move {
            let published = off_loop("publish", move || socket.map(|socket| socket.publish())).await;
            Outcome::Published(match published.flatten() {
                Some(result) => result.map_err(|error| Failure { code: exit::UNAVAILABLE, why: error.to_string() }),
                None => Err(collapse("publishing the socket")),
            })
        })
    }
}

/// Everything that stands in the way of a start: the host, and what the settings name.
fn check(config: &Config, environment: &BTreeMap<OsString, OsString>) -> Result<(), Failure> {
    match (ground::check(config, environment), outfit::check(config)) {
        (Err(first), Err(second)) => Err(Failure { code: first.code, why: format!("{}\n{}", first.why, second.why) }),
        (Err(only), Ok(())) | (Ok(()), Err(only)) => Err(only),
        (Ok(()), Ok(())) => Ok(()),
    }
}
