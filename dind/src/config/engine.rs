//! How the daemon is started.

use std::path::PathBuf;

use settings::Reader;

/// The settings of the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Engine {
    /// `DOCKERD_PATH`.
    pub dockerd: Option<PathBuf>,
    /// `DOCKER_REGISTRY_MIRROR`.
    pub mirrors: Vec<String>,
}

impl Engine {
    pub(super) fn read(reader: &mut Reader) -> Self {
        Self { dockerd: reader.path("DOCKERD_PATH"), mirrors: mirrors(reader) }
    }
}

fn mirrors(reader: &mut Reader) -> Vec<String> {
    let mirrors = reader.list("DOCKER_REGISTRY_MIRROR");
    for mirror in &mirrors {
        let host = mirror.strip_prefix("https://").or_else(|| mirror.strip_prefix("http://"));
        if host.is_none_or(|host| host.is_empty() || host.contains(char::is_whitespace)) {
            let what = format!("`{mirror}` is not an address");
            reader.problem("DOCKER_REGISTRY_MIRROR", &what, Some("write it as https://mirror.example, more than one with commas"));
        }
    }
    mirrors
}
