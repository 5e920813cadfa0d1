//! GitHub: would it register a runner. Asked in a way that registers none (`github::look`).

use std::time::Duration;

use checkup::Check;
use tokio::time::timeout;

use super::rights;
use crate::{
    CONFIG,
    config::{Config, Ready, Registration},
    effects, errand,
    github::{
        CallError, Client, Deleted, Endpoint, Fault, Holder, JitConfig, Look, Quota, RunnerName, Scope, SecretText, Way,
        try_registration_token,
    },
    stages::Ending,
};

/// For all that GitHub is asked.
const PATIENCE: Duration = Duration::from_secs(30);

/// Clocks that differ by less are no trouble; by about five minutes more, the runner itself is refused.
const SKEW: i64 = 30;

/// Fewer calls left, of the hour, are soon none: a start makes a few.
const FEW_CALLS: u64 = 100;

const DAY: i64 = 86_400;

/// A token that ends sooner wants to be renewed.
const SOON: i64 = 7 * DAY;

pub(super) async fn checks(config: &Config) -> Vec<Check> {
    match timeout(PATIENCE, look_at_all(config)).await {
        Ok(checks) => checks,
        Err(_) => {
            let mut check = Check::seen("registration", "not known");
            check.fail(
                Ending::GitHubUnreachable.code(),
                &format!("no answer from {} within {} s\nhint: check the proxy and the firewall", config.github.api, PATIENCE.as_secs()),
            );
            vec![check]
        }
    }
}

async fn look_at_all(config: &Config) -> Vec<Check> {
    let mut checks = Vec::new();
    match &config.registration {
        Registration::Ready(ready) => checks.push(ready_made(ready)),
        Registration::Classic { token: Some(token), .. } => match token.reveal() {
            Ok(token) => checks.push(registration_token(config, &SecretText::new(token.as_str())).await),
            Err(error) => checks.push(unreadable("registration token", &error.to_string())),
        },
        Registration::Jit(_) | Registration::Classic { token: None, .. } => {}
    }
    if config.github.credential.is_none() || config.github.scope.is_none() {
        return checks;
    }
    let access = match effects::access(config) {
        Ok(access) => access,
        Err(error) => {
            checks.push(unreadable("credential", &error.to_string()));
            return checks;
        }
    };
    match Client::new(&access.endpoint, access.credential) {
        Ok(client) => checks.extend(credential(config, &client, &access.scope).await),
        Err(error) => checks.push(refused("credential", "cannot be used", &error)),
    }
    checks
}

async fn credential(config: &Config, client: &Client, scope: &Scope) -> Vec<Check> {
    // With a registration made elsewhere the credential is there to remove it, and the life goes on when it cannot.
    let (name, way, needed) = match &config.registration {
        Registration::Jit(_) => ("registration", Way::Jit, true),
        Registration::Classic { token: None, .. } => ("registration", Way::Token, true),
        Registration::Classic { .. } | Registration::Ready(_) => ("removal", Way::Jit, false),
    };
    let look = client.look(scope, way).await;
    if let Err(error) = &look.right
        && matches!(error.fault(), Fault::Unauthorized(_) | Fault::AppRefused { .. } | Fault::NotInstalled { .. })
    {
        // The rights of nobody are not looked at, nor are the calls left to nobody.
        return [refused_holder(error)].into_iter().chain(look.clock.map(of_clock)).collect();
    }
    let mut checks = Vec::new();
    // Who has not answered has said nothing of the credential either.
    if look.clock.is_some() || !matches!(look.holder, Holder::Token) {
        checks.push(of_holder(&look));
    }
    checks.push(of_right(name, needed, scope, &look));
    if let (Registration::Jit(wanted) | Registration::Classic { wanted, .. }, Ok(())) = (&config.registration, &look.right)
        && !wanted.group.eq_ignore_ascii_case("default")
        && !matches!(scope, Scope::Repo { .. })
    {
        checks.push(match client.runner_group_id(scope, &wanted.group).await {
            Ok(id) => Check::seen("runner group", format!("\"{}\" has number {id}", wanted.group)),
            Err(error) => refused("runner group", "not found", &error),
        });
    }
    if let Registration::Ready(Ready::Blob(blob)) = &config.registration
        && let Some(name) = blob.reveal().ok().and_then(|blob| JitConfig::decode(&blob).ok()).and_then(|config| config.name)
        && look.right.is_ok()
    {
        checks.push(registered(client, scope, &name).await);
    }
    checks.extend(look.quota.map(of_quota));
    checks.extend(look.clock.map(of_clock));
    checks
}

fn refused_holder(error: &CallError) -> Check {
    let mut check = Check::seen("credential", "is not taken");
    check.fail(errand::ending(error.class()).code(), &error.told());
    check
}

fn of_holder(look: &Look) -> Check {
    let mut check = Check::seen("credential", rights::holder(&look.holder));
    if let Some(left) = look.expires_in {
        let ends = if left >= DAY { format!("in {} days", left / DAY) } else { format!("in {} hours", left / 3600) };
        check.seen.push_str(&format!(", which ends {ends}"));
        if left < SOON {
            check.warn(&format!("the token ends {ends}\nhint: make a new one in time, or use a GitHub App, whose key has no end"));
        }
    }
    check
}

