//! Owns what the daemons are given before they start: puts the settings, the user's file, docker's version and the way out of this
//! container together into their files. Knows the real paths; the nouns it puts together take them as parameters.

use std::{
    net::{SocketAddr, ToSocketAddrs as _},
    path::{Path, PathBuf},
};

use serde_json::json;
use tracing::{info, warn};

use crate::{
    config::{Config, engine::Engine},
    daemon::{
        Daemon,
        document::{self, By, Conflict, Entry, Users},
        forward::Destination,
        mtu, remap, tls,
        version::Version,
    },
    gate::{self, allow::Allow},
    storage::DataRoot,
    words::{Failure, exit},
};

/// Where docker's users have their settings when nobody says otherwise.
const USUAL_DOCUMENT: &str = "/etc/docker/daemon.json";

const ETC: &str = "/etc";
const ROUTES: &str = "/proc/net";
const INTERFACES: &str = "/sys/class/net";

/// What was found out for one start.
#[derive(Debug, Clone, Default)]
struct Found {
    version: Option<Version>,
    /// Of the default route, if it is not docker's own default.
    mtu: Option<u32>,
    /// The receiver of logs, if it can be had.
    forward: Option<Destination>,
}

/// Whether everything that the settings name is there and agrees; all problems at once.
pub(crate) fn check(config: &Config) -> Result<(), Failure> {
    let problems = problems(config);
    if problems.is_empty() { Ok(()) } else { Err(Failure { code: exit::CONFIG, why: problems.join("\n") }) }
}

/// Everything that the settings name and that is not there, or does not agree.
pub(crate) fn problems(config: &Config) -> Vec<String> {
    let mut problems = Vec::new();
    match users(&config.engine) {
        Ok(users) => {
            let daemon = daemon(config, &Places::default(), Path::new(""));
            let found = Found { forward: config.engine.forward.clone(), ..Found::default() };
            let composed =
                compose(config, &daemon, users.as_ref(), &found, tls_files(&config.engine).ok().as_ref(), config.access.guard.as_ref());
            problems.extend(composed.err().into_iter().flatten().map(|conflict| conflict.to_string()));
        }
        Err(error) => problems.push(error.to_string()),
    }
    problems.extend(tls_files(&config.engine).err().map(|missing| missing.to_string()));
    problems
}

/// Where a task has its things.
#[derive(Debug, Clone, Default)]
pub(crate) struct Places {
    /// Its directory.
    folder: PathBuf,
    data: PathBuf,
    exec: PathBuf,
}

impl Places {
    pub(crate) fn of(root: &DataRoot) -> Self {
        Self { folder: root.path().to_owned(), data: root.data(), exec: root.exec() }
    }
}

/// The daemon of the task that has these.
pub(crate) fn daemon(config: &Config, places: &Places, socket: &Path) -> Daemon {
    let Places { folder, data, exec } = places.clone();
    Daemon {
        folder,
        data,
        exec,
        socket: socket.to_owned(),
        // Behind a gate nobody else may use it.
        group: if config.access.guard.is_some() { gate::USER } else { config.access.group },
        arguments: config.engine.arguments.words().to_vec(),
        log_level: config.dockerd_log_level(),
        cgroup_parent: None,
    }
}

/// Writes what containerd reads.
pub(crate) fn furnish_containerd(daemon: &Daemon) -> Result<(), Failure> {
    write(&daemon.containerd_file(), &daemon.containerd_configuration())
}

