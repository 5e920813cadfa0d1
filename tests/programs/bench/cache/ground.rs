//! Where the copying happens: the full cache, what each layout makes of it on the shared side, a place for each run.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use runner_tests::{
    fixtures::{FleetCache, NEW, Version},
    scratch::Scratch,
    slow_mount::{Counts, SlowMount},
    trees::differences,
};
use tempfile::TempDir;

use super::{
    case::Case,
    contender::{Commands, Contender, Direction, Layout},
    measure::{Taken, measure},
    options::Options,
};

/// A run's result.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) taken: Taken,
    /// Of the mount, where there is one that counts.
    pub(super) counts: Option<Counts>,
}

/// What is copied.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    pub(super) files: u32,
    pub(super) bytes: u64,
}

pub(super) struct Ground {
    options: Options,
    pub(super) commands: Commands,
    fleet: FleetCache,
    /// Local disk.
    local: TempDir,
    /// Behind the mount, or on the real one.
    shared: TempDir,
    /// A shared side and a local one that were made of the full cache, per layout.
    bases: RefCell<BTreeMap<Layout, PathBuf>>,
    pub(super) all: Size,
    pub(super) new: Size,
    _scratch: Scratch,
}

impl Ground {
    pub(super) fn make(options: &Options, entrypoint: &Path) -> Self {
        let scratch = Scratch::new();
        let local = folder_in(&options.local);
        // Memory behind the mount: the far server's own disk is in its latencies.
        let memory = PathBuf::from("/dev/shm");
        let behind = options.real.clone().unwrap_or(if memory.is_dir() { memory } else { std::env::temp_dir() });
        let shared = folder_in(&behind);
        let fleet = FleetCache::of_files(options.files);
        let [full, new] = ["full", "new"].map(|name| local.path().join(name));
        fleet.fill(&full);
        fleet.add(&new, NEW);
        let commands = Commands { entrypoint: entrypoint.to_owned(), folder: local.path().join("fpsync"), files: options.files };
        fs::create_dir(&commands.folder).expect("a folder");
        let (all, new) = (size(&full), size(&new));
        let bases = RefCell::new(BTreeMap::new());
        Self { options: options.clone(), commands, fleet, local, shared, bases, all, new, _scratch: scratch }
    }

    /// The folder of the shared side, behind the mount.
    pub(super) fn shared(&self) -> &Path {
        self.shared.path()
    }

    fn full(&self) -> PathBuf {
        self.local.path().join("full")
    }

    /// The full cache and one version more.
    fn more(&self) -> PathBuf {
        let more = self.local.path().join("more");
        if !more.exists() {
            let copied = Command::new("cp").arg("-a").args([&self.full(), &more]).status().expect("cp starts");
            assert!(copied.success(), "cp: {copied}");
            self.fleet.add(&more, NEW);
        }
        more
    }

    /// The shared side with the whole cache in a contender's layout. Trees are made by ours: it is the quickest.
    pub(super) fn base(&self, contender: Contender) -> PathBuf {
        let layout = contender.layout();
        let made = self.bases.borrow().get(&layout).cloned();
        made.unwrap_or_else(|| {
            let base = self.empty(self.shared.path(), &format!("base-{layout:?}"));
            let maker = if layout == Layout::Tree { Contender::OurTree } else { contender };
            measure(&self.commands.of(maker, Direction::Save, &self.full(), &base), self.local.path());
            if maker != contender && contender != Contender::Cp {
                // The last word on times of folders above the versions, which ours are nobody's.
                measure(&self.commands.of(Contender::Rsync, Direction::Save, &self.full(), &base), self.local.path());
            }
            self.bases.borrow_mut().insert(layout, base.clone());
            base
        })
    }

