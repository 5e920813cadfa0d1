//! Which right is missing, and where it is granted, from what GitHub said to a look. Pure.

use crate::github::{CallError, Fault, Holder, Look, Scope};

const CLASSIC: &str = "Settings > Developer settings > Personal access tokens > Tokens (classic) > the token";
const FINE_GRAINED: &str = "Settings > Developer settings > Personal access tokens > Fine-grained tokens > the token";

/// What is wrong with a refused look, ending in a line that says what to do.
pub(super) fn refusal(scope: &Scope, look: &Look, error: &CallError) -> String {
    let fault = error.fault();
    let found = match (fault, &look.holder) {
        _ if look.wants_sign_on => Some((
            "the account takes only tokens that are authorised for its single sign-on".to_owned(),
            format!("{CLASSIC} > Configure SSO > Authorize"),
        )),
        (Fault::Forbidden { .. } | Fault::NotFound(_), Holder::Classic(scopes)) => Some(classic(scope, scopes)),
        (Fault::Forbidden { .. } | Fault::NotFound(_) | Fault::NotGranted(_), Holder::App(Some(permissions))) => {
            app(scope, |name| permissions.get(name).map(String::as_str))
        }
        (Fault::Forbidden { accepted, .. }, Holder::Token) => token(scope, look.may_read == Some(true), accepted.as_deref()),
        (Fault::NotFound(_), Holder::Token) => Some(unseen(scope)),
        _ => None,
    };
    match found {
        Some((what, hint)) => format!("{fault}\n{what}\nhint: {hint}"),
        None => error.told(),
    }
}

/// What is wrong with a classic token that GitHub took all the same: its scopes say that it should not have.
pub(super) fn doubt(scope: &Scope, holder: &Holder) -> Option<String> {
    match holder {
        Holder::Classic(scopes) if !has_scope(scope, scopes) => {
            let (what, hint) = classic(scope, scopes);
            Some(format!("GitHub did not refuse, but {what}\nhint: {hint}"))
        }
        _ => None,
    }
}

/// What sort of credential it is, in short.
pub(super) fn holder(holder: &Holder) -> String {
    match holder {
        Holder::Classic(scopes) if scopes.is_empty() => "a classic token without any scope".to_owned(),
        Holder::Classic(scopes) => format!("a classic token with the scopes {}", scopes.join(", ")),
        Holder::App(Some(permissions)) => {
            let told: Vec<String> = permissions.iter().map(|(name, level)| format!("{name}: {level}")).collect();
            format!("an App whose installation has {}", if told.is_empty() { "no permission".to_owned() } else { told.join(", ") })
        }
        Holder::App(None) => "an App".to_owned(),
        Holder::Token => "a token".to_owned(),
    }
}

fn has_scope(scope: &Scope, scopes: &[String]) -> bool {
    scope.classic_scopes().iter().any(|enough| scopes.iter().any(|has| has == enough))
}

fn classic(scope: &Scope, scopes: &[String]) -> (String, String) {
    let needed = scope.classic_scopes()[0];
    if has_scope(scope, scopes) {
        let what = format!("the classic token has the scope \"{needed}\", so it is its owner who may not, or {scope} is not there");
        return (what, format!("the token's owner must {}, which must let classic tokens in", scope.needed_role()));
    }
    let has = match scopes {
        [] => "no scope at all".to_owned(),
        scopes => format!("only {}", scopes.iter().map(|scope| format!("\"{scope}\"")).collect::<Vec<_>>().join(", ")),
    };
    (format!("missing: the scope \"{needed}\"; the classic token has {has}"), format!("{CLASSIC}: tick {needed}"))
}

fn app<'a>(scope: &Scope, has: impl Fn(&str) -> Option<&'a str>) -> Option<(String, String)> {
    let Some((page, name)) = scope.permission() else { return Some(no_app(scope)) };
    let (kind, right) = page.split_once(" > ").unwrap_or(("", page));
    match has(name) {
        Some("write" | "admin") => match scope {
            Scope::Repo { .. } => Some((
                format!("the App's installation has \"{right}\": write, but not for {scope}"),
                "the account's Settings > GitHub Apps > the App > Configure > Repository access: select the repository".to_owned(),
            )),
            _ => None,
        },
        level => Some((
            format!(
                "missing: \"{right}\": write; the App's installation has {}",
                level.map_or("none of it".to_owned(), |level| format!("\"{level}\""))
            ),
            format!(
                "the App's settings > Permissions & events > {kind} > {right}: Read and write; then an owner of the account accepts it: \
                 Settings > GitHub Apps > the App > Review request"
            ),
        )),
    }
}

