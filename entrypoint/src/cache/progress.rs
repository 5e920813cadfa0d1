//! How far a long run is: counted by those who work, shown by a thread of its own. A bar where a person looks on, a line every few
//! seconds where a log is kept, nothing for a run that is over before.
//!
//! By hand, because the usual crate (indicatif) and what it needs add 110 kB to a static program, and this is two formats of a line.

use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::report::{counted, grouped, size};

/// Between two lines of a log.
const LINES: Duration = Duration::from_secs(5);
/// Between two pictures of the bar: as a film is seen, no more.
const PICTURES: Duration = Duration::from_millis(100);
/// Columns of the bar itself.
const BAR: usize = 24;

/// The counters of one run. Adding is one relaxed instruction each, and nobody waits.
#[derive(Debug, Clone, Default)]
pub(super) struct Progress(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    versions: AtomicU64,
    of_versions: AtomicU64,
    files: AtomicU64,
    bytes: AtomicU64,
    of_bytes: AtomicU64,
}

impl Progress {
    /// There are so many versions to come, with so many bytes if that is known.
    pub(super) fn expect(&self, versions: usize, bytes: Option<u64>) {
        self.0.of_versions.store(versions as u64, Ordering::Relaxed);
        self.0.of_bytes.store(bytes.unwrap_or(0), Ordering::Relaxed);
    }

    /// So many more files and bytes are done.
    pub(super) fn copied(&self, files: u64, bytes: u64) {
        self.0.files.fetch_add(files, Ordering::Relaxed);
        self.0.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// One more version is done, well or badly.
    pub(super) fn version(&self) {
        self.0.versions.fetch_add(1, Ordering::Relaxed);
    }

    fn seen(&self) -> Seen {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let Counters { versions, of_versions, files, bytes, of_bytes } = &*self.0;
        Seen {
            versions: load(versions),
            of_versions: load(of_versions),
            files: load(files),
            bytes: load(bytes),
            of_bytes: Some(load(of_bytes)).filter(|bytes| *bytes > 0),
        }
    }
}

/// The counters at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    versions: u64,
    of_versions: u64,
    files: u64,
    bytes: u64,
    of_bytes: Option<u64>,
}

/// How progress is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Nothing,
    Bar,
    Lines,
    Json,
}

impl Form {
    /// What suits this process's standard error.
    pub(super) fn of_stderr(json: bool) -> Self {
        match (std::io::stderr().is_terminal(), json) {
            (true, _) => Self::Bar,
            (false, true) => Self::Json,
            (false, false) => Self::Lines,
        }
    }

    fn beat(self) -> Duration {
        if self == Self::Bar { PICTURES } else { LINES }
    }
}

/// What is done, and to what: `("restore", "restored", "version")`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Deed {
    pub(super) verb: &'static str,
    pub(super) done: &'static str,
    pub(super) unit: &'static str,
}

/// Does `work` and shows meanwhile how far it is.
pub(super) fn shown<T>(deed: Deed, progress: &Progress, form: Form, to: &mut (dyn Write + Send), work: impl FnOnce() -> T) -> T {
    if form == Form::Nothing { work() } else { told(deed, progress, form, form.beat(), to, work) }
}

fn told<T>(deed: Deed, progress: &Progress, form: Form, beat: Duration, to: &mut (dyn Write + Send), work: impl FnOnce() -> T) -> T {
    let over = (Mutex::new(false), Condvar::new());
    std::thread::scope(|scope| {
        scope.spawn(|| tell(deed, progress, form, beat, to, &over));
        // Dropped also when the work panics: the other thread would go on for ever, and this one wait for it.
        let _over = Over(&over);
        work()
    })
}

struct Over<'a>(&'a (Mutex<bool>, Condvar));

impl Drop for Over<'_> {
    fn drop(&mut self) {
        let (over, changed) = self.0;
        *over.lock().unwrap_or_else(PoisonError::into_inner) = true;
        changed.notify_all();
    }
}

fn tell(
    deed: Deed,
    progress: &Progress,
    form: Form,
    beat: Duration,
    to: &mut (dyn Write + Send),
    (over, changed): &(Mutex<bool>, Condvar),
) {
    let mut beats = 0_u32;
    let mut drawn = 0;
    let mut is_over = over.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let (guard, waited) = changed.wait_timeout(is_over, beat).unwrap_or_else(PoisonError::into_inner);
        is_over = guard;
        if *is_over {
            break;
        }
        if !waited.timed_out() {
            continue;
        }
        beats += 1;
        let seen = progress.seen();
        // Before the first look nothing is known; a reader that has gone away is no reason to fail.
        if seen.of_versions > 0 {
            let text = match form {
                Form::Bar => picture(deed, seen, &mut drawn),
                Form::Json => json(deed, seen, beat * beats),
                _ => format!("{}\n", line(deed, seen)),
            };
            let _ = to.write_all(text.as_bytes()).and_then(|()| to.flush());
        }
    }
    if drawn > 0 {
        let _ = write!(to, "\r{:drawn$}\r", "").and_then(|()| to.flush());
    }
}

