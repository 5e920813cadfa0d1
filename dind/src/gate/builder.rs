//! What a guarded daemon's own configuration must say. A build through BuildKit goes over a connection that is taken over, in which the
//! gate does not read; what may be asked for there is the daemon's to refuse. Pure.

use serde_json::{Map, Value, json};

use super::allow::{Allow, Word};

/// The key `builder` of dockerd's configuration with the rights of builds set, and what else the user wrote there: a dockerd that is told
/// nothing lets every build use the host's network (moby, `builder/builder-next/controller.go`, `getEntitlements`).
pub fn with_rights(given: Option<&Value>, allow: &Allow) -> Value {
    let mut builder: Map<String, Value> = given.and_then(Value::as_object).cloned().unwrap_or_default();
    builder.retain(|name, _| !name.eq_ignore_ascii_case("entitlements"));
    let rights = json!({
        "network-host": allow.has(Word::HostNetwork),
        "security-insecure": allow.has(Word::Privileged),
        "device": allow.has(Word::Devices),
    });
    builder.insert("Entitlements".to_owned(), rights);
    Value::Object(builder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_get_the_rights_that_the_list_allows_and_the_rest_stays() {
        let of = |given: Option<Value>, entries: &[&str]| with_rights(given.as_ref(), &Allow::read(entries.iter().copied()).unwrap());
        let none = json!({ "network-host": false, "security-insecure": false, "device": false });
        assert_eq!(of(None, &[]), json!({ "Entitlements": none }));
        let given = json!({ "gc": { "enabled": true }, "entitlements": { "network-host": true } });
        assert_eq!(of(Some(given), &[]), json!({ "gc": { "enabled": true }, "Entitlements": none }));
        assert_eq!(of(None, &["host-network", "privileged"])["Entitlements"]["network-host"], true);
        assert_eq!(of(Some(json!(1)), &[]), json!({ "Entitlements": none }));
    }
}
