//! The settings of both programs, as their own tables say: `known.txt` is made by `cargo xtask docs` and checked to be current.

use std::sync::OnceLock;

const TEXT: &str = include_str!("known.txt");

/// One of the two programs of the pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    Entrypoint,
    Dind,
}

impl Program {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Entrypoint => "runner-entrypoint",
            Self::Dind => "runner-dind",
        }
    }

    pub(crate) fn other(self) -> Self {
        match self {
            Self::Entrypoint => Self::Dind,
            Self::Dind => Self::Entrypoint,
        }
    }
}

/// A variable that means something to a program.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) program: &'static str,
    pub(crate) name: &'static str,
    pub(crate) secret: bool,
    pub(crate) default: &'static str,
    pub(crate) others: Vec<&'static str>,
}

impl Known {
    fn is_called(&self, name: &str) -> bool {
        self.name == name || self.others.contains(&name)
    }

    /// Under any of its names.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        std::iter::once(self.name).chain(self.others.iter().copied())
    }
}

fn all() -> &'static [Known] {
    static ALL: OnceLock<Vec<Known>> = OnceLock::new();
    ALL.get_or_init(|| {
        let lines = TEXT.lines().filter(|line| !line.starts_with('#'));
        lines
            .filter_map(|line| {
                let mut cells = line.split('\t');
                let (program, name, kind, default, others) = (cells.next()?, cells.next()?, cells.next()?, cells.next()?, cells.next()?);
                let others = others.split(',').filter(|other| !other.is_empty()).collect();
                Some(Known { program, name, secret: kind == "secret", default, others })
            })
            .collect()
    })
}

/// A setting of a program, by its first name.
pub(crate) fn setting(program: Program, name: &str) -> Option<&'static Known> {
    all().iter().find(|known| known.program == program.name() && known.name == name)
}

/// Whether a program knows this variable, secrets' files included.
pub(crate) fn is_known(program: Program, name: &str) -> bool {
    let plain = name.strip_suffix("_FILE").unwrap_or(name);
    all().iter().any(|known| known.program == program.name() && (known.is_called(name) || known.secret && known.is_called(plain)))
}

/// Whether this variable holds a secret of ours.
pub(crate) fn is_secret(name: &str) -> bool {
    all().iter().any(|known| known.secret && known.is_called(name))
}

/// The name that was probably meant.
pub(crate) fn nearest(program: Program, name: &str) -> Option<&'static str> {
    // No setting is as long, and the distance of long names takes long.
    if name.len() > 64 {
        return None;
    }
    settings::nearest(name, all().iter().filter(|known| known.program == program.name()).flat_map(Known::names))
}
