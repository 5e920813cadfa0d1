//! What is copied where, and what is there before.

use super::contender::{Contender, Direction};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    Restore,
    Save,
    OneNew,
    SameRestore,
    SameSave,
    LocalRestore,
    LocalSave,
}

/// A ratio against rsync that we owe, and one we would like.
pub(super) type Goal = (f64, f64);

impl Case {
    pub(super) const ALL: [Self; 7] =
        [Self::Restore, Self::Save, Self::OneNew, Self::SameRestore, Self::SameSave, Self::LocalRestore, Self::LocalSave];

    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Restore => "restore",
            Self::Save => "save",
            Self::OneNew => "one-new",
            Self::SameRestore => "same-restore",
            Self::SameSave => "same-save",
            Self::LocalRestore => "local-restore",
            Self::LocalSave => "local-save",
        }
    }

    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Restore => "restore, nothing there",
            Self::Save => "save, nothing there",
            Self::OneNew => "save, one new version, all others there",
            Self::SameRestore => "restore, nothing changed",
            Self::SameSave => "save, nothing changed",
            Self::LocalRestore => "restore, local disk to local disk",
            Self::LocalSave => "save, local disk to local disk",
        }
    }

    pub(super) const fn direction(self) -> Direction {
        match self {
            Self::Restore | Self::SameRestore | Self::LocalRestore => Direction::Restore,
            Self::Save | Self::OneNew | Self::SameSave | Self::LocalSave => Direction::Save,
        }
    }

    /// Whether the shared side is on the mount.
    pub(super) const fn is_far(self) -> bool {
        !matches!(self, Self::LocalRestore | Self::LocalSave)
    }

    /// Whether both sides are full at the start.
    pub(super) const fn is_same(self) -> bool {
        matches!(self, Self::SameRestore | Self::SameSave)
    }

    /// Of `runs`, how many a contender makes. Saves of the slow ones take a minute or two each and repeat within a few percent.
    pub(super) fn runs_of(self, contender: Contender, runs: usize) -> usize {
        let slow = matches!(contender, Contender::Rsync | Contender::Cp | Contender::Fpsync);
        match self {
            Self::Save if slow => runs.div_ceil(8),
            Self::OneNew | Self::SameSave if slow => runs.div_ceil(3),
            _ => runs,
        }
    }

    /// Against `rsync -a` on 2 cores with 5,000 files and the profile `efs`.
    pub(super) const fn goal(self, contender: Contender) -> Option<Goal> {
        let (tree, pack) = match self {
            Self::Restore => ((10.0, 15.0), (11.0, 18.0)),
            Self::Save => ((70.0, 100.0), (100.0, 200.0)),
            Self::OneNew => ((50.0, 100.0), (80.0, 100.0)),
            Self::SameRestore => ((30.0, 100.0), (30.0, 100.0)),
            Self::SameSave => ((200.0, 1_000.0), (200.0, 1_000.0)),
            Self::LocalRestore | Self::LocalSave => ((1.0, 3.0), (1.0, 3.0)),
        };
        match contender {
            Contender::OurTree => Some(tree),
            Contender::OurPack => Some(pack),
            _ => None,
        }
    }
}
