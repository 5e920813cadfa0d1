//! The GitHub stand-in as a program, to try things by hand: prints its address and a token, then serves until killed.
//!
//! `github-stand-in [--port N] [--account NAME] [--api-v3] [--app] [--token TEXT] [--latency MS] [--job SCRIPT]...`
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for people at a terminal")]

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use runner_tests::github::{App, GitHub, Job, Rules};

struct Options {
    port: u16,
    account: String,
    api_v3: bool,
    app: bool,
    token: Option<String>,
    latency: Duration,
    jobs: Vec<String>,
}

fn options() -> Result<Options, lexopt::Error> {
    use lexopt::prelude::*;
    let mut found =
        Options { port: 0, account: "acme".into(), api_v3: false, app: false, token: None, latency: Duration::ZERO, jobs: Vec::new() };
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("port") => found.port = parser.value()?.parse()?,
            Long("account") => found.account = parser.value()?.string()?,
            Long("api-v3") => found.api_v3 = true,
            Long("app") => found.app = true,
            Long("token") => found.token = Some(parser.value()?.string()?),
            Long("latency") => found.latency = Duration::from_millis(parser.value()?.parse()?),
            Long("job") => found.jobs.push(parser.value()?.string()?),
            other => return Err(other.unexpected()),
        }
    }
    Ok(found)
}

fn main() -> ExitCode {
    let options = match options() {
        Ok(options) => options,
        Err(error) => {
            eprintln!("github-stand-in: {error}");
            return ExitCode::from(64);
        }
    };
    let mut rules = Rules::for_account(&options.account);
    if options.api_v3 {
        rules = rules.enterprise_server();
    }
    rules = rules.latency(options.latency);
    let app = options.app.then(|| App::installed_on(&options.account));
    if let Some(app) = &app {
        rules = rules.with_app(app.clone());
    }
    if let Some(token) = options.token {
        rules.tokens[0].secret = token;
    }
    let token = rules.token();
    let github = GitHub::start_on(rules, SocketAddr::from(([127, 0, 0, 1], options.port)));
    for (number, script) in options.jobs.iter().enumerate() {
        github.queue_job(Job::new(&format!("job {}", number + 1), script));
    }
    println!("GITHUB_API_URL={}", github.url());
    println!("ACCESS_TOKEN={token}");
    if let Some(app) = app {
        println!("APP_ID={}\nAPP_PRIVATE_KEY={}", app.id, app.private_key().trim().replace('\n', "\\n"));
    }
    let mut shown = 0;
    loop {
        github.wait_for("a request", Duration::from_secs(1 << 30), |github| github.requests().len() > shown);
        let requests = github.requests();
        for seen in &requests[shown..] {
            println!("{:>9.3?} {} {}", seen.at, seen.method, seen.path);
        }
        shown = requests.len();
    }
}
