//! `configure` and `remove`: what `config.sh` starts (actions/runner, src/Runner.Listener/Configuration/ConfigurationManager.cs). Owns
//! the classic registration: a token for an hour against a runner, and its files.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use runner_tests::http::{Answer, Request};
use serde_json::{Value, json};
use signal_hook::consts::SIGINT;
use signal_hook::iterator::Signals;

use crate::options::Options;
use crate::registration;

/// As told to the service.
const VERSION: &str = "2.336.0";
/// A call is made so often.
const TRIES: u32 = 3;

/// Why it ends with 1.
struct Failed(String);

pub(crate) fn main(arguments: &[String], root: &Path) -> ExitCode {
    let (options, environment) = Options::take(arguments);
    if nix::unistd::geteuid().is_root() && environment.get("RUNNER_ALLOW_RUNASROOT").is_none_or(String::is_empty) {
        println!("Must not run with sudo");
        return ExitCode::from(1);
    }
    leave_on_interrupt();
    let done = if arguments.first().is_some_and(|word| word == "remove") { remove(&options, root) } else { configure(&options, root) };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failed(why)) => {
            eprintln!("{why}");
            ExitCode::from(1)
        }
    }
}

/// Unlike a Listener it just leaves.
fn leave_on_interrupt() {
    let mut signals = Signals::new([SIGINT]).expect("a handler can be set");
    std::thread::spawn(move || {
        if signals.forever().next().is_some() {
            println!("Exiting...");
            #[expect(clippy::exit, reason = "the real one leaves in the middle, too")]
            std::process::exit(1);
        }
    });
}

fn configure(options: &Options, root: &Path) -> Result<(), Failed> {
    if registration::read(root).is_some() {
        let how = "To reconfigure the runner, run 'config.cmd remove' or './config.sh remove' first.";
        return Err(Failed(format!("Cannot configure the runner because it is already configured. {how}")));
    }
    // Without a person at a terminal nothing can be asked.
    let needed = |name: &str| {
        options
            .value(name)
            .ok_or_else(|| Failed(format!("Invalid configuration provided for {name}. Terminating unattended configuration.")))
    };
    let (url, token) = (needed("url")?, needed("token")?);
    println!("\n# Authentication\n");
    let service = enlist(&url, &token, "register")?;
    println!("\n√ Connected to GitHub\n\n# Runner Registration\n");
    let name = options.value("name").unwrap_or_else(host_name);
    let ephemeral = options.flag("ephemeral");
    let mut labels: Vec<String> = Vec::new();
    if !options.flag("no-default-labels") {
        labels.extend(["self-hosted", "Linux", "X64"].map(str::to_owned));
    }
    labels.extend(options.value("labels").iter().flat_map(|all| all.split(',')).map(|label| label.trim().to_owned()));
    let group = options.value("runnergroup").unwrap_or_else(|| "Default".to_owned());
    let wish = json!({
        "url": url, "group": group, "name": name, "version": VERSION, "updates_disabled": options.flag("disableupdate"),
        "ephemeral": ephemeral, "labels": labels, "replace": options.flag("replace"), "public_key": "<RSAKeyValue/>",
    });
    let made = ask("POST", &format!("{}/actions/runners/register", api(&url)), &token, &wish)?;
    println!("√ Runner successfully added\n√ Runner connection is good\n\n# Runner settings\n");
    let authorization = &made["authorization"];
    let work = options.value("work").unwrap_or_else(|| "_work".to_owned());
    let settings = json!({
        "agentId": made["id"], "agentName": made["name"], "skipSessionRecover": false, "poolId": 1, "poolName": group,
        "ephemeral": ephemeral, "disableUpdate": options.flag("disableupdate"), "serverUrl": service, "serverUrlV2": authorization["server_url"],
        "gitHubUrl": url, "workFolder": work, "useV2Flow": true,
    });
    let credentials = json!({
        "scheme": "OAuth",
        "data": {"clientId": authorization["client_id"], "authorizationUrl": authorization["authorization_url"], "requireFipsCryptography": "True"},
    });
    let save = |name: &str, value: &Value, mode: u32| {
        // .NET's UTF-8 begins with a byte order mark.
        let path = root.join(name);
        fs::write(&path, format!("\u{feff}{value:#}"))
            .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(mode)))
            .map_err(|error| Failed(format!("{}: {error}", path.display())))
    };
    save(".credentials_rsaparams", &json!({"exponent": "AQAB"}), 0o600)?;
    save(".credentials", &credentials, 0o644)?;
    save(".runner", &settings, 0o644)?;
    println!("√ Settings Saved.\n");
    Ok(())
}

