//! What of a sidecar's life is counted, under which names. Data only.

use telemetry::{Metric, Of, Table};

const fn metric(name: &'static str, of: Of, help: &'static str) -> Metric {
    Metric { name, help, of }
}

/// A task lives once, so each of these is told once.
pub(crate) const METRICS: Table = Table {
    prefix: "gha_dind",
    busy: "use",
    labels: &[],
    metrics: &[
        metric("time_to_ready_seconds", Of::Ready, "From the start of the container's first process until a container has run on docker"),
        metric("format_duration_seconds", Of::Work("format"), "Making a file system of the task's own"),
        metric("probe_duration_seconds", Of::Work("probe"), "Waiting for docker's answer, and running a container on it"),
        metric("docker_restarts", Of::Measure("docker_restarts"), "How often docker died and was started again"),
        metric("linger_duration_seconds", Of::Work("await runner"), "Waiting, after the stop was asked, for the runner to end"),
        metric("containers_killed", Of::Measure("containers_killed"), "Containers that still ran at the end"),
        metric("remove_duration_seconds", Of::Work("remove"), "Removing the data-root"),
        metric(
            "storage_used_bytes",
            Of::Measure("storage_used_bytes"),
            "Used at the end, on the task's storage: its own file system or quota, else the volume",
        ),
        metric("storage_free_bytes", Of::Measure("storage_free_bytes"), "Free at the end, on the same"),
        metric("log_lines_dropped", Of::Measure("log_lines_dropped"), "Lines that nobody read in time"),
        metric("lifetime_seconds", Of::Lifetime, "The whole life"),
        metric("failures", Of::Failure, "1 if the exit code is not 0, 0 if it is"),
    ],
};
