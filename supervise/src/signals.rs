//! Signals as a stream. Handlers, not a blocked mask: std hands a blocked mask to children, which would then never see SIGTERM.

use std::{
    io,
    os::fd::{AsFd as _, IntoRawFd as _, OwnedFd},
};

use nix::{
    fcntl::OFlag,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::signal::{SigSet, SigmaskHow, sigprocmask},
    unistd::pipe2,
};
use tokio::net::unix::pipe::Receiver;

use crate::{
    Signal,
    kernel::{self, ARRIVAL, Arrival},
};

/// Signals of one reading.
const BATCH: usize = 1024;

/// All signals of this process from the moment of [`Signals::collect`].
#[derive(Debug)]
pub struct Signals {
    pipe: OwnedFd,
}

impl Signals {
    /// Begins to collect. The first thing `main` does: until then PID 1 is deaf, and the kernel drops what it is sent.
    ///
    /// An inherited mask is cleared and inherited dispositions are replaced, SIGCHLD's too: with SIGCHLD ignored the kernel reaps for
    /// us, and the exit code of the child is lost.
    ///
    /// # Errors
    /// No descriptors are left, or the kernel refuses a handler.
    pub fn collect() -> io::Result<Self> {
        let (read, write) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
        // The handlers live as long as the process, and so do both ends of the pipe. With nobody to read, a write would raise SIGPIPE,
        // whose handler writes: a process that was sent a signal in its last microseconds never ended.
        let write = write.into_raw_fd();
        let _ = read.try_clone()?.into_raw_fd();
        // TTIN and TTOU are collected to be dropped: their default would stop us for touching the terminal that the child has.
        kernel::report_to(write, Signal::forwardable().chain([Signal::CHLD, Signal::TTIN, Signal::TTOU]))?;
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None)?;
        Ok(Self { pipe: read })
    }

    /// For a program that is no supervisor: calls `act`, on a thread of its own, when the first signal that asks a process to end
    /// arrives. Until then the thread sleeps; without it the signals would be collected and never heard.
    pub fn on_end(self, act: impl FnOnce() + Send + 'static) {
        std::thread::spawn(move || {
            loop {
                let mut ready = [PollFd::new(self.pipe.as_fd(), PollFlags::POLLIN)];
                // Interrupted by a signal, it has something to read.
                let _ = poll(&mut ready, PollTimeout::NONE);
                let arrived = drain(|buffer| Ok(nix::unistd::read(&self.pipe, buffer)?));
                let ends = [Signal::TERM, Signal::INT, Signal::QUIT, Signal::HUP];
                if meant_for_us(arrived).iter().any(|signal| ends.contains(signal)) {
                    return act();
                }
            }
        });
    }

    /// What has arrived already, and the stream of what will. Needs tokio's reactor.
    pub(crate) fn listen(self) -> io::Result<(Vec<Signal>, Listener)> {
        // Straight from the descriptor: tokio has not yet asked the kernel whether it is readable, and would say that it is not.
        let arrived = drain(|buffer| Ok(nix::unistd::read(&self.pipe, buffer)?));
        Ok((meant_for_us(arrived), Listener { pipe: Receiver::from_owned_fd(self.pipe)? }))
    }
}

/// The stream on tokio's reactor.
#[derive(Debug)]
pub(crate) struct Listener {
    pipe: Receiver,
}

impl Listener {
    /// Waits, without waking up in between, until something arrives.
    pub(crate) async fn next(&self) -> Vec<Signal> {
        loop {
            // It cannot fail while the runtime lives.
            let _ = self.pipe.readable().await;
            let arrivals = drain(|buffer| self.pipe.try_read(buffer));
            if !arrivals.is_empty() {
                return meant_for_us(arrivals);
            }
        }
    }
}

/// What is in the pipe, oldest first, and at most [`BATCH`] of it: whoever sends signals faster than we read would hold us here for ever.
/// Records are written whole, so they are read whole.
fn drain(read: impl FnOnce(&mut [u8]) -> io::Result<usize>) -> Vec<Arrival> {
    let mut buffer = [0; ARRIVAL * BATCH];
    let length = read(&mut buffer).unwrap_or(0);
    let (records, _) = buffer[..length].as_chunks::<ARRIVAL>();
    records.iter().filter_map(|&record| kernel::arrival(record)).collect()
}

/// Without what is about ourselves: our own use of the terminal, and a SIGPIPE of the kernel's, whose write already got its error. A
/// SIGPIPE that somebody sent is passed on.
fn meant_for_us(arrivals: Vec<Arrival>) -> Vec<Signal> {
    let ours = |arrival: &Arrival| match arrival.signal {
        Signal::TTIN | Signal::TTOU => true,
        signal => signal.number() == libc::SIGPIPE && !arrival.by_process,
    };
    arrivals.into_iter().filter(|arrival| !ours(arrival)).map(|arrival| arrival.signal).collect()
}
