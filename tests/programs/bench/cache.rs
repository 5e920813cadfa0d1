//! The tool cache beside `rsync -a` and others, towards a mount as slow as EFS: restores, saves, what comes again and again.
//!
//! All contenders take turns in the same run, each on a fresh mount; every result is looked over; the numbers are medians.

mod case;
mod chart;
mod contender;
mod floor;
mod ground;
mod latency;
mod measure;
mod options;
mod results;

use std::fs;

use runner_tests::need::{Need, lacks};

use self::{
    case::Case,
    contender::Contender,
    ground::{Ground, Size},
    results::{Results, Row},
};
pub(crate) use self::{
    measure::{WORD as MEASURED, child as measured},
    options::{HELP, Options},
};
use crate::Programs;

/// # Errors
/// A sentence: what is missing, or what is not as it must be.
pub(crate) fn bench(programs: &Programs, options: &Options) -> Result<(), String> {
    let missing = lacks(if options.real.is_some() { &[Need::Root, Need::Rsync] } else { &[Need::Fuse, Need::Rsync] });
    if !missing.is_empty() {
        return Err(format!("cache: left out, {}", missing.join("; ")));
    }
    let contenders = contenders(options);
    let ground = Ground::make(options, &programs.entrypoint);
    introduce(programs, options, &ground);
    if options.real.is_none() {
        latency::validate(options.profile, ground.shared())?;
    }
    let mut results = Results::default();
    let wanted = |case: &Case| options.cases.as_ref().is_none_or(|names| names.iter().any(|name| name == case.word()));
    // The near ones first: what they take is a bound of the far ones.
    let order = Case::ALL.into_iter().filter(|case| !case.is_far()).chain(Case::ALL.into_iter().filter(|case| case.is_far()));
    for case in order.filter(wanted) {
        let size = if case == Case::OneNew { ground.new } else { ground.all };
        let entered = contenders.iter().copied().filter(|contender| !(case.is_same() && *contender == Contender::Cp));
        turns(&mut results, &ground, case, size, entered.collect(), options.runs);
        results.print(case, options.real.is_none().then_some(options.profile));
    }
    if let Some(path) = &options.json {
        results.write(path).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    if let Some(path) = &options.svg {
        let caption = format!("times faster than rsync -a (logarithmic): {} files, {}", ground.all.files, options.profile);
        fs::write(path, chart::draw(&results, &caption)).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

/// In turns, so that whatever the machine does besides strikes all alike.
fn turns(results: &mut Results, ground: &Ground, case: Case, size: Size, contenders: Vec<Contender>, runs: usize) {
    let mut rows: Vec<Row> = contenders.into_iter().map(|contender| Row { case, contender, size, runs: Vec::new() }).collect();
    for number in 0..runs {
        for row in rows.iter_mut().filter(|row| number < case.runs_of(row.contender, runs)) {
            row.runs.push(ground.run(case, row.contender));
        }
    }
    results.rows.extend(rows);
}

fn contenders(options: &Options) -> Vec<Contender> {
    let wanted = |contender: &Contender| {
        let named = options.contenders.as_ref().is_none_or(|names| names.iter().any(|name| name == contender.word()));
        named || *contender == Contender::Rsync
    };
    let there = |contender: &Contender| match contender.lacks() {
        Some(program) => {
            println!("{}: left out, {program} is not installed", contender.name());
            false
        }
        None => true,
    };
    Contender::ALL.into_iter().filter(wanted).filter(there).collect()
}

fn introduce(programs: &Programs, options: &Options, ground: &Ground) {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!("\ntool cache, {} files, {:.0} MB in 13 versions, {cores} processors", ground.all.files, ground.all.bytes as f64 / 1e6);
    println!("measured: {}", programs.entrypoint.display());
    match &options.real {
        Some(folder) => println!("shared side: {}", folder.display()),
        None => println!("shared side: {}; listings {:?}", options.profile, options.profile.listing),
    }
    println!("local side: {}", options.local.display());
}
