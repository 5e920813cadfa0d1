//! What the two sides do not have in common, and the line of a deployment that cures it.

use std::{fmt, path::PathBuf};

use crate::{Folder, Sight, Use};

/// Something that the two sides should have in common and have not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Difference {
    /// The sidecar has nothing at the path.
    Missing(Use, PathBuf),
    /// It has another folder there.
    Other(Use, PathBuf),
    /// It has a network of its own.
    Network,
}

/// All of them; none when the sidecar's sight is not an answer to this runner's.
pub fn differences(runner: &Sight, sidecar: &Sight) -> Vec<Difference> {
    if runner.token != sidecar.token {
        return vec![];
    }
    let mut found: Vec<Difference> = runner.folders.iter().filter_map(|folder| of_folder(folder, sidecar)).collect();
    // A namespace that cannot be seen says nothing.
    if let (Some(ours), Some(its)) = (runner.network, sidecar.network)
        && ours != its
    {
        found.push(Difference::Network);
    }
    found
}

/// A folder that the runner itself has not yet would be made in its own container: nobody shares it.
fn of_folder(folder: &Folder, sidecar: &Sight) -> Option<Difference> {
    match sidecar.folders.iter().find(|its| its.path == folder.path)?.inode {
        None => Some(Difference::Missing(folder.purpose, folder.path.clone())),
        its => (its != folder.inode).then(|| Difference::Other(folder.purpose, folder.path.clone())),
    }
}

impl Use {
    fn name(self) -> &'static str {
        match self {
            Self::Work => "work folder",
            Self::Externals => "externals",
            Self::Tools => "tool cache",
        }
    }

    /// What goes wrong in a job when the sidecar has not this folder.
    fn consequence(self) -> &'static str {
        match self {
            Self::Work => "container jobs, docker actions and `docker run -v $GITHUB_WORKSPACE` see an empty folder",
            Self::Externals => "JavaScript actions in container jobs find no node",
            Self::Tools => "setup actions in container jobs see an empty tool cache",
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (purpose, path, has) = match self {
            Self::Missing(purpose, path) => (purpose, path.display(), "has nothing"),
            Self::Other(purpose, path) => (purpose, path.display(), "has another folder"),
            Self::Network => {
                return f.write_str(
                    "the runner and the docker sidecar have a network each: ports of service containers are not on the job's localhost\n\
                     hint: give both one network: \"networkMode\": \"awsvpc\" (ECS), one pod (Kubernetes), one group with a bridge network \
                     (Nomad), network_mode: service:dind (compose), --network container:dind (docker run)",
                );
            }
        };
        write!(
            f,
            "the docker sidecar {has} at {path}, the runner's {}: {}\n\
             hint: give the sidecar a mount of the same volume at this path: mountPoints {{\"sourceVolume\": \"…\", \"containerPath\": \
             \"{path}\"}} (ECS), volumeMounts {{name: …, mountPath: {path}}} (Kubernetes), volumes [\"…:{path}\"] (Nomad, compose), \
             -v …:{path} (docker run)",
            purpose.name(),
            purpose.consequence()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Inode;

    const fn inode(number: u64) -> Option<Inode> {
        Some(Inode { device: 1, number })
    }

    fn sight(work: Option<Inode>, externals: Option<Inode>, network: Option<Inode>) -> Sight {
        let folder = |purpose, path: &str, inode| Folder { purpose, path: path.into(), inode };
        let folders = vec![folder(Use::Work, "/home/runner/_work", work), folder(Use::Externals, "/home/runner/externals", externals)];
        Sight { token: 7, network, folders }
    }

    #[test]
    fn two_sides_that_see_the_same_have_no_difference() {
        let both = sight(inode(1), inode(2), inode(3));
        assert_eq!(differences(&both, &both), []);
    }

    #[test]
    fn each_folder_that_is_missing_or_another_is_found_and_so_is_a_network() {
        let runner = sight(inode(1), inode(2), inode(3));
        let found = differences(&runner, &sight(None, inode(9), inode(4)));
        let expected = [
            Difference::Missing(Use::Work, "/home/runner/_work".into()),
            Difference::Other(Use::Externals, "/home/runner/externals".into()),
            Difference::Network,
        ];
        assert_eq!(found, expected);
        // The same number on another device is another folder.
        let device = Some(Inode { device: 2, number: 1 });
        assert_eq!(differences(&runner, &sight(device, inode(2), inode(3))).len(), 1);
    }

    #[test]
    fn a_folder_that_the_runner_has_not_is_shared_with_nobody() {
        let runner = sight(None, inode(2), inode(3));
        let work = || "/home/runner/_work".into();
        assert_eq!(differences(&runner, &sight(inode(1), inode(2), inode(3))), [Difference::Other(Use::Work, work())]);
        assert_eq!(differences(&runner, &sight(None, inode(2), inode(3))), [Difference::Missing(Use::Work, work())]);
    }

    #[test]
    fn what_cannot_be_compared_is_no_difference() {
        let runner = sight(inode(1), inode(2), None);
        assert_eq!(differences(&runner, &sight(inode(1), inode(2), inode(3))), []);
        let another_task = Sight { token: 8, ..sight(None, None, inode(9)) };
        assert_eq!(differences(&sight(inode(1), inode(2), inode(3)), &another_task), []);
        let fewer = Sight { folders: vec![], ..sight(None, None, None) };
        assert_eq!(differences(&runner, &fewer), []);
    }

    #[test]
    fn each_is_told_with_the_line_that_is_missing() {
        let all = [
            Difference::Missing(Use::Work, "/home/runner/_work".into()),
            Difference::Other(Use::Externals, "/home/runner/externals".into()),
            Difference::Missing(Use::Tools, "/opt/hostedtoolcache".into()),
            Difference::Network,
        ];
        insta::assert_snapshot!(all.map(|difference| difference.to_string()).join("\n\n"));
    }
}
