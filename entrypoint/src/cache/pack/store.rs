//! The folder of packs on shared storage: references by name, objects by digest.
//!
//! Why it is safe with any number of savers and a crash at any step. An object gets its name by one rename, when it is whole and
//! on the server's disk; its name says its contents, so whoever else puts one there puts the same. A reference is made by one
//! symlink(2), which fails if the name is taken: exactly one saver wins, and it never changes. A reader who finds a reference
//! finds the object, unless somebody removed it: then the version is absent.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use nix::Result;
use nix::errno::Errno;
use nix::sys::time::TimeSpec;

use super::digest::Digest;
use crate::cache::dir::{Dir, Kind};
use crate::cache::names::{VersionId, is_arch, is_name, printable};
use crate::cache::publish::Published;
use crate::cache::refusal::Refusal;
use crate::cache::stage::KEPT_SECONDS;
use crate::cache::token::fresh_token;

pub(super) const FOLDER: &str = ".packs";
pub(super) const OBJECTS: &str = "objects";
pub(super) const REFS: &str = "refs";
pub(super) const STAGE: &str = "stage";
pub(super) const QUARANTINE: &str = "quarantine";
const ENDING: &str = ".tar.zst";
/// Where a reference leads, before the object's name.
const WAY: &str = "../../objects/";

/// The packs of one trust domain.
#[derive(Debug)]
pub(in crate::cache) struct Packs {
    folder: Dir,
    objects: Dir,
    refs: Dir,
}

impl Packs {
    /// For reading; `None` if there are none.
    pub(in crate::cache) fn open(root: &Dir, trust: &str) -> Result<Option<Self>> {
        let opened = root.sub(OsStr::new(FOLDER)).and_then(|folder| {
            let objects = folder.sub(OsStr::new(OBJECTS))?;
            let refs = folder.sub(OsStr::new(REFS))?.sub(OsStr::new(trust))?;
            Ok(Self { folder, objects, refs })
        });
        match opened {
            Err(Errno::ENOENT) => Ok(None),
            other => other.map(Some),
        }
    }

    /// For writing; what is missing is made.
    pub(in crate::cache) fn make(root: &Dir, trust: &str) -> Result<Self> {
        let folder = root.sub_or_make(OsStr::new(FOLDER))?;
        let objects = folder.sub_or_make(OsStr::new(OBJECTS))?;
        let refs = folder.sub_or_make(OsStr::new(REFS))?.sub_or_make(OsStr::new(trust))?;
        Ok(Self { folder, objects, refs })
    }

    /// The versions that have a reference. What else lies there is passed over.
    pub(in crate::cache) fn list(&self) -> Result<Vec<VersionId>> {
        let entries = self.refs.entries()?;
        Ok(entries.into_iter().filter(|(_, kind)| matches!(kind, None | Some(Kind::Link))).filter_map(|(name, _)| decoded(&name)).collect())
    }

    /// Which pack a version's reference names.
    pub(in crate::cache) fn digest_of(&self, id: &VersionId) -> std::result::Result<Digest, Refusal> {
        let path = id.to_string();
        let target = self.refs.read_link(&encoded(id)?).map_err(Refusal::at("read the reference of", path.as_bytes()))?;
        let elsewhere = || Refusal::Forged(format!("its reference leads to {}", printable(target.as_bytes())));
        digest_in(&target).ok_or_else(elsewhere)
    }

    /// Opens a pack. `Dangling`: nobody has it.
    pub(in crate::cache) fn object(&self, digest: Digest) -> std::result::Result<File, Refusal> {
        let name = object_name(digest);
        // Not opened if it is known to be something else: opening a device may do something. Whether it is there, the open tells.
        if self.objects.stat(&name).is_ok_and(|stat| Kind::of(&stat) != Kind::File) {
            return Err(Refusal::Forged("it is no file".into()));
        }
        match self.objects.open_file(&name) {
            Err(Errno::ENOENT) => Err(Refusal::Dangling(digest.to_string())),
            other => other.map_err(Refusal::at("open the pack", digest.to_string().as_bytes())),
        }
    }

    /// Bytes of a pack.
    pub(in crate::cache) fn size_of(&self, digest: Digest) -> std::result::Result<u64, Refusal> {
        match self.objects.stat(&object_name(digest)) {
            Err(Errno::ENOENT) => Err(Refusal::Dangling(digest.to_string())),
            Err(cause) => Err(Refusal::at("look at the pack", digest.to_string().as_bytes())(cause)),
            Ok(stat) => Ok(u64::try_from(stat.st_size).unwrap_or(0)),
        }
    }

