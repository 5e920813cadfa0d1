//! One request and its answer: headers, TLS, proxies, redirects, and what a broken connection says about the request.

use std::fmt;
use std::time::Duration;

use reqwest::header::{ACCEPT, HeaderMap, HeaderValue, LOCATION, USER_AGENT};
use reqwest::{Method, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::{CallError, Fault};
use super::{Client, Proxies, wire};

/// No answer we ask for is larger: a page of 100 runners is about 100 kB, a JIT blob below 20 kB.
const LARGEST_ANSWER: usize = 4 << 20;
const REDIRECTS_AT_MOST: usize = 3;

/// One answer whose body was read whole.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    body: Vec<u8>,
}

/// The library's client: TLS for https, no certificate needed for http, proxies only as told.
pub(super) fn connection(call: &str, api: &Url, proxies: &Proxies) -> Result<reqwest::Client, CallError> {
    // The first caller in the process wins; a second installation of the same provider is no harm.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(10))
        // Redirects are followed here, see `call`: the token must not travel to another host, nor a POST become a GET.
        .redirect(reqwest::redirect::Policy::none())
        // A POST that is repeated below us would be a second runner.
        .retry(reqwest::retry::never())
        // Also turns off what the library would read from the environment.
        .no_proxy();
    for proxy in parsed_proxies(proxies)? {
        builder = builder.proxy(proxy);
    }
    if api.scheme() == "http" {
        builder = builder.tls_certs_only([]);
    }
    builder.build().map_err(|cause| {
            CallError::setup(
                call,
                format!(
                    "{}\nhint: TLS needs the CA certificates of the image: install the package ca-certificates, or set SSL_CERT_FILE to a bundle",
                    causes(&cause)
                ),
            )
        })
}

impl Client {
    /// One call with its redirects (a renamed repository), the whole answer read. Success is 2xx.
    pub(super) async fn call<B: Serialize>(&self, method: Method, url: String, body: Option<&B>) -> Result<Answer, Fault> {
        let mut url = url;
        for _ in 0..=REDIRECTS_AT_MOST {
            let target = Url::parse(&url).map_err(|cause| garbled_address(&url, &cause))?;
            if target.origin() != self.api.origin() {
                return Err(garbled_address(&url, &"it points to another host"));
            }
            let answer = self.once(method.clone(), target, body).await?;
            match answer.status {
                200..=299 => return Ok(answer),
                301 | 302 | 307 | 308 => {
                    let location = answer.headers.get(LOCATION).and_then(|value| value.to_str().ok());
                    url = location.ok_or_else(|| garbled_address("", &"a redirect without an address"))?.to_owned();
                }
                status => {
                    let message = wire::complaint(&answer.body);
                    return Err(wire::judge(status, &answer.headers, &message));
                }
            }
        }
        Err(garbled_address(&url, &"too many redirects"))
    }

    async fn once<B: Serialize>(&self, method: Method, url: Url, body: Option<&B>) -> Result<Answer, Fault> {
        let mut request = self
            .http
            .request(method, url)
            .header(ACCEPT, "application/vnd.github+json")
            .header("X-GitHub-Api-Version", "2022-11-28")
            .header(USER_AGENT, concat!("runner-entrypoint/", env!("CARGO_PKG_VERSION")));
        let mut bearer = HeaderValue::from_str(&format!("Bearer {}", self.credential.0))
            .map_err(|_| Fault::Unauthorized("the token holds characters that no header can carry, not sent".into()))?;
        bearer.set_sensitive(true);
        request = request.header(reqwest::header::AUTHORIZATION, bearer);
        if let Some(body) = body {
            request = request.json(body);
        }
        let mut response = request.send().await.map_err(|cause| transport(&cause))?;
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let mut read = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|cause| transport(&cause))? {
            if read.len() + chunk.len() > LARGEST_ANSWER {
                return Err(Fault::Garbled { status, message: format!("the answer is larger than {LARGEST_ANSWER} bytes") });
            }
            read.extend_from_slice(&chunk);
        }
        Ok(Answer { status, headers, body: read })
    }
}

impl Answer {
    pub(super) fn parsed<T: DeserializeOwned>(&self) -> Result<T, Fault> {
        serde_json::from_slice(&self.body).map_err(|cause| Fault::Garbled {
            status: self.status,
            // Only the place of the fault: the body of a registration is a secret.
            message: format!("not the expected JSON at line {} column {}", cause.line(), cause.column()),
        })
    }
}

fn garbled_address(url: &str, cause: &dyn fmt::Display) -> Fault {
    Fault::Garbled { status: 300, message: format!("an address to follow, \"{}\": {cause}", super::quote::printable(url)) }
}

/// Only what failed while connecting is certainly unsent.
fn transport(cause: &reqwest::Error) -> Fault {
    if cause.is_connect() || cause.is_builder() { Fault::Unreachable(causes(cause)) } else { Fault::Lost(causes(cause)) }
}

/// Who was called and the innermost cause; what stands between is the libraries' talk about their own layers.
fn causes(error: &reqwest::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    let host = error.url().map(|url| format!("{}: ", url.origin().ascii_serialization())).unwrap_or_default();
    super::quote::printable(&format!("{host}{innermost}"))
}

fn parsed_proxies(proxies: &Proxies) -> Result<Vec<reqwest::Proxy>, CallError> {
    let except = proxies.except.as_deref().and_then(reqwest::NoProxy::from_string);
    // The cause is not told: it may quote the address, and that may hold a password.
    let wrong = |which| CallError::setup("prepare the connection to the GitHub API", format!("the {which} proxy is not an address"));
    let mut parsed = Vec::new();
    if let Some(url) = &proxies.http {
        parsed.push(reqwest::Proxy::http(url).map_err(|_| wrong("http"))?);
    }
    if let Some(url) = &proxies.https {
        parsed.push(reqwest::Proxy::https(url).map_err(|_| wrong("https"))?);
    }
    Ok(parsed.into_iter().map(|proxy| proxy.no_proxy(except.clone())).collect())
}
