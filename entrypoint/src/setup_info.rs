//! What developers read of this runner in the "Set up job" group of their job: image, tool cache, docker, how long the start took.
//!
//! The runner prints `.setup_info` of its root there, a list of groups with a text each (actions/runner ADR 354; `JobExtension.cs`). An
//! image may have groups of its own in it; they stay. The file is made anew and never followed or read as anything but a small regular
//! file: in a container that is started again a job could have left it.

use std::{
    fs::OpenOptions,
    io::Read as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use telemetry::Place;

use crate::config::Config;

const FILE: &str = ".setup_info";

/// Of an image's own groups.
const LONGEST: u64 = 64 * 1024;

/// Our groups begin so: what a start before this one wrote is replaced.
const OURS: &str = "Runner: ";

/// One group, as the runner reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Group {
    group: String,
    detail: String,
}

/// What is known so far.
#[derive(Debug, Default)]
pub(crate) struct SetupInfo {
    place: Option<Place>,
    others: Vec<Group>,
    /// The image, by the variables that GitHub's own have; the operating system in it.
    pub(crate) image: Vec<String>,
    /// The runner's name; the task.
    pub(crate) who: Vec<String>,
    pub(crate) docker: Option<String>,
    /// What the restore said, or that there is none.
    pub(crate) cache: Vec<String>,
    /// What the start consisted of.
    pub(crate) parts: Vec<(&'static str, Duration)>,
    ready: Option<Duration>,
}

impl SetupInfo {
    /// For the runner in its home; says nothing where it is not wished for or cannot be written.
    pub(crate) fn begin(config: &Config) -> Self {
        let path = config.runner.home.join(FILE);
        let place = config.setup_info.then(|| Place::open(&path)).and_then(|opened| match opened {
            Ok(place) => Some(place),
            Err(error) => {
                // The runner's home itself is looked at by the check.
                tracing::debug!(%error, path = %path.display(), "developers will see nothing of this runner in their jobs");
                None
            }
        });
        let others = if place.is_some() { read(&path) } else { vec![] };
        let cache = match &config.cache {
            Some(cache) => format!("from {}", cache.remote.display()),
            None => "none: tools are downloaded or come with the image".to_owned(),
        };
        let docker = config.docker.as_ref().map(|docker| docker.host.clone());
        Self { place, others, image: image(config), docker, cache: vec![cache], ..Self::default() }
    }

    /// Writes what is known.
    pub(crate) fn tell(&self) {
        if let Some(place) = &self.place {
            let groups: Vec<Group> = self.others.iter().cloned().chain(self.groups()).collect();
            place.put(serde_json::to_string(&groups).unwrap_or_default());
        }
    }

    /// Writes what is known at last; whoever wrote it has nothing to do any more.
    pub(crate) fn tell_at_ready(&mut self, ready: Duration) {
        self.ready = Some(ready);
        self.tell();
        self.place = None;
    }

