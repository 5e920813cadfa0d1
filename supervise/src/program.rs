//! What a child process is to be, as a value.

use std::{collections::BTreeMap, ffi::OsString, path::PathBuf};

/// A program to start: in a process group of its own, with default signal dispositions and an empty mask, with no descriptor of ours.
#[derive(Debug, Clone, Default)]
pub struct Program {
    /// The file, or a name to find in `PATH`.
    pub file: OsString,
    /// Its arguments, without its name.
    pub arguments: Vec<OsString>,
    /// Its whole environment; `None` hands on ours.
    pub environment: Option<BTreeMap<OsString, OsString>>,
    /// Where it starts; `None` is our own place.
    pub directory: Option<PathBuf>,
    /// As whom it runs; `None` is as we do.
    pub identity: Option<Identity>,
    /// Where its output goes.
    pub output: Output,
}

/// A user to run as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// Supplementary group ids, all of them.
    pub groups: Vec<u32>,
}

/// Where a child's output goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Output {
    /// The child has our standard input, output and error.
    #[default]
    Inherited,
    /// Each line is shown to [`Effects::watch`](crate::Effects::watch) and logged under this name; standard input is empty.
    Lines(&'static str),
    /// Each line is shown to [`Effects::watch`](crate::Effects::watch) and not logged; standard input is empty.
    Watched,
}
