//! The docker sidecar: how soon docker is ready, how long a stop takes, and what a clean-up adds to it; beside bare dockerd and a shell
//! entrypoint that does the usual steps with the same dockerd, each as PID 1 of the same box on the same XFS.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use nix::{
    sys::{signal::Signal, stat::Mode},
    unistd::mkfifo,
};
use runner_tests::{
    boxed::BoxedProcess,
    clock,
    need::{Need, lacks},
    pair::Pair,
    process::Ending,
};

use crate::{Programs, median, ratio};

const PATIENCE: Duration = Duration::from_secs(120);
const SHELL: &str = include_str!("dind/entrypoint.sh");

/// Containers that ignore SIGTERM, as an entrypoint that is a shell script does.
const STUBBORN: usize = 5;
const FILES: usize = 100_000;
/// To docker, and a tenth as many to `health`.
const QUESTIONS: usize = 400;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// Nothing but dockerd: what no entrypoint can be faster than, if it does not start containerd itself.
    Bare,
    Shell,
    Ours,
    /// With `DOCKER_STORAGE_CLEANUP=later`.
    OursLater,
}

impl Way {
    const ALL: [Self; 4] = [Self::Bare, Self::Shell, Self::Ours, Self::OursLater];

    fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare dockerd",
            Self::Shell => "shell entrypoint",
            Self::Ours => "runner-dind",
            Self::OursLater => "  clean-up later",
        }
    }
}

/// What a life has to do besides living.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Load {
    Nothing,
    Containers,
    Files,
}

#[derive(Debug, Default)]
struct Spans {
    ready: Vec<Duration>,
    stop: Vec<Duration>,
}

pub(crate) fn bench(programs: &Programs, alone: bool) {
    let lacking = lacks(&[Need::Docker]);
    if !lacking.is_empty() || !programs.dind.is_file() {
        println!("\ndind: left out, missing: {}", lacking.join("; "));
        return;
    }
    let runs = if alone { 9 } else { 3 };
    println!(
        "\ndind: medians of {runs} interleaved runs, each as PID 1 of a box of its own on XFS; ready = /_ping is answered at the published\n\
         socket, for runner-dind after a container has run; stop = SIGTERM to the end of PID 1, data-root removed (bare dockerd: kept)"
    );
    println!("{:<18} {:>9} {:>7} {:>9} {:>12} {:>7} {:>14}", "", "ready", "/bare", "stop", "5 stubborn", "/ours", "100,000 files");
    let mut spans: Vec<[Spans; 3]> = Way::ALL.iter().map(|_| Default::default()).collect();
    for run in 0..runs {
        for (way, spans) in Way::ALL.into_iter().zip(&mut spans) {
            for (load, spans) in [Load::Nothing, Load::Containers, Load::Files].into_iter().zip(spans) {
                // A third of the runs with files: making them takes longer than all that is measured.
                if load == Load::Files && run % 3 != 0 {
                    continue;
                }
                let (ready, stop) = live(programs, way, load);
                spans.ready.push(ready);
                spans.stop.push(stop);
            }
        }
    }
    let ready: Vec<Duration> = spans.iter().map(|spans| median(spans.iter().flat_map(|spans| spans.ready.clone()).collect())).collect();
    let stops: Vec<[Duration; 3]> = spans.into_iter().map(|spans| spans.map(|spans| median(spans.stop))).collect();
    let milliseconds = |span: Duration| format!("{} ms", span.as_millis());
    for (way, (ready_after, [nothing, stubborn, files])) in Way::ALL.into_iter().zip(ready.iter().zip(&stops)) {
        println!(
            "{:<18} {:>9} {:>7} {:>9} {:>12} {:>7} {:>14}",
            way.name(),
            milliseconds(*ready_after),
            ratio(*ready_after, ready[0]),
            milliseconds(*nothing),
            milliseconds(*stubborn),
            ratio(*stubborn, stops[2][1]),
            milliseconds(*files)
        );
    }
    questions(programs);
}

fn spent(what: impl FnOnce()) -> Duration {
    let began = now();
    what();
    now() - began
}

/// A guarded sidecar that serves.
fn served(programs: &Programs, pair: &Pair) -> BoxedProcess {
    let own = programs.dind.parent().unwrap_or(Path::new("/"));
    let boxed = pair.sidecar().bind_read_only(own, own).env("DOCKER_API_POLICY", "guarded");
    let boxed = boxed.spawn(Way::Ours.name(), &[&programs.dind.to_string_lossy()]);
    let socket = pair.bed().path("task/docker.sock");
    assert!(clock::holds_within(PATIENCE, || answers(&socket)), "{}", boxed.transcript());
    boxed
}

