//! All of the folder of packs, whatever trust domain: for those who look after it. Readers and savers use [`super::store`].

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;

use nix::Result;
use nix::errno::Errno;
use nix::sys::stat::{FileStat, fstat};
use nix::sys::time::TimeSpec;

use super::digest::Digest;
use super::store::{FOLDER, OBJECTS, QUARANTINE, REFS, STAGE, decoded, digest_in, digest_named, is_trust, object_name, target_of};
use crate::cache::crew::at_once;
use crate::cache::dir::{Dir, Kind};
use crate::cache::names::VersionId;
use crate::cache::token::fresh_token;

/// Questions to the server at once.
const LOOKS: usize = 16;

/// The folder of packs.
#[derive(Debug)]
pub(in crate::cache) struct Shelf {
    folder: Dir,
    objects: Dir,
    refs: Dir,
}

/// A version's name for a pack, in one trust domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cache) struct Reference {
    pub(in crate::cache) trust: String,
    pub(in crate::cache) id: VersionId,
    /// `None`: it leads to nothing that a pack could be.
    pub(in crate::cache) digest: Option<Digest>,
    /// When it was made, in seconds.
    pub(in crate::cache) made: i64,
    name: OsString,
}

/// A pack from outside. Times in seconds, of the file system's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cache) struct Object {
    /// Bytes.
    pub(in crate::cache) size: u64,
    /// When it was last restored, or written.
    pub(in crate::cache) used: i64,
    /// When anything of it changed last, its name included: a copy by rsync has an old time of use.
    pub(in crate::cache) touched: i64,
    /// Which file it is: another pack of that name has another.
    pub(in crate::cache) inode: u64,
}

/// Those of `references` that lead to that pack.
pub(in crate::cache) fn leading_to(references: &[Reference], digest: Digest) -> Vec<&Reference> {
    references.iter().filter(|reference| reference.digest == Some(digest)).collect()
}

impl Object {
    fn of(stat: &FileStat) -> Self {
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        Self { size, used: stat.st_mtime, touched: stat.st_mtime.max(stat.st_ctime), inode: stat.st_ino }
    }
}

/// Where things lie that are no packs to anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cache) enum Aside {
    Stage,
    Quarantine,
}

/// Something that lies aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cache) struct Leftover {
    pub(in crate::cache) name: OsString,
    /// When it was written to last, or put there.
    pub(in crate::cache) since: i64,
    /// Bytes, of a file.
    pub(in crate::cache) size: u64,
}

/// A pack that was moved to the stage.
#[derive(Debug)]
pub(in crate::cache) struct Taken {
    stage: Dir,
    holder: OsString,
    inside: Dir,
    digest: Digest,
}

impl Shelf {
    /// `None` if there is none.
    pub(in crate::cache) fn open(root: &Dir) -> Result<Option<Self>> {
        let opened = root.sub(OsStr::new(FOLDER)).and_then(|folder| {
            let objects = folder.sub(OsStr::new(OBJECTS))?;
            let refs = folder.sub(OsStr::new(REFS))?;
            Ok(Self { folder, objects, refs })
        });
        match opened {
            Err(Errno::ENOENT) => Ok(None),
            other => other.map(Some),
        }
    }

    /// The references of a trust domain, or of all, by domain and version. What else lies there is passed over.
    pub(in crate::cache) fn references(&self, trust: Option<&str>) -> Result<Vec<Reference>> {
        let mut all = Vec::new();
        for (domain, _) in self.refs.entries()? {
            let Some(domain) = domain.to_str().filter(|domain| is_trust(domain) && trust.is_none_or(|trust| trust == *domain)) else {
                continue;
            };
            let Some(dir) = absent(self.refs.sub(OsStr::new(domain)))? else { continue };
            let names: Vec<OsString> = dir.entries()?.into_iter().map(|(name, _)| name).collect();
            let found = at_once(&names, LOOKS, |name| {
                let Some(id) = decoded(name) else { return Ok(None) };
                // Gone meanwhile, or no link: no reference.
                let Some(stat) = absent(dir.stat(name))?.filter(|stat| Kind::of(stat) == Kind::Link) else { return Ok(None) };
                let Some(target) = absent(dir.read_link(name))? else { return Ok(None) };
                let (trust, digest) = (domain.to_owned(), digest_in(&target));
                Ok(Some(Reference { trust, id, digest, made: stat.st_mtime, name: name.clone() }))
            });
            for reference in found {
                all.extend(reference?);
            }
        }
        all.sort_by(|one, two| (&one.trust, &one.id).cmp(&(&two.trust, &two.id)));
        Ok(all)
    }

    /// All packs, whoever refers to them.
    pub(in crate::cache) fn objects(&self) -> Result<BTreeMap<Digest, Object>> {
        let digests: Vec<Digest> = self.objects.entries()?.iter().filter_map(|(name, _)| digest_named(name)).collect();
        let stats = at_once(&digests, LOOKS, |digest| absent(self.objects.stat(&object_name(*digest))));
        let mut all = BTreeMap::new();
        for (digest, stat) in digests.into_iter().zip(stats) {
            all.extend(stat?.filter(|stat| Kind::of(stat) == Kind::File).map(|stat| (digest, Object::of(&stat))));
        }
        Ok(all)
    }

    /// A pack as the server knows it now: an open asks it, where a look may be answered from what our kernel remembers.
    pub(in crate::cache) fn object(&self, digest: Digest) -> Result<Option<(File, Object)>> {
        opened(&self.objects, digest)
    }

