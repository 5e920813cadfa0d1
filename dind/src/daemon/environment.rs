//! The environment of the daemons, made from nothing.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
};

/// What dockerd may know of our environment: how to reach registries, and which certificates to trust.
pub const INHERITED: [&str; 9] =
    ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR", "TZ"];

/// Where programs are searched for when our own environment does not say.
pub const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The whole environment: secrets that somebody gave this container by mistake must not reach the daemon, whose environment every
/// process of its user can read.
pub fn environment<'a>(ours: impl IntoIterator<Item = (&'a OsStr, &'a OsStr)>) -> BTreeMap<OsString, OsString> {
    let mut environment: BTreeMap<OsString, OsString> = ours
        .into_iter()
        .filter(|(name, _)| *name == "PATH" || INHERITED.iter().any(|inherited| *name == *inherited))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    environment.entry("PATH".into()).or_insert_with(|| PATH.into());
    environment.insert("HOME".into(), "/root".into());
    environment
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_holds_proxies_and_certificates_and_no_secret() {
        let ours = [("ACCESS_TOKEN", "x"), ("HTTPS_PROXY", "http://proxy:3128"), ("PATH", "/opt/bin"), ("DOCKER_HOST", "tcp://x")];
        let environment = environment(ours.iter().map(|(name, value)| (OsStr::new(*name), OsStr::new(*value))));
        let names: Vec<&str> = environment.keys().map(|name| name.to_str().unwrap()).collect();
        assert_eq!(names, ["HOME", "HTTPS_PROXY", "PATH"]);
        assert_eq!(environment[OsStr::new("PATH")], "/opt/bin");
    }
}
