//! Where the programs are: those cargo built for this package, or a directory of release binaries.

use std::path::{Path, PathBuf};

/// A program a suite runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Program {
    /// runner-entrypoint.
    Entrypoint,
    /// runner-dind.
    Dind,
    /// The stand-in for `Runner.Listener`.
    Listener,
    /// PID 1 of a box before it becomes something else.
    BoxInit,
    /// Leaves N orphans behind.
    OrphanMaker,
    /// Ignores TERM.
    Stubborn,
    /// Prints every signal it gets.
    SignalPrinter,
    /// Leaves a daemon in a session of its own.
    Leaver,
    /// Looks for secrets in /proc.
    Seeker,
    /// Shows a directory as a far-away file server would.
    SlowMount,
}

impl Program {
    /// Its name in cargo's directory.
    #[must_use]
    pub const fn built_name(self) -> &'static str {
        match self {
            Self::Entrypoint => "entrypoint-under-test",
            Self::Dind => "dind-under-test",
            Self::Listener => "stand-in-listener",
            Self::BoxInit => "box-init",
            Self::OrphanMaker => "orphan-maker",
            Self::Stubborn => "stubborn",
            Self::SignalPrinter => "signal-printer",
            Self::Leaver => "leaver",
            Self::Seeker => "seeker",
            Self::SlowMount => "slow-mount",
        }
    }

    /// Its path. The two programs under test come from `RUNNER_TEST_BIN_DIR` when that is set, by the names users know.
    ///
    /// # Panics
    /// When the file is not there.
    #[must_use]
    pub fn path(self) -> PathBuf {
        let released = std::env::var_os("RUNNER_TEST_BIN_DIR").filter(|dir| !dir.is_empty()).map(PathBuf::from);
        let path = match (self, released) {
            (Self::Entrypoint, Some(dir)) => dir.join("runner-entrypoint"),
            (Self::Dind, Some(dir)) => dir.join("runner-dind"),
            _ => built_dir().join(self.built_name()),
        };
        assert!(path.is_file(), "{} is not built: run the tests with `cargo test -p runner-tests`", path.display());
        path
    }
}

/// The directory cargo put this package's programs into.
///
/// # Panics
/// When this process has no path.
#[must_use]
pub fn built_dir() -> PathBuf {
    let own = std::env::current_exe().expect("this process has a path");
    let dir = own.parent().expect("a program is in a directory");
    // A test is one level below the programs, in `deps`.
    if dir.ends_with("deps") { dir.parent().map(Path::to_path_buf).unwrap_or_default() } else { dir.to_path_buf() }
}

/// Where things are kept between runs: `RUNNER_TEST_CACHE_DIR`, else beside cargo's profile directories.
#[must_use]
pub fn cache_dir() -> PathBuf {
    std::env::var_os("RUNNER_TEST_CACHE_DIR")
        .map_or_else(|| built_dir().parent().map(|target| target.join("test-cache")).unwrap_or_default(), PathBuf::from)
}
