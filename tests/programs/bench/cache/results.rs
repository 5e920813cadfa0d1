//! All runs, and what is said of them: medians, ratios, tables, lines of JSON.

use std::{fs::File, io::Write, path::Path};

use runner_tests::slow_mount::{Counts, Profile};
use serde_json::json;

use super::{
    case::Case,
    contender::Contender,
    floor::Floor,
    ground::{Run, Size},
};

/// The runs of one contender in one case.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) case: Case,
    pub(super) contender: Contender,
    pub(super) size: Size,
    pub(super) runs: Vec<Run>,
}

impl Row {
    fn median(&self, value: impl Fn(&Run) -> f64) -> f64 {
        let mut values: Vec<f64> = self.runs.iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    }

    pub(super) fn seconds(&self) -> f64 {
        self.median(|run| run.taken.seconds)
    }

    fn counts(&self) -> Option<&Counts> {
        self.runs.last().and_then(|run| run.counts.as_ref())
    }

    fn round_trips(&self) -> Option<u64> {
        self.counts().map(Counts::round_trips)
    }
}

/// How wide each span of seconds is.
fn seconds(value: f64) -> String {
    match value {
        value if value < 0.1 => format!("{value:.3}"),
        value if value < 10.0 => format!("{value:.2}"),
        value => format!("{value:.1}"),
    }
}

fn times(value: f64) -> String {
    if value < 10.0 { format!("{value:.1}x") } else { format!("{value:.0}x") }
}

#[derive(Debug, Default)]
pub(super) struct Results {
    pub(super) rows: Vec<Row>,
}

impl Results {
    pub(super) fn row(&self, case: Case, contender: Contender) -> Option<&Row> {
        self.rows.iter().find(|row| row.case == case && row.contender == contender)
    }

    /// How many times faster than rsync, in this run of the benchmark.
    pub(super) fn ratio(&self, row: &Row) -> Option<f64> {
        self.row(row.case, Contender::Rsync).map(|rsync| rsync.seconds() / row.seconds())
    }

    pub(super) fn print(&self, case: Case, profile: Option<Profile>) {
        let rows: Vec<&Row> = self.rows.iter().filter(|row| row.case == case).collect();
        let Some(first) = rows.first() else { return };
        println!("\n{}: {} files, {:.0} MB", case.title(), first.size.files, first.size.bytes as f64 / 1e6);
        println!(
            "{:<18} {:>4} {:>8} {:>15} {:>8} {:>8} {:>7} {:>11} {:>8} {:>7} {:>7}  result",
            "", "runs", "s", "least to most", "x rsync", "files/s", "MB/s", "round trips", "per file", "cpu s", "peak MB"
        );
        for row in rows {
            self.print_row(row);
        }
        for contender in [Contender::OurTree, Contender::OurPack] {
            let Some((row, profile)) = self.row(case, contender).zip(profile) else { continue };
            let Some(counts) = row.counts() else { continue };
            let mut asked: Vec<_> = counts.by_name();
            asked.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
            let asked: Vec<String> = asked.iter().map(|(name, count)| format!("{name} {count}")).collect();
            println!("{}: asked {}", contender.name(), asked.join(", "));
            let local = match case {
                Case::Restore => self.row(Case::LocalRestore, contender),
                Case::Save => self.row(Case::LocalSave, contender),
                _ => None,
            };
            let floor = Floor::of(counts, profile, local.map(Row::seconds));
            let whole = local.map_or(String::new(), |local| {
                let distance = times(row.seconds() / floor.seconds());
                format!(", the same without distance {} s: measured {distance} of the highest", seconds(local.seconds()))
            });
            println!(
                "{}: floor: latencies {} s over {} slots {} s, line {} s{whole}",
                contender.name(),
                seconds(counts.latency().as_secs_f64()),
                profile.slots,
                seconds(floor.latency),
                seconds(floor.line),
            );
        }
    }

    fn print_row(&self, row: &Row) {
        let all = |pick: fn(f64, f64) -> f64, start: f64| row.runs.iter().map(|run| run.taken.seconds).fold(start, pick);
        let span = format!("{} to {}", seconds(all(f64::min, f64::MAX)), seconds(all(f64::max, 0.0)));
        let files = f64::from(row.size.files);
        let per_file = row.round_trips().map_or("-".to_owned(), |trips| format!("{:.3}", trips as f64 / files));
        let goal = row.case.goal(row.contender).zip(self.ratio(row)).map_or(String::new(), |((must, stretch), ratio)| {
            let reached = if ratio >= stretch {
                "reached, the stretch too"
            } else if ratio >= must {
                "reached"
            } else {
                "MISSED"
            };
            format!(", goal {must}x (stretch {stretch}x) {reached}")
        });
        println!(
            "{:<18} {:>4} {:>8} {:>15} {:>8} {:>8.0} {:>7.1} {:>11} {:>8} {:>7.2} {:>7.1}  {}{goal}",
            row.contender.name(),
            row.runs.len(),
            seconds(row.seconds()),
            span,
            self.ratio(row).map_or("-".to_owned(), times),
            files / row.seconds(),
            row.size.bytes as f64 / 1e6 / row.seconds(),
            row.round_trips().map_or("-".to_owned(), |trips| trips.to_string()),
            per_file,
            row.median(|run| run.taken.user + run.taken.system),
            row.median(|run| run.taken.peak_kb as f64) / 1e3,
            row.contender.remark()
        );
    }

    /// A line for each run.
    pub(super) fn write(&self, path: &Path) -> std::io::Result<()> {
        let mut file = File::create(path)?;
        for row in &self.rows {
            for (number, run) in row.runs.iter().enumerate() {
                let asked = run.counts.as_ref().map(|counts| counts.by_name().into_iter().collect::<std::collections::BTreeMap<_, _>>());
                let line = json!({
                    "case": row.case.word(),
                    "contender": row.contender.word(),
                    "run": number + 1,
                    "files": row.size.files,
                    "bytes": row.size.bytes,
                    "seconds": run.taken.seconds,
                    "user": run.taken.user,
                    "system": run.taken.system,
                    "peak_kb": run.taken.peak_kb,
                    "round_trips": run.counts.as_ref().map(Counts::round_trips),
                    "latency_seconds": run.counts.as_ref().map(|counts| counts.latency().as_secs_f64()),
                    "read_bytes": run.counts.as_ref().map(|counts| counts.read_bytes),
                    "written_bytes": run.counts.as_ref().map(|counts| counts.written_bytes),
                    "asked": asked,
                });
                writeln!(file, "{line}")?;
            }
        }
        file.flush()
    }
}
