//! Where the output of a job's containers goes besides `docker logs`, and the options that keep its receiver from ever holding up a
//! container. Pure.
//!
//! A container whose log driver cannot be set up does not start: "failed to initialize logging driver". docker's syslog driver connects
//! at that moment, so over TCP or a unix socket a receiver that is away stops every container; over UDP there is nothing to connect to.
//! Its fluentd driver connects later if it is told to.

use std::path::PathBuf;

use serde_json::{Value, json};

/// A receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// syslog over UDP, in the form of RFC 5424.
    Syslog {
        /// A name or an address, without brackets.
        host: String,
        /// Usually 514.
        port: u16,
    },
    /// fluentd's forward protocol over TCP: fluentd, Fluent Bit, Vector.
    Fluentd {
        /// A name or an address, without brackets.
        host: String,
        /// Usually 24224.
        port: u16,
    },
    /// The same over a unix socket.
    FluentdSocket(PathBuf),
}

const SYSLOG_PORT: u16 = 514;
const FLUENTD_PORT: u16 = 24224;

/// Lines that wait for a slow receiver, for each container; what is more is lost there, and not in `docker logs`.
const BUFFER: &str = "4m";

/// Whose line it is. The id is the one that `docker ps` shows.
const TAG: &str = "{{.Name}}/{{.ID}}";

impl Destination {
    /// Reads `syslog://HOST[:PORT]`, `fluentd://HOST[:PORT]` or `fluentd:///PATH`.
    ///
    /// # Errors
    /// What is wrong, and what to do.
    pub fn parse(text: &str) -> Result<Self, (String, &'static str)> {
        const FORMS: &str = "allowed: syslog://HOST:PORT (over UDP), fluentd://HOST:PORT, fluentd:///PATH/OF/A/SOCKET";
        let (scheme, rest) = text.split_once("://").ok_or_else(|| (format!("`{text}` is not an address"), FORMS))?;
        let usual = match scheme {
            "syslog" | "syslog+udp" => SYSLOG_PORT,
            "fluentd" if rest.starts_with('/') => {
                let path = PathBuf::from(rest);
                let whole = path.components().all(|part| part != std::path::Component::ParentDir) && rest.len() > 1;
                return if whole { Ok(Self::FluentdSocket(path)) } else { Err((format!("`{text}` names no socket"), FORMS)) };
            }
            "fluentd" | "fluent" => FLUENTD_PORT,
            "syslog+tcp" | "syslog+tls" | "syslog+unix" | "syslog+unixgram" | "tcp" | "tcp+tls" | "unix" | "unixgram" => {
                return Err((
                    format!("`{text}` is a receiver without which docker starts no container"),
                    "docker's syslog driver connects when a container starts: use syslog://HOST:PORT, which is UDP, or fluentd://HOST:PORT",
                ));
            }
            _ => return Err((format!("`{scheme}` is not a kind of receiver"), FORMS)),
        };
        let (host, port) = host_and_port(rest, usual).ok_or_else(|| (format!("`{text}` is not an address with a host"), FORMS))?;
        Ok(if usual == SYSLOG_PORT { Self::Syslog { host, port } } else { Self::Fluentd { host, port } })
    }

    /// docker's name of the driver.
    pub fn driver(&self) -> &'static str {
        match self {
            Self::Syslog { .. } => "syslog",
            Self::Fluentd { .. } | Self::FluentdSocket(_) => "fluentd",
        }
    }

    /// The options of the driver.
    pub fn options(&self) -> Value {
        let fluentd = |address: String| {
            json!({
                "mode": "non-blocking",
                "max-buffer-size": BUFFER,
                "tag": TAG,
                "fluentd-address": address,
                "fluentd-async": "true",
                "fluentd-sub-second-precision": "true",
            })
        };
        match self {
            Self::Syslog { host, port } => json!({
                "mode": "non-blocking",
                "max-buffer-size": BUFFER,
                "tag": TAG,
                "syslog-address": format!("udp://{}", joined(host, *port)),
                "syslog-format": "rfc5424micro",
            }),
            Self::Fluentd { host, port } => fluentd(format!("tcp://{}", joined(host, *port))),
            Self::FluentdSocket(path) => fluentd(format!("unix://{}", path.display())),
        }
    }
}

/// `name:1`, `1.2.3.4`, `[::1]:1`, `[::1]`.
fn host_and_port(text: &str, usual: u16) -> Option<(String, u16)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, if port.is_empty() { None } else { Some(port.strip_prefix(':')?) })
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
    let port = port.map_or(Some(usual), |port| port.parse().ok().filter(|&port| port > 0))?;
    (!host.is_empty() && host.chars().all(plain)).then(|| (host.to_owned(), port))
}

fn joined(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> String {
        let destination = Destination::parse(text).unwrap();
        let options = destination.options();
        let key = format!("{}-address", destination.driver());
        options[key.as_str()].as_str().unwrap().to_owned()
    }

    #[test]
    fn the_forms_of_a_receiver_become_dockers_own() {
        for (text, expected) in [
            ("syslog://127.0.0.1:5140", "udp://127.0.0.1:5140"),
            ("syslog://log.example", "udp://log.example:514"),
            ("syslog+udp://[::1]", "udp://[::1]:514"),
            ("fluentd://127.0.0.1", "tcp://127.0.0.1:24224"),
            ("fluentd://[fd00::1]:24", "tcp://[fd00::1]:24"),
            ("fluentd:///run/fluent.sock", "unix:///run/fluent.sock"),
        ] {
            assert_eq!(address(text), expected);
        }
    }

    #[test]
    fn a_receiver_that_could_stop_containers_is_refused_with_a_way_out() {
        for text in ["syslog+tcp://a:1", "syslog+unix:///dev/log", "tcp://a:1", "unixgram:///dev/log"] {
            let (what, hint) = Destination::parse(text).unwrap_err();
            assert!(what.contains("without which docker starts no container") && hint.contains("syslog://HOST:PORT"), "{what}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "localhost:514",
            "gelf://a:1",
            "syslog://",
            "syslog://:514",
            "syslog://a:0",
            "syslog://a:x",
            "syslog://a:70000",
            "syslog://a b:1",
            "syslog://a/b",
            "syslog://::1",
            "fluentd://[x]:1",
            "fluentd://[::1]x",
            "fluentd:///",
            "fluentd:///run/../x",
        ] {
            assert!(Destination::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn no_form_of_options_can_block_a_container() {
        for text in ["syslog://a:1", "fluentd://a:1", "fluentd:///a"] {
            let destination = Destination::parse(text).unwrap();
            let options = destination.options();
            assert_eq!(options["mode"], "non-blocking");
            assert!(destination.driver() == "syslog" || options["fluentd-async"] == "true");
        }
    }
}
