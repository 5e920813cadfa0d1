//! The stop, for real: SIGTERM at any moment of a life, some hundreds of times.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use nix::sys::signal::Signal;
use runner_tests::{
    bed::{ACCOUNT, Bed},
    github::{Job, Route, Rules},
    process::Ending,
};

/// How many lives, unless `STOPS` says another number.
const LIVES: u64 = 120;

/// Side by side: most of a life is waiting.
const AT_ONCE: usize = 6;

/// What the platform gives. A life that is not over by then is killed by it, and has failed.
const STOP_TIMEOUT: Duration = Duration::from_secs(15);

/// A little longer than a life with a job takes here, so that some are over before their signal.
const LONGEST_DELAY: Duration = Duration::from_millis(600);

/// What the life is about when it is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Nobody has a job for it.
    Idle,
    /// Its job ends soon.
    Short,
    /// Its job does not end by itself.
    Endless,
}

/// splitmix64: the same lives in every run.
fn draw(seed: u64) -> u64 {
    let mut z = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn live(number: u64) -> Ending {
    let kind = [Kind::Idle, Kind::Short, Kind::Endless][usize::try_from(number % 3).unwrap()];
    let delay = LONGEST_DELAY.mul_f64((draw(number) % 10_000) as f64 / 10_000.0);
    let bed = Bed::with_rules(Rules::for_account(ACCOUNT).latency(Duration::from_millis(draw(number + 1_000) % 40)));
    let pace = Duration::from_millis(100);
    match kind {
        Kind::Idle => {}
        Kind::Short => bed.github().queue_job(Job::new("short", "sleep 0.1")),
        Kind::Endless => bed.github().queue_job(Job::new("endless", "sleep 3600").cancel_pace(pace, pace)),
    }
    let mut life = bed.entrypoint().env("STOP_TIMEOUT", STOP_TIMEOUT.as_secs().to_string()).start();
    std::thread::sleep(delay);
    life.signal(Signal::SIGTERM);
    let ending = life.wait(STOP_TIMEOUT);

    let told = format!("life {number}, {kind:?}, SIGTERM after {delay:?}: {ending:?}");
    bed.github().assert_nobody_registered();
    let finished = bed.github().finished();
    let cut = finished.iter().any(|job| job.result == "Canceled");
    match ending {
        Ending::Code(0) => assert!(!cut, "{told}, and its job was cut"),
        Ending::Code(143) => assert!(cut || kind == Kind::Endless, "{told}, and no job was cut: {finished:?}"),
        // Before its first instruction no program but PID 1 survives a signal.
        Ending::Signal(15) => assert!(bed.github().requests_of(Route::GenerateJit).is_empty(), "{told}"),
        other => panic!("{told}: {other:?} is none of the stated exit codes\n{}", life.transcript()),
    }
    ending
}

#[test]
fn whenever_it_is_stopped_no_runner_is_left_and_the_exit_code_tells_what_happened() {
    let _turn = super::heavy();
    let lives = std::env::var("STOPS").ok().and_then(|text| text.parse().ok()).unwrap_or(LIVES);
    let next = AtomicU64::new(0);
    let endings: Vec<Ending> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_ONCE)
            .map(|_| {
                scope.spawn(|| {
                    std::iter::from_fn(|| Some(next.fetch_add(1, Ordering::Relaxed)).filter(|number| *number < lives))
                        .map(live)
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    assert_eq!(endings.len() as u64, lives);
    for expected in [Ending::Code(0), Ending::Code(143)] {
        assert!(endings.contains(&expected), "no life ended with {expected:?}: the delays reach too few phases");
    }
}
