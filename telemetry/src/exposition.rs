//! Metrics as Prometheus' text (which OpenMetrics reads, too) in a file that is replaced as a whole: for node_exporter's textfile
//! collector, or to be served.

use std::fmt::Write as _;

use supervise::{Life, Observer};

use crate::{
    metric::{Table, seconds},
    place::Place,
};

/// Keeps the file.
#[derive(Debug)]
pub(crate) struct File {
    place: Place,
    table: Table,
}

impl File {
    pub(crate) fn new(place: Place, table: Table) -> Self {
        Self { place, table }
    }
}

impl Observer for File {
    fn changed(&mut self, life: &Life) {
        self.place.put(text(self.table, life));
    }

    fn ended(&mut self, life: &Life) {
        self.place.put(text(self.table, life));
        self.place.finish();
    }
}

/// The whole file.
fn text(table: Table, life: &Life) -> String {
    let mut text = String::new();
    let mut family = |name: &str, help: &str, samples: &[(String, f64)]| {
        let name = format!("{}_{name}", table.prefix);
        let _ = writeln!(text, "# HELP {name} {help}.\n# TYPE {name} gauge");
        for (labels, value) in samples {
            let _ = writeln!(text, "{name}{labels} {value}");
        }
    };
    let mut info: Vec<(&str, &str)> = vec![("program", life.program)];
    info.extend(table.labels.iter().filter_map(|name| Some((*name, life.fact(name)?))));
    family("info", "Whose numbers these are", &[(labelled(&info), 1.0)]);
    let flag = |set: bool| f64::from(u8::from(set));
    family("ready", "1 while it can be used", &[(String::new(), flag(life.is_ready))]);
    family("busy", "1 while it is being used", &[(String::new(), flag(life.is_busy))]);
    if let Some(phase) = life.phases.last() {
        family("phase", "1 for the phase it is in", &[(labelled(&[("phase", phase.name)]), 1.0)]);
    }
    let phases: Vec<(String, f64)> = life.phases.iter().map(|phase| (labelled(&[("phase", phase.name)]), seconds(phase.lasts()))).collect();
    family("phase_duration_seconds", "How long each phase took, or has taken", &merged(phases));
    for metric in table.metrics {
        if let Some(value) = metric.value(life, table.busy) {
            family(metric.name, metric.help, &[(String::new(), value)]);
        }
    }
    if let Some(code) = life.exit_code {
        let code = code.to_string();
        let end = [("exit_code", code.as_str()), ("reason", life.fact("reason").unwrap_or_default())];
        family("end", "1 when the life is over, with its end", &[(labelled(&end), 1.0)]);
    }
    let now = (life.began + life.lasted).duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap_or_default();
    family("updated_timestamp_seconds", "When this was written, in seconds since 1970", &[(String::new(), seconds(now))]);
    text
}

/// A phase that a life comes back to is one sample: two of the same labels are an error.
fn merged(samples: Vec<(String, f64)>) -> Vec<(String, f64)> {
    let mut sums: Vec<(String, f64)> = Vec::new();
    for (labels, value) in samples {
        match sums.iter_mut().find(|(known, _)| *known == labels) {
            Some((_, sum)) => *sum += value,
            None => sums.push((labels, value)),
        }
    }
    sums
}

/// `{name="value",…}`, escaped as the format says.
fn labelled(labels: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = labels
        .iter()
        .map(|(name, value)| format!("{name}=\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")))
        .collect();
    format!("{{{}}}", pairs.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::tests::{TABLE, over, span, waiting};

    #[test]
    fn the_file_is_what_prometheus_reads() {
        insta::assert_snapshot!(format!("{}---\n{}", text(TABLE, &waiting()), text(TABLE, &over())));
    }

    #[test]
    fn no_sample_is_there_twice_and_no_value_breaks_its_line() {
        let mut life = over();
        life.phases.push(span("running", 930, 1000, supervise::Verdict::Well));
        life.facts.push(("task", "a\nb\\".to_owned()));
        let text = text(TABLE, &life);
        let mut names: Vec<&str> =
            text.lines().filter(|line| !line.starts_with('#')).map(|line| line.rsplit_once(' ').unwrap().0).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all, "{text}");
        assert!(text.contains(r#"task="a\nb\\""#), "{text}");
    }
}