    /// Notes that a pack was used now: what is not used for long is removed some day.
    pub(in crate::cache) fn stamp(&self, digest: Digest) {
        // Storage that is mounted for reading only, or that belongs to somebody else, has somebody else to tidy it.
        let _ = self.objects.set_mtime_of(&object_name(digest), &TimeSpec::UTIME_NOW);
    }

    /// A new file for a pack, and the name it has until it is published.
    pub(in crate::cache) fn begin(&self) -> Result<(File, Staged)> {
        let stage = self.folder.sub_or_make(OsStr::new(STAGE))?;
        let name = fresh_token()?;
        let file = stage.create_file(&name, 0o644)?;
        Ok((file, Staged { stage, name }))
    }

    /// Gives a whole pack its name, and the version its reference.
    pub(in crate::cache) fn publish(&self, staged: Staged, digest: Digest, id: &VersionId) -> std::result::Result<Published, Refusal> {
        let mut staged = Some(staged);
        let published = self.refer(&mut staged, digest, id);
        if let Some(staged) = staged {
            staged.discard();
        }
        published
    }

    fn refer(&self, staged: &mut Option<Staged>, digest: Digest, id: &VersionId) -> std::result::Result<Published, Refusal> {
        let told = id.to_string();
        let at = |operation| Refusal::at(operation, told.as_bytes());
        let object = object_name(digest);
        if self.objects.has(&object, Kind::File).map_err(at("look for the pack of"))? {
            // The same contents, perhaps of another trust domain. Used now, so that nobody tidies it away under the new reference.
            self.stamp(digest);
        } else {
            self.place(staged, &object, &told)?;
        }
        let target = target_of(digest);
        let reference = encoded(id)?;
        match self.refs.make_reference(&target, &reference) {
            Ok(()) => {}
            // After a lost connection a server may refuse the repetition of what it has carried out: what stands there tells.
            Err(Errno::EEXIST) => match self.refs.read_link(&reference) {
                Ok(there) if there == target => {}
                Ok(_) => return Ok(Published::Theirs),
                // What stands there is no reference to anybody.
                Err(cause) => return Err(at("read what stands in the place of the reference of")(cause)),
            },
            Err(cause) => return Err(at("make the reference of")(cause)),
        }
        // Who removes unused packs moves one away, then looks for references; we made ours, then look for the pack: one of the two
        // sees the other. Opened and not looked at, because an open is answered by the server and a look perhaps by our own kernel.
        if matches!(self.objects.open_file(&object), Err(Errno::ENOENT)) {
            self.place(staged, &object, &told).inspect_err(|_| {
                // Without a pack it would keep others from saving the version.
                let _ = self.refs.unlink(&reference);
            })?;
        }
        self.refs.sync().map_err(at("write to disk the reference of"))?;
        Ok(Published::Ours)
    }

    /// Gives a staged pack its name, if it has not got it before.
    fn place(&self, staged: &mut Option<Staged>, object: &OsStr, told: &str) -> std::result::Result<(), Refusal> {
        let Some(Staged { stage, name }) = staged else {
            return Err(Refusal::Withdrawn(format!("the pack of {told}")));
        };
        stage.rename_to(name, &self.objects, object).map_err(Refusal::at("rename into place the pack of", told.as_bytes()))?;
        *staged = None;
        self.objects.sync().map_err(Refusal::at("write to disk the name of the pack of", told.as_bytes()))
    }

    /// Puts a broken pack where nobody takes it for one and gives its name free for a good one. Best effort: whoever cannot write
    /// there has refused it all the same. `seen` is the file that was found broken: if another one has the name by now, somebody
    /// was here before, and it is not touched.
    pub(in crate::cache) fn quarantine(&self, digest: Digest, id: &VersionId, seen: Option<Seen>) -> bool {
        let there = self.objects.stat(&object_name(digest)).map(|stat| (stat.st_dev, stat.st_ino));
        if seen.is_some_and(|seen| there != Ok(seen)) {
            return true;
        }
        let Ok(mut aside) = fresh_token() else { return false };
        aside.push("-");
        aside.push(object_name(digest));
        let moved = self.folder.sub_or_make(OsStr::new(QUARANTINE)).and_then(|quarantine| {
            self.objects.rename_to(&object_name(digest), &quarantine, &aside)?;
            // From now on its time is that of its quarantine: who tidies up goes by it.
            let _ = quarantine.set_mtime_of(&aside, &TimeSpec::UTIME_NOW);
            Ok(())
        });
        let freed = self.digest_of(id) != Ok(digest) || self.forget(id);
        moved.is_ok() && freed
    }

