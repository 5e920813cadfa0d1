//! What of a runner's life is counted, under which names. Data only.

use telemetry::{Metric, Of, Table};

const fn metric(name: &'static str, of: Of, help: &'static str) -> Metric {
    Metric { name, help, of }
}

/// A task lives once, so each of these is told once, and sums, means and percentiles over tasks are whoever's who reads them.
pub(crate) const METRICS: Table = Table {
    prefix: "gha_runner",
    busy: "job",
    labels: &["runner", "cluster", "task"],
    metrics: &[
        metric("time_to_ready_seconds", Of::Ready, "From the start of the container's first process until a job can come"),
        metric("idle_duration_seconds", Of::Idle, "From ready until the job came"),
        metric("job_duration_seconds", Of::Work("job"), "The job, from its start to its end as the runner tells them"),
        metric("jobs_succeeded", Of::Fact("result", "Succeeded"), "1 if a job ran and succeeded, 0 if it did not"),
        metric("jobs_failed", Of::Fact("result", "Failed"), "1 if a job ran and failed, 0 if it did not"),
        metric("jobs_canceled", Of::Fact("result", "Canceled"), "1 if a job ran and was cancelled, 0 if it was not"),
        metric("jobs_cut", Of::Fact("reason", "job_cut"), "1 if the time of a stop ended while a job ran, 0 if not"),
        metric("register_duration_seconds", Of::Work("register"), "Asking GitHub for a registration, with all attempts"),
        metric("register_retries", Of::Measure("register_retries"), "How often GitHub was asked once more for a registration"),
        metric("docker_wait_duration_seconds", Of::Work("docker"), "Waiting until docker could be used"),
        metric("restore_duration_seconds", Of::Work("restore"), "Restoring the tool cache"),
        metric("restored_versions", Of::Measure("restored_versions"), "Versions of tools restored"),
        metric("restored_files", Of::Measure("restored_files"), "Files restored"),
        metric("restored_bytes", Of::Measure("restored_bytes"), "Bytes restored, as they are unpacked"),
        metric("restore_refused", Of::Measure("restore_refused"), "Versions that were not restored, because they are broken or forged"),
        metric("save_duration_seconds", Of::Work("save"), "Saving the tool cache"),
        metric("saved_versions", Of::Measure("saved_versions"), "Versions of tools saved"),
        metric("saved_files", Of::Measure("saved_files"), "Files saved"),
        metric("saved_bytes", Of::Measure("saved_bytes"), "Bytes saved, before they are packed"),
        metric("save_refused", Of::Measure("save_refused"), "Versions that were not saved"),
        metric("deregister_duration_seconds", Of::Work("deregister"), "Removing the registration, with all attempts"),
        metric("registrations_left", Of::Fact("deregistration", "left"), "1 if a registration could not be removed, 0 if none was left"),
        metric("log_lines_dropped", Of::Measure("log_lines_dropped"), "Lines that nobody read in time"),
        metric("lifetime_seconds", Of::Lifetime, "The whole life"),
        metric("failures", Of::Failure, "1 if the exit code is not 0, 0 if it is"),
    ],
};
