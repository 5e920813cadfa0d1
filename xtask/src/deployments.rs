//! The ECS task definitions, from one source, and the checker for all deployments.

mod ecs;
mod iam;
mod launch;
mod layout;
mod task;

use std::fs;

use serde::Serialize;

use crate::run::{self, Failed};
use task::Form;

/// Where the files are.
const FOLDER: &str = "images/ecs";

/// What a reader puts their own for.
const ACCOUNT: &str = "111122223333";
const REGION: &str = "eu-central-1";
const CLUSTER: &str = "runners";

/// Every file's name and text.
fn files() -> Result<Vec<(&'static str, String)>, Failed> {
    fn file(name: &'static str, document: &impl Serialize) -> Result<(&'static str, String), Failed> {
        layout::document(document).map(|text| (name, text)).map_err(|error| Failed(format!("{name} cannot be written: {error}")))
    }
    Ok(vec![
        file("ec2.json", &task::definition(Form::Ec2))?,
        file("ec2-capabilities.json", &task::definition(Form::Ec2Capabilities))?,
        file("ec2-ebs.json", &task::definition(Form::Ec2Ebs))?,
        file("ec2-firelens.json", &task::definition(Form::Ec2Firelens))?,
        file("fargate.json", &task::definition(Form::Fargate))?,
        file("service.json", &launch::service())?,
        file("run-task.json", &launch::run_task(false))?,
        file("run-task-ebs.json", &launch::run_task(true))?,
        file("iam/task-role.json", &iam::task_role())?,
        file("iam/execution-role.json", &iam::execution_role())?,
        file("iam/launcher.json", &iam::launcher())?,
        file("iam/trust-tasks.json", &iam::trust("ecs-tasks.amazonaws.com"))?,
        file("iam/trust-ebs.json", &iam::trust("ecs.amazonaws.com"))?,
    ])
}

/// `cargo xtask deployments`.
pub(crate) fn write() -> Result<(), Failed> {
    for (name, text) in files()? {
        let path = run::root().join(FOLDER).join(name);
        let made = path.parent().map_or(Ok(()), fs::create_dir_all);
        made.and_then(|()| fs::write(&path, text)).map_err(|error| Failed(format!("{} cannot be written: {error}", path.display())))?;
        println!("{FOLDER}/{name}");
    }
    Ok(())
}

/// Whether the files are what the source says, and there is no other: a file whose source was renamed would stay for ever.
pub(crate) fn are_current() -> Result<(), Failed> {
    let files = files()?;
    for (name, text) in &files {
        if fs::read_to_string(run::root().join(FOLDER).join(name)).ok().as_ref() != Some(text) {
            return Err(Failed(format!("{FOLDER}/{name} is out of date: run `cargo xtask deployments`")));
        }
    }
    for folder in ["", "iam"] {
        let there = fs::read_dir(run::root().join(FOLDER).join(folder)).into_iter().flatten().filter_map(Result::ok);
        for path in there.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|extension| extension == "json")) {
            if !files.iter().any(|(name, _)| path.ends_with(format!("{FOLDER}/{name}"))) {
                return Err(Failed(format!("{} comes from no source: delete it, or write it in xtask/src/deployments.rs", path.display())));
            }
        }
    }
    Ok(())
}

/// `cargo xtask check-deploy`.
pub(crate) fn judge(_files: &[&str]) -> Result<(), Failed> {
    Err(Failed("not there yet".to_owned()))
}
