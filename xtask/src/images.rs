//! The images, by the docker of this machine.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    run::{self, Failed},
    statically::{self, Architecture},
};

const USAGE: &str = "\
usage: cargo xtask images [OPTION]... [-- WORDS for every `docker build`]

  --base IMAGE       what all are made from, instead of ubuntu:24.04 and debian:trixie-slim: Debian 13, or Ubuntu 24.04 but for runner-dind
  --tag TAG          the version of this project when not given
  --registry PREFIX  ghcr.io/octo-org when not given, as in the examples; \"\" for none
  --arch ARCH        amd64 or arm64: this machine's when not given
  --stand-in         also what the tests and compose.stand-in.yaml have in the place of GitHub
";

/// One image of ours: its name, its Dockerfile's folder, and the target in there.
const RUNNERS: [&str; 3] = ["runner-fargate", "runner", "runner-sudo"];

/// What other people's images are called, to be measured where they happen to be here.
const PEERS: [(&str, &str); 4] = [
    ("runner", "ghcr.io/actions/actions-runner:latest"),
    ("runner", "myoung34/github-runner:latest"),
    ("runner", "summerwind/actions-runner:latest"),
    ("runner-dind", "docker:dind"),
];

/// The command line.
#[derive(Debug, PartialEq, Eq)]
struct Options {
    base: Option<String>,
    tag: String,
    registry: String,
    arch: Architecture,
    stand_in: bool,
    words: Vec<String>,
}

impl Options {
    fn parse(words: &[&str]) -> Result<Self, Failed> {
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let mut found = Self {
            base: None,
            tag: version,
            registry: "ghcr.io/octo-org".to_owned(),
            arch: Architecture::native(),
            stand_in: false,
            words: Vec::new(),
        };
        let mut words = words.iter();
        while let Some(&word) = words.next() {
            let mut value =
                || words.next().map(|value| (*value).to_owned()).ok_or_else(|| Failed(format!("{word} wants a value\n\n{USAGE}")));
            match word {
                "--base" => found.base = Some(value()?),
                "--tag" => found.tag = value()?,
                "--registry" => found.registry = value()?,
                "--arch" => {
                    let name = value()?;
                    found.arch = Architecture::named(&name).ok_or_else(|| Failed(format!("--arch {name}: must be amd64 or arm64")))?;
                }
                "--stand-in" => found.stand_in = true,
                "--" => found.words.extend(words.by_ref().map(|word| (*word).to_owned())),
                other => return Err(Failed(format!("{other} is not known\n\n{USAGE}"))),
            }
        }
        Ok(found)
    }

    fn name(&self, image: &str) -> String {
        let separator = if self.registry.is_empty() || self.registry.ends_with('/') { "" } else { "/" };
        format!("{}{separator}{image}:{}", self.registry, self.tag)
    }
}

/// `cargo xtask images`.
pub(crate) fn build(words: &[&str]) -> Result<(), Failed> {
    if words.first() == Some(&"--help") {
        print!("{USAGE}");
        return Ok(());
    }
    let options = Options::parse(words)?;
    docker_is_here()?;
    let programs = statically::build_for(options.arch)?;
    let builder = Builder::new(&options)?;
    builder.build("toolkit", &context_of_toolkit(&programs, options.arch)?, "runner-toolkit", &[])?;
    let toolkit = format!("TOOLKIT={}", options.name("runner-toolkit"));
    for target in RUNNERS {
        let image_os = builder.image_os.as_ref().map(|name| format!("IMAGE_OS={name}"));
        let mut arguments = vec!["--target", target, "--build-arg", &toolkit];
        arguments.extend(image_os.iter().flat_map(|argument| ["--build-arg", argument]));
        builder.build("runner", &folder("runner"), target, &arguments)?;
    }
    builder.build("dind", &folder("dind"), "runner-dind", &["--build-arg", &toolkit])?;
    let mut names = vec!["runner-toolkit", "runner-fargate", "runner", "runner-sudo", "runner-dind"];
    if options.stand_in {
        let runner = format!("RUNNER={}", options.name("runner"));
        builder.build("stand-in", &context_of_stand_in(options.arch)?, "stand-in", &["--build-arg", &runner])?;
        names.push("stand-in");
    }
    let ours = names.iter().map(|name| Ok((options.name(name), size(&options.name(name))?, packed(&options.name(name))?)));
    let ours = ours.collect::<Result<Vec<_>, Failed>>()?;
    let theirs = PEERS.iter().filter_map(|(_, peer)| Some(((*peer).to_owned(), size(peer).ok()?, packed(peer).ok()?)));
    let theirs: Vec<_> = theirs.collect();
    print!("{}", table(&ours, &theirs));
    Ok(())
}

