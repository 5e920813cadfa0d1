//! What goes to the far server and is worth counting.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A request that an NFS client would send. Each costs a round trip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// A name that is there.
    Lookup,
    /// A name that is not there.
    Absent,
    /// Attributes.
    Getattr,
    /// New attributes, or another length.
    Setattr,
    /// The target of a symbolic link.
    Readlink,
    /// A page of a directory, with the attributes of its entries.
    Readdir,
    /// A file that is there.
    Open,
    /// A piece of a file.
    Read,
    /// A new file.
    Create,
    /// A new directory.
    Mkdir,
    /// A new symbolic link.
    Symlink,
    /// A new hard link.
    Link,
    /// Another name.
    Rename,
    /// A file or directory less.
    Remove,
    /// A piece of a file, to stable storage.
    Write,
    /// The end of an open file.
    Close,
    /// How full the file system is.
    Statfs,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 17] = [
        Self::Lookup,
        Self::Absent,
        Self::Getattr,
        Self::Setattr,
        Self::Readlink,
        Self::Readdir,
        Self::Open,
        Self::Read,
        Self::Create,
        Self::Mkdir,
        Self::Symlink,
        Self::Link,
        Self::Rename,
        Self::Remove,
        Self::Write,
        Self::Close,
        Self::Statfs,
    ];

    /// As options and counts spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lookup => "lookup",
            Self::Absent => "absent",
            Self::Getattr => "getattr",
            Self::Setattr => "setattr",
            Self::Readlink => "readlink",
            Self::Readdir => "readdir",
            Self::Open => "open",
            Self::Read => "read",
            Self::Create => "create",
            Self::Mkdir => "mkdir",
            Self::Symlink => "symlink",
            Self::Link => "link",
            Self::Rename => "rename",
            Self::Remove => "remove",
            Self::Write => "write",
            Self::Close => "close",
            Self::Statfs => "statfs",
        }
    }

    /// The operation of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.name() == name)
    }

    /// Whether the server has something to make stable before it answers.
    pub(super) const fn changes(self) -> bool {
        matches!(self, Self::Setattr | Self::Create | Self::Mkdir | Self::Symlink | Self::Link | Self::Rename | Self::Remove | Self::Write)
    }
}

/// What a mount was asked since it is there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    asked: [u64; Operation::ALL.len()],
    /// Bytes that came from the server.
    pub read_bytes: u64,
    /// Bytes that went to the server.
    pub written_bytes: u64,
    /// Microseconds of latency, all requests added up.
    pub latency_us: u64,
}

impl Counts {
    /// How often this was asked.
    #[must_use]
    pub const fn of(&self, operation: Operation) -> u64 {
        self.asked[operation as usize]
    }

    /// All requests. The lookup that FUSE sends for a name before it makes it is among them, as [`Operation::Absent`].
    #[must_use]
    pub fn round_trips(&self) -> u64 {
        self.asked.iter().sum()
    }

    /// The time that all requests one after the other would take, without their data.
    #[must_use]
    pub const fn latency(&self) -> Duration {
        Duration::from_micros(self.latency_us)
    }

    pub(super) fn add(&mut self, operation: Operation, latency: Duration, read: u64, written: u64) {
        self.asked[operation as usize] += 1;
        self.read_bytes += read;
        self.written_bytes += written;
        self.latency_us += u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
    }

    /// What came since `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let mut asked = self.asked;
        asked.iter_mut().zip(before.asked).for_each(|(now, before)| *now -= before);
        Self {
            asked,
            read_bytes: self.read_bytes - before.read_bytes,
            written_bytes: self.written_bytes - before.written_bytes,
            latency_us: self.latency_us - before.latency_us,
        }
    }

    /// Those that were asked at all, as `name: count`.
    #[must_use]
    pub fn by_name(&self) -> Vec<(&'static str, u64)> {
        Operation::ALL.into_iter().map(|operation| (operation.name(), self.of(operation))).filter(|(_, count)| *count > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_has_a_place_and_a_name_of_its_own() {
        for (place, operation) in Operation::ALL.into_iter().enumerate() {
            assert_eq!(operation as usize, place);
            assert_eq!(Operation::named(operation.name()), Some(operation));
        }
    }
}
