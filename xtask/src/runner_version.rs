//! Which release of actions/runner the images take in. GitHub gives jobs to a version for 30 days after the next one's release, so this
//! is a command, and a workflow runs it every day (`.github/workflows/runner-version.yml`).

use std::{fs, path::Path, process::Command};

use serde_json::Value;

use crate::run::{self, Failed};

/// Where version and checksums stand, as defaults of build arguments.
const DOCKERFILE: &str = "images/runner/Dockerfile";

/// Runner's name of an architecture, and that of its build argument.
const ARCHITECTURES: [(&str, &str); 2] = [("x64", "RUNNER_SHA256_AMD64"), ("arm64", "RUNNER_SHA256_ARM64")];

/// A release, as far as an image wants to know it.
#[derive(Debug, PartialEq, Eq)]
struct Release {
    version: String,
    /// In the order of [`ARCHITECTURES`].
    sums: Vec<String>,
}

/// `cargo xtask bump-runner [VERSION]`: that release, else the newest.
pub(crate) fn bump(words: &[&str]) -> Result<(), Failed> {
    let wanted = match words {
        [] => None,
        [version] if is_version(version) => Some(*version),
        [other] => return Err(Failed(format!("{other} is no version of the runner, as in 2.338.0"))),
        _ => return Err(Failed("bump-runner takes one version at most".to_owned())),
    };
    // In a workflow this is set by GitHub, and right on a server of one's own, too.
    let api = std::env::var("GITHUB_API_URL").unwrap_or_else(|_| "https://api.github.com".to_owned());
    bump_in(&run::root(), &api, wanted).map(|said| println!("{said}"))
}

fn bump_in(root: &Path, api: &str, wanted: Option<&str>) -> Result<String, Failed> {
    let which = wanted.map_or_else(|| "latest".to_owned(), |version| format!("tags/v{version}"));
    let release = read_release(&fetch(&format!("{api}/repos/actions/runner/releases/{which}"))?)?;
    let path = root.join(DOCKERFILE);
    let text = fs::read_to_string(&path).map_err(|error| Failed(format!("{DOCKERFILE} cannot be read: {error}")))?;
    let before = argument(&text, "RUNNER_VERSION")?.to_owned();
    let after = taken_in(&text, &release)?;
    if after == text {
        return Ok(format!("runner {before} is what {DOCKERFILE} has"));
    }
    fs::write(&path, after).map_err(|error| Failed(format!("{DOCKERFILE} cannot be written: {error}")))?;
    Ok(format!("runner {before} -> {}", release.version))
}

/// curl, because a program of a developer's machine needs no TLS of its own. A token only raises the limit on requests.
fn fetch(url: &str) -> Result<String, Failed> {
    let mut curl = Command::new("curl");
    curl.args(["--fail", "--silent", "--show-error", "--location", "--max-time", "60", "--header", "Accept: application/vnd.github+json"]);
    if let Ok(token) = std::env::var("GITHUB_TOKEN") {
        // By a file descriptor, not by an argument: anybody can read those.
        curl.args(["--config", "-"]).stdin(run::text(&format!("header = \"Authorization: Bearer {token}\"\n"))?);
    }
    let answer = curl.arg(url).output().map_err(|error| Failed(format!("curl cannot be run: {error}")))?;
    if !answer.status.success() {
        return Err(Failed(format!("{url} cannot be read: {}", String::from_utf8_lossy(&answer.stderr).trim())));
    }
    Ok(String::from_utf8_lossy(&answer.stdout).into_owned())
}

/// A release as GitHub tells it (REST, "Get a release"): each archive has a `digest`, and the text has the sums once more between marks.
fn read_release(answer: &str) -> Result<Release, Failed> {
    let answer: Value = serde_json::from_str(answer).map_err(|error| Failed(format!("the answer of GitHub is no JSON: {error}")))?;
    let version = answer["tag_name"].as_str().and_then(|tag| tag.strip_prefix('v')).filter(|version| is_version(version));
    let version = version.ok_or_else(|| Failed(format!("the release has the tag {}, not v1.2.3", answer["tag_name"])))?.to_owned();
    let text = answer["body"].as_str().unwrap_or_default();
    let mut sums = Vec::new();
    for (name, _) in ARCHITECTURES {
        let archive = format!("actions-runner-linux-{name}-{version}.tar.gz");
        let assets = answer["assets"].as_array().map(Vec::as_slice).unwrap_or_default();
        let asset = assets.iter().find(|asset| asset["name"] == archive.as_str());
        let asset = asset.ok_or_else(|| Failed(format!("release {version} has no {archive}")))?;
        let digest = asset["digest"].as_str().and_then(|digest| digest.strip_prefix("sha256:"));
        let written = between(text, &format!("<!-- BEGIN SHA linux-{name} -->"), &format!("<!-- END SHA linux-{name} -->"));
        let sum = match (digest, written) {
            (Some(one), Some(two)) if one != two => {
                return Err(Failed(format!("{archive} is {one} by its digest and {two} by the release's text: take neither")));
            }
            (Some(sum), _) | (None, Some(sum)) => sum,
            (None, None) => return Err(Failed(format!("release {version} says no checksum of {archive}"))),
        };
        if sum.len() != 64 || !sum.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(Failed(format!("the checksum of {archive} is {sum}, which is no SHA-256")));
        }
        sums.push(sum.to_ascii_lowercase());
    }
    Ok(Release { version, sums })
}

fn taken_in(dockerfile: &str, release: &Release) -> Result<String, Failed> {
    let names = ["RUNNER_VERSION"].into_iter().chain(ARCHITECTURES.map(|(_, name)| name));
    let values = [&release.version].into_iter().chain(&release.sums);
    names.zip(values).try_fold(dockerfile.to_owned(), |text, (name, value)| {
        let old = format!("ARG {name}={}\n", argument(&text, name)?);
        Ok(text.replace(&old, &format!("ARG {name}={value}\n")))
    })
}

