//! Whether the task did what it was for and left nothing. Collects; the screen prints.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Everything that is not as it should be.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    wrong: Vec<String>,
}

impl Verdict {
    /// Notes `what` when it does not hold.
    pub(crate) fn expect(&mut self, holds: bool, what: &str) {
        if !holds {
            self.wrong.push(what.to_owned());
        }
    }

    pub(crate) fn wrong(&self) -> &[String] {
        &self.wrong
    }
}

/// Whole versions in a tool cache, trees and packs, as `node 20.11.0`.
pub(crate) fn versions(cache: &Path) -> BTreeSet<String> {
    let names = |path: &Path| {
        let entries = fs::read_dir(path).into_iter().flatten().flatten();
        entries.filter(|entry| !entry.file_name().to_string_lossy().starts_with('.')).map(|entry| entry.path()).collect::<Vec<_>>()
    };
    let packs = names(&cache.join(".packs/refs/shared"));
    let mut found: BTreeSet<String> = packs.iter().filter_map(|reference| packed(reference)).collect();
    for tool in names(cache) {
        for version in names(&tool) {
            if names(&version).iter().any(|entry| entry.extension().is_some_and(|end| end == "complete")) {
                let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                found.insert(format!("{} {}", name(&tool), name(&version)));
            }
        }
    }
    found
}

/// The version of a pack's reference, `<tool>@<version>@<arch>`.
fn packed(reference: &Path) -> Option<String> {
    let name = reference.file_name()?.to_str()?;
    let mut parts = name.split('@');
    Some(format!("{} {}", parts.next()?, parts.next()?))
}

/// `a, b and c`, or `nothing`.
pub(crate) fn listed<'a>(items: impl IntoIterator<Item = &'a String>) -> String {
    let items: Vec<&str> = items.into_iter().map(String::as_str).collect();
    match items.split_last() {
        None => "nothing".to_owned(),
        Some((last, [])) => (*last).to_owned(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    }
}
