//! Secrets that stand in the file. Their values are said nowhere.

use crate::{
    report::Findings,
    rules,
    task::Platform,
    tree::{Node, Place, Value},
};

/// How secrets begin that can be told by their looks: GitHub's tokens (its documentation, "About authentication to GitHub") and PEM.
const BEGINNINGS: [&str; 6] = ["ghp_", "gho_", "ghs_", "ghr_", "github_pat_", "-----BEGIN "];

/// A secret of ours as a plain value.
pub(crate) fn complain(platform: Platform, container: &str, name: &str, at: Place, findings: &mut Findings) {
    findings.add(
        rules::SECRET_IN_ENVIRONMENT,
        at,
        format!("{name} of {container} stands in the file, where everybody who may read the deployment reads it"),
        match platform {
            Platform::Ecs { .. } => format!("\"secrets\": [{{\"name\": \"{name}\", \"valueFrom\": \"arn:aws:secretsmanager:…\"}}]"),
            Platform::Compose => format!("{name}: ${{{name}:?}}, or a secret with {name}_FILE: /run/secrets/…"),
            Platform::Kubernetes => format!("{{name: {name}, valueFrom: {{secretKeyRef: {{name: …, key: …}}}}}}"),
            Platform::Nomad => "a template block that reads it from Vault or a Nomad variable".to_owned(),
        },
    );
}

/// Whatever looks like a secret, wherever it stands.
pub(crate) fn scan(node: &Node, findings: &mut Findings) {
    match &node.value {
        Value::Text(text) if looks_secret(text) && !findings.has(rules::SECRET_IN_ENVIRONMENT, node.at) => findings.add(
            rules::SECRET_IN_FILE,
            node.at,
            "this is a token or a private key",
            "make it invalid, it has been read; then let the platform's store of secrets hand the new one in",
        ),
        Value::List(items) => items.iter().for_each(|item| scan(item, findings)),
        Value::Map(entries) => entries.iter().for_each(|entry| scan(&entry.value, findings)),
        _ => {}
    }
}

/// A beginning, and enough behind it to be more than an example of a prefix.
fn looks_secret(text: &str) -> bool {
    BEGINNINGS.iter().any(|beginning| {
        text.match_indices(beginning).any(|(at, _)| {
            let rest = &text[at + beginning.len()..];
            match *beginning {
                "-----BEGIN " => rest.split("-----").next().is_some_and(|kind| kind.ends_with("PRIVATE KEY")),
                _ => rest.chars().take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '_').count() >= 30,
            }
        })
    })
}
