//! Values of dockerd's settings as people write them. Pure.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use serde_json::{Value, json};

/// A network out of which docker cuts the networks of containers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    base: IpAddr,
    bits: u8,
    size: u8,
}

impl Pool {
    /// Reads `10.200.0.0/16/24`: the network, its length, and the length of each part.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('/');
        let (base, bits, size) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let longest = if matches!(base, IpAddr::V4(_)) { 32 } else { 128 };
        (parts.next().is_none() && bits > 0 && bits <= size && size < longest).then_some(Self { base, bits, size })
    }

    /// As in `daemon.json`.
    pub fn value(&self) -> Value {
        json!({ "base": format!("{}/{}", self.base, self.bits), "size": self.size })
    }
}

/// A limit that each container starts with (getrlimit(2)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ulimit {
    /// `nofile`.
    pub name: String,
    soft: i64,
    hard: i64,
}

/// docker/go-units, ulimit.go.
const ULIMITS: [&str; 15] = [
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

impl Ulimit {
    /// Reads `nofile=1024:2048` or `nofile=1024`; `-1` is no limit.
    pub fn parse(text: &str) -> Option<Self> {
        let (name, limits) = text.split_once('=')?;
        let (soft, hard) = limits.split_once(':').unwrap_or((limits, limits));
        let (soft, hard): (i64, i64) = (soft.trim().parse().ok()?, hard.trim().parse().ok()?);
        let ordered = soft >= -1 && hard >= -1 && (hard == -1 || (soft != -1 && soft <= hard));
        (ordered && ULIMITS.contains(&name)).then(|| Self { name: name.to_owned(), soft, hard })
    }

    /// As in `daemon.json`.
    pub fn value(&self) -> Value {
        json!({ "Name": self.name, "Soft": self.soft, "Hard": self.hard })
    }
}

/// Reads `127.0.0.1:2375`, `localhost:2375`, `[::1]:2375`, with or without `tcp://` before it.
pub fn tcp(text: &str) -> Option<SocketAddr> {
    let text = text.strip_prefix("tcp://").unwrap_or(text);
    let address = match text.strip_prefix("localhost:") {
        Some(port) => SocketAddr::from((Ipv4Addr::LOCALHOST, port.parse().ok()?)),
        None => text.parse().ok()?,
    };
    (address.port() > 0).then_some(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pools_are_a_network_and_a_size() {
        let pool = |text| Pool::parse(text).map(|pool| pool.value());
        assert_eq!(pool("10.200.0.0/16/24"), Some(json!({ "base": "10.200.0.0/16", "size": 24 })));
        assert_eq!(pool("fd00:1::/48/64"), Some(json!({ "base": "fd00:1::/48", "size": 64 })));
        for text in ["", "10.0.0.0/16", "10.0.0.0/16/8", "10.0.0.0/16/32", "x/16/24", "10.0.0.0/0/8", "10.0.0.0/16/24/2", "10.0.0.0/a/b"] {
            assert_eq!(pool(text), None, "{text}");
        }
    }

    #[test]
    fn ulimits_are_one_or_two_numbers_in_order() {
        let ulimit = |text| Ulimit::parse(text).map(|ulimit| ulimit.value());
        assert_eq!(ulimit("nofile=1024:2048"), Some(json!({ "Name": "nofile", "Soft": 1024, "Hard": 2048 })));
        assert_eq!(ulimit("core=0"), Some(json!({ "Name": "core", "Soft": 0, "Hard": 0 })));
        assert_eq!(ulimit("memlock=-1:-1"), Some(json!({ "Name": "memlock", "Soft": -1, "Hard": -1 })));
        for text in ["", "nofile", "nofile=", "nofile=2:1", "nofile=-1:5", "nofile=-2", "files=1", "nofile=a:b"] {
            assert_eq!(ulimit(text), None, "{text}");
        }
    }

    #[test]
    fn an_address_needs_numbers_and_a_port() {
        assert_eq!(tcp("localhost:2375"), tcp("tcp://127.0.0.1:2375"));
        assert!(tcp("[::1]:2375").unwrap().ip().is_loopback());
        assert!(!tcp("0.0.0.0:2376").unwrap().ip().is_loopback());
        for text in ["", "2375", ":2375", "127.0.0.1", "127.0.0.1:0", "host:2375", "unix:///x"] {
            assert_eq!(tcp(text), None, "{text}");
        }
    }
}
