//! Where a life is told besides its log, as the settings of either program say.

use std::path::PathBuf;

use settings::{Reader, Secret};

/// What is wished for.
#[derive(Debug, Clone, Default)]
pub struct Wishes {
    /// `AWS_EMF_NAMESPACE`: the namespace of the metrics in the log.
    pub emf: Option<String>,
    /// `METRICS_FILE`: the file that always has the metrics of now.
    pub metrics: Option<PathBuf>,
    /// `TRACE_FILE`: the file that gets the trace at the end.
    pub trace: Option<PathBuf>,
    /// Who gets the spans at the end.
    pub collector: Option<Collector>,
}

/// An OpenTelemetry collector.
#[derive(Debug, Clone)]
pub struct Collector {
    /// `OTEL_EXPORTER_OTLP_ENDPOINT`, without a slash at its end: below it is `/v1/traces`.
    pub endpoint: String,
    /// `OTEL_EXPORTER_OTLP_HEADERS`: what it wants to be told with each request, as `name=value,…`.
    pub headers: Option<Secret>,
    /// `TRACEPARENT`: the span that the life belongs to.
    pub parent: Option<String>,
}

impl Wishes {
    /// Reads them by the names above.
    pub fn read(reader: &mut Reader) -> Self {
        let emf = reader.text("AWS_EMF_NAMESPACE");
        if let Some(name) = &emf
            && let Err(what) = namespace(name)
        {
            reader.problem("AWS_EMF_NAMESPACE", &format!("`{name}` is {what}"), Some("write a name as in GitHubRunners or Team/Runners"));
        }
        let (headers, parent) = (reader.secret("OTEL_EXPORTER_OTLP_HEADERS"), reader.text("TRACEPARENT"));
        let collector = reader.text("OTEL_EXPORTER_OTLP_ENDPOINT").map(|endpoint| {
            if !(endpoint.starts_with("http://") || endpoint.starts_with("https://")) {
                let hint = "write it as http://localhost:4318; OTLP over HTTP is spoken, not gRPC";
                reader.problem("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("`{endpoint}` is not an http address"), Some(hint));
            }
            Collector { endpoint: endpoint.trim_end_matches('/').to_owned(), headers, parent }
        });
        Self { emf, metrics: reader.path("METRICS_FILE"), trace: reader.path("TRACE_FILE"), collector }
    }
}

/// What CloudWatch takes: 1 to 255 letters, digits, blanks and `.-_/#:`, and nothing of AWS' own (`PutMetricData`).
fn namespace(text: &str) -> Result<(), &'static str> {
    let fits = |c: char| c.is_ascii_alphanumeric() || ".-_/#: ".contains(c);
    match text {
        text if text.len() > 255 => Err("longer than 255 characters"),
        text if text.starts_with("AWS/") => Err("in AWS/, which is for AWS alone"),
        text if !text.chars().all(fits) => Err("not of letters, digits, blanks and .-_/#: alone"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use settings::{Setting, Table};

    use super::*;

    const fn row(name: &'static str, secret: bool) -> Setting {
        Setting { name, aliases: &[], group: "g", value: "V", default: "", secret, help: "h" }
    }

    const TABLE: Table = Table(&[
        row("AWS_EMF_NAMESPACE", false),
        row("METRICS_FILE", false),
        row("TRACE_FILE", false),
        row("OTEL_EXPORTER_OTLP_ENDPOINT", false),
        row("OTEL_EXPORTER_OTLP_HEADERS", true),
        row("TRACEPARENT", false),
    ]);

    fn read(settings: &[(&str, &str)]) -> Result<Wishes, String> {
        let mut reader = Reader::new(TABLE, settings.iter().map(|(name, value)| (name.into(), value.into())), []);
        let wishes = Wishes::read(&mut reader);
        reader.finish().map(|()| wishes).map_err(|problems| problems.to_string())
    }

    #[test]
    fn nothing_is_told_that_nobody_wishes_for() {
        let wishes = read(&[("OTEL_EXPORTER_OTLP_HEADERS", "key=secret")]).unwrap();
        assert!(wishes.emf.is_none() && wishes.metrics.is_none() && wishes.trace.is_none() && wishes.collector.is_none());
    }

    #[test]
    fn a_collector_is_an_address_and_its_headers_are_secret() {
        let settings = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318/"), ("OTEL_EXPORTER_OTLP_HEADERS", "key=hidden")];
        let wishes = read(&settings).unwrap();
        assert_eq!(wishes.collector.as_ref().unwrap().endpoint, "http://localhost:4318");
        assert!(!format!("{wishes:?}").contains("hidden"));
        assert!(
            read(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "localhost:4317")]).unwrap_err().contains("hint: write it as http://localhost:4318")
        );
    }

    #[test]
    fn a_namespace_is_one_that_cloudwatch_takes() {
        for good in ["Runners", "Team/Runners 2.0", &"n".repeat(255)] {
            assert_eq!(read(&[("AWS_EMF_NAMESPACE", good)]).unwrap().emf.as_deref(), Some(good));
        }
        for (bad, what) in [("AWS/EC2", "for AWS alone"), ("a\"b", "letters, digits"), (&"n".repeat(256), "longer than 255")] {
            assert!(read(&[("AWS_EMF_NAMESPACE", bad)]).unwrap_err().contains(what), "{bad}");
        }
    }
}
