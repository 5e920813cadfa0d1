//! How a child ended, or why it never began, and the exit code each stands for. Pure.

use std::{fmt, io};

use crate::Signal;

/// How a child process ended (wait(2)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChildEnd {
    /// It called exit with this code.
    Code(u8),
    /// A signal ended it.
    Signal(Signal),
}

impl ChildEnd {
    /// Its code, or 128 + n for signal n: what a shell reports and every init passes on.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => u8::try_from(128 + signal.number()).unwrap_or(255),
        }
    }
}

impl fmt::Display for ChildEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "{signal}"),
        }
    }
}

/// Why a child could not be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpawnError {
    /// What was to be started.
    pub program: String,
    /// The system's answer.
    pub kind: io::ErrorKind,
    /// The system's answer in words.
    pub cause: String,
}

impl SpawnError {
    /// 127 when there is no such program, 126 when there is one that cannot run: the shell's convention.
    pub fn exit_code(&self) -> u8 {
        match self.kind {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => 127,
            _ => 126,
        }
    }
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot start {}: {}", self.program, self.cause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_end_has_the_code_a_shell_would_report() {
        for code in 0..=255 {
            assert_eq!(ChildEnd::Code(code).exit_code(), code);
        }
        for number in 1..=64 {
            let signal = Signal::from_number(number).unwrap();
            assert_eq!(ChildEnd::Signal(signal).exit_code(), 128 + u8::try_from(number).unwrap());
        }
    }

    #[test]
    fn a_missing_program_is_127_and_one_that_cannot_run_126() {
        for (kind, code) in [
            (io::ErrorKind::NotFound, 127),
            (io::ErrorKind::NotADirectory, 127),
            (io::ErrorKind::PermissionDenied, 126),
            (io::ErrorKind::Other, 126),
        ] {
            assert_eq!(SpawnError { program: "x".into(), kind, cause: String::new() }.exit_code(), code);
        }
    }
}
