//! How the daemon is started.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use settings::Reader;

use crate::daemon::{
    arguments::Arguments,
    forward::Destination,
    remap,
    values::{self, Pool, Ulimit},
};

/// The settings of the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Engine {
    /// `DOCKERD_PATH`.
    pub dockerd: Option<PathBuf>,
    /// `DOCKER_DAEMON_JSON`.
    pub document: Option<PathBuf>,
    /// `DOCKERD_ARGS`.
    pub arguments: Arguments,
    /// `DOCKER_REGISTRY_MIRROR`.
    pub mirrors: Vec<String>,
    /// `DOCKER_INSECURE_REGISTRIES`.
    pub insecure: Vec<String>,
    /// `DOCKER_ADDRESS_POOLS`.
    pub pools: Vec<Pool>,
    /// `DOCKER_MTU`; `None` is auto.
    pub mtu: Option<u32>,
    /// `DOCKER_DNS`.
    pub dns: Vec<String>,
    /// `DOCKER_ULIMITS`.
    pub ulimits: Vec<Ulimit>,
    /// `DOCKER_NO_NEW_PRIVILEGES`.
    pub no_new_privileges: bool,
    /// `DOCKER_ICC`.
    pub between_containers: bool,
    /// `DOCKER_USERNS_REMAP`, with the user and the group that root of a container becomes.
    pub remap: Option<(u32, u32)>,
    /// `DOCKER_TCP`.
    pub tcp: Option<SocketAddr>,
    /// `DOCKER_TLS_DIR`; there if and only if `tcp` is not loopback.
    pub tls: Option<PathBuf>,
    /// `DOCKER_LOG_FORWARD`.
    pub forward: Option<Destination>,
    /// `DOCKER_PING_INTERVAL`.
    pub ping: Duration,
}

impl Engine {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let tcp = tcp(reader);
        Self {
            dockerd: reader.path("DOCKERD_PATH"),
            document: reader.path("DOCKER_DAEMON_JSON"),
            arguments: arguments(reader),
            mirrors: mirrors(reader),
            insecure: insecure(reader),
            pools: entries(
                reader,
                "DOCKER_ADDRESS_POOLS",
                Pool::parse,
                "a pool",
                "write it as 10.200.0.0/16/24: a network, and the length of each part",
            ),
            mtu: mtu(reader),
            dns: entries(
                reader,
                "DOCKER_DNS",
                |entry| entry.parse::<std::net::IpAddr>().ok(),
                "an address",
                "write IP addresses, more than one with commas",
            )
            .iter()
            .map(ToString::to_string)
            .collect(),
            ulimits: entries(
                reader,
                "DOCKER_ULIMITS",
                Ulimit::parse,
                "a limit",
                "write it as nofile=1024:2048, soft and hard, more than one with commas",
            ),
            no_new_privileges: reader.switch("DOCKER_NO_NEW_PRIVILEGES"),
            between_containers: reader.switch("DOCKER_ICC"),
            remap: remapped(reader),
            tls: tls(reader, tcp),
            tcp,
            forward: forward(reader),
            ping: reader.duration("DOCKER_PING_INTERVAL", Duration::from_secs(1), Duration::from_secs(600)),
        }
    }
}

/// What variables of other images mean here, a sentence each.
pub(super) fn foreign(reader: &Reader) -> Vec<String> {
    const OTHERS: [(&str, &str); 6] = [
        (
            "DOCKER_TLS_CERTDIR",
            "is of docker:dind and not read: docker listens on no TCP here unless DOCKER_TCP says so; DOCKER_TLS_DIR names its `server` folder",
        ),
        ("DOCKER_DEFAULT_ADDRESS_POOL_BASE", "is of actions-runner-controller and not read: set DOCKER_ADDRESS_POOLS=BASE/SIZE"),
        ("DOCKER_DEFAULT_ADDRESS_POOL_SIZE", "is of actions-runner-controller and not read: set DOCKER_ADDRESS_POOLS=BASE/SIZE"),
        (
            "ARC_DOCKER_MTU_PROPAGATION",
            "is of actions-runner-controller and not needed: DOCKER_MTU is for every network, also those made later",
        ),
        ("DOCKER_DRIVER", "is of dockerd and not handed on: the storage driver is overlay2"),
        ("DOCKER_OPTS", "is of other images and not read: set DOCKERD_ARGS"),
    ];
    let set = OTHERS.iter().filter(|(name, _)| reader.foreign(name).is_some());
    set.map(|(name, meaning)| format!("{name} {meaning}")).collect()
}

