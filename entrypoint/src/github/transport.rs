//! One request and its answer: headers, redirects, and what a broken connection says about the request.

use std::fmt;

use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue, LOCATION, USER_AGENT};
use reqwest::{Method, RequestBuilder, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::error::Fault;
use super::scope::Scope;
use super::secret::SecretText;
use super::{Client, wire};

/// No answer we ask for is larger: a page of 100 runners is about 100 kB, a JIT blob below 20 kB.
const LARGEST_ANSWER: usize = 4 << 20;
const REDIRECTS_AT_MOST: usize = 3;

/// One answer whose body was read whole.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    body: Vec<u8>,
}

impl Client {
    /// One call with its redirects (a renamed repository), the whole answer read. Success is 2xx. An App's token that GitHub no longer
    /// takes is made anew, once: it lives for an hour, a runner for longer.
    pub(super) async fn call<B: Serialize>(&self, scope: &Scope, method: Method, url: String, body: Option<&B>) -> Result<Answer, Fault> {
        let token = self.token(scope, None).await?;
        let answer = self.follow(method.clone(), url.clone(), body, &token).await?;
        if answer.status == 401 && self.can_renew() {
            let fresh = self.token(scope, Some(&token)).await?;
            return self.follow(method, url, body, &fresh).await?.success();
        }
        answer.success()
    }

    /// The first answer that is no redirect, whatever its status.
    pub(super) async fn follow<B: Serialize>(
        &self,
        method: Method,
        url: String,
        body: Option<&B>,
        bearer: &SecretText,
    ) -> Result<Answer, Fault> {
        let mut url = url;
        for _ in 0..=REDIRECTS_AT_MOST {
            let target = Url::parse(&url).map_err(|cause| garbled_address(&url, &cause))?;
            if target.origin() != self.api.origin() {
                return Err(garbled_address(&url, &"it points to another host"));
            }
            let mut request = self
                .http
                .request(method.clone(), target)
                .header(ACCEPT, "application/vnd.github+json")
                .header("X-GitHub-Api-Version", "2022-11-28")
                .header(AUTHORIZATION, authorization(bearer)?);
            if let Some(body) = body {
                request = request.json(body);
            }
            let answer = exchange(request).await?;
            if !matches!(answer.status, 301 | 302 | 307 | 308) {
                return Ok(answer);
            }
            url = answer.location().ok_or_else(|| garbled_address("", &"a redirect without an address"))?.to_owned();
        }
        Err(garbled_address(&url, &"too many redirects"))
    }
}

/// The header that carries a secret, marked so that no library prints it.
pub(super) fn authorization(secret: &SecretText) -> Result<HeaderValue, Fault> {
    let text = Zeroizing::new(format!("Bearer {}", secret.reveal()));
    let mut value = HeaderValue::from_str(&text)
        .map_err(|_| Fault::Unauthorized("the token holds characters that no header can carry, not sent".into()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Sends a request and reads the whole answer.
pub(super) async fn exchange(request: RequestBuilder) -> Result<Answer, Fault> {
    let request = request.header(USER_AGENT, concat!("runner-entrypoint/", env!("CARGO_PKG_VERSION")));
    let mut response = request.send().await.map_err(|cause| transport(&cause))?;
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|cause| transport(&cause))? {
        if body.len() + chunk.len() > LARGEST_ANSWER {
            return Err(Fault::Garbled { status, message: format!("the answer is larger than {LARGEST_ANSWER} bytes") });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status, headers, body })
}

impl Answer {
    /// The text of the body.
    pub(super) fn text(&self) -> Result<&str, Fault> {
        std::str::from_utf8(&self.body).map_err(|_| Fault::Garbled { status: self.status, message: "not text".to_owned() })
    }

    pub(super) fn location(&self) -> Option<&str> {
        self.headers.get(LOCATION)?.to_str().ok()
    }

    /// The words of an answer that is no success.
    pub(super) fn complaint(&self) -> String {
        wire::complaint(&self.body)
    }

    /// What an answer that is no success means.
    pub(super) fn fault(&self) -> Fault {
        wire::judge(self.status, &self.headers, &self.complaint())
    }

    fn success(self) -> Result<Self, Fault> {
        if (200..300).contains(&self.status) { Ok(self) } else { Err(self.fault()) }
    }

    pub(super) fn parsed<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        serde_json::from_slice(&self.body).map_err(|cause| Fault::Garbled {
            status: self.status,
            // Only the place of the fault: the body of a registration is a secret.
            message: format!("not the expected JSON at line {} column {}", cause.line(), cause.column()),
        })
    }
}

pub(super) fn garbled_address(url: &str, cause: &dyn fmt::Display) -> Fault {
    Fault::Garbled { status: 300, message: format!("an address to follow, \"{}\": {cause}", super::quote::printable(url)) }
}

/// Only what failed while connecting is certainly unsent.
fn transport(cause: &reqwest::Error) -> Fault {
    if cause.is_connect() || cause.is_builder() { Fault::Unreachable(causes(cause)) } else { Fault::Lost(causes(cause)) }
}

/// Who was called and the innermost cause; what stands between is the libraries' talk about their own layers.
pub(super) fn causes(error: &reqwest::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    let host = error.url().map(|url| format!("{}: ", url.origin().ascii_serialization())).unwrap_or_default();
    super::quote::printable(&format!("{host}{innermost}"))
}
