//! What a bad server does: errors by count, silence for ever.

use std::sync::atomic::{AtomicU64, Ordering};

use nix::errno::Errno;

use super::operation::Operation;

/// An operation that fails: `OP:ERRNO:N` the N-th only, `OP:ERRNO:N+` that and all after it.
///
/// The kernel asks once more by itself for a stale name, and for what a read-ahead did not get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Which operation. Data is taken over at once, as a client's page cache does: a failing write is heard of at close.
    pub operation: Operation,
    /// With which error.
    pub errno: Errno,
    /// The how many-th of its kind, from 1.
    pub nth: u64,
    /// All after it too.
    pub lasting: bool,
}

const ERRORS: [(&str, Errno); 8] = [
    ("EACCES", Errno::EACCES),
    ("EDQUOT", Errno::EDQUOT),
    ("EIO", Errno::EIO),
    ("ENOSPC", Errno::ENOSPC),
    ("EPERM", Errno::EPERM),
    ("EROFS", Errno::EROFS),
    ("ESTALE", Errno::ESTALE),
    ("ETIMEDOUT", Errno::ETIMEDOUT),
];

impl Fault {
    /// Reads `OP:ERRNO:N[+]`.
    ///
    /// # Errors
    /// A sentence that says what is not understood and what is.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = text.split(':');
        let (Some(operation), Some(errno), Some(count), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return Err(format!("{text}: a fault is OP:ERRNO:N or OP:ERRNO:N+"));
        };
        let operation = Operation::named(operation)
            .ok_or_else(|| format!("{operation}: no such operation; there are {}", Operation::ALL.map(Operation::name).join(", ")))?;
        let known = ERRORS.into_iter().find(|(name, _)| *name == errno);
        let (_, errno) = known.ok_or_else(|| format!("{errno}: no such error; there are {}", ERRORS.map(|(name, _)| name).join(", ")))?;
        let nth = count.trim_end_matches('+').parse().ok().filter(|nth| *nth > 0);
        let nth = nth.ok_or_else(|| format!("{count}: the how many-th is a number from 1"))?;
        Ok(Self { operation, errno, nth, lasting: count.ends_with('+') })
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let errno = ERRORS.iter().find(|(_, errno)| *errno == self.errno).map_or("EIO", |(name, _)| name);
        write!(f, "{}:{errno}:{}{}", self.operation.name(), self.nth, if self.lasting { "+" } else { "" })
    }
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Serve,
    Fail(Errno),
    /// Neither done nor answered.
    Hang,
}

/// The faults of a server and how far each has come.
#[derive(Debug, Default)]
pub(super) struct Faults {
    rules: Vec<(Fault, AtomicU64)>,
    hang_after: Option<u64>,
    served: AtomicU64,
}

impl Faults {
    pub(super) fn new(faults: Vec<Fault>, hang_after: Option<u64>) -> Self {
        let rules = faults.into_iter().map(|fault| (fault, AtomicU64::new(0))).collect();
        Self { rules, hang_after, served: AtomicU64::new(0) }
    }

    pub(super) fn judge(&self, operation: Operation) -> Verdict {
        let served = self.served.fetch_add(1, Ordering::Relaxed);
        if self.hang_after.is_some_and(|limit| served >= limit) {
            return Verdict::Hang;
        }
        for (fault, seen) in self.rules.iter().filter(|(fault, _)| fault.operation == operation) {
            let count = seen.fetch_add(1, Ordering::Relaxed) + 1;
            if count == fault.nth || (fault.lasting && count > fault.nth) {
                return Verdict::Fail(fault.errno);
            }
        }
        Verdict::Serve
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_strikes_by_count_and_a_lasting_one_stays() {
        let parsed = ["read:EIO:2", "write:ENOSPC:1+"].map(|text| Fault::parse(text).unwrap());
        assert_eq!(parsed.map(|fault| fault.to_string()), ["read:EIO:2", "write:ENOSPC:1+"]);
        let faults = Faults::new(parsed.into(), Some(6));
        let judged =
            [Operation::Read, Operation::Read, Operation::Read, Operation::Write, Operation::Write, Operation::Open, Operation::Read];
        use Verdict::{Fail, Hang, Serve};
        let expected = [Serve, Fail(Errno::EIO), Serve, Fail(Errno::ENOSPC), Fail(Errno::ENOSPC), Serve, Hang];
        assert_eq!(judged.map(|operation| faults.judge(operation)), expected);
    }

    #[test]
    fn a_fault_that_is_not_understood_says_what_is() {
        let wrong = ["read:EIO", "chat:EIO:1", "read:EFUN:1", "read:EIO:0"].map(|text| Fault::parse(text).unwrap_err());
        assert!(wrong[0].contains("OP:ERRNO:N"));
        assert!(wrong[1].contains("lookup, absent, getattr"));
        assert!(wrong[2].contains("EIO, ENOSPC"));
        assert!(wrong[3].contains("from 1"));
    }
}
