//! What docker is asked for, from a definition: pure. Owns how the agent translates fields (`agent/api/task/task.go`, dockerConfig and
//! dockerHostConfig), and where volumes come from.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::definition::{Container, Definition, Ulimit, Volume};
use super::order::{self, Rule};

/// Between SIGTERM and SIGKILL when nobody says it (`ECS_CONTAINER_STOP_TIMEOUT`).
const STOP_TIMEOUT: u64 = 30;
/// What docker's least share of processors is.
const LEAST_SHARES: u64 = 2;

/// What RunTask may say beside the definition: `overrides.containerOverrides`.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    environment: BTreeMap<String, BTreeMap<String, String>>,
    memory: BTreeMap<String, (u64, u64)>,
}

impl Overrides {
    /// `environment` of a container: added, or instead of what the definition says.
    #[must_use]
    pub fn env(mut self, container: &str, name: &str, value: impl Into<String>) -> Self {
        self.environment.entry(container.into()).or_default().insert(name.into(), value.into());
        self
    }

    /// `memory` and `memoryReservation` of a container, in MiB.
    #[must_use]
    pub fn memory(mut self, container: &str, limit: u64, reservation: u64) -> Self {
        self.memory.insert(container.into(), (limit, reservation));
        self
    }
}

/// Where a task is played.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// Part of the names of what is made.
    pub(super) task: String,
    /// The container whose network all have.
    pub(super) pause: String,
    /// What the agent sets in every container.
    pub(super) environment: BTreeMap<String, String>,
    /// Where shared file systems are mounted on the host.
    pub(super) efs: String,
    /// Where disks of the task are mounted.
    pub(super) ebs: String,
    /// The log router's socket on the host.
    pub(super) firelens: String,
    /// The most files that a process may open on this machine, which nobody here can raise.
    pub(super) open_files: i64,
}

/// A volume of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// docker makes it, for the body of its API; it goes with the task.
    Made { name: String, body: Value },
    /// A folder of the host.
    Folder(String),
    /// A new disk, mounted there.
    Disk(String),
}

/// A task, ready to be done.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) volumes: Vec<Source>,
    /// The body of docker's API for each container, in the definition's order.
    pub(super) bodies: Vec<Value>,
    pub(super) rules: Vec<Rule>,
}

/// The rules of order alone.
pub(super) fn rules(definition: &Definition) -> Vec<Rule> {
    let place = |name: &str| definition.containers.iter().position(|container| container.name == name);
    let rule = |container: &Container| Rule {
        essential: container.essential,
        depends_on: container.depends_on.iter().filter_map(|on| Some((place(&on.container_name)?, on.condition))).collect(),
        stop_timeout: Duration::from_secs(container.stop_timeout.unwrap_or(STOP_TIMEOUT)),
        start_timeout: container.start_timeout.map(Duration::from_secs),
    };
    definition.containers.iter().map(rule).collect()
}

pub(super) fn plan(
    definition: &Definition,
    overrides: &Overrides,
    secrets: &BTreeMap<String, String>,
    place: &Place,
) -> Result<Plan, Vec<String>> {
    let mut faults = Vec::new();
    let sources: BTreeMap<&str, Source> =
        definition.volumes.iter().map(|volume| (volume.name.as_str(), source(volume, definition, place))).collect();
    let named = overrides.environment.keys().chain(overrides.memory.keys());
    faults.extend(
        named.filter(|name| definition.container(name).is_none()).map(|name| format!("an override for {name}, which is not there")),
    );
    let rules = rules(definition);
    if let Some(index) = order::circle(&rules) {
        faults.push(format!("{} waits for itself", definition.containers[index].name));
    }
    let bodies = definition.containers.iter().map(|container| {
        let mut environment = place.environment.clone();
        environment.extend(container.environment.iter().map(|variable| (variable.name.clone(), variable.value.clone())));
        for secret in &container.secrets {
            match secrets.get(&secret.name) {
                Some(value) => drop(environment.insert(secret.name.clone(), value.clone())),
                None => faults.push(format!("{}: no value for the secret {} ({})", container.name, secret.name, secret.value_from)),
            }
        }
        environment
            .extend(overrides.environment.get(&container.name).into_iter().flatten().map(|(name, value)| (name.clone(), value.clone())));
        let mut container = container.clone();
        if let Some((limit, reservation)) = overrides.memory.get(&container.name) {
            (container.memory, container.memory_reservation) = (Some(*limit), Some(*reservation));
        }
        body(definition, &container, &environment, &sources, place)
    });
    let bodies = bodies.collect();
    if faults.is_empty() { Ok(Plan { volumes: sources.into_values().collect(), bodies, rules }) } else { Err(faults) }
}

