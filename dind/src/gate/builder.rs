//! What a guarded daemon's own configuration must say. A build through BuildKit goes over a connection that is taken over, in which the
//! gate does not read; what may be asked for there is the daemon's to refuse. Pure.

use serde_json::{Map, Value, json};

use super::allow::{Allow, Word};

/// The configuration `existing` (daemon.json; empty for none) with the rights of builds set: a dockerd that is told nothing lets every
/// build use the host's network (moby, `builder/builder-next/controller.go`, `getEntitlements`).
///
/// # Errors
/// It is not JSON.
pub fn configuration(existing: &str, allow: &Allow) -> Result<String, String> {
    let existing = if existing.trim().is_empty() { "{}" } else { existing };
    let mut configuration: Map<String, Value> = serde_json::from_str(existing).map_err(|error| error.to_string())?;
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
            let text = configuration(existing, &Allow::read(entries.iter().copied()).unwrap()).unwrap();
            serde_json::from_str::<Value>(&text).unwrap()
        };
        let none = json!({ "network-host": false, "security-insecure": false, "device": false });
        assert_eq!(of("", &[]), json!({ "builder": { "Entitlements": none } }));
        let existing = r#"{"debug":true,"builder":{"gc":{"enabled":true},"entitlements":{"network-host":true}}}"#;
        assert_eq!(of(existing, &[]), json!({ "debug": true, "builder": { "gc": { "enabled": true }, "Entitlements": none } }));
        assert_eq!(of("", &["host-network", "privileged"])["builder"]["Entitlements"]["network-host"], true);
        for wrong in ["{", "[]", r#"{"builder":1}"#] {
            assert!(configuration(wrong, &Allow::default()).is_err(), "{wrong}");
        }
    }
}
