//! Owns the places at which the docker socket is seen: hidden until docker is usable, then under its shared name, and at
//! `/var/run/docker.sock` of this container, which the runner hard-codes as the source of a mount
//! (actions/runner, src/Runner.Worker/Container/ContainerInfo.cs).

use std::{
    fs, io,
    os::unix::{
        fs::{FileTypeExt as _, MetadataExt as _, symlink},
        net::UnixStream,
    },
    path::{Path, PathBuf},
};

/// The longest path that fits into a socket address (unix(7): 108 bytes with the terminating zero).
pub const LONGEST: usize = 107;

/// The name of the socket in the shared folder.
pub const NAME: &str = "docker.sock";

/// Around the id in the name of a hidden socket.
const HIDDEN: &str = ".docker-";
const SUFFIX: &str = ".sock";

/// Why the socket cannot be published.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// Another daemon answers there.
    #[error("another docker daemon answers at {}\nhint: give each task a folder and a /var/run of its own", .0.display())]
    Foreign(PathBuf),
    /// Something else is in the place.
    #[error("{} is in the way: it is neither a socket nor a link\nhint: remove it from the image or the volume", .0.display())]
    InTheWay(PathBuf),
    /// The file system refuses.
    #[error("cannot {operation} {}: {cause}", path.display())]
    Refused {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        cause: io::Error,
    },
}

/// Where the socket of one daemon is before and after it is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Socket {
    /// Where the daemon listens at first.
    pub hidden: PathBuf,
    /// Where it is found when docker is usable.
    pub shared: PathBuf,
    /// Where programs inside this container look for it.
    pub usual: PathBuf,
}

impl Socket {
    /// The places in `folder`, for the daemon named `id`.
    pub fn new(folder: &Path, usual: &Path, id: &str) -> Self {
        Self { hidden: folder.join(format!("{HIDDEN}{id}{SUFFIX}")), shared: folder.join(NAME), usual: usual.to_owned() }
    }

    /// Whether both places are free or hold only what a dead daemon left.
    ///
    /// # Errors
    /// A living daemon's socket, or something that is no socket, is in one of them.
    pub fn check(&self) -> Result<(), SocketError> {
        is_free(&self.shared)?;
        if self.is_usual() { Ok(()) } else { is_free(&self.usual) }
    }

    /// Gives the socket its shared name, in one step, and makes the usual name lead to it. A bound socket keeps working under a new
    /// name: clients find the inode, not the name it was bound to.
    ///
    /// # Errors
    /// As for [`check`](Self::check), and whatever the file system answers.
    pub fn publish(&self) -> Result<(), SocketError> {
        self.check()?;
        fs::rename(&self.hidden, &self.shared).map_err(|cause| refused("publish", &self.shared, cause))?;
        if self.is_usual() {
            return Ok(());
        }
        if let Some(folder) = self.usual.parent() {
            fs::create_dir_all(folder).map_err(|cause| refused("make", folder, cause))?;
        }
        // Made beside and renamed over, so that there is no moment without it.
        let new = self.usual.with_extension("sock.new");
        match fs::remove_file(&new) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(refused("replace", &new, cause)),
            _ => {}
        }
        symlink(&self.shared, &new).and_then(|()| fs::rename(&new, &self.usual)).map_err(|cause| refused("link", &self.usual, cause))
    }

    /// Takes away what [`publish`](Self::publish) made, the hidden socket, and those of killed predecessors. What is not ours stays.
    ///
    /// # Errors
    /// The file system refuses; everything was tried.
    pub fn withdraw(&self) -> Result<(), SocketError> {
        let mut result = Ok(());
        if !self.is_usual() && fs::read_link(&self.usual).is_ok_and(|target| target == self.shared) {
            result = result.and(remove(&self.usual));
        }
        for path in [self.shared.clone(), self.hidden.clone()].into_iter().chain(self.others_hidden()) {
            // By now our daemon is dead: a socket that answers belongs to somebody else.
            if fs::symlink_metadata(&path).is_ok_and(|found| found.file_type().is_socket()) && !answers(&path) {
                result = result.and(remove(&path));
            }
        }
        result
    }

    /// A daemon killed before it was usable leaves its socket under the hidden name, with an id that nobody knows any more.
    fn others_hidden(&self) -> Vec<PathBuf> {
        let entries = self.shared.parent().map(fs::read_dir).into_iter().flatten().flatten().flatten();
        let hidden = |name: &str| name.starts_with(HIDDEN) && name.ends_with(SUFFIX);
        entries.filter(|entry| entry.file_name().to_str().is_some_and(hidden)).map(|entry| entry.path()).collect()
    }

    /// The shared folder is the usual place, by whatever path.
    fn is_usual(&self) -> bool {
        let folder = |path: &Path| path.parent().and_then(|parent| fs::metadata(parent).ok()).map(|found| (found.dev(), found.ino()));
        self.shared.file_name() == self.usual.file_name() && folder(&self.shared).is_some() && folder(&self.shared) == folder(&self.usual)
    }
}

fn is_free(path: &Path) -> Result<(), SocketError> {
    let Ok(found) = fs::symlink_metadata(path) else { return Ok(()) };
    if !found.file_type().is_socket() && !found.is_symlink() {
        return Err(SocketError::InTheWay(path.to_owned()));
    }
    if answers(path) { Err(SocketError::Foreign(path.to_owned())) } else { Ok(()) }
}

