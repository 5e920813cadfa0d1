//! The task in its forms: what all have in common, said once, and what each changes.

use super::{
    ACCOUNT, REGION,
    ecs::{
        Capabilities, Container, Dependency, DockerVolume, Efs, EfsAuthorization, EphemeralStorage, HealthCheck, Host, LinuxParameters,
        Logs, Map, MountPoint, Pair, RuntimePlatform, Secret, TaskDefinition, Typed, Ulimit, Volume,
    },
};

/// A form of the task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// EC2, the sidecar privileged, an XFS volume of the host.
    Ec2,
    /// As [`Form::Ec2`], with two capabilities in place of `privileged`.
    Ec2Capabilities,
    /// As [`Form::Ec2`], with an EBS volume of the task's own.
    Ec2Ebs,
    /// As [`Form::Ec2`], with Fluent Bit for all output.
    Ec2Firelens,
    /// The runner alone.
    Fargate,
}

/// What Spot leaves is 120 s, and the two times add up, because the sidecar is asked to stop when the runner is gone (amazon-ecs-agent
/// `agent/engine/dependencygraph/graph.go`, `verifyShutdownOrder`).
const RUNNER_STOP: u32 = 85;
const DIND_STOP: u32 = 30;

/// The most that Fargate allows, and what a Spot notice there leaves.
const FARGATE_STOP: u32 = 120;

/// What PID 1 of the runner needs as root: to become the runner's user (two), to signal that user's processes, and to write the folder of
/// the externals, which is that user's.
const RUNNER_CAPABILITIES: [&str; 4] = ["DAC_OVERRIDE", "KILL", "SETGID", "SETUID"];

/// What dockerd needs beside docker's usual fourteen (`docs/docker.md`, "What it needs").
const DIND_CAPABILITIES: [&str; 2] = ["NET_ADMIN", "SYS_ADMIN"];

/// A file that is never `latest`: a task definition says what runs.
fn image(name: &str) -> String {
    format!("{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/{name}:0.1.0")
}

/// Input of RegisterTaskDefinition.
pub(super) fn definition(form: Form) -> TaskDefinition {
    let fargate = form == Form::Fargate;
    let (family, platform, memory) = match form {
        Form::Ec2 => ("runner", "EC2", "15360"),
        Form::Ec2Capabilities => ("runner-capabilities", "EC2", "15360"),
        Form::Ec2Ebs => ("runner-ebs", "EC2", "15360"),
        Form::Ec2Firelens => ("runner-firelens", "EC2", "15360"),
        // Of the pairs that Fargate has (cfn-lint E3047).
        Form::Fargate => ("runner-fargate", "FARGATE", "16384"),
    };
    TaskDefinition {
        family,
        requires_compatibilities: [platform],
        network_mode: "awsvpc",
        runtime_platform: RuntimePlatform { operating_system_family: "LINUX", cpu_architecture: "X86_64" },
        cpu: "4096",
        memory,
        ephemeral_storage: fargate.then_some(EphemeralStorage { size: 60 }),
        task_role_arn: format!("arn:aws:iam::{ACCOUNT}:role/runner-task"),
        execution_role_arn: format!("arn:aws:iam::{ACCOUNT}:role/runner-execution"),
        container_definitions: match form {
            Form::Fargate => vec![runner(form)],
            Form::Ec2Firelens => vec![log_router(), dind(form), runner(form)],
            _ => vec![dind(form), runner(form)],
        },
        volumes: volumes(form),
    }
}

fn dind(form: Form) -> Container {
    let mut environment = vec![pair("STOP_TIMEOUT", DIND_STOP)];
    if form == Form::Ec2Firelens {
        environment.push(pair("DOCKER_LOG_FORWARD", "fluentd://127.0.0.1:24224"));
    }
    let capabilities = (form == Form::Ec2Capabilities)
        .then(|| LinuxParameters { capabilities: Capabilities { add: DIND_CAPABILITIES.into(), ..Capabilities::default() } });
    Container {
        name: "dind",
        image: image("runner-dind"),
        essential: true,
        privileged: Some(capabilities.is_none()),
        linux_parameters: capabilities,
        memory: 14_336,
        memory_reservation: Some(6_144),
        ulimits: open_files(1_048_576),
        depends_on: if form == Form::Ec2Firelens { vec![started("log-router")] } else { vec![] },
        stop_timeout: DIND_STOP,
        environment,
        mount_points: vec![
            mount("task", "/run/task"),
            mount("work", "/home/runner/_work"),
            mount("externals", "/home/runner/externals"),
            mount("tools", "/opt/hostedtoolcache"),
            mount("docker-storage", "/var/docker-storage"),
        ],
        health_check: Some(health(&["CMD", "/usr/local/bin/runner-dind", "health"], 60)),
        log_configuration: logs("dind", form),
        ..Container::default()
    }
}

