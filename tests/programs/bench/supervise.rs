//! `supervise -- CMD` beside tini, dumb-init and catatonit: added time, reaping, memory of the one that waits.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::{Programs, find, median, ratio};

const RUNS: usize = 300;
const ORPHANS: usize = 10_000;
const REAPINGS: usize = 5;

/// Until every orphan waits for its end of file.
const SETTLE: Duration = Duration::from_millis(500);

/// Between two looks at whether they are gone.
const LOOK: Duration = Duration::from_micros(500);

/// How many tasks the rest of the machine may have more than before.
const OTHERS: usize = 20;

/// An init as users write it before their command.
struct Init {
    name: &'static str,
    words: Vec<String>,
}

impl Init {
    fn command(&self, words: &[&str]) -> Command {
        let mut all = self.words.clone();
        all.extend(words.iter().map(|&word| word.to_owned()));
        let mut command = Command::new(&all[0]);
        command.args(&all[1..]);
        command
    }
}

pub(crate) fn bench(programs: &Programs) {
    let ours = vec![programs.entrypoint.to_string_lossy().into_owned(), "supervise".to_owned(), "--".to_owned()];
    let others = [("tini", &["tini", "-s", "--"][..]), ("dumb-init", &["dumb-init", "--"]), ("catatonit", &["catatonit", "--"])];
    let mut inits = vec![Init { name: "runner-entrypoint", words: ours }];
    for (name, words) in others {
        if find(words[0]) {
            inits.push(Init { name, words: words.iter().map(|&word| word.to_owned()).collect() });
        } else {
            println!("{name} is not installed: left out");
        }
    }
    let added = added_times(&inits);
    let reaping = reaping_times(&inits);
    println!("\nsupervise -- true, {RUNS} runs each; {ORPHANS} orphans that end at once, {REAPINGS} times; memory while waiting");
    println!(
        "{:<18} {:>10} {:>8} {:>12} {:>8} {:>8} {:>8} {:>8}",
        "", "added us", "x tini", "orphans/s", "x tini", "RSS kB", "PSS kB", "dirty kB"
    );
    let of = |name: &str, figures: &[Duration]| inits.iter().position(|init| init.name == name).map(|at| figures[at]).unwrap_or_default();
    for (at, init) in inits.iter().enumerate() {
        let memory = memory(init);
        let rate = if reaping[at].is_zero() { "-".to_owned() } else { format!("{:.0}", ORPHANS as f64 / reaping[at].as_secs_f64()) };
        println!(
            "{:<18} {:>10} {:>8} {:>12} {:>8} {:>8} {:>8} {:>8}",
            init.name,
            added[at].as_micros(),
            ratio(added[at], of("tini", &added)),
            rate,
            ratio(of("tini", &reaping), reaping[at]),
            memory[0],
            memory[1],
            memory[2]
        );
    }
}

/// Start to end of `true`, less `true` alone. Interleaved: a machine that slows down slows all of them down.
fn added_times(inits: &[Init]) -> Vec<Duration> {
    let time = |mut command: Command| {
        let started = Instant::now();
        command.stdin(Stdio::null()).stderr(Stdio::null()).status().expect("it starts");
        started.elapsed()
    };
    let mut bare = Vec::new();
    let mut with: Vec<Vec<Duration>> = inits.iter().map(|_| Vec::new()).collect();
    for _ in 0..RUNS {
        bare.push(time(Command::new("true")));
        for (init, spans) in inits.iter().zip(&mut with) {
            spans.push(time(init.command(&["true"])));
        }
    }
    let bare = median(bare);
    with.into_iter().map(|spans| median(spans).saturating_sub(bare)).collect()
}

/// From the moment that all orphans are let go until none is left, as PID 1 of a PID namespace. Zero without the right to make one.
fn reaping_times(inits: &[Init]) -> Vec<Duration> {
    let mut spans: Vec<Vec<Duration>> = inits.iter().map(|_| Vec::new()).collect();
    for _ in 0..REAPINGS {
        for (init, spans) in inits.iter().zip(&mut spans) {
            spans.extend(reaping_time(init));
        }
    }
    spans.into_iter().map(median).collect()
}

fn reaping_time(init: &Init) -> Option<Duration> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = |name: &str| folder.path().join(name);
    // The inner shell ends first, so that its children are orphans; each waits to open the fifo.
    let script = format!(
        "mkfifo {fifo}; sh -c 'i=0; while [ $i -lt {ORPHANS} ]; do (read line < {fifo}) & i=$((i+1)); done'; touch {made}; until [ -e {end} ]; do sleep 0.1; done",
        fifo = at("fifo").display(),
        made = at("made").display(),
        end = at("end").display(),
    );
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--kill-child", "--mount-proc"]).args(&init.words).args(["sh", "-c", &script]);
    let mut outer = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()?;
    let begun = Instant::now();
    while !at("made").exists() {
        if outer.try_wait().ok()?.is_some() || begun.elapsed() > Duration::from_secs(120) {
            return None;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    // Opening it for writing lets every reader go on, and closing it again is their end of file.
    let fifo = fs::OpenOptions::new().write(true).open(at("fifo")).ok()?;
    std::thread::sleep(SETTLE);
    let left = tasks()?.saturating_sub(ORPHANS).saturating_add(OTHERS);
    let started = Instant::now();
    drop(fifo);
    while tasks()? > left && started.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(LOOK);
    }
    let span = started.elapsed();
    let _ = fs::write(at("end"), "");
    let _ = outer.wait();
    Some(span)
}

/// All tasks of the machine, those that have ended and are not reaped among them. To list the children of the init instead would be to
/// walk what it walks, under the same locks: that once measured the measuring.
fn tasks() -> Option<usize> {
    let text = fs::read_to_string("/proc/loadavg").ok()?;
    text.split_whitespace().nth(3)?.split_once('/')?.1.parse().ok()
}

fn children(pid: u32) -> Vec<u32> {
    let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|child| child.parse().ok()).collect()
}

/// RSS, PSS and private dirty memory in kB of the process that waits.
fn memory(init: &Init) -> [u64; 3] {
    let mut child: Child = init.command(&["sleep", "60"]).stdin(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    let begun = Instant::now();
    while children(child.id()).is_empty() && begun.elapsed() < Duration::from_secs(5) {}
    std::thread::sleep(Duration::from_millis(200));
    let rollup = fs::read_to_string(Path::new("/proc").join(child.id().to_string()).join("smaps_rollup")).unwrap_or_default();
    let field = |name: &str| {
        let line = rollup.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_whitespace().nth(1)).and_then(|number| number.parse().ok()).unwrap_or(0)
    };
    let figures = [field("Rss:"), field("Pss:"), field("Private_Dirty:")];
    for sleeper in children(child.id()) {
        let _ = Command::new("kill").arg(sleeper.to_string()).status();
    }
    let _ = child.wait();
    figures
}
