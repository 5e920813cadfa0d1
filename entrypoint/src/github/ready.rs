//! A JIT configuration that somebody else made: what stands in it, and how it is fetched.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use reqwest::{Url, header::AUTHORIZATION};
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::time::{Instant, sleep, timeout_at};
use zeroize::Zeroizing;

use super::{
    Blob, Endpoint, Policy,
    error::{CallError, Fault},
    quote::printable,
    retry::{Asks, uniform},
    secret::SecretText,
    transport::{Answer, authorization, exchange},
};

const REDIRECTS_AT_MOST: u32 = 3;

/// What a JIT configuration says of its runner: base64 of a JSON object of file name to base64 of the file, which the Listener writes
/// into the runner's root (actions/runner, `src/Runner.Listener/Runner.cs`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct JitConfig {
    /// The runner's number in the API.
    pub(crate) id: Option<u64>,
    /// Its name.
    pub(crate) name: Option<String>,
    /// Its work folder, in the runner's root unless absolute.
    pub(crate) work_folder: Option<String>,
    /// Whether GitHub removes it after its job.
    pub(crate) ephemeral: Option<bool>,
}

impl JitConfig {
    /// Reads one; blanks around and in it do not matter.
    ///
    /// # Errors
    /// It is none, or one of its files would be written outside the runner's root: the Listener does not look at the names.
    pub(crate) fn decode(text: &str) -> Result<Self, String> {
        let packed = Zeroizing::new(text.chars().filter(|character| !character.is_whitespace()).collect::<String>());
        let bytes = unpacked(&packed).ok_or("the JIT configuration is not base64: it is cut, or something else")?;
        let files: Map<String, Value> =
            serde_json::from_slice(&bytes).map_err(|_| "the JIT configuration is base64 of something that is not a JSON object")?;
        let mut settings = None;
        for (name, file) in &files {
            if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\\', '\0']) {
                return Err(format!("the JIT configuration holds a file that would be written elsewhere: \"{}\"", printable(name)));
            }
            let content = file.as_str().and_then(unpacked);
            let content = content.ok_or_else(|| format!("the file {} in the JIT configuration is not base64", printable(name)))?;
            if name == ".runner" {
                settings = Some(content);
            }
        }
        let settings = settings.ok_or("the JIT configuration holds no file .runner")?;
        // The runner writes its files with a byte order mark, and reads names of any case.
        let settings = settings.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&settings);
        let settings: Map<String, Value> =
            serde_json::from_slice(settings).map_err(|_| "the file .runner in the JIT configuration is not a JSON object")?;
        Ok(Self::of(&settings))
    }

    fn of(settings: &Map<String, Value>) -> Self {
        // Numbers and truths come as text, too: "DisableUpdate":"True".
        let text = |wanted: &str| {
            let (_, value) = settings.iter().find(|(key, _)| key.eq_ignore_ascii_case(wanted))?;
            match value {
                Value::String(text) => Some(text.clone()),
                Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
                _ => None,
            }
        };
        Self {
            id: text("AgentId").and_then(|id| id.trim().parse().ok()),
            name: text("AgentName"),
            work_folder: text("WorkFolder"),
            ephemeral: text("Ephemeral").and_then(|truth| truth.trim().to_ascii_lowercase().parse().ok()),
        }
    }
}

fn unpacked(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    STANDARD.decode(text).ok().map(Zeroizing::new)
}

/// Fetches a JIT configuration: one GET, because such an address may be good once. Only a connection that could not be made is tried
/// again. The answer is the configuration itself, or JSON with `encoded_jit_config`. The bearer never leaves the first host. Messages name
/// the host alone: the rest of the address may be a secret.
///
/// # Errors
/// No connection within `budget`, a refusal, or something that is no JIT configuration.
pub(crate) async fn fetch_jit(url: &str, bearer: Option<&SecretText>, endpoint: &Endpoint, budget: Duration) -> Result<Blob, CallError> {
    const CALL: &str = "fetch the JIT configuration";
    let first = Url::parse(url.trim()).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let first = first.ok_or_else(|| CallError::setup(CALL, "its address does not begin with https:// and a host"))?;
    let call = format!("{CALL} from {}", first.origin().ascii_serialization());
    let ends = Instant::now() + budget;
    let mut bearer = bearer;
    let mut target = first.clone();
    for _ in 0..=REDIRECTS_AT_MOST {
        if target.origin() != first.origin() {
            bearer = None;
        }
        let answer = once(&call, &target, bearer, endpoint, ends).await?;
        match answer.status {
            200..=299 => return found(&call, &answer),
            301 | 302 | 303 | 307 | 308 => {
                let wrong = |why: &str| CallError::unscoped(&call, Fault::Garbled { status: answer.status, message: why.to_owned() });
                let next = answer.location().and_then(|address| target.join(address).ok());
                let next = next.ok_or_else(|| wrong("a redirect without an address"))?;
                if target.scheme() == "https" && next.scheme() != "https" {
                    return Err(wrong("a redirect away from https"));
                }
                target = next;
            }
            404 | 410 => {
                let fault = Fault::NoJitConfig { status: answer.status, message: answer.complaint() };
                return Err(CallError::unscoped(call, fault));
            }
            _ => return Err(CallError::unscoped(call, answer.fault())),
        }
    }
    Err(CallError::unscoped(call, Fault::Garbled { status: 300, message: "too many redirects".to_owned() }))
}

async fn once(call: &str, target: &Url, bearer: Option<&SecretText>, endpoint: &Endpoint, ends: Instant) -> Result<Answer, CallError> {
    let policy = Policy::default();
    let http = endpoint.connection(call, target.scheme())?;
    let mut failures = 0;
    loop {
        let mut request = http.get(target.clone());
        if let Some(bearer) = bearer {
            request = request.header(AUTHORIZATION, authorization(bearer).map_err(|fault| CallError::unscoped(call, fault))?);
        }
        let begun = Instant::now();
        let until = ends.min(begun + policy.attempt);
        let fault = match timeout_at(until, exchange(request)).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(fault)) => fault,
            Err(_) => Fault::Lost(format!("nothing within {:.1} s", (until - begun).as_secs_f64())),
        };
        failures += 1;
        let left = ends.saturating_duration_since(Instant::now());
        let wait = policy.wait(failures, Asks::Server(None), left, uniform);
        if !matches!(fault, Fault::Unreachable(_)) || wait >= left {
            return Err(CallError::unscoped(call, fault));
        }
        sleep(wait).await;
    }
}

#[derive(Deserialize)]
struct Wrapped {
    encoded_jit_config: Blob,
}

fn found(call: &str, answer: &Answer) -> Result<Blob, CallError> {
    let garbled = |fault| CallError::unscoped(call, fault);
    let text = answer.text().map_err(garbled)?.trim();
    let blob = if text.starts_with('{') { answer.parsed::<Wrapped>().map_err(garbled)?.encoded_jit_config } else { Blob::new(text) };
    JitConfig::decode(blob.reveal()).map_err(|why| CallError::setup(call, why))?;
    Ok(blob)
}
