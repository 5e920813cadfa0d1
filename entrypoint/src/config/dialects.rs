//! The variables of other images: what each means there and here, and where we differ and why. Data for the reference.

use std::fmt::Write as _;

use super::{TABLE, environment, foreign};

/// The words of one image.
struct Dialect {
    name: &'static str,
    about: &'static str,
    rows: &'static [Row],
}

struct Row {
    theirs: &'static str,
    meaning: &'static str,
    /// What is different here, and why; empty if nothing is.
    difference: &'static str,
}

const fn row(theirs: &'static str, meaning: &'static str, difference: &'static str) -> Row {
    Row { theirs, meaning, difference }
}

const YES_OR_NO: &str = "there only the word `true` counts; here yes, true, 1 and on do, and what is neither yes nor no is refused";
const DAEMON: &str = "for the docker daemon, which is not in this container; a warning says so";

const DIALECTS: &[Dialect] = &[MYOUNG34, PASSEI_DIRETO, ARC_SCALE_SETS, ARC_LEGACY, REDHAT];

const MYOUNG34: Dialect = Dialect {
    name: "myoung34/docker-github-actions-runner",
    about: "A job file for Nomad, a compose file or a task definition works unchanged but for the image and, with docker, the sidecar. \
            Without RUNNER_TOKEN the runner is registered just in time, so config.sh is not run. \
            SIGINT asks for a stop, as there; set STOP_SIGNALS=TERM where Vault sends it for a renewed secret.",
    rows: &[
        row("ACCESS_TOKEN", "personal access token", "never in the environment of the job; also as a file"),
        row("APP_ID", "GitHub App", "a client id is taken too"),
        row("APP_PRIVATE_KEY", "its key; `\\n` may stand for line breaks", "also as a file"),
        row("APP_LOGIN", "account it is installed on", ""),
        row("RUNNER_TOKEN", "registration token", "may stand beside ACCESS_TOKEN or an App, which then removes the registration"),
        row(
            "RUNNER_SCOPE",
            "repo, org or enterprise, by its beginning",
            "unset means what is named, not always repo; an unknown word is refused",
        ),
        row("ORG_RUNNER", "old word for the scope org", YES_OR_NO),
        row("REPO_URL", "the repository", "its host counts when GITHUB_HOST is not set"),
        row("ORG_NAME", "the organisation", ""),
        row("ENTERPRISE_NAME", "the enterprise", ""),
        row(
            "RUNNER_NAME",
            "the name",
            "a second attempt adds a suffix: GitHub may still hold the name, and `--replace` would take it from a live runner",
        ),
        row("RUNNER_NAME_PREFIX", "start of the name", "default `runner`, there `github-runner`; 12 random characters follow, there 13"),
        row("RANDOM_RUNNER_SUFFIX", "no: the name ends with /etc/hostname", YES_OR_NO),
        row("LABELS", "labels", "without any, no label `default` is added: nobody asks for it"),
        row("RUNNER_LABELS", "the same, read first", ""),
        row("NO_DEFAULT_LABELS", "only the labels given", "any text counted as yes there, even `false`"),
        row("RUNNER_GROUP", "runner group", "ignored with a warning for a repository, which has none"),
        row("RUNNER_WORKDIR", "work folder", "default `_work` in the runner's home, there a folder in /_work"),
        row("RUNNER_WORKDIR_ROOT", "where a work folder named for the runner is made", "no default: only if set"),
        row(
            "ENABLE_RUNNER_WORKDIR_SUFFIX",
            "work folder named for the runner",
            "it is not deleted at the end: it ends with the container, or is yours",
        ),
        row("EPHEMERAL", "one job, then the end", "always so; `false` is warned of, there it counted as yes"),
        row("DISABLE_AUTO_UPDATE", "no self-update", "any text counted as yes there, even `false`; just in time GitHub decides"),
        row("GITHUB_HOST", "host", ""),
        row("GITHUB_API_HOST", "the API's host", ""),
        row("GITHUB_API_PATH", "the API's path, `/` for none", ""),
        row("RUN_AS_ROOT", "stay root", "default no, there yes: a job that is root can read every secret of the container"),
        row("START_DOCKER_SERVICE", "start docker here", "not done, with a warning: runner-dind does it in a container beside"),
        row("UNSET_CONFIG_VARS", "hide the settings from the job", "always so, and the registration can still be removed"),
        row("CONFIGURED_ACTIONS_RUNNER_FILES_DIR", "keep the registration", "not done, with a warning: a registration serves one job"),
        row("DISABLE_AUTOMATIC_DEREGISTRATION", "leave the registration", "not done, with a warning: it is useless after its job"),
        row("DEBUG_ONLY", "do nothing, say what would be done", "does what `check` does, which asks GitHub and docker too"),
        row("DEBUG_OUTPUT", "say more", ""),
        row("RUNNER_ALLOW_RUNASROOT", "the runner may be root", "set by itself where it is needed"),
        row("AGENT_TOOLSDIRECTORY", "tool cache", ""),
    ],
};

