//! One tree for every format: what a file says, and where.

mod hcl;
mod json;
mod lines;
mod yaml;

use std::collections::{HashMap, HashSet};

pub(crate) use hcl::read as read_hcl;
pub(crate) use json::read as read_json;
pub(crate) use yaml::read as read_yaml;

/// The deepest nesting that is read. No deployment comes near it, and everything that walks a tree may recurse.
pub(crate) const DEEPEST: usize = 64;

/// The most values in a file, counted with what YAML's aliases repeat: nine lines of aliases can name a billion.
pub(crate) const MOST: usize = 100_000;

/// A place in a file. Two values never share one, even where they start at the same letter, as a YAML mapping and its first key do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Place {
    /// From 1.
    pub(crate) line: usize,
    /// From 1, in characters.
    pub(crate) column: usize,
    value: usize,
}

impl Place {
    pub(crate) fn new(line: usize, column: usize) -> Self {
        Self { line, column, value: 0 }
    }
}

/// A value with its place.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) at: Place,
    pub(crate) value: Value,
}

#[derive(Debug, Clone)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    /// As it was written.
    Number(String),
    /// In HCL with its `${…}` as written.
    Text(String),
    /// An expression that only the platform can evaluate.
    Expression,
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key of a map with its value. HCL repeats keys for blocks of one kind.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) at: Place,
    pub(crate) value: Node,
}

/// Why a file could not be read.
#[derive(Debug)]
pub(crate) struct Unreadable {
    pub(crate) at: Place,
    pub(crate) what: String,
}

/// What was read: the documents of the file, and each key that is there twice.
#[derive(Debug)]
pub(crate) struct Documents {
    pub(crate) documents: Vec<Node>,
    /// Place and key; whichever of the two wins differs from reader to reader.
    pub(crate) repeated: Vec<(Place, String)>,
}

impl Node {
    pub(crate) fn entries(&self) -> &[Entry] {
        if let Value::Map(entries) = &self.value { entries } else { &[] }
    }

    pub(crate) fn items(&self) -> &[Node] {
        if let Value::List(items) = &self.value { items } else { &[] }
    }

    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// Down several maps.
    pub(crate) fn dig(&self, keys: &[&str]) -> Option<&Self> {
        keys.iter().try_fold(self, |node, key| node.get(key))
    }

    /// All values of a key that HCL repeats.
    pub(crate) fn all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a Self> {
        self.entries().iter().filter(move |entry| entry.key == key).map(|entry| &entry.value)
    }

    /// A list in a map; no list where there is none.
    pub(crate) fn list(&self, key: &str) -> &[Self] {
        self.get(key).map_or(&[], Self::items)
    }

    /// A scalar as somebody would write it.
    pub(crate) fn word(&self) -> Option<&str> {
        match &self.value {
            Value::Bool(true) => Some("true"),
            Value::Bool(false) => Some("false"),
            Value::Number(text) | Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A scalar in a map.
    pub(crate) fn word_of(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(Self::word)
    }

    pub(crate) fn number(&self) -> Option<f64> {
        self.word().and_then(|word| word.parse().ok())
    }

    pub(crate) fn is_yes(&self) -> bool {
        self.word() == Some("true")
    }

    pub(crate) fn says(&self, key: &str) -> bool {
        self.get(key).is_some_and(Self::is_yes)
    }

    /// A list of words, or one string of them.
    pub(crate) fn words(&self) -> Vec<&str> {
        match &self.value {
            Value::List(items) => items.iter().filter_map(Self::word).collect(),
            _ => self.word().map_or_else(Vec::new, |text| text.split_whitespace().collect()),
        }
    }

    /// Gives every value a place of its own; what an alias repeats gets one for each time.
    fn number_all(&mut self, next: &mut usize) {
        *next += 1;
        self.at.value = *next;
        match &mut self.value {
            Value::List(items) => items.iter_mut().for_each(|item| item.number_all(next)),
            Value::Map(entries) => {
                for entry in entries {
                    entry.value.number_all(next);
                    entry.at.value = entry.value.at.value;
                }
            }
            _ => {}
        }
    }

    /// How one gets to each of these places, as `containerDefinitions[1].image`: all in one walk, for there may be thousands.
    pub(crate) fn paths(&self, places: &[Place]) -> Vec<String> {
        let mut found: HashMap<Place, String> = HashMap::new();
        let wanted: HashSet<Place> = places.iter().copied().collect();
        self.walk("", &wanted, &mut found);
        places.iter().map(|place| found.get(place).cloned().unwrap_or_default()).collect()
    }

    fn walk(&self, path: &str, wanted: &HashSet<Place>, found: &mut HashMap<Place, String>) {
        if wanted.contains(&self.at) {
            found.insert(self.at, path.to_owned());
        }
        match &self.value {
            Value::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    item.walk(&format!("{path}[{index}]"), wanted, found);
                }
            }
            Value::Map(entries) => {
                for entry in entries {
                    let label = entry.value.word_of(LABEL).map(|label| format!("[{label}]")).unwrap_or_default();
                    let dot = if path.is_empty() { "" } else { "." };
                    let path = format!("{path}{dot}{}{label}", entry.key);
                    if wanted.contains(&entry.at) {
                        found.insert(entry.at, path.clone());
                    }
                    // Before it was numbered, a key that stands twice had only line and column.
                    let bare = Place::new(entry.at.line, entry.at.column);
                    if wanted.contains(&bare) {
                        found.insert(bare, path.clone());
                    }
                    entry.value.walk(&path, wanted, found);
                }
            }
            _ => {}
        }
    }
}

/// The key under which a block of HCL has its label.
pub(crate) const LABEL: &str = "(label)";

/// Every document is numbered alone.
fn finish(mut documents: Vec<Node>, repeated: Vec<(Place, String)>) -> Documents {
    for document in &mut documents {
        document.number_all(&mut 0);
    }
    Documents { documents, repeated }
}

/// Keys that stand twice in a map.
fn repeated_keys<'a>(entries: impl Iterator<Item = (&'a str, Place)>, repeated: &mut Vec<(Place, String)>) {
    let mut seen = HashSet::new();
    repeated.extend(entries.filter(|(key, _)| !seen.insert(*key)).map(|(key, at)| (at, key.to_owned())));
}
