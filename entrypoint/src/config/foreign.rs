//! Words of other images that change nothing here. Each is accepted, so that a deployment written for another image works unchanged;
//! where it asks for something that this program does differently, a warning says so.

use settings::Reader;

use super::environment;

/// When a word asks for what is done differently here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    /// Whatever it says, things are as it wants them.
    Never,
    /// As soon as it is set.
    Set,
    /// When it says yes; what is neither yes nor no is a problem.
    Yes,
    /// When it says no; likewise.
    No,
}

/// A variable of another image.
struct Word {
    name: &'static str,
    when: When,
    /// Follows the name in the warning.
    says: &'static str,
}

const fn silent(name: &'static str) -> Word {
    Word { name, when: When::Never, says: "" }
}

const fn word(name: &'static str, when: When, says: &'static str) -> Word {
    Word { name, when, says }
}

const ONE_JOB: &str = "cannot be no: this program runs one job and ends, so its registration is always ephemeral";
const NO_DAEMON: &str = "is not used: no docker daemon is started in the runner's container; run runner-dind beside it and set DOCKER_HOST";
const DAEMONS: &str = "is not used: it is for the docker daemon, which is in another container; set it there";

const WORDS: &[Word] = &[
    word("EPHEMERAL", When::No, ONE_JOB),
    word("RUNNER_EPHEMERAL", When::No, ONE_JOB),
    word("ACTIONS_RUNNER_INPUT_EPHEMERAL", When::No, ONE_JOB),
    word("RUNNER_FEATURE_FLAG_ONCE", When::Yes, "is not used: with --once a second job can be lost; the registration is ephemeral instead"),
    silent("ACTIONS_RUNNER_INPUT_UNATTENDED"),
    silent("ACTIONS_RUNNER_INPUT_REPLACE"),
    word("START_DOCKER_SERVICE", When::Yes, NO_DAEMON),
    word("DOCKERD_IN_RUNNER", When::Yes, NO_DAEMON),
    silent("DOCKER_ENABLED"),
    silent("DOCKER_GROUP_GID"),
    word("MTU", When::Set, DAEMONS),
    word("ARC_DOCKER_MTU_PROPAGATION", When::Yes, DAEMONS),
    word("DOCKER_REGISTRY_MIRROR", When::Set, DAEMONS),
    word("DOCKER_INSECURE_REGISTRY", When::Set, DAEMONS),
    word("DOCKER_DEFAULT_ADDRESS_POOL_BASE", When::Set, DAEMONS),
    word("DOCKER_DEFAULT_ADDRESS_POOL_SIZE", When::Set, DAEMONS),
    silent("UNSET_CONFIG_VARS"),
    word(
        "CONFIGURED_ACTIONS_RUNNER_FILES_DIR",
        When::Set,
        "is not used: a registration serves one job and is not kept; each task gets one of its own",
    ),
    word(
        "DISABLE_AUTOMATIC_DEREGISTRATION",
        When::Yes,
        "is not used: a registration for one job is useless after it, so it is always removed",
    ),
    silent("RUNNER_ALLOW_RUNASROOT"),
    silent("RUNNER_MANUALLY_TRAP_SIG"),
    word("RUNNER_ASSETS_DIR", When::Set, "is not used: nothing is copied at the start; RUNNER_HOME must hold the unpacked runner"),
    word("RUNNER_STATUS_UPDATE_HOOK", When::Yes, "is not used: no Runner resource is patched; the log and TASK_DIR tell the state"),
    word(
        "RUNNER_UPDATE_CA_CERTS",
        When::Set,
        "works only with RUNNER_COMMAND=run.sh; better set GITHUB_CA_FILE to your CA, and SSL_CERT_FILE to a bundle that has it too",
    ),
    silent("GITHUB_APP_INSTALL_ID"),
    silent("NO_COLOR"),
    silent("LOG_DEBUG_DISABLED"),
    silent("LOG_NOTICE_DISABLED"),
    silent("LOG_WARNING_DISABLED"),
    silent("LOG_ERROR_DISABLED"),
    silent("LOG_SUCCESS_DISABLED"),
];

/// Whether it is a word of another image that changes nothing here.
pub(super) fn is_word(name: &str) -> bool {
    WORDS.iter().any(|word| word.name == name)
}

/// What is said of variables that do not do what their author thinks: misspelt ones, and words of other images.
pub(super) fn warnings(reader: &mut Reader) -> Vec<String> {
    let names: Vec<String> = reader.names().map(str::to_owned).collect();
    let meant: Vec<&str> = names.iter().map(String::as_str).filter(|name| is_word(name) || environment::is_the_runners(name)).collect();
    let mut warnings = reader.misspelt(&meant);
    for word in WORDS {
        let asks = match word.when {
            When::Never => false,
            When::Set => reader.foreign(word.name).is_some(),
            When::Yes => reader.foreign_switch(word.name) == Some(true),
            When::No => reader.foreign_switch(word.name) == Some(false),
        };
        if asks {
            warnings.push(format!("{} {}", word.name, word.says));
        }
    }
    let known = super::TABLE.known_names();
    let options = names.iter().filter(|name| environment::is_option(name) && !is_word(name) && !known.contains(name));
    warnings.extend(options.map(|name| format!("{name} is not used: this program sets the runner's options itself")));
    warnings
}
