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

impl Difference {
    /// What is different, and what goes wrong for it.
    pub fn what(&self) -> String {
        let (purpose, path, has) = match self {
            Self::Missing(purpose, path) => (purpose, path.display(), "has nothing"),
            Self::Other(purpose, path) => (purpose, path.display(), "has another folder"),
            Self::Network => {
                return "the runner and the docker sidecar have a network each: ports of service containers are not on the job's localhost"
                    .to_owned();
            }
        };
        format!("the docker sidecar {has} at {path}, the runner's {}: {}", purpose.name(), purpose.consequence())
    }

    /// What to do on one platform, by the name that a person uses; a compose file is docker's.
    pub fn cure_on(&self, platform: &str) -> Option<String> {
        let ours = |known: &&str| *known == platform || (*known == "compose" && platform == "docker run");
        let cures = self.cures().into_iter().filter(|(platforms, _)| platforms.iter().any(ours));
        let words: Vec<String> =
            cures.map(|(platforms, words)| if platforms == ["docker run"] { words } else { of_compose(platform, words) }).collect();
        (!words.is_empty()).then(|| format!("{}: {}", self.aim(), words.join(", or ")))
    }

    /// The names are those that a person uses, several where they share a form.
    fn cures(&self) -> Vec<(&'static [&'static str], String)> {
        let (Self::Missing(_, path) | Self::Other(_, path)) = self else {
            return [
                (&["ECS"][..], "\"networkMode\": \"awsvpc\""),
                (&["Kubernetes"], "one pod"),
                (&["Nomad"], "one group with a bridge network"),
                (&["compose"], "network_mode: service:dind"),
                (&["docker run"], "--network container:dind"),
            ]
            .map(|(platforms, words)| (platforms, words.to_owned()))
            .into();
        };
        let path = path.display();
        vec![
            (&["ECS"][..], format!("mountPoints {{\"sourceVolume\": \"…\", \"containerPath\": \"{path}\"}}")),
            (&["Kubernetes"], format!("volumeMounts {{name: …, mountPath: {path}}}")),
            (&["Nomad", "compose"], format!("volumes [\"…:{path}\"]")),
            (&["docker run"], format!("-v …:{path}")),
        ]
    }

    /// What the cures bring about.
    fn aim(&self) -> String {
        match self {
            Self::Missing(..) | Self::Other(..) => "give the sidecar a mount of the same volume at this path".to_owned(),
            Self::Network => "give both one network".to_owned(),
        }
    }

    /// What to do, on every platform.
    fn cure(&self) -> String {
        let cures: Vec<String> = self.cures().into_iter().map(|(platforms, words)| format!("{words} ({})", platforms.join(", "))).collect();
        format!("{}: {}", self.aim(), cures.join(", "))
    }
}

/// Beside what is for the command line, what is for the file says so.
fn of_compose(platform: &str, words: String) -> String {
    if platform == "docker run" { format!("{words} in a compose file") } else { words }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\nhint: {}", self.what(), self.cure())
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
    fn each_platform_has_its_own_line() {
        let work = Difference::Missing(Use::Work, "/work".into());
        let cure = |difference: &Difference, platform| difference.cure_on(platform).unwrap();
        assert_eq!(
            cure(&work, "ECS"),
            "give the sidecar a mount of the same volume at this path: mountPoints {\"sourceVolume\": \"…\", \"containerPath\": \"/work\"}"
        );
        assert!(cure(&work, "docker run").ends_with("this path: volumes [\"…:/work\"] in a compose file, or -v …:/work"));
        assert_eq!(cure(&Difference::Network, "Kubernetes"), "give both one network: one pod");
        assert_eq!(cure(&Difference::Network, "Nomad"), "give both one network: one group with a bridge network");
        assert_eq!(work.cure_on("elsewhere"), None);
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
