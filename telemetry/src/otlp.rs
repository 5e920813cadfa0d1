//! A life as spans for an OpenTelemetry collector, sent once, when it is over: OTLP over HTTP, by OpenTelemetry's own exporter.
//!
//! The process has nothing else to do any more, its job is dead and its budgets are spent, so this may take a second and no longer.

use std::{
    collections::HashMap,
    hash::{BuildHasher as _, RandomState},
    sync::mpsc::channel,
    time::Duration,
};

use opentelemetry::{
    InstrumentationScope, KeyValue,
    trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState},
};
use opentelemetry_otlp::{Protocol, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{
    Resource,
    trace::{SpanData, SpanEvents, SpanExporter as _, SpanLinks},
};
use supervise::{Life, Observer, Span, Verdict};

use crate::Collector;

/// For all of it, the connection too.
const PATIENCE: Duration = Duration::from_secs(1);

/// Sends them.
#[derive(Debug)]
pub(crate) struct Spans {
    collector: Collector,
}

impl Spans {
    pub(crate) fn new(collector: Collector) -> Self {
        Self { collector }
    }
}

impl Observer for Spans {
    fn changed(&mut self, _: &Life) {}

    fn ended(&mut self, life: &Life) {
        let (collector, life) = (self.collector.clone(), life.clone());
        let (tell, told) = channel();
        let sent = std::thread::Builder::new().name("otlp".to_owned()).spawn(move || tell.send(send(&collector, &life)));
        let why = match sent.map(|_| told.recv_timeout(PATIENCE)) {
            Ok(Ok(Ok(()))) => return,
            Ok(Ok(Err(why))) => why,
            Ok(Err(_)) => format!("no answer within {} s", PATIENCE.as_secs()),
            Err(error) => error.to_string(),
        };
        tracing::warn!("OTEL_EXPORTER_OTLP_ENDPOINT: the spans of this life are lost: {why}");
    }
}

fn send(collector: &Collector, life: &Life) -> Result<(), String> {
    // The library wants a provider even for a client that never speaks TLS; a second installation changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build().map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let client = reqwest::Client::builder().timeout(PATIENCE).build().map_err(|error| error.to_string())?;
        let headers = collector.headers.as_ref().map(|headers| headers.reveal()).transpose().map_err(|error| error.to_string())?;
        let headers = headers.map(|headers| pairs(&headers)).unwrap_or_default();
        let mut exporter = opentelemetry_otlp::SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{}/v1/traces", collector.endpoint))
            .with_headers(headers)
            .with_timeout(PATIENCE)
            .build()
            .map_err(|error| error.to_string())?;
        let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
        exporter.set_resource(&Resource::builder_empty().with_service_name(life.program).with_attribute(version).build());
        exporter.export(spans(life, collector.parent.as_deref())).await.map_err(|error| error.to_string())
    })
}

/// `name=value,…`, as the specification of OpenTelemetry's variables has it.
fn pairs(text: &str) -> HashMap<String, String> {
    let entries = text.split(',').filter_map(|entry| entry.split_once('='));
    entries.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect()
}

