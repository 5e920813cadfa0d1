//! What a runner that we register is to be: its name, labels, group and work folder.

use std::{ffi::OsString, fs, time::Duration};

use settings::Reader;

use crate::github::Scope;

use super::{Name, Wanted};

/// GitHub refuses longer names.
const LONGEST_NAME: usize = 64;
/// GitHub refuses more labels and longer ones.
const MOST_LABELS: usize = 100;
const LONGEST_LABEL: usize = 256;

/// Where docker and Kubernetes tell a container its own name.
const HOST_NAME: &str = "/etc/hostname";

pub(super) fn read(reader: &mut Reader, scope: Option<&Scope>, environment: &[(OsString, OsString)], warnings: &mut Vec<String>) -> Wanted {
    // Empty counts as unset everywhere else; here it is the one way to ask for the bare host name.
    let no_prefix = environment.iter().any(|(name, value)| name == "RUNNER_NAME_PREFIX" && value.is_empty());
    let name = name(reader, no_prefix, || fs::read_to_string(HOST_NAME).ok());
    let own_labels = own_labels(reader);
    let default_labels = !reader.switch("NO_DEFAULT_LABELS");
    if !default_labels && own_labels.is_empty() {
        reader.problem("NO_DEFAULT_LABELS", "leaves the runner without a label", Some("set RUNNER_LABELS too: GitHub wants at least one"));
    }
    let labels = labels(&own_labels, default_labels);
    if labels.len() > MOST_LABELS {
        let used = reader.given_as("RUNNER_LABELS").unwrap_or_default();
        let hint = "GitHub takes at most 100, among them self-hosted, linux and the architecture unless NO_DEFAULT_LABELS=yes";
        reader.problem(&used, &format!("{} labels are too many", own_labels.len()), Some(hint));
    }
    Wanted {
        name,
        labels,
        default_labels,
        own_labels,
        group: group(reader, scope, warnings),
        work_folder: work_folder(reader),
        budget: budget(reader),
    }
}

/// The longest that registering may take.
const LONGEST_BUDGET: Duration = Duration::from_secs(3600);

/// For all attempts to get a registration together.
pub(super) fn budget(reader: &mut Reader) -> Duration {
    reader.duration("REGISTRATION_TIMEOUT", Duration::from_secs(1), LONGEST_BUDGET)
}

/// `host` is asked only when the name is to end with it; without one the end is random, as in the image where this comes from.
fn name(reader: &mut Reader, no_prefix: bool, host: impl FnOnce() -> Option<String>) -> Name {
    let random = reader.switch("RANDOM_RUNNER_SUFFIX");
    if let Some(name) = reader.text("RUNNER_NAME") {
        let name = name.trim().to_owned();
        if name.chars().count() > LONGEST_NAME {
            let used = reader.given_as("RUNNER_NAME").unwrap_or_default();
            reader.problem(
                &used,
                &format!("`{name}` is longer than {LONGEST_NAME} characters"),
                Some("GitHub takes at most 64; RUNNER_NAME_PREFIX makes a fresh short one"),
            );
        }
        return Name::Exactly(name);
    }
    let prefix = reader.text("RUNNER_NAME_PREFIX").unwrap_or_default().trim().to_owned();
    let host = if random { None } else { host().map(|host| host.trim().to_owned()).filter(|host| !host.is_empty()) };
    if let Some(host) = host {
        let name = if no_prefix || prefix.is_empty() { host } else { format!("{prefix}-{host}") };
        if name.chars().count() > LONGEST_NAME {
            reader.problem(
                "RUNNER_NAME_PREFIX",
                &format!("with the host name it is `{name}`, longer than {LONGEST_NAME} characters"),
                Some("shorten it, or leave RANDOM_RUNNER_SUFFIX at yes"),
            );
        }
        return Name::Exactly(name);
    }
    if prefix.chars().count() > LONGEST_NAME - 16 {
        let hint = "at most 48 characters; a random suffix follows";
        reader.problem("RUNNER_NAME_PREFIX", &format!("`{prefix}` is too long"), Some(hint));
    }
    Name::Prefixed(prefix)
}

