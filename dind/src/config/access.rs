//! Who may use the daemon, and for what.

use settings::Reader;

use crate::gate::allow::Allow;

/// The settings of the ways to the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// `DOCKER_GROUP_GID`.
    pub group: u32,
    /// `DOCKER_API_POLICY`, with what `DOCKER_API_ALLOW` and the usual shared folders allow; `None` is off.
    pub guard: Option<Allow>,
}

/// What the runner's container shares with this one, at the same path: work, node for actions, tools.
const SHARED: [&str; 3] = ["/home/runner/_work", "/home/runner/externals", "/opt/hostedtoolcache"];

impl Access {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let group = reader.number("DOCKER_GROUP_GID", 0, u32::MAX - 1);
        let guarded = reader.choice("DOCKER_API_POLICY", &[("off", false), ("guarded", true)]).unwrap_or(false);
        let entries = reader.list("DOCKER_API_ALLOW");
        let allow = Allow::read(entries.iter().map(String::as_str)).unwrap_or_else(|wrong| {
            for what in wrong {
                reader.problem("DOCKER_API_ALLOW", &what, Some(&format!("allowed: {}", Allow::known())));
            }
            Allow::default()
        });
        if !guarded && !entries.is_empty() {
            let hint = "set DOCKER_API_POLICY=guarded, or leave the list out: without a policy everything is allowed";
            reader.problem("DOCKER_API_ALLOW", "it stands there without a policy", Some(hint));
        }
        Self { group, guard: guarded.then(|| SHARED.iter().fold(allow, |allow, path| allow.and_path(path))) }
    }
}
