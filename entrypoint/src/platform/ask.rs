//! One question to a service beside this container, and how long to wait before it is asked again.

use std::time::Duration;

use reqwest::{RequestBuilder, header::DATE};
use tokio::time::timeout;

/// Metadata of a task with its ten containers and all their labels is some 30 kB.
const LARGEST_ANSWER: usize = 1 << 20;

/// The longest text from outside that gets into a message, in characters.
const LONGEST_QUOTE: usize = 300;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// An answer that was read whole.
pub(super) struct Answer {
    pub(super) status: u16,
    /// The header of that name, as it came.
    pub(super) date: Option<String>,
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// Whether the same question may be answered otherwise later: the ECS agent limits requests of a task, and it starts with the host.
    pub(super) fn passes(&self) -> bool {
        matches!(self.status, 408 | 429 | 500..)
    }

    /// The status, and what the body says if that is short.
    pub(super) fn told(&self) -> String {
        match String::from_utf8_lossy(&self.body).trim() {
            "" => self.status.to_string(),
            text => format!("{}: {}", self.status, printable(text)),
        }
    }
}

/// # Errors
/// A sentence, when the library cannot be set up.
pub(super) fn client() -> Result<reqwest::Client, String> {
    // The library wants a provider even for a client that never speaks TLS; a second installation changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        // Link-local services are never behind a proxy, and what the environment says of proxies is for the job.
        .no_proxy()
        .tls_certs_only([])
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|error| format!("no http client can be made: {}", innermost(&error)))
}

/// Sends one request and reads its whole answer, in at most `limit`.
///
/// # Errors
/// A clause that says what was wrong, without the address: its path tells containers apart and is nobody's business.
pub(super) async fn send(request: RequestBuilder, limit: Duration) -> Result<Answer, String> {
    let exchange = async {
        let mut response = request.send().await?;
        let status = response.status().as_u16();
        let date = response.headers().get(DATE).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            body.extend_from_slice(&chunk);
            if body.len() > LARGEST_ANSWER {
                break;
            }
        }
        Ok::<_, reqwest::Error>(Answer { status, date, body })
    };
    match timeout(limit, exchange).await {
        Err(_) => Err(format!("no answer within {:.1} s", limit.as_secs_f64())),
        Ok(Err(error)) => Err(printable(&innermost(&error))),
        Ok(Ok(answer)) if answer.body.len() > LARGEST_ANSWER => Err(format!("the answer is larger than {LARGEST_ANSWER} bytes")),
        Ok(Ok(answer)) => Ok(answer),
    }
}

/// The wait before the next try after `failures` (1 or more): at least half of a doubling span, at random, because all tasks of a
/// cluster may have been limited in the same second.
pub(super) fn pause(failures: u32) -> Duration {
    let most = FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(LONGEST_PAUSE);
    let random = getrandom::u32().unwrap_or(u32::MAX);
    most / 2 + (most / 2).mul_f64(f64::from(random) / f64::from(u32::MAX))
}

/// The address without its path, for messages.
pub(super) fn origin(address: &str) -> String {
    let host = address.split("//").nth(1).and_then(|rest| rest.split('/').next());
    printable(&host.map_or_else(|| address.to_owned(), |host| format!("http://{host}")))
}

/// Text from outside made safe for a log line: what cannot be seen is escaped, the rest cut.
pub(super) fn printable(text: &str) -> String {
    let escaped = text.chars().flat_map(|character| {
        // Quotes need no escape outside a literal.
        let plain = matches!(character, '"' | '\'' | '\\').then_some(character);
        let rest = plain.is_none().then(|| character.escape_debug());
        plain.into_iter().chain(rest.into_iter().flatten())
    });
    let mut shown: String = escaped.take(LONGEST_QUOTE + 1).collect();
    if shown.chars().count() > LONGEST_QUOTE {
        shown.pop();
        shown.push('…');
    }
    shown
}

/// The last cause says what the system said; those around it say "error sending request".
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_doubles_under_its_ceiling_and_is_never_short_of_half() {
        for (failures, most) in [(1, 100), (2, 200), (3, 400), (4, 800), (5, 1600), (6, 2000), (u32::MAX, 2000)] {
            for _ in 0..50 {
                let pause = pause(failures).as_millis();
                assert!((most / 2..=most).contains(&pause), "{pause} ms after {failures}");
            }
        }
    }

    #[test]
    fn text_from_outside_cannot_forge_a_line_and_is_cut() {
        assert_eq!(printable("it's \"so\"\n\u{1b}[31m\u{202e}"), "it's \"so\"\\n\\u{1b}[31m\\u{202e}");
        assert_eq!(printable(&"x".repeat(300)).chars().count(), 300);
        let cut = printable(&"x".repeat(301));
        assert_eq!((cut.chars().count(), cut.ends_with('…')), (301, true));
    }

    #[test]
    fn a_message_names_the_host_and_not_the_path() {
        assert_eq!(origin("http://169.254.170.2/v4/5d2f-123"), "http://169.254.170.2");
        assert_eq!(origin("http://[fd00:ec2::254]"), "http://[fd00:ec2::254]");
        assert_eq!(origin("nonsense"), "nonsense");
    }
}