fn entries<T>(reader: &mut Reader, name: &'static str, parse: impl Fn(&str) -> Option<T>, kind: &str, hint: &str) -> Vec<T> {
    let mut values = Vec::new();
    for entry in reader.list(name) {
        match parse(&entry) {
            Some(value) => values.push(value),
            None => problem(reader, name, &format!("`{entry}` is not {kind}"), hint),
        }
    }
    values
}

fn problem(reader: &mut Reader, name: &str, what: &str, hint: &str) {
    let shown = reader.given_as(name).unwrap_or_else(|| name.to_owned());
    reader.problem(&shown, what, Some(hint));
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

fn insecure(reader: &mut Reader) -> Vec<String> {
    // dockerd takes names, addresses and networks, and fails on anything with a scheme.
    let plain = |entry: &str| (!entry.contains("://") && !entry.contains(char::is_whitespace)).then(|| entry.to_owned());
    entries(
        reader,
        "DOCKER_INSECURE_REGISTRIES",
        plain,
        "a registry",
        "write registry.example:5000 or a network as 10.0.0.0/8, without http://",
    )
}

fn mtu(reader: &mut Reader) -> Option<u32> {
    let text = reader.text("DOCKER_MTU").unwrap_or_default();
    if text.eq_ignore_ascii_case("auto") {
        return None;
    }
    // RFC 791: every host takes 576; an Ethernet jumbo frame is about 9000, loopback 65536.
    let mtu = text.parse().ok().filter(|mtu| (576..=65_535).contains(mtu));
    if mtu.is_none() {
        problem(reader, "DOCKER_MTU", &format!("`{text}` is not a packet size"), "allowed: auto, or 576 to 65535 bytes");
    }
    mtu
}

fn arguments(reader: &mut Reader) -> Arguments {
    let text = reader.text("DOCKERD_ARGS").unwrap_or_default();
    Arguments::parse(&text).unwrap_or_else(|wrong| {
        for wrong in wrong {
            reader.problem("DOCKERD_ARGS", &wrong.what, Some(&wrong.hint));
        }
        Arguments::default()
    })
}

fn remapped(reader: &mut Reader) -> Option<(u32, u32)> {
    let on = reader.switch("DOCKER_USERNS_REMAP");
    let ids = (reader.number("RUNNER_UID", 1, remap::FIRST - 1), reader.number("RUNNER_GID", 1, remap::FIRST - 1));
    on.then_some(ids)
}

fn tcp(reader: &mut Reader) -> Option<SocketAddr> {
    let text = reader.text("DOCKER_TCP")?;
    let address = values::tcp(&text);
    if address.is_none() {
        reader.problem("DOCKER_TCP", &format!("`{text}` is not an address with a port"), Some("write it as 127.0.0.1:2375 or [::1]:2375"));
    }
    address
}

fn tls(reader: &mut Reader, tcp: Option<SocketAddr>) -> Option<PathBuf> {
    let folder = reader.path("DOCKER_TLS_DIR");
    let given = reader.is_set("DOCKER_TLS_DIR");
    match tcp {
        Some(address) if !address.ip().is_loopback() && !given => {
            let what = format!("{address} can be reached from outside, and whoever reaches docker is root here");
            let hint = "set DOCKER_TLS_DIR to a folder with ca.pem, cert.pem and key.pem, or listen on 127.0.0.1";
            reader.problem("DOCKER_TCP", &what, Some(hint));
            None
        }
        Some(address) if address.ip().is_loopback() && given => {
            let what = format!("is set, and DOCKER_TCP is {address}, where docker speaks without TLS");
            reader.problem("DOCKER_TLS_DIR", &what, Some("take it out, or let DOCKER_TCP be an address that others reach"));
            None
        }
        None if given && !reader.is_set("DOCKER_TCP") => {
            reader.problem("DOCKER_TLS_DIR", "is set, and DOCKER_TCP is not", Some("set DOCKER_TCP=0.0.0.0:2376, or take it out"));
            None
        }
        _ => folder,
    }
}

fn forward(reader: &mut Reader) -> Option<Destination> {
    let text = reader.text("DOCKER_LOG_FORWARD")?;
    match Destination::parse(&text) {
        Ok(destination) => Some(destination),
        Err((what, hint)) => {
            reader.problem("DOCKER_LOG_FORWARD", &what, Some(hint));
            None
        }
    }
}
