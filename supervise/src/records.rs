//! The only owner of what this process writes: its log records and its children's lines, whole lines in one format.
//!
//! Nothing here ever blocks the caller. Lines go to a thread through a bounded queue; when whoever reads our output stops reading
//! (a log driver that hangs), lines are dropped and counted, and the count is the first thing written when there is room again.

mod format;
mod mask;

use std::{
    borrow::Cow,
    fmt,
    io::{self, IsTerminal as _, Write as _},
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicU8, AtomicU64, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, channel, sync_channel},
    },
    time::{Duration, SystemTime},
};

use tracing::{Level, Metadata, Subscriber, field::Visit, span};

pub use format::Format;
use format::{Line, Origin};
use mask::Masks;

use crate::Verdict;

/// Lines that wait for a slow reader.
const QUEUE: usize = 4096;

/// How long the end of the process waits for the queue to empty.
const FLUSH: Duration = Duration::from_millis(500);

/// Where lines go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sink {
    /// Standard output: a program whose output is its log.
    Stdout,
    /// Standard error: a program whose standard output belongs to its child.
    Stderr,
}

/// How records are written.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// The crate whose records are written at `level`; of other crates only errors are.
    pub program: &'static str,
    /// Where.
    pub sink: Sink,
    /// As what; `None` is human on a terminal and JSON elsewhere.
    pub format: Option<Format>,
    /// The least important level that is written.
    pub level: Level,
    /// Colours, on a terminal and in human form.
    pub colour: bool,
}

#[derive(Debug)]
struct Records {
    settings: Settings,
    format: Format,
    colour: bool,
    phase: Mutex<&'static str>,
    /// What the phase has come to, by its own records.
    worst: AtomicU8,
    labels: Mutex<Vec<(&'static str, String)>>,
    queue: OnceLock<SyncSender<Job>>,
    /// Since the last record about it, and ever.
    dropped: AtomicU64,
    lost: AtomicU64,
}

#[derive(Debug)]
enum Job {
    Write(Vec<u8>),
    Flush(std::sync::mpsc::Sender<()>),
}

static RECORDS: OnceLock<Records> = OnceLock::new();

static MASKS: Mutex<Option<Masks>> = Mutex::new(None);

/// The name of the field that says which event a record is of; a record for machines has it beside its message.
const EVENT: &str = "event";

/// Begins to write. Later calls change nothing.
///
/// Panics of any thread become records, so that a job's collapse does not tear a line.
pub fn start(settings: Settings) {
    let terminal = match settings.sink {
        Sink::Stdout => io::stdout().is_terminal(),
        Sink::Stderr => io::stderr().is_terminal(),
    };
    let format = settings.format.unwrap_or(if terminal { Format::Human } else { Format::Json });
    let records = Records {
        settings,
        format,
        colour: terminal && settings.colour && format == Format::Human,
        phase: Mutex::new(""),
        worst: AtomicU8::new(Verdict::Well as u8),
        labels: Mutex::new(Vec::new()),
        queue: OnceLock::new(),
        dropped: AtomicU64::new(0),
        lost: AtomicU64::new(0),
    };
    if RECORDS.set(records).is_ok() {
        let _ = tracing::subscriber::set_global_default(Recorder);
        std::panic::set_hook(Box::new(|panic| tracing::error!("a bug in this program: {panic}")));
    }
}

/// Blots this text out of everything that is written from now on: the last net below a secret, which has no business in a line. It is not
/// kept. What is shorter than eight bytes is no secret.
pub fn mask(secret: &str) {
    MASKS.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(Masks::new).add(secret);
}

fn masked(text: &str) -> Cow<'_, str> {
    MASKS.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map_or(Cow::Borrowed(text), |masks| masks.apply(text))
}

/// Which phase the following records belong to. What the one before it came to.
pub(crate) fn set_phase(phase: &'static str) -> Verdict {
    let Some(records) = RECORDS.get() else { return Verdict::Well };
    *records.phase.lock().unwrap_or_else(PoisonError::into_inner) = phase;
    Verdict::of(records.worst.swap(Verdict::Well as u8, Ordering::Relaxed))
}

