//! Where an API is and how it is reached: address, proxies, whom to trust. Builds the library's client.

use std::{fmt, fs, path::PathBuf, time::Duration};

use reqwest::Url;
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};
use serde::{Deserialize, Serialize};

use super::{error::CallError, quote::printable, transport};

/// One API and the way to it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Endpoint {
    /// Base address: `https://api.github.com`, `https://HOST/api/v3`, or plain http for a server on loopback.
    pub(crate) api: String,
    /// How to get there.
    pub(crate) proxies: Proxies,
    /// One more bundle of CA certificates (PEM) besides what the image trusts, which `SSL_CERT_FILE` and `SSL_CERT_DIR` replace.
    pub(crate) ca_file: Option<PathBuf>,
}

/// Proxies as the caller decided them; a URL may hold credentials, so this is never printed.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Proxies {
    /// For `http://` addresses.
    pub http: Option<String>,
    /// For `https://` addresses.
    pub https: Option<String>,
    /// Hosts to reach directly, comma-separated, in the usual form of `no_proxy`.
    pub except: Option<String>,
}

impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxies")
            .field("http", &self.http.is_some())
            .field("https", &self.https.is_some())
            .field("except", &self.except)
            .finish()
    }
}

impl Endpoint {
    /// The API's address as a value.
    ///
    /// # Errors
    /// It is none.
    pub(super) fn address(&self, call: &str) -> Result<Url, CallError> {
        let wrong = |cause: &dyn fmt::Display| {
            CallError::setup(call, format!("\"{}\" is not the address of an API: {cause}", printable(&self.api)))
        };
        let api = Url::parse(self.api.trim_end_matches('/')).map_err(|cause| wrong(&cause))?;
        if !matches!(api.scheme(), "http" | "https") || !api.has_host() {
            return Err(wrong(&"it must begin with https:// and name a host"));
        }
        if !api.username().is_empty() || api.password().is_some() || api.query().is_some() {
            return Err(CallError::setup(call, "the address of the API must not hold a user, a password or a query"));
        }
        Ok(api)
    }

    /// The library's client for addresses of `scheme`: TLS for https, no certificate needed for http, proxies only as told.
    ///
    /// # Errors
    /// A proxy is no address, a CA bundle cannot be used, or the image has no CA certificates.
    pub(super) fn connection(&self, call: &str, scheme: &str) -> Result<reqwest::Client, CallError> {
        // The first caller in the process wins; a second installation of the same provider is no harm.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(10))
            // Redirects are followed by us: the token must not travel to another host, nor a POST become a GET.
            .redirect(reqwest::redirect::Policy::none())
            // A POST that is repeated below us would be a second runner.
            .retry(reqwest::retry::never())
            // Also turns off what the library would read from the environment.
            .no_proxy();
        for proxy in self.parsed_proxies(call)? {
            builder = builder.proxy(proxy);
        }
        let own = self.own_certificates(call)?;
        if scheme == "http" {
            builder = builder.tls_certs_only([]);
        } else if !own.is_empty() {
            builder = builder.tls_certs_merge(own);
        }
        builder.build().map_err(|cause| {
            CallError::setup(
                call,
                format!(
                    "{}\nhint: TLS needs the CA certificates of the image: install the package ca-certificates, or set SSL_CERT_FILE to a bundle",
                    transport::causes(&cause)
                ),
            )
        })
    }

    fn own_certificates(&self, call: &str) -> Result<Vec<reqwest::Certificate>, CallError> {
        let Some(path) = &self.ca_file else { return Ok(Vec::new()) };
        let wrong = |why: String| {
            let hint = "hint: GITHUB_CA_FILE names a file of CA certificates in PEM form";
            CallError::setup(call, format!("the CA certificates of GITHUB_CA_FILE, {}: {why}\n{hint}", path.display()))
        };
        let bytes = fs::read(path).map_err(|error| wrong(error.to_string()))?;
        let mut own = Vec::new();
        for (number, certificate) in (1..).zip(CertificateDer::pem_slice_iter(&bytes)) {
            let unusable = |cause: &dyn fmt::Display| wrong(format!("certificate {number} cannot be used: {cause}"));
            let certificate = certificate.map_err(|cause| unusable(&cause))?;
            RootCertStore::empty().add(certificate.clone()).map_err(|cause| unusable(&cause))?;
            own.push(reqwest::Certificate::from_der(&certificate).map_err(|cause| unusable(&cause))?);
        }
        if own.is_empty() {
            return Err(wrong("there is no certificate in it".to_owned()));
        }
        Ok(own)
    }

    fn parsed_proxies(&self, call: &str) -> Result<Vec<reqwest::Proxy>, CallError> {
        let except = self.proxies.except.as_deref().and_then(reqwest::NoProxy::from_string);
        // The cause is not told: it may quote the address, and that may hold a password.
        let wrong = |which| CallError::setup(call, format!("the {which} proxy is not an address"));
        let mut parsed = Vec::new();
        if let Some(url) = &self.proxies.http {
            parsed.push(reqwest::Proxy::http(url).map_err(|_| wrong("http"))?);
        }
        if let Some(url) = &self.proxies.https {
            parsed.push(reqwest::Proxy::https(url).map_err(|_| wrong("https"))?);
        }
        Ok(parsed.into_iter().map(|proxy| proxy.no_proxy(except.clone())).collect())
    }
}
