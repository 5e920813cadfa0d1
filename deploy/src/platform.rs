//! Each platform: how it says a task, and the faults that only it knows.

pub(crate) mod compose;
pub(crate) mod ecs;
pub(crate) mod kubernetes;
pub(crate) mod nomad;

use std::collections::HashSet;

use crate::{
    report::Findings,
    rules,
    task::Variable,
    tree::{Node, Place},
};

/// Volumes that are declared, and the mounts that name them.
#[derive(Debug, Default)]
struct Uses {
    declared: Vec<(String, Place)>,
    /// Name, place, container.
    mounted: Vec<(String, Place, String)>,
}

impl Uses {
    fn declare(&mut self, name: &str, at: Place) {
        self.declared.push((name.to_owned(), at));
    }

    fn mount(&mut self, name: &str, at: Place, container: &str) {
        self.mounted.push((name.to_owned(), at, container.to_owned()));
    }

    fn judge(&self, findings: &mut Findings) {
        // In a file with more of them nobody looks for a slip of a letter, and the look would take long.
        const FEW: usize = 50;
        let declared: HashSet<&str> = self.declared.iter().map(|(name, _)| name.as_str()).collect();
        let mounted: HashSet<&str> = self.mounted.iter().map(|(name, ..)| name.as_str()).collect();
        let names: Vec<&str> = self.declared.iter().take(FEW).map(|(name, _)| name.as_str()).collect();
        for (name, at, container) in self.mounted.iter().filter(|(name, ..)| !declared.contains(name.as_str())) {
            let meant = if name.len() > FEW { None } else { settings::nearest(name, names.iter().copied()) };
            let hint = match meant {
                Some(meant) => format!("{meant} is meant, probably"),
                None if names.is_empty() => "declare it: there are no volumes".to_owned(),
                None => format!("declare it; there are: {}", names.join(", ")),
            };
            findings.add(rules::MOUNT_UNDECLARED, *at, format!("{container} mounts a volume that is not declared: {name}"), hint);
        }
        for (name, at) in self.declared.iter().filter(|(name, _)| !mounted.contains(name.as_str())) {
            findings.add(rules::VOLUME_UNUSED, *at, format!("no container mounts the volume {name}"), "mount it, or take it away");
        }
    }
}

/// A variable whose value may hold what only the platform can fill in: `${…}`, `$(…)`, `{{…}}`.
fn variable(name: &str, at: Place, value: &Node) -> Variable {
    let known = value.word().filter(|text| !["${", "$(", "{{"].iter().any(|mark| text.contains(mark)));
    Variable { name: name.to_owned(), at, value: known.map(|text| (text.to_owned(), value.at)) }
}

/// A span of time in seconds: `85s`, `1m30s`, `90` (compose specification, Go's durations; a bare number is seconds).
fn seconds(text: &str) -> Option<f64> {
    if let Ok(seconds) = text.parse() {
        return Some(seconds);
    }
    let mut rest = text.trim();
    let mut sum = 0.0;
    while !rest.is_empty() {
        let (number, tail) = rest.split_at(rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.')?);
        let (unit, tail) = tail.split_at(tail.find(|letter: char| letter.is_ascii_digit()).unwrap_or(tail.len()));
        sum += number.parse::<f64>().ok()?
            * match unit {
                "h" => 3600.0,
                "m" => 60.0,
                "s" => 1.0,
                "ms" => 0.001,
                _ => return None,
            };
        rest = tail;
    }
    (!text.trim().is_empty()).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn spans_of_time_are_read_as_go_writes_them() {
        for (text, expected) in
            [("85s", Some(85.0)), ("1m30s", Some(90.0)), ("90", Some(90.0)), ("500ms", Some(0.5)), ("1 hour", None), ("", None)]
        {
            assert_eq!(seconds(text), expected, "{text}");
        }
    }
}