fn own_labels(reader: &mut Reader) -> Vec<String> {
    let given = reader.list("RUNNER_LABELS");
    let used = reader.given_as("RUNNER_LABELS").unwrap_or_default();
    if let Some(bad) = given.iter().find(|label| label.chars().count() > LONGEST_LABEL || label.chars().any(char::is_control)) {
        let shown: String = bad.escape_debug().take(40).collect();
        let hint = "at most 256 characters, none of them control characters";
        reader.problem(&used, &format!("`{shown}` is not a label"), Some(hint));
    }
    given
}

/// JIT labels are literal: what `config.sh` would add, we add (actions/runner `ConfigurationManager.cs`).
fn labels(own: &[String], with_default: bool) -> Vec<String> {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        other => other,
    };
    let default = if with_default { vec!["self-hosted", "linux", architecture] } else { vec![] };
    let mut labels: Vec<String> = default.into_iter().map(str::to_owned).collect();
    for label in own {
        if !labels.iter().any(|known| known.eq_ignore_ascii_case(label)) {
            labels.push(label.clone());
        }
    }
    labels
}

/// Repositories have no runner groups; ARC drops the wish too, and says so.
fn group(reader: &mut Reader, scope: Option<&Scope>, warnings: &mut Vec<String>) -> String {
    const DEFAULT: &str = "Default";
    let group = reader.text("RUNNER_GROUP").map(|group| group.trim().to_owned()).unwrap_or_default();
    if let (Some(Scope::Repo { .. }), Some(used)) = (scope, reader.given_as("RUNNER_GROUP"))
        && !group.eq_ignore_ascii_case(DEFAULT)
    {
        warnings.push(format!("{used} is not used: a repository has no runner groups, only organisations and enterprises have"));
        return DEFAULT.to_owned();
    }
    group
}

fn work_folder(reader: &mut Reader) -> String {
    let own = reader.switch("ENABLE_RUNNER_WORKDIR_SUFFIX");
    let folder = reader.text("RUNNER_WORKDIR").unwrap_or_default();
    let given = reader.given_as("RUNNER_WORKDIR").is_some();
    match reader.path("RUNNER_WORKDIR_ROOT") {
        Some(root) if !given => root.join("{name}").to_string_lossy().into_owned(),
        _ if own => format!("{}/{{name}}", folder.trim_end_matches('/')),
        _ => folder,
    }
}

#[cfg(test)]
mod tests {
    use settings::Reader;

    use super::*;
    use crate::config::TABLE;

    fn named(environment: &[(&str, &str)], host: Option<&str>) -> Result<Name, String> {
        let mut reader = Reader::new(TABLE, environment.iter().map(|&(name, value)| (name.into(), value.into())), []);
        let no_prefix = environment.contains(&("RUNNER_NAME_PREFIX", ""));
        let name = name(&mut reader, no_prefix, || host.map(str::to_owned));
        reader.finish().map(|()| name).map_err(|problems| problems.to_string())
    }

    #[test]
    fn a_name_is_given_or_a_prefix_with_a_random_end_or_the_containers_own() {
        let exactly = |name: &str| Ok(Name::Exactly(name.to_owned()));
        let prefixed = |name: &str| Ok(Name::Prefixed(name.to_owned()));
        let hostly = ("RANDOM_RUNNER_SUFFIX", "false");
        for (environment, host, expected) in [
            (&[][..], Some("4f1c"), prefixed("runner")),
            (&[("RUNNER_NAME_PREFIX", "")], Some("4f1c"), prefixed("runner")),
            (&[("RUNNER_NAME_PREFIX", "big")], Some("4f1c"), prefixed("big")),
            (&[("RUNNER_NAME", "n"), hostly], Some("4f1c"), exactly("n")),
            (&[hostly], Some("4f1c\n"), exactly("runner-4f1c")),
            (&[hostly, ("RUNNER_NAME_PREFIX", "big")], Some("4f1c\n"), exactly("big-4f1c")),
            (&[hostly, ("RUNNER_NAME_PREFIX", "")], Some("4f1c\n"), exactly("4f1c")),
            (&[hostly], Some("\n"), prefixed("runner")),
            (&[hostly], None, prefixed("runner")),
        ] {
            assert_eq!(named(environment, host), expected, "{environment:?} {host:?}");
        }
        let long = "h".repeat(60);
        assert!(named(&[hostly], Some(&long)).unwrap_err().contains("RUNNER_NAME_PREFIX: with the host name it is `runner-hhh"));
    }
}
