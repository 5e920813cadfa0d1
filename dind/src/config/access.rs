//! Who may use the daemon.

use settings::Reader;

/// The settings of the ways to the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// `DOCKER_GROUP_GID`.
    pub group: u32,
}

impl Access {
    pub(super) fn read(reader: &mut Reader) -> Self {
        Self { group: reader.number("DOCKER_GROUP_GID", 0, u32::MAX - 1) }
    }
}
