//! Copies versions, many files at once, into the stage of the other side and has each published as soon as it is whole.
//!
//! What a copy is: regular files, directories and links that stay inside; contents, names, execute bits, modification times
//! to the nanosecond, hard links within a version, holes. What it is not: owners (all is the caller's), set-uid, set-gid and
//! sticky bits, write permission of others, extended attributes, devices, FIFOs, sockets (left out and counted).

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};

use nix::errno::Errno;
use nix::sys::stat::{FileStat, fstat, futimens};
use nix::sys::time::TimeSpec;

use super::contents::{Buffer, Contents, copy_large};
use super::node::Node;
use super::version::{LinkGroup, Version};
use super::writers::Writers;
use crate::cache::dir::{Dir, Kind};
use crate::cache::links::contained;
use crate::cache::modes::{directory_mode, file_mode, mtime};
use crate::cache::names::{VersionId, printable};
use crate::cache::outcome::Outcome;
use crate::cache::progress::Progress;
use crate::cache::publish::{Published, Rules, publish};
use crate::cache::queue::{Order, Queue};
use crate::cache::refusal::{Limits, Refusal};
use crate::cache::stage::Stage;
use crate::cache::stop::Stop;

/// Files a thread takes at once.
const BATCH: usize = 4;

/// How a run copies.
#[derive(Debug)]
pub(in crate::cache) struct Manner {
    /// Threads: calls in flight towards the slow side.
    pub(in crate::cache) threads: usize,
    /// Files being written at once: a local disk is only slowed down by more than a few.
    pub(in crate::cache) writers: usize,
    pub(in crate::cache) limits: Limits,
    pub(in crate::cache) rules: Rules,
    /// Paths under which the local side is known, for absolute links.
    pub(in crate::cache) homes: Vec<PathBuf>,
    pub(in crate::cache) stop: Stop,
    pub(in crate::cache) progress: Progress,
}

/// Copies `versions` from one root to the other and publishes them there.
pub(in crate::cache) fn copy_all(from: &Dir, to: &Dir, stage: &Stage, versions: Vec<VersionId>, manner: &Manner) -> Vec<Outcome> {
    let versions: Vec<Version> = versions.into_iter().enumerate().map(|(number, id)| Version::new(number, id, &manner.homes)).collect();
    // The queue opens the last first.
    let openings = (0..versions.len()).rev().map(Task::Version).collect();
    let run = Run {
        from,
        to,
        stage,
        versions: &versions,
        manner,
        queue: Queue::new(openings, 4 * manner.threads, Order::Random),
        writers: Writers::new(manner.writers),
    };
    std::thread::scope(|scope| {
        for _ in 0..manner.threads {
            scope.spawn(|| {
                let mut buffer = Buffer::default();
                run.queue.work(|task| run.perform(task, &mut buffer));
            });
        }
    });
    versions.into_iter().map(Version::outcome).collect()
}

enum Task {
    Version(usize),
    Directory { parent: Arc<Node>, name: OsString },
    Entries { node: Arc<Node>, batch: Vec<(OsString, Option<Kind>)> },
    HardLink { node: Arc<Node>, name: OsString, first: Vec<OsString> },
}

struct Run<'a> {
    from: &'a Dir,
    to: &'a Dir,
    stage: &'a Stage,
    versions: &'a [Version],
    manner: &'a Manner,
    queue: Queue<Task>,
    writers: Writers,
}

