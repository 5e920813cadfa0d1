//! What a man page has of the world around a program.

/// Of one program.
pub(super) struct Surroundings {
    /// What it is, in a few words, as `apropos` shows it.
    pub(super) name: &'static str,
    pub(super) description: &'static str,
    pub(super) files: &'static [(&'static str, &'static str)],
    pub(super) examples: &'static [Example],
    pub(super) see_also: &'static [(&'static str, &'static str)],
}

pub(super) struct Example {
    pub(super) what: &'static str,
    pub(super) lines: &'static [&'static str],
}

impl Surroundings {
    pub(super) fn of(program: &str) -> &'static Self {
        if program == "runner-dind" { &DIND } else { &ENTRYPOINT }
    }
}

const ENTRYPOINT: Surroundings = Surroundings {
    name: "run one GitHub Actions job as a container's first process",
    description: "It is meant to be PID 1 of a container that lives for one job. SIGTERM asks for a stop: an idle runner is removed first, a \
                  busy one may end its job within STOP_TIMEOUT. A second signal hurries. The last record of its log says with reason and \
                  exit code how the life ended.",
    files: &[
        ("/run/task/runner", "The folder of this program in TASK_DIR: its lock and its state, which health reads."),
        ("/run/task/docker.sock", "The socket of the docker sidecar, for DOCKER_HOST."),
        ("/home/runner", "The runner: bin/Runner.Listener or run.sh (RUNNER_HOME)."),
        ("/opt/hostedtoolcache", "The local tool cache (RUNNER_TOOL_CACHE)."),
        ("/dev/termination-log", "Gets the last record, if it is there (TERMINATION_LOG)."),
    ],
    examples: &[
        Example {
            what: "What would happen with these settings, and what is wrong:",
            lines: &["ACCESS_TOKEN_FILE=/run/secrets/github \\", "REPO_URL=https://github.com/octo-org/octo-repo runner-entrypoint check"],
        },
        Example {
            what: "One job in a container that has no docker:",
            lines: &[
                "docker run --rm -e ACCESS_TOKEN -e REPO_URL=https://github.com/octo-org/octo-repo \\",
                "    ghcr.io/octo-org/runner-fargate:0.1.0",
            ],
        },
        Example { what: "Which tools are on shared storage:", lines: &["runner-entrypoint cache list /mnt/tools"] },
        Example {
            what: "A server as the first process's only child, with ten seconds to end:",
            lines: &["runner-entrypoint supervise --grace 10 -- nginx -g 'daemon off;'"],
        },
    ],
    see_also: &[("runner-dind", "1"), ("docker", "1"), ("tini", "1"), ("rsync", "1")],
};

const DIND: Surroundings = Surroundings {
    name: "run docker for one GitHub Actions job as a container's first process",
    description: "It is meant to be PID 1 of a privileged container beside that of runner-entrypoint, which shares TASK_DIR, a few folders \
                  and the network with it. docker.sock appears when a container has run on the daemon. After SIGTERM it waits until the \
                  runner is gone, kills what still runs, and removes the task's data.",
    files: &[
        ("/run/task/docker.sock", "The socket of docker, there when docker is ready (TASK_DIR)."),
        ("/run/task/dind", "The folder of this program in TASK_DIR: its lock and its state, which health reads."),
        ("/var/docker-storage", "The volume for docker's data (DOCKER_STORAGE_ROOT), with a directory for each task."),
        ("/var/run/docker.sock", "Leads to the socket in TASK_DIR, for programs that look nowhere else."),
        ("/etc/docker/daemon.json", "Settings of dockerd to take in, if it is there (DOCKER_DAEMON_JSON)."),
    ],
    examples: &[
        Example {
            what: "Whether docker could run in a container here, on any file system that overlay works on:",
            lines: &[
                "docker run --rm --privileged -v /var/docker-storage -e DOCKER_STORAGE_MODE=any \\",
                "    ghcr.io/octo-org/runner-dind:0.1.0 check",
            ],
        },
        Example {
            what: "What is wrong with a deployment, before anything runs:",
            lines: &["runner-dind check-deploy --strict compose.yaml"],
        },
        Example {
            what: "On a host, from a timer: what killed tasks left goes.",
            lines: &["runner-dind sweep --docker-storage-root /var/docker-storage"],
        },
    ],
    see_also: &[("runner-entrypoint", "1"), ("dockerd", "8"), ("docker", "1"), ("mkfs.xfs", "8")],
};
