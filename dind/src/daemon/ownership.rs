//! What of dockerd's settings is not for users to set by hand, and why. Pure.

/// A key of `daemon.json` that this program sets itself or must leave alone, and why.
pub const OWNED: [(&str, &str); 19] = [
    ("data-root", "docker's data is in a directory of this task, which is removed at the end; DOCKER_STORAGE_ROOT is where"),
    ("graph", "docker's data is in a directory of this task, which is removed at the end; DOCKER_STORAGE_ROOT is where"),
    ("exec-root", "it is in the directory of this task"),
    ("pidfile", "it is in the directory of this task"),
    ("hosts", "docker listens on a socket that this program publishes when docker is usable; DOCKER_TCP adds an address"),
    ("containerd", "this program starts a containerd for this task"),
    ("group", "DOCKER_GROUP_GID sets it"),
    ("storage-driver", "every other driver is slower, or copies whole images"),
    ("live-restore", "containers would outlive the daemon, and their mounts the task"),
    ("tls", "DOCKER_TCP and DOCKER_TLS_DIR set it"),
    ("tlsverify", "DOCKER_TCP and DOCKER_TLS_DIR set it"),
    ("tlscacert", "DOCKER_TLS_DIR sets it"),
    ("tlscert", "DOCKER_TLS_DIR sets it"),
    ("tlskey", "DOCKER_TLS_DIR sets it"),
    ("userns-remap", "DOCKER_USERNS_REMAP sets it, with ranges that keep the work folder the runner's"),
    ("rootless", "this program starts docker as root"),
    ("config-file", "this program writes that file; DOCKER_DAEMON_JSON names one to take in"),
    ("validate", "docker is to run"),
    ("version", "docker is to run"),
];

/// Why a key is not to be set by hand; `None` if it may be.
pub fn reason(key: &str) -> Option<&'static str> {
    OWNED.iter().find(|(owned, _)| *owned == key).map(|&(_, reason)| reason)
}

/// Flags whose key in `daemon.json` has another name (moby/moby, daemon/command/config.go: `NewNamed...`).
const NAMED: [(&str, &str); 18] = [
    ("add-runtime", "runtimes"),
    ("authorization-plugin", "authorization-plugins"),
    ("cdi-spec-dir", "cdi-spec-dirs"),
    ("default-address-pool", "default-address-pools"),
    ("default-network-opt", "default-network-opts"),
    ("default-ulimit", "default-ulimits"),
    ("dns-opt", "dns-opts"),
    ("exec-opt", "exec-opts"),
    ("feature", "features"),
    ("help", "version"),
    ("host", "hosts"),
    ("host-gateway-ip", "host-gateway-ips"),
    ("insecure-registry", "insecure-registries"),
    ("label", "labels"),
    ("log-opt", "log-opts"),
    ("node-generic-resource", "node-generic-resources"),
    ("registry-mirror", "registry-mirrors"),
    ("storage-opt", "storage-opts"),
];

/// Flags of one letter.
const SHORT: [(char, &str); 9] = [
    ('b', "bridge"),
    ('D', "debug"),
    ('G', "group"),
    ('H', "hosts"),
    ('h', "version"),
    ('l', "log-level"),
    ('p', "pidfile"),
    ('s', "storage-driver"),
    ('v', "version"),
];

/// The key that a word of a command line sets; `None` for a word that is no flag, such as the value of the one before.
pub fn key_of(word: &str) -> Option<&str> {
    if let Some(long) = word.strip_prefix("--") {
        let name = long.split_once('=').map_or(long, |(name, _)| name);
        let named = NAMED.iter().find(|(flag, _)| *flag == name).map(|&(_, key)| key);
        return (!name.is_empty()).then(|| named.unwrap_or(name));
    }
    let letter = word.strip_prefix('-')?.chars().next()?;
    SHORT.iter().find(|(short, _)| *short == letter).map(|&(_, key)| key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_is_known_by_its_key_however_it_is_written() {
        for (word, key) in [
            ("--mtu=1400", Some("mtu")),
            ("--mtu", Some("mtu")),
            ("--host", Some("hosts")),
            ("-Htcp://x", Some("hosts")),
            ("-H", Some("hosts")),
            ("-D", Some("debug")),
            ("--label=a=b", Some("labels")),
            ("--icc=false", Some("icc")),
            ("1400", None),
            ("--", None),
            ("-", None),
            ("-1", None),
            ("", None),
        ] {
            assert_eq!(key_of(word), key, "{word}");
        }
    }

    #[test]
    fn what_is_ours_has_a_reason() {
        for word in ["--data-root=/x", "-s", "-p=/x", "--containerd", "--tlsverify", "-G", "--live-restore", "--help", "--config-file"] {
            assert!(reason(key_of(word).unwrap()).is_some(), "{word}");
        }
        assert_eq!(reason("mtu"), None);
    }
}