/// A socket whose owner is dead refuses; one with a full queue (EAGAIN) has an owner.
fn answers(path: &Path) -> bool {
    match UnixStream::connect(path) {
        Ok(_) => true,
        Err(error) => error.kind() == io::ErrorKind::WouldBlock,
    }
}

fn remove(path: &Path) -> Result<(), SocketError> {
    match fs::remove_file(path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(refused("remove", path, cause)),
        _ => Ok(()),
    }
}

fn refused(operation: &'static str, path: &Path, cause: io::Error) -> SocketError {
    SocketError::Refused { operation, path: path.to_owned(), cause }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::{Read as _, Write as _},
        os::unix::net::UnixListener,
    };

    struct Bed {
        dir: tempfile::TempDir,
        socket: Socket,
    }

    fn bed() -> Bed {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("task")).unwrap();
        let socket = Socket::new(&dir.path().join("task"), &dir.path().join("run").join(NAME), "42");
        Bed { dir, socket }
    }

    #[test]
    fn a_bound_socket_answers_under_its_new_names_and_no_more_under_the_old_one() {
        let Bed { dir: _dir, socket } = bed();
        let listener = UnixListener::bind(&socket.hidden).unwrap();
        socket.publish().unwrap();
        assert!(!socket.hidden.exists());
        for path in [&socket.shared, &socket.usual] {
            let mut client = UnixStream::connect(path).unwrap();
            client.write_all(b"hello").unwrap();
            drop(client);
            let mut heard = String::new();
            listener.accept().unwrap().0.read_to_string(&mut heard).unwrap();
            assert_eq!(heard, "hello");
        }
        drop(listener);
        socket.withdraw().unwrap();
        assert!(fs::symlink_metadata(&socket.shared).is_err() && fs::symlink_metadata(&socket.usual).is_err());
    }

    #[test]
    fn what_a_dead_daemon_left_is_replaced() {
        let Bed { dir, socket } = bed();
        drop(UnixListener::bind(&socket.shared).unwrap());
        fs::create_dir(dir.path().join("run")).unwrap();
        symlink("/nowhere/docker.sock", &socket.usual).unwrap();
        let _listener = UnixListener::bind(&socket.hidden).unwrap();
        socket.publish().unwrap();
        assert_eq!(fs::read_link(&socket.usual).unwrap(), socket.shared);
        UnixStream::connect(&socket.usual).unwrap();
    }

    #[test]
    fn what_a_dead_daemon_published_can_be_withdrawn_by_its_successor() {
        let Bed { dir, socket } = bed();
        let dead = UnixListener::bind(&socket.hidden).unwrap();
        socket.publish().unwrap();
        drop(dead);
        Socket::new(&dir.path().join("task"), &socket.usual, "43").withdraw().unwrap();
        assert!(fs::symlink_metadata(&socket.shared).is_err() && fs::symlink_metadata(&socket.usual).is_err());
    }

    /// Seen after a sidecar was killed many times in one task folder: a hidden socket for each of its starts.
    #[test]
    fn what_killed_daemons_left_hidden_goes_with_ours() {
        let Bed { dir, socket } = bed();
        let folder = dir.path().join("task");
        for id in ["1", "2"] {
            drop(UnixListener::bind(folder.join(format!(".docker-{id}.sock"))).unwrap());
        }
        let _living = UnixListener::bind(folder.join(".docker-3.sock")).unwrap();
        fs::write(folder.join(".docker-4.sock"), "no socket").unwrap();
        drop(UnixListener::bind(&socket.hidden).unwrap());
        socket.withdraw().unwrap();
        let mut left: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [".docker-3.sock", ".docker-4.sock"]);
    }

    #[test]
    fn a_living_daemon_and_anything_that_is_no_socket_stay() {
        let Bed { dir, socket } = bed();
        let _ours = UnixListener::bind(&socket.hidden).unwrap();
        fs::create_dir(dir.path().join("run")).unwrap();
        let foreign = UnixListener::bind(&socket.usual).unwrap();
        assert!(matches!(socket.publish(), Err(SocketError::Foreign(path)) if path == socket.usual));
        assert!(socket.hidden.exists(), "nothing may be half published");
        socket.withdraw().unwrap();
        UnixStream::connect(&socket.usual).unwrap();
        drop(foreign);
        fs::remove_file(&socket.usual).unwrap();
        fs::write(&socket.usual, "data").unwrap();
        assert!(matches!(socket.check(), Err(SocketError::InTheWay(_))));
    }

    #[test]
    fn a_shared_folder_that_is_the_usual_place_needs_no_link() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("run")).unwrap();
        symlink("run", dir.path().join("var-run")).unwrap();
        let socket = Socket::new(&dir.path().join("run"), &dir.path().join("var-run").join(NAME), "42");
        let listener = UnixListener::bind(&socket.hidden).unwrap();
        socket.publish().unwrap();
        assert!(fs::symlink_metadata(&socket.shared).unwrap().file_type().is_socket());
        drop(listener);
        socket.withdraw().unwrap();
        assert_eq!(fs::read_dir(dir.path().join("run")).unwrap().count(), 0);
    }
}
