//! The words after `runner-entrypoint cache`.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;

use lexopt::prelude::{Long, Short, Value, ValueExt as _};

use super::pack::digest::Digest;
use super::pack::store::is_trust;
use super::restore::SHARED;
use super::save::Layout;
use super::selection::Selection;

/// What `--help` says.
pub(crate) const HELP: &str = "\
Copies whole tool versions between a shared directory and the local tool cache.

usage: runner-entrypoint cache restore --from REMOTE --to LOCAL [OPTIONS]
       runner-entrypoint cache save --from LOCAL --to REMOTE [OPTIONS]

options of both:
  --trust NAME         whose packs: those of this trust domain [shared]
  --report human|json  what to print at the end [human]
  --jobs N             files of trees copied at once, 1 to 256 [64]
  -h, --help           this text

options of restore:
  --tools LIST         only these, as node@20,python@3.12,go [all]
  --allow FILE         only packs whose digests stand in FILE, a line each
  --read-only          write nothing to REMOTE, not even that a pack was used

options of save:
  --layout pack|tree   one file per version, or the version as it is [pack]

A version is <tool>/<version>/<arch>/ beside <arch>.complete. REMOTE may have it as such a tree or as a pack in .packs/, a tar
archive that `tar --zstd` opens. A reader sees a whole version or none, a published one is never replaced, and a run that is
killed leaves only what a later one removes.

Exit codes:
  0    done, also when there was nothing to do
  1    some versions were not copied, each is named; the others were
  64   usage: the command line is not understood
  69   one of the directories cannot be used
";

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) verb: Verb,
    pub(super) from: PathBuf,
    pub(super) to: PathBuf,
    pub(super) trust: String,
    pub(super) json: bool,
    pub(super) jobs: usize,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Restore { selection: Selection, allow: Option<BTreeSet<Digest>>, read_only: bool },
    Save { layout: Layout },
}

/// `None`: help is wanted.
pub(super) fn parsed(args: impl IntoIterator<Item = OsString>) -> Result<Option<Request>, lexopt::Error> {
    let mut parser = lexopt::Parser::from_args(args);
    let mut verb = None;
    let (mut from, mut to) = (None, None);
    let (mut json, mut jobs, mut trust) = (false, 64, SHARED.to_owned());
    // Options that only one of the two has, so that the other can refuse them.
    let mut only: Vec<(&str, &str)> = Vec::new();
    let (mut selection, mut allow, mut read_only, mut layout) = (Selection::default(), None, false, Layout::default());
    while let Some(argument) = parser.next()? {
        match argument {
            Short('h') | Long("help") => return Ok(None),
            Long("from") => from = Some(PathBuf::from(parser.value()?)),
            Long("to") => to = Some(PathBuf::from(parser.value()?)),
            Long("report") => json = one_of("report", &parser.value()?.string()?, [("human", false), ("json", true)])?,
            Long("jobs") => {
                jobs = parser.value()?.parse()?;
                if !(1..=256).contains(&jobs) {
                    return Err("--jobs takes 1 to 256".into());
                }
            }
            Long("trust") => {
                trust = parser.value()?.string()?;
                if !is_trust(&trust) {
                    return Err(format!("--trust takes 1 to 32 of a to z, 0 to 9 and -, not {trust:?}").into());
                }
            }
            Long("tools") => {
                only.push(("restore", "--tools"));
                selection = Selection::parse(&parser.value()?.string()?).map_err(|bad| format!("--tools: {bad}"))?;
            }
            Long("allow") => {
                only.push(("restore", "--allow"));
                allow = Some(allowed(PathBuf::from(parser.value()?))?);
            }
            Long("read-only") => {
                only.push(("restore", "--read-only"));
                read_only = true;
            }
            Long("layout") => {
                only.push(("save", "--layout"));
                layout = one_of("layout", &parser.value()?.string()?, [("pack", Layout::Pack), ("tree", Layout::Tree)])?;
            }
            Value(word) if verb.is_none() => {
                verb = Some(match word.to_str() {
                    Some("restore") => "restore",
                    Some("save") => "save",
                    _ => return Err(Value(word).unexpected()),
                });
            }
            other => return Err(other.unexpected()),
        }
    }
    let verb = verb.ok_or("say restore or save after it")?;
    if let Some((owner, option)) = only.into_iter().find(|(owner, _)| *owner != verb) {
        return Err(format!("{option} is an option of {owner}").into());
    }
    if layout == Layout::Tree && trust != SHARED {
        return Err("--layout tree and --trust do not go together: a tree does not say which domain it is of".into());
    }
    let verb = match verb {
        "restore" => Verb::Restore { selection, allow, read_only },
        _ => Verb::Save { layout },
    };
    Ok(Some(Request { verb, from: from.ok_or("--from is missing")?, to: to.ok_or("--to is missing")?, trust, json, jobs }))
}

