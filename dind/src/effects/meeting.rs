//! The deeds beside the service.

use supervise::{StateFile, Work, off_loop};
use tracing::{debug, info, warn};

use super::World;
use crate::{
    meeting::{self, Meetings},
    words::{Outcome, Words},
};

impl World {
    pub(super) fn meet_runners(&self) -> Work<Words> {
        let (runner, own) = (self.config.runner_folder(), self.config.own_folder());
        Work::here(async move {
            let mut next = off_loop("meet", move || Meetings::watch(&runner, &own)).await;
            while let Some(Ok(mut meetings)) = next {
                let met = off_loop("meet", move || meetings.next().map(|differences| (meetings, differences))).await;
                next = met.map(|met| {
                    met.map(|(meetings, differences)| {
                        for difference in &differences {
                            warn!("{difference}");
                        }
                        if differences.is_empty() {
                            info!("the runner has the same folders and the same network");
                        }
                        meetings
                    })
                });
            }
            if let Some(Err(error)) = next {
                debug!(%error, "no runner can be met");
            }
            Outcome::Met
        })
    }

    pub(super) fn follow_runner(&self) -> Work<Words> {
        let folder = self.config.runner_folder();
        Work::here(async move {
            match off_loop("follow", move || meeting::wait_for_runner(&folder).map(|()| StateFile::wait_until_free(&folder))).await {
                Some(Ok(())) => Outcome::RunnerEnded,
                Some(Err(error)) => {
                    warn!(%error, "the end of the runner cannot be noticed: this container will not end with it");
                    Outcome::Met
                }
                None => Outcome::Met,
            }
        })
    }
}
