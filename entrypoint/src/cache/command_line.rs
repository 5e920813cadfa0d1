//! The words after `runner-entrypoint cache`.

mod help;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use lexopt::prelude::{Long, Short, Value, ValueExt as _};

pub(crate) use self::help::COMMANDS;
use super::gc::UNUSED_FOR;
use super::pack::digest::Digest;
use super::pack::store::is_trust;
use super::restore::SHARED;
use super::save::Layout;
use super::selection::Selection;

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) verb: Verb,
    pub(super) style: Style,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verb {
    /// And `export`, which writes nothing to the shared side.
    Restore {
        way: Way,
        selection: Selection,
        allow: Option<BTreeSet<Digest>>,
        read_only: bool,
        export: bool,
    },
    /// And `import`, always to packs.
    Save {
        way: Way,
        layout: Layout,
        import: bool,
    },
    List {
        remote: PathBuf,
        trust: Option<String>,
        long: bool,
        digests: bool,
    },
    Verify {
        remote: PathBuf,
        trust: Option<String>,
        selection: Selection,
        quarantine: bool,
    },
    Gc {
        remote: PathBuf,
        unused_for: Duration,
        dry_run: bool,
    },
}

/// What every copy has.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Way {
    pub(super) from: PathBuf,
    pub(super) to: PathBuf,
    pub(super) trust: String,
    pub(super) jobs: usize,
}

/// The words that say what to do, and the directories that follow them without an option.
const VERBS: [(&str, &[&str]); 7] = [
    ("restore", &[]),
    ("save", &[]),
    ("import", &["TREE", "REMOTE"]),
    ("export", &["REMOTE", "DIR"]),
    ("list", &["REMOTE"]),
    ("verify", &["REMOTE"]),
    ("gc", &["REMOTE"]),
];

/// The verbs whose option it is, in the order of help.
fn owners(option: &str) -> Vec<&'static str> {
    let of = COMMANDS.iter().filter(|command| command.options().contains(&option));
    of.filter_map(|command| command.name.strip_prefix("cache ")).collect()
}

/// What is asked for, or help about it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asked {
    For(Request),
    /// By the name of one of [`COMMANDS`].
    Help(String),
}

/// How a run tells what it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// In lines for people.
    Human,
    /// In one line of JSON.
    Json,
    /// In lines for people and then in one of JSON: for whoever shows the ones and counts with the other.
    Both,
}

/// What was typed.
struct Typed {
    verb: Option<&'static str>,
    places: Vec<PathBuf>,
    from: Option<PathBuf>,
    to: Option<PathBuf>,
    trust: Option<String>,
    style: Style,
    jobs: usize,
    selection: Selection,
    allow: Option<BTreeSet<Digest>>,
    layout: Layout,
    unused_for: Duration,
    /// The options, in their order, so that those of another verb can be refused.
    options: Vec<&'static str>,
}

pub(super) fn parsed(args: impl IntoIterator<Item = OsString>) -> Result<Asked, lexopt::Error> {
    let mut parser = lexopt::Parser::from_args(args);
    let mut typed = Typed {
        verb: None,
        places: Vec::new(),
        from: None,
        to: None,
        trust: None,
        style: Style::Human,
        jobs: 64,
        selection: Selection::default(),
        allow: None,
        layout: Layout::default(),
        unused_for: UNUSED_FOR,
        options: Vec::new(),
    };
    while let Some(argument) = parser.next()? {
        match argument {
            Short('h') | Long("help") => return Ok(Asked::Help(format!("cache {}", typed.verb.unwrap_or_default()).trim_end().to_owned())),
            Long("json") => typed.style = Style::Json,
            Long("report") => {
                let forms = [("human", Style::Human), ("json", Style::Json), ("both", Style::Both)];
                typed.style = one_of("report", &parser.value()?.string()?, forms)?;
            }
            Long(name) => {
                let known = COMMANDS.iter().flat_map(|command| command.switches).find(|switch| switch.long == name);
                let Some(name) = known.map(|switch| switch.long) else { return Err(Long(name).unexpected()) };
                typed.options.push(name);
                typed.option(name, &mut parser)?;
            }
            Value(word) if typed.verb.is_none() => {
                let known = VERBS.iter().find(|(verb, _)| word == *verb);
                typed.verb = Some(known.ok_or_else(|| Value(word.clone()).unexpected())?.0);
            }
            Value(place) => typed.places.push(place.into()),
            other => return Err(other.unexpected()),
        }
    }
    typed.request().map(Asked::For)
}

