//! What the user wants of the tool cache's benchmark.

use std::path::PathBuf;

use runner_tests::slow_mount::Profile;

use crate::option;

/// Its help, as `bench cache --help` shows it.
pub(crate) const HELP: &str = "\
cargo xtask bench cache: the tool cache beside what people use, towards a mount that is as slow as EFS (wants root and /dev/fuse)

options:
  --files N        of the fixture [5000, with --quick 600]
  --runs N         of each contender that is quick enough; the others make fewer, the table says how many [9, with --quick 3]
  --quick          few files, few runs
  --case NAMES     only these: restore, save, one-new, same-restore, same-save, local-restore, local-save
  --against NAMES  only these besides rsync: cp, fpsync, archive, tree, pack
  --real DIR       instead of the slow mount: a true shared file system that is mounted at DIR (its caches are dropped before a run)
  --local DIR      where local disks are [the folder for temporary files]
  --json FILE      every run, a line of JSON each
  --svg FILE       the ratios as a chart
  --profile NAME   efs, efs-slow or instant [efs]; and one by one:
  --read-us N  --change-us N  --mib-s N  --slots N  --ttl-ms N  --read-ahead-kb N  --listing auto|always|never
";

#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(super) files: u32,
    pub(super) runs: usize,
    pub(super) cases: Option<Vec<String>>,
    pub(super) contenders: Option<Vec<String>>,
    pub(super) real: Option<PathBuf>,
    pub(super) local: PathBuf,
    pub(super) json: Option<PathBuf>,
    pub(super) svg: Option<PathBuf>,
    pub(super) profile: Profile,
}

impl Options {
    /// Takes its options out of the words; the error is a sentence.
    pub(crate) fn take(words: &mut Vec<String>) -> Result<Self, String> {
        let quick = words.iter().position(|word| word == "--quick").map(|at| words.remove(at)).is_some();
        let number = |words: &mut Vec<String>, name: &str, default: u32| {
            let text = option(words, name);
            text.map_or(Ok(default), |text| text.parse().map_err(|_| format!("{name} {text}: not a number")))
        };
        let files = number(words, "--files", if quick { 600 } else { 5_000 })?.max(200);
        let runs = number(words, "--runs", if quick { 3 } else { 9 })?.max(1);
        let mut profile = Profile::EFS;
        if let Some(name) = option(words, "--profile") {
            profile = Profile::named(&name).ok_or_else(|| format!("--profile {name}: there are efs, efs-slow and instant"))?;
        }
        for name in ["read-us", "change-us", "mib-s", "slots", "ttl-ms", "read-ahead-kb", "listing"] {
            if let Some(value) = option(words, &format!("--{name}")).filter(|value| !profile.set(name, value)) {
                return Err(format!("--{name} {value}: not understood"));
            }
        }
        let list = |text: String| text.split(',').map(str::to_owned).collect::<Vec<_>>();
        Ok(Self {
            files,
            runs: usize::try_from(runs).unwrap_or(usize::MAX),
            cases: option(words, "--case").map(list),
            contenders: option(words, "--against").map(list),
            real: option(words, "--real").map(PathBuf::from),
            local: option(words, "--local").map_or_else(std::env::temp_dir, PathBuf::from),
            json: option(words, "--json").map(PathBuf::from),
            svg: option(words, "--svg").map(PathBuf::from),
            profile,
        })
    }
}
