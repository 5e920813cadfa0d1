//! A child's output as lines.

use std::io;

use tokio::{net::unix::pipe::Receiver, sync::oneshot};

use crate::{ChildEnd, children::Pipes};

/// A longer line of a program's log is told in pieces of this size, so that output without line breaks cannot eat the memory of PID 1.
pub(crate) const LOG_LINE: usize = 16 * 1024;

/// A longer answer of an errand is torn, and then understood by nobody. A registration's blob is about 10 kB.
pub(crate) const ANSWER: usize = 256 * 1024;

/// What is still read after the child's end, in bytes. More than a pipe holds (pipe(7): 64 KiB) is not the child's own: something it
/// left behind writes without pause, and its end must not wait for that.
const LAST_WORDS: usize = 128 * 1024;

/// What is read at once.
const PIECE: usize = 8192;

/// What a pump tells, in order.
pub(crate) enum Told {
    Line(Stream, String),
    Ended(ChildEnd),
}

/// Which of a child's outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stream {
    Out,
    Err,
}

/// Reads both pipes until nobody holds their other ends, and tells the child's end after all that it wrote before.
///
/// Processes that the child left behind may hold the pipes open long after it, so the end of the child is not the end of the pump.
pub(crate) async fn pump(pipes: Pipes, longest: usize, mut ended: oneshot::Receiver<ChildEnd>, mut tell: impl FnMut(Told)) {
    let source = |stream, pipe| Source::new(stream, pipe, longest);
    let (Ok(mut out), Ok(mut err)) = (source(Stream::Out, pipes.stdout), source(Stream::Err, pipes.stderr)) else {
        if let Ok(end) = ended.await {
            tell(Told::Ended(end));
        }
        return;
    };
    let mut living = true;
    while living || out.open || err.open {
        tokio::select! {
            biased;
            () = out.ready(), if out.open => { out.read(&mut tell); }
            () = err.ready(), if err.open => { err.read(&mut tell); }
            end = &mut ended, if living => {
                living = false;
                for source in [&mut out, &mut err] {
                    let mut rest = LAST_WORDS;
                    while rest > 0 {
                        match source.read_last(&mut tell) {
                            0 => break,
                            length => rest = rest.saturating_sub(length),
                        }
                    }
                    source.finish(&mut tell);
                }
                if let Ok(end) = end {
                    tell(Told::Ended(end));
                }
            }
        }
    }
}

struct Source {
    stream: Stream,
    pipe: Receiver,
    splitter: Splitter,
    open: bool,
}

impl Source {
    fn new(stream: Stream, pipe: std::os::fd::OwnedFd, longest: usize) -> io::Result<Self> {
        Ok(Self { stream, pipe: Receiver::from_owned_fd(pipe)?, splitter: Splitter { partial: Vec::new(), longest }, open: true })
    }

    async fn ready(&self) {
        // An error shows again, with its reason, when we read.
        let _ = self.pipe.readable().await;
    }

    /// Reads what the loop knows to be there and says how much it was.
    fn read(&mut self, tell: &mut impl FnMut(Told)) -> usize {
        let mut buffer = [0; PIECE];
        let read = self.pipe.try_read(&mut buffer);
        self.take(read, &buffer, tell)
    }

    /// Reads what is there, whatever the loop knows. Of a child that ends before its pipe was looked at, the loop knows nothing, and does
    /// not ask the kernel.
    fn read_last(&mut self, tell: &mut impl FnMut(Told)) -> usize {
        let mut buffer = [0; PIECE];
        let read = nix::unistd::read(&self.pipe, &mut buffer).map_err(io::Error::from);
        self.take(read, &buffer, tell)
    }

    fn take(&mut self, read: io::Result<usize>, buffer: &[u8], tell: &mut impl FnMut(Told)) -> usize {
        match read {
            Ok(length) if length > 0 => {
                self.splitter.push(&buffer[..length]).into_iter().for_each(|line| tell(Told::Line(self.stream, line)));
                length
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => 0,
            Ok(_) | Err(_) => {
                self.open = false;
                self.finish(tell);
                0
            }
        }
    }

    fn finish(&mut self, tell: &mut impl FnMut(Told)) {
        self.splitter.finish().into_iter().for_each(|line| tell(Told::Line(self.stream, line)));
    }
}

/// Bytes in, whole lines out. Pure.
#[derive(Debug)]
struct Splitter {
    partial: Vec<u8>,
    longest: usize,
}

impl Splitter {
    fn push(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut lines = Vec::new();
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            self.partial.extend_from_slice(piece);
            if piece.ends_with(b"\n") {
                lines.extend(self.finish());
            }
            while self.partial.len() > self.longest {
                let rest = self.partial.split_off(self.longest);
                lines.extend(self.finish());
                self.partial = rest;
            }
        }
        lines
    }

    fn finish(&mut self) -> Option<String> {
        if self.partial.is_empty() {
            return None;
        }
        let line = String::from_utf8_lossy(&self.partial).trim_end_matches(['\n', '\r']).to_owned();
        self.partial.clear();
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn splitter() -> Splitter {
        Splitter { partial: Vec::new(), longest: LOG_LINE }
    }

    #[test]
    fn lines_are_whole_however_the_bytes_arrive() {
        let text = b"one\r\ntwo\n\nthree";
        for chunk in 1..text.len() {
            let mut splitter = splitter();
            let mut lines: Vec<String> = text.chunks(chunk).flat_map(|bytes| splitter.push(bytes)).collect();
            lines.extend(splitter.finish());
            assert_eq!(lines, ["one", "two", "", "three"], "in chunks of {chunk}");
        }
    }

    #[test]
    fn a_line_without_end_is_told_in_pieces() {
        let mut splitter = splitter();
        let pieces = splitter.push(&vec![b'x'; 3 * LOG_LINE + 5]);
        assert_eq!(pieces.iter().map(String::len).collect::<Vec<_>>(), [LOG_LINE; 3]);
        assert_eq!(splitter.finish().unwrap().len(), 5);
    }

    /// Seen in a task definition's own containers: an errand that failed at once, while this process was still starting the next one, was
    /// heard after its end. By then nobody listened: it had ended with 0, so its answer was taken for told, and the machine waited for it for
    /// ever, registered and silent. The pipe's readiness comes with the loop's next look at the kernel; the end did not wait for one.
    #[test]
    fn a_child_that_was_quicker_than_our_first_look_is_heard_before_its_end() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        runtime.block_on(async {
            let ([stdout, mut out], [stderr, err]) = (ends(), ends());
            io::Write::write_all(&mut out, b"the answer\n").unwrap();
            drop((out, err));
            let (ended, end) = oneshot::channel();
            ended.send(ChildEnd::Code(0)).unwrap();
            let mut told = Vec::new();
            let pipes = Pipes { stdout: stdout.into(), stderr: stderr.into() };
            pump(pipes, ANSWER, end, |what| {
                told.push(match what {
                    Told::Line(_, line) => line,
                    Told::Ended(end) => end.to_string(),
                });
            })
            .await;
            assert_eq!(told, ["the answer", &ChildEnd::Code(0).to_string()]);
        });
    }

    /// The end to read, and the end to write, of a pipe.
    fn ends() -> [std::fs::File; 2] {
        let (read, write) = nix::unistd::pipe().unwrap();
        [read.into(), write.into()]
    }

    #[test]
    fn bytes_that_are_no_text_do_not_stop_it() {
        assert_eq!(splitter().push(b"a\xffb\n"), ["a\u{fffd}b"]);
    }
}
