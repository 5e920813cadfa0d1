//! What waits while a job runs: memory and wake-ups of the whole runner-entrypoint, beside an init that only waits.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use runner_tests::{
    bed::{ACCOUNT, Bed},
    clock,
    fixtures::RunnerHome,
    github::{GitHub, Job, Rules},
    process::Running,
};

use crate::{Programs, find, start::jit_configuration};

const WATCHED: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(60);

/// A program that waits for a job to end.
struct Waiter {
    name: &'static str,
    running: Running,
    /// Lets its job end.
    end: PathBuf,
    _github: Option<GitHub>,
}

pub(crate) fn bench(programs: &Programs) {
    let bed = Bed::new();
    let mut waiters = vec![ours(programs, &bed)];
    for (name, words) in [("tini", &["tini", "-s", "--"][..]), ("dumb-init", &["dumb-init", "--"])] {
        if find(name) {
            waiters.push(init(&bed, name, words));
        }
    }
    // What a job's start wakes is over.
    std::thread::sleep(Duration::from_secs(1));
    let before: Vec<u64> = waiters.iter().map(|waiter| waiter.wake_ups()).collect();
    std::thread::sleep(WATCHED);
    println!(
        "\nwhile a job runs: memory of the one that waits, and how often all of its threads woke up in {} s; runner-entrypoint has\n\
         registered, reads the log and minds its deadlines, the others started a Listener that was registered before",
        WATCHED.as_secs()
    );
    println!("{:<18} {:>8} {:>8} {:>8} {:>8} {:>10}", "", "RSS kB", "PSS kB", "dirty kB", "threads", "wake-ups");
    for (waiter, before) in waiters.iter().zip(before) {
        let [rss, pss, dirty] = ["Rss:", "Pss:", "Private_Dirty:"].map(|name| field(&waiter.proc().join("smaps_rollup"), name));
        let threads = field(&waiter.proc().join("status"), "Threads:");
        println!("{:<18} {rss:>8} {pss:>8} {dirty:>8} {threads:>8} {:>10}", waiter.name, waiter.wake_ups() - before);
    }
    for mut waiter in waiters {
        fs::write(&waiter.end, "").expect("write a file");
        let _ = waiter.running.wait(PATIENCE);
    }
}

impl Waiter {
    fn proc(&self) -> PathBuf {
        Path::new("/proc").join(self.running.pid().to_string())
    }

    fn wake_ups(&self) -> u64 {
        let threads = fs::read_dir(self.proc().join("task")).into_iter().flatten().flatten();
        threads.map(|thread| field(&thread.path().join("status"), "voluntary_ctxt_switches:")).sum()
    }
}

/// The number behind `name` in a file of `/proc`.
fn field(file: &Path, name: &str) -> u64 {
    let text = fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(name));
    line.and_then(|line| line.split_whitespace().nth(1)).and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// A job that is there until a file is, and the two files' paths.
fn job(bed: &Bed, name: &str) -> (Job, PathBuf, PathBuf) {
    let (begun, end) = (bed.path(&format!("{name}.begun")), bed.path(&format!("{name}.end")));
    let script = format!("touch {}; until [ -e {} ]; do sleep 0.2; done", begun.display(), end.display());
    (Job::new(name, &script), begun, end)
}

fn ours(programs: &Programs, bed: &Bed) -> Waiter {
    const NAME: &str = "runner-entrypoint";
    let (job, begun, end) = job(bed, NAME);
    bed.github().queue_job(job);
    let environment = bed.entrypoint().environment().clone();
    let running = Running::start_clean(NAME, &programs.entrypoint, &[], environment);
    busy(NAME, running, &begun, end, None)
}

fn init(bed: &Bed, name: &'static str, words: &[&str]) -> Waiter {
    let (job, begun, end) = job(bed, name);
    let rules = Rules::for_account(ACCOUNT);
    let token = rules.token();
    let github = GitHub::start(rules);
    github.queue_job(job);
    let home = RunnerHome::make(&bed.path(name));
    let environment = [
        ("PATH".to_owned(), std::env::var("PATH").unwrap_or_default()),
        ("RUNNER_ALLOW_RUNASROOT".to_owned(), "1".to_owned()),
        ("ACTIONS_RUNNER_INPUT_JITCONFIG".to_owned(), jit_configuration(&github, &token)),
    ];
    let listener = home.path().join("bin/Runner.Listener");
    let arguments: Vec<&str> = words[1..].iter().copied().chain([listener.to_str().expect("a path in plain letters"), "run"]).collect();
    let running = Running::start_clean(name, Path::new(words[0]), &arguments, environment);
    busy(name, running, &begun, end, Some(github))
}

fn busy(name: &'static str, running: Running, begun: &Path, end: PathBuf, github: Option<GitHub>) -> Waiter {
    assert!(clock::holds_within(PATIENCE, || begun.exists()), "{name} starts its job\n{}", running.transcript());
    Waiter { name, running, end, _github: github }
}
