//! The pair's contract: what runner and sidecar need of each other and of any platform. Written once, for the model in [`crate::task`].

mod rights;
mod secrets;
mod settings;
mod sharing;
mod stop;

pub(crate) use secrets::{complain as complain_of_secret, scan as scan_for_secrets};

use crate::{report::Findings, task::Task};

/// Everything that is wrong with a task whose roles are known.
pub(crate) fn judge(task: &Task, findings: &mut Findings) {
    settings::judge(task, findings);
    rights::judge(task, findings);
    stop::judge(task, findings);
    sharing::judge(task, findings);
}
