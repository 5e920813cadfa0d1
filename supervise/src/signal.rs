//! A signal as a value: number, name, and whether it is passed on. Pure.

use std::fmt;

/// A signal number of this machine, standard or real-time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(i32);

impl Signal {
    /// SIGHUP.
    pub const HUP: Self = Self(libc::SIGHUP);
    /// SIGINT.
    pub const INT: Self = Self(libc::SIGINT);
    /// SIGQUIT.
    pub const QUIT: Self = Self(libc::SIGQUIT);
    /// SIGTERM.
    pub const TERM: Self = Self(libc::SIGTERM);
    /// SIGKILL.
    pub const KILL: Self = Self(libc::SIGKILL);
    /// SIGCONT.
    pub const CONT: Self = Self(libc::SIGCONT);
    /// SIGUSR1.
    pub const USR1: Self = Self(libc::SIGUSR1);
    pub(crate) const CHLD: Self = Self(libc::SIGCHLD);
    pub(crate) const TTIN: Self = Self(libc::SIGTTIN);
    pub(crate) const TTOU: Self = Self(libc::SIGTTOU);

    /// The signal with this number, if this machine has it.
    pub fn from_number(number: i32) -> Option<Self> {
        (1..=libc::SIGRTMAX()).contains(&number).then_some(Self(number))
    }

    /// Its number.
    pub fn number(self) -> i32 {
        self.0
    }

    /// Reads `TERM`, `SIGTERM`, `15`, `RTMIN+3`.
    pub fn parse(text: &str) -> Option<Self> {
        let word = text.trim().to_ascii_uppercase();
        if let Ok(number) = word.parse() {
            return Self::from_number(number);
        }
        let word = word.strip_prefix("SIG").unwrap_or(&word);
        if let Some(offset) = word.strip_prefix("RTMIN") {
            let offset = if offset.is_empty() { 0 } else { offset.strip_prefix('+')?.parse().ok()? };
            return libc::SIGRTMIN().checked_add(offset).and_then(Self::from_number);
        }
        format!("SIG{word}").parse::<nix::sys::signal::Signal>().ok().map(|signal| Self(signal as i32))
    }

    /// All signals that a supervisor collects and passes on: everything but
    /// - SIGKILL and SIGSTOP, which nobody can collect, and SIGCHLD, which is about our own children;
    /// - the faults (SEGV, BUS, FPE, ILL, TRAP, ABRT, SYS): when the kernel sends one, this process is broken and must not go on;
    /// - TTIN and TTOU, which a terminal sends to us for our own reads and writes.
    ///
    /// Real-time signals start at the C library's own minimum: the few below it are its internal ones (nptl(7)).
    pub fn forwardable() -> impl Iterator<Item = Self> {
        const KEPT: [i32; 12] = [
            libc::SIGKILL,
            libc::SIGSTOP,
            libc::SIGCHLD,
            libc::SIGSEGV,
            libc::SIGBUS,
            libc::SIGFPE,
            libc::SIGILL,
            libc::SIGTRAP,
            libc::SIGABRT,
            libc::SIGSYS,
            libc::SIGTTIN,
            libc::SIGTTOU,
        ];
        (1..32).filter(|number| !KEPT.contains(number)).chain(libc::SIGRTMIN()..=libc::SIGRTMAX()).map(Self)
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match nix::sys::signal::Signal::try_from(self.0) {
            Ok(signal) => f.write_str(signal.as_str()),
            Err(_) if self.0 >= libc::SIGRTMIN() => write!(f, "SIGRTMIN+{}", self.0 - libc::SIGRTMIN()),
            Err(_) => write!(f, "signal {}", self.0),
        }
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_read_in_every_spelling() {
        for text in ["TERM", "SIGTERM", "term", " 15 "] {
            assert_eq!(Signal::parse(text), Some(Signal::TERM), "{text}");
        }
        assert_eq!(Signal::parse("RTMIN+3"), Signal::from_number(libc::SIGRTMIN() + 3));
        for text in ["", "SIG", "NONE", "0", "99", "RTMIN-1", "RTMIN+99"] {
            assert_eq!(Signal::parse(text), None, "{text}");
        }
    }

    #[test]
    fn every_forwardable_signal_reads_back_from_its_own_name() {
        for signal in Signal::forwardable() {
            assert_eq!(Signal::parse(&signal.to_string()), Some(signal), "{signal}");
        }
    }

    #[test]
    fn real_time_signals_are_forwardable_and_faults_are_not() {
        let all: Vec<i32> = Signal::forwardable().map(Signal::number).collect();
        assert!(all.contains(&libc::SIGRTMIN()) && all.contains(&libc::SIGRTMAX()) && all.contains(&libc::SIGPIPE));
        assert!(!all.contains(&libc::SIGSEGV) && !all.contains(&libc::SIGCHLD) && !all.contains(&libc::SIGKILL));
    }
}
