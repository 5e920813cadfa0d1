//! What must hold besides the tests: format, lints, dependencies, documents that are true, programs that are small.

use std::fs;

use crate::{
    ami, deployments, documents, metrics,
    run::{self, Failed},
    statically, validators,
};

/// Everything; the first failure ends it.
pub(crate) fn check() -> Result<(), Failed> {
    step("format", || run::cargo(&["fmt", "--all", "--check"]))?;
    step("lints", || run::cargo(&["clippy", "--quiet", "--workspace", "--all-targets", "--", "--deny", "warnings"]))?;
    step("the machines are pure", machines_are_pure)?;
    step("generated documents are what the programs say", documents::are_current)?;
    step("tables of metrics and dashboards are what their sources say", metrics::are_current)?;
    step("README's commands exist and links lead somewhere", documents::lead_somewhere)?;
    step("the task definitions are what their source says", deployments::are_current)?;
    step("deployments by our own checker", deployments::hold_to_the_contract)?;
    step("deployments by others' checkers", validators::check)?;
    step("the AMI's recipe", ami::check)?;
    step("dependency policy", dependency_policy)?;
    step("static programs, for both processors", || statically::dist(&["all"]))
}

fn step(name: &str, work: impl FnOnce() -> Result<(), Failed>) -> Result<(), Failed> {
    println!("== {name}");
    work()
}

/// Licences, duplicate versions, sources and bans of `deny.toml`. Advisories need the network's database; CI runs them on their own.
fn dependency_policy() -> Result<(), Failed> {
    if !run::exists("cargo-deny") {
        println!("missing: cargo-deny (crate cargo-deny): judges the dependencies; installing it, which takes some minutes");
        run::cargo(&["install", "--quiet", "--locked", "--debug", "cargo-deny"])?;
    }
    run::cargo(&["deny", "--offline", "--log-level", "error", "check", "bans", "licenses", "sources"])
}

/// What no lint can see: a machine that reads the clock, a file or the environment is none.
fn machines_are_pure() -> Result<(), Failed> {
    const IMPURE: &[&str] = &[
        "std::fs",
        "std::env",
        "std::net",
        "std::process",
        "std::thread",
        "std::time::Instant",
        "SystemTime",
        "tokio::",
        "nix::",
        "tracing::",
    ];
    let mut files = Vec::new();
    for program in ["entrypoint", "dind"] {
        let source = run::root().join(program).join("src");
        files.push(source.join("stages.rs"));
        files.push(source.join("lifecycle.rs"));
        let parts = fs::read_dir(source.join("lifecycle")).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path());
        files.extend(parts.filter(|path| path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs")));
    }
    for file in files {
        let text = run::read(&file)?;
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        if let Some(word) = IMPURE.iter().find(|word| code.contains(**word)) {
            return Err(Failed(format!("{}: a machine is pure, and this one uses {word}", file.display())));
        }
    }
    Ok(())
}
