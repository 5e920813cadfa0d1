//! Each fault is a row: what is changed in a file that is right, and exactly what is found then, where `§` stands. What people read is
//! in the snapshots beside the rows.

mod compose;
mod ecs;
mod files;
mod kubernetes;
mod nomad;
mod pair;

use std::{collections::BTreeSet, fmt::Write as _};

/// A fault.
struct Row {
    /// The rules that speak, in the order of the file.
    rules: &'static [&'static str],
    /// What is replaced; the first text stands in the file once.
    edits: &'static [(&'static str, &'static str)],
}

const fn row(rules: &'static [&'static str], edits: &'static [(&'static str, &'static str)]) -> Row {
    Row { rules, edits }
}

/// Changes the file, takes the marks out and says where they were.
fn faulty(right: &str, row: &Row) -> (String, Vec<(usize, usize)>) {
    let mut text = right.to_owned();
    for (old, new) in row.edits {
        assert_eq!(text.matches(old).count(), 1, "{:?}: not once in the file: {old}", row.rules);
        text = text.replacen(old, new, 1);
    }
    let mut places = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let marks = line.chars().enumerate().filter(|(_, letter)| *letter == '§');
        places.extend(marks.enumerate().map(|(earlier, (column, _))| (index + 1, column + 1 - earlier)));
    }
    (text.replace('§', ""), places)
}

/// Checks every row, and gives back all that was said.
fn check_rows(name: &str, right: &str, rows: &[Row]) -> String {
    let found = deploy::judge(name, right);
    assert!(found.findings.is_empty(), "the right {name} has faults: {:#?}", found.findings);
    let mut said = String::new();
    for row in rows {
        let (text, places) = faulty(right, row);
        let judged = deploy::judge(name, &text);
        let found: Vec<_> = judged.findings.iter().map(|finding| (finding.rule, (finding.line, finding.column))).collect();
        let expected: Vec<_> = row.rules.iter().copied().zip(places.iter().copied()).collect();
        assert_eq!(places.len(), row.rules.len(), "a mark for each rule: {:?}", row.rules);
        assert_eq!(found, expected, "{:?}\n{:#?}", row.edits, judged.findings);
        for finding in judged.findings {
            let _ = writeln!(said, "{} [{}]\n  {}\n  hint: {}\n", finding.rule, finding.path, finding.message, finding.hint);
        }
    }
    said
}

#[test]
fn every_rule_has_a_fault_that_it_finds() {
    let rows = [ecs::ON_EC2, ecs::ON_FARGATE, pair::ROWS, compose::ROWS, kubernetes::ROWS, nomad::ROWS].concat_rules();
    let found: BTreeSet<&str> = rows.into_iter().chain(files::RULES.iter().copied()).collect();
    let rules: BTreeSet<&str> = deploy::RULES.iter().map(|rule| rule.name).collect();
    assert_eq!(rules.difference(&found).collect::<Vec<_>>(), Vec::<&&str>::new(), "rules that no row shows");
    assert_eq!(found.difference(&rules).collect::<Vec<_>>(), Vec::<&&str>::new(), "rows of rules that are not there");
    assert_eq!(rules.len(), deploy::RULES.len(), "two rules of one name");
}

trait ConcatRules {
    fn concat_rules(&self) -> Vec<&'static str>;
}

impl ConcatRules for [&[Row]; 6] {
    fn concat_rules(&self) -> Vec<&'static str> {
        self.iter().flat_map(|rows| rows.iter()).flat_map(|row| row.rules.iter().copied()).collect()
    }
}
