//! A task definition as RegisterTaskDefinition takes it. A key that is not known here is a fault of this reader, not of the file: what is
//! not honoured must not look as if it had been tried.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::order::{Condition, Rule};

/// Keys that are read and change nothing here, and why.
pub const EFFECTLESS: &[(&str, &str)] = &[
    ("cpu", "shares of a machine that one task has for itself"),
    ("ephemeralStorage", "Fargate's disk; docker's own is large enough"),
    ("executionRoleArn", "no ECR, no secrets manager: images and secrets come from the test"),
    ("memory", "of the task: the agent puts a slice above the containers, which on cgroup v2 they do not even see"),
    ("runtimePlatform", "one machine"),
    ("tags", "of the definition"),
    ("taskRoleArn", "the stand-in of the agent has a role of its own"),
    ("containerDefinitions.versionConsistency", "images have no registry"),
    ("containerDefinitions.portMappings", "with awsvpc a port of a container is a port of the task"),
    ("containerDefinitions.firelensConfiguration", "the receiver is the harness's"),
    ("containerDefinitions.logConfiguration.options", "of CloudWatch and of the log router's outputs, which are not there"),
    ("volumes.efsVolumeConfiguration.transitEncryption", "a folder of this machine; with it its port and IAM"),
];

/// A task definition.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Definition {
    /// Its name.
    pub family: String,
    /// Only `awsvpc` is played.
    pub network_mode: String,
    /// `EC2`, `FARGATE`.
    #[serde(default)]
    pub requires_compatibilities: Vec<String>,
    /// As written, and as [`Definition::containers`].
    container_definitions: Vec<Value>,
    #[serde(default, rename = "volumes")]
    volume_values: Vec<Value>,
    #[serde(flatten)]
    other: Map<String, Value>,
    /// The containers, in the order of the file.
    #[serde(skip)]
    pub containers: Vec<Container>,
    /// The volumes.
    #[serde(skip)]
    pub volumes: Vec<Volume>,
}

/// A container.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[expect(missing_docs, reason = "the words of the task definition's reference")]
pub struct Container {
    pub name: String,
    pub image: String,
    #[serde(default = "yes")]
    pub essential: bool,
    pub command: Option<Vec<String>>,
    pub entry_point: Option<Vec<String>>,
    pub working_directory: Option<String>,
    #[serde(default)]
    pub environment: Vec<Variable>,
    #[serde(default)]
    pub secrets: Vec<Secret>,
    #[serde(default)]
    pub depends_on: Vec<Dependency>,
    #[serde(default)]
    pub mount_points: Vec<MountPoint>,
    #[serde(default)]
    pub privileged: bool,
    #[serde(default)]
    pub readonly_root_filesystem: bool,
    pub user: Option<String>,
    #[serde(default)]
    pub ulimits: Vec<Ulimit>,
    #[serde(default)]
    pub docker_security_options: Vec<String>,
    #[serde(default)]
    pub docker_labels: BTreeMap<String, String>,
    #[serde(default)]
    pub linux_parameters: LinuxParameters,
    pub health_check: Option<HealthCheck>,
    pub start_timeout: Option<u64>,
    pub stop_timeout: Option<u64>,
    pub log_configuration: Option<LogConfiguration>,
    pub firelens_configuration: Option<Value>,
    pub memory: Option<u64>,
    pub memory_reservation: Option<u64>,
    #[serde(default)]
    pub cpu: u64,
    pub version_consistency: Option<String>,
    #[serde(default)]
    pub port_mappings: Vec<Value>,
}

