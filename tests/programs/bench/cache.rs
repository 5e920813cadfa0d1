//! The tool cache beside `rsync -a`, from one local folder to another: what the copying itself costs, without a network.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use runner_tests::fixtures::{Tool, ToolCache};

use crate::{Programs, median, ratio};

const RUNS: usize = 5;

pub(crate) fn bench(programs: &Programs) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let at = |name: &str| folder.path().join(name);
    let full = ToolCache::at(&at("full")).scale(4).with(Tool::Node, "20.1.0").with(Tool::Python, "3.12.4").with(Tool::Go, "1.22.0");
    let files = walkdir::WalkDir::new(full.path()).into_iter().flatten().filter(|entry| entry.file_type().is_file()).count();
    let entrypoint = programs.entrypoint.to_string_lossy().into_owned();
    println!("\ntool cache, {files} files from one local folder to another, {RUNS} runs each (shared storage has its own benchmark later)");
    println!("{:<26} {:>12} {:>12} {:>12}", "", "ours ms", "rsync -a ms", "ours/rsync");
    for (name, verb, again) in
        [("restore, nothing there", "restore", false), ("save, nothing there", "save", false), ("restore, nothing new", "restore", true)]
    {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for run in 0..RUNS {
            let target = |whose: &str| at(&format!("{verb}-{again}-{whose}-{run}"));
            let cache = |to: &Path| {
                let mut command = Command::new(&entrypoint);
                command.args(["cache", verb, "--from"]).arg(full.path()).arg("--to").arg(to);
                command
            };
            let rsync = |to: &Path| {
                let mut command = Command::new("rsync");
                command.arg("-a").arg(format!("{}/", full.path().display())).arg(to);
                command
            };
            for (spans, whose, command) in [(&mut ours, "ours", &cache as &dyn Fn(&Path) -> Command), (&mut theirs, "rsync", &rsync)] {
                let to = target(whose);
                fs::create_dir_all(&to).expect("a target");
                if again {
                    time(command(&to));
                }
                spans.push(time(command(&to)));
                fs::remove_dir_all(&to).expect("remove a copy");
            }
        }
        let (ours, theirs) = (median(ours), median(theirs));
        println!("{name:<26} {:>12} {:>12} {:>12}", ours.as_millis(), theirs.as_millis(), ratio(ours, theirs));
    }
}

fn time(mut command: Command) -> Duration {
    let started = Instant::now();
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status().expect("it starts");
    assert!(status.success(), "{command:?}: {status}");
    started.elapsed()
}
