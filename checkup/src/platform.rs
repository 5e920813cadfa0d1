//! Who runs a container, as far as cures differ by it.

use std::ffi::OsStr;

/// Who runs this container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Platform {
    /// A docker command line, or a compose file.
    Docker,
    /// Amazon ECS.
    Ecs,
    /// Kubernetes.
    Kubernetes,
    /// Nomad with its docker driver.
    Nomad,
}

impl Platform {
    /// All, in the order in which they are told.
    pub const ALL: [Self; 4] = [Self::Docker, Self::Ecs, Self::Kubernetes, Self::Nomad];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker run",
            Self::Ecs => "ECS",
            Self::Kubernetes => "Kubernetes",
            Self::Nomad => "Nomad",
        }
    }

    /// The platform that put its marks into an environment with variables of these names. `docker run` leaves none.
    pub fn of<'a>(names: impl IntoIterator<Item = &'a OsStr>) -> Option<Self> {
        const MARKS: [(&str, Platform); 3] = [
            ("ECS_CONTAINER_METADATA_URI_V4", Platform::Ecs),
            ("KUBERNETES_SERVICE_HOST", Platform::Kubernetes),
            ("NOMAD_ALLOC_ID", Platform::Nomad),
        ];
        let found: Vec<usize> = names.into_iter().filter_map(|name| MARKS.iter().position(|(mark, _)| OsStr::new(mark) == name)).collect();
        found.into_iter().min().map(|first| MARKS[first].1)
    }
}