const fn yes() -> bool {
    true
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variable {
    pub name: String,
    pub value: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Secret {
    pub name: String,
    pub value_from: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Dependency {
    pub container_name: String,
    pub condition: Condition,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MountPoint {
    pub source_volume: String,
    pub container_path: String,
    #[serde(default)]
    pub read_only: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Ulimit {
    pub name: String,
    pub soft_limit: i64,
    pub hard_limit: i64,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LinuxParameters {
    #[serde(default)]
    pub capabilities: Capabilities,
    pub init_process_enabled: Option<bool>,
    #[serde(default)]
    pub tmpfs: Vec<Tmpfs>,
    pub shared_memory_size: Option<u64>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Capabilities {
    #[serde(default)]
    pub add: Vec<String>,
    #[serde(default)]
    pub drop: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tmpfs {
    pub container_path: String,
    pub size: u64,
    #[serde(default)]
    pub mount_options: Vec<String>,
}

/// Seconds; defaults of the reference.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HealthCheck {
    pub command: Vec<String>,
    #[serde(default = "seconds::<30>")]
    pub interval: u64,
    #[serde(default = "seconds::<5>")]
    pub timeout: u64,
    #[serde(default = "seconds::<3>")]
    pub retries: u64,
    #[serde(default)]
    pub start_period: u64,
}

const fn seconds<const N: u64>() -> u64 {
    N
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LogConfiguration {
    pub log_driver: String,
    #[serde(default)]
    pub options: BTreeMap<String, String>,
}

/// A volume: by which one of its forms is there.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Volume {
    pub name: String,
    pub host: Option<HostVolume>,
    pub docker_volume_configuration: Option<DockerVolume>,
    pub efs_volume_configuration: Option<Efs>,
    #[serde(default)]
    pub configured_at_launch: bool,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HostVolume {
    pub source_path: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DockerVolume {
    #[serde(default = "task_scope")]
    pub scope: String,
    pub driver: Option<String>,
    #[serde(default)]
    pub driver_opts: BTreeMap<String, String>,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

fn task_scope() -> String {
    "task".into()
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Efs {
    pub file_system_id: String,
    pub root_directory: Option<String>,
    pub transit_encryption: Option<String>,
    pub transit_encryption_port: Option<u16>,
    pub authorization_config: Option<EfsAuthorization>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EfsAuthorization {
    pub access_point_id: Option<String>,
    pub iam: Option<String>,
}

impl Efs {
    /// What is mounted, by its name.
    pub(super) fn access_point(&self) -> &str {
        let point = self.authorization_config.as_ref().and_then(|config| config.access_point_id.as_deref());
        point.unwrap_or(&self.file_system_id)
    }
}

impl Definition {
    /// Reads a file.
    ///
    /// # Errors
    /// As [`Definition::parse`]; also when it can not be read.
    pub fn read(path: &Path) -> Result<Self, Vec<String>> {
        let text = std::fs::read_to_string(path).map_err(|error| vec![format!("{}: {error}", path.display())])?;
        Self::parse(&text)
    }

    /// Reads a definition.
    ///
    /// # Errors
    /// Everything that is not understood, one line each: keys that nothing here honours, references to nothing.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        let mut found: Self = serde_json::from_str(text).map_err(|error| vec![error.to_string()])?;
        let mut faults: Vec<String> = found.other.keys().filter(|key| !EFFECTLESS.iter().any(|(known, _)| known == key)).cloned().collect();
        faults.iter_mut().for_each(|key| *key = format!("the key {key} is not honoured here"));
        found.containers = each(&found.container_definitions, "containerDefinitions", &mut faults);
        found.volumes = each(&found.volume_values, "volumes", &mut faults);
        if found.network_mode != "awsvpc" {
            faults.push(format!("networkMode {}: only awsvpc is played here", found.network_mode));
        }
        for container in &found.containers {
            for dependency in &container.depends_on {
                if found.container(&dependency.container_name).is_none() {
                    faults.push(format!("{} depends on {}, which is not there", container.name, dependency.container_name));
                }
            }
            for mount in &container.mount_points {
                if !found.volumes.iter().any(|volume| volume.name == mount.source_volume) {
                    faults.push(format!("{} mounts {}, which is no volume", container.name, mount.source_volume));
                }
            }
            if found.is_fargate()
                && (container.privileged || container.linux_parameters.capabilities.add.iter().any(|add| add != "SYS_PTRACE"))
            {
                faults.push(format!("{}: Fargate gives no rights beyond SYS_PTRACE", container.name));
            }
        }
        for volume in &found.volumes {
            let named = volume.docker_volume_configuration.as_ref().map(|volume| volume.scope.as_str());
            if named.is_some_and(|scope| scope != "task") {
                faults.push(format!("volume {}: only the scope task is played here", volume.name));
            }
            let efs = volume.efs_volume_configuration.as_ref();
            if efs.and_then(|efs| efs.root_directory.as_deref()).is_some_and(|root| root != "/") {
                faults.push(format!("volume {}: only the root of an access point is mounted here", volume.name));
            }
            let of_ec2 = named.is_some() || volume.host.as_ref().is_some_and(|host| host.source_path.is_some());
            if found.is_fargate() && of_ec2 {
                faults.push(format!("volume {}: not on Fargate", volume.name));
            }
        }
        if faults.is_empty() { Ok(found) } else { Err(faults) }
    }

    /// A container by its name.
    #[must_use]
    pub fn container(&self, name: &str) -> Option<&Container> {
        self.containers.iter().find(|container| container.name == name)
    }

    /// The rules of its containers' order.
    #[must_use]
    pub fn rules(&self) -> Vec<Rule> {
        super::plan::rules(self)
    }

    /// Whether it is for Fargate alone.
    #[must_use]
    pub fn is_fargate(&self) -> bool {
        self.requires_compatibilities == ["FARGATE"]
    }
}

fn each<T: DeserializeOwned>(values: &[Value], what: &str, faults: &mut Vec<String>) -> Vec<T> {
    let mut found = Vec::new();
    for value in values {
        let name = value["name"].as_str().unwrap_or("without a name");
        match serde_json::from_value(value.clone()) {
            Ok(one) => found.push(one),
            Err(error) => faults.push(format!("{what}, {name}: {error}")),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAIR: &str = r#"{"family": "f", "networkMode": "awsvpc", "taskRoleArn": "arn:x", "volumes": [{"name": "task", "host": {}}],
        "containerDefinitions": [{"name": "a", "image": "a:1", "mountPoints": [{"sourceVolume": "task", "containerPath": "/run/task"}]}]}"#;

    #[test]
    fn what_is_honoured_is_read() {
        let definition = Definition::parse(PAIR).unwrap();
        assert!(definition.containers[0].essential && definition.container("b").is_none());
    }

    #[test]
    fn a_key_that_nobody_honours_is_an_error_and_not_left_out_in_silence() {
        let text = PAIR
            .replace("\"taskRoleArn\"", "\"pidMode\": \"task\", \"taskRoleArn\"")
            .replace("\"image\"", "\"restartPolicy\": {}, \"image\"")
            .replace("\"host\": {}", "\"fsxWindows\": {}");
        let faults = Definition::parse(&text).unwrap_err();
        let wanted = [
            "the key pidMode is not honoured here",
            "containerDefinitions, a: unknown field `restartPolicy`",
            "volumes, task: unknown field `fsxWindows`",
        ];
        for (fault, wanted) in faults.iter().zip(wanted) {
            assert!(fault.starts_with(wanted), "{faults:#?}");
        }
    }

    #[test]
    fn what_is_not_there_and_what_fargate_does_not_give_is_named() {
        let text = PAIR
            .replace("\"sourceVolume\": \"task\"", "\"sourceVolume\": \"tusk\"")
            .replace(
                "\"name\": \"a\"",
                "\"name\": \"a\", \"privileged\": true, \"dependsOn\": [{\"containerName\": \"b\", \"condition\": \"START\"}]",
            )
            .replace("\"host\": {}", "\"host\": {\"sourcePath\": \"/x\"}")
            .replace("\"family\"", "\"requiresCompatibilities\": [\"FARGATE\"], \"family\"");
        let faults = Definition::parse(&text).unwrap_err();
        assert_eq!(
            faults,
            [
                "a depends on b, which is not there",
                "a mounts tusk, which is no volume",
                "a: Fargate gives no rights beyond SYS_PTRACE",
                "volume task: not on Fargate"
            ]
        );
    }
}
