//! dockerd's `daemon.json`: what this program and its settings want, merged with what the user wrote.
//!
//! Everything goes into this one file, because dockerd refuses to start when the same directive comes from a flag and from its file.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};

use super::{arguments::Arguments, ownership};

/// One key and who wants it.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: &'static str,
    /// Its value.
    pub value: Value,
    /// Who wants it.
    pub by: By,
}

/// Who wants a key, and with that who may change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// This program; [`ownership`] has the reason.
    Us,
    /// A setting that the user gave.
    Setting(&'static str),
    /// Nobody in particular: the user's file or flag has the last word.
    Default,
}

/// What the user wrote, and where.
#[derive(Debug, Clone, PartialEq)]
pub struct Users {
    /// The file.
    pub path: PathBuf,
    /// Its keys.
    pub keys: Map<String, Value>,
}

/// The user's file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("cannot read {}: {cause}\nhint: DOCKER_DAEMON_JSON must name a file in this container", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        cause: io::Error,
    },
    /// It is not JSON.
    #[error("{} is not JSON: {cause}\nhint: mend that file, or let DOCKER_DAEMON_JSON name another", path.display())]
    NotJson {
        /// The file.
        path: PathBuf,
        /// Where and why.
        cause: serde_json::Error,
    },
    /// It is JSON of another kind.
    #[error("{} is not a JSON object\nhint: write it as {{ \"KEY\": VALUE, ... }}", path.display())]
    NotAnObject {
        /// The file.
        path: PathBuf,
    },
}

/// Two who want different things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// What is wrong.
    pub what: String,
    /// What to do.
    pub hint: String,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\nhint: {}", self.what, self.hint)
    }
}

/// Reads the user's file. One that is empty has no keys, as for dockerd.
///
/// # Errors
/// [`FileError`].
pub fn read(path: &Path) -> Result<Users, FileError> {
    let path = path.to_owned();
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(cause) => return Err(FileError::Unreadable { path, cause }),
    };
    // dockerd takes a byte order mark, too.
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.is_empty() {
        return Ok(Users { path, keys: Map::new() });
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(keys)) => Ok(Users { path, keys }),
        Ok(_) => Err(FileError::NotAnObject { path }),
        Err(cause) => Err(FileError::NotJson { path, cause }),
    }
}

/// Merges all that is wanted into one document. What nobody here knows goes to dockerd as it is: it knows its own keys.
///
/// # Errors
/// All conflicts at once.
pub fn compose(entries: &[Entry], users: Option<&Users>, arguments: &Arguments) -> Result<Map<String, Value>, Vec<Conflict>> {
    let mut conflicts = Vec::new();
    let mut document = Map::new();
    if let Some(Users { path, keys }) = users {
        let file = path.display();
        for (key, value) in keys {
            if arguments.set(key) && key != "runtimes" {
                let what = format!("`{key}` is set in {file} and by a flag in DOCKERD_ARGS");
                conflicts.push(Conflict { what, hint: "keep one of the two".to_owned() });
            }
            let wanted = entries.iter().find(|entry| entry.key == key);
            match (wanted, ownership::reason(key)) {
                (Some(entry), _) if entry.value == *value => {}
                (_, Some(reason)) if !is_harmless(key, value, keys) => {
                    let what = format!("`{key}` in {file} is not for you to set");
                    conflicts.push(Conflict { what, hint: format!("take it out: {reason}") });
                }
                (Some(Entry { by: By::Setting(setting), .. }), _) => {
                    let what = format!("`{key}` is set in {file}, and differently by {setting}");
                    conflicts.push(Conflict { what, hint: "keep one of the two".to_owned() });
                }
                _ => {}
            }
            document.insert(key.clone(), value.clone());
        }
    }
    for Entry { key, value, by } in entries {
        match by {
            By::Setting(setting) if arguments.set(key) => {
                let what = format!("`{key}` is set by {setting} and by a flag in DOCKERD_ARGS");
                conflicts.push(Conflict { what, hint: "keep one of the two".to_owned() });
            }
            By::Default if arguments.set(key) => {}
            By::Us if *key == "storage-driver" && document.contains_key(*key) => {}
            By::Us | By::Setting(_) => drop(document.insert((*key).to_owned(), value.clone())),
            By::Default => drop(document.entry(*key).or_insert_with(|| value.clone())),
        }
    }
    if conflicts.is_empty() { Ok(document) } else { Err(conflicts) }
}