/// `docker build` with what all of them are told.
struct Builder<'a> {
    options: &'a Options,
    revision: String,
    /// What the base calls itself, when it is not the usual one.
    image_os: Option<String>,
}

impl<'a> Builder<'a> {
    fn new(options: &'a Options) -> Result<Self, Failed> {
        let revision = run::output("git", &["rev-parse", "HEAD"]).map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned());
        let image_os = options.base.as_deref().map(image_os).transpose()?;
        Ok(Self { options, revision, image_os })
    }

    fn build(&self, image: &str, context: &Path, name: &str, arguments: &[&str]) -> Result<(), Failed> {
        let (file, name) = (folder(image).join("Dockerfile"), self.options.name(name));
        println!("== {name}");
        let mut docker = Command::new("docker");
        docker.arg("build").arg("--file").arg(file).args(["--tag", &name]).args(arguments);
        // BuildKit takes the processor from the platform, the classic builder from the argument.
        docker.arg(format!("--platform=linux/{}", self.options.arch.name()));
        docker.arg(format!("--build-arg=TARGETARCH={}", self.options.arch.name()));
        docker.arg(format!("--build-arg=VERSION={}", self.options.tag)).arg(format!("--build-arg=REVISION={}", self.revision));
        // The toolkit and the stand-in have bases of ours.
        if let Some(base) = self.options.base.as_ref().filter(|_| ["runner", "dind"].contains(&image)) {
            docker.arg(format!("--build-arg=BASE={base}"));
        }
        docker.args(&self.options.words).arg(context).current_dir(run::root());
        run::finish(&mut docker, "docker build", &[&name])
    }
}

fn docker_is_here() -> Result<(), Failed> {
    if !run::exists("docker") {
        return Err(Failed("there is no docker here, which builds the images\nhint: install docker (https://docs.docker.com/engine/install), or let `cargo xtask test images` build them: it brings a docker of its own".to_owned()));
    }
    run::output("docker", &["version", "--format", "{{.Server.Version}}"]).map(drop).map_err(|Failed(why)| {
        Failed(format!(
            "{why}hint: start docker, or set DOCKER_HOST to one; `cargo xtask test images` brings a docker of its own and builds the images there"
        ))
    })
}

fn folder(image: &str) -> PathBuf {
    run::root().join("images").join(image)
}

/// The programs with the modes that they have in the images, which the classic builder takes from here: SECURITY.md says why the runner's
/// user must not read the entrypoint.
fn context_of_toolkit(programs: &Path, arch: Architecture) -> Result<PathBuf, Failed> {
    let context = empty("toolkit")?;
    let folder = context.join(arch.name());
    make(&folder)?;
    for (name, mode) in [("runner-entrypoint", 0o711), ("runner-dind", 0o755)] {
        copy(&programs.join(name), &folder.join(name), mode)?;
    }
    Ok(context)
}

/// The GitHub stand-in, and a runner's home with the stand-in for its Listener: what tests/harness/images.rs makes, too.
fn context_of_stand_in(arch: Architecture) -> Result<PathBuf, Failed> {
    let (context, built) = (empty("stand-in")?, statically::build_stand_ins(arch)?);
    make(&context.join("runner/bin"))?;
    copy(&built.join("github-stand-in"), &context.join("github-stand-in"), 0o755)?;
    for name in ["Runner.Listener", "Runner.Worker"] {
        copy(&built.join("stand-in-listener"), &context.join("runner/bin").join(name), 0o755)?;
    }
    for name in ["run.sh", "run-helper.sh", "config.sh"] {
        copy(&run::root().join("tests/programs").join(name), &context.join("runner").join(name), 0o755)?;
    }
    Ok(context)
}

fn empty(name: &str) -> Result<PathBuf, Failed> {
    let context = run::root().join("target/images").join(name);
    match fs::remove_dir_all(&context) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Failed(format!("{} cannot be emptied: {error}", context.display())))
        }
        _ => make(&context).map(|()| context),
    }
}