const PASSEI_DIRETO: Dialect = Dialect {
    name: "PasseiDireto/gh-runner",
    about: "The overrides that their action sets work unchanged. One job, then the end, with exit code 0.",
    rows: &[
        row("GITHUB_PERSONAL_TOKEN", "personal access token", "never in the environment of the job; also as a file"),
        row("GITHUB_OWNER", "owner of the repository; alone the organisation", ""),
        row("GITHUB_REPOSITORY", "the repository's name", "OWNER/NAME is taken too"),
        row("RUNNER_NAME", "the name", "a second attempt adds a suffix"),
        row("RUNNER_LABELS", "labels", ""),
    ],
};

const ARC_SCALE_SETS: Dialect = Dialect {
    name: "ARC runner scale sets (actions-runner-controller, gha-runner-scale-set)",
    about: "The controller makes the registration; this program needs nothing else and no network to GitHub of its own. \
            Exit code 7 says, as there, that GitHub refuses the runner's version. Build the image with user id 1001 and group 123.",
    rows: &[
        row("ACTIONS_RUNNER_INPUT_JITCONFIG", "JIT configuration", "also as a file; the runner's alone, not the job's"),
        row("ACTIONS_RUNNER_INPUT_URL", "target", ""),
        row("ACTIONS_RUNNER_INPUT_TOKEN", "registration token", ""),
        row("ACTIONS_RUNNER_INPUT_PAT", "personal access token", ""),
        row("ACTIONS_RUNNER_INPUT_NAME", "the name", ""),
        row("ACTIONS_RUNNER_INPUT_LABELS", "labels", ""),
        row("ACTIONS_RUNNER_INPUT_RUNNERGROUP", "runner group", ""),
        row("ACTIONS_RUNNER_INPUT_WORK", "work folder", ""),
        row("ACTIONS_RUNNER_INPUT_DISABLEUPDATE", "no self-update", ""),
        row("ACTIONS_RUNNER_INPUT_EPHEMERAL", "one job, then the end", "always so; `false` is warned of"),
        row("ACTIONS_RUNNER_INPUT_UNATTENDED", "ask nothing", "always so"),
        row("ACTIONS_RUNNER_INPUT_REPLACE", "replace a runner of the same name", "a fresh name is taken instead"),
        row("ACTIONS_RUNNER_RETURN_VERSION_DEPRECATED_EXIT_CODE", "exit code 7 for a refused version", "always so"),
        row("GITHUB_ACTIONS_RUNNER_EXTRA_USER_AGENT", "user agent", ""),
        row("RUNNER_MANUALLY_TRAP_SIG", "run.sh passes signals on", "always so, whether the Listener or run.sh is started"),
        row("ACTIONS_RUNNER_PRINT_LOG_TO_STDOUT", "diagnostic log on standard output", ""),
        row(
            "RUNNER_WAIT_FOR_DOCKER_IN_SECONDS",
            "wait for docker",
            "without docker the task ends with 69 instead of running a job that cannot work",
        ),
        row("DOCKER_HOST", "docker's socket", ""),
        row("DOCKER_GROUP_GID", "group of the socket", "not needed: the group that owns the socket is taken"),
        row("NODE_EXTRA_CA_CERTS", "CA certificates for actions", ""),
        row(
            "RUNNER_UPDATE_CA_CERTS",
            "run.sh adds CA certificates to the image",
            "only run.sh does it, and with sudo; a warning names GITHUB_CA_FILE and SSL_CERT_FILE",
        ),
        row("http_proxy", "proxy for http, in lower or upper case", ""),
        row("https_proxy", "proxy for https, in lower or upper case", ""),
        row("no_proxy", "hosts without proxy, in lower or upper case", ""),
        row("ACTIONS_RUNNER_CONTAINER_HOOKS", "job containers as pods", "KUBERNETES_SERVICE_HOST and _PORT reach the job only with it"),
        row("ACTIONS_RUNNER_POD_NAME", "this pod, for the hooks", ""),
        row("ACTIONS_RUNNER_REQUIRE_JOB_CONTAINER", "refuse jobs without a container", ""),
        row("ACTIONS_RUNNER_IMAGE", "image, for the hooks", ""),
        row("ImageOS", "operating system, for setup actions", ""),
    ],
};