    /// Removes the reference of a version, so that it can be saved again.
    pub(in crate::cache) fn forget(&self, id: &VersionId) -> bool {
        encoded(id).is_ok_and(|reference| self.refs.unlink(&reference).is_ok())
    }

    /// Deletes what savers that died a day ago left. Only for tidiness, so nothing of it is an error.
    pub(in crate::cache) fn collect_old(&self) {
        let Ok(stage) = self.folder.sub(OsStr::new(STAGE)) else { return };
        let left = stage.entries().unwrap_or_default();
        if left.is_empty() {
            return;
        }
        let Ok(now) = stage.now() else { return };
        for (name, _) in left {
            if stage.stat(&name).is_ok_and(|stat| now - stat.st_mtime > KEPT_SECONDS) {
                // Also a directory: who asked for the time may have died before the answer.
                let _ = stage.remove_tree(&name);
            }
        }
    }
}

/// Which file: its device and number.
pub(in crate::cache) type Seen = (u64, u64);

/// A pack that is being written.
#[derive(Debug)]
pub(in crate::cache) struct Staged {
    stage: Dir,
    name: OsString,
}

impl Staged {
    /// Deletes it. What stays is collected a day later.
    pub(in crate::cache) fn discard(self) {
        let _ = self.stage.unlink(&self.name);
    }
}

pub(super) fn object_name(digest: Digest) -> OsString {
    format!("{digest}{ENDING}").into()
}

/// The digest in an object's name.
pub(super) fn digest_named(name: &OsStr) -> Option<Digest> {
    name.as_bytes().strip_suffix(ENDING.as_bytes()).and_then(Digest::parse)
}

/// What a reference to a pack holds.
pub(super) fn target_of(digest: Digest) -> OsString {
    format!("{WAY}{digest}{ENDING}").into()
}

/// The digest in what a reference holds.
pub(super) fn digest_in(target: &OsStr) -> Option<Digest> {
    target.as_bytes().strip_prefix(WAY.as_bytes()).and_then(|name| digest_named(OsStr::from_bytes(name)))
}

/// `<tool>@<version>@<arch>`, with `%40` and `%25` for `@` and `%` in them.
pub(super) fn encoded(id: &VersionId) -> std::result::Result<OsString, Refusal> {
    let mut name = Vec::new();
    for (index, part) in [&id.tool, &id.version, &id.arch].into_iter().enumerate() {
        if index > 0 {
            name.push(b'@');
        }
        for byte in part.as_bytes() {
            match byte {
                b'@' => name.extend(b"%40"),
                b'%' => name.extend(b"%25"),
                byte => name.push(*byte),
            }
        }
    }
    if name.len() > 255 {
        return Err(Refusal::at("name the pack of", id.to_string().as_bytes())(Errno::ENAMETOOLONG));
    }
    Ok(OsString::from_vec(name))
}

/// The version of a reference's name; `None`: we would not have written it so.
pub(super) fn decoded(name: &OsStr) -> Option<VersionId> {
    let mut parts = name.as_bytes().split(|byte| *byte == b'@').map(|part| {
        let mut plain = Vec::with_capacity(part.len());
        let mut rest = part;
        while let Some((byte, after)) = rest.split_first() {
            rest = after;
            match (byte, after.get(..2)) {
                (b'%', Some(b"40")) => plain.push(b'@'),
                (b'%', Some(b"25")) => plain.push(b'%'),
                (b'%', _) => return None,
                _ => {
                    plain.push(*byte);
                    continue;
                }
            }
            rest = &after[2..];
        }
        Some(OsString::from_vec(plain))
    });
    let id = VersionId { tool: parts.next()??, version: parts.next()??, arch: parts.next()?? };
    let ours = parts.next().is_none() && is_name(&id.tool) && is_name(&id.version) && is_arch(&id.arch);
    ours.then_some(id)
}