/// `restored 3 of 13 versions, 54 of 154 MB`
fn line(deed: Deed, seen: Seen) -> String {
    let mut text = format!("{} {} of {}", deed.done, grouped(seen.versions), counted(seen.of_versions, deed.unit));
    match seen.of_bytes {
        // The unit is that of the whole, so that the two can be compared.
        Some(all) if all >= 1_000_000 => {
            let _ = write!(text, ", {} of {} MB", grouped(seen.bytes / 1_000_000), grouped(all / 1_000_000));
        }
        Some(all) => {
            let _ = write!(text, ", {} of {}", size(seen.bytes), size(all));
        }
        None => {
            let _ = write!(text, ", {}", size(seen.bytes));
        }
    }
    text
}

fn json(deed: Deed, seen: Seen, since: Duration) -> String {
    let Seen { versions, of_versions, files, bytes, of_bytes } = seen;
    let of_bytes = of_bytes.map_or_else(|| "null".to_owned(), |bytes| bytes.to_string());
    format!(
        "{{\"progress\":\"{}\",\"versions\":{versions},\"of_versions\":{of_versions},\"files\":{files},\"bytes\":{bytes},\"of_bytes\":{of_bytes},\"seconds\":{}}}\n",
        deed.verb,
        since.as_secs()
    )
}

/// The bar, over the one before.
fn picture(deed: Deed, seen: Seen, drawn: &mut usize) -> String {
    let (part, whole) = seen.of_bytes.map_or((seen.versions, seen.of_versions), |all| (seen.bytes, all));
    let filled = usize::try_from(part.min(whole) * BAR as u64 / whole.max(1)).unwrap_or(BAR);
    let told = line(deed, seen);
    let text = format!("[{:BAR$}] {told}, {}", "=".repeat(filled), counted(seen.files, "file"));
    // One column less than the narrowest terminal: a line that breaks cannot be drawn over.
    let text: String = text.chars().take(79).collect();
    let before = std::mem::replace(drawn, text.len());
    format!("\r{text:before$}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    const RESTORE: Deed = Deed { verb: "restore", done: "restored", unit: "version" };

    /// Sends on what is written to it.
    struct Sink(mpsc::Sender<String>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            let _ = self.0.send(String::from_utf8(bytes.to_vec()).unwrap());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn half() -> Progress {
        let progress = Progress::default();
        progress.expect(13, Some(154_000_000));
        (0..3).for_each(|_| progress.version());
        progress.copied(1234, 54_300_000);
        progress
    }

    #[test]
    fn a_line_tells_versions_and_bytes() {
        assert_eq!(line(RESTORE, half().seen()), "restored 3 of 13 versions, 54 of 154 MB");
        let small = Progress::default();
        small.expect(1, Some(999_000));
        small.copied(1, 999);
        assert_eq!(line(RESTORE, small.seen()), "restored 0 of 1 version, 999 B of 999 kB");
        small.expect(2, None);
        assert_eq!(line(Deed { unit: "pack", ..RESTORE }, small.seen()), "restored 0 of 2 packs, 999 B");
    }

    #[test]
    fn a_program_reads_a_line_of_json() {
        assert_eq!(
            json(RESTORE, half().seen(), Duration::from_secs(10)),
            "{\"progress\":\"restore\",\"versions\":3,\"of_versions\":13,\"files\":1234,\"bytes\":54300000,\"of_bytes\":154000000,\"seconds\":10}\n"
        );
    }

    #[test]
    fn a_bar_is_drawn_over_the_one_before_and_never_breaks_the_line() {
        let mut drawn = 0;
        let first = picture(RESTORE, half().seen(), &mut drawn);
        assert_eq!(first, "\r[========                ] restored 3 of 13 versions, 54 of 154 MB, 1,234 files");
        let shorter = Progress::default();
        shorter.expect(1, None);
        let second = picture(RESTORE, shorter.seen(), &mut drawn);
        assert_eq!(second.len(), first.len());
        shorter.expect(usize::MAX, Some(u64::MAX));
        shorter.copied(u64::MAX, u64::MAX / 100);
        assert!(picture(RESTORE, shorter.seen(), &mut drawn).len() <= 80);
    }

    #[test]
    fn while_the_work_lasts_lines_come_and_afterwards_the_bar_is_gone() {
        for form in [Form::Lines, Form::Json, Form::Bar] {
            let (sender, lines) = mpsc::channel();
            let progress = half();
            let worked = told(RESTORE, &progress, form, Duration::from_millis(1), &mut Sink(sender), || {
                // The work ends when two lines were seen.
                (lines.recv().unwrap(), lines.recv().unwrap()).0
            });
            assert!(worked.contains("restore"), "{worked}");
            let last = lines.into_iter().last();
            if form == Form::Bar {
                assert!(last.unwrap().trim().is_empty());
            }
        }
    }

    #[test]
    fn a_run_that_is_over_before_the_first_line_tells_nothing() {
        let mut told = Vec::new();
        assert_eq!(shown(RESTORE, &half(), Form::Lines, &mut told, || 7), 7);
        assert!(told.is_empty());
    }
}
