//! Makes packs from their description alone (`entrypoint/src/cache/pack.rs`), not with the program's code, and wrong ones on request.

use std::{
    fmt::Write as _,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

/// What the frames of a pack hold, and what its end says of them.
#[derive(Debug, Clone)]
pub(super) struct Forgery {
    /// The manifest's lines for the entries.
    pub(super) lines: Vec<String>,
    /// The tar archive in pieces of at most a megabyte.
    pub(super) plain: Vec<Vec<u8>>,
    /// The frames as they are written; `None`: `plain`, compressed.
    pub(super) packed: Option<Vec<Vec<u8>>>,
    /// Lengths in the seek table, packed and plain, instead of the right ones.
    pub(super) table: Option<Vec<(u32, u32)>>,
    /// The number of frames that the table says it has, instead of the right one.
    pub(super) count: Option<u32>,
    /// What is in the manifest's frame, instead of the manifest; still named by the sum of this text.
    pub(super) manifest: Option<(Vec<u8>, Vec<u8>)>,
    /// A second frame like the manifest's, behind it.
    pub(super) second: bool,
    /// What follows the end.
    pub(super) trailing: Vec<u8>,
}

pub(super) const BINARY: &[u8] = b"#!/bin/sh\necho node\n";

impl Forgery {
    /// A pack that is as it should be: `bin/node`, a link to it, a second name of it.
    pub(super) fn good() -> Self {
        let sum = sha256(BINARY);
        let file =
            |path: &str| format!("./{path} type=file size={} sha256digest={sum} inode=2 mode=0755 time=1000000000.000000000", BINARY.len());
        let lines = vec![
            ". type=dir mode=0755 time=1000000000.000000000".to_owned(),
            "./bin type=dir mode=0755 time=1000000000.000000000".to_owned(),
            file("bin/node"),
            "./link type=link link=bin/node mode=0777 time=1000000000.000000000".to_owned(),
            file("same"),
        ];
        let mut archive = Vec::new();
        archive.extend(header("./", b'5', 0o755, 0, ""));
        archive.extend(header("bin/", b'5', 0o755, 0, ""));
        archive.extend(header("bin/node", b'0', 0o755, BINARY.len(), ""));
        archive.extend(padded(BINARY));
        archive.extend(header("link", b'2', 0o777, 0, "bin/node"));
        archive.extend(header("same", b'1', 0o755, 0, "bin/node"));
        let plain = vec![archive, vec![0; 1024]];
        Self { lines, plain, packed: None, table: None, count: None, manifest: None, second: false, trailing: Vec::new() }
    }

    /// The same text in the manifest.
    pub(super) fn line(&mut self, from: &str, to: &str) {
        assert!(self.lines.iter().any(|line| line.contains(from)), "{from}");
        for line in &mut self.lines {
            *line = line.replace(from, to);
        }
    }

    /// The header at that block of the archive, in place of what is there.
    pub(super) fn block(&mut self, number: usize, header: [u8; 512]) {
        self.plain[0][512 * number..512 * (number + 1)].copy_from_slice(&header);
    }

    pub(super) fn text(&self) -> String {
        let mut text = "#mtree v2.0\n#pack v1 frame=1048576 tool=node version=20.1.0 arch=x64\n".to_owned();
        for line in &self.lines {
            text.push_str(line);
            text.push('\n');
        }
        for frame in &self.plain {
            let _ = writeln!(text, "#frame {}", sha256(frame));
        }
        text
    }

    /// The pack, and the name that it must have to be opened at all.
    pub(super) fn make(&self) -> (String, Vec<u8>) {
        let (text, end) = self.manifest.clone().unwrap_or_else(|| {
            let text = self.text().into_bytes();
            let end = zstd::bulk::compress(&text, 3).unwrap();
            (text, end)
        });
        let frames =
            self.packed.clone().unwrap_or_else(|| self.plain.iter().map(|frame| zstd::bulk::compress(frame, 3).unwrap()).collect());
        let mut table: Vec<(u32, u32)> = frames.iter().zip(&self.plain).map(|(packed, plain)| (length(packed), length(plain))).collect();
        let mut pack = frames.concat();
        for _ in 0..=usize::from(self.second) {
            pack.extend(0x184D_2A5D_u32.to_le_bytes());
            pack.extend(length(&end).to_le_bytes());
            pack.extend(&end);
            table.push((length(&end) + 8, 0));
        }
        let table = self.table.clone().unwrap_or(table);
        let count = self.count.unwrap_or(u32::try_from(table.len()).unwrap());
        pack.extend(0x184D_2A5E_u32.to_le_bytes());
        pack.extend((u32::try_from(table.len()).unwrap() * 8 + 9).to_le_bytes());
        for (packed, plain) in table {
            pack.extend(packed.to_le_bytes());
            pack.extend(plain.to_le_bytes());
        }
        pack.extend(count.to_le_bytes());
        pack.push(0);
        pack.extend(0x8F92_EAB1_u32.to_le_bytes());
        pack.extend(&self.trailing);
        (sha256(&text), pack)
    }

    /// Puts it on a remote side as `node/20.1.0/x64`. Returns the object and the reference.
    pub(super) fn publish(&self, remote: &Path) -> (PathBuf, PathBuf) {
        let (digest, pack) = self.make();
        let (object, reference) = places(remote, &digest);
        fs::write(&object, pack).unwrap();
        (object, reference)
    }
}

/// Makes the folders and a reference to that object. Returns where both are.
pub(super) fn places(remote: &Path, digest: &str) -> (PathBuf, PathBuf) {
    let (objects, refs) = (remote.join(".packs/objects"), remote.join(".packs/refs/shared"));
    for folder in [&objects, &refs] {
        fs::create_dir_all(folder).unwrap();
    }
    let (object, reference) = (objects.join(format!("{digest}.tar.zst")), refs.join("node@20.1.0@x64"));
    symlink(format!("../../objects/{digest}.tar.zst"), &reference).unwrap();
    (object, reference)
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap()
}

pub(super) fn sha256(bytes: &[u8]) -> String {
    let sum = ring::digest::digest(&ring::digest::SHA256, bytes);
    sum.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A file's contents in whole blocks.
pub(super) fn padded(contents: &[u8]) -> Vec<u8> {
    let mut padded = contents.to_vec();
    padded.resize(contents.len().next_multiple_of(512), 0);
    padded
}

/// An ustar header (POSIX pax, "ustar Interchange Format").
pub(super) fn header(name: &str, kind: u8, mode: u32, size: usize, link: &str) -> [u8; 512] {
    let mut header = [0_u8; 512];
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, name.as_bytes());
    put(100, format!("{mode:07o}").as_bytes());
    put(108, b"0000000");
    put(116, b"0000000");
    put(124, format!("{size:011o}").as_bytes());
    put(136, format!("{:011o}", 1_000_000_000).as_bytes());
    put(148, b"        ");
    put(156, &[kind]);
    put(157, link.as_bytes());
    put(257, b"ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:07o}\0").as_bytes());
    header
}
