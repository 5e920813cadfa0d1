//! Typed values out of an environment, with all problems collected.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::{OsStr, OsString},
    fmt,
    os::unix::ffi::OsStringExt as _,
    path::PathBuf,
    time::Duration,
};

use zeroize::{Zeroize as _, Zeroizing};

use crate::{Effective, Origin, Secret, Setting, Table, effective, spelling};

/// One thing wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The variable, as the user wrote it.
    pub setting: String,
    /// What is wrong, with the value unless it is a secret.
    pub what: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Everything wrong with a configuration, in the order found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => write!(f, "1 setting is wrong; nothing was started")?,
            n => write!(f, "{n} settings are wrong; nothing was started")?,
        }
        for problem in &self.0 {
            write!(f, "\n  {}: {}", problem.setting, problem.what)?;
            if let Some(hint) = &problem.hint {
                write!(f, "\n    hint: {}", hint.replace('\n', "\n          "))?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// Hands out the values of a [`Table`]'s settings and remembers what was wrong with them.
///
/// An empty variable counts as unset: ECS, compose and Kubernetes templates produce those for values left out. The values are wiped when
/// it is dropped, and no secret is copied out of it but into a [`Secret`].
pub struct Reader {
    table: Table,
    values: BTreeMap<String, OsString>,
    /// Which of them were given as flags.
    flags: BTreeSet<String>,
    problems: Vec<Problem>,
}

/// Without values: some are secrets.
impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("problems", &self.problems).finish_non_exhaustive()
    }
}

impl Reader {
    /// Takes the environment and the settings given as flags; a flag beats its variable.
    pub fn new(
        table: Table,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        flags: impl IntoIterator<Item = (String, OsString)>,
    ) -> Self {
        let mut values = BTreeMap::new();
        for (name, value) in environment {
            if let Ok(name) = name.into_string()
                && !value.is_empty()
                && let Some(before) = values.insert(name, value)
            {
                wipe(before);
            }
        }
        let mut given = BTreeSet::new();
        for (name, value) in flags {
            given.insert(name.clone());
            values.insert(name, value);
        }
        Self { table, values, flags: given, problems: Vec::new() }
    }

    /// A sentence for each variable that is no setting but looks like one. `others` are no settings either, and meant as they stand.
    pub fn misspelt(&self, others: &[&str]) -> Vec<String> {
        let known = self.table.known_names();
        self.values
            .keys()
            .filter(|name| !known.contains(name) && !others.contains(&name.as_str()))
            .filter_map(|name| {
                let meant = spelling::nearest(name, known.iter().map(String::as_str))?;
                Some(format!("{name} is not a setting; did you mean {meant}?"))
            })
            .collect()
    }

    /// The variable by which the user gave a setting, be it itself, an alias or the file of a secret.
    pub fn given_as(&self, name: &str) -> Option<String> {
        let setting = self.setting(name);
        self.raw(setting).or_else(|| self.raw_file(setting).filter(|_| setting.secret)).map(|(used, _)| used)
    }

    /// A variable that is no setting of the table, as text; `None` if it is unset, empty or not UTF-8.
    pub fn foreign(&self, name: &str) -> Option<&str> {
        self.values.get(name).filter(|value| !value.is_empty()).and_then(|value| value.to_str())
    }

    /// Every setting as it is in effect, in the order of the table. Nothing is judged: a wrong value stands there as it was written.
    pub fn effective(&self) -> Vec<Effective> {
        self.table.0.iter().map(|setting| self.effective_of(setting)).collect()
    }

    fn effective_of(&self, setting: &Setting) -> Effective {
        let from = |used: String| match self.flags.contains(&used) {
            true => Origin::Flag(setting.flag()),
            false => Origin::Variable(used),
        };
        let direct = self.raw(setting);
        let (value, origin) = match (direct, setting.secret.then(|| self.raw_file(setting)).flatten()) {
            (Some((used, _)), _) if setting.secret => (None, from(used)),
            (Some((used, value)), _) => (Some(effective::shown(setting.value, &value.to_string_lossy())), from(used)),
            (None, Some((_, path))) => (None, Origin::File(path.into())),
            (None, None) if setting.default.is_empty() => (None, Origin::Unset),
            (None, None) => (Some(setting.default.to_owned()), Origin::Default),
        };
        Effective { name: setting.name, group: setting.group, secret: setting.secret, value, origin }
    }

