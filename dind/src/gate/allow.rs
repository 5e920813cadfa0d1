//! The list of what a guarded daemon may be asked for beyond the harmless: words, capabilities, paths. Pure.

use std::{collections::BTreeSet, fmt};

/// Something that can be allowed by one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Word {
    /// Privileged containers and commands.
    Privileged,
    /// The sidecar's network, and with it the runner's.
    HostNetwork,
    /// The sidecar's processes.
    HostPid,
    /// The sidecar's shared memory and queues.
    HostIpc,
    /// The sidecar's host name.
    HostUts,
    /// Containers without the user namespace that dockerd gives all others.
    HostUserns,
    /// The sidecar's cgroups, and groups beside those of docker.
    HostCgroup,
    /// Devices, by path, by request (GPUs) or by rule.
    Devices,
    /// Weaker or other profiles of seccomp, AppArmor and SELinux; paths of `/proc` laid open.
    SecurityOptions,
    /// Other runtimes, and annotations to them.
    Runtimes,
    /// Kernel settings outside of a container's own namespaces.
    Sysctls,
    /// Volumes with a driver or with mount options, which can mount anything.
    VolumeOptions,
    /// Networks with another driver than bridge.
    NetworkDrivers,
    /// Loggers that send elsewhere, with the daemon's rights.
    LogDrivers,
}

const WORDS: [(&str, Word); 14] = [
    ("privileged", Word::Privileged),
    ("host-network", Word::HostNetwork),
    ("host-pid", Word::HostPid),
    ("host-ipc", Word::HostIpc),
    ("host-uts", Word::HostUts),
    ("host-userns", Word::HostUserns),
    ("host-cgroup", Word::HostCgroup),
    ("devices", Word::Devices),
    ("security-options", Word::SecurityOptions),
    ("runtimes", Word::Runtimes),
    ("sysctls", Word::Sysctls),
    ("volume-options", Word::VolumeOptions),
    ("network-drivers", Word::NetworkDrivers),
    ("log-drivers", Word::LogDrivers),
];

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(WORDS.iter().find(|(_, word)| word == self).map_or("", |(name, _)| name))
    }
}

/// What docker gives to every container (moby, `oci/caps/defaults.go`): asking for these is asking for nothing.
const USUAL: [&str; 14] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// What is allowed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Allow {
    words: BTreeSet<Word>,
    capabilities: BTreeSet<String>,
    paths: BTreeSet<String>,
}

impl Allow {
    /// Reads a list.
    ///
    /// # Errors
    /// What is wrong with each entry that is not understood.
    pub fn read<'a>(entries: impl IntoIterator<Item = &'a str>) -> Result<Self, Vec<String>> {
        let (mut allow, mut wrong) = (Self::default(), Vec::new());
        for entry in entries {
            if let Some((_, word)) = WORDS.iter().find(|(name, _)| *name == entry) {
                allow.words.insert(*word);
            } else if let Some(name) = entry.strip_prefix("cap:") {
                match capability(name) {
                    Some(name) => drop(allow.capabilities.insert(name)),
                    None => wrong.push(format!("`{entry}` names no capability; write it as cap:NET_ADMIN")),
                }
            } else if let Some(path) = entry.strip_prefix("bind:") {
                match clean(path) {
                    Some(path) => drop(allow.paths.insert(path)),
                    None => {
                        wrong.push(format!("`{entry}` is not a path from the root without `.` and `..`; write it as bind:/some/folder"))
                    }
                }
            } else {
                wrong.push(format!("`{entry}` is not known"));
            }
        }
        if wrong.is_empty() { Ok(allow) } else { Err(wrong) }
    }

    /// Everything that [`Allow::read`] knows, for a message.
    pub fn known() -> String {
        let words: Vec<&str> = WORDS.iter().map(|(name, _)| *name).collect();
        format!("{}, cap:NAME, bind:/FOLDER", words.join(", "))
    }

    /// Allows `path` and all below it, too.
    #[must_use]
    pub fn and_path(mut self, path: &str) -> Self {
        self.paths.extend(clean(path));
        self
    }

    /// As [`Allow::read`] would read it.
    pub fn entries(&self) -> Vec<String> {
        let words = self.words.iter().map(ToString::to_string);
        let capabilities = self.capabilities.iter().map(|name| format!("cap:{name}"));
        words.chain(capabilities).chain(self.paths.iter().map(|path| format!("bind:{path}"))).collect()
    }

    /// Whether this is allowed.
    pub fn has(&self, word: Word) -> bool {
        self.words.contains(&word)
    }

    /// Whether a container may have this capability, in any spelling of docker's.
    pub fn capability(&self, name: &str) -> bool {
        let all = self.capabilities.contains("ALL");
        capability(name).is_some_and(|name| all || USUAL.contains(&name.as_str()) || self.capabilities.contains(&name))
    }

    /// Whether a container may have this path of the sidecar, as it is written. What links lead to is not known here.
    pub fn path(&self, path: &str) -> bool {
        self.root_of(path).is_some()
    }

    /// Whether a path means the same to everybody: from the root, without `.` and `..`.
    pub fn is_plain(path: &str) -> bool {
        clean(path).is_some()
    }

    /// The allowed path that covers this one, the shortest if there are many, and the rest below it: on the way to what is allowed nothing
    /// is a job's to change.
    pub fn root_of(&self, path: &str) -> Option<(String, String)> {
        let path = clean(path)?;
        let covering = self.paths.iter().filter_map(|root| Some((root.clone(), below(&path, root)?.to_owned())));
        covering.min_by_key(|(root, _)| root.len())
    }
}

