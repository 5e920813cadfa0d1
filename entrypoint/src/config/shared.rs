//! What the docker daemon's container must have in common with this one.

use std::path::{Path, PathBuf};

use pair::Use;

use super::{Config, Registration};
use crate::github::NAME_PLACE;

/// The runner's own Node.js and what else it mounts into job containers, in its home (actions/runner, `Constants.cs`).
const EXTERNALS: &str = "externals";

/// Where a JIT configuration of somebody else's has its work folder, as far as we know before it is read.
const USUAL_WORK: &str = "_work";

impl Config {
    /// Each folder that docker will be asked to mount: what for, at which path, and where it is in this container.
    pub(crate) fn shared_folders(&self) -> Vec<(Use, PathBuf, PathBuf)> {
        let home = &self.runner.home;
        let same = |purpose, path: PathBuf| (purpose, path.clone(), path);
        let work = same(Use::Work, home.join(self.work_folder()));
        let externals = home.join(EXTERNALS);
        let published = self.docker.as_ref().and_then(|docker| docker.externals.clone());
        let tools = self.cache.is_some().then(|| same(Use::Tools, self.runner.tool_cache.clone()));
        let tools = tools.filter(|(_, path, _)| !path.starts_with(&work.1));
        let here = published.unwrap_or_else(|| externals.clone());
        [work, (Use::Externals, externals, here)].into_iter().chain(tools).collect()
    }

    /// From where to where the externals are published, if they are.
    pub(crate) fn published_externals(&self) -> Option<(PathBuf, PathBuf)> {
        let to = self.docker.as_ref()?.externals.clone()?;
        Some((self.runner.home.join(EXTERNALS), to))
    }

    /// The folder that holds the work folders of all names.
    fn work_folder(&self) -> &Path {
        let folder = match &self.registration {
            Registration::Jit(wanted) | Registration::Classic { wanted, .. } => &wanted.work_folder,
            Registration::Ready(_) => USUAL_WORK,
        };
        let fixed = folder.find(NAME_PLACE).map_or(folder.as_ref(), |place| &folder[..place]);
        Path::new(fixed.trim_end_matches('/'))
    }
}