/// The life, its phases below it, and below each phase what began in it.
fn spans(life: &Life, parent: Option<&str>) -> Vec<SpanData> {
    let random = RandomState::new();
    let mut number = 0_u64;
    let mut fresh = || {
        number += 1;
        random.hash_one(number).max(1)
    };
    let (trace, above) = parent.and_then(w3c).unwrap_or_else(|| {
        let id = u128::from(fresh()) << 64 | u128::from(fresh());
        (TraceId::from(id), SpanId::INVALID)
    });
    let mut made = |span: &Span, parent: SpanId, attributes: Vec<KeyValue>| {
        let context = SpanContext::new(trace, SpanId::from(fresh()), TraceFlags::SAMPLED, false, TraceState::default());
        SpanData {
            span_context: context,
            parent_span_id: parent,
            parent_span_is_remote: parent == above && parent != SpanId::INVALID,
            span_kind: SpanKind::Internal,
            name: span.name.into(),
            start_time: life.began + span.begins,
            end_time: life.began + span.ends,
            attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: if span.verdict == Verdict::Failed { Status::error("failed") } else { Status::Unset },
            instrumentation_scope: InstrumentationScope::builder(life.program).build(),
        }
    };
    let outcome = |span: &Span| vec![KeyValue::new("outcome", span.verdict.word())];
    let failed = life.exit_code.is_some_and(|code| code != 0);
    let whole = Span {
        name: life.program,
        begins: Duration::ZERO,
        ends: life.lasted,
        verdict: if failed { Verdict::Failed } else { Verdict::Well },
    };
    let mut attributes: Vec<KeyValue> = life.facts.iter().map(|(name, value)| KeyValue::new(*name, value.clone())).collect();
    attributes.extend(life.measures.iter().map(|&(name, value)| KeyValue::new(name, i64::try_from(value).unwrap_or(i64::MAX))));
    attributes.extend(life.exit_code.map(|code| KeyValue::new("exit_code", i64::from(code))));
    let root = made(&whole, above, attributes);
    let top = root.span_context.span_id();
    let mut spans = vec![root];
    let mut beneath: Vec<(Duration, SpanId)> = Vec::new();
    for phase in &life.phases {
        let span = made(phase, top, outcome(phase));
        beneath.push((phase.begins, span.span_context.span_id()));
        spans.push(span);
    }
    for work in &life.works {
        let phase = beneath.iter().rfind(|(begins, _)| *begins <= work.begins).map_or(top, |(_, id)| *id);
        spans.push(made(work, phase, outcome(work)));
    }
    spans
}

/// `traceparent` of W3C's Trace Context: `00-TRACE-SPAN-FLAGS`.
fn w3c(text: &str) -> Option<(TraceId, SpanId)> {
    let [_, trace, span, _] = text.split('-').collect::<Vec<_>>()[..] else { return None };
    let ids = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
    (trace.len() == 32 && span.len() == 16 && ids.0 != TraceId::INVALID && ids.1 != SpanId::INVALID).then_some(ids)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::tests::over;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn spans_are_a_tree_of_the_life_its_phases_and_what_began_in_them() {
        let spans = spans(&over(), None);
        let names = |parent: &SpanData| -> Vec<String> {
            let id = parent.span_context.span_id();
            spans.iter().filter(|span| span.parent_span_id == id).map(|span| span.name.to_string()).collect()
        };
        let named = |name: &str| spans.iter().find(|span| span.name == name).unwrap();
        assert_eq!(names(named("runner-entrypoint")), ["checking", "preparing", "running", "settling"]);
        assert_eq!(names(named("preparing")), ["register", "docker"]);
        assert_eq!((names(named("running")), names(named("settling"))), (vec!["job".to_owned()], vec!["save".to_owned()]));
        assert_eq!(named("save").status, Status::error("failed"));
        assert_eq!(named("job").start_time, over().began + Duration::from_millis(600));
        let mut ids: Vec<_> = spans.iter().map(|span| span.span_context.span_id()).collect();
        ids.sort_by_key(|id| id.to_bytes());
        ids.dedup();
        assert_eq!(ids.len(), spans.len());
    }

    #[test]
    fn a_life_goes_on_with_the_trace_of_whoever_launched_it() {
        let spans = spans(&over(), Some(PARENT));
        assert!(spans.iter().all(|span| format!("{}", span.span_context.trace_id()) == "0af7651916cd43dd8448eb211c80319c"));
        assert_eq!((format!("{}", spans[0].parent_span_id), spans[0].parent_span_is_remote), ("b7ad6b7169203331".to_owned(), true));
        for none in ["", "00-0-0-01", "00-00000000000000000000000000000000-b7ad6b7169203331-01", "x"] {
            assert_eq!(w3c(none), None, "{none}");
        }
    }
}
