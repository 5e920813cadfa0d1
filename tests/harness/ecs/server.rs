//! The thread that serves, and what it remembers. Owns runtime and lock; must not know what a right answer is.

use std::collections::BTreeSet;
use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::response::Response;
use nix::sched::{CloneFlags, setns};
use nix::unistd::Pid;
use tokio::sync::watch;

use super::{Put, Rules, Seen, agent, instance};

/// The largest body anybody sends us.
const BODY_LIMIT: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) address: SocketAddr,
    /// Part of the paths, as the agent makes it: it tells containers apart.
    pub(super) container: String,
    pub(super) task: String,
    pub(super) started: Instant,
    world: Mutex<World>,
    changed: Condvar,
}

#[derive(Debug)]
pub(super) struct World {
    pub(super) rules: Rules,
    pub(super) log: Vec<Seen>,
    pub(super) protections: Vec<Put>,
    pub(super) protection_ends: Option<SystemTime>,
    pub(super) spot_ends: Option<SystemTime>,
    pub(super) tokens: BTreeSet<String>,
}

impl World {
    pub(super) fn protected_until(&self) -> Option<SystemTime> {
        self.protection_ends.filter(|&end| end > SystemTime::now())
    }
}

/// One request, read whole.
pub(super) struct Asked {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) at: Duration,
}

pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    pub(super) body: String,
}

impl Shared {
    pub(super) fn with<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        let done = act(&mut self.world.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
        done
    }

    pub(super) fn wait_for_change(&self, at_most: Duration) {
        let world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.changed.wait_timeout(world, at_most));
    }
}

#[derive(Debug)]
pub(super) struct Server {
    pub(super) shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
}

impl Server {
    pub(super) fn start(rules: Rules) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a loopback port is free");
        let shared = Arc::new(Shared {
            address: listener.local_addr().expect("a bound listener has an address"),
            container: format!("{}-{}", random_hex(), getrandom::u32().expect("the kernel gives random numbers")),
            task: random_hex(),
            started: Instant::now(),
            world: Mutex::new(World {
                rules,
                log: Vec::new(),
                protections: Vec::new(),
                protection_ends: None,
                spot_ends: None,
                tokens: BTreeSet::new(),
            }),
            changed: Condvar::new(),
        });
        let mut server = Self { shared, stop: watch::Sender::new(false), threads: Vec::new() };
        let (shared, stopped) = (Arc::clone(&server.shared), server.stop.subscribe());
        server.threads.push(std::thread::spawn(move || serve(listener, shared, stopped)));
        server
    }

    /// Listens at the same address in the network of another process, too.
    pub(super) fn reach_from(&mut self, pid: Pid) {
        let network = File::open(format!("/proc/{pid}/ns/net")).expect("open the network of the process");
        let (shared, stopped) = (Arc::clone(&self.shared), self.stop.subscribe());
        let (bound, is_bound) = std::sync::mpsc::channel();
        self.threads.push(std::thread::spawn(move || {
            // Of this thread only; a socket belongs to the network it was made in.
            setns(network, CloneFlags::CLONE_NEWNET).expect("join the network of the process");
            let listener = TcpListener::bind(shared.address).expect("the port is free there");
            let _ = bound.send(());
            serve(listener, shared, stopped);
        }));
        is_bound.recv().expect("the stand-in listens in the other network");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// 32 digits, as in ARNs and container ids.
pub(super) fn random_hex() -> String {
    let half = || getrandom::u64().expect("the kernel gives random numbers");
    format!("{:016x}{:016x}", half(), half())
}

fn serve(listener: TcpListener, shared: Arc<Shared>, mut stopped: watch::Receiver<bool>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
    runtime.block_on(async {
        listener.set_nonblocking(true).expect("a listener can be made non-blocking");
        let listener = tokio::net::TcpListener::from_std(listener).expect("the listener is non-blocking");
        let app = Router::new().fallback(handle).with_state(shared);
        tokio::select! {
            served = axum::serve(listener, app) => served.expect("serving never fails"),
            _ = stopped.wait_for(|stop| *stop) => {}
        }
    });
    runtime.shutdown_background();
}

async fn handle(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let asked = Asked {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        headers: head.headers,
        body: to_bytes(body, BODY_LIMIT).await.unwrap_or_default(),
        at: shared.started.elapsed(),
    };
    let latency = shared.with(|world| world.rules.latency);
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    let answer = shared.with(|world| {
        let answer = if world.rules.late > 0 {
            world.rules.late -= 1;
            Answer { status: 500, content_type: "text/plain", body: String::new() }
        } else if asked.path.starts_with("/latest/") {
            instance::answer(world, &asked)
        } else {
            agent::answer(world, &shared, &asked)
        };
        world.log.push(Seen { method: asked.method.clone(), path: asked.path.clone(), status: answer.status, at: asked.at });
        answer
    });
    let response = Response::builder().status(answer.status).header("content-type", answer.content_type);
    response.body(Body::from(answer.body)).expect("our own headers are valid")
}