impl Typed {
    fn option(&mut self, name: &str, parser: &mut lexopt::Parser) -> Result<(), lexopt::Error> {
        match name {
            "from" => self.from = Some(PathBuf::from(parser.value()?)),
            "to" => self.to = Some(PathBuf::from(parser.value()?)),
            "jobs" => {
                self.jobs = parser.value()?.parse()?;
                if !(1..=256).contains(&self.jobs) {
                    return Err("--jobs takes 1 to 256".into());
                }
            }
            "trust" => {
                let trust = parser.value()?.string()?;
                if !is_trust(&trust) {
                    return Err(format!("--trust takes 1 to 32 of a to z, 0 to 9 and -, not {trust:?}").into());
                }
                self.trust = Some(trust);
            }
            "tools" => self.selection = Selection::parse(&parser.value()?.string()?).map_err(|bad| format!("--tools: {bad}"))?,
            "allow" => self.allow = Some(allowed(PathBuf::from(parser.value()?))?),
            "layout" => {
                self.layout = one_of("layout", &parser.value()?.string()?, [("pack", Layout::Pack), ("tree", Layout::Tree)])?;
            }
            "unused-for" => {
                let text = parser.value()?.string()?;
                let wrong = |_| format!("--unused-for takes a time span as 30d, 12h or 1h 30m, not {text:?}");
                self.unused_for = humantime::parse_duration(&text).map_err(wrong)?;
            }
            // Those that are said or not.
            _ => {}
        }
        Ok(())
    }

    fn said(&self, option: &str) -> bool {
        self.options.contains(&option)
    }

    fn request(self) -> Result<Request, lexopt::Error> {
        let verb = self.verb.ok_or("say restore, save, import, export, list, verify or gc after it")?;
        for option in &self.options {
            let owners = owners(option);
            if !owners.contains(&verb) {
                return Err(format!("--{option} is an option of {}", listed(&owners)).into());
            }
        }
        let places = VERBS.iter().find(|(name, _)| *name == verb).map_or(&[][..], |(_, places)| places);
        if let Some(more) = self.places.get(places.len()) {
            return Err(Value(more.clone().into()).unexpected());
        }
        if let Some(missing) = places.get(self.places.len()) {
            return Err(format!("{missing} is missing: {verb} {}", places.join(" ")).into());
        }
        if self.layout == Layout::Tree && self.trust.as_ref().is_some_and(|trust| trust != SHARED) {
            return Err("--layout tree and --trust do not go together: a tree does not say which domain it is of".into());
        }
        if self.said("digests") && (self.style != Style::Human || self.said("long")) {
            return Err("--digests goes with neither --json nor --long: it prints lines of its own".into());
        }
        let (read_only, long, digests) = (self.said("read-only"), self.said("long"), self.said("digests"));
        let (quarantine, dry_run) = (self.said("quarantine"), self.said("dry-run"));
        let Self { places, from, to, trust, style, jobs, selection, allow, layout, unused_for, .. } = self;
        let mut places = places.into_iter();
        // As many as the verb wants, that was looked at.
        let mut place = || places.next().unwrap_or_default();
        let way = |from, to| Way { from, to, trust: trust.clone().unwrap_or_else(|| SHARED.to_owned()), jobs };
        let named = |from: Option<PathBuf>, to: Option<PathBuf>| -> Result<Way, lexopt::Error> {
            Ok(way(from.ok_or("--from is missing")?, to.ok_or("--to is missing")?))
        };
        let verb = match verb {
            "restore" => Verb::Restore { way: named(from, to)?, selection, allow, read_only, export: false },
            "save" => Verb::Save { way: named(from, to)?, layout, import: false },
            "import" => Verb::Save { way: way(place(), place()), layout: Layout::Pack, import: true },
            "export" => Verb::Restore { way: way(place(), place()), selection, allow: None, read_only: true, export: true },
            "list" => Verb::List { remote: place(), trust, long, digests },
            "verify" => Verb::Verify { remote: place(), trust, selection, quarantine },
            _ => Verb::Gc { remote: place(), unused_for, dry_run },
        };
        Ok(Request { verb, style })
    }
}

/// `restore, export and verify`
fn listed(words: &[&str]) -> String {
    match words {
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
        [] => String::new(),
    }
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
