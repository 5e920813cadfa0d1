//! The list as people and programs read it. Pure.

use std::fmt::Write as _;

use super::{Layout, Listing, Row};
use crate::cache::report::{counted, grouped, size};
use crate::cache::restore::SHARED;
use crate::cache::told::ago;

/// Characters of a digest that tell packs apart for a person.
const SHORT: usize = 12;

impl Listing {
    /// One line of JSON.
    pub(in crate::cache) fn json(&self) -> String {
        // The fields are numbers and strings: there is nothing that could fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Lines for `--allow`, each digest once for each of its versions.
    pub(in crate::cache) fn digests(&self) -> String {
        let line = |row: &Row| Some(format!("{}  # {}\n", row.digest.as_ref()?, row.version));
        let mut lines: Vec<String> = self.versions.iter().filter_map(line).collect();
        // Two domains with the same stand one below the other.
        lines.dedup();
        lines.concat()
    }

    /// A table, the sums, and what a keeper should know of.
    pub(in crate::cache) fn human(&self, long: bool) -> String {
        let domains = self.versions.iter().any(|row| row.trust != SHARED);
        let mut head = vec!["VERSION", "LAYOUT", "PACKED", "LAST USED", "DIGEST"];
        if long {
            head.splice(3..3, ["SIZE", "FILES"]);
        }
        if domains {
            head.insert(1, "TRUST");
        }
        let rows = self.versions.iter().map(|row| self.cells(row, long, domains));
        let cells: Vec<Vec<String>> = std::iter::once(head.iter().map(|&cell| cell.to_owned()).collect()).chain(rows).collect();
        let mut text = String::new();
        if cells.len() > 1 {
            aligned(&cells, &mut text);
        }
        let _ = write!(
            text,
            "{}: {} ({}), {}",
            counted(self.versions.len() as u64, "version"),
            counted(self.packs as u64, "pack"),
            size(self.packed_bytes),
            counted(self.trees as u64, "tree"),
        );
        for (count, noun, rest) in [
            (self.unreferenced, "pack", " without reference"),
            (self.quarantined, "quarantined pack", ""),
            (self.stages - self.dead_stages, "stage", " at work"),
            (self.dead_stages, "dead stage", ""),
        ] {
            if count > 0 {
                let _ = write!(text, "; {}{rest}", counted(count as u64, noun));
            }
        }
        if !self.dangling.is_empty() {
            let _ = write!(text, "\nreferences without a pack: {}", self.dangling.join(", "));
        }
        text
    }

    fn cells(&self, row: &Row, long: bool, domains: bool) -> Vec<String> {
        let or_none = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        let layout = match row.layout {
            Layout::Pack => "pack",
            Layout::Tree => "tree",
            Layout::Both => "both",
        };
        let mut cells = vec![row.version.clone()];
        if domains {
            cells.push(row.trust.clone());
        }
        cells.extend([layout.to_owned(), or_none(row.packed_bytes.map(size))]);
        if long {
            cells.extend([or_none(row.bytes.map(size)), or_none(row.files.map(grouped))]);
        }
        let digest = row.digest.as_ref().map(|digest| digest.chars().take(SHORT).collect());
        cells.extend([or_none(row.used.map(|used| ago(used, self.now))), or_none(digest)]);
        cells
    }
}

fn aligned(rows: &[Vec<String>], text: &mut String) {
    let columns = rows.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..columns).map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)).collect();
    for row in rows {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(version: &str, trust: &str, layout: Layout, digest: Option<char>) -> Row {
        let packed = digest.is_some();
        Row {
            version: version.into(),
            trust: trust.into(),
            layout,
            packed_bytes: packed.then_some(54_000_000),
            bytes: packed.then_some(154_000_000),
            files: packed.then_some(5_072),
            last_used: Some("2001-09-06T01:46:40Z".into()),
            digest: digest.map(|digit| digit.to_string().repeat(64)),
            used: Some(1_000_000_000 - 3 * 86_400),
        }
    }

    fn listing(versions: Vec<Row>) -> Listing {
        Listing { cache: "list", versions, packs: 1, packed_bytes: 54_000_000, trees: 1, now: 1_000_000_000, ..Listing::default() }
    }

    #[test]
    fn a_person_reads_a_table_and_the_sums() {
        let mut listing =
            listing(vec![row("go/1.22.0/x64", "shared", Layout::Tree, None), row("node/20.1.0/x64", "shared", Layout::Both, Some('a'))]);
        assert_eq!(
            listing.human(false),
            "\
VERSION          LAYOUT  PACKED  LAST USED   DIGEST
go/1.22.0/x64    tree    -       3 days ago  -
node/20.1.0/x64  both    54 MB   3 days ago  aaaaaaaaaaaa
2 versions: 1 pack (54 MB), 1 tree"
        );
        listing.versions[0].trust = "team-a".into();
        (listing.unreferenced, listing.quarantined, listing.stages, listing.dead_stages) = (1, 2, 3, 1);
        listing.dangling = vec!["team-a: go/1.23.0/x64".into()];
        assert_eq!(
            listing.human(true),
            "\
VERSION          TRUST   LAYOUT  PACKED  SIZE    FILES  LAST USED   DIGEST
go/1.22.0/x64    team-a  tree    -       -       -      3 days ago  -
node/20.1.0/x64  shared  both    54 MB   154 MB  5,072  3 days ago  aaaaaaaaaaaa
2 versions: 1 pack (54 MB), 1 tree; 1 pack without reference; 2 quarantined packs; 2 stages at work; 1 dead stage
references without a pack: team-a: go/1.23.0/x64"
        );
    }

    #[test]
    fn an_empty_cache_has_no_table() {
        let empty = Listing { packs: 0, packed_bytes: 0, trees: 0, ..listing(Vec::new()) };
        assert_eq!(empty.human(false), "0 versions: 0 packs (0 B), 0 trees");
        assert_eq!(empty.digests(), "");
    }

    #[test]
    fn digests_are_lines_for_an_allow_list() {
        let rows = ["shared", "team-a"].map(|trust| row("node/20.1.0/x64", trust, Layout::Pack, Some('b')));
        let mut listing = listing(rows.into());
        listing.versions.push(row("go/1.22.0/x64", "shared", Layout::Tree, None));
        listing.versions.push(row("z/1/x64", "shared", Layout::Pack, Some('c')));
        assert_eq!(listing.digests(), format!("{}  # node/20.1.0/x64\n{}  # z/1/x64\n", "b".repeat(64), "c".repeat(64)));
    }
}
