//! Which requests there are, and what must be looked at in each. Pure.
//!
//! A list of what is known (moby, `api/server/router/*/*.go` up to API 1.47): everything else is refused. What was checked is what the
//! daemon gets: the path is decoded once, must be plain after that, and is passed on in this form.

use super::{
    allow::{Allow, Word},
    refusal::Refusal,
};

/// What there is to look at before a request is passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing: it streams through, whatever its size.
    Free,
    /// Nothing, and it may take over the connection.
    Upgrade,
    /// The body, which makes a container.
    Create,
    /// The body, which changes one.
    Update,
    /// The body, which prepares a command in one.
    Exec,
    /// The body, which makes a volume.
    Volume,
    /// The body, which makes a network.
    Network,
    /// The body must be left out: daemons before API 1.24 took a whole configuration from it.
    Start,
    /// The network that its path names must not be the sidecar's.
    Connect,
    /// The container that its path names: the daemon itself goes into its mounts, by their paths.
    Archive,
}

/// A request that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Route {
    /// The path to pass on.
    pub(super) path: String,
    /// What to look at.
    pub(super) kind: Kind,
}

/// `*` is one part of a path, `**` one or more. One method each; HEAD goes where GET goes.
const ROUTES: [(&str, &str, Kind); 69] = [
    ("GET", "_ping", Kind::Free),
    ("GET", "version", Kind::Free),
    ("GET", "info", Kind::Free),
    ("GET", "events", Kind::Free),
    ("GET", "system/df", Kind::Free),
    ("POST", "auth", Kind::Free),
    ("GET", "containers/json", Kind::Free),
    ("GET", "containers/*/json", Kind::Free),
    ("GET", "containers/*/top", Kind::Free),
    ("GET", "containers/*/logs", Kind::Free),
    ("GET", "containers/*/changes", Kind::Free),
    ("GET", "containers/*/export", Kind::Free),
    ("GET", "containers/*/stats", Kind::Free),
    ("GET", "containers/*/archive", Kind::Archive),
    ("PUT", "containers/*/archive", Kind::Archive),
    ("POST", "containers/create", Kind::Create),
    ("POST", "containers/prune", Kind::Free),
    ("POST", "containers/*/start", Kind::Start),
    ("POST", "containers/*/stop", Kind::Free),
    ("POST", "containers/*/restart", Kind::Free),
    ("POST", "containers/*/kill", Kind::Free),
    ("POST", "containers/*/pause", Kind::Free),
    ("POST", "containers/*/unpause", Kind::Free),
    ("POST", "containers/*/rename", Kind::Free),
    ("POST", "containers/*/resize", Kind::Free),
    ("POST", "containers/*/wait", Kind::Free),
    ("POST", "containers/*/update", Kind::Update),
    ("POST", "containers/*/attach", Kind::Upgrade),
    ("POST", "containers/*/exec", Kind::Exec),
    ("DELETE", "containers/*", Kind::Free),
    ("GET", "exec/*/json", Kind::Free),
    ("POST", "exec/*/start", Kind::Upgrade),
    ("POST", "exec/*/resize", Kind::Free),
    ("GET", "images/json", Kind::Free),
    ("GET", "images/search", Kind::Free),
    ("GET", "images/get", Kind::Free),
    ("GET", "images/**/get", Kind::Free),
    ("GET", "images/**/history", Kind::Free),
    ("GET", "images/**/json", Kind::Free),
    ("POST", "images/create", Kind::Free),
    ("POST", "images/load", Kind::Free),
    ("POST", "images/prune", Kind::Free),
    ("POST", "images/**/push", Kind::Free),
    ("POST", "images/**/tag", Kind::Free),
    ("DELETE", "images/**", Kind::Free),
    ("GET", "distribution/**/json", Kind::Free),
    ("POST", "commit", Kind::Free),
    ("POST", "build", Kind::Free),
    ("POST", "build/prune", Kind::Free),
    ("POST", "build/cancel", Kind::Free),
    ("POST", "session", Kind::Upgrade),
    ("POST", "grpc", Kind::Upgrade),
    ("GET", "networks", Kind::Free),
    ("GET", "networks/*", Kind::Free),
    ("POST", "networks/create", Kind::Network),
    ("POST", "networks/prune", Kind::Free),
    ("POST", "networks/*/connect", Kind::Connect),
    ("POST", "networks/*/disconnect", Kind::Free),
    ("DELETE", "networks/*", Kind::Free),
    ("GET", "volumes", Kind::Free),
    ("GET", "volumes/*", Kind::Free),
    ("POST", "volumes/create", Kind::Volume),
    ("POST", "volumes/prune", Kind::Free),
    ("DELETE", "volumes/*", Kind::Free),
    // Asked by clients that show the state of things; there is no swarm, and none can be made.
    ("GET", "swarm", Kind::Free),
    ("GET", "nodes", Kind::Free),
    ("GET", "services", Kind::Free),
    ("GET", "tasks", Kind::Free),
    ("GET", "plugins", Kind::Free),
];

