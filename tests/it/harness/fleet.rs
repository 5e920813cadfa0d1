//! The tool cache of a fleet.

use std::{fs, os::unix::fs::MetadataExt, path::Path};

use runner_tests::{
    fixtures::{FleetCache, NEW},
    trees::{Strictness, assert_same, differences},
};

#[test]
fn a_fleets_cache_has_the_shapes_of_real_tools_and_is_the_same_for_the_same_seed_only() {
    let dir = tempfile::tempdir().unwrap();
    let [one, two, other] = ["one", "two", "other"].map(|name| dir.path().join(name));
    let fleet = FleetCache::of_files(1_000);
    fleet.fill(&one);
    fleet.fill(&two);
    fleet.seed(2).fill(&other);
    assert_same(&one, &two, Strictness::ALL);
    assert!(differences(&one, &other, Strictness::USUAL).len() > 900);
    let all: Vec<_> = walkdir::WalkDir::new(&one).into_iter().map(Result::unwrap).collect();
    let files = all.iter().filter(|entry| entry.file_type().is_file()).count();
    assert!((950..1_150).contains(&files), "{files}");
    let status = |entry: &walkdir::DirEntry| entry.metadata().unwrap();
    assert!(all.iter().any(|entry| entry.path_is_symlink()));
    assert!(all.iter().any(|entry| entry.file_type().is_file() && status(entry).nlink() == 2));
    assert!(all.iter().any(|entry| entry.file_type().is_file() && status(entry).mode() & 0o111 == 0o111));
    assert!(all.iter().any(|entry| status(entry).mtime_nsec() % 1_000 != 0));
    assert_eq!(FleetCache::versions().count(), 13);
    fleet.add(&one, NEW);
    assert!(Path::is_dir(&FleetCache::tree(&one, NEW)));
    assert!(fs::exists(FleetCache::tree(&one, NEW).with_extension("complete")).unwrap());
}
