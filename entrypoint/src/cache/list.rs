//! What is there. Writes nothing, not even to ask the time.

mod table;

use std::path::Path;

use nix::Result;
use serde::Serialize;

use super::crew::at_once;
use super::dir::{Dir, Gate};
use super::names::VersionId;
use super::pack::digest::Digest;
use super::pack::read::Pack;
use super::pack::shelf::{Aside, Object, Reference, Shelf, leading_to};
use super::refusal::Limits;
use super::restore::SHARED;
use super::side::{Side, Unusable};
use super::stage::{KEPT_SECONDS, Stage};
use super::told::{named, now, time};
use super::tree::survey::{State, survey};

/// Complete trees, with the times of their markers.
type Trees = Vec<(VersionId, Option<i64>)>;

/// Manifests read at once, each a few round trips.
const LOOKS: usize = 16;

/// What to list.
#[derive(Debug)]
pub(super) struct List<'a> {
    pub(super) remote: &'a Path,
    /// Only this trust domain.
    pub(super) trust: Option<&'a str>,
    /// With what only the manifests know: each is read.
    pub(super) long: bool,
    pub(super) gate: Gate,
}

/// What was found.
#[derive(Debug, Default, Serialize)]
pub(super) struct Listing {
    /// `list`.
    cache: &'static str,
    pub(super) versions: Vec<Row>,
    /// Packs that are listed, each once.
    packs: usize,
    /// Bytes of them.
    packed_bytes: u64,
    /// Versions that are there as trees.
    trees: usize,
    /// References without a pack.
    pub(super) dangling: Vec<String>,
    /// Packs without a reference, in any domain.
    unreferenced: usize,
    /// Broken packs put aside.
    quarantined: usize,
    /// Stages, at work or dead.
    stages: usize,
    /// Those of them that nobody wrote to for a day.
    dead_stages: usize,
    #[serde(skip)]
    now: i64,
}

/// One version in one trust domain.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) version: String,
    pub(super) trust: String,
    pub(super) layout: Layout,
    /// Bytes of the pack.
    packed_bytes: Option<u64>,
    /// Bytes of the files in it, from its manifest.
    bytes: Option<u64>,
    /// Files and links in it, from its manifest.
    files: Option<u64>,
    last_used: Option<String>,
    pub(super) digest: Option<String>,
    /// Seconds.
    #[serde(skip)]
    used: Option<i64>,
}

/// How a version is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Layout {
    Pack,
    Tree,
    Both,
}

impl Row {
    fn new(trust: &str, id: &VersionId, layout: Layout, used: Option<i64>) -> Self {
        let (version, last_used) = (id.to_string(), used.map(time));
        Self { version, trust: trust.to_owned(), layout, packed_bytes: None, bytes: None, files: None, last_used, digest: None, used }
    }

    fn of_pack(reference: &Reference, digest: Digest, object: Object, layout: Layout) -> Self {
        let row = Self::new(&reference.trust, &reference.id, layout, Some(object.used));
        Self { packed_bytes: Some(object.size), digest: Some(digest.to_string()), ..row }
    }
}

impl List<'_> {
    /// Looks at everything once.
    pub(super) fn run(&self) -> std::result::Result<Listing, Unusable> {
        let root = Side::Remote.open(self.remote, &self.gate)?;
        self.look(&root).map_err(Side::Remote.wrong("list", self.remote))
    }

    fn look(&self, root: &Dir) -> Result<Listing> {
        let mut listing = Listing { cache: "list", now: now(), ..Listing::default() };
        let mut trees = self.trees(root)?;
        listing.trees = trees.len();
        let dead = listing.now - KEPT_SECONDS;
        (listing.stages, listing.dead_stages) = Stage::count(root, dead)?;
        if let Some(shelf) = Shelf::open(root)? {
            self.packs(&shelf, &mut trees, &mut listing)?;
            let stages = shelf.leftovers(Aside::Stage)?;
            listing.stages += stages.len();
            listing.dead_stages += stages.iter().filter(|stage| stage.since < dead).count();
            listing.quarantined = shelf.leftovers(Aside::Quarantine)?.len();
        }
        listing.versions.extend(trees.iter().map(|(id, used)| Row::new(SHARED, id, Layout::Tree, *used)));
        listing.versions.sort_by(|one, two| (&one.version, &one.trust).cmp(&(&two.version, &two.trust)));
        Ok(listing)
    }

    fn packs(&self, shelf: &Shelf, trees: &mut Trees, listing: &mut Listing) -> Result<()> {
        let objects = shelf.objects()?;
        let references = shelf.references(None)?;
        listing.unreferenced = objects.keys().filter(|digest| leading_to(&references, **digest).is_empty()).count();
        let wanted = |reference: &&Reference| self.trust.is_none_or(|trust| trust == reference.trust);
        let mut seen: Vec<Digest> = Vec::new();
        for reference in references.iter().filter(wanted) {
            let Some((digest, object)) = reference.digest.and_then(|digest| Some((digest, *objects.get(&digest)?))) else {
                listing.dangling.push(named(&reference.trust, &reference.id));
                continue;
            };
            let tree = trees.iter().position(|(id, _)| reference.trust == SHARED && *id == reference.id);
            let both = tree.map(|index| trees.remove(index)).is_some();
            let layout = if both { Layout::Both } else { Layout::Pack };
            listing.versions.push(Row::of_pack(reference, digest, object, layout));
            seen.push(digest);
        }
        for (_, object) in objects.iter().filter(|(digest, _)| seen.contains(digest)) {
            listing.packs += 1;
            listing.packed_bytes += object.size;
        }
        if self.long {
            let manifests = at_once(&seen, LOOKS, |digest| {
                let (file, _) = shelf.object(*digest).ok()??;
                let pack = Pack::open(file, *digest, Limits::default()).ok()?;
                Some((pack.manifest.bytes(), pack.manifest.files()))
            });
            // A pack that cannot be read has no size; `verify` says why.
            for (row, (bytes, files)) in listing.versions.iter_mut().zip(manifests).filter_map(|(row, read)| Some((row, read?))) {
                (row.bytes, row.files) = (Some(bytes), Some(files));
            }
        }
        Ok(())
    }

    /// The complete trees, with the times of their markers.
    fn trees(&self, root: &Dir) -> Result<Trees> {
        if self.trust.is_some_and(|trust| trust != SHARED) {
            return Ok(Trees::new());
        }
        let ids: Vec<VersionId> = survey(root)?.into_iter().filter(|(_, state)| *state == State::Complete).map(|(id, _)| id).collect();
        let times = at_once(&ids, LOOKS, |id| {
            let marker = root.sub(&id.tool).and_then(|tool| tool.sub(&id.version)).and_then(|version| version.stat(&id.marker()));
            marker.ok().map(|marker| marker.st_mtime)
        });
        Ok(ids.into_iter().zip(times).collect())
    }
}