/// The default of a build argument.
fn argument<'text>(dockerfile: &'text str, name: &str) -> Result<&'text str, Failed> {
    let start = format!("ARG {name}=");
    let line = dockerfile.lines().find_map(|line| line.strip_prefix(&start));
    line.ok_or_else(|| Failed(format!("{DOCKERFILE} has no line {start}…")))
}

fn between<'text>(text: &'text str, before: &str, after: &str) -> Option<&'text str> {
    Some(text.split_once(before)?.1.split_once(after)?.0.trim())
}

fn is_version(text: &str) -> bool {
    let parts: Vec<&str> = text.split('.').collect();
    parts.len() == 3 && parts.iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "ARG BASE\nARG RUNNER_VERSION=2.300.0\nARG RUNNER_SHA256_AMD64=aa\nARG RUNNER_SHA256_ARM64=bb\nRUN echo 2.300.0\n";

    fn answer(version: &str, digest: &str, text: &str) -> String {
        let asset = |name: &str| {
            let name = format!("actions-runner-linux-{name}-{version}.tar.gz");
            if digest.is_empty() { serde_json::json!({ "name": name }) } else { serde_json::json!({ "name": name, "digest": digest }) }
        };
        serde_json::json!({ "tag_name": format!("v{version}"), "body": text, "assets": [asset("x64"), asset("arm64")] }).to_string()
    }

    fn sum(letter: char) -> String {
        String::from(letter).repeat(64)
    }

    fn marked(x64: &str, arm64: &str) -> String {
        format!(
            "x\n<!-- BEGIN SHA linux-x64 -->{x64}<!-- END SHA linux-x64 -->\n<!-- BEGIN SHA linux-arm64 -->{arm64}<!-- END SHA linux-arm64 -->"
        )
    }

    #[test]
    fn a_release_is_taken_in_whole_and_nothing_else_changes() {
        let release = read_release(&answer("2.338.0", "", &marked(&sum('c'), &sum('d')))).unwrap();
        let text = taken_in(OLD, &release).unwrap();
        assert_eq!(
            text,
            format!(
                "ARG BASE\nARG RUNNER_VERSION=2.338.0\nARG RUNNER_SHA256_AMD64={}\nARG RUNNER_SHA256_ARM64={}\nRUN echo 2.300.0\n",
                sum('c'),
                sum('d')
            )
        );
        assert_eq!(taken_in(&text, &release).unwrap(), text, "twice is once");
    }

    #[test]
    fn a_digest_alone_does() {
        let release = read_release(&answer("2.338.0", &format!("sha256:{}", sum('e')), "")).unwrap();
        assert_eq!(release.sums, [sum('e'), sum('e')]);
    }

    #[test]
    fn what_cannot_be_trusted_is_refused_by_name() {
        let same = format!("sha256:{}", sum('e'));
        for (answer, said) in [
            (answer("2.338.0", &same, &marked(&sum('c'), &sum('e'))), "take neither"),
            (answer("2.338.0", "", ""), "no checksum of actions-runner-linux-x64-2.338.0.tar.gz"),
            (answer("2.338.0", "sha256:123", ""), "is no SHA-256"),
            (answer("2.338.0-rc1", &same, ""), "not v1.2.3"),
            (serde_json::json!({ "tag_name": "v2.338.0", "assets": [] }).to_string(), "has no actions-runner-linux-x64"),
            ("<html>".to_owned(), "no JSON"),
        ] {
            let Err(Failed(message)) = read_release(&answer) else { panic!("{answer} was taken") };
            assert!(message.contains(said), "{message}");
        }
    }

    #[test]
    fn a_dockerfile_without_the_arguments_is_left_alone() {
        let release = Release { version: "2.338.0".to_owned(), sums: vec![sum('c'), sum('d')] };
        let Err(Failed(message)) = taken_in("FROM scratch\n", &release) else { panic!("it was changed") };
        assert_eq!(message, "images/runner/Dockerfile has no line ARG RUNNER_VERSION=…");
    }

    /// The whole way with curl: a folder answers in the place of GitHub.
    #[test]
    fn the_newest_and_a_named_release_are_fetched_and_written() {
        let folder = tempfile::tempdir().unwrap();
        let releases = folder.path().join("repos/actions/runner/releases");
        fs::create_dir_all(releases.join("tags")).unwrap();
        fs::create_dir_all(folder.path().join("images/runner")).unwrap();
        fs::write(folder.path().join(DOCKERFILE), OLD).unwrap();
        fs::write(releases.join("latest"), answer("2.338.0", &format!("sha256:{}", sum('e')), "")).unwrap();
        fs::write(releases.join("tags/v2.337.0"), answer("2.337.0", &format!("sha256:{}", sum('f')), "")).unwrap();
        let api = format!("file://{}", folder.path().display());
        let said = |wanted| bump_in(folder.path(), &api, wanted).map_err(|Failed(what)| what);
        assert_eq!(said(None).unwrap(), "runner 2.300.0 -> 2.338.0");
        assert_eq!(said(None).unwrap(), "runner 2.338.0 is what images/runner/Dockerfile has");
        assert_eq!(said(Some("2.337.0")).unwrap(), "runner 2.338.0 -> 2.337.0");
        assert!(said(Some("9.9.9")).unwrap_err().contains("releases/tags/v9.9.9 cannot be read"));
        assert!(fs::read_to_string(folder.path().join(DOCKERFILE)).unwrap().contains(&sum('f')));
    }
}