/// What asking costs: whether it is well, and anything through a gate.
fn questions(programs: &Programs) {
    let pair = Pair::new();
    let boxed = served(programs, &pair);
    let health = median(
        (0..QUESTIONS / 10)
            .map(|_| spent(|| assert_eq!(boxed.enter(&[&programs.dind.to_string_lossy(), "health"]).wait(PATIENCE), Ending::Code(0))))
            .collect(),
    );
    let nothing =
        median((0..QUESTIONS / 10).map(|_| spent(|| assert_eq!(boxed.enter(&["/bin/true"]).wait(PATIENCE), Ending::Code(0)))).collect());
    let own = fs::read_dir(pair.storage()).expect("the storage").flatten().map(|entry| entry.path().join("docker.sock")).next();
    let (own, gate) = (own.expect("a data-root"), pair.bed().path("task/docker.sock"));
    let (mut direct, mut guarded) = (Vec::new(), Vec::new());
    for _ in 0..QUESTIONS {
        direct.push(spent(|| assert!(answers(&own))));
        guarded.push(spent(|| assert!(answers(&gate))));
    }
    let (direct, guarded) = (median(direct), median(guarded));
    println!(
        "\n`health` in the container: {} ms, of which entering it and ending takes `true` {} ms too, medians of {}\n\
         /_ping on a new connection, medians of {QUESTIONS} in turns: dockerd itself {} us, through the gate {} us, so a request costs {} us more",
        health.as_millis(),
        nothing.as_millis(),
        QUESTIONS / 10,
        direct.as_micros(),
        guarded.as_micros(),
        guarded.saturating_sub(direct).as_micros()
    );
}

/// One life: until ready, and from SIGTERM to the end.
fn live(programs: &Programs, way: Way, load: Load) -> (Duration, Duration) {
    let pair = Pair::new();
    let gate = pair.bed().path("task/gate");
    fs::create_dir_all(pair.bed().path("task")).expect("make a folder");
    mkfifo(&gate, Mode::S_IRWXU).expect("make a pipe");
    let socket = pair.bed().path("task/docker.sock");
    let mut boxed = start(programs, &pair, way);
    // The box stands and its shell waits: from here on all do the same.
    fs::write(&gate, "go\n").expect("open the gate");
    let began = now();
    let answered = clock::poll(PATIENCE, || answers(&socket).then(|| now() - began));
    let ready = answered.unwrap_or_else(|| panic!("{} is not ready\n{}", way.name(), boxed.transcript()));
    match load {
        Load::Nothing => {}
        Load::Containers => stubborn(&boxed),
        Load::Files => fill(pair.storage()),
    }
    let told = now();
    boxed.signal(Signal::SIGTERM);
    let ending = boxed.wait(PATIENCE);
    let stop = now() - told;
    assert_eq!(ending, Ending::Code(0), "{}\n{}", way.name(), boxed.transcript());
    (ready, stop)
}

fn start(programs: &Programs, pair: &Pair, way: Way) -> BoxedProcess {
    let own = programs.dind.parent().unwrap_or(Path::new("/"));
    let boxed = pair.sidecar().bind_read_only(own, own);
    let dind = programs.dind.to_string_lossy();
    let script = match way {
        Way::Bare => {
            "mkdir -p /var/docker-storage/bare; exec dockerd --host=unix:///run/task/docker.sock --data-root=/var/docker-storage/bare/data \
             --exec-root=/var/docker-storage/bare/exec --pidfile=/var/docker-storage/bare/pid --storage-driver=overlay2 --log-level=warn"
                .to_owned()
        }
        Way::Shell => SHELL.to_owned(),
        Way::Ours => format!("exec {dind}"),
        Way::OursLater => format!("export DOCKER_STORAGE_CLEANUP=later; exec {dind}"),
    };
    boxed.env("STOP_TIMEOUT", "60").spawn(way.name(), &["/bin/sh", "-c", &format!("read go < /run/task/gate; rm /run/task/gate\n{script}")])
}

fn stubborn(boxed: &BoxedProcess) {
    let script = format!(
        "export DOCKER_HOST=unix:///run/task/docker.sock
         mkdir -p /tmp/image/bin && cp /usr/bin/busybox /tmp/image/bin && ln -s busybox /tmp/image/bin/sh
         tar -C /tmp/image -c . | docker import - stubborn:1 >/dev/null
         for number in $(seq {STUBBORN}); do
             docker run -d stubborn:1 sh -c 'trap \"\" TERM; while :; do busybox sleep 1; done' >/dev/null
         done"
    );
    let (ending, said) = boxed.sh(&script, PATIENCE);
    assert_eq!(ending, Ending::Code(0), "{said}");
}

/// What a job with a large image leaves: in the one data-root that is there, as a volume's contents.
fn fill(storage: &Path) {
    let root: PathBuf = fs::read_dir(storage).expect("the storage").flatten().map(|entry| entry.path()).next().expect("a data-root");
    for folder in 0..FILES / 1000 {
        let folder = root.join(format!("data/volumes/full/_data/{folder}"));
        fs::create_dir_all(&folder).expect("make a folder");
        for file in 0..1000 {
            fs::write(folder.join(file.to_string()), "x").expect("make a file");
        }
    }
}

fn answers(socket: &Path) -> bool {
    let ask = || {
        let mut stream = UnixStream::connect(socket)?;
        stream.write_all(b"GET /_ping HTTP/1.0\r\n\r\n")?;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer)?;
        Ok::<_, std::io::Error>(answer.ends_with(b"200"))
    };
    ask().unwrap_or(false)
}

fn now() -> Instant {
    Instant::now()
}