/// What says no more than is so anyway, or is the same thing under containerd's name.
fn is_harmless(key: &str, value: &Value, keys: &Map<String, Value>) -> bool {
    match key {
        "live-restore" | "rootless" | "tls" | "tlsverify" => *value == Value::Bool(false),
        "storage-driver" => *value == "overlayfs" && wants_containerd_images(keys),
        _ => false,
    }
}

/// Whether the user switched containerd's image store on; its driver is called `overlayfs` and not `overlay2`.
pub fn wants_containerd_images(keys: &Map<String, Value>) -> bool {
    keys.get("features").and_then(|features| features.get("containerd-snapshotter")) == Some(&Value::Bool(true))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn entries() -> Vec<Entry> {
        vec![
            Entry { key: "data-root", value: json!("/s/task/data"), by: By::Us },
            Entry { key: "storage-driver", value: json!("overlay2"), by: By::Us },
            Entry { key: "dns", value: json!(["10.0.0.2"]), by: By::Setting("DOCKER_DNS") },
            Entry { key: "mtu", value: json!(1400), by: By::Default },
        ]
    }

    fn merged(users: &Value, arguments: &str) -> Result<Value, Vec<String>> {
        let users = Users { path: "/etc/docker/daemon.json".into(), keys: users.as_object().unwrap().clone() };
        let arguments = Arguments::parse(arguments).unwrap();
        compose(&entries(), Some(&users), &arguments)
            .map(Value::Object)
            .map_err(|conflicts| conflicts.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn what_is_not_ours_is_kept_and_ours_is_added() {
        let merged = merged(&json!({ "experimental": true, "debug": true }), "").unwrap();
        let expected = json!({
            "experimental": true, "debug": true, "data-root": "/s/task/data", "storage-driver": "overlay2", "dns": ["10.0.0.2"], "mtu": 1400,
        });
        assert_eq!(merged, expected);
    }

    #[test]
    fn a_default_gives_way_to_the_users_file_and_to_a_flag() {
        assert_eq!(merged(&json!({ "mtu": 9001 }), "").unwrap()["mtu"], 9001);
        assert_eq!(merged(&json!({}), "--mtu=9001").unwrap().get("mtu"), None);
    }

    #[test]
    fn every_contradiction_names_the_file_the_key_and_why_and_all_are_told() {
        let users = json!({ "data-root": "/var/lib/docker", "hosts": ["tcp://0.0.0.0:2375"], "dns": ["8.8.8.8"], "mtu": 1, "storage-driver": "vfs" });
        insta::assert_snapshot!(merged(&users, "--mtu 2 --dns 1.1.1.1").unwrap_err().join("\n"));
    }

    #[test]
    fn saying_the_same_twice_is_no_contradiction() {
        let users = json!({ "dns": ["10.0.0.2"], "storage-driver": "overlay2", "live-restore": false, "tls": false });
        assert_eq!(merged(&users, "").unwrap()["live-restore"], false);
        assert!(merged(&json!({ "live-restore": true }), "").is_err());
    }

    #[test]
    fn containerds_image_store_may_name_its_own_driver() {
        let users = json!({ "features": { "containerd-snapshotter": true }, "storage-driver": "overlayfs" });
        assert_eq!(merged(&users, "").unwrap()["storage-driver"], "overlayfs");
        assert!(merged(&json!({ "storage-driver": "overlayfs" }), "").is_err());
    }

    #[test]
    fn a_file_is_an_object_or_empty() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("daemon.json");
        let read = |text: &str| {
            fs::write(&path, text).unwrap();
            read(&path).map(|users| users.keys.len()).map_err(|error| error.to_string())
        };
        assert_eq!((read(""), read(" \n"), read("\u{feff}{\"mtu\": 1}")), (Ok(0), Ok(0), Ok(1)));
        assert!(read("[]").unwrap_err().contains("is not a JSON object"));
        assert!(read("{\"mtu\": }").unwrap_err().contains("is not JSON: expected value at line 1 column 9"));
        assert!(read("\u{0}").is_err());
        let missing = super::read(Path::new("/nowhere/daemon.json")).unwrap_err().to_string();
        assert!(missing.starts_with("cannot read /nowhere/daemon.json: No such file"), "{missing}");
    }
}
