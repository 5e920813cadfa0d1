//! A configuration in words, for `check`.

use super::Config;
use crate::{
    stages,
    storage::{Cleanup, Mode},
};

impl Config {
    /// What this configuration amounts to: pairs of a heading and a line.
    pub(crate) fn described(&self) -> Vec<(&'static str, String)> {
        let engine = &self.engine;
        let mut lines = vec![
            ("storage", self.storage_described()),
            ("daemon", engine.dockerd.as_ref().map_or("dockerd as found in PATH".to_owned(), |path| path.display().to_string())),
            ("socket", format!("{} for group {}", self.socket("").shared.display(), self.access.group)),
            (
                "policy",
                match &self.access.guard {
                    None => "off: a job may do with docker what docker can".to_owned(),
                    Some(allow) => format!("guarded, allowed: {}", allow.entries().join(", ")),
                },
            ),
        ];
        if !engine.mirrors.is_empty() {
            let mirrors: Vec<String> = engine.mirrors.iter().map(|mirror| settings::shown_url(mirror)).collect();
            lines.push(("mirrors", mirrors.join(", ")));
        }
        lines.extend(engine.tcp.map(|address| ("TCP", format!("{address}{}", if engine.tls.is_some() { ", with TLS" } else { "" }))));
        lines.extend(engine.remap.map(|(user, group)| ("remap", format!("root of a container is {user}:{group} outside"))));
        lines.extend([
            ("start", format!("docker must be usable within {} s", self.start_timeout.as_secs())),
            ("stop", self.stop_described()),
            ("end", if self.exit_with_runner { "with the runner" } else { "when it is told to stop" }.to_owned()),
        ]);
        lines
    }

    fn storage_described(&self) -> String {
        let storage = &self.storage;
        let mode = match storage.wish.mode {
            Mode::Xfs => "an XFS",
            Mode::Loop => "an XFS of each task in a file",
            Mode::Any => "any file system that overlay works on",
        };
        let quota = storage.wish.quota.map(|bytes| format!(", at most {} MiB a task", bytes >> 20)).unwrap_or_default();
        let cleanup = match storage.cleanup {
            Cleanup::Now => "deleted at the end",
            Cleanup::Later => "deleted by whoever comes next",
        };
        format!("{}, {mode}{quota}, {cleanup}", storage.root.display())
    }

    fn stop_described(&self) -> String {
        let parts = stages::split(self.stop_timeout);
        let seconds = |part: std::time::Duration| format!("{:.1} s", part.as_secs_f64());
        format!(
            "{} s: {} for the runner to end, {} for containers, {} for dockerd, {} to clean up",
            self.stop_timeout.as_secs(),
            seconds(parts.linger),
            seconds(parts.containers.saturating_sub(parts.linger)),
            seconds(parts.dockerd.saturating_sub(parts.containers)),
            seconds(parts.end.saturating_sub(parts.dockerd))
        )
    }
}