fn runner(form: Form) -> Container {
    let fargate = form == Form::Fargate;
    let stop = if fargate { FARGATE_STOP } else { RUNNER_STOP };
    let mut environment = vec![
        pair("GITHUB_OWNER", "octo-org"),
        pair("RUNNER_LABELS", if fargate { "fargate" } else { "ecs,docker" }),
        pair("STOP_TIMEOUT", stop),
        pair("TOOL_CACHE_REMOTE", "/mnt/tool-cache"),
    ];
    let mut mounts = vec![mount("tool-cache", "/mnt/tool-cache")];
    if !fargate {
        environment.push(pair("DOCKER_HOST", "unix:///run/task/docker.sock"));
        environment.push(pair("EXTERNALS_SHARED_DIR", "/run/externals"));
        mounts.extend([
            mount("task", "/run/task"),
            mount("work", "/home/runner/_work"),
            mount("externals", "/run/externals"),
            mount("tools", "/opt/hostedtoolcache"),
        ]);
    }
    let mut depends_on = vec![];
    if form == Form::Ec2Firelens {
        depends_on.push(started("log-router"));
    }
    if !fargate {
        depends_on.push(started("dind"));
    }
    // Fargate has neither `dockerSecurityOptions` nor capabilities to add but SYS_PTRACE, and dropping alone would leave PID 1 unable to
    // become the runner's user.
    let capabilities = Capabilities { drop: vec!["ALL"], add: RUNNER_CAPABILITIES.into() };
    Container {
        name: "runner",
        image: image(if fargate { "runner-fargate" } else { "runner" }),
        essential: true,
        linux_parameters: (!fargate).then_some(LinuxParameters { capabilities }),
        docker_security_options: if fargate { vec![] } else { vec!["no-new-privileges"] },
        memory: if fargate { 16_384 } else { 14_336 },
        memory_reservation: (!fargate).then_some(6_144),
        ulimits: open_files(65_536),
        depends_on,
        stop_timeout: stop,
        environment,
        secrets: vec![Secret {
            name: "ACCESS_TOKEN",
            value_from: format!("arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:runner/access-token-AbCdEf"),
        }],
        mount_points: mounts,
        health_check: Some(health(&["CMD", "/usr/local/bin/runner-entrypoint", "health"], 60)),
        log_configuration: logs("runner", form),
        ..Container::default()
    }
}

/// The image's tag is one of aws-for-fluent-bit's releases; AWS moves `stable` and `latest`.
fn log_router() -> Container {
    let options = Map::from([
        ("config-file-type", "s3".to_owned()),
        ("config-file-value", "arn:aws:s3:::octo-org-runner-config/fluent-bit.conf".to_owned()),
        ("enable-ecs-log-metadata", "true".to_owned()),
    ]);
    Container {
        name: "log-router",
        image: "public.ecr.aws/aws-observability/aws-for-fluent-bit:2.32.0".to_owned(),
        essential: true,
        user: Some("0"),
        memory: 256,
        memory_reservation: Some(64),
        stop_timeout: 5,
        firelens_configuration: Some(Typed { kind: "fluentbit", options }),
        log_configuration: cloudwatch("log-router"),
        ..Container::default()
    }
}

fn volumes(form: Form) -> Vec<Volume> {
    let cache = Volume {
        name: "tool-cache",
        efs_volume_configuration: Some(Efs {
            file_system_id: "fs-0123456789abcdef0",
            transit_encryption: "ENABLED",
            authorization_config: EfsAuthorization { access_point_id: "fsap-0123456789abcdef0", iam: "ENABLED" },
        }),
        ..Volume::default()
    };
    let storage = match form {
        Form::Fargate => return vec![cache],
        Form::Ec2Ebs => Volume { name: "docker-storage", configured_at_launch: Some(true), ..Volume::default() },
        _ => Volume { name: "docker-storage", host: Some(Host { source_path: "/var/docker-storage" }), ..Volume::default() },
    };
    let memory = [("device", "tmpfs"), ("o", "mode=0755,size=16m"), ("type", "tmpfs")].map(|(name, value)| (name, value.to_owned()));
    vec![
        of_task("task", memory.into()),
        of_task("work", Map::new()),
        of_task("externals", Map::new()),
        of_task("tools", Map::new()),
        storage,
        cache,
    ]
}

/// A volume that docker makes for this task. It gets the owner of the folder that the first container's image has in its place, which a
/// bind mount would not.
fn of_task(name: &'static str, options: Map) -> Volume {
    Volume {
        name,
        docker_volume_configuration: Some(DockerVolume { scope: "task", driver: "local", driver_opts: options }),
        ..Volume::default()
    }
}

