//! From exec to "Listening for Jobs", beside a shell entrypoint that does the same steps the usual way, against the same stand-ins.
//!
//! Every answer of the API takes as long as GitHub's, the same for both. What both share (the Listener's own start) is measured and
//! taken off, so that what is left is what each entrypoint adds by itself.

mod daemon;
mod lives;

use std::time::Duration;

use crate::{Programs, median, option, ratio};
pub(crate) use lives::jit_configuration;
use lives::{Lives, Order, Wants};

/// What can be said of the surroundings.
pub(crate) struct Settings {
    runs: usize,
    /// Of each answer of the API.
    latency: Duration,
    /// What the shell's `config.sh` costs besides its question to the API. The real one starts .NET several times.
    cost: Duration,
    /// When docker is ready, counted from the start.
    docker: Duration,
    /// Of the tool cache, see `ToolCache::scale`.
    scale: u64,
}

impl Settings {
    /// Takes its options out of the words; `None` when one is no number.
    pub(crate) fn take(words: &mut Vec<String>) -> Option<Self> {
        let mut number = |name: &str, default: u64| option(words, name).map_or(Some(default), |text| text.parse().ok());
        let given =
            (number("--runs", 0)?, number("--latency", 150)?, number("--cost", 1500)?, number("--docker", 1500)?, number("--scale", 4)?);
        let (runs, latency, cost, docker, scale) = given;
        // Among all benchmarks a short version.
        let runs = if runs > 0 {
            usize::try_from(runs).ok()?
        } else if words.is_empty() {
            3
        } else {
            7
        };
        let milliseconds = Duration::from_millis;
        Some(Self { runs, latency: milliseconds(latency), cost: milliseconds(cost), docker: milliseconds(docker), scale })
    }
}

const NAME: &str = "runner-entrypoint";

pub(crate) fn bench(programs: &Programs, settings: &Settings) {
    let lives = Lives::new(programs, settings);
    if !lives.can_run() {
        println!("\nstart: left out, the shell entrypoint wants bash, curl, jq and rsync");
        return;
    }
    own_shares(&lives, settings);
    waits(&lives, settings);
}

/// Nothing but the registration: what each adds to the API's answers and the Listener's start.
fn own_shares(lives: &Lives, settings: &Settings) {
    let nothing = Wants::default();
    let (mut answer, mut listener) = (Vec::new(), Vec::new());
    let mut ways = vec![(NAME.to_owned(), None, Vec::new()), ("shell, config.sh for free".to_owned(), Some(Duration::ZERO), Vec::new())];
    if !settings.cost.is_zero() {
        ways.push((format!("shell, config.sh {} ms", settings.cost.as_millis()), Some(settings.cost), Vec::new()));
    }
    for _ in 0..settings.runs {
        let alone = lives.alone();
        answer.push(alone.0);
        listener.push(alone.1);
        for (_, cost, starts) in &mut ways {
            starts.push(cost.map_or_else(|| lives.ours(nothing), |cost| lives.shell(nothing, Order::DockerLast, cost)));
        }
    }
    let (answer, listener) = (median(answer), median(listener));
    println!(
        "\nstart: exec to \"Listening for Jobs\", medians of {} interleaved runs; the API answers {} ms late; config.sh is a stand-in whose\n\
         cost is a parameter (--cost), besides one question to the API where the real one asks more;\n\
         own = total, less API answers (as a bare client gets them), less the Listener's start alone",
        settings.runs,
        settings.latency.as_millis()
    );
    println!("{:<28} {:>10} {:>12} {:>12} {:>10} {:>10}", "", "total ms", "API answers", "Listener ms", "own ms", "own/ours");
    let mut ours = Duration::ZERO;
    for (name, cost, starts) in ways {
        let answers = starts.first().map_or(0, |start| start.answers);
        let total = median(starts.iter().map(|start| start.total).collect());
        let own = median(starts.iter().map(|start| start.total.saturating_sub(answer * start.answers + listener)).collect());
        if cost.is_none() {
            ours = own;
        }
        let asked = format!("{answers} x {}", tenths(answer));
        println!("{name:<28} {:>10} {asked:>12} {:>12} {:>10} {:>10}", tenths(total), tenths(listener), tenths(own), ratio(own, ours));
    }
}

/// Restoring the cache and waiting for docker, alone and together.
fn waits(lives: &Lives, settings: &Settings) {
    const ROWS: [(&str, Wants); 4] = [
        ("registration only", Wants { cache: false, docker: false }),
        ("and cache restore", Wants { cache: true, docker: false }),
        ("and docker wait", Wants { cache: false, docker: true }),
        ("and both", Wants { cache: true, docker: true }),
    ];
    let mut spans = vec![[const { Vec::new() }; 3]; ROWS.len()];
    for _ in 0..settings.runs {
        for ((_, wants), spans) in ROWS.iter().zip(&mut spans) {
            let first = lives.shell(*wants, Order::DockerFirst, Duration::ZERO).total;
            // Without docker there is no order.
            let last = if wants.docker { lives.shell(*wants, Order::DockerLast, Duration::ZERO).total } else { first };
            for (spans, span) in spans.iter_mut().zip([lives.ours(*wants).total, first, last]) {
                spans.push(span);
            }
        }
    }
    println!(
        "\nthe same with a tool cache of {} files and a docker daemon that answers {} ms after the start, asked by {}; ms;\n\
         the shell's config.sh for free, its docker loop sleeps 1 s as usual and stands before everything else or, as in\n\
         actions-runner-controller, after it",
        lives.files(),
        settings.docker.as_millis(),
        lives.docker_client()
    );
    println!("{:<28} {:>12} {:>20} {:>20}", "", "ours", "shell, docker first", "shell, docker last");
    let line = |name: &str, [ours, first, last]: [String; 3]| println!("{name:<28} {ours:>12} {first:>20} {last:>20}");
    let medians: Vec<[Duration; 3]> = spans.into_iter().map(|row| row.map(median)).collect();
    for ((name, _), row) in ROWS.iter().zip(&medians) {
        line(name, row.map(tenths));
    }
    let column = |of: usize| [0, 1, 2, 3].map(|row| medians[row][of]);
    line("both / the longer one", [0, 1, 2].map(column).map(|[_, cache, docker, both]| ratio(both, cache.max(docker))));
    let sum = |[nothing, cache, docker, both]: [Duration; 4]| ratio(both, (cache + docker).saturating_sub(nothing));
    line("both / sum of the two", [0, 1, 2].map(column).map(sum));
}

fn tenths(span: Duration) -> String {
    format!("{:.1}", span.as_secs_f64() * 1e3)
}