const ARC_LEGACY: Dialect = Dialect {
    name: "ARC legacy runners (actions.summerwind.net)",
    about: "Their controller injects a registration token, so the registration is classic: config.sh is run with it. \
            Without ACCESS_TOKEN or an App beside it the registration of a runner that got no job stays until the controller removes it.",
    rows: &[
        row("RUNNER_NAME", "the name", "not required"),
        row("RUNNER_TOKEN", "registration token", ""),
        row("RUNNER_ORG", "the organisation", "with RUNNER_REPO=NAME it is the repository's owner; there the organisation won"),
        row("RUNNER_REPO", "the repository, OWNER/NAME", "with another target beside it RUNNER_SCOPE must say which is meant"),
        row("RUNNER_ENTERPRISE", "the enterprise", "likewise"),
        row("GITHUB_URL", "GitHub's address", ""),
        row("RUNNER_LABELS", "labels", ""),
        row("RUNNER_GROUP", "runner group", ""),
        row("RUNNER_GROUPS", "the same", ""),
        row("RUNNER_WORKDIR", "work folder", ""),
        row("RUNNER_EPHEMERAL", "one job, then the end", "always so; `false` is warned of"),
        row("RUNNER_FEATURE_FLAG_ONCE", "--once instead of ephemeral", "not done, with a warning: a second job can be lost with it"),
        row("DISABLE_RUNNER_UPDATE", "no self-update", ""),
        row("RUNNER_HOME", "the runner's folder", "default /home/runner, there /runner"),
        row(
            "RUNNER_ASSETS_DIR",
            "where the runner is copied from",
            "not copied, with a warning: it takes seconds; RUNNER_HOME must hold it",
        ),
        row("STARTUP_DELAY_IN_SECONDS", "wait first", ""),
        row(
            "RUNNER_GRACEFUL_STOP_TIMEOUT",
            "time for a job after SIGTERM",
            "taken as the platform's whole grace, of which the job gets its part: more is not certain to be there. Set STOP_TIMEOUT to terminationGracePeriodSeconds and the job gets more",
        ),
        row("DISABLE_WAIT_FOR_DOCKER", "do not wait for docker", ""),
        row("WAIT_FOR_DOCKER_SECONDS", "how long to wait", "the exit code is 69, there 1"),
        row("DOCKER_HOST", "docker's socket", ""),
        row("DOCKER_ENABLED", "docker is there", "DOCKER_HOST says so"),
        row("DOCKERD_IN_RUNNER", "docker runs in this container", "not done, with a warning: runner-dind does it in a container beside"),
        row("DOCKER_GROUP_GID", "group of the socket", "not needed: the group that owns the socket is taken"),
        row("MTU", "of docker's bridge", DAEMON),
        row("ARC_DOCKER_MTU_PROPAGATION", "of other networks", DAEMON),
        row("DOCKER_REGISTRY_MIRROR", "mirror", "the same name on runner-dind; a warning says so here"),
        row("DOCKER_INSECURE_REGISTRY", "registry without TLS", DAEMON),
        row("DOCKER_DEFAULT_ADDRESS_POOL_BASE", "addresses of networks", DAEMON),
        row("DOCKER_DEFAULT_ADDRESS_POOL_SIZE", "addresses of networks", DAEMON),
        row("RUNNER_STATUS_UPDATE_HOOK", "tell the Runner resource", "not done, with a warning: the log and the state file tell it"),
        row("LOG_DEBUG_DISABLED", "a level less in the log", "LOG_LEVEL does it; the other four are accepted as well"),
        row("NO_COLOR", "no colour", ""),
        row(
            "ACTIONS_RUNNER_HOOK_JOB_STARTED",
            "a script before the job",
            "no default: /etc/arc/hooks is theirs; with TOOL_CACHE_RESTORE=before-job it runs after the wait for the cache",
        ),
        row("ACTIONS_RUNNER_HOOK_JOB_COMPLETED", "a script after the job", "no default either"),
        row("RUNNER_TOOL_CACHE", "tool cache", ""),
    ],
};