fn remove(options: &Options, root: &Path) -> Result<(), Failed> {
    println!("\n# Runner removal\n");
    let Some(known) = registration::read(root) else {
        println!("Cannot connect to server, because config files are missing. Skipping removing runner from the server.");
        registration::remove(root);
        return Ok(());
    };
    // A runner made just in time has no page's address in its files, and the token of a removal does not fit it.
    let url = known.github.ok_or_else(|| Failed("Failed: Removing runner from the server\nThe runner has no GitHub URL".to_owned()))?;
    let token = options.value("token").ok_or_else(|| Failed("Invalid configuration provided for token.".to_owned()))?;
    let removed = enlist(&url, &token, "remove")
        .and_then(|_| ask("DELETE", &format!("{}/actions/runners/{}", api(&url), known.id), &token, &json!({})));
    if let Err(Failed(why)) = removed {
        return Err(Failed(format!("Failed: Removing runner from the server\n{why}")));
    }
    println!("√ Runner removed successfully");
    registration::remove(root);
    Ok(())
}

/// Shows the token and learns where the service is.
fn enlist(url: &str, token: &str, event: &str) -> Result<String, Failed> {
    let answer = ask("POST", &format!("{}/actions/runner-registration", api(url)), token, &json!({"url": url, "runner_event": event}))?;
    Ok(answer["url"].as_str().unwrap_or_default().to_owned())
}

/// Three tries; only a 404 and what the service understood and refused are final.
fn ask(method: &str, url: &str, token: &str, body: &Value) -> Result<Value, Failed> {
    let request = Request::new(method, url)
        .header("Authorization", &format!("RemoteAuth {token}"))
        .header("User-Agent", "GitHubActionsRunner-stand-in")
        .json(body);
    let pause = std::env::var("STAND_IN_RETRY_PAUSE").ok().and_then(|text| text.parse().ok()).unwrap_or(1.0);
    let mut last = String::new();
    for number in 1..=TRIES {
        match request.send() {
            Ok(answer) if answer.status < 300 => return Ok(answer.json()),
            Ok(answer) => {
                last = refused(method, url, &answer);
                if matches!(answer.status, 400..=499) {
                    break;
                }
            }
            Err(error) => last = error.to_string(),
        }
        if number < TRIES {
            std::thread::sleep(Duration::from_secs_f64(pause));
        }
    }
    Err(Failed(last))
}

fn refused(method: &str, url: &str, answer: &Answer) -> String {
    let why = answer.json()["message"].as_str().unwrap_or_default().to_owned();
    // .NET writes the name of a status.
    let status = match answer.status {
        401 => "Unauthorized".to_owned(),
        403 => "Forbidden".to_owned(),
        404 => "NotFound".to_owned(),
        409 => "Conflict".to_owned(),
        422 => "UnprocessableEntity".to_owned(),
        other => other.to_string(),
    };
    format!("Http response code: {status} from '{method} {url}'\n{why}")
}

/// Every host that is not github.com is a GitHub Enterprise Server.
fn api(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("https", url));
    format!("{scheme}://{}/api/v3", rest.split('/').next().unwrap_or_default())
}

fn host_name() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned()
}