fn below<'a>(path: &'a str, root: &str) -> Option<&'a str> {
    let rest = if root == "/" { path.strip_prefix('/')? } else { path.strip_prefix(root)? };
    if root == "/" || rest.is_empty() { Some(rest) } else { rest.strip_prefix('/') }
}

fn capability(name: &str) -> Option<String> {
    let name = name.to_ascii_uppercase();
    let name = name.strip_prefix("CAP_").unwrap_or(&name);
    let fits = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
    fits.then(|| name.to_owned())
}

/// A path from the root with single slashes and without one at its end. `.` and `..` are refused instead of followed: what they mean
/// depends on links.
fn clean(path: &str) -> Option<String> {
    let rest = path.strip_prefix('/')?;
    let parts: Vec<&str> = rest.split('/').filter(|part| !part.is_empty()).collect();
    let plain = !path.contains('\0') && parts.iter().all(|part| *part != "." && *part != "..");
    plain.then(|| format!("/{}", parts.join("/")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_reads_as_it_is_written() {
        let entries = ["privileged", "host-network", "cap:NET_ADMIN", "bind:/srv/data"];
        let allow = Allow::read(entries).unwrap();
        let mut again = allow.entries();
        again.sort();
        assert_eq!(again, ["bind:/srv/data", "cap:NET_ADMIN", "host-network", "privileged"]);
        assert_eq!(Allow::read(again.iter().map(String::as_str)).unwrap(), allow);
        for (name, word) in WORDS {
            assert_eq!(word.to_string(), name);
            assert!(Allow::read([name]).unwrap().has(word));
        }
    }

    #[test]
    fn every_wrong_entry_is_told() {
        let wrong = Allow::read(["everything", "cap:", "cap:a b", "bind:relative", "bind:/a/../b", "Privileged"]).unwrap_err();
        assert_eq!(wrong.len(), 6, "{wrong:?}");
    }

    #[test]
    fn a_path_covers_itself_and_what_is_below_and_not_its_namesakes() {
        let allow = Allow::read(["bind:/home/runner/_work/"]).unwrap();
        for inside in ["/home/runner/_work", "/home/runner/_work/", "/home//runner/_work/a/b"] {
            assert!(allow.path(inside), "{inside}");
        }
        for outside in
            ["/home/runner", "/", "/home/runner/_work2", "/home/runner/_work/../.ssh", "home/runner/_work", "/home/runner/_work/./..", ""]
        {
            assert!(!allow.path(outside), "{outside}");
        }
        assert!(Allow::read(["bind:/"]).unwrap().path("/etc"));
        let allow = Allow::read(["bind:/a/b", "bind:/a", "bind:/s"]).unwrap();
        let of = |path| allow.root_of(path).map(|(root, rest)| format!("{root} {rest}"));
        assert_eq!(of("/a/b/c"), Some("/a b/c".to_owned()));
        assert_eq!(of("/s/"), Some("/s ".to_owned()));
        assert_eq!(Allow::read(["bind:/"]).unwrap().root_of("/x/y"), Some(("/".to_owned(), "x/y".to_owned())));
    }

    #[test]
    fn a_capability_is_the_same_in_every_spelling_of_dockers() {
        let allow = Allow::read(["cap:net_admin"]).unwrap();
        for name in ["NET_ADMIN", "CAP_NET_ADMIN", "cap_net_admin", "CHOWN", "cap_chown"] {
            assert!(allow.capability(name), "{name}");
        }
        for name in ["SYS_ADMIN", "ALL", "", "CAP_", "CAP_CAP_CHOWN", "NET_ADMIN "] {
            assert!(!allow.capability(name), "{name}");
        }
        assert!(Allow::read(["cap:ALL"]).unwrap().capability("SYS_ADMIN"));
    }
}