fn one_of<T: Copy, const N: usize>(option: &str, word: &str, choices: [(&str, T); N]) -> Result<T, lexopt::Error> {
    let chosen = choices.iter().find(|(name, _)| *name == word).map(|(_, value)| *value);
    chosen.ok_or_else(|| format!("--{option} takes {}, not {word:?}", choices.map(|(name, _)| name).join(" or ")).into())
}

/// A digest a line, with or without `sha256:` before it and a `#` with more behind it.
fn allowed(file: PathBuf) -> Result<BTreeSet<Digest>, lexopt::Error> {
    let shown = file.display();
    let text = std::fs::read_to_string(&file).map_err(|cause| format!("--allow {shown}: {cause}"))?;
    let digest = |line: &str| Digest::parse(line.strip_prefix("sha256:").unwrap_or(line).as_bytes());
    let lines = (1..).zip(text.lines()).map(|(number, line)| (number, line.split('#').next().unwrap_or_default().trim()));
    let digests = lines.filter(|(_, line)| !line.is_empty()).map(|(number, line)| {
        digest(line).ok_or_else(|| format!("--allow {shown}, line {number}: 64 hexadecimal digits are wanted, not {line:?}").into())
    });
    digests.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Option<Request>, String> {
        parsed(line.split_whitespace().map(OsString::from)).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_not_said_has_its_usual_value() {
        let request = |verb| Request { verb, from: "/a".into(), to: "/b".into(), trust: "shared".into(), json: false, jobs: 64 };
        let restore = Verb::Restore { selection: Selection::default(), allow: None, read_only: false };
        assert_eq!(parse("restore --from /a --to /b"), Ok(Some(request(restore))));
        assert_eq!(parse("save --from /a --to /b"), Ok(Some(request(Verb::Save { layout: Layout::Pack }))));
        assert_eq!(parse("save --help --nonsense"), Ok(None));
    }

    #[test]
    fn all_that_can_be_said_is_understood() {
        let temp = tempfile::tempdir().unwrap();
        let list = temp.path().join("allow");
        let (one, two) = (Digest::of(b"1"), Digest::of(b"2"));
        std::fs::write(&list, format!("# signed off\n\n{one}\n sha256:{two}   # node 20\n")).unwrap();
        let words = format!(
            "restore --from /a --to /b --tools node@20 --allow {} --read-only --trust team-a --jobs 3 --report json",
            list.display()
        );
        let selection = Selection::parse("node@20").unwrap();
        let verb = Verb::Restore { selection, allow: Some([one, two].into()), read_only: true };
        assert_eq!(
            parse(&words),
            Ok(Some(Request { verb, from: "/a".into(), to: "/b".into(), trust: "team-a".into(), json: true, jobs: 3 }))
        );
        let save = parse("save --from /a --to /b --layout tree").unwrap().unwrap();
        assert_eq!(save.verb, Verb::Save { layout: Layout::Tree });
    }

    #[test]
    fn what_is_wrong_is_named() {
        let temp = tempfile::tempdir().unwrap();
        let list = temp.path().join("allow");
        std::fs::write(&list, "# fine\nabc\n").unwrap();
        let list = list.display();
        for (words, expected) in [
            ("", "say restore or save after it".to_owned()),
            ("restore", "--from is missing".into()),
            ("restore --from /a", "--to is missing".into()),
            ("sync", "unexpected argument \"sync\"".into()),
            ("save --from /a --to /b again", "unexpected argument \"again\"".into()),
            ("save --report xml", "--report takes human or json, not \"xml\"".into()),
            ("save --layout zip", "--layout takes pack or tree, not \"zip\"".into()),
            ("save --jobs 0", "--jobs takes 1 to 256".into()),
            ("save --trust A", "--trust takes 1 to 32 of a to z, 0 to 9 and -, not \"A\"".into()),
            ("save --from /a --to /b --read-only", "--read-only is an option of restore".into()),
            ("restore --from /a --to /b --layout pack", "--layout is an option of save".into()),
            (
                "save --from /a --to /b --layout tree --trust a",
                "--layout tree and --trust do not go together: a tree does not say which domain it is of".into(),
            ),
            ("restore --tools @3", "--tools: \"@3\" is no tool: write node, or node@20 for the versions that begin with 20".into()),
            (&format!("restore --allow {list}"), format!("--allow {list}, line 2: 64 hexadecimal digits are wanted, not \"abc\"")),
            (&format!("restore --allow {list}x"), format!("--allow {list}x: No such file or directory (os error 2)")),
        ] {
            assert_eq!(parse(words), Err(expected), "{words}");
        }
    }
}
