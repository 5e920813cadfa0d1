//! JIT configurations that somebody else made.

use super::*;

fn blob(files: &[(&str, &str)]) -> String {
    let files: serde_json::Map<String, Value> =
        files.iter().map(|(name, text)| ((*name).to_owned(), Value::String(STANDARD.encode(text)))).collect();
    STANDARD.encode(Value::Object(files).to_string())
}

pub(super) fn good_blob() -> String {
    blob(&[(".runner", r#"{"AgentId":"41","AgentName":"one","WorkFolder":"_work","Ephemeral":"True"}"#), (".credentials", "{}")])
}

#[test]
fn a_ready_configuration_tells_who_its_runner_is() {
    let full = JitConfig { id: Some(41), name: Some("one".into()), work_folder: Some("_work".into()), ephemeral: Some(true) };
    let cases = [
        (good_blob(), full.clone()),
        (format!("\n  {}\n", good_blob()), full.clone()),
        (good_blob().as_bytes().chunks(60).map(|line| String::from_utf8_lossy(line).into_owned() + "\r\n").collect(), full.clone()),
        (blob(&[(".runner", "\u{feff}{\"agentId\":41,\"agentName\":\"one\",\"workFolder\":\"_work\",\"ephemeral\":true}")]), full),
        (blob(&[(".runner", "{}")]), JitConfig::default()),
        (blob(&[(".runner", r#"{"AgentId":"x","Ephemeral":"maybe","WorkFolder":null}"#)]), JitConfig::default()),
    ];
    for (text, facts) in cases {
        assert_eq!(JitConfig::decode(&text), Ok(facts), "{text}");
    }
}

#[test]
fn what_is_no_configuration_or_would_write_elsewhere_is_refused_without_its_contents() {
    let mut cases = vec![
        (String::new(), "not a JSON object"),
        ("%%%".into(), "not base64"),
        (good_blob()[..101].to_owned(), "not base64"),
        (STANDARD.encode("hunter2"), "not a JSON object"),
        (STANDARD.encode("[]"), "not a JSON object"),
        (STANDARD.encode(r#"{".runner":"hunter2!"}"#), "file .runner in the JIT configuration is not base64"),
        (STANDARD.encode(r#"{".runner":5}"#), "not base64"),
        (blob(&[(".credentials", "{}")]), "no file .runner"),
        (blob(&[(".runner", "hunter2")]), "not a JSON object"),
    ];
    for name in ["../.bashrc", "/etc/passwd", "a/b", "..", ".", "", "a\\b", "a\0b"] {
        cases.push((blob(&[(".runner", "{}"), (name, "hunter2")]), "written elsewhere"));
    }
    for (text, words) in cases {
        let told = JitConfig::decode(&text).unwrap_err();
        assert!(told.contains(words) && !told.contains("hunter2"), "{told}");
    }
}

const BEARER: &str = "bearer-that-nobody-may-see";

async fn fetch(server: &Server, path: &str) -> Result<Blob, CallError> {
    fetch_jit(&format!("{}{path}", server.address()), Some(&SecretText::new(BEARER)), &server.endpoint(), SOON).await
}

#[tokio::test]
async fn a_configuration_is_fetched_once_as_text_or_as_json() {
    for body in [good_blob(), format!(" {}\n", good_blob()), json!({"encoded_jit_config": good_blob(), "runner": {}}).to_string()] {
        let server = Server::with(move |_, _| Reply::json(200, &body));
        assert_eq!(fetch(&server, "/jit").await.unwrap().reveal(), good_blob());
        let requests = server.requests();
        assert_eq!((requests.len(), requests[0].line.as_str(), requests[0].bearer.as_deref()), (1, "GET /jit", Some(BEARER)));
    }
}

#[tokio::test]
async fn an_address_that_answered_is_never_asked_again() {
    let cases = [
        (404, "gone?", Class::Configuration, "good for one start only"),
        (410, "", Class::Configuration, "(410)"),
        (401, r#"{"message":"no"}"#, Class::Credentials, "(401)"),
        (403, "", Class::Credentials, "(403)"),
        (500, "", Class::Temporary, "500"),
        (200, "<html>sign in</html>", Class::Configuration, "not base64"),
        (200, r#"{"other":1}"#, Class::Temporary, "not the expected JSON"),
    ];
    for (status, body, class, words) in cases {
        let server = Server::with(move |_, _| Reply::json(status, body));
        let error = fetch(&server, "/jit?signature=hunter2").await.unwrap_err();
        assert_eq!(error.class(), class, "{error}");
        let told = error.to_string();
        assert!(told.contains(words) && !told.contains("hunter2") && !told.contains(BEARER), "{told}");
        assert_eq!(server.requests().len(), 1);
    }
    let server = Server::with(|_, _| Reply::Cut);
    let error = fetch(&server, "/jit").await.unwrap_err();
    assert!(matches!(error.fault(), Fault::Lost(_) | Fault::Garbled { .. }), "{error}");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_redirect_keeps_the_bearer_at_home() {
    let other = Server::with(|_, _| Reply::json(200, &good_blob()));
    let away = other.address();
    let server = Server::with(move |request, _| match request.line.as_str() {
        "GET /jit" => Reply::json(302, "").header("location: /next"),
        _ => Reply::json(307, "").header(&format!("location: {away}/blob")),
    });
    assert!(fetch(&server, "/jit").await.is_ok());
    let bearers = |server: &Server| server.requests().into_iter().map(|request| request.bearer).collect::<Vec<_>>();
    assert_eq!(bearers(&server), [Some(BEARER.to_owned()), Some(BEARER.to_owned())]);
    assert_eq!(bearers(&other), [None]);

    let server = Server::with(|_, _| Reply::json(302, "").header("location: /again"));
    assert!(fetch(&server, "/jit").await.is_err());
    assert_eq!(server.requests().len(), 4);
}

#[tokio::test]
async fn a_connection_that_cannot_be_made_is_tried_until_the_budget_ends() {
    let server = Server::obedient();
    let (address, endpoint) = (server.address(), server.endpoint());
    drop(server);
    let error = fetch_jit(&address, None, &endpoint, Duration::from_millis(50)).await.unwrap_err();
    assert!(matches!(error.fault(), Fault::Unreachable(_)) && error.class() == Class::Temporary, "{error}");
    let error = fetch_jit("jit.example.com/x", None, &endpoint, SOON).await.unwrap_err();
    assert_eq!(error.class(), Class::Configuration);
}
