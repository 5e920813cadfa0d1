//! The tar header of an entry, as POSIX pax has it. Pure: the same bytes for the same entry, always.

use super::manifest::{Entry, Manifest, What};

/// The unit of a tar archive, in bytes.
pub(super) const BLOCK: u64 = 512;
/// The longest name and link target that a header itself has room for.
const NAME: usize = 100;
/// The largest size: 11 octal digits.
const SIZE: u64 = 0o777_7777_7777;

/// Bytes that fill the last block of a file's contents.
pub(super) fn padding(size: u64) -> usize {
    // Below 512.
    usize::try_from(size.next_multiple_of(BLOCK) - size).unwrap_or_default()
}

/// Appends the header of the entry at `index`, with a pax extended header before it if the plain one cannot say all.
pub(super) fn append(manifest: &Manifest, index: usize, into: &mut Vec<u8>) {
    let entry = &manifest.entries[index];
    let mut path = entry.path.clone();
    if entry.what == What::Directory {
        path.extend(if path.is_empty() { &b"./"[..] } else { b"/" });
    }
    let (kind, link) = match &entry.what {
        What::Directory => (tar::EntryType::Directory, &[][..]),
        What::File { .. } => (tar::EntryType::Regular, &[][..]),
        What::HardLink(first) => (tar::EntryType::Link, manifest.entries.get(*first).map_or(&[][..], |first| &first.path[..])),
        What::Link(target) => (tar::EntryType::Symlink, &target[..]),
    };
    let extended = extended(entry, &path, link);
    if !extended.is_empty() {
        let size = extended.len() as u64;
        into.extend(plain(b"pax", tar::EntryType::XHeader, 0o644, size, 0, &[]));
        into.extend(&extended);
        into.resize(into.len() + padding(size), 0);
    }
    // What a field cannot hold stands in the extended header; a time before 1970 is not worth one of its own.
    let seconds = u64::try_from(entry.mtime.seconds).unwrap_or(0).min(SIZE);
    into.extend(plain(&path, kind, entry.mode, entry.size().min(SIZE), seconds, link));
}

/// The records of the extended header (pax(1), "pax Extended Header").
fn extended(entry: &Entry, path: &[u8], link: &[u8]) -> Vec<u8> {
    let mut records = Vec::new();
    if path.len() > NAME {
        record(&mut records, "path", path);
    }
    if link.len() > NAME {
        record(&mut records, "linkpath", link);
    }
    if entry.size() > SIZE {
        record(&mut records, "size", entry.size().to_string().as_bytes());
    }
    if entry.mtime.nanoseconds > 0 {
        let time = format!("{}.{:09}", entry.mtime.seconds, entry.mtime.nanoseconds);
        record(&mut records, "mtime", time.as_bytes());
    }
    records
}

/// `<length> <key>=<value>\n`, where the length counts itself.
fn record(records: &mut Vec<u8>, key: &str, value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while rest + length.to_string().len() != length {
        length += 1;
    }
    records.extend(length.to_string().bytes());
    records.push(b' ');
    records.extend(key.bytes());
    records.push(b'=');
    records.extend(value);
    records.push(b'\n');
}

fn plain(path: &[u8], kind: tar::EntryType, mode: u32, size: u64, seconds: u64, link: &[u8]) -> [u8; 512] {
    let mut header = tar::Header::new_ustar();
    let old = header.as_old_mut();
    let fit = |bytes: &[u8]| bytes.len().min(NAME);
    old.name[..fit(path)].copy_from_slice(&path[..fit(path)]);
    old.linkname[..fit(link)].copy_from_slice(&link[..fit(link)]);
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(size);
    header.set_mtime(seconds);
    header.set_cksum();
    *header.as_bytes()
}

#[cfg(test)]
mod tests {
    use super::super::manifest::tests::{entry, file, tree};
    use super::*;
    use std::os::unix::ffi::OsStrExt;

    /// What another reader of tar archives finds in ours.
    #[test]
    fn another_reader_finds_names_links_modes_times_and_sizes() {
        let long = format!("{}/{}", "d".repeat(90), "f".repeat(90));
        let manifest = tree(vec![
            entry("bin", What::Directory),
            file("bin/node", 600),
            entry(&"d".repeat(90), What::Directory),
            file(&long, 3),
            entry("link", What::Link("x".repeat(150).into())),
            entry("second", What::HardLink(2)),
        ]);
        let mut archive = Vec::new();
        for (index, entry) in manifest.entries.iter().enumerate() {
            append(&manifest, index, &mut archive);
            let size = usize::try_from(entry.size()).unwrap();
            archive.resize(archive.len() + size + padding(entry.size()), 0);
            assert_eq!(archive.len() % 512, 0);
        }
        archive.resize(archive.len() + 1024, 0);
        let mut read = tar::Archive::new(&archive[..]);
        let mut found = Vec::new();
        for entry in read.entries().unwrap() {
            let mut entry = entry.unwrap();
            let times: Vec<String> = entry
                .pax_extensions()
                .unwrap()
                .into_iter()
                .flatten()
                .map(Result::unwrap)
                .filter(|extension| extension.key() == Ok("mtime"))
                .map(|extension| extension.value().unwrap().to_owned())
                .collect();
            assert_eq!(times, ["1000000000.000000005"]);
            let header = entry.header();
            found.push((
                String::from_utf8(entry.path_bytes().into_owned()).unwrap(),
                header.entry_type(),
                header.mode().unwrap(),
                entry.size(),
                entry.link_name().unwrap().map(|link| link.as_os_str().as_bytes().len()),
            ));
        }
        use tar::EntryType::{Directory, Link, Regular, Symlink};
        assert_eq!(
            found,
            [
                ("./".into(), Directory, 0o755, 0, None),
                ("bin/".into(), Directory, 0o755, 0, None),
                ("bin/node".into(), Regular, 0o644, 600, None),
                (format!("{}/", "d".repeat(90)), Directory, 0o755, 0, None),
                (long, Regular, 0o644, 3, None),
                ("link".into(), Symlink, 0o777, 0, Some(150)),
                ("second".into(), Link, 0o644, 0, Some(8)),
            ]
        );
    }

    #[test]
    fn a_record_counts_its_own_length() {
        for (value, expected) in [("1", "9 path=1\n"), ("12", "11 path=12\n")] {
            let mut records = Vec::new();
            record(&mut records, "path", value.as_bytes());
            assert_eq!(String::from_utf8(records).unwrap(), expected);
        }
    }
}
