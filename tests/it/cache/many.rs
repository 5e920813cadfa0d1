//! Many savers and restorers at once, and two hosts with the same version.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::{
        Barrier,
        atomic::{AtomicUsize, Ordering},
    },
};

use runner_tests::fixtures::{Tool, ToolCache};

use super::{Layout, Picture, command, picture, restore, save, say, versions, whole};

const ROUNDS: u64 = 4;

fn at_once(layout: Layout) {
    let mut seen = 0;
    for round in 0..ROUNDS {
        let temp = tempfile::tempdir().unwrap();
        let remote = temp.path().join("remote");
        fs::create_dir(&remote).unwrap();
        let savers: Vec<ToolCache> = (1..=3)
            .map(|saver| {
                let cache = ToolCache::at(&temp.path().join(format!("saver-{saver}"))).seed(100 * round + saver);
                cache.with(Tool::Node, "20.1.0").with(Tool::Node, "22.0.0")
            })
            .collect();
        let originals: Vec<_> = savers.iter().map(|saver| versions(saver.path())).collect();
        assert!(originals[0] != originals[1] && originals[1] != originals[2]);
        let whole = |found: &BTreeMap<String, Picture>| {
            found.iter().filter(|(name, tree)| originals.iter().any(|original| original.get(*name) == Some(tree))).count()
        };

        let start = Barrier::new(6);
        let saving = AtomicUsize::new(savers.len());
        std::thread::scope(|scope| {
            for saver in &savers {
                scope.spawn(|| {
                    start.wait();
                    save(layout, saver.path(), &remote);
                    saving.fetch_sub(1, Ordering::SeqCst);
                });
            }
            let restorers: Vec<_> = (0..3)
                .map(|restorer| {
                    let (start, saving, remote, temp) = (&start, &saving, &remote, temp.path());
                    scope.spawn(move || {
                        start.wait();
                        let mut places = Vec::new();
                        // Until a whole turn lies after the last save: a fixed number of turns was over before the first save on a busy machine,
                        // and the test failed for having seen nothing.
                        loop {
                            let last = saving.load(Ordering::SeqCst) == 0;
                            let to = temp.join(format!("restored-{restorer}-{}", places.len()));
                            restore(remote, &to);
                            places.push(to);
                            if last {
                                return places;
                            }
                        }
                    })
                })
                .collect();
            for to in restorers.into_iter().flat_map(|restorer| restorer.join().unwrap()) {
                let found = versions(&to);
                assert_eq!(whole(&found), found.len(), "round {round}: a torn version in {}", to.display());
                seen += found.len();
            }
        });
        let published = layout.published(&remote);
        assert_eq!((published.len(), whole(&published)), (2, 2), "round {round}");
        assert_eq!(left_in_stage(&remote), 0, "round {round}");
    }
    assert!(seen >= 3 * 2 * usize::try_from(ROUNDS).unwrap(), "a turn after the last save did not find all: {seen}");
    say(&format!("{}: {seen} versions restored beside three savers, torn 0", layout.name()));
}

fn left_in_stage(remote: &Path) -> usize {
    let parts = [".stage", ".packs/stage"].map(|area| fs::read_dir(remote.join(area)).into_iter().flatten().count());
    parts.iter().sum()
}

#[test]
fn savers_and_restorers_of_trees_at_once_never_show_a_mixture() {
    at_once(Layout::Tree);
}

#[test]
fn savers_and_restorers_of_packs_at_once_never_show_a_mixture() {
    at_once(Layout::Pack);
}

/// Objects and references as they are, without the time of the last use.
fn contents(remote: &Path) -> BTreeMap<String, Vec<u8>> {
    let packs = remote.join(".packs");
    let all = ["objects", "refs/shared"].into_iter().flat_map(|folder| fs::read_dir(packs.join(folder)).unwrap());
    all.map(|entry| {
        let path = entry.unwrap().path();
        let held = match fs::read_link(&path) {
            Ok(target) => target.into_os_string().into_encoded_bytes(),
            Err(_) => fs::read(&path).unwrap(),
        };
        (path.display().to_string(), held)
    })
    .collect()
}

