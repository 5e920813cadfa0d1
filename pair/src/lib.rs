//! What the two containers of a task show each other: the folders and the network that both must have in common.
//!
//! dockerd resolves the source of a bind mount in its own container, so a folder of the runner that the sidecar has not, or has as another
//! folder, is an empty mount in a job's container, and the job fails with "no such file" minutes later. A folder is the same on both
//! sides when it is the same inode of the same file system, by whatever name it got there.
//!
//! The runner writes its [`Sight`] into its part of the task's folder, the sidecar looks for itself at the same paths and answers
//! with a sight of its own; [`differences`] is pure and says the same on either side.

mod difference;

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

pub use difference::{Difference, differences};

/// The file that holds a sight, in the folder of its program.
pub const FILE: &str = "pair.json";

/// The network namespace of this process (namespaces(7)).
pub const NETWORK: &str = "/proc/self/ns/net";

/// A sight is some hundred bytes; a file that is longer was written by somebody else.
const LONGEST: u64 = 64 * 1024;

/// `O_NOFOLLOW | O_NONBLOCK`: the folder of the runner can be written by a job, which could put a link or a pipe in the file's place.
const CAREFULLY: i32 = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK;

/// What a folder is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Use {
    /// The runner's work folder: workspaces, actions, temporary files.
    Work,
    /// The runner's own Node.js, which it mounts into job containers.
    Externals,
    /// The local tool cache, which it mounts into job containers, too.
    Tools,
}

/// One inode of one file system of this kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inode {
    /// `st_dev`.
    pub device: u64,
    /// `st_ino`.
    pub number: u64,
}

impl Inode {
    /// Of what is at `path` now, links followed; `None` if there is nothing to be seen.
    pub fn of(path: &Path) -> Option<Self> {
        fs::metadata(path).ok().map(|found| Self { device: found.dev(), number: found.ino() })
    }
}

/// A folder as one side has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Folder {
    /// What it is for.
    pub purpose: Use,
    /// Where docker will be asked for it.
    pub path: PathBuf,
    /// What is there, on the side whose sight this is.
    pub inode: Option<Inode>,
}

/// What one side sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sight {
    /// Names one meeting, so that what an earlier task left in the folder is not taken for an answer. The sidecar repeats the runner's.
    pub token: u64,
    /// Its network namespace.
    pub network: Option<Inode>,
    /// The folders that both sides need.
    pub folders: Vec<Folder>,
}

impl Sight {
    /// What the runner sees: each folder, where docker will be asked for it and where it is here.
    pub fn of_runner(token: u64, folders: impl IntoIterator<Item = (Use, PathBuf, PathBuf)>) -> Self {
        let folders = folders.into_iter().map(|(purpose, path, here)| Folder { purpose, inode: Inode::of(&here), path }).collect();
        Self { token, network: Inode::of(Path::new(NETWORK)), folders }
    }

    /// What the sidecar sees at the paths of the runner's sight.
    #[must_use]
    pub fn answered(&self) -> Self {
        let folders = self.folders.iter().map(|folder| Folder { inode: Inode::of(&folder.path), ..folder.clone() }).collect();
        Self { token: self.token, network: Inode::of(Path::new(NETWORK)), folders }
    }

    /// Writes it into the folder of its program, in one step.
    ///
    /// # Errors
    /// The file system refuses.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        let new = folder.join(format!(".{FILE}.new"));
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(&new)?;
        file.write_all(&serde_json::to_vec(self).map_err(io::Error::other)?)?;
        fs::rename(new, folder.join(FILE))
    }

    /// Reads the sight of the program whose folder this is; `None` if there is none, or it cannot be one.
    pub fn read(folder: &Path) -> Option<Self> {
        let sight: Self = serde_json::from_slice(&read(&folder.join(FILE))?).ok()?;
        sight.folders.iter().all(|folder| folder.path.is_absolute()).then_some(sight)
    }
}

/// A small file in a folder that a job may write: only if it is one, and never through a link.
pub fn read(path: &Path) -> Option<Vec<u8>> {
    let file = OpenOptions::new().read(true).custom_flags(CAREFULLY).open(path).ok()?;
    bounded(&file)
}

fn bounded(file: &File) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let regular = file.metadata().ok()?.is_file();
    (regular && file.take(LONGEST + 1).read_to_end(&mut bytes).ok()? as u64 <= LONGEST).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn sight(dir: &Path) -> Sight {
        Sight::of_runner(7, [(Use::Work, dir.join("work"), dir.join("work")), (Use::Externals, dir.join("externals"), dir.join("share"))])
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("work")).unwrap();
        let sight = sight(dir.path());
        assert!(sight.folders[0].inode.is_some() && sight.folders[1].inode.is_none() && sight.network.is_some());
        sight.write(dir.path()).unwrap();
        assert_eq!(Sight::read(dir.path()).as_ref(), Some(&sight));
        sight.write(dir.path()).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2, "nothing is left of the writing");
    }

    #[test]
    fn the_sidecar_looks_at_the_paths_that_docker_will_be_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["work", "externals", "share"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        let (runner, sidecar) = (sight(dir.path()), sight(dir.path()).answered());
        assert_eq!(sidecar.folders[0], runner.folders[0]);
        assert_eq!(sidecar.folders[1].inode, Inode::of(&dir.path().join("externals")));
        assert_ne!(sidecar.folders[1].inode, runner.folders[1].inode, "the runner's is the one in its share");
        assert_eq!((sidecar.token, sidecar.network), (7, runner.network));
    }

    #[test]
    fn what_a_job_could_put_in_the_files_place_is_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(FILE);
        assert_eq!(Sight::read(dir.path()), None);
        let real = dir.path().join("real");
        fs::create_dir(&real).unwrap();
        sight(&real).write(&real).unwrap();
        symlink(real.join(FILE), &file).unwrap();
        assert_eq!(Sight::read(dir.path()), None, "a link");
        fs::remove_file(&file).unwrap();
        nix::unistd::mkfifo(&file, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(Sight::read(dir.path()), None, "a pipe, and nobody waits for its writer");
        fs::remove_file(&file).unwrap();
        for text in [
            " ".repeat(70_000),
            "{}".to_owned(),
            r#"{"token":1,"network":null,"folders":[{"purpose":"work","path":"x","inode":null}]}"#.to_owned(),
        ] {
            fs::write(&file, text).unwrap();
            assert_eq!(Sight::read(dir.path()), None);
        }
    }
}
