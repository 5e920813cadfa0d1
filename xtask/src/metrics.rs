//! The metrics' document and the dashboards: what of them is generated.
//!
//! `docs/metrics.md` is written by hand but for the tables, which stand between markers and come from the programs.

use std::fs;

use crate::{
    dashboards,
    run::{self, Failed},
};

const FILE: &str = "docs/metrics.md";

const BEGINS: &str = "<!-- metrics of ";
const ENDS: &str = "<!-- end of metrics -->";

/// `cargo xtask docs`.
pub(crate) fn write() -> Result<(), Failed> {
    for (file, text) in generated()? {
        let path = run::root().join(file);
        fs::write(&path, text).map_err(|error| Failed(format!("{}: {error}", path.display())))?;
    }
    Ok(())
}

pub(crate) fn are_current() -> Result<(), Failed> {
    for (file, text) in generated()? {
        if run::read(&run::root().join(file))? != text {
            return Err(Failed(format!("{file} is out of date: run `cargo xtask docs`")));
        }
    }
    Ok(())
}

fn generated() -> Result<Vec<(&'static str, String)>, Failed> {
    let tables = |program: &str| run::output("cargo", &["run", "--quiet", "--package", program, "--", "reference", "--metrics"]);
    let mut files = vec![(FILE, with_tables(&run::read(&run::root().join(FILE))?, tables)?)];
    files.extend(dashboards::generated()?);
    Ok(files)
}

/// The document with its tables written anew.
fn with_tables(document: &str, table: impl Fn(&str) -> Result<String, Failed>) -> Result<String, Failed> {
    let mut text = String::new();
    let mut lines = document.lines();
    while let Some(line) = lines.next() {
        text.push_str(line);
        text.push('\n');
        let Some(program) = line.strip_prefix(BEGINS).and_then(|rest| rest.strip_suffix(" -->")) else { continue };
        if !lines.any(|line| line == ENDS) {
            return Err(Failed(format!("{FILE}: the metrics of {program} have no {ENDS}")));
        }
        text.push_str(&format!("\n{}\n\n{ENDS}\n", table(program)?.trim_end()));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_markers_is_written_anew() {
        let document = "one\n<!-- metrics of a -->\nold\n<!-- end of metrics -->\ntwo\n";
        let written = with_tables(document, |program| Ok(format!("table of {program}\n"))).unwrap_or_default();
        assert_eq!(written, "one\n<!-- metrics of a -->\n\ntable of a\n\n<!-- end of metrics -->\ntwo\n");
        assert_eq!(with_tables(&written, |program| Ok(format!("table of {program}\n"))).unwrap_or_default(), written);
        assert!(with_tables("<!-- metrics of a -->\n", |_| Ok(String::new())).is_err());
    }
}