/// The two caches are saved at once by one run each; returns how many runs published.
fn raced(caches: [&Path; 2], remote: &Path) -> i64 {
    let start = Barrier::new(2);
    std::thread::scope(|scope| {
        let running = caches.map(|cache| {
            let start = &start;
            scope.spawn(move || {
                start.wait();
                save(Layout::Pack, cache, remote)
            })
        });
        let reports = running.map(|run| run.join().unwrap());
        assert!(
            reports.iter().all(|report| report["versions"].as_i64().unwrap() + report["already"].as_i64().unwrap() == 1),
            "{reports:?}"
        );
        reports.iter().map(|report| report["versions"].as_i64().unwrap()).sum()
    })
}

#[test]
fn of_two_hosts_with_different_builds_of_a_version_one_wins_and_its_pack_never_changes() {
    let temp = tempfile::tempdir().unwrap();
    let caches = [1, 2].map(|host| ToolCache::at(&temp.path().join(format!("host-{host}"))).seed(host).with(Tool::Node, "20.1.0"));
    let builds = caches.each_ref().map(|cache| versions(cache.path()));
    let mut wins = [0, 0];
    for round in 0..12 {
        let remote = temp.path().join(format!("remote-{round}"));
        fs::create_dir(&remote).unwrap();
        assert_eq!(raced(caches.each_ref().map(|cache| cache.path()), &remote), 1, "round {round}: not exactly one published");
        let published = Layout::Pack.published(&remote);
        let winner = builds.iter().position(|build| *build == published).unwrap_or_else(|| panic!("round {round}: a mixture"));
        wins[winner] += 1;
        let before = contents(&remote);
        for cache in &caches {
            for layout in Layout::BOTH {
                assert_eq!(save(layout, cache.path(), &remote)["already"], 1);
            }
        }
        assert!(contents(&remote) == before, "round {round}: what is published changed");
        assert!(Layout::Pack.published(&remote) == published, "round {round}");
    }
    say(&format!("of 12 races the hosts won {wins:?}, changed afterwards 0"));
}

#[test]
fn two_hosts_with_the_same_build_publish_one_pack() {
    let temp = tempfile::tempdir().unwrap();
    let one = ToolCache::at(&temp.path().join("one")).with(Tool::Node, "20.1.0");
    let two = temp.path().join("two");
    // The same to the nanosecond, as an image's layer is on two hosts.
    save(Layout::Tree, one.path(), &{
        fs::create_dir(&two).unwrap();
        two.clone()
    });
    for round in 0..6 {
        let remote = temp.path().join(format!("remote-{round}"));
        fs::create_dir(&remote).unwrap();
        let published = raced([one.path(), &two], &remote);
        // Who finds the very reference that he was about to make has published, too.
        assert!((1..=2).contains(&published), "round {round}: {published}");
        let before = contents(&remote);
        assert_eq!(before.len(), 2, "round {round}: one pack and one reference: {:?}", before.keys());
        assert!(Layout::Pack.published(&remote) == versions(one.path()), "round {round}");
    }
}

#[test]
fn a_restore_for_reading_only_leaves_no_trace_on_the_remote_side() {
    let temp = tempfile::tempdir().unwrap();
    let local = ToolCache::at(&temp.path().join("local")).with(Tool::Node, "20.1.0");
    let remote = temp.path().join("remote");
    fs::create_dir(&remote).unwrap();
    save(Layout::Pack, local.path(), &remote);
    let there = temp.path().join("there");
    // Read only: not even the time of the last use.
    let before = picture(&remote);
    whole(command("restore", &remote, &there).arg("--read-only"));
    assert!(picture(&remote) == before);
    assert!(versions(&there) == versions(local.path()));
}