/// Whether people read the log as it is written, and in colour.
pub(crate) fn for_people() -> Option<bool> {
    RECORDS.get().filter(|records| records.format == Format::Human).map(|records| records.colour)
}

/// Lines that could not be written until now, because nobody read them.
pub(crate) fn dropped() -> u64 {
    RECORDS.get().map_or(0, |records| records.lost.load(Ordering::Relaxed))
}

/// Writes whole lines that have a format of their own.
pub fn write_as_is(lines: &str) {
    if let Some(records) = RECORDS.get() {
        records.send(masked(lines).into_owned());
    }
}

/// Something that every record for machines carries from now on, ours and our children's: whose line it is.
pub(crate) fn label(name: &'static str, value: &str) {
    if let Some(records) = RECORDS.get() {
        let mut labels = records.labels.lock().unwrap_or_else(PoisonError::into_inner);
        labels.retain(|(known, _)| *known != name);
        labels.push((name, value.to_owned()));
    }
}

/// Writes the last record, whatever the least level is, and returns it as it is for machines.
pub(crate) fn last(message: &str, fields: &[Field]) -> String {
    let Some(records) = RECORDS.get() else { return String::new() };
    let phase = records.phase.lock().map_or("", |phase| *phase);
    let record = Record { level: Level::INFO, origin: Origin::Phase(phase), event: Some(message), message, fields };
    records.write(record);
    records.render(Format::Json, record)
}

/// Writes a line of a child under its name.
pub(crate) fn child_line(source: &'static str, text: &str) {
    if let Some(records) = RECORDS.get() {
        records.write(Record { level: Level::INFO, origin: Origin::Child(source), event: None, message: text, fields: &[] });
    }
}

/// Writes a line of a child that was understood: with its own level, if it has one, and with its own fields.
pub fn relay(source: &'static str, level: Option<Level>, message: &str, fields: Vec<(String, String)>) {
    if let Some(records) = RECORDS.get() {
        let origin = if level.is_some() { Origin::Speaker(source) } else { Origin::Child(source) };
        let fields: Vec<_> = fields.into_iter().map(|(name, value)| (name.into(), Value::Text(value))).collect();
        records.write(Record { level: level.unwrap_or(Level::INFO), origin, event: None, message, fields: &fields });
    }
}

/// Writes text that the user asked for, such as help, as it is.
pub fn answer(text: &str) {
    let mut stdout = io::stdout().lock();
    // Whoever asked is gone; there is nobody to tell.
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// Writes what the user must know before the log begins, such as a usage error, to standard error.
pub fn complain(text: &str) {
    let mut stderr = io::stderr().lock();
    let _ = stderr.write_all(masked(text).as_bytes()).and_then(|()| stderr.flush());
}

/// Waits a moment for the queue to empty: the last thing before the process ends.
pub fn flush() {
    let Some(queue) = RECORDS.get().and_then(|records| records.queue.get()) else { return };
    let (done, end) = channel();
    if queue.try_send(Job::Flush(done)).is_ok() {
        match end.recv_timeout(FLUSH) {
            Ok(()) | Err(RecvTimeoutError::Disconnected | RecvTimeoutError::Timeout) => {}
        }
    }
}

/// What is to be written.
#[derive(Debug, Clone, Copy)]
struct Record<'a> {
    level: Level,
    origin: Origin<'a>,
    event: Option<&'a str>,
    message: &'a str,
    fields: &'a [Field],
}

impl Records {
    fn write(&self, record: Record<'_>) {
        if let Origin::Phase(_) = record.origin {
            self.worst.fetch_max(Verdict::from(record.level) as u8, Ordering::Relaxed);
        }
        self.send(self.render(self.format, record));
    }

