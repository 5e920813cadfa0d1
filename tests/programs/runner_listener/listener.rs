//! The Listener: session, long poll, one Worker per job, signals.
//!
//! One thread decides; others only send it what happened (a signal, an answer to the poll, the end of the Worker).

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, ExitCode, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant, SystemTime};

use runner_tests::github::{Job, Order};
use runner_tests::http::{Answer, Request};
use serde_json::{Value, json};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::options::Options;
use crate::perf;
use crate::registration::{self, Registration};

/// As told to the service.
const VERSION: &str = "2.336.0";
/// Polls that may fail in a row before the Listener gives up (exit 2).
const POLLS: u32 = 10;

// Exit codes: actions/runner, src/Runner.Common/Constants.cs, ReturnCode.
const SUCCESS: u8 = 0;
const TERMINATED: u8 = 1;
const RETRYABLE: u8 = 2;
const UPDATING: u8 = 3;
const ONCE_UPDATING: u8 = 4;
const CONFLICT: u8 = 5;
const TERMINATED_BY_SIGTERM: u8 = 143;

enum Event {
    Signal(i32),
    Polled(std::io::Result<Answer>),
    WorkerEnded { code: Option<i32>, log: String },
}

pub(crate) fn main(arguments: &[String]) -> ExitCode {
    let code = run(arguments);
    let _ = std::io::stdout().flush();
    ExitCode::from(code)
}

fn run(arguments: &[String]) -> u8 {
    let (options, mut environment) = Options::take(arguments);
    if nix::unistd::geteuid().is_root() && environment.get("RUNNER_ALLOW_RUNASROOT").is_none_or(String::is_empty) {
        eprintln!("Must not run with sudo");
        return TERMINATED;
    }
    // Handlers before anything else: a signal during the connect must not be lost.
    let (events, inbox) = channel();
    let mut signals = Signals::new([SIGINT, SIGTERM]).expect("handlers can be set");
    let to_main = events.clone();
    std::thread::spawn(move || signals.forever().for_each(|signal| drop(to_main.send(Event::Signal(signal)))));

    let root = runner_root();
    load_env_file(&root, &mut environment);
    if let Some(blob) = options.value("jitconfig")
        && let Err(error) = registration::write(&root, &blob)
    {
        eprintln!("An error occurred: {error}");
        return TERMINATED;
    }
    if let Some(code) = environment.get("STAND_IN_EXIT").and_then(|text| text.parse().ok()) {
        return code;
    }
    let Some(registration) = registration::read(&root) else {
        println!("An error occurred: Not configured. Run config.(sh/cmd) to configure the runner.");
        return TERMINATED;
    };
    Listener { root, registration, environment, events, inbox, stopping: None, unload_end: None }.run()
}

/// The directory above `bin`.
pub(crate) fn runner_root() -> PathBuf {
    let own = std::env::current_exe().expect("this process has a path");
    let bin = own.parent().unwrap_or(Path::new("/"));
    if bin.ends_with("bin") { bin.parent().unwrap_or(Path::new("/")).into() } else { std::env::current_dir().expect("a directory") }
}

/// `.env` in the runner root overrides the real environment.
fn load_env_file(root: &Path, environment: &mut BTreeMap<String, String>) {
    let text = std::fs::read_to_string(root.join(".env")).unwrap_or_default();
    environment.extend(text.lines().filter_map(|line| line.split_once('=')).map(|(name, value)| (name.into(), value.into())));
}

struct Listener {
    root: PathBuf,
    registration: Registration,
    environment: BTreeMap<String, String>,
    events: Sender<Event>,
    inbox: Receiver<Event>,
    /// The first signal; later ones change nothing.
    stopping: Option<i32>,
    /// After SIGTERM the process ends at this instant, whatever still runs.
    unload_end: Option<Instant>,
}

fn say(text: &str) {
    let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string().replace('T', " ");
    println!("{now}: {text}");
}