fn source(volume: &Volume, definition: &Definition, place: &Place) -> Source {
    if let Some(path) = volume.host.as_ref().and_then(|host| host.source_path.as_ref()) {
        return Source::Folder(path.clone());
    }
    if let Some(efs) = &volume.efs_volume_configuration {
        return Source::Folder(format!("{}/{}", place.efs, efs.access_point()));
    }
    if volume.configured_at_launch {
        return Source::Disk(format!("{}/{}_{}", place.ebs, place.task, volume.name));
    }
    // What docker makes, also for an empty `host`.
    let name = format!("ecs-{}-1-{}-{}", definition.family, volume.name, place.task);
    let named = volume.docker_volume_configuration.as_ref();
    let body = json!({
        "Name": name,
        "Driver": named.and_then(|named| named.driver.as_deref()).unwrap_or("local"),
        "DriverOpts": named.map(|named| &named.driver_opts),
        "Labels": named.map(|named| &named.labels),
    });
    Source::Made { name, body }
}

fn body(
    definition: &Definition,
    container: &Container,
    environment: &BTreeMap<String, String>,
    sources: &BTreeMap<&str, Source>,
    place: &Place,
) -> Value {
    let mebibytes = |number: Option<u64>| number.map_or(0, |number| number << 20);
    let seconds = |number: u64| number * 1_000_000_000;
    let binds: Vec<String> = container
        .mount_points
        .iter()
        .map(|mount| {
            let (Source::Made { name: from, .. } | Source::Folder(from) | Source::Disk(from)) = &sources[mount.source_volume.as_str()];
            format!("{from}:{}{}", mount.container_path, if mount.read_only { ":ro" } else { "" })
        })
        .collect();
    let linux = &container.linux_parameters;
    let tmpfs: BTreeMap<&str, String> = linux
        .tmpfs
        .iter()
        .map(|mount| {
            let options = mount.mount_options.iter().map(|option| format!(",{option}")).collect::<String>();
            (mount.container_path.as_str(), format!("size={}m{options}", mount.size))
        })
        .collect();
    let health = container.health_check.as_ref().map(|check| {
        let told = matches!(check.command.first().map(String::as_str), Some("CMD" | "CMD-SHELL"));
        let command = if told { check.command.clone() } else { [&["CMD".to_owned()], &check.command[..]].concat() };
        json!({"Test": command, "Interval": seconds(check.interval), "Timeout": seconds(check.timeout), "Retries": check.retries,
            "StartPeriod": seconds(check.start_period)})
    });
    let mut labels: BTreeMap<String, String> = container.docker_labels.clone();
    labels.extend([
        ("com.amazonaws.ecs.container-name".to_owned(), container.name.clone()),
        ("com.amazonaws.ecs.task-definition-family".to_owned(), definition.family.clone()),
    ]);
    json!({
        "Image": container.image,
        "Env": environment.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>(),
        "Cmd": container.command,
        "Entrypoint": container.entry_point,
        "WorkingDir": container.working_directory,
        "User": container.user.as_deref().unwrap_or(""),
        "Labels": labels,
        // The image's own is not looked at.
        "Healthcheck": health.unwrap_or_else(|| json!({"Test": ["NONE"]})),
        "HostConfig": {
            "NetworkMode": format!("container:{}", place.pause),
            "Binds": binds,
            "Privileged": container.privileged,
            "CapAdd": linux.capabilities.add,
            "CapDrop": linux.capabilities.drop,
            "ReadonlyRootfs": container.readonly_root_filesystem,
            "SecurityOpt": container.docker_security_options,
            "Init": linux.init_process_enabled,
            "Tmpfs": tmpfs,
            "ShmSize": mebibytes(linux.shared_memory_size),
            "Memory": mebibytes(container.memory),
            "MemoryReservation": mebibytes(container.memory_reservation),
            "CpuShares": container.cpu.max(LEAST_SHARES),
            "Ulimits": ulimits(container, place),
            "LogConfig": logs(container, place),
        },
    })
}

/// Of a machine that allows less than the definition wants, its own.
fn ulimits(container: &Container, place: &Place) -> Vec<Value> {
    let most = |name: &str| if name == "nofile" { place.open_files } else { i64::MAX };
    let limit = |limit: &Ulimit| {
        let most = most(&limit.name);
        json!({"Name": limit.name, "Soft": limit.soft_limit.min(most), "Hard": limit.hard_limit.min(most)})
    };
    container.ulimits.iter().map(limit).collect()
}