/// API versions from here on take what a container may do from one place of one request.
const OLDEST: u32 = 24;

/// Finds out what a request is.
///
/// # Errors
/// It is not known, or asks in its query for what is not allowed.
pub(super) fn route(method: &str, path: &str, query: Option<&str>, allow: &Allow) -> Result<Route, Refusal> {
    let plain = plain(path).ok_or_else(|| {
        Refusal::unclear("a path that can be read in more than one way", "write it without `..`, empty parts and escaped characters")
    })?;
    let mut parts: Vec<&str> = plain.split('/').collect();
    if let Some(version) = parts.first().and_then(|first| version(first)) {
        if !(version.0 == 1 && version.1 >= OLDEST) {
            return Err(Refusal::unclear("this version of the API", "use 1.24 or later"));
        }
        parts.remove(0);
    }
    let asked = if method == "HEAD" { "GET" } else { method };
    let known = ROUTES.iter().find(|(method, pattern, _)| *method == asked && matches(pattern, &parts));
    let Some(&(_, pattern, kind)) = known else {
        return Err(Refusal::never(format!("{method} /{} is not on its list", parts.join("/"))));
    };
    if pattern == "build" {
        build(query.unwrap_or_default(), allow)?;
    }
    // A start can be one from a checkpoint, in a folder of the daemon's host.
    if kind == Kind::Start && pairs(query.unwrap_or_default())?.iter().any(|(name, _)| name != "detachKeys") {
        return Err(Refusal::never("a start with more than `detachKeys` in its query"));
    }
    Ok(Route { path: format!("/{plain}"), kind })
}

/// A literal pattern wins over `*` by standing before it nowhere in conflict: no name of docker's is a name that can be given.
fn matches(pattern: &str, parts: &[&str]) -> bool {
    let pattern: Vec<&str> = pattern.split('/').collect();
    match pattern.iter().position(|part| *part == "**") {
        None => pattern.len() == parts.len() && pattern.iter().zip(parts).all(fits),
        Some(at) => {
            let tail = &pattern[at + 1..];
            parts.len() >= pattern.len()
                && pattern[..at].iter().zip(parts).all(fits)
                && tail.iter().zip(&parts[parts.len() - tail.len()..]).all(fits)
        }
    }
}

fn fits((pattern, part): (&&str, &&str)) -> bool {
    *pattern == "*" || pattern == part
}

/// The path without its first slash: decoded once, then of plain characters and parts that are there.
fn plain(path: &str) -> Option<String> {
    let decoded = decode(path.strip_prefix('/')?, false)?;
    let character = |byte: u8| byte.is_ascii_alphanumeric() || b"._-~:@+=/".contains(&byte);
    let fine = decoded.bytes().all(character) && decoded.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
    fine.then_some(decoded)
}

/// `vX.Y`, as moby's router takes it: `v[0-9.]+`. What looks like a version and is none is a version that is refused.
fn version(part: &str) -> Option<(u32, u32)> {
    let digits = part.strip_prefix('v')?;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return None;
    }
    let numbers = digits.split_once('.').and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
    Some(numbers.unwrap_or((0, 0)))
}

/// Undoes percent-encoding (RFC 3986, 2.1); in a query `+` is a space.
fn decode(text: &str, query: bool) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::new();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let (high, low) = (char::from(bytes.next()?).to_digit(16)?, char::from(bytes.next()?).to_digit(16)?);
                u8::try_from(high * 16 + low).ok()?
            }
            b'+' if query => b' ',
            byte => byte,
        });
    }
    String::from_utf8(decoded).ok()
}

fn pairs(query: &str) -> Result<Vec<(String, String)>, Refusal> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some((decode(name, true)?, decode(value, true)?))
    });
    let unclear = || Refusal::unclear("a query that cannot be decoded", "escape it as RFC 3986 has it");
    pairs.collect::<Option<Vec<_>>>().ok_or_else(unclear)
}

