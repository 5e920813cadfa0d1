//! Which docker this is, and what that one can.

use std::fmt;

/// A version as far as it matters. Docker has had no meaning in the third number since 23.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// `26` of `26.1.5`.
    pub major: u32,
    /// `1` of `26.1.5`.
    pub minor: u32,
}

/// Before it there is no cgroup v2 and no `docker logs` beside a forwarding log driver.
pub const OLDEST: Version = Version { major: 20, minor: 10 };

/// The last one whose source was read for this program.
pub const NEWEST: Version = Version { major: 29, minor: u32::MAX };

impl Version {
    /// Reads the answer to `dockerd --version`: `Docker version 26.1.5+dfsg1, build a72d7cd`.
    pub fn in_line(line: &str) -> Option<Self> {
        let text = line.trim().strip_prefix("Docker version ")?;
        let mut numbers = text.split(['.', '-', '+', ',', ' ']).map(str::parse);
        match (numbers.next(), numbers.next()) {
            (Some(Ok(major)), Some(Ok(minor))) => Some(Self { major, minor }),
            _ => None,
        }
    }

    /// Options for networks that are made later (`default-network-opts`, moby/moby#43197, in 24.0).
    pub fn has_network_defaults(self) -> bool {
        self.major >= 24
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_versions_of_distributions_and_of_docker_itself_are_read() {
        for (line, major, minor) in [
            ("Docker version 26.1.5+dfsg1, build a72d7cd", 26, 1),
            ("Docker version 20.10.24+dfsg1, build 5d6db84", 20, 10),
            ("Docker version 29.0.0-rc.1, build 1234567\n", 29, 0),
            ("Docker version 24.0-dev, build x", 24, 0),
        ] {
            assert_eq!(Version::in_line(line), Some(Version { major, minor }), "{line}");
        }
    }

    #[test]
    fn what_is_no_version_is_none() {
        for line in ["", "Docker version ", "Docker version dev, build x", "podman version 5.0.0", "Docker version 26, build x"] {
            assert_eq!(Version::in_line(line), None, "{line}");
        }
    }

    #[test]
    fn versions_are_ordered_and_know_what_they_can() {
        let version = |major, minor| Version { major, minor };
        assert!(version(19, 3) < OLDEST && OLDEST < version(23, 0) && version(29, 7) < NEWEST && NEWEST < version(30, 0));
        assert!(!version(23, 0).has_network_defaults() && version(24, 0).has_network_defaults());
    }
}