fn of_right(name: &'static str, needed: bool, scope: &Scope, look: &Look) -> Check {
    let mut check = Check::seen(name, format!("permitted for {scope}; nobody was registered to find out"));
    match &look.right {
        Ok(()) => {
            if let Some(doubt) = rights::doubt(scope, &look.holder) {
                check.warn(&doubt);
            }
        }
        Err(error) => {
            check.seen = format!("not to be had for {scope}");
            let why = rights::refusal(scope, look, error);
            if needed { check.fail(errand::ending(error.class()).code(), &why) } else { check.warn(&why) }
        }
    }
    match &look.made {
        None | Some(Ok(Deleted::Gone | Deleted::AlreadyGone)) => {}
        Some(Ok(Deleted::Busy(why))) => check.warn(&format!("a server that takes every request made a runner of it, and keeps it: {why}")),
        Some(Err(error)) => check.warn(&format!("a server that takes every request made a runner of it, which may be left: {error}")),
    }
    check
}

async fn registered(client: &Client, scope: &Scope, name: &str) -> Check {
    let mut check = Check::seen("runner", "is registered");
    match client.find_runner(scope, &RunnerName::new(name)).await {
        Ok(Some(found)) if found.online => check.warn("a Listener is connected for it already: this one would be refused"),
        Ok(Some(_)) => {}
        Ok(None) => {
            check.seen = "is not registered".to_owned();
            check.warn(
                "the JIT configuration is of a runner that is gone: it was used, or GitHub removed it\nhint: make a new one for each start",
            );
        }
        Err(error) => {
            check.seen = "not known".to_owned();
            check.warn(&error.to_string());
        }
    }
    check
}

fn of_quota(quota: Quota) -> Check {
    let Quota { left, limit, full_in } = quota;
    let mut check = Check::seen("calls", format!("{left} of {limit} are left, all again in {} min", full_in.div_ceil(60)));
    if left < FEW_CALLS.min(limit / 10) {
        check.warn(
            "few calls are left, and a start makes a few\nhint: use a credential of its own for each fleet; a GitHub App has more calls",
        );
    }
    check
}

fn of_clock(off: i64) -> Check {
    let seconds = off.unsigned_abs();
    if seconds <= 1 {
        return Check::seen("clock", "as GitHub's");
    }
    let which = if off > 0 { "behind" } else { "ahead of" };
    let mut check = Check::seen("clock", format!("{seconds} s {which} GitHub's"));
    if off.abs() > SKEW {
        check.warn("the clock of this host is wrong: off by some minutes, the runner connects and is refused for half an hour\nhint: set the clock of the host, with chrony or another NTP client");
    }
    check
}

/// What stands in a JIT configuration; one at an address is not fetched, because such an address may be good once.
fn ready_made(ready: &Ready) -> Check {
    const NAME: &str = "JIT configuration";
    let blob = match ready {
        Ready::Url { .. } => return Check::seen(NAME, "not fetched: its address may be good for one start only"),
        Ready::Blob(blob) => blob,
    };
    let decoded = blob.reveal().map_err(|error| error.to_string()).and_then(|text| JitConfig::decode(&text));
    match decoded {
        Ok(JitConfig { id, name, ephemeral, .. }) => {
            let id = id.map(|id| format!(" (id {id})")).unwrap_or_default();
            let name = name.map_or_else(|| "without a name".to_owned(), |name| RunnerName::new(&name).to_string());
            let mut check = Check::seen(NAME, format!("of runner {name}{id}"));
            if ephemeral == Some(false) {
                check.warn("it is of a runner that GitHub keeps after its job; this program runs one job and ends");
            }
            check
        }
        Err(why) => {
            let mut check = Check::seen(NAME, "cannot be used");
            check.fail(CONFIG, &why);
            check
        }
    }
}

async fn registration_token(config: &Config, token: &SecretText) -> Check {
    const NAME: &str = "registration token";
    let github = &config.github;
    let Some(scope) = &github.scope else { return Check::seen(NAME, "not tried: no target is named") };
    let endpoint = Endpoint { api: github.api.clone(), proxies: github.proxies.clone(), ca_file: github.ca_file.clone() };
    let page = format!("{}/{}", github.web, scope.web_path());
    match try_registration_token(&endpoint, scope, token, &page).await {
        Ok(()) => Check::seen(NAME, format!("is good for {scope}; nobody was registered to find out")),
        Err(error) if error.class() == crate::github::Class::Credentials => {
            let mut check = Check::seen(NAME, format!("is not taken for {scope}"));
            check.fail(
                Ending::CredentialsRefused.code(),
                &format!("{}\nhint: a registration token lives one hour and is good for one target; make a new one, or set ACCESS_TOKEN or an App", error.fault()),
            );
            check
        }
        Err(error) => refused(NAME, "not known", &error),
    }
}

fn refused(name: &'static str, seen: &str, error: &CallError) -> Check {
    let mut check = Check::seen(name, seen);
    check.fail(errand::ending(error.class()).code(), &error.told());
    check
}

fn unreadable(name: &'static str, why: &str) -> Check {
    let mut check = Check::seen(name, "cannot be read");
    check.fail(CONFIG, why);
    check
}
