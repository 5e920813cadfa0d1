//! Which symbolic links may be in a version. Pure.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The target to write for a link that stands `depth` directories below the version's root, or `None` if the link is, or
/// may be, a way out.
///
/// Allowed is any number of leading `..` that stays inside, then names without a further `..`. With that rule alone the
/// whole tree is closed: the leading part climbs real directories, and each name after it is an entry of the version, so by
/// induction a chain of links does not leave either. A `..` behind a name is refused, because the name may be a link
/// and then nobody can say from the text where it leads.
///
/// An absolute target below one of `homes` (the version's own directory, as paths of it) stays inside as long as the
/// version stands there; setup-python makes such links for PyPy. It becomes the relative target of the same meaning.
pub(super) fn contained(target: &[u8], depth: usize, homes: &[PathBuf]) -> Option<Vec<u8>> {
    let parts = |bytes: &[u8]| -> Vec<Vec<u8>> {
        bytes.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".").map(<[u8]>::to_vec).collect()
    };
    if target.is_empty() {
        return None;
    }
    if target[0] != b'/' {
        let parts = parts(target);
        let climbs = parts.iter().take_while(|part| *part == b"..").count();
        let strays = parts[climbs..].iter().any(|part| part == b"..");
        return (climbs <= depth && !strays).then(|| target.to_vec());
    }
    let path = Path::new(std::ffi::OsStr::from_bytes(target));
    let inside = homes.iter().find_map(|home| path.strip_prefix(home).ok())?;
    let below = parts(inside.as_os_str().as_bytes());
    if below.iter().any(|part| part == b"..") {
        return None;
    }
    let mut relative: Vec<Vec<u8>> = vec![b"..".to_vec(); depth];
    relative.extend(below);
    if relative.is_empty() {
        relative.push(b".".to_vec());
    }
    Some(relative.join(&b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_stays_if_it_cannot_lead_out() {
        let homes = [PathBuf::from("/opt/tc/node/1/x64"), PathBuf::from("/real/node/1/x64")];
        let cases: &[(&str, usize, Option<&str>)] = &[
            ("python3.11", 1, Some("python3.11")),
            ("./a//b", 0, Some("./a//b")),
            ("../lib/x", 1, Some("../lib/x")),
            ("../../x", 2, Some("../../x")),
            (".././../x", 2, Some(".././../x")),
            ("..", 1, Some("..")),
            ("..", 0, None),
            ("../x", 0, None),
            ("../../x", 1, None),
            ("a/../b", 3, None),
            ("a/..", 0, None),
            ("../a/../b", 3, None),
            ("...", 0, Some("...")),
            ("", 0, None),
            ("/etc/passwd", 5, None),
            ("/", 5, None),
            ("/opt/tc/node/1/x64/bin/node", 0, Some("bin/node")),
            ("/opt/tc/node/1/x64/bin/node", 2, Some("../../bin/node")),
            ("/real/node/1/x64", 0, Some(".")),
            ("/real/node/1/x64/", 1, Some("..")),
            ("/opt/tc/node/1/x64/../../2", 1, None),
            ("/opt/tc/node/1/x640", 1, None),
            ("/opt/tc/node/1", 1, None),
        ];
        for (target, depth, expected) in cases {
            let allowed = contained(target.as_bytes(), *depth, &homes);
            assert_eq!(allowed.as_deref(), expected.map(str::as_bytes), "{target} at depth {depth}");
        }
    }
}
