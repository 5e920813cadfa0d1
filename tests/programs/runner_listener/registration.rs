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

/// Reads `.runner` and `.credentials`; `None` when this runner is not configured.
pub(crate) fn read(root: &Path) -> Option<Registration> {
    let json = |name: &str| -> Option<Value> { serde_json::from_slice(&fs::read(root.join(name)).ok()?).ok() };
    let (runner, credentials) = (json(".runner")?, json(".credentials")?);
    let text = |key: &str| runner.get(key).and_then(Value::as_str).map(str::to_owned);
    Some(Registration {
        id: text("AgentId")?.parse().ok()?,
        name: text("AgentName")?,
        server: text("ServerUrlV2").or_else(|| text("ServerUrl"))?,
        secret: credentials["Data"]["ClientId"].as_str()?.to_owned(),
        // An absolute work folder replaces the root, as with Path.Combine.
        work: root.join(text("WorkFolder").unwrap_or_else(|| "_work".into())),
        ephemeral: text("Ephemeral").is_some_and(|text| text.eq_ignore_ascii_case("true")),
    })
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