fn make(folder: &Path) -> Result<(), Failed> {
    fs::create_dir_all(folder).map_err(|error| Failed(format!("{} cannot be made: {error}", folder.display())))
}

fn copy(from: &Path, to: &Path, mode: u32) -> Result<(), Failed> {
    fs::copy(from, to)
        .and_then(|_| fs::set_permissions(to, fs::Permissions::from_mode(mode)))
        .map_err(|error| Failed(format!("{} cannot be copied to {}: {error}", from.display(), to.display())))
}

/// What setup actions are to choose their downloads by, as GitHub's own machines spell it: ubuntu24.
fn image_os(base: &str) -> Result<String, Failed> {
    let words = ["run", "--rm", "--network=none", "--entrypoint=cat", base, "/etc/os-release"];
    let text = run::output("docker", &words)?;
    name_of(&text).ok_or_else(|| Failed(format!("{base} does not say in /etc/os-release what it is")))
}

fn name_of(os_release: &str) -> Option<String> {
    let value = |name: &str| {
        let line = os_release.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.map(|value| value.trim_matches(['"', '\'']).to_owned())
    };
    Some(format!("{}{}", value("ID")?, value("VERSION_ID")?.split('.').next()?))
}

/// Bytes on a host that has it unpacked.
fn size(image: &str) -> Result<u64, Failed> {
    let text = run::output("docker", &["image", "inspect", "--format", "{{.Size}}", image])?;
    text.trim().parse().map_err(|_| Failed(format!("docker says that {image} has the size {text}")))
}

/// Bytes over the network, about: registries hold layers by gzip.
fn packed(image: &str) -> Result<u64, Failed> {
    let text = run::output("sh", &["-c", "docker save \"$1\" | gzip -6 | wc -c", "packed", image])?;
    text.trim().parse().map_err(|_| Failed(format!("{image} could not be packed")))
}

/// Sizes side by side.
fn table(ours: &[(String, u64, u64)], theirs: &[(String, u64, u64)]) -> String {
    let width = ours.iter().chain(theirs).map(|(name, ..)| name.len()).max().unwrap_or_default();
    let row = |(name, size, packed): &(String, u64, u64)| {
        format!("{name:width$} {:>8.1} MB {:>8.1} MB packed\n", *size as f64 / 1e6, *packed as f64 / 1e6)
    };
    let mut text: String = ours.iter().map(row).collect();
    text.extend(theirs.iter().map(row));
    if theirs.is_empty() {
        let names: Vec<&str> = PEERS.iter().map(|(_, peer)| *peer).collect();
        text.push_str(&format!("to compare, `docker pull` one of these and ask again: {}\n", names.join(", ")));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_words_the_images_are_those_that_the_examples_name() {
        let options = Options::parse(&[]).unwrap();
        assert_eq!(options.name("runner"), format!("ghcr.io/octo-org/runner:{}", env!("CARGO_PKG_VERSION")));
        let options = Options::parse(&["--registry", "", "--tag", "test"]).unwrap();
        assert_eq!(options.name("runner"), "runner:test");
        assert_eq!(Options::parse(&["--registry", "r.example/"]).unwrap().name("runner-dind"), "r.example/runner-dind:0.1.0");
    }

    #[test]
    fn a_word_that_is_not_known_or_has_no_value_is_named() {
        for (words, said) in [
            (&["--push"][..], "--push is not known"),
            (&["--tag"], "--tag wants a value"),
            (&["--arch", "riscv64"], "--arch riscv64: must be amd64 or arm64"),
        ] {
            let Failed(why) = Options::parse(words).unwrap_err();
            assert!(why.starts_with(said), "{why}");
        }
    }

    #[test]
    fn what_follows_two_dashes_goes_to_docker() {
        let options = Options::parse(&["--arch", "arm64", "--", "--network", "host"]).unwrap();
        assert_eq!((options.arch, options.words), (Architecture::Arm64, vec!["--network".to_owned(), "host".to_owned()]));
    }

    #[test]
    fn a_base_is_called_as_github_calls_its_machines() {
        assert_eq!(name_of("NAME=\"Ubuntu\"\nVERSION_ID=\"24.04\"\nID=ubuntu\nID_LIKE=debian\n"), Some("ubuntu24".to_owned()));
        assert_eq!(name_of("ID=debian\nVERSION_ID=\"13\"\n"), Some("debian13".to_owned()));
        assert_eq!(name_of("ID=arch\n"), None);
    }
}
