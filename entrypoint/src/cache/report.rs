//! What a run tells: lines for people or one line of JSON.

use std::fmt::Write as _;
use std::time::Instant;

use serde::Serialize;

use super::outcome::Outcome;
use super::publish::Published;

/// The result of one run.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// `restore`, `save`, `import` or `export`.
    pub(super) cache: &'static str,
    /// Copied and published.
    pub(super) versions: usize,
    /// Files and links in them.
    pub(super) files: u64,
    /// Bytes in them.
    pub(super) bytes: u64,
    /// From the first look to the last clean-up.
    pub(super) seconds: f64,
    /// Complete on both sides before, or published by somebody else meanwhile.
    pub(super) already: usize,
    /// Devices, FIFOs and sockets left out of the published versions.
    pub(super) skipped: u64,
    /// Not copied.
    pub(super) failed: Vec<Failure>,
    /// Complete on both sides, and changed here since: not saved over what is published.
    pub(super) changed: Vec<String>,
    /// There, but their digests are not on the allow list.
    pub(super) withheld: Vec<String>,
    #[serde(skip)]
    begun: Instant,
}

/// One version that was not copied.
#[derive(Debug, Serialize)]
pub(super) struct Failure {
    pub(super) version: String,
    pub(super) error: String,
}

impl Report {
    /// Of a run that begins now.
    #[expect(clippy::disallowed_methods, reason = "the duration of the run is part of its report")]
    pub(super) fn begin(cache: &'static str) -> Self {
        Self {
            cache,
            versions: 0,
            files: 0,
            bytes: 0,
            seconds: 0.0,
            already: 0,
            skipped: 0,
            failed: Vec::new(),
            changed: Vec::new(),
            withheld: Vec::new(),
            begun: Instant::now(),
        }
    }

    /// Takes in what became of one version.
    pub(super) fn add(&mut self, outcome: Outcome) {
        match outcome.result {
            Ok(Published::Ours) => {
                self.versions += 1;
                self.files += outcome.files;
                self.bytes += outcome.bytes;
                self.skipped += outcome.skipped;
            }
            Ok(Published::Theirs) => self.already += 1,
            Err(refusal) => self.failed.push(Failure { version: outcome.id.to_string(), error: refusal.to_string() }),
        }
    }

    /// The run is over.
    pub(super) fn end(mut self) -> Self {
        self.seconds = self.begun.elapsed().as_secs_f64();
        self.failed.sort_by(|one, two| one.version.cmp(&two.version));
        self
    }

    /// One line of JSON.
    pub(super) fn json(&self) -> String {
        // The fields are numbers and strings: there is nothing that could fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// A line, and one for each version that failed.
    pub(super) fn human(&self) -> String {
        let verb = match self.cache {
            "restore" => "restored",
            "import" => "imported",
            "export" => "exported",
            _ => "saved",
        };
        let mut text = format!(
            "{verb} {} ({}, {}) in {:.1} s; {} already there; {} refused",
            counted(self.versions as u64, "version"),
            counted(self.files, "file"),
            size(self.bytes),
            self.seconds,
            self.already,
            self.failed.len(),
        );
        if self.skipped > 0 {
            let _ = write!(text, "; left out {}", counted(self.skipped, "special file"));
        }
        for failure in &self.failed {
            let _ = write!(text, "\nrefused {}: {}", failure.version, failure.error);
        }
        if !self.withheld.is_empty() {
            let _ = write!(text, "\nnot on the allow list, left out: {}", self.withheld.join(", "));
        }
        if !self.changed.is_empty() {
            let _ = write!(text, "\nchanged since they were complete, not saved over what is published: {}", self.changed.join(", "));
        }
        text
    }
}

pub(super) fn counted(count: u64, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {what}{plural}", grouped(count))
}

/// Digits in groups of three.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{} kB", bytes / 1_000),
        1_000_000..10_000_000_000 => format!("{} MB", grouped(bytes / 1_000_000)),
        _ => format!("{} GB", grouped(bytes / 1_000_000_000)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        Report { versions: 3, files: 5072, bytes: 154_200_000, seconds: 1.234, already: 1, ..Report::begin("restore") }
    }

    #[test]
    fn a_person_reads_one_line_and_one_for_each_refused_version() {
        assert_eq!(report().human(), "restored 3 versions (5,072 files, 154 MB) in 1.2 s; 1 already there; 0 refused");
        let failed = vec![Failure { version: "node/20.1.0/x64".into(), error: "read bin/node: EIO".into() }];
        let report = Report { cache: "save", versions: 1, files: 1, bytes: 999, already: 0, skipped: 1, failed, ..report() };
        assert_eq!(
            report.human(),
            "saved 1 version (1 file, 999 B) in 1.2 s; 0 already there; 1 refused; left out 1 special file\n\
             refused node/20.1.0/x64: read bin/node: EIO"
        );
        let lists =
            Report { changed: vec!["Python/3.12.4/x64".into()], withheld: vec!["a/1/x64".into(), "b/1/x64".into()], ..self::report() };
        let lines: Vec<String> = lists.human().lines().skip(1).map(str::to_owned).collect();
        assert_eq!(
            lines,
            [
                "not on the allow list, left out: a/1/x64, b/1/x64",
                "changed since they were complete, not saved over what is published: Python/3.12.4/x64"
            ]
        );
    }

    #[test]
    fn a_program_reads_one_line_of_json() {
        assert_eq!(
            report().json(),
            r#"{"cache":"restore","versions":3,"files":5072,"bytes":154200000,"seconds":1.234,"already":1,"skipped":0,"failed":[],"changed":[],"withheld":[]}"#
        );
    }

    #[test]
    fn numbers_are_grouped_and_sizes_rounded_down() {
        let cases = [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")];
        for (number, text) in cases {
            assert_eq!(grouped(number), text);
        }
        let cases = [(1_999, "1 kB"), (2_500_000_000, "2,500 MB"), (12_000_000_000, "12 GB")];
        for (bytes, text) in cases {
            assert_eq!(size(bytes), text);
        }
    }
}
