//! The runner's files: written from the JIT blob, read back, removed. Owns names and shapes (runner-root files of
//! actions/runner, src/Runner.Common/ConfigurationStore.cs).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// Who this runner is.
#[derive(Debug, Clone)]
pub(crate) struct Registration {
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) server: String,
    pub(crate) secret: String,
    pub(crate) work: PathBuf,
    pub(crate) ephemeral: bool,
    /// The address of the page it was registered at; a JIT configuration has none.
    pub(crate) github: Option<String>,
}

/// Writes every file of the blob into the runner root, names unchecked, as the real one does.
pub(crate) fn write(root: &Path, blob: &str) -> io::Result<()> {
    let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let bytes = STANDARD.decode(blob.trim()).map_err(|_| invalid("the configuration is not base64"))?;
    let files: Value = serde_json::from_slice(&bytes).map_err(|_| invalid("the configuration is not JSON"))?;
    for (name, content) in files.as_object().ok_or_else(|| invalid("the configuration is no object"))? {
        let content = content.as_str().and_then(|text| STANDARD.decode(text).ok());
        fs::write(root.join(name), content.ok_or_else(|| invalid("a file is not base64"))?)?;
    }
    Ok(())
}

/// Reads `.runner` and `.credentials`; `None` when this runner is not configured. Names in any case, values as texts or not: a JIT
/// configuration and `config.sh` differ in both.
pub(crate) fn read(root: &Path) -> Option<Registration> {
    let json = |name: &str| -> Option<Value> {
        let text = fs::read_to_string(root.join(name)).ok()?;
        serde_json::from_str(text.trim_start_matches('\u{feff}')).ok()
    };
    let (runner, credentials) = (json(".runner")?, json(".credentials")?);
    let text = |key: &str| match member(&runner, key)? {
        Value::String(text) => Some(text.clone()),
        Value::Null => None,
        other => Some(other.to_string()),
    };
    Some(Registration {
        id: text("AgentId")?.parse().ok()?,
        name: text("AgentName")?,
        server: text("ServerUrlV2").or_else(|| text("ServerUrl"))?,
        secret: member(member(&credentials, "Data")?, "ClientId")?.as_str()?.to_owned(),
        // An absolute work folder replaces the root, as with Path.Combine.
        work: root.join(text("WorkFolder").unwrap_or_else(|| "_work".into())),
        ephemeral: text("Ephemeral").is_some_and(|text| text.eq_ignore_ascii_case("true")),
        github: text("GitHubUrl"),
    })
}

fn member<'a>(object: &'a Value, wanted: &str) -> Option<&'a Value> {
    object.as_object()?.iter().find(|(key, _)| key.eq_ignore_ascii_case(wanted)).map(|(_, value)| value)
}

/// Removes the files that make a runner configured and says so.
pub(crate) fn remove(root: &Path) {
    for (names, shown) in [([".credentials", ".credentials_rsaparams"], ".credentials"), ([".runner", ".runner_migrated"], ".runner")] {
        let removed = names.map(|name| fs::remove_file(root.join(name)).is_ok());
        if removed.contains(&true) {
            println!("Removed {shown}");
        }
    }
}