impl Listener {
    fn run(mut self) -> u8 {
        let order = match self.connect() {
            Ok(Some(Order::Exit(code))) => return code,
            Ok(Some(Order::Die)) => die(),
            Ok(Some(Order::Conflict)) => {
                println!("A session for this runner already exists.");
                return CONFLICT;
            }
            Ok(order) => order,
            Err(code) => return code,
        };
        perf::note(&self.environment, "SessionCreated");
        println!("\n√ Connected to GitHub\n\nCurrent runner version: '{VERSION}'");
        say("Listening for Jobs");
        match order {
            Some(Order::Update) => return self.update(),
            Some(Order::Vanish) => return self.gone(),
            _ => self.poll(),
        }
        let mut failures = 0;
        loop {
            match self.inbox.recv() {
                Ok(Event::Signal(signal)) => {
                    self.stopping = Some(signal);
                    return self.leave_idle();
                }
                Ok(Event::Polled(Ok(answer))) => match answer.status {
                    200 => match serde_json::from_value(answer.json()["job"].clone()) {
                        Ok(job) => return self.work(&job),
                        Err(_) => return RETRYABLE,
                    },
                    204 => {
                        failures = 0;
                        self.poll();
                    }
                    410 => return self.gone(),
                    _ => return RETRYABLE,
                },
                Ok(Event::Polled(Err(error))) => {
                    failures += 1;
                    if failures == POLLS {
                        eprintln!("Runner listener failed: {error}");
                        return RETRYABLE;
                    }
                    self.poll();
                }
                Ok(Event::WorkerEnded { .. }) | Err(_) => return RETRYABLE,
            }
        }
    }

    fn request(&self, call: &str, extra: &Value) -> Request {
        let mut body = json!({"agent_id": self.registration.id, "secret": self.registration.secret, "version": VERSION});
        if let (Some(body), Some(extra)) = (body.as_object_mut(), extra.as_object()) {
            body.extend(extra.clone());
        }
        let url = format!("{}/_runner/{call}", self.registration.server);
        Request::new("POST", url).header("User-Agent", "GitHubActionsRunner-stand-in").json(&body).limit(Duration::from_secs(60))
    }

    /// In a thread of its own, so that a signal is heard while the service is silent.
    fn connect(&mut self) -> Result<Option<Order>, u8> {
        let (request, to_main) = (self.request("connect", &json!({})), self.events.clone());
        std::thread::spawn(move || to_main.send(Event::Polled(request.send())));
        match self.inbox.recv() {
            Ok(Event::Polled(Ok(answer))) => match answer.status {
                200 => Ok(serde_json::from_value(answer.json()["order"].clone()).unwrap_or(None)),
                409 => Ok(Some(Order::Conflict)),
                410 => {
                    println!("Failed to create a session. The runner registration has been deleted from the server, please re-configure.");
                    Err(TERMINATED)
                }
                _ => Err(RETRYABLE),
            },
            Ok(Event::Polled(Err(error))) => {
                eprintln!("Runner connect error: {error}. Retrying until reconnected.");
                Err(RETRYABLE)
            }
            Ok(Event::Signal(signal)) => {
                self.stopping = Some(signal);
                println!("Exiting...");
                Err(self.code())
            }
            Ok(Event::WorkerEnded { .. }) | Err(_) => Err(RETRYABLE),
        }
    }

    fn poll(&self) {
        let (request, to_main) = (self.request("poll", &json!({})), self.events.clone());
        std::thread::spawn(move || to_main.send(Event::Polled(request.send())));
    }

    /// 143 after SIGTERM (the .NET run time latches it), else success.
    fn code(&self) -> u8 {
        if self.stopping == Some(SIGTERM) { TERMINATED_BY_SIGTERM } else { SUCCESS }
    }

    fn leave_idle(self) -> u8 {
        println!("Exiting...");
        self.end_session();
        self.code()
    }

    /// Deletes the session; the registration stays, and errors change nothing.
    fn end_session(&self) {
        let _ = self.request("disconnect", &json!({})).send();
    }

    fn gone(self) -> u8 {
        println!("The runner no longer exists on the server. Cleaning up local configuration.");
        registration::remove(&self.root);
        SUCCESS
    }

