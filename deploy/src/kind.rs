//! What a file is, by what it says.

use crate::{
    platform::{compose, ecs, kubernetes, nomad},
    report::{Finding, Findings},
    rules,
    tree::{self, Documents, Node, Place, Unreadable},
};

/// The largest file that is read, in bytes: ECS takes 64 KiB, etcd 1.5 MiB.
pub(crate) const LARGEST: usize = 1 << 20;

/// What is wrong with a file, and what it was taken for.
pub(crate) fn judge(text: &str) -> (&'static str, Vec<Finding>) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (format, read) = read(text);
    match read {
        Ok(documents) if format == "hcl" => judge_documents(&documents, judge_hcl),
        Ok(documents) => judge_documents(&documents, judge_document),
        Err(Unreadable { at, what }) => {
            ("unknown", single(rules::UNREADABLE, at, format!("this is no {}: {what}", format.to_uppercase()), ""))
        }
    }
}

/// A finding of the file as a whole.
pub(crate) fn single(rule: rules::Rule, at: Place, message: String, hint: &str) -> Vec<Finding> {
    let mut findings = Findings::default();
    findings.add(rule, at, message, hint);
    findings.finish(None)
}

fn read(text: &str) -> (&'static str, Result<Documents, Unreadable>) {
    if text.trim_start().starts_with(['{', '[']) {
        let json = tree::read_json(text);
        // YAML may begin like this, too: whoever writes comments or bare words there means YAML.
        return match json {
            Err(_) if tree::read_yaml(text).is_ok_and(|yaml| !text.contains("//") && is_deployment(&yaml)) => {
                ("yaml", tree::read_yaml(text))
            }
            json => ("json", json),
        };
    }
    if looks_like_hcl(text) { ("hcl", tree::read_hcl(text)) } else { ("yaml", tree::read_yaml(text)) }
}

/// Its first line that says something opens a block, or gives a name a value.
fn looks_like_hcl(text: &str) -> bool {
    let mut in_comment = false;
    for line in text.lines().map(str::trim) {
        if in_comment || line.starts_with("/*") {
            in_comment = !line.contains("*/");
        } else if !line.is_empty() && !line.starts_with('#') && !line.starts_with("//") {
            let name = line.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').next().unwrap_or_default();
            let rest = line[name.len()..].trim_start();
            return !name.is_empty() && (rest.starts_with(['{', '"']) || rest.starts_with('=') && !rest.starts_with("=="));
        }
    }
    false
}

fn judge_documents(documents: &Documents, judge: fn(&Node, &mut Findings) -> Option<&'static str>) -> (&'static str, Vec<Finding>) {
    let mut kind = None;
    let mut all = Vec::new();
    for document in &documents.documents {
        let mut findings = Findings::default();
        kind = judge(document, &mut findings).or(kind);
        crate::contract::scan_for_secrets(document, &mut findings);
        all.extend(findings.finish(Some(document)));
    }
    let mut repeated = Findings::default();
    for (at, key) in &documents.repeated {
        repeated.add(rules::DUPLICATE_KEY, *at, format!("{key} stands twice here"), "keep one");
    }
    // Of several documents the first that has the line.
    let document =
        documents.documents.iter().rfind(|document| documents.repeated.first().is_some_and(|(at, _)| document.at.line <= at.line));
    all.extend(repeated.finish(document));
    if kind.is_none() {
        let hint = "an ECS task definition, RunTask's input, a list of container definitions, a compose file, a Kubernetes manifest with a pod, \
                    values of gha-runner-scale-set, or a Nomad job";
        all.extend(single(
            rules::NOT_A_DEPLOYMENT,
            Place::new(1, 1),
            "this is none of the deployments that can be checked".to_owned(),
            hint,
        ));
    }
    (kind.unwrap_or("unknown"), all)
}

fn judge_hcl(document: &Node, findings: &mut Findings) -> Option<&'static str> {
    document.get("job")?;
    nomad::judge(document, findings);
    Some("nomad")
}

/// Containers as ECS has them.
fn is_containers(node: &Node) -> bool {
    !node.items().is_empty() && node.items().iter().all(|item| item.get("name").is_some() && item.get("image").is_some())
}

fn is_deployment(documents: &Documents) -> bool {
    documents.documents.iter().any(|document| judge_document(document, &mut Findings::default()).is_some())
}

fn judge_document(document: &Node, findings: &mut Findings) -> Option<&'static str> {
    let described = document.get("taskDefinition").unwrap_or(document);
    if described.get("containerDefinitions").is_some() || is_containers(document) {
        ecs::judge(described, findings);
        return Some("ecs");
    }
    if document.dig(&["overrides", "containerOverrides"]).is_some() {
        ecs::judge_overrides(document, findings);
        return Some("ecs");
    }
    if document.get("services").is_some_and(|services| !services.entries().is_empty()) {
        compose::judge(document, findings);
        return Some("compose");
    }
    let pods = kubernetes::pods(document);
    for pod in &pods {
        kubernetes::judge(document, pod, findings);
    }
    (!pods.is_empty()).then_some("kubernetes")
}
