//! How long each part of a life may take, and with which code it ends. Data and pure arithmetic.

use std::time::Duration;

/// What the runner may still do after its job before what it left is killed, when no stop presses.
pub(crate) const LEFTOVER_GRACE: Duration = Duration::from_secs(5);

/// After SIGKILL only a process stuck in the kernel is left; no use to wait for it.
pub(crate) const AFTER_KILL: Duration = Duration::from_secs(1);

/// For the removal of a registration when no stop presses. A runner whose job just ended is "busy" to GitHub for some seconds more.
pub(crate) const DEREGISTER: Duration = Duration::from_secs(15);

/// Between two attempts to remove a registration that GitHub holds for busy.
pub(crate) const BUSY_RETRY: Duration = Duration::from_secs(2);

/// How often the runner is started again, after an update of itself or an error it calls retryable. `run.sh` has no limit, and loops
/// for ever when the reason stays.
pub(crate) const RELAUNCHES: u8 = 5;

/// Before the runner is started again after an error it calls retryable: `run-helper.sh` waits as long.
pub(crate) const RELAUNCH_PAUSE: Duration = Duration::from_secs(5);

/// The parts of the platform's grace, from the first stop signal to its SIGKILL.
///
/// Invariant: `drain + cancel + kill + settle + reserve <= total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct StopBudget {
    /// Everything: the platform's grace.
    pub(crate) total: Duration,
    /// To remove the registration of an idle runner, which is also how GitHub says that it is not idle. Part of `drain`.
    pub(crate) ask: Duration,
    /// For a running job to end by itself.
    pub(crate) drain: Duration,
    /// For the Listener to cancel the job: its step gets SIGINT, 7.5 s later SIGTERM, 2.5 s later SIGKILL
    /// (actions/runner `ProcessInvoker.cs`).
    pub(crate) cancel: Duration,
    /// For leftovers after SIGTERM.
    pub(crate) kill: Duration,
    /// For saving the cache and removing the registration, side by side.
    pub(crate) settle: Duration,
    /// Kept back, to end before the platform's SIGKILL.
    pub(crate) reserve: Duration,
}

impl StopBudget {
    /// Divides the platform's grace.
    pub(crate) fn split(total: Duration) -> Self {
        let part = |share: u32, least: u64, most: u64| {
            (total / share).clamp(Duration::from_millis(least), Duration::from_millis(most)).min(total / share.min(4))
        };
        let reserve = part(15, 200, 5_000);
        let settle = part(4, 200, 30_000);
        let kill = part(15, 100, 2_000);
        let cancel = part(3, 200, 12_000);
        let drain = total.saturating_sub(reserve + settle + kill + cancel);
        Self { total, ask: drain.min(part(10, 200, 5_000)), drain, cancel, kill, settle, reserve }
    }
}

/// Why a life ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Ending {
    /// A job ran, or none was to run: drained while idle, or the server withdrew the registration.
    Intended,
    /// GitHub refuses this version of the runner.
    VersionRefused,
    /// Something needed is not there: docker, or the runner itself gave up.
    Unavailable,
    /// A bug of ours.
    Bug,
    /// GitHub cannot be reached or limits us for longer than the budget.
    GitHubUnreachable,
    /// The credentials are refused or may not register a runner.
    CredentialsRefused,
    /// The configuration is wrong in a way that only running it shows.
    Configuration,
    /// The stop budget ended while a job ran.
    JobCut,
}

impl Ending {
    /// The exit code, as `--help` and the reference document it.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Intended => 0,
            Self::VersionRefused => 7,
            Self::Unavailable => 69,
            Self::Bug => 70,
            Self::GitHubUnreachable => 75,
            Self::CredentialsRefused => 77,
            Self::Configuration => 78,
            Self::JobCut => 143,
        }
    }
}

/// Every exit code with its meaning, for `--help` and the reference.
pub(crate) const EXIT_CODES: &[(u8, &str)] = &[
    (0, "the life went as intended: a job ran (whatever its result), the idle runner was stopped, or the server withdrew the registration"),
    (7, "GitHub refuses this version of the runner: rebuild the image with a newer one"),
    (64, "usage: the command line is not understood"),
    (69, "something needed is unavailable: docker was not ready in time, or the runner gave up"),
    (70, "a bug in this program"),
    (75, "GitHub unreachable or rate-limited for longer than the budget; without a job also when the registration could not be removed"),
    (77, "GitHub refuses the credentials, or they may not register a runner"),
    (78, "configuration: a setting is wrong, or what it names is missing"),
    (143, "the stop budget ended while a job was still running"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_stop_never_exceed_the_whole() {
        for total in (2_000..4_000_000).step_by(733).map(Duration::from_millis) {
            let budget = StopBudget::split(total);
            assert!(budget.drain + budget.cancel + budget.kill + budget.settle + budget.reserve <= total, "{budget:?}");
            assert!(budget.ask <= budget.drain && !budget.settle.is_zero() && !budget.reserve.is_zero(), "{budget:?}");
        }
    }

    #[test]
    fn the_usual_graces_are_divided_as_documented() {
        let seconds = |total| {
            let budget = StopBudget::split(Duration::from_secs(total));
            [budget.ask, budget.drain, budget.cancel, budget.kill, budget.settle, budget.reserve].map(|part| part.as_millis())
        };
        assert_eq!(seconds(30), [3_000, 8_500, 10_000, 2_000, 7_500, 2_000]);
        assert_eq!(seconds(120), [5_000, 71_000, 12_000, 2_000, 30_000, 5_000]);
        assert_eq!(seconds(3600), [5_000, 3_551_000, 12_000, 2_000, 30_000, 5_000]);
    }

    #[test]
    fn every_ending_has_a_documented_code() {
        for ending in [
            Ending::Intended,
            Ending::VersionRefused,
            Ending::Unavailable,
            Ending::Bug,
            Ending::GitHubUnreachable,
            Ending::CredentialsRefused,
            Ending::Configuration,
            Ending::JobCut,
        ] {
            assert!(EXIT_CODES.iter().any(|&(code, _)| code == ending.code()), "{ending:?}");
        }
    }
}