/// What a build may ask for in its query (moby, `api/server/router/build/build_routes.go`).
fn build(query: &str, allow: &Allow) -> Result<(), Refusal> {
    for (name, value) in pairs(query)? {
        match name.as_str() {
            "networkmode" if !network_mode(&value) && !allow.has(Word::HostNetwork) => {
                return Err(Refusal::unless(Word::HostNetwork, format!("a build with the network `{value}`")));
            }
            "cgroupparent" if !value.is_empty() && !allow.has(Word::HostCgroup) => {
                return Err(Refusal::unless(Word::HostCgroup, "a build in a cgroup of its own choice"));
            }
            "securityopt" if !["", "[]", "null"].contains(&value.as_str()) && !allow.has(Word::SecurityOptions) => {
                return Err(Refusal::unless(Word::SecurityOptions, "a build with security options"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// For builds: a network's own name could be an id of the host's.
fn network_mode(value: &str) -> bool {
    ["", "default", "bridge", "none"].contains(&value) || value.starts_with("container:")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(method: &str, path: &str) -> Result<Kind, String> {
        let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
        route(method, path, query, &Allow::default()).map(|route| route.kind).map_err(|refusal| refusal.to_string())
    }

    #[test]
    fn what_docker_uses_every_day_is_known() {
        for (method, path, kind) in [
            ("HEAD", "/_ping", Kind::Free),
            ("GET", "/v1.45/containers/json?all=1", Kind::Free),
            ("POST", "/v1.45/containers/create?name=x", Kind::Create),
            ("POST", "/containers/create", Kind::Create),
            ("POST", "/v1.45/containers/abc/start", Kind::Start),
            ("POST", "/v1.45/containers/abc/attach?stream=1", Kind::Upgrade),
            ("POST", "/v1.45/exec/abc/start", Kind::Upgrade),
            ("GET", "/v1.45/images/ghcr.io/acme/tool:1.2@sha256:ab/json", Kind::Free),
            ("GET", "/v1.45/images/ghcr.io%2Facme%2Ftool/json", Kind::Free),
            ("DELETE", "/v1.45/images/a/b/c", Kind::Free),
            ("POST", "/v1.45/build?networkmode=default&t=x", Kind::Free),
            ("POST", "/v1.45/networks/create", Kind::Network),
            ("POST", "/v1.45/networks/net/connect", Kind::Connect),
            ("POST", "/grpc", Kind::Upgrade),
            ("POST", "/v1.45/session", Kind::Upgrade),
        ] {
            assert_eq!(ask(method, path), Ok(kind), "{method} {path}");
        }
    }

    #[test]
    fn what_is_not_known_is_refused_by_name() {
        for (method, path) in [
            ("POST", "/plugins/pull?remote=x"),
            ("POST", "/v1.45/plugins/x/enable"),
            ("POST", "/swarm/init"),
            ("POST", "/services/create"),
            ("POST", "/secrets/create"),
            ("POST", "/configs/create"),
            ("PUT", "/volumes/x"),
            ("POST", "/containers/x/checkpoints"),
            ("GET", "/containers/x/attach/ws"),
            ("GET", "/debug/pprof/heap"),
            ("CONNECT", "/_ping"),
            ("PATCH", "/containers/create"),
            ("post", "/containers/create"),
            ("GET", "/containers/create"),
            ("POST", "/Containers/Create"),
        ] {
            let said = ask(method, path).unwrap_err();
            assert!(said.contains("is not on its list") && said.contains("DOCKER_API_POLICY=off"), "{said}");
        }
    }

    #[test]
    fn a_path_that_two_readers_could_read_in_two_ways_is_refused() {
        for path in [
            "",
            "/",
            "containers/create",
            "//containers/create",
            "/containers//create",
            "/containers/create/",
            "/v1.45/../containers/create",
            "/containers/./create",
            "/containers/x/%2e%2e/create",
            "/containers/%2e%2e/containers/create",
            "/containers/create%00",
            "/containers/create%3fx",
            "/containers/create%2520",
            "/containers/create;x",
            "/containers/%zz",
            "/containers/%f",
            "/containers/a b/json",
            "/containers/\\create",
        ] {
            assert!(ask("POST", path).is_err(), "{path}");
        }
    }

    #[test]
    fn what_was_checked_is_what_is_passed_on() {
        for (given, path) in [
            ("/v1.45/containers/%63reate", "/v1.45/containers/create"),
            ("/containers%2Fcreate", "/containers/create"),
            ("/%5fping", "/_ping"),
        ] {
            for method in ["POST", "GET"] {
                if let Ok(route) = route(method, given, None, &Allow::default()) {
                    assert_eq!(route.path, path);
                    assert!(route.kind == Kind::Create || path == "/_ping");
                }
            }
        }
    }

    #[test]
    fn versions_that_took_a_configuration_with_a_start_are_refused() {
        for version in ["v1.23", "v1.0", "v1", "v0.99", "v2.45", "v1.", "v.45", "v1.2.45", "v", "V1.45", "v1.45x", "v99999999999.45"] {
            assert!(ask("POST", &format!("/{version}/containers/x/start")).is_err(), "{version}");
        }
        assert_eq!(ask("POST", "/v1.24/containers/x/start?detachKeys=ctrl-p"), Ok(Kind::Start));
        assert!(ask("POST", "/v1.45/containers/x/start?checkpoint=a&checkpoint-dir=/").is_err());
    }

    #[test]
    fn a_build_may_not_have_the_sidecars_network_cgroup_or_profiles() {
        for query in [
            "networkmode=host",
            "a=b&networkmode=host",
            "%6eetworkmode=h%6fst",
            "networkmode=bridge&networkmode=host",
            "networkmode=0123456789ab",
            "cgroupparent=/",
            "securityopt=%5B%22seccomp%22%5D",
            "networkmode=%zz",
        ] {
            assert!(ask("POST", &format!("/build?{query}")).is_err(), "{query}");
        }
        let allow = Allow::read(["host-network"]).unwrap();
        assert!(route("POST", "/build", Some("networkmode=host"), &allow).is_ok());
    }
}
