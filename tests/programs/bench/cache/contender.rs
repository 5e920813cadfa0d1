//! Who copies, and how it is told to.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use runner_tests::trees::Strictness;

use crate::find;

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// From the shared side to the local one.
    Restore,
    /// The other way.
    Save,
}

/// What lies on the shared side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Layout {
    Tree,
    /// Ours stamps markers, which would be something new to the others.
    OwnTree,
    Archives,
    Pack,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Contender {
    Rsync,
    Cp,
    Fpsync,
    /// tar and zstd, an archive for each version.
    Archive,
    OurTree,
    OurPack,
}

impl Contender {
    pub(super) const ALL: [Self; 6] = [Self::Rsync, Self::Cp, Self::Fpsync, Self::Archive, Self::OurTree, Self::OurPack];

    /// As tables show it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Rsync => "rsync -a",
            Self::Cp => "cp -a",
            Self::Fpsync => "fpsync -n 32",
            Self::Archive => "tar | zstd, 2 jobs",
            Self::OurTree => "ours, tree",
            Self::OurPack => "ours, pack",
        }
    }

    /// As options and JSON name it.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Rsync => "rsync",
            Self::Cp => "cp",
            Self::Fpsync => "fpsync",
            Self::Archive => "archive",
            Self::OurTree => "tree",
            Self::OurPack => "pack",
        }
    }

    pub(super) const fn is_ours(self) -> bool {
        matches!(self, Self::OurTree | Self::OurPack)
    }

    pub(super) const fn layout(self) -> Layout {
        match self {
            Self::Rsync | Self::Cp | Self::Fpsync => Layout::Tree,
            Self::Archive => Layout::Archives,
            Self::OurTree => Layout::OwnTree,
            Self::OurPack => Layout::Pack,
        }
    }

    /// What it promises to keep. rsync wants -H for hard links; fpsync lets directories' times go.
    pub(super) const fn keeps(self) -> Strictness {
        match self {
            Self::Rsync => Strictness { hard_links: false, ..Strictness::TWINS },
            Self::Fpsync => Strictness::ALL,
            Self::Cp | Self::Archive | Self::OurTree | Self::OurPack => Strictness::TWINS,
        }
    }

    /// In words, what of a copy differs and is let pass.
    pub(super) const fn remark(self) -> &'static str {
        match self {
            Self::Rsync => "hard links split",
            Self::Fpsync => "hard links split, directories' times lost",
            Self::Cp | Self::Archive | Self::OurTree | Self::OurPack => "same",
        }
    }

    /// What it needs and this machine has not.
    pub(super) fn lacks(self) -> Option<&'static str> {
        let wanted: &[&'static str] = match self {
            Self::Rsync => &["rsync"],
            Self::Fpsync => &["fpsync", "rsync"],
            Self::Archive => &["tar", "zstd", "xargs"],
            Self::Cp => &["cp"],
            Self::OurTree | Self::OurPack => &[],
        };
        wanted.iter().copied().find(|program| !find(program))
    }
}

/// An archive is `TOOL@VERSION.tar.zst`; a version that is there already is left alone, by its marker or its name. Their directories are made
/// first: two tars that both want to make the same one get in each other's way.
const RESTORE_ARCHIVES: &str = r#"
for archive in "$1"/*.tar.zst; do
  name=${archive##*/} name=${name%.tar.zst}
  [ -e "$2/${name%%@*}/${name#*@}/x64.complete" ] || { mkdir -p "$2/${name%%@*}"; printf '%s\0' "$archive"; }
done | xargs -0 -r -P 2 -I '{}' sh -c 'zstd -dcq "$1" | tar -xpf - -C "$2"' sh '{}' "$2"
"#;

const SAVE_ARCHIVES: &str = r#"
cd "$1"
for marker in */*/x64.complete; do
  version=${marker%/*} archive=$2/${version%%/*}@${version#*/}.tar.zst
  [ -e "$archive" ] || printf '%s\0%s\0' "$version" "$archive"
done | xargs -0 -r -P 2 -n 2 sh -c 'tar --format=posix -cf - "$0" | zstd -3 -T1 -q -o "$1.new" && mv "$1.new" "$1"'
"#;

/// Makes the commands of all contenders.
#[derive(Debug)]
pub(super) struct Commands {
    pub(super) entrypoint: PathBuf,
    /// For fpsync's own files.
    pub(super) folder: PathBuf,
    pub(super) files: u32,
}

impl Commands {
    pub(super) fn of(&self, contender: Contender, direction: Direction, from: &Path, to: &Path) -> Command {
        let with_slash = |path: &Path| format!("{}/", path.display());
        let mut command;
        match contender {
            Contender::Rsync => {
                command = Command::new("rsync");
                command.arg("-a").args([with_slash(from), with_slash(to)]);
            }
            Contender::Cp => {
                command = Command::new("cp");
                command.arg("-a").arg(from.join(".")).arg(to);
            }
            Contender::Fpsync => {
                command = Command::new("fpsync");
                // Parts enough that all workers have one.
                command.args(["-n", "32", "-f", &(self.files / 32).max(1).to_string(), "-t"]).arg(&self.folder);
                command.args([with_slash(from), with_slash(to)]);
            }
            Contender::Archive => {
                command = Command::new("sh");
                let script = if direction == Direction::Restore { RESTORE_ARCHIVES } else { SAVE_ARCHIVES };
                command.args(["-euc", script, "sh"]).arg(from).arg(to);
            }
            Contender::OurTree | Contender::OurPack => {
                command = Command::new(&self.entrypoint);
                command.args(["cache", if direction == Direction::Restore { "restore" } else { "save" }]);
                command.arg("--from").arg(from).arg("--to").arg(to);
                if direction == Direction::Save {
                    command.args(["--layout", if contender == Contender::OurTree { "tree" } else { "pack" }]);
                }
            }
        }
        command
    }
}