/// Writes what dockerd reads. May block: it looks up a name.
pub(crate) fn furnish_dockerd(config: &Config, daemon: &Daemon, version: Option<Version>, allow: Option<&Allow>) -> Result<(), Failure> {
    let engine = &config.engine;
    let settings = |why: String| Failure { code: exit::CONFIG, why };
    if let Some((uid, gid)) = engine.remap {
        remap::establish(Path::new(ETC), uid, gid).map_err(|error| Failure { code: exit::HOST, why: error.to_string() })?;
        if config.access.group != gid {
            info!("containers cannot use the docker socket themselves; where they should, set DOCKER_GROUP_GID={gid}");
        }
    }
    let users = users(engine).map_err(|error| settings(error.to_string()))?;
    let certificates = tls_files(engine).map_err(|error| settings(error.to_string()))?;
    let found = Found { version, mtu: route(engine, version), forward: engine.forward.clone().and_then(reachable) };
    let document = compose(config, daemon, users.as_ref(), &found, Some(&certificates), allow)
        .map_err(|conflicts| settings(conflicts.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")))?;
    let text = serde_json::to_string_pretty(&document).unwrap_or_default();
    write(&daemon.document_file(), &text)
}

fn write(file: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(file, text).map_err(|cause| Failure { code: exit::HOST, why: format!("cannot write {}: {cause}", file.display()) })
}

fn users(engine: &Engine) -> Result<Option<Users>, document::FileError> {
    let usual = Path::new(USUAL_DOCUMENT);
    let path = engine.document.as_deref().or_else(|| usual.exists().then_some(usual));
    path.map(document::read).transpose()
}

fn tls_files(engine: &Engine) -> Result<Option<tls::Files>, tls::Missing> {
    engine.tls.as_deref().map(tls::find).transpose()
}

/// The MTU that bridges need, if it is not docker's own default.
fn route(engine: &Engine, version: Option<Version>) -> Option<u32> {
    let found = match engine.mtu {
        Some(mtu) => Some(mtu),
        None => {
            let (interface, mtu) = mtu::of_default_route(Path::new(ROUTES), Path::new(INTERFACES))?;
            let bridges = mtu::for_bridges(mtu);
            if bridges != mtu::USUAL {
                info!(interface, mtu, "containers get the packet size of the default route");
            }
            Some(bridges)
        }
    };
    let unusual = found.filter(|&mtu| mtu != mtu::USUAL);
    if unusual.is_some() && !version.is_some_and(Version::has_network_defaults) {
        warn!("this docker gives the packet size only to its default network; networks that jobs make keep {} bytes", mtu::USUAL);
    }
    unusual
}

/// docker's syslog driver looks its host up at the start of each container, and one that it cannot find stops the container: so it is
/// looked up here, once.
fn reachable(destination: Destination) -> Option<Destination> {
    let Destination::Syslog { host, port } = &destination else { return Some(destination) };
    let found: Vec<SocketAddr> = (host.as_str(), *port).to_socket_addrs().map(Iterator::collect).unwrap_or_default();
    // `localhost` is ::1 first, and receivers listen on 0.0.0.0.
    match found.iter().find(|address| address.is_ipv4()).or(found.first()) {
        Some(address) => Some(Destination::Syslog { host: address.ip().to_string(), port: address.port() }),
        None => {
            warn!(host, "DOCKER_LOG_FORWARD names a host that is not to be found; the output of containers stays here");
            None
        }
    }
}

fn compose(
    config: &Config,
    daemon: &Daemon,
    users: Option<&Users>,
    found: &Found,
    certificates: Option<&Option<tls::Files>>,
    allow: Option<&Allow>,
) -> Result<serde_json::Map<String, serde_json::Value>, Vec<Conflict>> {
    let containerd_images = users.is_some_and(|users| document::wants_containerd_images(&users.keys));
    let driver = if containerd_images { "overlayfs" } else { "overlay2" };
    let tcp: Vec<String> = config.engine.tcp.iter().map(|address: &SocketAddr| format!("tcp://{address}")).collect();
    let mut entries = daemon.entries(driver, &tcp);
    entries.extend(wanted(&config.engine, found));
    if let Some(allow) = allow {
        let none = serde_json::Map::new();
        let given = users.map_or(&none, |users| &users.keys);
        let keys = gate::builder::keys(given, allow, &daemon.folder.join(gate::pin::NAME));
        entries.extend(keys.into_iter().map(|(key, value)| Entry { key, value, by: By::Us }));
    }
    if let Some(files) = certificates.and_then(Option::as_ref) {
        let ours = |key, value| Entry { key, value, by: By::Us };
        entries.extend([
            ours("tlsverify", json!(true)),
            ours("tlscacert", json!(files.authority)),
            ours("tlscert", json!(files.certificate)),
            ours("tlskey", json!(files.key)),
        ]);
    }
    document::compose(&entries, users, &config.engine.arguments)
}

/// What the settings of the daemon want.
fn wanted(engine: &Engine, found: &Found) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut add = |set: bool, key, setting, value| {
        if set {
            entries.push(Entry { key, value, by: By::Setting(setting) });
        }
    };
    let values = |pools: &[crate::daemon::values::Pool]| pools.iter().map(crate::daemon::values::Pool::value).collect::<Vec<_>>();
    let ulimits: serde_json::Map<_, _> = engine.ulimits.iter().map(|ulimit| (ulimit.name.clone(), ulimit.value())).collect();
    add(!engine.mirrors.is_empty(), "registry-mirrors", "DOCKER_REGISTRY_MIRROR", json!(engine.mirrors));
    add(!engine.insecure.is_empty(), "insecure-registries", "DOCKER_INSECURE_REGISTRIES", json!(engine.insecure));
    add(!engine.pools.is_empty(), "default-address-pools", "DOCKER_ADDRESS_POOLS", json!(values(&engine.pools)));
    add(!engine.dns.is_empty(), "dns", "DOCKER_DNS", json!(engine.dns));
    add(!engine.ulimits.is_empty(), "default-ulimits", "DOCKER_ULIMITS", json!(ulimits));
    add(engine.no_new_privileges, "no-new-privileges", "DOCKER_NO_NEW_PRIVILEGES", json!(true));
    add(!engine.between_containers, "icc", "DOCKER_ICC", json!(false));
    if let Some(forward) = &found.forward {
        add(true, "log-driver", "DOCKER_LOG_FORWARD", json!(forward.driver()));
        add(true, "log-opts", "DOCKER_LOG_FORWARD", forward.options());
    }
    if engine.remap.is_some() {
        entries.push(Entry { key: "userns-remap", value: json!(remap::NAME), by: By::Us });
    }
    if let Some(mtu) = found.mtu.or(engine.mtu) {
        let by = if engine.mtu.is_some() { By::Setting("DOCKER_MTU") } else { By::Default };
        entries.push(Entry { key: "mtu", value: json!(mtu), by });
        if found.version.is_some_and(Version::has_network_defaults) {
            let options = json!({ "bridge": { "com.docker.network.driver.mtu": mtu.to_string() } });
            entries.push(Entry { key: "default-network-opts", value: options, by });
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn config(settings: &[(&str, &str)]) -> Config {
        let settings = settings.iter().map(|&(name, value)| (name.into(), value.into()));
        Config::read(settings, []).map_err(|problems| problems.to_string()).unwrap().0
    }

    fn document(settings: &[(&str, &str)], found: &Found) -> String {
        let config = config(settings);
        let entries = wanted(&config.engine, found);
        serde_json::to_string_pretty(&document::compose(&entries, None, &config.engine.arguments).unwrap()).unwrap()
    }

    #[test]
    fn every_setting_has_its_key() {
        let settings = [
            ("DOCKER_REGISTRY_MIRROR", "https://mirror.example"),
            ("DOCKER_INSECURE_REGISTRIES", "registry.example:5000,10.0.0.0/8"),
            ("DOCKER_ADDRESS_POOLS", "10.200.0.0/16/24"),
            ("DOCKER_DNS", "10.0.0.2"),
            ("DOCKER_ULIMITS", "nofile=1024:2048"),
            ("DOCKER_NO_NEW_PRIVILEGES", "yes"),
            ("DOCKER_ICC", "no"),
            ("DOCKER_MTU", "1400"),
            ("DOCKER_USERNS_REMAP", "yes"),
        ];
        let forward = Destination::parse("fluentd://127.0.0.1").ok();
        let found = Found { version: Some(Version { major: 26, minor: 1 }), mtu: Some(1400), forward };
        insta::assert_snapshot!(document(&settings, &found));
    }

    #[test]
    fn without_settings_docker_keeps_its_own_defaults() {
        assert_eq!(document(&[], &Found::default()), "{}");
    }

    #[test]
    fn an_old_docker_gets_no_key_that_it_does_not_know() {
        let found = Found { version: Some(Version { major: 20, minor: 10 }), mtu: Some(1400), ..Found::default() };
        assert_eq!(document(&[], &found), "{\n  \"mtu\": 1400\n}");
        assert_eq!(document(&[], &Found { version: None, ..found }), "{\n  \"mtu\": 1400\n}");
    }

    #[test]
    fn everything_that_contradicts_is_told_at_once_before_anything_starts() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("daemon.json");
        fs::write(&file, r#"{"hosts": ["tcp://0.0.0.0:2375"], "dns": ["8.8.8.8"], "debug": true}"#).unwrap();
        let config = config(&[
            ("DOCKER_DAEMON_JSON", file.to_str().unwrap()),
            ("DOCKER_DNS", "10.0.0.2"),
            ("DOCKERD_ARGS", "--debug"),
            ("DOCKER_TCP", "0.0.0.0:2376"),
            ("DOCKER_TLS_DIR", dir.path().to_str().unwrap()),
        ]);
        let failure = check(&config).unwrap_err();
        assert_eq!(failure.code, exit::CONFIG);
        for part in ["`hosts` in", "`dns` is set in", "`debug` is set in", "where there is no ca.pem"] {
            assert!(failure.why.contains(part), "{part}: {}", failure.why);
        }
    }

    #[test]
    fn a_log_receiver_that_is_not_to_be_found_is_left_out_and_one_that_is_gets_its_address() {
        let syslog = |host: &str| reachable(Destination::Syslog { host: host.into(), port: 514 });
        // Seen with a real rsyslog: it listened on 127.0.0.1 and docker sent to ::1.
        assert_eq!(syslog("localhost"), Some(Destination::Syslog { host: "127.0.0.1".into(), port: 514 }));
        assert_eq!(syslog("::1"), Some(Destination::Syslog { host: "::1".into(), port: 514 }));
        assert_eq!(syslog("no-such-host.invalid"), None);
        let fluentd = Destination::Fluentd { host: "no-such-host.invalid".into(), port: 1 };
        assert_eq!(reachable(fluentd.clone()), Some(fluentd), "it connects later");
    }
}
