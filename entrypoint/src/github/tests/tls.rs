//! Whom we trust, shown by servers that speak TLS.

use super::*;

async fn answers(server: &Server, ca_file: Option<PathBuf>) -> Result<(), CallError> {
    let endpoint = Endpoint { api: server.address().replace("http:", "https:"), proxies: Proxies::default(), ca_file };
    Client::new(&endpoint, token("t"))?.delete_runner(&repo(), RunnerId(1)).await.map(drop)
}

fn tls_server(config: Arc<rustls::ServerConfig>) -> Server {
    Server::speaking(Some(config), |_, _| Reply::json(404, "{}"))
}

#[tokio::test]
async fn a_bundle_of_ones_own_is_trusted_beside_the_image_and_nothing_else_is() {
    let (certificate, config) = keys!().certificate("own");
    let (other, _) = keys!().certificate("other");
    let server = tls_server(config);
    answers(&server, Some(certificate.clone())).await.unwrap();
    let bundle = keys!().path("bundle.pem");
    let text = [&other, &certificate].map(|file| std::fs::read_to_string(file).unwrap()).join("# a comment\n");
    std::fs::write(&bundle, text).unwrap();
    answers(&server, Some(bundle)).await.unwrap();
    for unknown in [None, Some(other)] {
        let Err(error) = answers(&server, unknown).await else { panic!("an unknown certificate was taken") };
        // Without any certificate in the image it is the set-up that fails.
        assert!(matches!(error.fault(), Fault::Unreachable(_) | Fault::Setup(_)), "{error}");
    }
}

#[test]
fn a_bundle_that_cannot_be_used_is_refused_by_the_name_of_its_setting() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        std::fs::write(dir.path().join(name), text).unwrap();
        dir.path().join(name)
    };
    let cases = [
        (dir.path().join("missing"), "No such file"),
        (dir.path().to_path_buf(), "directory"),
        (file("empty", ""), "no certificate in it"),
        (file("text", "hello"), "no certificate in it"),
        (file("junk", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), "certificate 1 cannot be used"),
        (file("damaged", "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n"), "cannot be used"),
    ];
    for (ca_file, words) in cases {
        for api in ["https://127.0.0.1:1", "http://127.0.0.1:1"] {
            let endpoint = Endpoint { api: api.into(), proxies: Proxies::default(), ca_file: Some(ca_file.clone()) };
            let error = Client::new(&endpoint, token("t")).unwrap_err();
            assert_eq!(error.class(), Class::Configuration);
            let told = error.to_string();
            assert!(told.contains("GITHUB_CA_FILE") && told.contains(words), "{told}");
        }
    }
}

/// The environment of a process is one for all its tests, so each case is this test once more in a process of its own.
#[tokio::test]
async fn the_image_can_name_its_certificates_with_ssl_cert_file_and_ssl_cert_dir() {
    const NAME: &str = "github::tests::tls::the_image_can_name_its_certificates_with_ssl_cert_file_and_ssl_cert_dir";
    #[expect(clippy::disallowed_methods, reason = "the tests' own switch")]
    if let Ok(address) = std::env::var("TLS_SERVER") {
        let endpoint = Endpoint { api: address.replace("http:", "https:"), proxies: Proxies::default(), ca_file: None };
        let client = Client::new(&endpoint, token("t")).unwrap();
        assert_eq!(client.delete_runner(&repo(), RunnerId(1)).await.unwrap(), Deleted::AlreadyGone);
        // A bundle of one's own takes nothing away.
        #[expect(clippy::disallowed_methods, reason = "the tests' own switch")]
        let endpoint = Endpoint { ca_file: std::env::var_os("OWN_BUNDLE").map(PathBuf::from), ..endpoint };
        let client = Client::new(&endpoint, token("t")).unwrap();
        assert_eq!(client.delete_runner(&repo(), RunnerId(1)).await.unwrap(), Deleted::AlreadyGone);
        return;
    }
    let (certificate, config) = keys!().certificate("image");
    let (own, _) = keys!().certificate("beside");
    let server = tls_server(config);
    let dir = keys!().path("certificates");
    std::fs::create_dir_all(&dir).unwrap();
    // A directory holds certificates under their hash, as `c_rehash` names them.
    let hash = pem(&["x509", "-in", certificate.to_str().unwrap(), "-noout", "-subject_hash"]);
    std::fs::copy(&certificate, dir.join(format!("{}.0", hash.trim()))).unwrap();
    for (name, value) in [("SSL_CERT_FILE", &certificate), ("SSL_CERT_DIR", &dir)] {
        let mut again = Command::new(std::env::current_exe().unwrap());
        again
            .args(["--exact", NAME, "--nocapture"])
            .env_clear()
            .env(name, value)
            .env("TLS_SERVER", server.address())
            .env("OWN_BUNDLE", &own);
        #[expect(clippy::disallowed_methods, reason = "a test without children of its own to mix up")]
        let done = again.output().unwrap();
        let shown = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success() && shown.contains("1 passed"), "{name}: {shown}");
    }
    assert_eq!(server.requests().len(), 4);
}

#[tokio::test]
async fn a_configuration_is_not_fetched_from_https_over_http() {
    let plain = Server::with(|_, _| Reply::json(200, &ready::good_blob()));
    let (certificate, config) = keys!().certificate("downgrade");
    let away = plain.address();
    let server = Server::speaking(Some(config), move |_, _| Reply::json(302, "").header(&format!("location: {away}/blob")));
    let endpoint = Endpoint { ca_file: Some(certificate), ..server.endpoint() };
    let error = fetch_jit(&server.address().replace("http:", "https:"), None, &endpoint, SOON).await.unwrap_err();
    assert!(error.to_string().contains("a redirect away from https"), "{error}");
    assert_eq!(plain.requests().len(), 0);
}

#[tokio::test]
async fn what_is_encrypted_goes_through_its_proxy_as_a_tunnel() {
    let proxy = Server::with(|_, _| Reply::json(502, "{}"));
    let proxies = Proxies { http: None, https: Some(proxy.address()), except: None };
    let (certificate, _) = keys!().certificate("tunnel");
    let endpoint = Endpoint { api: "https://github.invalid".to_owned(), proxies, ca_file: Some(certificate) };
    let error = Client::new(&endpoint, token("t")).unwrap().delete_runner(&repo(), RunnerId(1)).await.unwrap_err();
    assert!(matches!(error.fault(), Fault::Unreachable(_)), "{error}");
    let asked = proxy.requests();
    assert!(asked.first().is_some_and(|request| request.line.starts_with("CONNECT github.invalid:443")), "{error}");
    assert!(!format!("{asked:?}").contains("Bearer"), "the token was told to the proxy");
}
