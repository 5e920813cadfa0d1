//! How long each part of a life may take, and with which code it ends. Data and pure arithmetic.

use std::time::Duration;

use serde::{Deserialize, Serialize};

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

/// Before the runner is started again after an error it calls retryable: `run-helper.sh` waits as long, and never longer.
pub(crate) fn relaunch_pause(relaunches: u8) -> Duration {
    Duration::from_secs(5) * 2_u32.saturating_pow(u32::from(relaunches).saturating_sub(1)).min(12)
}

/// How long a protection from scale-in holds, in minutes; the platform's own default, long enough to miss one renewal.
pub(crate) const PROTECTION_MINUTES: u32 = 120;

/// When the protection is asked for once more: half of the time it holds.
pub(crate) const PROTECTION_RENEWAL: Duration = Duration::from_secs(3600);

/// When it is asked for once more after it failed.
pub(crate) const PROTECTION_RETRY: Duration = Duration::from_secs(30);

/// For the end of the protection: the agent itself gives ECS 4 s to answer.
pub(crate) const UNPROTECT: Duration = Duration::from_secs(6);

/// How much longer than a restore may take its job waits for it: a restore that is killed is itself waited for.
pub(crate) const HOOK_RESERVE: Duration = Duration::from_secs(6);

/// For a small local file.
pub(crate) const PERF: Duration = Duration::from_secs(2);

/// Kept back from what a Spot notice leaves, for the machine's own end.
pub(crate) const SPOT_RESERVE: Duration = Duration::from_secs(5);

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) enum Ending {
    /// A job ran, whatever its result.
    JobDone,
    /// The runner was idle when it was asked to stop.
    Stopped,
    /// No job came in time.
    IdleTimeout,
    /// The life was as long as it may be, and no job was cut.
    MaxLifetime,
    /// The machine is taken away, and no job was cut.
    SpotNotice,
    /// The service took the registration of the idle runner back.
    Withdrawn,
    /// GitHub refuses this version of the runner.
    VersionRefused,
    /// Something needed is not there: docker, or the runner itself gave up.
    Unavailable,
    /// A bug of ours.
    Bug,
    /// GitHub cannot be reached or limits us for longer than the budget.
    GitHubUnreachable,
    /// Without a job the registration was all there was to this life, and it could not be removed.
    LeftRegistered,
    /// The credentials are refused or may not register a runner.
    CredentialsRefused,
    /// The configuration is wrong in a way that only running it shows.
    Configuration,
    /// The stop budget ended while a job ran.
    JobCut,
}

impl Ending {
    /// All of them, in the order of their codes.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 14] = [
        Self::JobDone,
        Self::Stopped,
        Self::IdleTimeout,
        Self::MaxLifetime,
        Self::SpotNotice,
        Self::Withdrawn,
        Self::VersionRefused,
        Self::Unavailable,
        Self::Bug,
        Self::GitHubUnreachable,
        Self::LeftRegistered,
        Self::CredentialsRefused,
        Self::Configuration,
        Self::JobCut,
    ];

    /// The exit code, as `--help` and the reference document it.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::JobDone | Self::Stopped | Self::IdleTimeout | Self::MaxLifetime | Self::SpotNotice | Self::Withdrawn => 0,
            Self::VersionRefused => 7,
            Self::Unavailable => 69,
            Self::Bug => 70,
            Self::GitHubUnreachable | Self::LeftRegistered => 75,
            Self::CredentialsRefused => 77,
            Self::Configuration => 78,
            Self::JobCut => 143,
        }
    }

    /// One word for the last record, finer than the code.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::JobDone => "job_done",
            Self::Stopped => "stopped_idle",
            Self::IdleTimeout => "idle_timeout",
            Self::MaxLifetime => "max_lifetime",
            Self::SpotNotice => "spot_notice",
            Self::Withdrawn => "registration_withdrawn",
            Self::VersionRefused => "version_refused",
            Self::Unavailable => "unavailable",
            Self::Bug => "bug",
            Self::GitHubUnreachable => "github_unreachable",
            Self::LeftRegistered => "left_registered",
            Self::CredentialsRefused => "credentials_refused",
            Self::Configuration => "configuration",
            Self::JobCut => "job_cut",
        }
    }
}

/// Every exit code with its meaning, for `--help` and the reference.
pub(crate) const EXIT_CODES: &[(u8, &str)] = &[
    (
        0,
        "the life went as intended; the last record's `reason` says how: job_done (whatever its result), stopped_idle, idle_timeout, \
         max_lifetime, spot_notice, registration_withdrawn",
    ),
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
    use std::collections::BTreeSet;

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
    fn every_ending_has_a_documented_code_and_a_reason_of_its_own() {
        for ending in Ending::ALL {
            assert!(EXIT_CODES.iter().any(|&(code, _)| code == ending.code()), "{ending:?}");
            let documented = EXIT_CODES.iter().any(|(code, text)| *code == 0 && text.contains(ending.reason()));
            assert_eq!(documented, ending.code() == 0, "{ending:?}");
        }
        assert_eq!(Ending::ALL.map(Ending::reason).into_iter().collect::<BTreeSet<_>>().len(), Ending::ALL.len());
    }

    #[test]
    fn the_pause_before_another_start_grows_to_a_minute() {
        assert_eq!([1, 2, 3, 4, 5, 200].map(|turn| relaunch_pause(turn).as_secs()), [5, 10, 20, 40, 60, 60]);
    }
}