const REDHAT: Dialect = Dialect {
    name: "redhat-actions/openshift-actions-runners",
    about: "",
    rows: &[
        row("GITHUB_PAT", "personal access token", ""),
        row("GITHUB_APP_ID", "GitHub App", ""),
        row("GITHUB_APP_INSTALL_ID", "its installation", "not needed: found from the target, or from APP_LOGIN"),
        row("GITHUB_APP_PEM", "its key", "also as a file"),
        row("GITHUB_OWNER", "owner of the repository; alone the organisation", ""),
        row("GITHUB_REPOSITORY", "the repository's name", ""),
        row("GITHUB_DOMAIN", "host", ""),
        row("RUNNER_LABELS", "labels", ""),
        row("RUNNER_GROUP", "runner group", ""),
        row("EPHEMERAL", "one job, then the end", "always so; `false` is warned of"),
    ],
};

/// What a foreign name is here.
fn here(name: &str) -> Option<String> {
    if TABLE.get(name).is_some() {
        return Some("same".to_owned());
    }
    if let Some(setting) = TABLE.0.iter().find(|setting| setting.aliases.contains(&name)) {
        return Some(format!("`{}`", setting.name));
    }
    match (foreign::is_word(name), environment::is_the_runners(name)) {
        (_, true) => Some("handed on".to_owned()),
        (true, false) => Some("accepted".to_owned()),
        (false, false) => None,
    }
}

/// The variables of other images as Markdown tables.
pub(crate) fn markdown() -> String {
    let mut text = "\n### Coming from another image\n\n\
        What each variable of another image means here. *same*: a setting of the same name; *handed on*: the runner reads it itself; \
        *accepted*: it changes nothing. A variable that asks for what is done differently here is warned of at the start.\n"
        .to_owned();
    for dialect in DIALECTS {
        let _ = write!(text, "\n#### {}\n\n", dialect.name);
        if !dialect.about.is_empty() {
            let _ = write!(text, "{}\n\n", dialect.about);
        }
        text.push_str("| there | here | meaning | difference, and why |\n|---|---|---|---|\n");
        for row in dialect.rows {
            let here = here(row.theirs).unwrap_or_default();
            let _ = writeln!(text, "| `{}` | {here} | {} | {} |", row.theirs, row.meaning, row.difference);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use settings::Reader;

    use super::*;

    #[test]
    fn every_foreign_name_is_known_here_and_taken_for_no_misspelling() {
        for dialect in DIALECTS {
            for row in dialect.rows {
                assert!(here(row.theirs).is_some(), "{}: {} is nothing here", dialect.name, row.theirs);
                let mut reader = Reader::new(TABLE, [(row.theirs.into(), "x".into())], []);
                let warnings = foreign::warnings(&mut reader);
                assert!(!warnings.iter().any(|warning| warning.contains("did you mean")), "{warnings:?}");
            }
        }
    }

    #[test]
    fn no_variable_is_the_name_of_two_settings() {
        let mut names = TABLE.known_names();
        names.sort();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn a_name_unknown_to_all_is_nothing_here() {
        assert_eq!(here("SOMETHING_ELSE"), None);
        assert_eq!(here("ACTIONS_RUNNER_INPUT_MONITORSOCKETADDRESS"), None);
    }
}
