//! The task definitions of `images/ecs`, run from their own files with the images by the ECS agent's rules.

mod crashes;
mod forms;
mod jobs;
mod rights;
mod stops;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use runner_tests::{
    agent::{Definition, Instance, Overrides, Task},
    bed::Bed,
    engine::Form,
    github::{Job, Rules},
};

/// For what takes seconds on a machine that has nothing else to do.
const SOON: Duration = Duration::from_secs(90);

/// Whose runners the definitions are for.
const ACCOUNT: &str = "octo-org";

/// What a job makes its images of: a tool that comes from the cache, because there is no registry.
const IMPORT: &str = "docker import $RUNNER_TOOL_CACHE/busybox/1.37.0/x64/tiny.tar tiny:1 > /dev/null\n";

/// A step that tells that it began and goes on until `go` is there.
const UNTIL_TOLD: &str = "touch $GITHUB_WORKSPACE/begun; until [ -e $GITHUB_WORKSPACE/go ]; do sleep 0.02; done";

fn text(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../images/ecs").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn definition(name: &str) -> Definition {
    Definition::parse(&text(name)).unwrap_or_else(|faults| panic!("{name}:\n{}", faults.join("\n")))
}

/// An instance whose shared file system has a busybox among the tools.
fn instance(definition: &Definition, form: Form) -> Instance {
    let instance = Instance::new(Bed::with_rules(Rules::for_account(ACCOUNT)), form);
    let tool = instance.efs(definition).join("busybox/1.37.0");
    fs::create_dir_all(tool.join("x64")).unwrap();
    fs::copy(instance.engine().path("/engine/tiny.tar"), tool.join("x64/tiny.tar")).unwrap();
    fs::write(tool.join("x64.complete"), "").unwrap();
    instance.give_efs_away();
    instance
}

/// What RunTask says of this GitHub.
fn overrides(instance: &Instance) -> Overrides {
    Overrides::default().env("runner", "GITHUB_API_URL", instance.bed().github().url())
}

fn run<'a>(instance: &'a Instance, definition: &Definition) -> Task<'a> {
    instance.run(definition, &overrides(instance))
}

/// One whole life with this job; its log when it succeeded.
fn life(instance: &Instance, definition: &Definition, script: &str) -> String {
    instance.bed().github().queue_job(Job::new("build", script));
    let mut task = run(instance, definition);
    let codes = task.wait(SOON);
    let finished = instance.bed().github().finished();
    let last = finished.last().unwrap_or_else(|| panic!("no job ended: {codes:?}"));
    assert_eq!(last.result, "Succeeded", "{}", last.log);
    assert!(codes.iter().all(|(name, code)| *code == 0 || name == "log-router"), "{codes:?}");
    task.remove();
    assert_eq!(instance.left_behind(), [""; 0]);
    last.log.clone()
}

/// A task whose runner listens.
fn idle<'a>(instance: &'a Instance, definition: &Definition) -> Task<'a> {
    let mut task = run(instance, definition);
    task.wait_for("the runner to listen", SOON, |_| instance.bed().github().registered().iter().any(|runner| runner.online));
    task
}

/// A task whose runner has a job that waits, and the job's folder.
fn busy<'a>(instance: &'a Instance, definition: &Definition, job: Job) -> (Task<'a>, PathBuf) {
    instance.bed().github().queue_job(job);
    let mut task = run(instance, definition);
    let folder = task.volume("work").join("repo/repo");
    task.wait_for("the job to begin", SOON, |_| folder.join("begun").exists());
    (task, folder)
}
