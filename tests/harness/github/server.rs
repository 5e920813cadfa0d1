//! The thread that serves: takes a request, writes it down, performs its step, answers.
//!
//! Owns runtime, locks and waking; must not know what a right answer is.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::response::Response;
use nix::sched::{CloneFlags, setns};
use nix::unistd::Pid;
use tokio::sync::{Notify, watch};

use super::rest::{self, Answer};
use super::route::{Place, place};
use super::script::{Act, Fate};
use super::wire::{Breakable, Breaker};
use super::world::World;
use super::{Route, Rules, Seen, Step, limits, offer, runner_side};

/// The largest body anybody sends us.
const BODY_LIMIT: usize = 4 << 20;

/// A waiter looks again after this time even when nobody wakes it: expiry has no event.
const LOOK_AGAIN: Duration = Duration::from_millis(25);

#[derive(Debug)]
pub(super) struct Shared {
    world: Mutex<World>,
    changed: Condvar,
    wake: Notify,
    address: SocketAddr,
    prefix: &'static str,
    pub(super) started: Instant,
}

/// One request, read whole.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) place: Place,
    pub(super) seen: Seen,
}

impl Shared {
    /// The address without the API's prefix: what a runner talks to.
    pub(super) fn root_url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn api_url(&self) -> String {
        format!("http://{}{}", self.address, self.prefix)
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        world.expire(Instant::now());
        world
    }

    /// Acts on the world and wakes everybody who waits for a change.
    pub(super) fn with<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        let result = act(&mut self.lock());
        self.changed.notify_all();
        self.wake.notify_waiters();
        result
    }

    /// Blocks a test until something changed or `limit` passed.
    pub(super) fn wait_for_change(&self, limit: Duration) {
        drop(self.changed.wait_timeout(self.lock(), limit));
    }

    /// Waits, in a handler, until `look` gives a value. `look` may change the world when it gives one.
    pub(super) async fn until<T>(&self, mut look: impl FnMut(&mut World) -> Option<T>) -> T {
        loop {
            let woken = self.wake.notified();
            let found = look(&mut self.lock());
            if let Some(found) = found {
                self.with(|_| ());
                return found;
            }
            let _ = tokio::time::timeout(LOOK_AGAIN, woken).await;
        }
    }

    async fn pass_gate(&self, name: &str) {
        self.with(|world| world.gates.entry(name.to_owned()).or_default().reached += 1);
        self.until(|world| (world.stopping || world.gates.get(name).is_some_and(|gate| gate.open)).then_some(())).await;
    }

    async fn real(&self, asked: &Asked) -> Answer {
        match asked.place.route {
            Route::Poll => runner_side::poll(self, asked).await,
            Route::Connect => self.with(|world| runner_side::connect(world, asked)),
            Route::Done => self.with(|world| runner_side::done(world, asked)),
            Route::Disconnect => self.with(|world| runner_side::disconnect(world, asked)),
            Route::Offer => self.with(|world| offer::answer(world, asked)),
            _ => self.with(|world| rest::answer(world, asked, &self.root_url(), &self.api_url())),
        }
    }
}

#[derive(Debug)]
pub(super) struct Server {
    pub(super) shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
}

impl Server {
    pub(super) fn start(rules: Rules, address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).expect("a loopback port is free");
        let shared = Arc::new(Shared {
            address: listener.local_addr().expect("a bound listener has an address"),
            prefix: rules.prefix.text(),
            world: Mutex::new(World::new(rules)),
            changed: Condvar::new(),
            wake: Notify::new(),
            started: Instant::now(),
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
            let listener = TcpListener::bind(shared.address);
            // It may listen there already, for an earlier runner beside the same sidecar.
            let listens = listener.as_ref().err().is_some_and(|error| error.kind() == std::io::ErrorKind::AddrInUse);
            let listener = (!listens).then(|| listener.expect("the address can be had there"));
            let _ = bound.send(());
            if let Some(listener) = listener {
                serve(listener, shared, stopped);
            }
        }));
        is_bound.recv().expect("the stand-in listens in the other network");
    }
}

fn serve(listener: TcpListener, shared: Arc<Shared>, mut stopped: watch::Receiver<bool>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
    runtime.block_on(async {
        listener.set_nonblocking(true).expect("a listener can be made non-blocking");
        let listener = Breakable(tokio::net::TcpListener::from_std(listener).expect("the listener is non-blocking"));
        let app = Router::new().fallback(handle).with_state(shared).into_make_service_with_connect_info::<Breaker>();
        tokio::select! {
            served = axum::serve(listener, app) => served.expect("serving never fails"),
            _ = stopped.wait_for(|stop| *stop) => {}
        }
    });
    runtime.shutdown_background();
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.with(|world| world.stopping = true);
        self.stop.send_replace(true);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

async fn handle(State(shared): State<Arc<Shared>>, ConnectInfo(breaker): ConnectInfo<Breaker>, request: Request) -> Response {
    let asked = read(&shared, request).await;
    let index = shared.with(|world| {
        world.log.push(asked.seen.clone());
        world.log.len() - 1
    });
    let step = shared.with(|world| world.scripts.get_mut(&asked.place.route).and_then(std::collections::VecDeque::pop_front));
    let step = step.unwrap_or_else(Step::real);
    if let Some(gate) = &step.gate_before {
        shared.pass_gate(gate).await;
    }
    let latency = if asked.place.route.is_api() { shared.with(|world| world.rules.latency) } else { Duration::ZERO };
    if !(step.delay + latency).is_zero() {
        tokio::time::sleep(step.delay + latency).await;
    }
    let mut answer = match step.act {
        Act::Real => shared.real(&asked).await,
        Act::Nothing => Answer::empty(200),
        Act::Instead { status, headers, body, committed } => {
            if committed {
                shared.real(&asked).await;
            }
            Answer { status, headers, body: Some(body) }
        }
    };
    if let Some(gate) = &step.gate_after {
        shared.pass_gate(gate).await;
    }
    match step.fate {
        Fate::Delivered => {}
        Fate::Cut(bytes) => breaker.cut_after(bytes),
        Fate::Lost => breaker.close(),
        Fate::Hangs => shared.until(|world| world.stopping.then_some(())).await,
    }
    if matches!(step.fate, Fate::Delivered | Fate::Cut(_)) {
        shared.with(|world| world.log[index].status = Some(answer.status));
    }
    shared.with(|world| limits::sign(world, &mut answer));
    respond(answer)
}

async fn read(shared: &Shared, request: Request) -> Asked {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, BODY_LIMIT).await.unwrap_or_default();
    let path = head.uri.path_and_query().map_or_else(|| head.uri.path().to_owned(), ToString::to_string);
    let headers = head.headers.iter().map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    let place = place(head.method.as_str(), head.uri.path(), shared.prefix);
    let seen = Seen {
        route: place.route,
        method: head.method.to_string(),
        path,
        headers: headers.collect(),
        body: String::from_utf8_lossy(&body).into_owned(),
        status: None,
        at: shared.started.elapsed(),
    };
    Asked { place, seen }
}

fn respond(answer: Answer) -> Response {
    let mut response = Response::builder().status(answer.status);
    if answer.body.is_some() && !answer.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
        response = response.header("content-type", "application/json; charset=utf-8");
    }
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    response.body(answer.body.map_or_else(Body::empty, Body::from)).expect("scripted headers are valid")
}
