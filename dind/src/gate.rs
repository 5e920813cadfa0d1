//! Owns the guard in front of a docker daemon (`DOCKER_API_POLICY=guarded`): a process of its own that has the runner's socket, and
//! passes on to the daemon's what a list allows.
//!
//! ```text
//! job -> docker.sock -> gate: route -> body -> relay -> the daemon's own socket, which no job can reach
//! ```
//!
//! It is made to be attacked: another user without any capability, without an environment, that reads nothing but its two sockets. What
//! it does not know it refuses, and what it has judged it writes anew, so that nobody after it reads something else. When it dies the
//! machine starts another; containers do not notice.

pub mod allow;
mod body;
pub mod builder;
mod json;
pub mod pin;
mod refusal;
mod relay;
mod route;

use std::{
    ffi::OsString,
    fs, io,
    os::unix::{ffi::OsStringExt as _, fs::PermissionsExt as _, net::UnixListener},
    path::PathBuf,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use nix::{
    sys::stat::{Mode, umask},
    unistd::{Gid, Uid},
};
use supervise::{Signals, records};
use tokio::sync::{Semaphore, oneshot};

use self::{allow::Allow, relay::Relay};

/// Its user and its group, which nothing else has: the daemon's own socket belongs to the group.
pub const USER: u32 = 64_999;

/// The line that says that its socket can be published.
pub const LISTENING: &str = "listening";

/// Clients at a time; more wait in the kernel's queue. Each takes two descriptors, and 1024 is what a process may always have.
const CLIENTS: usize = 400;

/// How long a client may take for the head of a request, or keep a connection without one. Docker's own give up an idle one after 30 s.
const HEAD: Duration = Duration::from_secs(60);

/// Of the head of a request; docker's longest header is a registry's credentials of some kilobytes.
const LONGEST_HEAD: usize = 64 * 1024;
const HEADERS: usize = 100;

/// What it needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Where it listens. The name must be free, or a socket that nobody has any more.
    pub listen: PathBuf,
    /// Where the daemon listens.
    pub daemon: PathBuf,
    /// The group that may use its socket.
    pub group: u32,
    /// What is allowed.
    pub allow: Allow,
}

/// Why it cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// Called by hand.
    #[error("the gate is started by runner-dind itself: {0}")]
    Order(String),
    /// The kernel refuses.
    #[error("the gate cannot {operation}: {cause}")]
    Refused {
        /// What was tried.
        operation: &'static str,
        /// Why not.
        cause: io::Error,
    },
}

impl Order {
    /// As a command line, without the program.
    pub fn arguments(&self) -> Vec<OsString> {
        let group = self.group.to_string();
        vec!["gate".into(), self.listen.clone().into(), self.daemon.clone().into(), group.into(), self.allow.entries().join(",").into()]
    }

    /// Reads what [`Order::arguments`] wrote, without the first.
    ///
    /// # Errors
    /// It did not write this.
    pub fn read(arguments: Vec<OsString>) -> Result<Self, GateError> {
        let wrong = |what: &str| GateError::Order(what.to_owned());
        let [listen, daemon, group, allow]: [OsString; 4] =
            arguments.try_into().map_err(|_| wrong("it wants two sockets, a group and a list"))?;
        let group = group.to_str().and_then(|group| group.parse().ok()).ok_or_else(|| wrong("its group is no number"))?;
        let allow = String::from_utf8(allow.into_vec()).map_err(|_| wrong("its list is no text"))?;
        let allow = Allow::read(allow.split(',').filter(|entry| !entry.is_empty())).map_err(|problems| wrong(&problems.join("; ")))?;
        Ok(Self { listen: listen.into(), daemon: daemon.into(), group, allow })
    }
}

/// Serves until it is told to end.
///
/// # Errors
/// It cannot listen, or cannot give up its rights.
pub fn run(signals: Signals, order: Order) -> Result<(), GateError> {
    let refused = |operation| move |cause| GateError::Refused { operation, cause };
    let listener = listen(&order).map_err(refused("listen"))?;
    if Uid::effective().is_root() {
        become_nobody().map_err(refused("give up its rights"))?;
    }
    // Asked for last: a change of user takes it back (prctl(2)).
    let _ = nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL);
    let (tell, told) = oneshot::channel();
    signals.on_end(move || tell.send(()).unwrap_or(()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build().map_err(refused("start"))?;
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let listener = tokio::net::UnixListener::from_std(listener).map_err(refused("listen"))?;
        records::answer(&format!("{LISTENING}\n"));
        tokio::select! {
            () = serve(listener, Rc::new(Relay::new(order.daemon, order.allow))) => {}
            _ = told => {}
        }
        Ok(())
    })
}

/// While it is root: the socket lies in a folder that is root's alone.
fn listen(order: &Order) -> io::Result<UnixListener> {
    match fs::remove_file(&order.listen) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // Nobody else's for the moment before it has its group.
    let before = umask(Mode::from_bits_truncate(0o177));
    let listener = UnixListener::bind(&order.listen);
    umask(before);
    let listener = listener?;
    nix::unistd::chown(&order.listen, None, Some(Gid::from_raw(order.group)))?;
    fs::set_permissions(&order.listen, fs::Permissions::from_mode(0o660))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Another user and no group but its own, so that all capabilities are gone (capabilities(7), "Effect of user ID changes"), and none
/// can come back.
fn become_nobody() -> io::Result<()> {
    nix::unistd::setgroups(&[])?;
    let (user, group) = (Uid::from_raw(USER), Gid::from_raw(USER));
    nix::unistd::setresgid(group, group, group)?;
    nix::unistd::setresuid(user, user, user)?;
    nix::sys::prctl::set_no_new_privs()?;
    Ok(())
}

async fn serve(listener: tokio::net::UnixListener, relay: Rc<Relay>) {
    let seats = Arc::new(Semaphore::new(CLIENTS));
    loop {
        let Ok(seat) = Arc::clone(&seats).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            // Descriptors are short for a moment; without a pause this would be a busy loop.
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        let (relay, seat) = (Rc::clone(&relay), Rc::new(seat));
        tokio::task::spawn_local(async move {
            let service = service_fn(move |request| {
                let (relay, seat) = (Rc::clone(&relay), Rc::clone(&seat));
                async move { Ok::<_, std::convert::Infallible>(relay.answer(request, seat).await) }
            });
            let mut server = http1::Builder::new();
            server.timer(TokioTimer::new()).header_read_timeout(HEAD).max_headers(HEADERS).max_buf_size(LONGEST_HEAD);
            // What goes wrong on a client's connection is the client's to see.
            let _ = server.serve_connection(TokioIo::new(stream), service).with_upgrades().await;
        });
    }
}

#[cfg(test)]
mod tests;