    fn groups(&self) -> Vec<Group> {
        let group = |name: &str, lines: Vec<String>| Group { group: format!("{OURS}{name}"), detail: lines.join("\n") };
        let mut start: Vec<String> =
            self.ready.map(|span| format!("ready {} after the start of the container", shown(span))).into_iter().collect();
        start.extend(self.parts.iter().map(|(what, span)| format!("{what}: {}", shown(*span))));
        let own = format!("runner-entrypoint {}", env!("CARGO_PKG_VERSION"));
        let named = [
            ("image", self.image.iter().cloned().chain([own]).collect()),
            ("this one", self.who.clone()),
            ("start", start),
            ("tool cache", self.cache.clone()),
            ("docker", vec![self.docker.clone().unwrap_or_else(|| "none".to_owned())]),
        ];
        named.into_iter().filter(|(_, lines)| !lines.is_empty()).map(|(name, lines)| group(name, lines)).collect()
    }
}

fn shown(span: Duration) -> String {
    match span.as_millis() {
        millis @ 0..1_000 => format!("{millis} ms"),
        _ => format!("{:.1} s", span.as_secs_f64()),
    }
}

/// The image's own groups.
fn read(path: &Path) -> Vec<Group> {
    let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK;
    let Ok(file) = OpenOptions::new().read(true).custom_flags(flags).open(path) else { return vec![] };
    let mut text = String::new();
    if !file.metadata().is_ok_and(|file| file.is_file()) || file.take(LONGEST).read_to_string(&mut text).is_err() {
        return vec![];
    }
    let groups: Vec<Group> = serde_json::from_str(text.trim_start_matches('\u{feff}')).unwrap_or_default();
    groups.into_iter().filter(|group| !group.group.starts_with(OURS)).collect()
}

fn image(config: &Config) -> Vec<String> {
    let variable = |name: &str| {
        let found = config.runner.environment.iter().find(|(known, _)| known == name)?;
        Some(found.1.to_string_lossy().into_owned()).filter(|value| !value.is_empty())
    };
    let named: Vec<String> = [variable("ImageOS"), variable("ImageVersion")].into_iter().flatten().collect();
    let image = (!named.is_empty()).then(|| named.join(" "));
    image.into_iter().chain(system(&PathBuf::from("/etc/os-release"))).collect()
}

/// `PRETTY_NAME` of os-release(5).
fn system(file: &Path) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    Some(line.trim_matches(['"', '\'']).to_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn known(dir: &Path) -> SetupInfo {
        SetupInfo {
            place: Some(Place::open(&dir.join(FILE)).unwrap()),
            others: read(&dir.join(FILE)),
            image: vec!["ubuntu24 20260101.1".into(), "Ubuntu 24.04.1 LTS".into()],
            who: vec!["runner-1".into(), "task 0af1 in blue".into()],
            docker: Some("26.1.5 at unix:///run/task/docker.sock".into()),
            cache: vec!["restored 3 versions (2,821 files, 11 MB) in 0.1 s; 0 already there; 0 refused".into()],
            parts: vec![("register", Duration::from_millis(12)), ("docker", Duration::from_millis(1_520))],
            ready: Some(Duration::from_millis(1_530)),
        }
    }

    fn written(info: &SetupInfo, dir: &Path) -> Vec<Group> {
        info.tell();
        info.place.as_ref().unwrap().finish();
        serde_json::from_str(&fs::read_to_string(dir.join(FILE)).unwrap()).unwrap()
    }

    #[test]
    fn developers_read_of_image_start_cache_and_docker() {
        let dir = tempfile::tempdir().unwrap();
        let groups = written(&known(dir.path()), dir.path());
        let text: String = groups.iter().map(|Group { group, detail }| format!("▸ {group}\n{detail}\n")).collect();
        insta::assert_snapshot!(text);
    }

    #[test]
    fn groups_of_the_image_stay_and_those_of_an_earlier_start_do_not() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE), r#"[{"group":"Runner: start","detail":"old"},{"group":"Ours","detail":"x\ny"}]"#).unwrap();
        let first = written(&known(dir.path()), dir.path());
        assert_eq!(first[0], Group { group: "Ours".into(), detail: "x\ny".into() });
        assert_eq!(first.len(), 6);
        assert_eq!(written(&known(dir.path()), dir.path()), first);
    }

    #[test]
    fn what_a_job_left_in_its_place_is_neither_read_nor_followed() {
        let dir = tempfile::tempdir().unwrap();
        let victim = dir.path().join("victim");
        fs::write(&victim, r#"[{"group":"secret","detail":"x"}]"#).unwrap();
        std::os::unix::fs::symlink(&victim, dir.path().join(FILE)).unwrap();
        let info = known(dir.path());
        assert_eq!(info.others, []);
        written(&info, dir.path());
        assert!(fs::read_to_string(victim).unwrap().contains("secret"));
        for broken in ["", "{", "[1]", "\u{feff}[]"] {
            fs::write(dir.path().join(FILE), broken).unwrap();
            assert_eq!(read(&dir.path().join(FILE)), [], "{broken}");
        }
    }

    #[test]
    fn the_operating_system_is_named_as_people_know_it() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("os-release");
        fs::write(&file, "NAME=x\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n").unwrap();
        assert_eq!(system(&file).as_deref(), Some("Debian GNU/Linux 12 (bookworm)"));
    }
}
