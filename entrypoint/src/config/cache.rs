//! The tool cache on shared storage: what is restored, when, from whom, and how it is saved.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    time::Duration,
};

use settings::Reader;

/// The tool cache on shared storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cache {
    pub(crate) remote: PathBuf,
    pub(crate) restore: Option<Duration>,
    /// Restored beside the runner: its job waits, and not its start.
    pub(crate) before_job: bool,
    pub(crate) save: Option<Duration>,
    /// What is restored, as `NAME` or `NAME@VERSION`; empty is everything.
    pub(crate) tools: Vec<String>,
    /// How new versions are saved; all layouts are restored.
    pub(crate) layout: Layout,
    /// Whose packs: runners of one name share what they save.
    pub(crate) trust: String,
    /// Restore only packs of these digests.
    pub(crate) allow: Option<Allow>,
    /// Files copied at once.
    pub(crate) jobs: u32,
}

/// How a version lies on the shared storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// One file.
    Pack,
    /// File by file.
    Tree,
}

/// A list of packs that may be restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Allow {
    pub(crate) file: PathBuf,
    /// How many it has.
    pub(crate) digests: usize,
}

/// The domain that the plain trees belong to, and everybody who names none.
pub(crate) const SHARED: &str = "shared";

/// As `cache` takes it when it is told nothing.
pub(crate) const USUAL_JOBS: u32 = 64;

/// When the cache is restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    BeforeStart,
    BeforeJob,
    Never,
}

pub(super) fn read(reader: &mut Reader) -> Option<Cache> {
    let longest = Duration::from_secs(3600);
    let when = when(reader);
    let restoring = reader.duration("TOOL_CACHE_RESTORE_TIMEOUT", Duration::from_secs(1), longest);
    let save = (reader.switch("TOOL_CACHE_SAVE"), reader.duration("TOOL_CACHE_SAVE_TIMEOUT", Duration::from_secs(1), longest));
    let tools = tools(reader);
    let layout = reader.choice("TOOL_CACHE_LAYOUT", &[("pack", Layout::Pack), ("tree", Layout::Tree)]).unwrap_or(Layout::Pack);
    let trust = trust(reader);
    if layout == Layout::Tree && trust != SHARED {
        let what = format!("trees belong to `{SHARED}` alone, and TOOL_CACHE_TRUST says `{trust}`");
        reader.problem("TOOL_CACHE_LAYOUT", &what, Some("allowed with it: pack"));
    }
    let allow = allow(reader);
    let jobs = reader.number("TOOL_CACHE_JOBS", 1, 256);
    let remote = reader.path("TOOL_CACHE_REMOTE")?;
    Some(Cache {
        remote,
        restore: (when != When::Never).then_some(restoring),
        before_job: when == When::BeforeJob,
        save: save.0.then_some(save.1),
        tools,
        layout,
        trust,
        allow,
        jobs,
    })
}

/// Yes and no are what it was before there was a choice.
fn when(reader: &mut Reader) -> When {
    let text = reader.text("TOOL_CACHE_RESTORE").unwrap_or_default();
    match text.to_ascii_lowercase().as_str() {
        "before-start" | "true" | "1" | "yes" | "on" => When::BeforeStart,
        "before-job" => When::BeforeJob,
        "off" | "false" | "0" | "no" => When::Never,
        _ => {
            let what = format!("`{text}` is not one of its values");
            reader.problem("TOOL_CACHE_RESTORE", &what, Some("allowed: before-start, before-job, off"));
            When::BeforeStart
        }
    }
}

/// Names as they are in the cache, which need not be there.
fn tools(reader: &mut Reader) -> Vec<String> {
    let tools = reader.list("TOOL_CACHE_TOOLS");
    let word = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+'))
    };
    for tool in &tools {
        let (name, version) = tool.split_once('@').map_or((tool.as_str(), None), |(name, version)| (name, Some(version)));
        if !word(name) || version.is_some_and(|version| !word(version)) {
            let hint = "write names, or names with the beginning of a version, as in node@20,python@3.12,go";
            reader.problem("TOOL_CACHE_TOOLS", &format!("`{tool}` is not a tool"), Some(hint));
        }
    }
    tools
}

fn trust(reader: &mut Reader) -> String {
    let name = reader.text("TOOL_CACHE_TRUST").unwrap_or_default();
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !(1..=32).contains(&name.len()) || !name.chars().all(plain) {
        let hint = "allowed: 1 to 32 small letters, digits and `-`, as in untrusted";
        reader.problem("TOOL_CACHE_TRUST", &format!("`{name}` is not a name"), Some(hint));
    }
    name
}

/// Read now: with a list that is missing nothing would be restored, and each time anew somebody would ask why.
fn allow(reader: &mut Reader) -> Option<Allow> {
    let file = reader.path("TOOL_CACHE_ALLOW")?;
    let (what, hint) = match text_of(&file).map(|text| digests(&text)) {
        Ok(Ok(digests)) => return Some(Allow { file, digests }),
        Ok(Err(line)) => {
            let hint = "write one digest a line: 64 hexadecimal digits in small letters, perhaps after `sha256:`; `#` begins a comment";
            (format!("line {line} of {} is not a digest", file.display()), hint)
        }
        Err(error) => {
            (format!("{} cannot be read: {error}", file.display()), "is the file mounted, and readable by the user this program runs as?")
        }
    };
    reader.problem("TOOL_CACHE_ALLOW", &what, Some(hint));
    None
}

/// More digests than anybody has.
const LONGEST_LIST: u64 = 4 * 1024 * 1024;

fn text_of(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    File::open(file)?.take(LONGEST_LIST).read_to_string(&mut text)?;
    Ok(text)
}

/// How many there are, or the number of the first line that is none.
fn digests(text: &str) -> Result<usize, usize> {
    let mut digests = 0;
    for (line, number) in text.lines().zip(1..) {
        let entry = line.split('#').next().unwrap_or_default().trim();
        let digest = entry.strip_prefix("sha256:").unwrap_or(entry);
        match entry {
            "" => {}
            _ if digest.len() == 64 && digest.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) => digests += 1,
            _ => return Err(number),
        }
    }
    Ok(digests)
}

impl Cache {
    /// What is in force, for `check`.
    pub(super) fn described(&self) -> String {
        let within = |span: Duration| format!("within {} s", span.as_secs());
        let restore = self.restore.map_or("off".to_owned(), |span| {
            format!("{}, {}", if self.before_job { "before the job" } else { "before the start" }, within(span))
        });
        let layout = match self.layout {
            Layout::Pack => "packs",
            Layout::Tree => "trees",
        };
        let save = self.save.map_or("off".to_owned(), |span| format!("as {layout}, {}", within(span)));
        let tools = if self.tools.is_empty() { "all".to_owned() } else { self.tools.join(" ") };
        let allow = self.allow.as_ref().map(|allow| format!(", only {} packs that {} allows", allow.digests, allow.file.display()));
        format!(
            "{} (restore {restore}; save {save}; tools {tools}; trust {}{})",
            self.remote.display(),
            self.trust,
            allow.unwrap_or_default()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_digests_is_counted_and_its_first_wrong_line_named() {
        let digest = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
        assert_eq!(digests(&format!("# packs\n\n{digest}\nsha256:{digest} # node 20\n")), Ok(2));
        assert_eq!(digests(""), Ok(0));
        for wrong in [&digest[1..], &format!("{digest}0"), &format!("md5:{digest}"), &digest.replace('a', "A"), "node@20"] {
            assert_eq!(digests(&format!("{digest}\n{wrong}\n")), Err(2), "{wrong}");
        }
    }
}