    fn send(&self, text: String) {
        // The thread begins with the first line: a supervisor that has nothing to say stays one thread.
        let queue = self.queue.get_or_init(|| start_writer(self.settings.sink));
        if queue.try_send(Job::Write(text.into_bytes())).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn render(&self, format: Format, record: Record<'_>) -> String {
        #[expect(clippy::disallowed_methods, reason = "records tell the time of day")]
        let time = SystemTime::now();
        let labels = self.labels.lock().unwrap_or_else(PoisonError::into_inner);
        let fields: Vec<Field> = record.fields.iter().map(|(name, value)| (name.clone(), value.masked())).collect();
        let Record { level, origin, event, message, .. } = record;
        let line = Line { time, level, origin, event, message: &masked(message), labels: &labels, fields: &fields };
        match format {
            Format::Json => format::json(&line),
            Format::Human => format::human(&line, self.colour),
        }
    }
}

fn start_writer(sink: Sink) -> SyncSender<Job> {
    let (queue, jobs) = sync_channel(QUEUE);
    // Without a thread the receiver is gone, and every line counts as dropped.
    let _ = std::thread::Builder::new().name("records".to_owned()).stack_size(64 * 1024).spawn(move || write_all(sink, &jobs));
    queue
}

fn write_all(sink: Sink, jobs: &Receiver<Job>) {
    let write = |bytes: &[u8]| match sink {
        // A broken pipe or a full disk must not stop the program; the line is lost.
        Sink::Stdout => drop(io::stdout().lock().write_all(bytes)),
        Sink::Stderr => drop(io::stderr().lock().write_all(bytes)),
    };
    for job in jobs {
        match job {
            Job::Write(line) => {
                write(&line);
                let dropped = RECORDS.get().map_or(0, |records| records.dropped.swap(0, Ordering::Relaxed));
                if dropped > 0 {
                    tracing::warn!(event = "lines_dropped", lines = dropped, "log lines were dropped because nobody read them");
                }
            }
            Job::Flush(done) => {
                if sink == Sink::Stdout {
                    let _ = io::stdout().flush();
                }
                let _ = done.send(());
            }
        }
    }
}

/// A name and a value.
pub(crate) type Field = (Cow<'static, str>, Value);

/// A field's value as its type was.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Text(String),
    Number(i64),
    Natural(u64),
    Real(f64),
    Switch(bool),
}

impl Value {
    fn masked(&self) -> Self {
        match self {
            Self::Text(text) => Self::Text(masked(text).into_owned()),
            other => other.clone(),
        }
    }
}

struct Recorder;

impl Subscriber for Recorder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Other crates trace for their own developers; their errors are still worth a line.
        let Some(records) = RECORDS.get() else { return false };
        let own = [records.settings.program, env!("CARGO_CRATE_NAME")].iter().any(|own| metadata.target().starts_with(own));
        metadata.is_event() && *metadata.level() <= if own { records.settings.level } else { Level::ERROR }
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let Some(records) = RECORDS.get() else { return };
        let mut fields = Fields::default();
        event.record(&mut fields);
        let phase = records.phase.lock().map_or("", |phase| *phase);
        let Fields { message, event: kind, others } = &fields;
        records.write(Record {
            level: *event.metadata().level(),
            origin: Origin::Phase(phase),
            event: kind.as_deref(),
            message,
            fields: others,
        });
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

#[derive(Default)]
struct Fields {
    message: String,
    event: Option<String>,
    others: Vec<Field>,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        match field.name() {
            "message" => self.message = text,
            name => self.others.push((name.into(), Value::Text(text))),
        }
    }

    fn record_str(&mut self, field: &tracing::field::Field, value: &str) {
        match field.name() {
            "message" => value.clone_into(&mut self.message),
            EVENT => self.event = Some(value.to_owned()),
            name => self.others.push((name.into(), Value::Text(value.to_owned()))),
        }
    }

    fn record_i64(&mut self, field: &tracing::field::Field, value: i64) {
        self.others.push((field.name().into(), Value::Number(value)));
    }

    fn record_u64(&mut self, field: &tracing::field::Field, value: u64) {
        self.others.push((field.name().into(), Value::Natural(value)));
    }

    fn record_f64(&mut self, field: &tracing::field::Field, value: f64) {
        self.others.push((field.name().into(), Value::Real(value)));
    }

    fn record_bool(&mut self, field: &tracing::field::Field, value: bool) {
        self.others.push((field.name().into(), Value::Switch(value)));
    }
}