    /// Every variable that is set.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// Whether the user set it, under any of its names.
    pub fn is_set(&self, name: &str) -> bool {
        self.raw(self.setting(name)).is_some()
    }

    /// The text of a setting, its default if unset, `None` if it has none.
    pub fn text(&mut self, name: &str) -> Option<String> {
        let setting = self.setting(name);
        match self.raw(setting) {
            Some((used, value)) => match value.to_str() {
                Some(text) => Some(text.to_owned()),
                None => {
                    self.problem(&used, "is not valid UTF-8", None);
                    None
                }
            },
            None if setting.default.is_empty() => None,
            None => Some(setting.default.to_owned()),
        }
    }

    /// A setting that must be there.
    pub fn required(&mut self, name: &str, hint: &str) -> Option<String> {
        let value = self.text(name);
        if value.is_none() && !self.is_set(name) {
            self.problem(name, "is not set", Some(hint));
        }
        value
    }

    /// true/1/yes/on and false/0/no/off, in any case; everything else is refused.
    ///
    /// An image that reads "any text" as true switched on by `EPHEMERAL=false` cost its users hundreds of runners.
    pub fn switch(&mut self, name: &str) -> bool {
        let Some(text) = self.text(name) else { return false };
        let used = self.shown(name);
        self.yes_or_no(&used, &text)
    }

    /// Yes or no of a variable that is no setting of the table; `None` if it is unset.
    pub fn foreign_switch(&mut self, name: &str) -> Option<bool> {
        let text = self.foreign(name)?.to_owned();
        Some(self.yes_or_no(name, &text))
    }

