//! How often the tool cache asks a shared file system: free of noise, so it is the speed that a test can hold.
//!
//! A far-away server answers in its own time, whatever machine asks; what is asked is all that we decide. The bounds are those of
//! a cache of 5,000 files, counted by a mount without latency.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use runner_tests::{
    fixtures::FleetCache,
    need::{Need, need},
    programs::Program,
    slow_mount::{Counts, Profile, SlowMount},
    trees::{Strictness, assert_same},
};
use tempfile::TempDir;

const FILES: u32 = 5_000;

/// Of trees, per file: a lookup or listing's share, open, read, close.
const RESTORE_TREE: f64 = 3.2;
/// Of trees, per file: the lookup that FUSE sends before it makes a name, create, write, set the time, close; and the directories.
const SAVE_TREE: f64 = 5.5;
/// Of packs, per file.
const PACK: f64 = 0.05;

struct Ground {
    dir: TempDir,
    files: f64,
}

impl Ground {
    fn make() -> Self {
        let ground = Self { dir: tempfile::tempdir().unwrap(), files: 0.0 };
        FleetCache::of_files(FILES).fill(&ground.at("full"));
        for name in ["remote", "local"] {
            fs::create_dir(ground.at(name)).unwrap();
        }
        let entries = walkdir::WalkDir::new(ground.at("full")).into_iter().map(Result::unwrap);
        let files = u32::try_from(entries.filter(|entry| entry.file_type().is_file()).count()).unwrap();
        Self { files: f64::from(files), ..ground }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// What one run on a fresh mount asks.
    fn asked(&self, run: impl FnOnce(&Path) -> Command) -> Counts {
        let mount = SlowMount::over(&self.at("remote")).profile(Profile::INSTANT).mount();
        let output = run(mount.path()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        mount.counts()
    }

    fn save(&self, layout: &str) -> Counts {
        self.asked(|remote| {
            let mut command = Command::new(Program::Entrypoint.path());
            command.args(["cache", "save", "--layout", layout, "--from"]).arg(self.at("full")).arg("--to").arg(remote);
            command
        })
    }

    fn restore(&self) -> Counts {
        self.asked(|remote| {
            let mut command = Command::new(Program::Entrypoint.path());
            command.args(["cache", "restore", "--from"]).arg(remote).arg("--to").arg(self.at("local"));
            command
        })
    }

    fn assert_restored(&self) {
        for version in FleetCache::versions() {
            let [full, local] = ["full", "local"].map(|name| FleetCache::tree(&self.at(name), version));
            assert_same(&full, &local, Strictness::TWINS);
        }
    }

    #[track_caller]
    fn assert_per_file(&self, asked: &Counts, most: f64) {
        let trips = f64::from(u32::try_from(asked.round_trips()).unwrap());
        assert!(trips / self.files <= most, "{:.3} round trips per file, {most} at most: {:?}", trips / self.files, asked.by_name());
    }

    #[track_caller]
    fn assert_unchanged(&self, asked: &Counts) {
        let most = 2 * u64::try_from(FleetCache::versions().count()).unwrap() + 10;
        assert!(asked.round_trips() <= most, "{} round trips, {most} at most: {:?}", asked.round_trips(), asked.by_name());
    }
}

#[test]
fn a_cache_of_trees_asks_a_few_times_per_file_and_only_for_versions_when_nothing_changed() {
    let _alone = crate::alone();
    if !need(&[Need::Fuse]) {
        return;
    }
    let ground = Ground::make();
    let (saved, saved_again) = (ground.save("tree"), ground.save("tree"));
    let (restored, restored_again) = (ground.restore(), ground.restore());
    ground.assert_restored();
    ground.assert_per_file(&saved, SAVE_TREE);
    ground.assert_per_file(&restored, RESTORE_TREE);
    ground.assert_unchanged(&saved_again);
    ground.assert_unchanged(&restored_again);
}

#[test]
fn a_cache_of_packs_asks_once_for_many_files_and_only_for_versions_when_nothing_changed() {
    let _alone = crate::alone();
    if !need(&[Need::Fuse]) {
        return;
    }
    let ground = Ground::make();
    let (saved, saved_again) = (ground.save("pack"), ground.save("pack"));
    let (restored, restored_again) = (ground.restore(), ground.restore());
    ground.assert_restored();
    ground.assert_per_file(&saved, PACK);
    ground.assert_per_file(&restored, PACK);
    ground.assert_unchanged(&saved_again);
    ground.assert_unchanged(&restored_again);
}
