//! Whether the mount is as slow as it says, and as wide: measured before anything is measured on it.

use std::{
    fs::{self, File},
    io::{Read, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use runner_tests::slow_mount::{Profile, SlowMount};

const FILES: usize = 60;
const PIECE: [u8; 4_096] = [7; 4_096];

/// What is tried on each file, and what the model says that it takes.
struct Trial {
    name: &'static str,
    /// Answers without and with a change.
    model: (u32, u32),
    act: fn(&Path),
}

const TRIALS: [Trial; 6] = [
    Trial { name: "stat", model: (1, 0), act: |path| assert!(fs::metadata(path).is_ok()) },
    Trial { name: "stat, not there", model: (1, 0), act: |path| assert!(fs::metadata(path.with_extension("no")).is_err()) },
    Trial {
        name: "open, read 4 kB, close",
        model: (3, 0),
        act: |path| {
            let mut piece = [0; PIECE.len()];
            File::open(path).and_then(|mut file| file.read_exact(&mut piece)).expect("read a file");
        },
    },
    Trial {
        name: "create, write 4 kB, close",
        model: (1, 2),
        act: |path| File::create(path.with_extension("new")).and_then(|mut file| file.write_all(&PIECE)).expect("write a file"),
    },
    Trial {
        name: "rename",
        model: (0, 1),
        act: |path| fs::rename(path.with_extension("new"), path.with_extension("moved")).expect("rename"),
    },
    Trial { name: "remove", model: (0, 1), act: |path| fs::remove_file(path.with_extension("moved")).expect("remove") },
];

/// Prints what it finds.
///
/// # Errors
/// A sentence when one answer takes half as long again as the model says, or less than it says.
pub(super) fn validate(profile: Profile, shared: &Path) -> Result<(), String> {
    let wide = profile.slots.min(64);
    let paths: Vec<Vec<PathBuf>> = (0..wide).map(|thread| (0..FILES).map(|file| format!("{thread}/{file}").into()).collect()).collect();
    // A folder for each mount: what one changes, the other need not know.
    let folders = ["latency-one", "latency-many"].map(|name| shared.join(name));
    for path in folders.iter().flat_map(|folder| paths.iter().flatten().map(|path| folder.join(path))) {
        fs::create_dir_all(path.parent().expect("a folder")).and_then(|()| fs::write(&path, PIECE)).expect("make a file");
    }
    println!("\nis the mount as slow as it says, and as wide?");
    println!("{:<28} {:>10} {:>12} {:>12} {:>6}", "", "model ms", "1 at once ms", format!("{wide} at once/s"), "gain");
    let [one, many] = folders.each_ref().map(|folder| SlowMount::over(folder).profile(profile).mount());
    let mut wrong = Vec::new();
    for trial in &TRIALS {
        let model = Duration::from_micros(profile.read_us) * trial.model.0 + Duration::from_micros(profile.change_us) * trial.model.1;
        let alone = pass(trial, one.path(), &paths[..1]);
        let median = alone.spans[alone.spans.len() / 2];
        let together = pass(trial, many.path(), &paths);
        let rates = [&alone, &together].map(|pass| pass.spans.len() as f64 / pass.wall.as_secs_f64());
        println!(
            "{:<28} {:>10.2} {:>12.2} {:>12.0} {:>5.0}x",
            trial.name,
            model.as_secs_f64() * 1e3,
            median.as_secs_f64() * 1e3,
            rates[1],
            rates[1] / rates[0]
        );
        if median < model || median > model.mul_f64(1.5) + Duration::from_micros(300) {
            wrong.push(format!("{} takes {median:?} instead of {model:?}", trial.name));
        }
    }
    drop((one, many));
    folders.iter().for_each(|folder| fs::remove_dir_all(folder).expect("remove a folder"));
    if wrong.is_empty() { Ok(()) } else { Err(format!("the mount is not what it says: {}", wrong.join(", "))) }
}

struct Pass {
    spans: Vec<Duration>,
    wall: Duration,
}

/// Each list of files by a thread of its own, in a folder of its own.
fn pass(trial: &Trial, mount: &Path, paths: &[Vec<PathBuf>]) -> Pass {
    let started = Instant::now();
    let mut spans: Vec<Duration> = std::thread::scope(|scope| {
        let one = |paths: &Vec<PathBuf>| -> Vec<Duration> {
            let timed = |path: &PathBuf| {
                let path = mount.join(path);
                let started = Instant::now();
                (trial.act)(&path);
                started.elapsed()
            };
            paths.iter().map(timed).collect()
        };
        let threads: Vec<_> = paths.iter().map(|paths| scope.spawn(move || one(paths))).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("a thread")).collect()
    });
    let wall = started.elapsed();
    spans.sort_unstable();
    Pass { spans, wall }
}
