//! What is told while a registration is under way.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{RunnerId, error::CallError, names::RunnerName};

/// What the caller is told while a registration is under way. Calls are made in order and each before its effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Notice {
    /// A request for this name is about to leave: from now on the runner may exist.
    MayExist(RunnerName),
    /// It exists, with this number.
    Registered {
        /// Its number.
        id: RunnerId,
        /// The name told before.
        name: RunnerName,
    },
    /// It certainly does not exist: refused, or found and deleted.
    Absent(RunnerName),
    /// A try failed and another follows after the wait.
    Waiting {
        /// Why.
        error: CallError,
        /// How long.
        wait: Duration,
    },
}