/// CloudWatch's lines stay in docker's own file; a log router's go to its socket, as the agent sets it up (`agent/engine/docker_task_engine.go`,
/// getFirelensLogConfig).
fn logs(container: &Container, place: &Place) -> Value {
    match container.log_configuration.as_ref().map(|log| log.log_driver.as_str()) {
        Some("awsfirelens") => json!({"Type": "fluentd", "Config": {
            "fluentd-address": format!("unix://{}", place.firelens),
            "fluentd-async": "true",
            "fluentd-sub-second-precision": "true",
            "tag": format!("{}-firelens-{}", container.name, place.task),
        }}),
        _ => json!({"Type": "json-file", "Config": {}}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place {
            task: "t1".into(),
            pause: "pause".into(),
            environment: BTreeMap::from([("ECS_AGENT_URI".into(), "http://x".into())]),
            efs: "/mnt/efs".into(),
            ebs: "/mnt/ecs/ebs".into(),
            firelens: "/run/fluent.sock".into(),
            open_files: 1_024,
        }
    }

    fn definition(containers: &str) -> Definition {
        let volumes = r#"[{"name": "task", "dockerVolumeConfiguration": {"scope": "task", "driver": "local", "driverOpts": {"type": "tmpfs"}}},
            {"name": "work", "host": {}}, {"name": "storage", "host": {"sourcePath": "/var/docker-storage"}},
            {"name": "disk", "configuredAtLaunch": true}, {"name": "cache", "efsVolumeConfiguration": {"fileSystemId": "fs-1",
            "transitEncryption": "ENABLED", "authorizationConfig": {"accessPointId": "fsap-1", "iam": "ENABLED"}}}]"#;
        Definition::parse(&format!(
            r#"{{"family": "pair", "networkMode": "awsvpc", "volumes": {volumes}, "containerDefinitions": {containers}}}"#
        ))
        .unwrap()
    }

    #[test]
    fn every_field_reaches_docker() {
        let definition = definition(
            r#"[{"name": "a", "image": "a:1", "user": "1001", "privileged": true, "readonlyRootFilesystem": true, "memory": 512, "cpu": 10,
            "environment": [{"name": "A", "value": "1"}, {"name": "B", "value": "1"}], "secrets": [{"name": "TOKEN", "valueFrom": "arn:x"}],
            "mountPoints": [{"sourceVolume": "task", "containerPath": "/run/task"}, {"sourceVolume": "work", "containerPath": "/w", "readOnly": true},
              {"sourceVolume": "storage", "containerPath": "/s"}, {"sourceVolume": "disk", "containerPath": "/d"}, {"sourceVolume": "cache", "containerPath": "/c"}],
            "ulimits": [{"name": "nofile", "softLimit": 100, "hardLimit": 1048576}], "dockerSecurityOptions": ["no-new-privileges"],
            "linuxParameters": {"capabilities": {"drop": ["ALL"], "add": ["KILL"]}, "initProcessEnabled": true,
              "tmpfs": [{"containerPath": "/t", "size": 16, "mountOptions": ["mode=0755"]}]},
            "healthCheck": {"command": ["CMD", "/x"], "interval": 5}, "logConfiguration": {"logDriver": "awsfirelens"}}]"#,
        );
        let overrides = Overrides::default().env("a", "B", "2").memory("a", 64, 32);
        let plan = plan(&definition, &overrides, &BTreeMap::from([("TOKEN".into(), "s\ns".into())]), &place()).unwrap();
        insta::assert_snapshot!("every_field", serde_json::to_string_pretty(&plan.bodies[0]).unwrap());
        assert_eq!(
            plan.volumes,
            [
                Source::Folder("/mnt/efs/fsap-1".into()),
                Source::Disk("/mnt/ecs/ebs/t1_disk".into()),
                Source::Folder("/var/docker-storage".into()),
                Source::Made {
                    name: "ecs-pair-1-task-t1".into(),
                    body: json!({"Name": "ecs-pair-1-task-t1", "Driver": "local", "DriverOpts": {"type": "tmpfs"}, "Labels": {}})
                },
                Source::Made {
                    name: "ecs-pair-1-work-t1".into(),
                    body: json!({"Name": "ecs-pair-1-work-t1", "Driver": "local", "DriverOpts": null, "Labels": null})
                },
            ]
        );
    }

    #[test]
    fn what_a_task_lacks_is_named_all_at_once() {
        let definition = definition(
            r#"[{"name": "a", "image": "a:1", "secrets": [{"name": "TOKEN", "valueFrom": "arn:x"}],
            "dependsOn": [{"containerName": "a", "condition": "HEALTHY"}]}]"#,
        );
        let faults = plan(&definition, &Overrides::default().env("b", "B", "2"), &BTreeMap::new(), &place()).unwrap_err();
        assert_eq!(faults, ["an override for b, which is not there", "a waits for itself", "a: no value for the secret TOKEN (arn:x)"]);
    }
}
