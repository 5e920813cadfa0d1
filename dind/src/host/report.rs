//! What was judged, as sections of a checkup.

use checkup::{Check, Finding as Told, Section};

use super::{Finding, Prerequisite, Weight, cures::Cure};
use crate::words::exit;

/// Which prerequisites stand under which heading.
pub(super) const SECTIONS: [(&str, &[&str]); 4] = [
    ("Container", &["capabilities", "system calls", "mounts", "user namespace", "/proc/sys", "control groups", "open files"]),
    ("Engine", &["programs", "iptables"]),
    ("Storage", &["storage"]),
    ("Task", &["shared folder"]),
];

/// All prerequisites, each in its section.
pub fn sections(pages: Vec<Prerequisite>) -> Vec<Section> {
    let mut sections: Vec<Section> = SECTIONS.map(|(name, _)| Section { name, checks: vec![] }).into();
    for page in pages {
        let place = SECTIONS.iter().position(|(_, names)| names.contains(&page.name)).unwrap_or(0);
        sections[place].checks.push(check(page));
    }
    sections
}

fn check(page: Prerequisite) -> Check {
    let mut check = Check::seen(page.name, page.seen);
    for finding in page.findings {
        let Told { weight, what, cure } = told(&finding);
        check.find(weight, what, cure);
    }
    check
}

/// A finding in a checkup's words.
pub(super) fn told(finding: &Finding) -> Told {
    let weight = match finding.weight {
        Weight::Warning => checkup::Weight::Warning,
        Weight::Refusal => checkup::Weight::Failure(exit::HOST),
    };
    match &finding.cure {
        // The message has it in itself.
        Cure::Said => Told::said(weight, &finding.what),
        cure => Told { weight, what: finding.what.clone(), cure: cure.told() },
    }
}
