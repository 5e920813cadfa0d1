//! How control groups are mounted here, and whether containers can have limits.

use std::{fs, path::Path};

use nix::unistd::{AccessFlags, access};

use super::{
    Prerequisite,
    cures::Cure,
    trial::{Access, OPENS_WITH_RIGHTS},
};
use crate::{
    cgroup::{self, Home},
    mounts::Mount,
};

/// Controllers that the usual limits of a container are made of: `--memory`, `--pids-limit`, `--cpus`.
const WANTED: [&str; 3] = ["memory", "pids", "cpu"];

/// How control groups are mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cgroup {
    /// v2.
    Unified {
        /// Our own group.
        home: Home,
        /// The controllers it was given.
        controllers: Vec<String>,
        /// `cgroup.type`; nothing at the root of all groups.
        kind: Option<String>,
        /// Its files can be written as far as their modes say.
        permitted: bool,
    },
    /// v1 hierarchies with v2 beside them: docker decides by what is mounted at the root.
    Hybrid,
    /// v1.
    Legacy,
    /// Nothing is mounted.
    None,
}

/// `own` is the text of `/proc/self/cgroup`.
pub fn look(root: &Path, own: &str, table: &[Mount]) -> Cgroup {
    if cgroup::is_unified(root) {
        let home = Home::find(root, own, table);
        let read = |name: &str| fs::read_to_string(home.path.join(name));
        return Cgroup::Unified {
            controllers: read("cgroup.controllers").unwrap_or_default().split_whitespace().map(str::to_owned).collect(),
            kind: read("cgroup.type").ok().map(|kind| kind.trim().to_owned()),
            permitted: access(&home.path, AccessFlags::W_OK) != Err(nix::errno::Errno::EACCES),
            home,
        };
    }
    if root.join("unified/cgroup.controllers").exists() {
        return Cgroup::Hybrid;
    }
    match fs::read_dir(root).map(|mut entries| entries.next().is_some()) {
        Ok(true) => Cgroup::Legacy,
        _ => Cgroup::None,
    }
}

/// What is wrong with it. That it is read-only for want of rights may be `told` already.
pub fn judge(seen: &Cgroup, tree: Access, told: bool, root: &Path) -> Prerequisite {
    let root = root.display();
    let mut page = Prerequisite::seen(
        "control groups",
        match seen {
            Cgroup::Unified { home, .. } if home.parent.is_some() => {
                format!("v2 with the host's namespace; this container is {}", home.path.display())
            }
            Cgroup::Unified { .. } => "v2 with a namespace of their own".to_owned(),
            Cgroup::Hybrid => "v1, with v2 beside it (hybrid)".to_owned(),
            Cgroup::Legacy => "v1".to_owned(),
            Cgroup::None => format!("none at {root}"),
        },
    );
    match seen {
        Cgroup::Unified { permitted: false, .. } => {
            page.refuse(format!("{root} may not be written: no container could start"), Cure::Privileges)
        }
        Cgroup::Unified { controllers, kind, home, .. } => {
            judge_access(&mut page, tree, told, &root.to_string());
            let missing: Vec<&str> = WANTED.into_iter().filter(|wanted| !controllers.iter().any(|found| found == wanted)).collect();
            if !missing.is_empty() {
                page.warn(
                    format!("containers can have no limits of {}: their group was not given these controllers", missing.join(", ")),
                    Cure::anywhere(
                        "the host keeps them: see cgroup.subtree_control of the groups above; systemd gives them with Delegate=yes",
                    ),
                );
            }
            if let Some(kind) = kind.as_deref().filter(|kind| matches!(*kind, "threaded" | "domain invalid")) {
                page.refuse(
                    format!(
                        "{} is of type `{kind}`: no container could start (\"cannot enter cgroupv2 with domain controllers\")",
                        home.path.display()
                    ),
                    Cure::anywhere(
                        "a group above it is threaded: find who wrote its cgroup.type on the host, and start this container below another",
                    ),
                );
            }
        }
        Cgroup::Hybrid | Cgroup::Legacy => {
            judge_access(&mut page, tree, told, &root.to_string());
            page.warn(
                "limits of containers follow the host's old hierarchies, and nothing is nested: newer engines will refuse v1 one day",
                Cure::anywhere("boot the host with systemd.unified_cgroup_hierarchy=1, or use a distribution of 2022 or later"),
            );
        }
        Cgroup::None => page.refuse(
            format!("no control groups at {root}: no container could start"),
            Cure::anywhere("mount cgroup2 there; every container engine does so by itself"),
        ),
    }
    page
}

fn judge_access(page: &mut Prerequisite, tree: Access, told: bool, root: &str) {
    match tree {
        Access::Writable => {}
        Access::Reopens => page.seen += ", read-only; a start can remount it",
        Access::Closed if told => {
            page.seen += ", ";
            page.seen += OPENS_WITH_RIGHTS;
        }
        Access::Closed => page.refuse(format!("{root} is read-only and cannot be remounted: no container could start"), Cure::Privileges),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_of_mounting_them_is_told_apart() {
        let host = tempfile::tempdir().unwrap();
        let root = host.path();
        assert_eq!(look(&root.join("nowhere"), "", &[]), Cgroup::None);
        assert_eq!(look(root, "", &[]), Cgroup::None);
        fs::create_dir(root.join("memory")).unwrap();
        assert_eq!(look(root, "", &[]), Cgroup::Legacy);
        fs::create_dir(root.join("unified")).unwrap();
        fs::write(root.join("unified/cgroup.controllers"), "hugetlb").unwrap();
        assert_eq!(look(root, "", &[]), Cgroup::Hybrid);
        fs::write(root.join("cgroup.controllers"), "cpu memory\n").unwrap();
        fs::write(root.join("cgroup.type"), "domain\n").unwrap();
        let Cgroup::Unified { controllers, kind, permitted, .. } = look(root, "0::/\n", &[]) else { panic!("v2") };
        assert_eq!((controllers.join(" ").as_str(), kind.as_deref(), permitted), ("cpu memory", Some("domain"), true));
    }
}
