//! The JIT blob: base64 of a JSON object of file name to base64 of the file, as `Runner.Listener` reads it
//! (actions/runner, src/Runner.Listener/Runner.cs). Owns its making; random secrets each time.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

/// Letters and digits from the kernel's random source.
pub(super) fn random_text(length: usize) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    random_bytes(length).into_iter().map(|byte| char::from(LETTERS[usize::from(byte) % LETTERS.len()])).collect()
}

fn random_bytes(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    getrandom::fill(&mut bytes).expect("the kernel gives random bytes");
    bytes
}

/// What the blob is made from.
pub(super) struct Facts<'a> {
    pub(super) id: u64,
    pub(super) name: &'a str,
    pub(super) group: u64,
    pub(super) work_folder: &'a str,
    pub(super) server: &'a str,
    pub(super) session_secret: &'a str,
}

/// The encoded configuration. Values are texts, as seen in a live one ("DisableUpdate":"True").
pub(super) fn encode(facts: &Facts<'_>) -> String {
    let runner = json!({
        "AgentId": facts.id.to_string(),
        "AgentName": facts.name,
        "DisableUpdate": "True",
        "Ephemeral": "True",
        "PoolId": facts.group.to_string(),
        "PoolName": "Default",
        "ServerUrl": facts.server,
        "ServerUrlV2": facts.server,
        "UseV2Flow": "True",
        "WorkFolder": facts.work_folder,
    });
    let credentials = json!({
        "Scheme": "OAuth",
        "Data": {
            "ClientId": facts.session_secret,
            "AuthorizationUrl": format!("{}/_runner/oauth/{}", facts.server, random_text(400)),
            "RequireFipsCryptography": "True",
        },
    });
    let part = |length| STANDARD.encode(random_bytes(length));
    let key = json!({
        "d": part(256), "dp": part(128), "dq": part(128), "exponent": "AQAB",
        "inverseQ": part(128), "modulus": part(256), "p": part(128), "q": part(128),
    });
    let file = |value: &serde_json::Value| STANDARD.encode(value.to_string());
    let files = json!({".runner": file(&runner), ".credentials": file(&credentials), ".credentials_rsaparams": file(&key)});
    STANDARD.encode(files.to_string())
}
