//! A value that cannot be printed, and that leaves nothing behind in memory.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

/// Text that no log, error or debug dump may show.
///
/// It has no `Display` and an empty `Debug`; the one way out is [`Secret::reveal`], which is easy to search for. A secret in a file is
/// not kept: it is read anew at each use, so one that was replaced meanwhile is the new one, and a process that never uses it never
/// holds it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Kept);

#[derive(Clone, PartialEq, Eq)]
enum Kept {
    Text(Zeroizing<String>),
    File(PathBuf),
}

impl Secret {
    /// Wraps a secret text; it is wiped when the secret is dropped.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Kept::Text(Zeroizing::new(text.into())))
    }

    /// A secret that stays in its file. Nothing is read yet.
    pub fn in_file(path: &Path) -> Self {
        Self(Kept::File(path.to_owned()))
    }

    /// The file that it stays in, if it does.
    pub fn file(&self) -> Option<&Path> {
        match &self.0 {
            Kept::Text(_) => None,
            Kept::File(path) => Some(path),
        }
    }

    /// The text itself, for the one call that needs it, without line breaks at its end; wiped when it is dropped.
    ///
    /// # Errors
    /// The file cannot be read. `InvalidData` if it is empty or not UTF-8.
    pub fn reveal(&self) -> io::Result<Zeroizing<String>> {
        match &self.0 {
            Kept::Text(text) if text.is_empty() => Err(invalid("the secret is empty")),
            Kept::Text(text) => Ok(text.clone()),
            Kept::File(path) => read(path),
        }
    }
}

fn read(path: &Path) -> io::Result<Zeroizing<String>> {
    // `fs::read` sizes its buffer by the file, so no copy of a smaller one is left behind.
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let bytes = Zeroizing::new(fs::read(path).map_err(named)?);
    let text = std::str::from_utf8(&bytes).map_err(|_| named(invalid("not UTF-8")))?;
    match text.trim_end_matches(['\n', '\r']) {
        "" => Err(named(invalid("empty"))),
        text => Ok(Zeroizing::new(text.to_owned())),
    }
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_does_not_show_in_debug_output() {
        let shown = format!("{:?} {:?}", Some(Secret::new("ghp_marker")), Secret::in_file(Path::new("/marker")));
        assert_eq!(shown, "Some(Secret) Secret");
    }

    #[test]
    fn a_secret_in_a_file_is_read_anew_at_each_use() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        fs::write(&path, "first\n").unwrap();
        let secret = Secret::in_file(&path);
        assert_eq!((secret.file(), Secret::new("x").file()), (Some(&*path), None));
        assert_eq!(*secret.reveal().unwrap(), "first");
        fs::write(&path, "second\r\n").unwrap();
        assert_eq!(*secret.reveal().unwrap(), "second");
        for broken in [&b"\n"[..], b"", b"\xff"] {
            fs::write(&path, broken).unwrap();
            assert_eq!(secret.reveal().unwrap_err().kind(), io::ErrorKind::InvalidData);
        }
        fs::remove_file(&path).unwrap();
        let missing = secret.reveal().unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
        assert!(missing.to_string().contains("token: "), "{missing}");
    }
}
