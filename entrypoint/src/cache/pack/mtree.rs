//! A manifest as text, in the form of mtree(5), which libarchive and the BSDs' mtree read. Pure.
//!
//! One way to write each manifest: [`parse`] accepts only what [`render`] would have written, so two texts never mean the same
//! and there is no leniency to be used. Names of one file carry the same `inode`: the line, counted from 0, of the first.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{BufRead, Read as _};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

use super::digest::Digest;
use super::frame::{FRAME, MOST_FRAMES};
use super::manifest::{Entry, Manifest, Time, What};
use crate::cache::names::VersionId;

/// Longer than any line that is ever written: a path and a link's target of 4,096 bytes, each byte escaped.
const LINE: u64 = 40 << 10;

const FIRST: &str = "#mtree v2.0\n";

/// The second line: whose manifest it is, so that a pack that was signed off as one version cannot be passed off as another.
fn render_id(id: &VersionId, text: &mut String) {
    let _ = write!(text, "#pack v1 frame={FRAME}");
    for (key, name) in [("tool", &id.tool), ("version", &id.version), ("arch", &id.arch)] {
        let _ = write!(text, " {key}=");
        escape(name.as_bytes(), text);
    }
    text.push('\n');
}

fn id(words: &str) -> Option<VersionId> {
    let mut names = words.split(' ').skip(3).map(|word| unescape(word.split_once('=')?.1).map(OsString::from_vec));
    Some(VersionId { tool: names.next()??, version: names.next()??, arch: names.next()?? })
}

/// The text.
pub(super) fn render(manifest: &Manifest) -> String {
    let mut text = FIRST.to_owned();
    render_id(&manifest.id, &mut text);
    let mut shared = vec![false; manifest.entries.len()];
    for entry in &manifest.entries {
        if let What::HardLink(first) = entry.what
            && let Some(shared) = shared.get_mut(first)
        {
            *shared = true;
        }
    }
    for index in 0..manifest.entries.len() {
        render_entry(&manifest.entries, index, |first| shared.get(first) == Some(&true), &mut text);
    }
    for frame in &manifest.frames {
        render_frame(*frame, &mut text);
    }
    text
}

/// Appends the line of the entry at `index`; `shared` tells which file has further names.
fn render_entry(entries: &[Entry], index: usize, shared: impl Fn(usize) -> bool, text: &mut String) {
    let entry = &entries[index];
    let first = match entry.what {
        What::HardLink(first) => first,
        _ => index,
    };
    text.push('.');
    if !entry.path.is_empty() {
        text.push('/');
        escape(&entry.path, text);
    }
    let file = entries.get(first).map(|first| &first.what);
    // Writing to a String cannot fail.
    let _ = match (&entry.what, file) {
        (What::Directory, _) => write!(text, " type=dir"),
        (What::Link(target), _) => {
            text.push_str(" type=link link=");
            escape(target, text);
            Ok(())
        }
        (_, Some(What::File { size, sha256 })) => write!(text, " type=file size={size} sha256digest={sha256}"),
        _ => Ok(()),
    };
    if shared(first) {
        let _ = write!(text, " inode={first}");
    }
    let Time { seconds, nanoseconds } = entry.mtime;
    let _ = writeln!(text, " mode={:04o} time={seconds}.{nanoseconds:09}", entry.mode);
}

fn render_frame(frame: Digest, text: &mut String) {
    let _ = writeln!(text, "#frame {frame}");
}

/// The manifest of a text; `None` if it is not one that [`render`] writes. Line by line, so that a text that is none costs no memory, and
/// not beyond `most` entries, for which nobody will have a use.
pub(super) fn parse(mut text: impl BufRead, most: u64) -> std::io::Result<Option<Manifest>> {
    let mut manifest = Manifest::default();
    // The files that say of themselves that they have further names, and those that have.
    let (mut said, mut shared) = (BTreeSet::new(), BTreeSet::new());
    let mut lines = 0;
    let (mut line, mut again) = (String::new(), String::new());
    loop {
        line.clear();
        let read = text.by_ref().take(LINE).read_line(&mut line);
        match read {
            Err(cause) if cause.kind() == std::io::ErrorKind::InvalidData => return Ok(None),
            read => read?,
        };
        let Some(words) = line.strip_suffix('\n') else { break };
        again.clear();
        if lines == 0 {
            again.push_str(FIRST);
        } else if lines == 1 {
            let Some(id) = id(words) else { return Ok(None) };
            render_id(&id, &mut again);
            manifest.id = id;
        } else if let Some(frame) = words.strip_prefix("#frame ") {
            let Some(frame) = Digest::parse(frame.as_bytes()).filter(|_| (manifest.frames.len() as u64) < MOST_FRAMES) else {
                return Ok(None);
            };
            manifest.frames.push(frame);
            render_frame(frame, &mut again);
        } else if manifest.entries.len() as u64 > most {
            return Ok(Some(manifest));
        } else {
            let index = manifest.entries.len();
            let Some((entry, inode)) = entry(words, index).filter(|_| manifest.frames.is_empty()) else { return Ok(None) };
            if let What::HardLink(first) = entry.what {
                shared.insert(first);
            } else if inode.is_some() {
                said.insert(index);
            }
            manifest.entries.push(entry);
            render_entry(&manifest.entries, index, |_| inode.is_some(), &mut again);
        }
        if again != line {
            return Ok(None);
        }
        lines += 1;
    }
    Ok((line.is_empty() && lines >= 2 && said == shared).then_some(manifest))
}

