//! Directories by path below an open one, one component at a time, the way to the last one kept open: entries in a manifest's
//! order lie beside each other, so most need no step at all.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use nix::Result;

use crate::cache::dir::Dir;

#[derive(Debug)]
pub(super) struct Cursor<'a> {
    root: &'a Dir,
    way: Vec<(Vec<u8>, Dir)>,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(root: &'a Dir) -> Self {
        Self { root, way: Vec::new() }
    }

    /// The directory that holds `path`, and its last name. The root's own path is its own name: `.`.
    pub(super) fn parent<'p>(&mut self, path: &'p [u8]) -> Result<(&Dir, &'p OsStr)> {
        let (directories, name) = match path.iter().rposition(|byte| *byte == b'/') {
            Some(slash) => (&path[..slash], &path[slash + 1..]),
            None => (&path[..0], path),
        };
        let components = || directories.split(|byte| *byte == b'/').filter(|name| !name.is_empty());
        let shared = self.way.iter().zip(components()).take_while(|((open, _), wanted)| open == wanted).count();
        self.way.truncate(shared);
        for component in components().skip(shared) {
            let dir = self.here().sub(OsStr::from_bytes(component))?;
            self.way.push((component.to_vec(), dir));
        }
        let name = if name.is_empty() { OsStr::new(".") } else { OsStr::from_bytes(name) };
        Ok((self.here(), name))
    }

    fn here(&self) -> &Dir {
        self.way.last().map_or(self.root, |(_, dir)| dir)
    }
}
