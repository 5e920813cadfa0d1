//! How this program is started once more to restore or save the tool cache.

use std::{
    ffi::{OsStr, OsString},
    path::Path,
};

use serde::Deserialize;
use supervise::{Measure, Output, Program};

use crate::{
    config::{Allow, Cache, Config, Layout, SHARED, USUAL_JOBS},
    runner,
    words::Role,
};

/// As the runner's user: a mount that hangs can then be left with SIGKILL, and nothing of root reads what a job wrote.
pub(super) fn program(config: &Config, itself: &Path, role: Role) -> Program {
    let runner = &config.runner;
    Program {
        file: itself.into(),
        arguments: config.cache.as_ref().map(|cache| words(cache, role, &runner.tool_cache)).unwrap_or_default(),
        environment: Some([].into()),
        directory: Some("/".into()),
        identity: runner::user(runner).ok().flatten().map(|user| runner::identity_of(&user, None)),
        // Its numbers are read, and its lines are for the log.
        output: Output::Watched,
    }
}

/// The command that restores or saves. What it does anyway it is not told.
fn words(cache: &Cache, role: Role, local: &Path) -> Vec<OsString> {
    let (verb, from, to) = match role {
        Role::Save => ("save", local, cache.remote.as_path()),
        _ => ("restore", cache.remote.as_path(), local),
    };
    let mut words: Vec<OsString> = vec!["cache".into(), verb.into(), "--from".into(), from.into(), "--to".into(), to.into()];
    let mut with = |option: &str, value: &OsStr| words.extend([option.into(), value.to_owned()]);
    with("--report", "both".as_ref());
    if cache.trust != SHARED {
        with("--trust", cache.trust.as_ref());
    }
    if cache.jobs != USUAL_JOBS {
        with("--jobs", cache.jobs.to_string().as_ref());
    }
    match role {
        Role::Save if cache.layout == Layout::Tree => with("--layout", "tree".as_ref()),
        Role::Save => {}
        _ => {
            if !cache.tools.is_empty() {
                with("--tools", cache.tools.join(",").as_ref());
            }
            if let Some(Allow { file, .. }) = &cache.allow {
                with("--allow", file.as_ref());
            }
            // Who never saves may have no right to write, and tells nobody what it used.
            words.extend(cache.save.is_none().then(|| "--read-only".into()));
        }
    }
    words
}

/// What a restore or a save counted.
#[derive(Debug, Deserialize, PartialEq)]
pub(super) struct Tally {
    versions: u64,
    files: u64,
    bytes: u64,
    already: u64,
    failed: Vec<serde::de::IgnoredAny>,
}

impl Tally {
    /// The last line of its report; any other is for people.
    pub(super) fn read(line: &str) -> Option<Self> {
        line.starts_with("{\"cache\":").then(|| serde_json::from_str(line).ok()).flatten()
    }

    pub(super) fn measures(&self, role: Role) -> Vec<Measure> {
        let refused = self.failed.len() as u64;
        match role {
            Role::Save => {
                vec![("saved_versions", self.versions), ("saved_files", self.files), ("saved_bytes", self.bytes), ("save_refused", refused)]
            }
            _ => vec![
                ("restored_versions", self.versions),
                ("restored_files", self.files),
                ("restored_bytes", self.bytes),
                ("restore_present", self.already),
                ("restore_refused", refused),
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn told(cache: &Cache, role: Role) -> String {
        let words: Vec<String> = words(cache, role, Path::new("/tools")).iter().map(|word| word.to_string_lossy().into_owned()).collect();
        words.join(" ")
    }

    #[test]
    fn the_command_is_told_what_the_settings_say_and_no_default() {
        let second = Some(Duration::from_secs(1));
        let usual = Cache {
            remote: "/efs".into(),
            restore: second,
            before_job: true,
            save: second,
            tools: vec![],
            layout: Layout::Pack,
            trust: SHARED.into(),
            allow: None,
            jobs: USUAL_JOBS,
        };
        assert_eq!(told(&usual, Role::Restore), "cache restore --from /efs --to /tools --report both");
        assert_eq!(told(&usual, Role::Save), "cache save --from /tools --to /efs --report both");
        let tree = Cache { layout: Layout::Tree, jobs: 8, ..usual.clone() };
        assert_eq!(told(&tree, Role::Restore), "cache restore --from /efs --to /tools --report both --jobs 8");
        assert_eq!(told(&tree, Role::Save), "cache save --from /tools --to /efs --report both --jobs 8 --layout tree");
        let careful = Cache {
            save: None,
            tools: vec!["node@20".into(), "go".into()],
            trust: "team".into(),
            allow: Some(Allow { file: "/allow".into(), digests: 1 }),
            ..usual
        };
        let expected = "cache restore --from /efs --to /tools --report both --trust team --tools node@20,go --allow /allow --read-only";
        assert_eq!(told(&careful, Role::Restore), expected);
        assert_eq!(told(&careful, Role::Save), "cache save --from /tools --to /efs --report both --trust team");
    }

    #[test]
    fn the_numbers_of_a_report_are_read_and_its_lines_are_not() {
        let line = r#"{"cache":"restore","versions":3,"files":5072,"bytes":154200000,"seconds":1.234,"already":1,"skipped":0,"failed":[{"version":"a","error":"b"}],"changed":[],"withheld":[]}"#;
        let tally = Tally::read(line).unwrap();
        let expected = [
            ("restored_versions", 3),
            ("restored_files", 5072),
            ("restored_bytes", 154_200_000),
            ("restore_present", 1),
            ("restore_refused", 1),
        ];
        assert_eq!(tally.measures(Role::Restore), expected);
        assert_eq!(tally.measures(Role::Save)[2], ("saved_bytes", 154_200_000));
        for other in ["restored 3 versions", "", "{\"cache\":", r#"{"cache":"restore","versions":-1}"#] {
            assert_eq!(Tally::read(other), None, "{other}");
        }
    }
}