    fn yes_or_no(&mut self, used: &str, text: &str) -> bool {
        match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => true,
            "false" | "0" | "no" | "off" => false,
            _ => {
                self.problem(used, &format!("`{text}` is neither yes nor no"), Some("allowed: true, 1, yes, on, false, 0, no, off"));
                false
            }
        }
    }

    /// A time span between `least` and `most`: whole seconds, or with units as in `1m 30s`.
    pub fn duration(&mut self, name: &str, least: Duration, most: Duration) -> Duration {
        let text = self.text(name).unwrap_or_default();
        let parsed = match text.parse::<u64>() {
            Ok(seconds) => Some(Duration::from_secs(seconds)),
            Err(_) => humantime::parse_duration(&text).ok(),
        };
        match parsed {
            Some(span) if (least..=most).contains(&span) => span,
            _ => {
                let allowed = format!("allowed: {} to {} seconds, or with a unit as in `90s` or `2m`", least.as_secs(), most.as_secs());
                self.problem(&self.shown(name), &format!("`{text}` is not a time span in range"), Some(&allowed));
                least
            }
        }
    }

    /// A whole number between `least` and `most`.
    pub fn number(&mut self, name: &str, least: u32, most: u32) -> u32 {
        let text = self.text(name).unwrap_or_default();
        match text.parse::<u32>() {
            Ok(number) if (least..=most).contains(&number) => number,
            _ => {
                self.problem(
                    &self.shown(name),
                    &format!("`{text}` is not a number in range"),
                    Some(&format!("allowed: {least} to {most}")),
                );
                least
            }
        }
    }

    /// A number of bytes, at least `least`: digits alone, or with K, M, G or T for powers of 1024, as `df -h` shows them. `None` if it is
    /// unset and has no default.
    pub fn size(&mut self, name: &str, least: u64) -> Option<u64> {
        let text = self.text(name)?;
        match bytes(&text) {
            Some(bytes) if bytes >= least => Some(bytes),
            _ => {
                let allowed = format!("allowed: {} MiB or more, written as in `800M`, `20G` or `1T`", least >> 20);
                self.problem(&self.shown(name), &format!("`{text}` is not a size in range"), Some(&allowed));
                None
            }
        }
    }

    /// An absolute path without `..`.
    pub fn path(&mut self, name: &str) -> Option<PathBuf> {
        let setting = self.setting(name);
        let given = self.raw(setting).map(|(used, value)| (used, PathBuf::from(value)));
        let (used, path) = given.or_else(|| (!setting.default.is_empty()).then(|| (name.to_owned(), setting.default.into())))?;
        if path.is_absolute() && path.components().all(|part| part != std::path::Component::ParentDir) {
            return Some(path);
        }
        self.problem(
            &used,
            &format!("`{}` is not an absolute path", path.display()),
            Some(&format!(
                "write it from the root, without `..`, as in {}",
                if setting.default.is_empty() { "/mnt/volume" } else { setting.default }
            )),
        );
        None
    }

    /// One of a few words, in any case.
    pub fn choice<T: Copy>(&mut self, name: &str, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text(name)?;
        let found = choices.iter().find(|(word, _)| word.eq_ignore_ascii_case(&text)).map(|&(_, value)| value);
        if found.is_none() {
            let words: Vec<&str> = choices.iter().map(|&(word, _)| word).collect();
            self.problem(&self.shown(name), &format!("`{text}` is not one of its values"), Some(&format!("allowed: {}", words.join(", "))));
        }
        found
    }

    /// A comma list; blanks around entries and empty entries are dropped.
    pub fn list(&mut self, name: &str) -> Vec<String> {
        let text = self.text(name).unwrap_or_default();
        text.split(',').map(str::trim).filter(|entry| !entry.is_empty()).map(str::to_owned).collect()
    }

    /// A secret of one line from its variable or from the file that `NAME_FILE` names; a line break at its end is not part of it.
    ///
    /// The file is read once here, to say now what is wrong with it; the secret keeps its path.
    pub fn secret(&mut self, name: &str) -> Option<Secret> {
        self.checked_secret(name, false, |text| {
            // In a header such a character would be refused much later, by an HTTP client, with a message about headers.
            match text.chars().any(char::is_control) {
                true => Err("is more than one line of plain text\nthe secret alone, on one line".to_owned()),
                false => Ok(()),
            }
        })
    }

    /// As [`Reader::secret`], with line breaks inside, e.g. a key in PEM. In a variable, which often can hold no line break, the two
    /// characters `\n` stand for one. `check` judges the text; its error is what is wrong, and after a line break what to do.
    pub fn secret_text(&mut self, name: &str, check: impl Fn(&str) -> Result<(), String>) -> Option<Secret> {
        self.checked_secret(name, true, |text| {
            if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
                return Err("is not plain text".to_owned());
            }
            check(text)
        })
    }

    fn checked_secret(&mut self, name: &str, lines: bool, check: impl Fn(&str) -> Result<(), String>) -> Option<Secret> {
        let setting = self.setting(name);
        let (used, secret, path) = match (self.raw(setting), self.raw_file(setting)) {
            (Some((direct, _)), Some((file, _))) => {
                self.problem(&direct, &format!("is set, and {file} too"), Some("keep one of the two"));
                return None;
            }
            (Some((used, value)), None) => match value.to_str() {
                Some(text) if lines && !text.contains('\n') => {
                    let text = unfolded(text);
                    (used, Secret::new(text.trim_end_matches(['\n', '\r'])), None)
                }
                Some(text) => (used, Secret::new(text.trim_end_matches(['\n', '\r'])), None),
                None => {
                    self.problem(&used, "is not plain text", None);
                    return None;
                }
            },
            (None, Some((used, path))) => {
                let path = PathBuf::from(path);
                (used, Secret::in_file(&path), Some(path))
            }
            (None, None) => return None,
        };
        let place = path.as_ref().map(|path| format!("names {}, which ", path.display())).unwrap_or_default();
        let (what, hint) = match secret.reveal() {
            Err(error) if error.kind() == std::io::ErrorKind::InvalidData => (
                format!("{place}is empty or not plain text"),
                Some("it must hold the secret as text: a token on one line, a key as PEM".to_owned()),
            ),
            Err(error) => {
                let hint = "the file must be readable by the user this program runs as";
                let error = error.to_string();
                // The error names the file, and so did we.
                let cause = path.as_ref().and_then(|path| error.strip_prefix(&format!("{}: ", path.display()))).unwrap_or(&error);
                (format!("{place}cannot be read: {cause}"), Some(hint.to_owned()))
            }
            Ok(text) => match check(&text) {
                Ok(()) => return Some(secret),
                Err(wrong) => match wrong.split_once('\n') {
                    Some((what, hint)) => (format!("{place}{what}"), Some(hint.to_owned())),
                    None => (format!("{place}{wrong}"), None),
                },
            },
        };
        self.problem(&used, &what, hint.as_deref());
        None
    }

    /// Records a problem that only the caller can see, e.g. two settings that contradict each other.
    pub fn problem(&mut self, setting: &str, what: &str, hint: Option<&str>) {
        self.problems.push(Problem { setting: setting.to_owned(), what: what.to_owned(), hint: hint.map(str::to_owned) });
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// Every problem found since [`Reader::new`].
    pub fn finish(mut self) -> Result<(), Problems> {
        if self.problems.is_empty() { Ok(()) } else { Err(Problems(std::mem::take(&mut self.problems))) }
    }

    /// The name that the user knows it by.
    fn shown(&self, name: &str) -> String {
        self.given_as(name).unwrap_or_else(|| name.to_owned())
    }

    fn setting(&self, name: &str) -> &'static Setting {
        self.table.get(name).unwrap_or_else(|| panic!("{name} is read but stands in no table"))
    }

    fn raw(&self, setting: &Setting) -> Option<(String, &OsStr)> {
        self.first_of(std::iter::once(setting.name.to_owned()).chain(setting.aliases.iter().map(|&alias| alias.to_owned())))
    }

    fn raw_file(&self, setting: &Setting) -> Option<(String, &OsStr)> {
        self.first_of(std::iter::once(setting.file_name()).chain(setting.aliases.iter().map(|alias| format!("{alias}_FILE"))))
    }

    fn first_of(&self, mut names: impl Iterator<Item = String>) -> Option<(String, &OsStr)> {
        names.find_map(|name| self.values.get(&name).map(|value| (name, value.as_os_str())))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        std::mem::take(&mut self.values).into_values().for_each(wipe);
    }
}