/// Whether a trust domain may have that name: it is that of a directory.
pub(in crate::cache) fn is_trust(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=32).contains(&name.len()) && name.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::dir::Gate;

    fn id(tool: &str, version: &str, arch: &str) -> VersionId {
        VersionId { tool: tool.into(), version: version.into(), arch: arch.into() }
    }

    #[test]
    fn a_reference_is_called_after_its_version_and_nothing_else_is_one() {
        for (version, name) in [
            (id("node", "20.1.0", "x64"), "node@20.1.0@x64"),
            (id("@scope%tool", "1@2", "x64"), "%40scope%25tool@1%402@x64"),
            (id("é", "1", "x64"), "é@1@x64"),
        ] {
            assert_eq!(encoded(&version), Ok(name.into()));
            assert_eq!(decoded(OsStr::new(name)), Some(version));
        }
        let others = ["node", "node@20", "node@20@x64@y", "node@@x64", ".a@1@x64", "a%4@1@x64", "a%41@1@x64", "a@..@x64", "a@1@\n"];
        for name in others {
            assert_eq!(decoded(OsStr::new(name)), None, "{name}");
        }
        assert!(encoded(&id(&"x".repeat(200), &"y".repeat(100), "x64")).is_err());
    }

    #[test]
    fn a_trust_domain_is_a_plain_name() {
        for (name, good) in [("shared", true), ("team-a1", true), ("", false), ("..", false), ("A", false), (&"x".repeat(33), false)] {
            assert_eq!(is_trust(name), good, "{name}");
        }
    }

    #[test]
    fn of_two_packs_of_one_version_the_first_stays() {
        let temp = tempfile::tempdir().unwrap();
        let root = Dir::root(temp.path(), Gate::default()).unwrap();
        let version = id("node", "20.1.0", "x64");
        assert!(Packs::open(&root, "shared").unwrap().is_none());
        let packs = Packs::make(&root, "shared").unwrap();
        let (one, two) = (Digest::of(b"1"), Digest::of(b"2"));
        for (digest, expected) in [(one, Published::Ours), (two, Published::Theirs), (one, Published::Ours)] {
            let (_, staged) = packs.begin().unwrap();
            assert_eq!(packs.publish(staged, digest, &version), Ok(expected));
        }
        assert_eq!(packs.digest_of(&version), Ok(one));
        assert_eq!(packs.list().unwrap(), [version]);
        assert_eq!(std::fs::read_dir(temp.path().join(".packs/stage")).unwrap().count(), 0);
    }

    /// A saver may die between making a directory to ask the time and removing it: found by killing one at every call.
    #[test]
    fn what_the_dead_left_is_collected_whatever_it_is() {
        let temp = tempfile::tempdir().unwrap();
        let root = Dir::root(temp.path(), Gate::default()).unwrap();
        let packs = Packs::make(&root, "shared").unwrap();
        let (_, staged) = packs.begin().unwrap();
        let stage = temp.path().join(".packs/stage");
        std::fs::create_dir_all(stage.join("directory/deeper")).unwrap();
        for name in [std::path::Path::new(&staged.name), "directory".as_ref()] {
            let old = std::time::SystemTime::UNIX_EPOCH;
            std::fs::File::open(stage.join(name)).unwrap().set_modified(old).unwrap();
        }
        let (_, young) = packs.begin().unwrap();
        packs.collect_old();
        let left: Vec<_> = std::fs::read_dir(&stage).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, [young.name]);
    }

    #[test]
    fn a_reference_that_leads_anywhere_else_is_refused() {
        let temp = tempfile::tempdir().unwrap();
        let root = Dir::root(temp.path(), Gate::default()).unwrap();
        let packs = Packs::make(&root, "shared").unwrap();
        let version = id("node", "20.1.0", "x64");
        let sum = Digest::of(b"1");
        for target in ["/etc/passwd".to_owned(), format!("{WAY}../{sum}{ENDING}"), format!("{sum}{ENDING}"), format!("{WAY}{sum}")] {
            let reference = temp.path().join(".packs/refs/shared/node@20.1.0@x64");
            std::os::unix::fs::symlink(&target, &reference).unwrap();
            assert!(matches!(packs.digest_of(&version), Err(Refusal::Forged(_))), "{target}");
            std::fs::remove_file(reference).unwrap();
        }
    }
}