fn logs(container: &'static str, form: Form) -> Logs {
    if form != Form::Ec2Firelens {
        return cloudwatch(container);
    }
    let options = [
        ("Name", "cloudwatch_logs"),
        ("region", REGION),
        ("log_group_name", "/ecs/runner"),
        ("log_stream_prefix", "runner/"),
        ("auto_create_group", "false"),
    ];
    Logs { log_driver: "awsfirelens", options: options.map(|(name, value)| (name, value.to_owned())).into() }
}

/// `non-blocking`, because a log that CloudWatch does not take must not hold a job up.
fn cloudwatch(container: &'static str) -> Logs {
    let options = [
        ("awslogs-group", "/ecs/runner"),
        ("awslogs-region", REGION),
        ("awslogs-stream-prefix", container),
        ("max-buffer-size", "4m"),
        ("mode", "non-blocking"),
    ];
    Logs { log_driver: "awslogs", options: options.map(|(name, value)| (name, value.to_owned())).into() }
}

fn health(command: &[&'static str], start_period: u32) -> HealthCheck {
    HealthCheck { command: command.to_vec(), interval: 10, timeout: 5, retries: 3, start_period }
}

fn open_files(limit: u32) -> Vec<Ulimit> {
    vec![Ulimit { name: "nofile", soft_limit: limit, hard_limit: limit }]
}

/// START alone: it gives the order of the stop as HEALTHY does, and HEALTHY would wait for a look of the agent's every ten seconds.
fn started(container_name: &'static str) -> Dependency {
    Dependency { container_name, condition: "START" }
}

fn mount(source_volume: &'static str, container_path: &'static str) -> MountPoint {
    MountPoint { source_volume, container_path, read_only: false }
}

fn pair(name: &'static str, value: impl ToString) -> Pair {
    Pair { name, value: value.to_string() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const FORMS: [Form; 5] = [Form::Ec2, Form::Ec2Capabilities, Form::Ec2Ebs, Form::Ec2Firelens, Form::Fargate];

    fn value<'a>(container: &'a Container, name: &str) -> Option<&'a str> {
        container.environment.iter().find(|pair| pair.name == name).map(|pair| pair.value.as_str())
    }

    #[test]
    fn each_volume_is_mounted_and_each_mount_has_its_volume() {
        for form in FORMS {
            let task = definition(form);
            let declared: BTreeSet<_> = task.volumes.iter().map(|volume| volume.name).collect();
            let mounted: BTreeSet<_> =
                task.container_definitions.iter().flat_map(|container| &container.mount_points).map(|mount| mount.source_volume).collect();
            assert_eq!(declared, mounted, "{form:?}");
        }
    }

    #[test]
    fn the_stops_of_a_chain_fit_what_spot_leaves_and_each_program_knows_its_own() {
        for form in FORMS {
            let task = definition(form);
            let programs: Vec<_> = task.container_definitions.iter().filter(|container| container.name != "log-router").collect();
            assert!(programs.iter().map(|container| container.stop_timeout).sum::<u32>() <= 120, "{form:?}");
            for container in programs {
                assert_eq!(
                    value(container, "STOP_TIMEOUT"),
                    Some(container.stop_timeout.to_string().as_str()),
                    "{form:?} {}",
                    container.name
                );
            }
        }
    }

    #[test]
    fn both_sides_have_the_shared_folders_at_the_paths_that_they_look_at() {
        for form in FORMS.into_iter().filter(|&form| form != Form::Fargate) {
            let task = definition(form);
            let path = |name: &str, volume: &str| {
                let container = task.container_definitions.iter().find(|container| container.name == name).unwrap();
                container.mount_points.iter().find(|mount| mount.source_volume == volume).map(|mount| mount.container_path)
            };
            for volume in ["task", "work", "tools"] {
                assert_eq!(path("runner", volume), path("dind", volume), "{form:?} {volume}");
            }
            let runner = task.container_definitions.iter().find(|container| container.name == "runner").unwrap();
            assert_eq!(value(runner, "EXTERNALS_SHARED_DIR"), path("runner", "externals"), "{form:?}");
            assert_ne!(path("runner", "externals"), path("dind", "externals"), "{form:?}");
            assert!(value(runner, "DOCKER_HOST").unwrap().starts_with(&format!("unix://{}/", path("dind", "task").unwrap())), "{form:?}");
            // What EFS holds is the runner's alone.
            assert_eq!(path("dind", "tool-cache"), None, "{form:?}");
        }
    }

    #[test]
    fn what_is_kept_for_the_containers_fits_the_task_and_no_limit_is_beyond_it() {
        for form in FORMS {
            let task = definition(form);
            let whole: u32 = task.memory.parse().unwrap();
            let kept: u32 =
                task.container_definitions.iter().map(|container| container.memory_reservation.unwrap_or(container.memory)).sum();
            assert!(kept <= whole && task.container_definitions.iter().all(|container| container.memory <= whole), "{form:?}");
        }
    }
}