impl Run<'_> {
    fn perform(&self, task: Task, buffer: &mut Buffer) {
        match task {
            Task::Version(number) => {
                let version = &self.versions[number];
                match self.open_version(number) {
                    Ok(root) => self.list(&root),
                    Err(refusal) => {
                        let _ = version.refusal.set(refusal);
                        self.finish_version(number, None);
                    }
                }
            }
            Task::Directory { parent, name } => {
                if self.is_live(&parent) {
                    match self.open_directory(&parent, &name) {
                        Ok(node) => {
                            self.list(&node);
                            return;
                        }
                        Err(refusal) => self.refuse(&parent, refusal),
                    }
                }
                self.close(parent);
            }
            Task::Entries { node, batch } => {
                for (name, kind) in batch {
                    if self.is_live(&node)
                        && let Err(refusal) = self.entry(&node, &name, kind, buffer)
                    {
                        self.refuse(&node, refusal);
                    }
                }
                self.close(node);
            }
            Task::HardLink { node, name, first } => {
                if self.is_live(&node)
                    && let Err(refusal) = self.hard_link(&node, &name, &first)
                {
                    self.refuse(&node, refusal);
                }
                self.close(node);
            }
        }
    }

    fn version_of(&self, node: &Node) -> &Version {
        &self.versions[node.version]
    }

    fn is_live(&self, node: &Node) -> bool {
        if self.manner.stop.is_asked() {
            self.refuse(node, Refusal::Stopped);
        }
        self.version_of(node).refusal.get().is_none()
    }

    fn refuse(&self, node: &Node, refusal: Refusal) {
        // Only the first counts; others may be its consequences.
        let _ = self.version_of(node).refusal.set(refusal);
    }

    fn open_version(&self, number: usize) -> Result<Arc<Node>, Refusal> {
        let version = &self.versions[number];
        let from = self.source_root(&version.id)?;
        let stat = from.own_stat().map_err(Refusal::at("look at", b"."))?;
        let to = self
            .stage
            .own
            .make(&version.staged, directory_mode(stat.st_mode))
            .map_err(Refusal::at("make the stage of", version.id.arch.as_bytes()))?;
        Ok(Arc::new(Node { version: number, parent: None, path: Vec::new(), from, to, stat, open: AtomicUsize::new(1) }))
    }

    fn source_root(&self, id: &VersionId) -> Result<Dir, Refusal> {
        self.from
            .sub(&id.tool)
            .and_then(|tool| tool.sub(&id.version))
            .and_then(|version| version.sub(&id.arch))
            .map_err(Refusal::at("open", id.to_string().as_bytes()))
    }

    fn open_directory(&self, parent: &Arc<Node>, name: &OsStr) -> Result<Arc<Node>, Refusal> {
        let path = parent.path_of(name);
        if parent.path.len() >= self.manner.limits.depth {
            return Err(Refusal::TooDeep(self.manner.limits.depth));
        }
        let from = parent.from.sub(name).map_err(Refusal::at("open", &path))?;
        let stat = from.own_stat().map_err(Refusal::at("look at", &path))?;
        let to = parent.to.make(name, directory_mode(stat.st_mode)).map_err(Refusal::at("make directory", &path))?;
        let mut below = parent.path.clone();
        below.push(name.to_owned());
        Ok(Arc::new(Node {
            version: parent.version,
            parent: Some(Arc::clone(parent)),
            path: below,
            from,
            to,
            stat,
            open: AtomicUsize::new(1),
        }))
    }

    /// Lists a directory and queues what is in it.
    fn list(&self, node: &Arc<Node>) {
        match node.from.entries() {
            Err(cause) => self.refuse(node, Refusal::at("list", &node.path_of(OsStr::new("")))(cause)),
            Ok(entries) => {
                let version = self.version_of(node);
                let count = entries.len() as u64;
                let before = version.entries.fetch_add(count, Ordering::Relaxed);
                if before + count > self.manner.limits.entries {
                    self.refuse(node, Refusal::TooMany(self.manner.limits.entries));
                } else {
                    self.queue_entries(node, entries);
                }
            }
        }
        self.close(Arc::clone(node));
    }

    fn queue_entries(&self, node: &Arc<Node>, entries: Vec<(OsString, Option<Kind>)>) {
        let (directories, others): (Vec<_>, Vec<_>) = entries.into_iter().partition(|(_, kind)| *kind == Some(Kind::Directory));
        for (name, _) in directories {
            self.queue.add_opening(Task::Directory { parent: opened(node), name });
        }
        let mut others = others.into_iter().peekable();
        while others.peek().is_some() {
            self.queue.add_copy(Task::Entries { node: opened(node), batch: others.by_ref().take(BATCH).collect() });
        }
    }

    fn entry(&self, node: &Arc<Node>, name: &OsStr, kind: Option<Kind>, buffer: &mut Buffer) -> Result<(), Refusal> {
        let kind = match kind {
            Some(kind) => kind,
            None => {
                let stat = node.from.stat(name).map_err(Refusal::at("look at", &node.path_of(name)))?;
                Kind::of(&stat)
            }
        };
        match kind {
            Kind::File => self.file(node, name, buffer),
            Kind::Link => self.symbolic_link(node, name),
            Kind::Directory => {
                self.queue.add_opening(Task::Directory { parent: opened(node), name: name.to_owned() });
                Ok(())
            }
            Kind::Special => {
                self.version_of(node).skipped.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
        }
    }

    fn symbolic_link(&self, node: &Node, name: &OsStr) -> Result<(), Refusal> {
        let version = self.version_of(node);
        let path = node.path_of(name);
        let stat = node.from.stat(name).map_err(Refusal::at("look at", &path))?;
        let target = node.from.read_link(name).map_err(Refusal::at("read link", &path))?;
        let Some(target) = contained(target.as_bytes(), node.path.len(), &version.homes) else {
            return Err(Refusal::EscapingLink { path: printable(&path), target: printable(target.as_bytes()) });
        };
        node.to.make_link(&target, name, &mtime(&stat)).map_err(Refusal::at("make link", &path))?;
        version.files.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn file(&self, node: &Arc<Node>, name: &OsStr, buffer: &mut Buffer) -> Result<(), Refusal> {
        let version = self.version_of(node);
        let path = node.path_of(name);
        let mut from = node.from.open_file(name).map_err(Refusal::at("open", &path))?;
        let stat = fstat(&from).map_err(Refusal::at("look at", &path))?;
        if Kind::of(&stat) != Kind::File {
            return Err(Refusal::Changed(printable(&path)));
        }
        if stat.st_nlink > 1 && !self.is_first_of_group(node, name, &stat) {
            return Ok(());
        }
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        let before = version.bytes.fetch_add(size, Ordering::Relaxed);
        let copied = if before.saturating_add(size) > self.manner.limits.bytes {
            Err(Refusal::TooLarge(self.manner.limits.bytes))
        } else {
            self.copy(node, name, &mut from, &stat, buffer)
        };
        if stat.st_nlink > 1 {
            self.release_group(node, &stat);
        }
        copied?;
        version.files.fetch_add(1, Ordering::Relaxed);
        self.manner.progress.copied(1, size);
        Ok(())
    }

    fn copy(&self, node: &Node, name: &OsStr, from: &mut File, stat: &FileStat, buffer: &mut Buffer) -> Result<(), Refusal> {
        let path = node.path_of(name);
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        let contents = buffer.read(from, size).map_err(Refusal::io("read", &path))?.ok_or_else(|| Refusal::Changed(node.shown(name)))?;
        let mode = file_mode(stat.st_mode);
        {
            let _turn = self.writers.turn();
            let mut to = node.to.create_file(name, mode).map_err(Refusal::at("create", &path))?;
            let gate = node.to.gate();
            match contents {
                Contents::Whole(bytes) => {
                    gate.pass().map_err(Refusal::at("write", &path))?;
                    to.write_all(bytes).map_err(Refusal::io("write", &path))?;
                }
                Contents::Large(piece) => {
                    let steady = copy_large(from, &to, stat, piece, gate).map_err(Refusal::io("copy", &path))?;
                    if !steady {
                        return Err(Refusal::Changed(node.shown(name)));
                    }
                }
            }
            gate.pass().map_err(Refusal::at("set the time of", &path))?;
            futimens(&to, &TimeSpec::UTIME_OMIT, &mtime(stat)).map_err(Refusal::at("set the time of", &path))?;
            // A network file system tells a failed write here, at the latest.
            nix::unistd::close(to).map_err(Refusal::at("close", &path))?;
        }
        if !self.manner.rules.shared {
            // What is published does not change, and to look again is a round trip: reading has made the known status stale.
            return Ok(());
        }
        let after = fstat(&*from).map_err(Refusal::at("look at", &path))?;
        let same = (after.st_size, after.st_mtime, after.st_mtime_nsec) == (stat.st_size, stat.st_mtime, stat.st_mtime_nsec);
        same.then_some(()).ok_or_else(|| Refusal::Changed(node.shown(name)))
    }

    /// Whether this name of a file with several is the one to copy. If not, it is linked now or waits for the first.
    fn is_first_of_group(&self, node: &Arc<Node>, name: &OsStr, stat: &FileStat) -> bool {
        let mut groups = self.version_of(node).groups.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (stat.st_dev, stat.st_ino);
        let Some(group) = groups.get_mut(&key) else {
            let mut first = node.path.clone();
            first.push(name.to_owned());
            groups.insert(key, LinkGroup { first, whole: false, waiting: Vec::new() });
            return true;
        };
        if group.whole {
            self.queue.add_copy(Task::HardLink { node: opened(node), name: name.to_owned(), first: group.first.clone() });
        } else {
            group.waiting.push((opened(node), name.to_owned()));
        }
        false
    }

    /// The first of a group is done, well or badly: those that waited go on, and see which.
    fn release_group(&self, node: &Node, stat: &FileStat) {
        let mut groups = self.version_of(node).groups.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(group) = groups.get_mut(&(stat.st_dev, stat.st_ino)) {
            group.whole = true;
            for (node, name) in group.waiting.drain(..) {
                let first = group.first.clone();
                self.queue.add_copy(Task::HardLink { node, name, first });
            }
        }
    }

    fn hard_link(&self, node: &Node, name: &OsStr, first: &[OsString]) -> Result<(), Refusal> {
        let version = self.version_of(node);
        let path = node.path_of(name);
        let at = |cause| Refusal::at("link", &path)(cause);
        let (file, directories) = first.split_last().ok_or(Errno::ENOENT).map_err(at)?;
        let mut dir = self.stage.own.sub(&version.staged).map_err(at)?;
        for directory in directories {
            dir = dir.sub(directory).map_err(at)?;
        }
        node.to.hard_link(&dir, file, name).map_err(at)?;
        version.files.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// One part of a directory is done. With the last one its time is set, and its parent has one part less.
    fn close(&self, node: Arc<Node>) {
        let mut node = node;
        while node.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            if self.is_live(&node)
                && let Err(cause) = node.to.set_mtime(&mtime(&node.stat))
            {
                let path = node.path_of(OsStr::new(""));
                self.refuse(&node, Refusal::at("set the time of", &path)(cause));
            }
            match &node.parent {
                Some(parent) => node = Arc::clone(parent),
                None => {
                    self.finish_version(node.version, Some(&node));
                    return;
                }
            }
        }
    }

    fn finish_version(&self, number: usize, root: Option<&Node>) {
        let version = &self.versions[number];
        self.manner.progress.version();
        if version.refusal.get().is_none()
            && let Some(root) = root
        {
            let published = self
                .unchanged(&version.id, root)
                .and_then(|()| publish(self.to, self.stage, &version.staged, &version.id, self.manner.rules));
            match published {
                Ok(published) => {
                    let _ = version.published.set(published);
                    if published == Published::Ours {
                        return;
                    }
                }
                Err(refusal) => {
                    let _ = version.refusal.set(refusal);
                }
            }
        }
        // What cannot be removed is in the stage and is collected later.
        let _ = self.stage.own.remove_tree(&version.staged);
    }

    /// The source still stands under its name, marker and all. If somebody moved it, its files may have been deleted under
    /// our hands, and a listing does not tell.
    fn unchanged(&self, id: &VersionId, root: &Node) -> Result<(), Refusal> {
        // A source that fails is not one that somebody withdrew: who reads it would look for the wrong thing.
        let gone = |cause| match cause {
            Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP | Errno::ESTALE => Refusal::Withdrawn(id.to_string()),
            cause => Refusal::at("look again at", id.to_string().as_bytes())(cause),
        };
        let version = self.from.sub(&id.tool).and_then(|tool| tool.sub(&id.version)).map_err(gone)?;
        let now = version.stat(&id.arch).map_err(gone)?;
        let marked = version.has(&id.marker(), Kind::File).map_err(gone)?;
        let same = (now.st_dev, now.st_ino) == (root.stat.st_dev, root.stat.st_ino);
        (same && marked).then_some(()).ok_or_else(|| gone(Errno::ESTALE))
    }
}

/// A further part of this directory is open.
fn opened(node: &Arc<Node>) -> Arc<Node> {
    node.open.fetch_add(1, Ordering::AcqRel);
    Arc::clone(node)
}
