//! How a version is called, and how names from a disk are shown.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt;

/// The ending that makes a marker's name of an architecture's.
pub(super) const MARKER: &str = ".complete";

/// The unit of the cache. Its three names are bytes that need not be UTF-8, but each is one path component of at most 255
/// bytes (with the marker's ending, for the architecture), has no control character and does not begin with a dot.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct VersionId {
    pub(super) tool: OsString,
    pub(super) version: OsString,
    pub(super) arch: OsString,
}

impl VersionId {
    /// The marker's name beside the directory.
    pub(super) fn marker(&self) -> OsString {
        let mut name = self.arch.clone();
        name.push(MARKER);
        name
    }
}

impl fmt::Display for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [&self.tool, &self.version, &self.arch];
        f.write_str(&names.map(|name| printable(name.as_bytes())).join("/"))
    }
}

/// One visible path component.
pub(super) fn is_name(name: &OsStr) -> bool {
    let bytes = name.as_bytes();
    let plain = !bytes.iter().any(|byte| byte.is_ascii_control() || *byte == b'/');
    plain && !bytes.is_empty() && bytes.len() <= 255 && bytes[0] != b'.'
}

/// A name that has room for the marker's ending.
pub(super) fn is_arch(name: &OsStr) -> bool {
    is_name(name) && name.len() + MARKER.len() <= 255
}

/// A name from a disk made safe for one line: what is not printable UTF-8 is escaped.
pub(super) fn printable(bytes: &[u8]) -> String {
    let mut shown = String::new();
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_control() {
                shown.extend(character.escape_default());
            } else {
                shown.push(character);
            }
        }
        for byte in chunk.invalid() {
            shown.push_str(&format!("\\x{byte:02x}"));
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_visible_component() {
        let long = "x".repeat(255);
        for (name, name_ok, arch_ok) in [
            ("x64", true, true),
            ("..", false, false),
            (".stage", false, false),
            ("", false, false),
            ("a\tb", false, false),
            ("a/b", false, false),
            ("é", true, true),
            (long.as_str(), true, false),
            (&"x".repeat(256), false, false),
        ] {
            assert_eq!(is_name(OsStr::new(name)), name_ok, "{name:?}");
            assert_eq!(is_arch(OsStr::new(name)), arch_ok, "{name:?}");
        }
        assert!(is_name(OsStr::from_bytes(b"\xff")));
        assert_eq!(printable(b"a\xff\n\xc3\xa9"), "a\\xff\\né");
    }
}
