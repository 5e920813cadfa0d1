//! The project's commands. Each installs what it needs, by package name, and says what and why.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool")]

mod ami;
mod check;
mod completions;
mod dashboards;
mod deployments;
mod documents;
mod images;
mod machine;
mod man_page;
mod metrics;
mod program;
mod record;
mod run;
mod runbook;
mod runner_version;
mod statically;
mod trial;
mod validators;

use std::process::ExitCode;

use run::Failed;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  demo             one whole task: a GitHub stand-in, a directory as EFS, a real dockerd, one job
  test [FILTER]    every test that this machine can run; what is missing is installed
  test vm [FILTER] the docker sidecar in a virtual machine with cgroup v2, systemd, XFS quotas and AppArmor: minutes, most of them
                   emulation; what it boots and what boots it are made from Debian packages, and kept
  test ami [FILTER]
                   the AMI's recipe: Packer builds a virtual machine with the same scripts, which boots anew, proves itself and runs a job
  test images [FILTER]
                   the images, built, looked into and run under a real dockerd
  bench [NAME]     speed beside what people use today, as ratios in one run: supervise, cache, memory, start, dind;
                   `bench cache` towards a mount as slow as EFS, or a true one: `bench cache --help`
  check            format, lints, dependency policy, documents, size of the static programs
  dist [all]       the two static programs, in target/dist/amd64 and arm64; `dist again` builds what is committed twice and compares
  images           the images, by the docker of this machine
  deployments      writes the ECS task definitions in images/ecs from their one source
  check-deploy F…  what is wrong with task definitions, compose files, manifests and job files
  bump-runner V    takes a release of actions/runner, with its checksums, into the images
  record           runs the demo on a terminal of its own and writes docs/demo.svg, the picture in README
  docs             writes the settings reference, man pages, completions, rules for deployments and metrics from the programs' own tables, and the
                   dashboards
";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let rest: Vec<&str> = words.iter().skip(1).map(String::as_str).collect();
    let done = match words.first().map(String::as_str) {
        Some("demo") => demo(&rest),
        Some("test") => test(&rest),
        Some("bench") => bench(&rest),
        Some("check") => check::check(),
        Some("dist") => statically::dist(&rest),
        Some("images") => images::build(&rest),
        Some("deployments") => deployments::write(),
        Some("check-deploy") => deployments::judge(&rest),
        Some("bump-runner") => runner_version::bump(&rest),
        Some("docs") => documents::write().and_then(|()| metrics::write()),
        Some("record") => record::record(),
        _ => {
            print!("{USAGE}");
            return ExitCode::from(64);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failed(what)) => {
            eprintln!("xtask: {what}");
            ExitCode::FAILURE
        }
    }
}

fn demo(rest: &[&str]) -> Result<(), Failed> {
    machine::install_what_is_missing(machine::FOR_DEMO)?;
    println!("building the programs (a minute or more the first time)");
    run::cargo(&["build", "--quiet", "--package", "runner-tests", "--bins"])?;
    run::privileged("debug/demo", rest)
}

fn test(rest: &[&str]) -> Result<(), Failed> {
    if let Some((&"vm", filters)) = rest.split_first() {
        machine::install_what_is_missing(machine::FOR_VM)?;
        let mut words = vec!["test", "--package", "runner-tests", "--test", "vm", "--no-fail-fast", "--"];
        words.extend(filters);
        return run::cargo_with_root_tests(&words);
    }
    if let Some((&"ami", filters)) = rest.split_first() {
        machine::install_what_is_missing(machine::FOR_VM)?;
        let mut words = vec!["test", "--package", "runner-tests", "--test", "ami", "--no-fail-fast", "--"];
        words.extend(filters);
        return run::cargo_with_root_tests(&words);
    }
    machine::install_what_is_missing(machine::FOR_TESTS)?;
    if let Some((&"images", filters)) = rest.split_first() {
        return with_programs(&["test", "--package", "runner-tests", "--test", "images", "--no-fail-fast", "--"], filters);
    }
    if rest.is_empty() {
        // What most builds leave out.
        run::cargo(&["test", "--quiet", "--package", "telemetry", "--features", "otlp"])?;
        // The images are tested with the programs as users get them.
        return with_programs(&["test", "--workspace", "--no-fail-fast", "--"], rest);
    }
    let mut words = vec!["test", "--workspace", "--no-fail-fast", "--"];
    words.extend(rest);
    run::cargo_with_root_tests(&words)
}

fn with_programs(command: &[&str], filters: &[&str]) -> Result<(), Failed> {
    println!("building the static programs, which the images are made of (some minutes the first time)");
    statically::build()?;
    run::cargo_with_root_tests(&[command, filters].concat())
}

fn bench(rest: &[&str]) -> Result<(), Failed> {
    machine::install_what_is_missing(machine::FOR_BENCH)?;
    let programs = statically::build()?;
    run::cargo(&["build", "--quiet", "--release", "--package", "runner-tests", "--bins"])?;
    let folder = programs.to_string_lossy().into_owned();
    let mut words = vec!["--programs", folder.as_str()];
    words.extend(rest);
    run::privileged("release/bench", &words)
}
