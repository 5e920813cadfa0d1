//! What a guarded daemon's own configuration must say beside everything else. Pure.
//!
//! Its runtime is the one that holds what it mounts ([`super::pin`]). And a build through BuildKit goes over a connection that is taken over,
//! in which the gate does not read, so what may be asked for there is the daemon's to refuse.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::allow::{Allow, Word};

/// What the daemon calls its runtime.
const RUNTIME: &str = "guarded";

/// The keys and their values; `given` is what the user wrote, of which the rest stays.
pub fn keys(given: &Map<String, Value>, allow: &Allow, runtime: &Path) -> [(&'static str, Value); 3] {
    let mut runtimes = object(given.get("runtimes"));
    runtimes.insert(RUNTIME.to_owned(), json!({ "path": runtime.to_string_lossy() }));
    [("default-runtime", RUNTIME.into()), ("runtimes", runtimes.into()), ("builder", builder(given.get("builder"), allow))]
}

/// With the rights of builds set: a dockerd that is told nothing lets every build use the host's network (moby,
/// `builder/builder-next/controller.go`, `getEntitlements`).
fn builder(given: Option<&Value>, allow: &Allow) -> Value {
    let mut builder = object(given);
    // Go takes any spelling of a field, and the last.
    builder.retain(|name, _| !name.eq_ignore_ascii_case("entitlements"));
    let rights = json!({
        "network-host": allow.has(Word::HostNetwork),
        "security-insecure": allow.has(Word::Privileged),
        "device": allow.has(Word::Devices),
    });
    builder.insert("Entitlements".to_owned(), rights);
    builder.into()
}

fn object(value: Option<&Value>) -> Map<String, Value> {
    value.and_then(Value::as_object).cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_get_the_rights_that_the_list_allows_and_the_rest_stays() {
        let of = |given: Value, entries: &[&str]| {
            let allow = Allow::read(entries.iter().copied()).unwrap();
            let keys = keys(given.as_object().unwrap(), &allow, Path::new("/t/guarded-runc"));
            Value::Object(keys.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
        };
        let none = json!({ "network-host": false, "security-insecure": false, "device": false });
        let runtimes = json!({ "guarded": { "path": "/t/guarded-runc" } });
        let bare = json!({ "default-runtime": "guarded", "runtimes": runtimes, "builder": { "Entitlements": none } });
        assert_eq!(of(json!({}), &[]), bare);
        let given =
            json!({ "builder": { "gc": { "enabled": true }, "entitlements": { "network-host": true } }, "runtimes": { "own": {} } });
        let told = of(given, &[]);
        assert_eq!(told["builder"], json!({ "gc": { "enabled": true }, "Entitlements": none }));
        assert_eq!(told["runtimes"], json!({ "own": {}, "guarded": { "path": "/t/guarded-runc" } }));
        assert_eq!(of(json!({}), &["host-network", "privileged"])["builder"]["Entitlements"]["network-host"], true);
    }
}