    fn empty(&self, parent: &Path, name: &str) -> PathBuf {
        let folder = parent.join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder).expect("remove a folder");
        }
        fs::create_dir(&folder).expect("make a folder");
        folder
    }

    /// A local copy by this contender, for the runs that find everything there.
    fn restored(&self, contender: Contender) -> PathBuf {
        let copy = self.local.path().join(format!("restored-{}", contender.word()));
        if !copy.exists() {
            fs::create_dir(&copy).expect("make a folder");
            measure(&self.commands.of(contender, Direction::Restore, &self.base(contender), &copy), self.local.path());
        }
        copy
    }

    /// One run on fresh ground with a fresh mount, looked over afterwards.
    pub(super) fn run(&self, case: Case, contender: Contender) -> Run {
        let local = match case {
            Case::Restore | Case::LocalRestore => self.empty(self.local.path(), "restored"),
            Case::SameRestore => self.restored(contender),
            Case::OneNew => self.more(),
            Case::Save | Case::SameSave | Case::LocalSave => self.full(),
        };
        let shared = match case {
            Case::Save | Case::LocalSave => self.empty(self.shared.path(), "saved"),
            _ => self.base(contender),
        };
        let before = (case == Case::OneNew).then(|| names(&shared));
        let run = self.measured(case, contender, &local, &shared);
        self.look_over(case, contender, &local, &shared);
        if let Some(before) = before {
            let now = names(&shared);
            // What is below comes after what is above it.
            let new = now.iter().rev().filter(|path| !before.contains(*path));
            new.for_each(|path| fs::remove_file(path).or_else(|_| fs::remove_dir(path)).expect("remove what is new"));
        }
        run
    }

    fn measured(&self, case: Case, contender: Contender, local: &Path, shared: &Path) -> Run {
        // What the run before left to write would be this one's burden.
        nix::unistd::sync();
        let command = |shared: &Path| match case.direction() {
            Direction::Restore => self.commands.of(contender, Direction::Restore, shared, local),
            Direction::Save => self.commands.of(contender, Direction::Save, local, shared),
        };
        if self.options.real.is_some() && case.is_far() {
            // As good as a fresh mount: no name, attribute or page of it is known any more.
            fs::write("/proc/sys/vm/drop_caches", "3").expect("drop caches: root is needed");
        }
        if self.options.real.is_some() || !case.is_far() {
            return Run { taken: measure(&command(shared), self.local.path()), counts: None };
        }
        let mount = SlowMount::over(shared).profile(self.options.profile).mount();
        let taken = measure(&command(mount.path()), self.local.path());
        Run { taken, counts: Some(mount.counts()) }
    }

    /// Everything is there and what it was.
    fn look_over(&self, case: Case, contender: Contender, local: &Path, shared: &Path) {
        let original = if case == Case::OneNew { self.more() } else { self.full() };
        let result = match case.direction() {
            Direction::Restore => local.to_owned(),
            Direction::Save if contender.layout() == Layout::Tree || contender.layout() == Layout::OwnTree => shared.to_owned(),
            Direction::Save => {
                let copy = self.empty(self.local.path(), "looked-over");
                measure(&self.commands.of(contender, Direction::Restore, shared, &copy), self.local.path());
                copy
            }
        };
        let new: Option<Version> = (case == Case::OneNew).then_some(NEW);
        for version in FleetCache::versions().chain(new) {
            let [one, two] = [&original, &result].map(|root| FleetCache::tree(root, version));
            assert!(two.with_extension("complete").is_file(), "{}: {version:?} is not complete", contender.name());
            let found = differences(&one, &two, contender.keeps());
            let first = found[..found.len().min(10)].join("\n");
            assert!(found.is_empty(), "{}, {}: {version:?} differs:\n{first}", contender.name(), case.title());
        }
    }
}

/// A folder of this run. What runs that were killed left in the same place goes first.
fn folder_in(parent: &Path) -> TempDir {
    const PREFIX: &str = "runner-bench-";
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next().map(str::to_owned));
        if owner.is_some_and(|owner| !Path::new("/proc").join(owner).exists()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    let prefix = format!("{PREFIX}{}-", std::process::id());
    tempfile::Builder::new().prefix(&prefix).tempdir_in(parent).expect("a folder")
}

/// All paths below a folder.
fn names(folder: &Path) -> BTreeSet<PathBuf> {
    walkdir::WalkDir::new(folder).min_depth(1).into_iter().map(|entry| entry.expect("walk a folder").into_path()).collect()
}

fn size(folder: &Path) -> Size {
    let mut size = Size { files: 0, bytes: 0 };
    for entry in walkdir::WalkDir::new(folder) {
        let status = entry.and_then(|entry| entry.metadata()).expect("walk a folder");
        if status.is_file() {
            size.files += 1;
            size.bytes += status.len();
        }
    }
    size
}
