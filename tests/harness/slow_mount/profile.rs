//! How far away and how strong the server is.

use std::{ffi::OsString, time::Duration};

use super::operation::Operation;

/// When a directory's listing brings the attributes of its entries along, as NFS does (`READDIRPLUS`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    /// When the kernel sees that they are asked for, as an NFS client judges.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// A server's properties.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Profile {
    /// One answer that changes nothing, in µs.
    pub read_us: u64,
    /// One change, on stable storage, in µs.
    pub change_us: u64,
    /// Data each way, in MiB/s; 0 is without limit.
    pub mib_per_second: u64,
    /// Requests that are on their way at once (the session slots of NFSv4.1).
    pub slots: usize,
    /// For how long names and attributes are believed, in ms (`actimeo`).
    pub ttl_ms: u64,
    /// Read-ahead, in kB. The mount helper of EFS sets 15 times the size of a read.
    pub read_ahead_kb: u64,
    /// Attributes with listings.
    pub listing: Listing,
}

impl Profile {
    /// Regional EFS, general purpose: what its provider publishes, a little kinder than what people measured.
    pub const EFS: Self = Self {
        read_us: 600,
        change_us: 2_700,
        mib_per_second: 500,
        slots: 64,
        ttl_ms: 30_000,
        read_ahead_kb: 15_000,
        listing: Listing::Auto,
    };

    /// About what public measurements of the years 2018 to 2022 show.
    pub const EFS_SLOW: Self = Self { read_us: 1_000, change_us: 5_000, mib_per_second: 100, ..Self::EFS };

    /// No latency at all: only the counts are of interest.
    pub const INSTANT: Self = Self { read_us: 0, change_us: 0, mib_per_second: 0, ..Self::EFS };

    /// A profile by its name: `efs`, `efs-slow`, `instant`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "efs" => Some(Self::EFS),
            "efs-slow" => Some(Self::EFS_SLOW),
            "instant" => Some(Self::INSTANT),
            _ => None,
        }
    }

    /// How long the server takes to answer one request, its data aside.
    pub(super) fn latency(&self, operation: Operation) -> Duration {
        Duration::from_micros(match operation {
            // The kernel looks for the name before: with that it is one change.
            Operation::Create => self.after_lookup_us(),
            operation if operation.changes() => self.change_us,
            _ => self.read_us,
        })
    }

    /// A change of a name that FUSE has just looked for and NFS would not have.
    pub(super) fn after_lookup(&self) -> Duration {
        Duration::from_micros(self.after_lookup_us())
    }

    fn after_lookup_us(&self) -> u64 {
        self.change_us.saturating_sub(self.read_us)
    }

    /// The span that `bytes` occupy one direction of the line.
    pub(super) fn span_of(&self, bytes: u64) -> Duration {
        if self.mib_per_second == 0 {
            return Duration::ZERO;
        }
        Duration::from_nanos(bytes.saturating_mul(1_000_000_000 / self.mib_per_second) >> 20)
    }

    /// Sets one property by the name of its option; `false` when there is none such or the value is not for it.
    pub fn set(&mut self, option: &str, value: &str) -> bool {
        let number = value.parse::<u64>();
        let field = match option {
            "read-us" => &mut self.read_us,
            "change-us" => &mut self.change_us,
            "mib-s" => &mut self.mib_per_second,
            "ttl-ms" => &mut self.ttl_ms,
            "read-ahead-kb" => &mut self.read_ahead_kb,
            "slots" => return value.parse().is_ok_and(|slots: usize| slots > 0 && std::mem::replace(&mut self.slots, slots) > 0),
            "listing" => {
                let listing = match value {
                    "auto" => Listing::Auto,
                    "always" => Listing::Always,
                    "never" => Listing::Never,
                    _ => return false,
                };
                self.listing = listing;
                return true;
            }
            _ => return false,
        };
        number.is_ok_and(|number| {
            *field = number;
            true
        })
    }

    /// The options that make this profile.
    #[must_use]
    pub fn options(&self) -> Vec<OsString> {
        let listing = match self.listing {
            Listing::Auto => "auto",
            Listing::Always => "always",
            Listing::Never => "never",
        };
        [
            ("--read-us", self.read_us.to_string()),
            ("--change-us", self.change_us.to_string()),
            ("--mib-s", self.mib_per_second.to_string()),
            ("--slots", self.slots.to_string()),
            ("--ttl-ms", self.ttl_ms.to_string()),
            ("--read-ahead-kb", self.read_ahead_kb.to_string()),
            ("--listing", listing.to_owned()),
        ]
        .into_iter()
        .flat_map(|(name, value)| [OsString::from(name), OsString::from(value)])
        .collect()
    }
}

impl std::fmt::Display for Profile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ms = |us: u64| Duration::from_micros(us).as_secs_f64() * 1e3;
        write!(
            f,
            "{:.1} ms reads, {:.1} ms changes, {} slots, {} MiB/s each way, names and attributes kept {} s, read-ahead {} kB",
            ms(self.read_us),
            ms(self.change_us),
            self.slots,
            self.mib_per_second,
            self.ttl_ms / 1_000,
            self.read_ahead_kb
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_survives_its_own_options() {
        let odd = Profile { slots: 7, ttl_ms: 5, listing: Listing::Never, ..Profile::EFS_SLOW };
        let mut read = Profile::INSTANT;
        for pair in odd.options().chunks(2) {
            assert!(read.set(&pair[0].to_string_lossy()[2..], &pair[1].to_string_lossy()));
        }
        assert_eq!(read, odd);
        assert!(!read.set("slots", "0") && !read.set("slots", "many") && !read.set("speed", "1"));
    }

    #[test]
    fn a_new_name_costs_one_change_with_the_lookup_before_it() {
        let profile = Profile::EFS;
        let whole = profile.latency(Operation::Absent) + profile.latency(Operation::Create);
        assert_eq!(whole, profile.latency(Operation::Setattr));
        assert_eq!(profile.span_of(500 << 20), Duration::from_secs(1));
    }
}
