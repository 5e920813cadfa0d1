//! What ECS takes, as far as these deployments say it: the fields in the order in which a reader wants them, which is the order they are
//! written in. Names are the API's (botocore's model of RegisterTaskDefinition, CreateService and RunTask).

use serde::Serialize;

/// Input of RegisterTaskDefinition.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TaskDefinition {
    pub(super) family: &'static str,
    pub(super) requires_compatibilities: [&'static str; 1],
    pub(super) network_mode: &'static str,
    pub(super) runtime_platform: RuntimePlatform,
    /// Units of 1/1024 of a processor, as text.
    pub(super) cpu: &'static str,
    /// MiB, as text.
    pub(super) memory: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ephemeral_storage: Option<EphemeralStorage>,
    pub(super) task_role_arn: String,
    pub(super) execution_role_arn: String,
    pub(super) container_definitions: Vec<Container>,
    pub(super) volumes: Vec<Volume>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RuntimePlatform {
    pub(super) operating_system_family: &'static str,
    pub(super) cpu_architecture: &'static str,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct EphemeralStorage {
    #[serde(rename = "sizeInGiB")]
    pub(super) size: u32,
}

/// One of `containerDefinitions`. What is empty is left out: ECS has a default for each.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Container {
    pub(super) name: &'static str,
    pub(super) image: String,
    pub(super) essential: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) privileged: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) linux_parameters: Option<LinuxParameters>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) docker_security_options: Vec<&'static str>,
    /// MiB that the container may not go beyond.
    pub(super) memory: u32,
    /// MiB that are kept for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) memory_reservation: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) ulimits: Vec<Ulimit>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) depends_on: Vec<Dependency>,
    /// Seconds from SIGTERM to SIGKILL.
    pub(super) stop_timeout: u32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) environment: Vec<Pair>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) secrets: Vec<Secret>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) mount_points: Vec<MountPoint>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) health_check: Option<HealthCheck>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) firelens_configuration: Option<Typed>,
    pub(super) log_configuration: Logs,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct LinuxParameters {
    pub(super) capabilities: Capabilities,
}

#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Capabilities {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) drop: Vec<&'static str>,
    pub(super) add: Vec<&'static str>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Ulimit {
    pub(super) name: &'static str,
    pub(super) soft_limit: u32,
    pub(super) hard_limit: u32,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Dependency {
    pub(super) container_name: &'static str,
    pub(super) condition: &'static str,
}

/// A name and a value: of a variable or a tag's likes.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Pair {
    pub(super) name: &'static str,
    pub(super) value: String,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Secret {
    pub(super) name: &'static str,
    #[serde(rename = "valueFrom")]
    pub(super) value_from: String,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MountPoint {
    pub(super) source_volume: &'static str,
    pub(super) container_path: &'static str,
    pub(super) read_only: bool,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HealthCheck {
    pub(super) command: Vec<&'static str>,
    /// Seconds, 5 to 300.
    pub(super) interval: u32,
    /// Seconds, 2 to 60.
    pub(super) timeout: u32,
    pub(super) retries: u32,
    /// Seconds, up to 300, in which a failure does not count.
    pub(super) start_period: u32,
}

/// `firelensConfiguration`.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Typed {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) options: Map,
}

#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Logs {
    pub(super) log_driver: &'static str,
    pub(super) options: Map,
}

/// Free names and their texts.
pub(super) type Map = std::collections::BTreeMap<&'static str, String>;

/// One of `volumes`: a name, and one of the rest.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Volume {
    pub(super) name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) configured_at_launch: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) host: Option<Host>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) docker_volume_configuration: Option<DockerVolume>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) efs_volume_configuration: Option<Efs>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Host {
    pub(super) source_path: &'static str,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DockerVolume {
    pub(super) scope: &'static str,
    pub(super) driver: &'static str,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub(super) driver_opts: Map,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Efs {
    pub(super) file_system_id: &'static str,
    pub(super) transit_encryption: &'static str,
    pub(super) authorization_config: EfsAuthorization,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EfsAuthorization {
    pub(super) access_point_id: &'static str,
    pub(super) iam: &'static str,
}

/// Input of CreateService.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Service {
    pub(super) service_name: &'static str,
    pub(super) cluster: &'static str,
    pub(super) task_definition: &'static str,
    pub(super) desired_count: u32,
    pub(super) capacity_provider_strategy: Vec<Capacity>,
    pub(super) deployment_configuration: Deployment,
    pub(super) availability_zone_rebalancing: &'static str,
    pub(super) placement_strategy: Vec<Placement>,
    pub(super) network_configuration: Network,
    pub(super) enable_execute_command: bool,
    #[serde(rename = "enableECSManagedTags")]
    pub(super) enable_managed_tags: bool,
    pub(super) propagate_tags: &'static str,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Capacity {
    pub(super) capacity_provider: &'static str,
    pub(super) weight: u32,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Deployment {
    pub(super) minimum_healthy_percent: u32,
    pub(super) maximum_percent: u32,
    pub(super) deployment_circuit_breaker: CircuitBreaker,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct CircuitBreaker {
    pub(super) enable: bool,
    pub(super) rollback: bool,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct Placement {
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) field: &'static str,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Network {
    pub(super) awsvpc_configuration: Awsvpc,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Awsvpc {
    pub(super) subnets: Vec<&'static str>,
    pub(super) security_groups: Vec<&'static str>,
    pub(super) assign_public_ip: &'static str,
}

/// Input of RunTask.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RunTask {
    pub(super) cluster: &'static str,
    pub(super) task_definition: &'static str,
    pub(super) count: u32,
    pub(super) capacity_provider_strategy: Vec<Capacity>,
    pub(super) network_configuration: Network,
    pub(super) overrides: Overrides,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) volume_configurations: Vec<LaunchVolume>,
    pub(super) started_by: &'static str,
    pub(super) enable_execute_command: bool,
    #[serde(rename = "enableECSManagedTags")]
    pub(super) enable_managed_tags: bool,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Overrides {
    pub(super) container_overrides: Vec<ContainerOverride>,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct ContainerOverride {
    pub(super) name: &'static str,
    pub(super) environment: Vec<Pair>,
}

/// What a volume that is `configuredAtLaunch` becomes.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LaunchVolume {
    pub(super) name: &'static str,
    #[serde(rename = "managedEBSVolume")]
    pub(super) managed: ManagedEbs,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ManagedEbs {
    pub(super) role_arn: String,
    pub(super) volume_type: &'static str,
    #[serde(rename = "sizeInGiB")]
    pub(super) size: u32,
    /// Operations and MiB a second: what gp3 gives for nothing.
    pub(super) iops: u32,
    pub(super) throughput: u32,
    pub(super) filesystem_type: &'static str,
    pub(super) encrypted: bool,
    pub(super) termination_policy: Termination,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Termination {
    pub(super) delete_on_termination: bool,
}
