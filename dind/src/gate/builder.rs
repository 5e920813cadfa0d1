//! What a guarded daemon's own configuration must say: its runtime is the one that holds what it mounts ([`super::pin`]); and a build through BuildKit goes over a connection that is taken over, in which the
//! gate does not read, so what may be asked for there is the daemon's to refuse. Pure.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::allow::{Allow, Word};

/// What the daemon calls its runtime.
const RUNTIME: &str = "guarded";

/// The configuration `existing` (daemon.json; empty for none) with `runtime` for all containers and the rights of builds set: a dockerd that is told nothing lets every
/// build use the host's network (moby, `builder/builder-next/controller.go`, `getEntitlements`).
///
/// # Errors
/// It is not JSON.
pub fn configuration(existing: &str, allow: &Allow, runtime: &Path) -> Result<String, String> {
    let existing = if existing.trim().is_empty() { "{}" } else { existing };
    let mut configuration: Map<String, Value> = serde_json::from_str(existing).map_err(|error| error.to_string())?;
    // Go takes any spelling of a field, and the last.
    configuration.retain(|name, _| !name.eq_ignore_ascii_case("default-runtime"));
    configuration.insert("default-runtime".to_owned(), RUNTIME.into());
    let runtimes = configuration.entry("runtimes").or_insert_with(|| json!({}));
    let runtimes = runtimes.as_object_mut().ok_or("`runtimes` is not an object")?;
    runtimes.insert(RUNTIME.to_owned(), json!({ "path": runtime.to_string_lossy() }));
    let builder = configuration.entry("builder").or_insert_with(|| json!({}));
    let builder = builder.as_object_mut().ok_or("`builder` is not an object")?;
    builder.retain(|name, _| !name.eq_ignore_ascii_case("entitlements"));
    let rights = json!({
        "network-host": allow.has(Word::HostNetwork),
        "security-insecure": allow.has(Word::Privileged),
        "device": allow.has(Word::Devices),
    });
    builder.insert("Entitlements".to_owned(), rights);
    Ok(Value::Object(configuration).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_get_the_rights_that_the_list_allows_and_the_rest_stays() {
        let of = |existing: &str, entries: &[&str]| {
            let allow = Allow::read(entries.iter().copied()).unwrap();
            serde_json::from_str::<Value>(&configuration(existing, &allow, Path::new("/t/guarded-runc")).unwrap()).unwrap()
        };
        let none = json!({ "network-host": false, "security-insecure": false, "device": false });
        let runtimes = json!({ "guarded": { "path": "/t/guarded-runc" } });
        let bare = json!({ "default-runtime": "guarded", "runtimes": runtimes, "builder": { "Entitlements": none } });
        assert_eq!(of("", &[]), bare);
        let told =
            of(r#"{"debug":true,"Default-Runtime":"x","builder":{"gc":{"enabled":true},"entitlements":{"network-host":true}}}"#, &[]);
        let builder = json!({ "gc": { "enabled": true }, "Entitlements": none });
        assert_eq!(told, json!({ "debug": true, "default-runtime": "guarded", "runtimes": runtimes, "builder": builder }));
        assert_eq!(of("", &["host-network", "privileged"])["builder"]["Entitlements"]["network-host"], true);
        for wrong in ["{", "[]", r#"{"builder":1}"#] {
            assert!(configuration(wrong, &Allow::default(), Path::new("/x")).is_err(), "{wrong}");
        }
    }
}
