//! The settings of the tool cache.

use super::{only_problem, read, with};
use crate::config::{Layout, SHARED, USUAL_JOBS};

#[test]
fn the_cache_is_restored_when_and_as_the_settings_say() {
    let remote = ("TOOL_CACHE_REMOTE", "/mnt/efs");
    for (word, restore, before_job) in [
        ("before-start", true, false),
        ("Yes", true, false),
        ("1", true, false),
        ("before-job", true, true),
        ("off", false, false),
        ("no", false, false),
    ] {
        let cache = read(&with(&[remote, ("TOOL_CACHE_RESTORE", word)])).unwrap().cache.unwrap();
        assert_eq!((cache.restore.is_some(), cache.before_job), (restore, before_job), "{word}");
    }
    let usual = read(&with(&[remote])).unwrap().cache.unwrap();
    assert_eq!((usual.layout, usual.trust.as_str(), usual.jobs), (Layout::Pack, SHARED, USUAL_JOBS));
    assert!(usual.tools.is_empty() && usual.allow.is_none() && !usual.before_job && usual.save.is_some());
    let cache = read(&with(&[
        remote,
        ("TOOL_CACHE_TOOLS", "node@20, Python@3.12,go,PyPy@3.10-v7.3+1"),
        ("TOOL_CACHE_TRUST", "team-1"),
        ("TOOL_CACHE_JOBS", "256"),
        ("TOOL_CACHE_SAVE", "no"),
    ]));
    let cache = cache.unwrap().cache.unwrap();
    assert_eq!(cache.tools, ["node@20", "Python@3.12", "go", "PyPy@3.10-v7.3+1"]);
    assert_eq!((cache.trust.as_str(), cache.jobs, cache.save), ("team-1", 256, None));
}

#[test]
fn a_setting_of_the_cache_that_is_wrong_is_named_with_what_is_allowed() {
    for (name, value, expected) in [
        (
            "TOOL_CACHE_RESTORE",
            "later",
            "TOOL_CACHE_RESTORE: `later` is not one of its values | hint: allowed: before-start, before-job, off",
        ),
        ("TOOL_CACHE_TOOLS", "node@20,python@,go", "TOOL_CACHE_TOOLS: `python@` is not a tool | hint: write names"),
        ("TOOL_CACHE_TOOLS", "../node", "TOOL_CACHE_TOOLS: `../node` is not a tool"),
        ("TOOL_CACHE_TOOLS", "node@20@1", "TOOL_CACHE_TOOLS: `node@20@1` is not a tool"),
        ("TOOL_CACHE_LAYOUT", "zip", "TOOL_CACHE_LAYOUT: `zip` is not one of its values | hint: allowed: pack, tree"),
        ("TOOL_CACHE_TRUST", "Team", "TOOL_CACHE_TRUST: `Team` is not a name | hint: allowed: 1 to 32"),
        ("TOOL_CACHE_TRUST", "a123456789012345678901234567890123", "TOOL_CACHE_TRUST: `a1234567890123456789012345678901"),
        ("TOOL_CACHE_JOBS", "257", "TOOL_CACHE_JOBS: `257` is not a number in range | hint: allowed: 1 to 256"),
        ("TOOL_CACHE_ALLOW", "/does/not/exist", "TOOL_CACHE_ALLOW: /does/not/exist cannot be read"),
        ("TOOL_CACHE_ALLOW", "/dev/null", "TOOL_CACHE_ALLOW: /dev/null cannot be read: it is not a file"),
        ("TOOL_CACHE_ALLOW", "/proc/version", "TOOL_CACHE_ALLOW: line 1 of /proc/version is not a digest"),
    ] {
        only_problem(&with(&[(name, value)]), expected);
    }
    only_problem(
        &with(&[("TOOL_CACHE_LAYOUT", "tree"), ("TOOL_CACHE_TRUST", "team")]),
        "TOOL_CACHE_LAYOUT: trees belong to `shared` alone, and TOOL_CACHE_TRUST says `team` | hint: allowed with it: pack",
    );
}