/// Wipes the values of an environment, which may hold secrets, and drops it.
pub fn forget(environment: Vec<(OsString, OsString)>) {
    environment.into_iter().for_each(|(_, value)| wipe(value));
}

fn wipe(value: OsString) {
    value.into_vec().zeroize();
}

/// `20G`, `20g`, `20GiB`; not `20GB`, which means two things.
fn bytes(text: &str) -> Option<u64> {
    let text = text.to_ascii_lowercase();
    let text = text.strip_suffix("ib").unwrap_or(&text);
    let digits = text.trim_end_matches(['k', 'm', 'g', 't']);
    let shift = match &text[digits.len()..] {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// With the two characters `\n` as line breaks.
fn unfolded(text: &str) -> Zeroizing<String> {
    // Never longer than before, so it does not grow and leave a part behind.
    let mut unfolded = Zeroizing::new(String::with_capacity(text.len()));
    for (number, line) in text.split("\\n").enumerate() {
        if number > 0 {
            unfolded.push('\n');
        }
        unfolded.push_str(line);
    }
    unfolded
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn plain(name: &'static str, aliases: &'static [&'static str], default: &'static str) -> Setting {
        Setting { name, aliases, group: "All", value: "VALUE", default, secret: false, help: "" }
    }

    const TABLE: Table = Table(&[
        plain("STOP_TIMEOUT", &[], "30"),
        plain("LABELS", &["RUNNER_LABELS"], ""),
        plain("WORK", &[], "/work"),
        plain("EPHEMERAL", &[], "true"),
        plain("FORMAT", &[], "auto"),
        Setting { secret: true, ..plain("TOKEN", &["OLD_TOKEN"], "") },
    ]);

    fn reader(environment: &[(&str, &str)]) -> Reader {
        Reader::new(TABLE, environment.iter().map(|&(name, value)| (name.into(), value.into())), [])
    }

    fn only_problem(reader: Reader) -> String {
        let problems = reader.finish().unwrap_err();
        assert_eq!(problems.0.len(), 1, "{problems}");
        problems.to_string()
    }

    #[test]
    fn defaults_hold_where_nothing_or_nothing_but_emptiness_is_set() {
        for environment in [&[][..], &[("STOP_TIMEOUT", ""), ("EPHEMERAL", "")][..]] {
            let mut reader = reader(environment);
            assert_eq!(reader.duration("STOP_TIMEOUT", Duration::ZERO, Duration::from_secs(99)), Duration::from_secs(30));
            assert!(reader.switch("EPHEMERAL"));
            assert_eq!(reader.text("LABELS"), None);
            assert_eq!(reader.path("WORK"), Some("/work".into()));
            reader.finish().unwrap();
        }
    }

    #[test]
    fn booleans_mean_what_they_say() {
        for (text, expected) in
            [("true", true), ("1", true), ("YES", true), ("On", true), ("false", false), ("0", false), ("No", false), ("off", false)]
        {
            let mut reader = reader(&[("EPHEMERAL", text)]);
            assert_eq!(reader.switch("EPHEMERAL"), expected, "{text}");
            reader.finish().unwrap();
        }
        let mut reader = reader(&[("EPHEMERAL", "maybe")]);
        reader.switch("EPHEMERAL");
        assert!(only_problem(reader).contains("EPHEMERAL: `maybe` is neither yes nor no"));
    }

    #[test]
    fn all_problems_are_reported_at_once() {
        let mut reader = reader(&[("STOP_TIMEOUT", "soon"), ("WORK", "here"), ("FORMAT", "xml")]);
        reader.duration("STOP_TIMEOUT", Duration::from_secs(2), Duration::from_secs(60));
        reader.path("WORK");
        reader.choice("FORMAT", &[("auto", 0), ("json", 1)]);
        reader.required("LABELS", "set LABELS=self-hosted");
        assert_eq!(
            reader.finish().unwrap_err().to_string(),
            "4 settings are wrong; nothing was started\n  \
             STOP_TIMEOUT: `soon` is not a time span in range\n    hint: allowed: 2 to 60 seconds, or with a unit as in `90s` or `2m`\n  \
             WORK: `here` is not an absolute path\n    hint: write it from the root, without `..`, as in /work\n  \
             FORMAT: `xml` is not one of its values\n    hint: allowed: auto, json\n  \
             LABELS: is not set\n    hint: set LABELS=self-hosted"
        );
    }

    #[test]
    fn an_alias_counts_and_the_name_beats_it_and_a_flag_beats_both() {
        assert_eq!(reader(&[("RUNNER_LABELS", "a, b,,")]).list("LABELS"), ["a", "b"]);
        assert_eq!(reader(&[("RUNNER_LABELS", "a"), ("LABELS", "c")]).list("LABELS"), ["c"]);
        let mut flagged = Reader::new(TABLE, [("LABELS".into(), "c".into())], [("LABELS".to_owned(), "d".into())]);
        assert_eq!(flagged.list("LABELS"), ["d"]);
    }

    #[test]
    fn time_spans_take_seconds_or_units_within_bounds() {
        for (text, expected) in
            [("45", Some(45)), ("45s", Some(45)), ("1m 30s", Some(90)), ("0", None), ("-1", None), ("100000", None), ("1.5", None)]
        {
            let mut reader = reader(&[("STOP_TIMEOUT", text)]);
            let span = reader.duration("STOP_TIMEOUT", Duration::from_secs(1), Duration::from_secs(600));
            assert_eq!(reader.finish().is_ok().then_some(span.as_secs()), expected, "{text}");
        }
    }

    #[test]
    fn sizes_are_bytes_or_have_the_letter_of_a_power_of_1024() {
        for (text, expected) in [
            ("1048576", Some(1 << 20)),
            ("800M", Some(800 << 20)),
            ("20g", Some(20 << 30)),
            ("20GiB", Some(20 << 30)),
            ("2T", Some(2 << 40)),
            ("1023K", None),
            ("20GB", None),
            ("1.5G", None),
            ("-1G", None),
            ("G", None),
            ("20GG", None),
            ("99999999T", None),
        ] {
            let mut reader = reader(&[("LABELS", text)]);
            let size = reader.size("LABELS", 1 << 20);
            assert_eq!((size, reader.finish().is_ok()), (expected, expected.is_some()), "{text}");
        }
        let mut unset = reader(&[]);
        assert_eq!(unset.size("LABELS", 1 << 20), None);
        unset.finish().unwrap();
        let mut wrong = reader(&[("LABELS", "20GB")]);
        wrong.size("LABELS", 1 << 30);
        assert!(
            only_problem(wrong).ends_with(
                "LABELS: `20GB` is not a size in range\n    hint: allowed: 1024 MiB or more, written as in `800M`, `20G` or `1T`"
            )
        );
    }

    #[test]
    fn a_secret_comes_from_its_file_without_the_line_break() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        std::fs::write(&file, "s3cret\n").unwrap();
        let mut reader = reader(&[("TOKEN_FILE", file.to_str().unwrap())]);
        assert_eq!(*reader.secret("TOKEN").unwrap().reveal().unwrap(), "s3cret");
        reader.finish().unwrap();
    }

    #[test]
    fn a_secret_of_many_lines_may_come_with_its_line_breaks_written_out() {
        for given in ["-----BEGIN\\nabc\\n-----END\\n", "-----BEGIN\nabc\n-----END\n"] {
            let mut reader = reader(&[("TOKEN", given)]);
            assert_eq!(*reader.secret_text("TOKEN", |_| Ok(())).unwrap().reveal().unwrap(), "-----BEGIN\nabc\n-----END");
            reader.finish().unwrap();
        }
        let mut judged = reader(&[("TOKEN", "abc")]);
        assert!(judged.secret_text("TOKEN", |_| Err("is no key\nmake one".to_owned())).is_none());
        assert!(only_problem(judged).ends_with("TOKEN: is no key\n    hint: make one"));
        let mut lines = reader(&[("TOKEN", "s3cret\nmore")]);
        assert!(lines.secret("TOKEN").is_none());
        assert!(only_problem(lines).contains("TOKEN: is more than one line of plain text"));
    }

    #[test]
    fn problems_and_questions_use_the_name_that_the_user_used() {
        let mut aliased = reader(&[("OLD_TOKEN_FILE", "/x"), ("RUNNER_LABELS", "a"), ("OTHER", "perhaps")]);
        assert_eq!(aliased.given_as("TOKEN").as_deref(), Some("OLD_TOKEN_FILE"));
        assert_eq!(aliased.given_as("LABELS").as_deref(), Some("RUNNER_LABELS"));
        assert_eq!(aliased.given_as("WORK"), None);
        assert_eq!(aliased.foreign("OTHER"), Some("perhaps"));
        assert_eq!((aliased.foreign_switch("NOTHING"), aliased.foreign_switch("OTHER")), (None, Some(false)));
        assert!(only_problem(aliased).contains("OTHER: `perhaps` is neither yes nor no"));
    }

    #[test]
    fn a_secret_given_twice_unreadable_or_broken_is_refused_without_showing_it() {
        let mut twice = reader(&[("OLD_TOKEN", "s3cret"), ("TOKEN_FILE", "/x")]);
        assert!(twice.secret("TOKEN").is_none());
        assert_eq!(
            only_problem(twice),
            "1 setting is wrong; nothing was started\n  OLD_TOKEN: is set, and TOKEN_FILE too\n    hint: keep one of the two"
        );
        let mut missing = reader(&[("TOKEN_FILE", "/does/not/exist")]);
        assert!(missing.secret("TOKEN").is_none());
        assert!(only_problem(missing).contains("TOKEN_FILE: names /does/not/exist, which cannot be read"));
        let mut broken = reader(&[("TOKEN", "s3c\u{7}ret")]);
        assert!(broken.secret("TOKEN").is_none());
        assert!(!only_problem(broken).contains("s3c"));
    }

    #[test]
    fn what_is_in_effect_is_told_with_where_it_comes_from_and_no_secret() {
        let environment = [("OLD_TOKEN", "s3cret"), ("RUNNER_LABELS", "a"), ("WORK", "/from/variable")];
        let environment = environment.map(|(name, value)| (name.into(), value.into()));
        let reader = Reader::new(TABLE, environment, [("WORK".to_owned(), "/from/flag".into())]);
        let told = |name: &str| reader.effective().iter().find(|setting| setting.name == name).unwrap().told();
        assert_eq!(told("TOKEN"), "set, from the variable OLD_TOKEN");
        assert_eq!(told("LABELS"), "a, from RUNNER_LABELS");
        assert_eq!(told("WORK"), "/from/flag, from --work");
        assert!(reader.effective().iter().all(|setting| !format!("{setting:?}").contains("s3cret")));
        assert_eq!(reader.effective().len(), TABLE.0.len());
        let filed = Reader::new(TABLE, [], [("TOKEN_FILE".to_owned(), "/run/token".into())]);
        assert_eq!(filed.effective().iter().find(|setting| setting.secret).unwrap().told(), "set, from the file /run/token");
    }

    #[test]
    fn a_misspelt_variable_is_a_warning_and_a_foreign_one_is_not() {
        let reader = reader(&[("STOP_TIMEOT", "5"), ("PATH", "/bin"), ("TOKEN_FILE", "/x")]);
        assert_eq!(reader.misspelt(&[]), ["STOP_TIMEOT is not a setting; did you mean STOP_TIMEOUT?"]);
        assert!(reader.misspelt(&["STOP_TIMEOT"]).is_empty());
        reader.finish().unwrap();
    }
}