/// The entry of a line, and the `inode` that it says.
fn entry(line: &str, index: usize) -> Option<(Entry, Option<usize>)> {
    let mut words = line.split(' ');
    let path = match words.next()? {
        "." => Vec::new(),
        path => unescape(path.strip_prefix("./")?)?,
    };
    let (mut kind, mut size, mut sum, mut target, mut inode, mut mode, mut mtime) = (None, None, None, None, None, None, None);
    for word in words {
        let (key, value) = word.split_once('=')?;
        match key {
            "type" => kind = Some(value),
            "size" => size = Some(value.parse().ok()?),
            "sha256digest" => sum = Some(Digest::parse(value.as_bytes())?),
            "link" => target = Some(unescape(value)?),
            "inode" => inode = Some(value.parse().ok()?),
            "mode" => mode = Some(u32::from_str_radix(value, 8).ok()?),
            "time" => {
                let (seconds, nanoseconds) = value.split_once('.')?;
                mtime = Some(Time { seconds: seconds.parse().ok()?, nanoseconds: nanoseconds.parse().ok()? });
            }
            _ => return None,
        }
    }
    let what = match kind? {
        "dir" => What::Directory,
        "link" => What::Link(target?),
        "file" if inode.is_some_and(|inode| inode < index) => What::HardLink(inode?),
        "file" => What::File { size: size?, sha256: sum? },
        _ => return None,
    };
    Some((Entry { path, what, mode: mode?, mtime: mtime? }, inode))
}

/// As vis(3) does with `VIS_OCTAL`: a backslash and three octal digits for what would end a word or a line, or is not ASCII.
fn escape(bytes: &[u8], into: &mut String) {
    for byte in bytes {
        if byte.is_ascii_graphic() && !b"\\#=".contains(byte) {
            into.push(char::from(*byte));
        } else {
            let _ = write!(into, "\\{byte:03o}");
        }
    }
}

fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'\\' {
            bytes.push(*first);
            continue;
        }
        let digits = std::str::from_utf8(rest.get(..3)?).ok()?;
        bytes.push(u8::from_str_radix(digits, 8).ok()?);
        rest = &rest[3..];
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::super::manifest::tests::{entry, file, tree};
    use super::*;

    fn parse(text: &[u8]) -> Option<Manifest> {
        super::parse(text, 100).unwrap()
    }

    fn sample() -> Manifest {
        let mut odd = file("bin/odd \u{e9}\n#=\\ name", 3);
        odd.path.push(0xff);
        tree(vec![
            entry("bin", What::Directory),
            file("bin/node", 5),
            odd,
            entry("lib", What::Link("bin/a b".into())),
            entry("second", What::HardLink(2)),
        ])
    }

    #[test]
    fn a_manifest_reads_as_mtree() {
        let sum = |text: &str| Digest::of(text.as_bytes());
        let odd = Digest::of("bin/odd \u{e9}\n#=\\ name".as_bytes());
        assert_eq!(
            render(&sample()),
            format!(
                "#mtree v2.0\n\
                 #pack v1 frame=1048576 tool=a\\040tool version=1.2 arch=x64\n\
                 . type=dir mode=0755 time=1000000000.000000005\n\
                 ./bin type=dir mode=0755 time=1000000000.000000005\n\
                 ./bin/node type=file size=5 sha256digest={} inode=2 mode=0644 time=1000000000.000000005\n\
                 ./bin/odd\\040\\303\\251\\012\\043\\075\\134\\040name\\377 type=file size=3 sha256digest={odd} mode=0644 time=1000000000.000000005\n\
                 ./lib type=link link=bin/a\\040b mode=0777 time=1000000000.000000005\n\
                 ./second type=file size=5 sha256digest={} inode=2 mode=0644 time=1000000000.000000005\n\
                 #frame {}\n",
                sum("bin/node"),
                sum("bin/node"),
                sum("frame"),
            )
        );
    }

    #[test]
    fn what_was_rendered_is_read_back_and_nothing_else_is_accepted() {
        let manifest = sample();
        let text = render(&manifest);
        assert_eq!(parse(text.as_bytes()), Some(manifest));
        for (from, to) in [
            ("size=5", "size=05"),
            ("mode=0755", "mode=755"),
            ("type=dir", "type=fifo"),
            (" type=dir", "  type=dir"),
            ("inode=2", "inode=3"),
            (" inode=2", ""),
            ("\\040", " "),
            ("\\012", "\\12"),
            ("#pack v1", "#pack v2"),
            (" version=1.2", ""),
            (" arch=x64", " arch=x64 more=1"),
            ("version=1.2 arch=x64", "arch=x64 version=1.2"),
            ("./lib", "lib"),
            ("time=1000000000.000000005", "time=1000000000.5"),
            ("size=5 ", ""),
            ("size=5", "uid=0 size=5"),
            ("#frame ", "#frame"),
        ] {
            assert!(text.contains(from), "{from}");
            assert_eq!(parse(text.replacen(from, to, 1).as_bytes()), None, "{to}");
        }
        assert_eq!(parse(&text.as_bytes()[..text.len() - 1]), None);
        assert_eq!(parse(b"\xff"), None);
    }

    /// Every byte of a manifest's text changed, one after the other: it is refused or another manifest, never a panic and never
    /// the same.
    #[test]
    fn no_changed_byte_goes_unnoticed() {
        let text = render(&sample()).into_bytes();
        let original = parse(&text);
        for index in 0..text.len() {
            for flip in [1, 0x20, 0x80] {
                let mut changed = text.clone();
                changed[index] ^= flip;
                assert!(parse(&changed) != original, "byte {index}");
            }
        }
    }
}
