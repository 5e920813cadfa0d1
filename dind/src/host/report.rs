//! What was judged, as sections of a checkup.

use checkup::{Check, Finding as Told, Section};

use super::{Prerequisite, cures::told};

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
