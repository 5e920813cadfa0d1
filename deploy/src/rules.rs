//! Every rule, once. A name that was published stays.

use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It does not work, or gives away what it must not.
    Error,
    /// It works until something happens, or works worse than it could.
    Warning,
    /// Worth knowing.
    Note,
}

impl Severity {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// What is looked for.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// In kebab case; it never changes its meaning.
    pub name: &'static str,
    /// The same wherever it speaks.
    pub severity: Severity,
    /// What is wrong, in one line.
    pub about: &'static str,
}

macro_rules! rules {
    ($($constant:ident $name:literal $severity:ident $about:literal)*) => {
        $(pub(crate) const $constant: Rule = Rule { name: $name, severity: Severity::$severity, about: $about };)*

        /// All of them: of the file, of the pair, of one platform.
        pub const RULES: &[Rule] = &[$($constant),*];
    };
}

rules! {
    UNREADABLE "unreadable" Error "the file cannot be read, or is not what its format allows"
    NOT_A_DEPLOYMENT "not-a-deployment" Error "the file is no task definition, compose file, manifest with a pod, scale set's values, or Nomad job"
    DUPLICATE_KEY "duplicate-key" Error "a key stands twice in one map: which of the two counts differs from reader to reader"

    ROLE_UNCLEAR "role-unclear" Warning "which container is the runner or the sidecar had to be assumed"
    NO_RUNNER "no-runner" Warning "no container is the runner"

    TASK_FOLDER_NOT_SHARED "task-folder-not-shared" Error "runner and sidecar do not have the task's folder (TASK_DIR) on one volume"
    TASK_FOLDER_READ_ONLY "task-folder-read-only" Error "one of the two cannot write to the task's folder"
    WORK_NOT_SHARED "work-not-shared" Error "the work folder is not on one volume in both"
    WORK_PATH "work-path" Error "the work folder's volume is at different paths"
    WORK_READ_ONLY "work-read-only" Error "one of the two cannot write to the work folder"
    EXTERNALS_NOT_SHARED "externals-not-shared" Error "the sidecar does not have the runner's externals"
    EXTERNALS_HIDDEN "externals-hidden" Error "an empty volume hides the externals of the runner's image"
    TOOLS_NOT_SHARED "tools-not-shared" Warning "job containers do not have the tool cache"
    VOLUME_OF_MANY_TASKS "volume-of-many-tasks" Error "a folder that must be one task's is every task's"
    STORAGE_NOT_MOUNTED "storage-not-mounted" Error "docker's storage is on no volume"
    STORAGE_READ_ONLY "storage-read-only" Error "docker's storage cannot be written"
    STORAGE_IN_RUNNER "storage-in-runner" Warning "the runner has docker's storage"
    DOCKER_HOST "docker-host" Error "DOCKER_HOST is not where the sidecar listens"
    DOCKER_HOST_MISSING "docker-host-missing" Error "there is a sidecar, and the runner has no DOCKER_HOST"
    DOCKER_HOST_WITHOUT_DIND "docker-host-without-dind" Warning "the runner waits for a docker that nothing in the task makes"
    NETWORK_NOT_SHARED "network-not-shared" Error "runner and sidecar have no common network namespace"
    NETWORK_OF_HOST "network-of-host" Warning "the network is the host's"

    STOP_ORDER "stop-order" Error "the sidecar is not stopped after the runner"
    STOP_TIMEOUT_MALFORMED "stop-timeout-malformed" Error "STOP_TIMEOUT is no time span"
    STOP_TIMEOUT_TOO_LONG "stop-timeout-too-long" Error "STOP_TIMEOUT is more than the platform gives"
    STOP_TIMEOUT_UNSET "stop-timeout-unset" Warning "the platform gives more time than the program knows of"
    STOP_TIMEOUT_RANGE "stop-timeout-range" Error "stopTimeout is not what Fargate takes"
    STOP_BUDGET "stop-budget" Warning "stops that follow each other take longer than there is time"
    RESTART "restart" Warning "a container is started again when it ends"

    SECRET_IN_ENVIRONMENT "secret-in-environment" Error "a secret of ours is a plain value"
    SECRET_IN_FILE "secret-in-file" Error "a token or private key stands in the file"
    SETTING_MISSPELT "setting-misspelt" Warning "a variable that is nearly one of our settings"
    SETTING_OF_THE_OTHER "setting-of-the-other" Warning "a setting of the other program"

    RUNNER_PRIVILEGED "runner-privileged" Error "the runner is privileged"
    RUNNER_READ_ONLY "runner-read-only" Error "the runner's file system is read-only"
    RUNNER_CAPABILITIES "runner-capabilities" Error "the runner starts as root and lacks what it needs to become its user"
    HOSTS_DOCKER "hosts-docker" Error "a container has the docker of the host"
    HOST_NAMESPACE "host-namespace" Error "processes of the host can be seen"
    DIND_NOT_ROOT "dind-not-root" Error "the sidecar is not root"
    DIND_RIGHTS "dind-rights" Error "the sidecar is neither privileged nor has the two capabilities"
    DIND_SECCOMP "dind-seccomp" Error "the sidecar has capabilities that its seccomp profile forbids to use"
    DIND_SECCOMP_OF_HOST "dind-seccomp-of-host" Note "the sidecar needs hosts without a seccomp profile"
    CAPABILITY "capability" Error "there is no such capability"
    USER "user" Error "the user is none"
    IMAGE_LATEST "image-latest" Warning "an image without a version"
    HEALTH_MISSING "health-missing" Warning "no health check where the platform takes it from the file"
    HEALTH_COMMAND "health-command" Error "the health check does not ask the program that runs there"
    INIT "init" Note "an init process above ours"

    MOUNT_UNDECLARED "mount-undeclared" Error "a volume is mounted that is not declared"
    VOLUME_UNUSED "volume-unused" Warning "a volume that nobody mounts"
    DUPLICATE_NAME "duplicate-name" Error "two containers, or two volumes, have one name"
    DEPENDS_ON_UNKNOWN "depends-on-unknown" Error "dependsOn names no container"
    DEPENDS_ON_CYCLE "depends-on-cycle" Error "containers wait for each other"
    HEALTHY_WITHOUT_CHECK "healthy-without-check" Error "HEALTHY for a container without a health check"
    HEALTHY_WAITS "healthy-waits" Note "the runner starts only when the sidecar is healthy"
    COMPLETE_ON_ESSENTIAL "complete-on-essential" Error "COMPLETE or SUCCESS for an essential container"
    NOT_ESSENTIAL "not-essential" Error "runner or sidecar is not essential"
    HEALTH_RANGE "health-range" Error "a number of the health check is out of range"
    FAMILY "family" Error "the family's name has letters that are not allowed"
    MEMORY_MISSING "memory-missing" Error "neither the task nor the container has memory"
    MEMORY_OF_CONTAINER "memory-of-container" Note "a container does not see its limit"
    LOG_DRIVER "log-driver" Error "a log driver that is not there"
    FIRELENS_WITHOUT_ROUTER "firelens-without-router" Error "awsfirelens without a log router"
    ROUTER_WITHOUT_USERS "router-without-users" Warning "a log router that nobody uses"
    LOG_ROUTER_ORDER "log-router-order" Warning "the log router may be stopped before who logs through it"
    EFS_WITHOUT_TLS "efs-without-tls" Error "an access point or IAM without TLS"
    EFS_ROOT_DIRECTORY "efs-root-directory" Error "an access point with a root directory"
    FARGATE_UNSUPPORTED "fargate-unsupported" Error "Fargate does not have it"
    FARGATE_ONLY "fargate-only" Error "only Fargate has it"

    PLAIN_SIDECAR "plain-sidecar" Warning "nobody stops the sidecar when the runner has ended"
    SIDECAR_FLAPS "sidecar-flaps" Warning "a native sidecar that ends by itself is started again"
    SERVICE_ACCOUNT_TOKEN "service-account-token" Warning "jobs can read the pod's token"
    HOST_PATH_TYPE "host-path-type" Warning "docker's storage may be a folder on the node's own disk"
    ARC_CONTAINER_MODE "arc-container-mode" Error "the chart adds a second docker"
    TEMPLATE_ENDS_JOB "template-ends-job" Warning "a secret that is renewed ends the job"
}