    /// Leaves to be updated. What swaps the runner's folders waits for this process to end and then leaves a file where it was started
    /// (actions/runner, src/Misc/layoutbin/update.sh.template).
    fn update(self) -> u8 {
        println!("Runner update in progress, do not shutdown runner.\nGenerate and execute update script.");
        let script = format!("while kill -0 {} 2>/dev/null; do sleep 0.01; done; touch update.finished", std::process::id());
        let mut update = Command::new("bash");
        update.args(["-c", &script]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let started = update.spawn();
        if let Err(error) = started {
            eprintln!("start the update: {error}");
            return RETRYABLE;
        }
        println!("Runner will exit shortly for update, should be back online within 10 seconds.");
        self.end_session();
        if self.registration.ephemeral { ONCE_UPDATING } else { UPDATING }
    }

    fn work(mut self, job: &Job) -> u8 {
        perf::note(&self.environment, "MessageReceived_RunnerJobRequest");
        say(&format!("Running job: {}", job.name));
        perf::note(&self.environment, "StartingWorkerProcess");
        let Ok(mut to_worker) = self.start_worker(job) else { return RETRYABLE };
        perf::note(&self.environment, &format!("SentJobToWorker_{}", self.registration.id));
        let (code, log) = loop {
            let event = match self.unload_end {
                None => self.inbox.recv().ok(),
                Some(end) => match self.inbox.recv_timeout(end.saturating_duration_since(Instant::now())) {
                    Ok(event) => Some(event),
                    // The time SIGTERM leaves is over: gone at once, the Worker may live on.
                    Err(_) => return TERMINATED_BY_SIGTERM,
                },
            };
            match event {
                Some(Event::Signal(signal)) if self.stopping.is_none() => {
                    self.stopping = Some(signal);
                    println!("Exiting...");
                    let _ = to_worker.write_all(b"cancel\n");
                    if signal == SIGTERM {
                        self.unload_end = Some(Instant::now() + Duration::from_millis(job.unload_limit));
                    }
                }
                Some(Event::Signal(_) | Event::Polled(_)) => {}
                Some(Event::WorkerEnded { code, log }) => break (code, log),
                None => return RETRYABLE,
            }
        };
        let by_steps = if code == Some(100) { "Succeeded" } else { "Failed" };
        let result = if self.stopping.is_some() { "Canceled" } else { job.result.as_deref().unwrap_or(by_steps) };
        let _ = self.request("done", &json!({"job": job.name, "result": result, "log": log})).send();
        say(&format!("Job {} completed with result: {result}", job.name));
        self.end_session();
        if self.registration.ephemeral {
            registration::remove(&self.root);
        }
        match job.then {
            Some(Order::Exit(code)) => code,
            Some(Order::Die) => die(),
            Some(Order::Conflict) => CONFLICT,
            Some(Order::Update) => self.update(),
            Some(Order::Vanish) => self.gone(),
            None => self.code(),
        }
    }

    /// The job goes to the Worker as one line; a later line cancels it. Steps' output comes back on its pipe.
    fn start_worker(&self, job: &Job) -> std::io::Result<ChildStdin> {
        let work = &self.registration.work;
        std::fs::create_dir_all(work)?;
        let named = self.root.join("bin/Runner.Worker");
        let program = if named.is_file() { named } else { std::env::current_exe()? };
        let mut environment = self.environment.clone();
        let default = work.join("_tool").to_string_lossy().into_owned();
        let tools = ["RUNNER_TOOL_CACHE", "RUNNER_TOOLSDIRECTORY", "AGENT_TOOLSDIRECTORY"];
        // The first that is set wins, and an empty one hides the others.
        let tools = tools.iter().find_map(|name| environment.get(*name).cloned()).filter(|text| !text.is_empty()).unwrap_or(default);
        environment.insert("RUNNER_TOOL_CACHE".into(), tools);
        environment.insert("RUNNER_NAME".into(), self.registration.name.clone());
        let mut worker = Command::new(program);
        worker.args(["spawnclient", "3", "4"]).current_dir(work).env_clear().envs(environment).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = worker.spawn()?;
        let mut channel = child.stdin.take().expect("piped");
        channel.write_all(format!("{}\n", serde_json::to_string(job)?).as_bytes())?;
        let (mut output, to_main) = (child.stdout.take().expect("piped"), self.events.clone());
        let (to_log, log) = std::sync::mpsc::channel::<Vec<u8>>();
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(length) = output.read(&mut piece)
                && length > 0
                && to_log.send(piece[..length].to_vec()).is_ok()
            {}
        });
        std::thread::spawn(move || {
            let code = child.wait().ok().and_then(|status| status.code());
            let mut bytes = Vec::new();
            // A daemon the job left may hold the pipe open: its silence ends the log.
            while let Ok(piece) = log.recv_timeout(Duration::from_millis(200)) {
                bytes.extend(piece);
            }
            let _ = to_main.send(Event::WorkerEnded { code, log: String::from_utf8_lossy(&bytes).into_owned() });
        });
        Ok(channel)
    }
}

fn die() -> ! {
    let _ = nix::sys::signal::raise(nix::sys::signal::Signal::SIGKILL);
    loop {
        std::thread::park();
    }
}