    /// The time of now, of the file system's clock, in seconds. Makes and removes a directory.
    pub(in crate::cache) fn now(&self) -> Result<i64> {
        self.folder.sub_or_make(OsStr::new(STAGE))?.now()
    }

    /// Removes a reference if it still is the one that was seen. `false`: it is not.
    pub(in crate::cache) fn unrefer(&self, reference: &Reference) -> Result<bool> {
        let Some(dir) = absent(self.refs.sub(OsStr::new(&reference.trust)))? else { return Ok(false) };
        let now = absent(dir.read_link(&reference.name))?;
        if now.is_none_or(|target| digest_in(&target) != reference.digest) {
            return Ok(false);
        }
        Ok(absent(dir.unlink(&reference.name))?.is_some())
    }

    /// Makes a reference again. Whoever made another one meanwhile was first.
    pub(in crate::cache) fn refer(&self, reference: &Reference) -> Result<()> {
        let Some(digest) = reference.digest else { return Ok(()) };
        match self.refs.sub(OsStr::new(&reference.trust))?.make_reference(&target_of(digest), &reference.name) {
            Err(Errno::EEXIST) => Ok(()),
            other => other,
        }
    }

    /// Moves a pack to the stage. `None`: there is none.
    pub(in crate::cache) fn take(&self, digest: Digest) -> Result<Option<Taken>> {
        let stage = self.folder.sub_or_make(OsStr::new(STAGE))?;
        let holder = fresh_token()?;
        // In a directory, whose age is that of this step: the pack's own is such that another keeper would delete it at once.
        let inside = stage.make(&holder, 0o700)?;
        match absent(self.objects.rename_to(&object_name(digest), &inside, &object_name(digest))) {
            Ok(Some(())) => Ok(Some(Taken { stage, holder, inside, digest })),
            other => {
                let _ = stage.remove_dir(&holder);
                other.map(|_| None)
            }
        }
    }

    /// Moves a pack back that was taken, unless somebody has put the same one there.
    pub(in crate::cache) fn put_back(&self, taken: Taken) -> Result<()> {
        let name = object_name(taken.digest);
        if !self.objects.has(&name, Kind::File)? {
            taken.inside.rename_to(&name, &self.objects, &name)?;
        }
        taken.delete()
    }

    /// Moves a broken pack, if it is still that file, where nobody takes it for one, and removes what refers to it.
    pub(in crate::cache) fn quarantine(&self, digest: Digest, broken: Object, references: &[&Reference]) -> Result<()> {
        let name = object_name(digest);
        let same = absent(self.objects.stat(&name))?.is_some_and(|now| now.st_ino == broken.inode);
        if !same {
            return Ok(());
        }
        let mut aside = fresh_token()?;
        aside.push("-");
        aside.push(&name);
        let quarantine = self.folder.sub_or_make(OsStr::new(QUARANTINE))?;
        absent(self.objects.rename_to(&name, &quarantine, &aside))?;
        // From now on its time is that of its quarantine.
        let _ = quarantine.set_mtime_of(&aside, &TimeSpec::UTIME_NOW);
        for reference in references {
            self.unrefer(reference)?;
        }
        Ok(())
    }

    /// What lies aside.
    pub(in crate::cache) fn leftovers(&self, aside: Aside) -> Result<Vec<Leftover>> {
        absent(self.aside(aside))?.map_or(Ok(Vec::new()), |dir| leftovers(&dir))
    }

    /// Removes what lies aside. Packs in it that somebody refers to and nobody else has go back first: their keeper died.
    pub(in crate::cache) fn clear(&self, aside: Aside, name: &OsStr, referred: &dyn Fn(Digest) -> bool) -> Result<()> {
        let dir = self.aside(aside)?;
        if aside == Aside::Stage
            && let Ok(inside) = dir.sub(name)
        {
            for (packed, _) in inside.entries()? {
                let wanted = digest_named(&packed).is_some_and(referred);
                if wanted && !self.objects.has(&packed, Kind::File)? {
                    absent(inside.rename_to(&packed, &self.objects, &packed))?;
                }
            }
        }
        dir.remove_tree(name)
    }

    fn aside(&self, aside: Aside) -> Result<Dir> {
        self.folder.sub(OsStr::new(match aside {
            Aside::Stage => STAGE,
            Aside::Quarantine => QUARANTINE,
        }))
    }
}

impl Taken {
    /// As [`Shelf::object`].
    pub(in crate::cache) fn object(&self) -> Result<Option<(File, Object)>> {
        opened(&self.inside, self.digest)
    }

    pub(in crate::cache) fn delete(self) -> Result<()> {
        self.stage.remove_tree(&self.holder)
    }
}

/// The entries of a directory of leftovers.
pub(in crate::cache) fn leftovers(dir: &Dir) -> Result<Vec<Leftover>> {
    let mut found = Vec::new();
    for (name, _) in dir.entries()? {
        if let Some(stat) = absent(dir.stat(&name))? {
            let size = if Kind::of(&stat) == Kind::File { Object::of(&stat).size } else { 0 };
            found.push(Leftover { name, since: stat.st_mtime, size });
        }
    }
    Ok(found)
}

fn opened(dir: &Dir, digest: Digest) -> Result<Option<(File, Object)>> {
    let Some(file) = absent(dir.open_file(&object_name(digest)))? else { return Ok(None) };
    let stat = fstat(&file)?;
    Ok(Some((file, Object::of(&stat))))
}

/// What is not there, or not any more, is an answer.
fn absent<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Err(Errno::ENOENT | Errno::ESTALE) => Ok(None),
        other => other.map(Some),
    }
}