fn no_app(scope: &Scope) -> (String, String) {
    (
        format!("GitHub lets no App and no fine-grained token manage the runners of {scope}"),
        format!("use a classic token of an owner of the enterprise with the scope {}", scope.classic_scopes()[0]),
    )
}

fn token(scope: &Scope, may_read: bool, accepted: Option<&str>) -> Option<(String, String)> {
    let Some((page, _)) = scope.permission() else { return Some(no_app(scope)) };
    let (kind, right) = page.split_once(" > ").unwrap_or(("", page));
    let has = if may_read { "the token has read alone" } else { "the token has none of it" };
    let named = accepted.map(|accepted| format!(" (GitHub names {accepted})")).unwrap_or_default();
    Some((
        format!("missing: \"{right}\": write; {has}{named}"),
        format!("{FINE_GRAINED} > {kind} > {right}: Read and write; of a classic token the scope {}", scope.classic_scopes()[0]),
    ))
}

fn unseen(scope: &Scope) -> (String, String) {
    let hint = match scope.permission() {
        Some((page, _)) => {
            format!(
                "is the name right? If so: {FINE_GRAINED}: it must be of this account{} and have {page}: Read and write",
                selected(scope)
            )
        }
        None => no_app(scope).1,
    };
    (format!("either {scope} is not there under that name, or the token may not see it"), hint)
}

fn selected(scope: &Scope) -> &'static str {
    if matches!(scope, Scope::Repo { .. }) { ", have the repository selected" } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classic_of(scopes: &[&str]) -> Holder {
        Holder::Classic(scopes.iter().map(|scope| (*scope).to_owned()).collect())
    }

    #[test]
    fn a_classic_token_that_was_not_refused_is_doubted_when_its_scopes_say_otherwise() {
        let org = Scope::Org("acme".into());
        let doubted = doubt(&org, &classic_of(&["repo"])).unwrap();
        assert!(doubted.starts_with("GitHub did not refuse, but missing: the scope \"admin:org\""), "{doubted}");
        assert!(doubted.contains("\nhint: ") && doubted.ends_with("tick admin:org"), "{doubted}");
        for enough in ["admin:org", "manage_runners:org"] {
            assert_eq!(doubt(&org, &classic_of(&["gist", enough])), None);
        }
        assert_eq!(doubt(&Scope::Repo { owner: "a".into(), name: "b".into() }, &classic_of(&["repo"])), None);
        assert_eq!(doubt(&Scope::Enterprise("big".into()), &classic_of(&["admin:enterprise"])), None);
        assert_eq!((doubt(&org, &Holder::Token), doubt(&org, &Holder::App(None))), (None, None));
    }

    #[test]
    fn an_app_is_told_what_it_has_of_what_it_needs() {
        let repo = Scope::Repo { owner: "acme".into(), name: "site".into() };
        let told = |scope: &Scope, level: Option<&'static str>| app(scope, |_| level).map(|(what, _)| what);
        assert_eq!(told(&repo, None).unwrap(), "missing: \"Administration\": write; the App's installation has none of it");
        assert_eq!(told(&repo, Some("read")).unwrap(), "missing: \"Administration\": write; the App's installation has \"read\"");
        let elsewhere = "the App's installation has \"Administration\": write, but not for repository acme/site";
        assert_eq!(told(&repo, Some("write")).unwrap(), elsewhere);
        // With all that it needs, the words of the refusal are all there is.
        assert_eq!(told(&Scope::Org("acme".into()), Some("write")), None);
        assert!(told(&Scope::Enterprise("big".into()), None).unwrap().starts_with("GitHub lets no App"));
    }

    #[test]
    fn a_credential_is_named_for_what_it_turned_out_to_be() {
        for (of, expected) in [
            (classic_of(&[]), "a classic token without any scope"),
            (classic_of(&["repo", "gist"]), "a classic token with the scopes repo, gist"),
            (Holder::App(None), "an App"),
            (Holder::App(Some([].into())), "an App whose installation has no permission"),
            (Holder::App(Some([("administration".into(), "write".into())].into())), "an App whose installation has administration: write"),
            (Holder::Token, "a token"),
        ] {
            assert_eq!(holder(&of), expected);
        }
    }
}
