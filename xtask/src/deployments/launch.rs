//! How the task is started: as a service, and one by one.

use super::{
    ACCOUNT, CLUSTER,
    ecs::{
        Awsvpc, Capacity, CircuitBreaker, ContainerOverride, Deployment, LaunchVolume, ManagedEbs, Network, Overrides, Pair, Placement,
        RunTask, Service, Termination,
    },
};

/// Input of CreateService.
pub(super) fn service() -> Service {
    Service {
        service_name: "runner",
        cluster: CLUSTER,
        task_definition: "runner",
        desired_count: 4,
        capacity_provider_strategy: capacity(),
        // New runners first, then the old are asked to stop: never fewer than before, and a busy one is protected besides.
        deployment_configuration: Deployment {
            minimum_healthy_percent: 100,
            maximum_percent: 200,
            deployment_circuit_breaker: CircuitBreaker { enable: true, rollback: true },
        },
        // Rebalancing stops tasks that are in no way wrong.
        availability_zone_rebalancing: "DISABLED",
        placement_strategy: vec![
            Placement { kind: "spread", field: "attribute:ecs.availability-zone" },
            Placement { kind: "binpack", field: "memory" },
        ],
        network_configuration: network(),
        enable_execute_command: false,
        enable_managed_tags: true,
        propagate_tags: "TASK_DEFINITION",
    }
}

/// Input of RunTask; `ebs` for the form whose volume is configured at launch.
pub(super) fn run_task(ebs: bool) -> RunTask {
    let text = |name, value: &str| Pair { name, value: value.to_owned() };
    RunTask {
        cluster: CLUSTER,
        task_definition: if ebs { "runner-ebs" } else { "runner" },
        count: 1,
        capacity_provider_strategy: capacity(),
        network_configuration: network(),
        // Their action sets a token here, too, where DescribeTasks shows it: ours stays in Secrets Manager.
        overrides: Overrides {
            container_overrides: vec![ContainerOverride {
                name: "runner",
                environment: vec![
                    text("GITHUB_OWNER", "octo-org"),
                    text("GITHUB_REPOSITORY", "octo-repo"),
                    text("RUNNER_NAME", "build_1f2e3d4c5b6a"),
                    text("RUNNER_LABELS", "build_1f2e3d4c5b6a"),
                ],
            }],
        },
        volume_configurations: if ebs { vec![volume()] } else { vec![] },
        started_by: "octo-repo/1234567890",
        enable_execute_command: false,
        enable_managed_tags: true,
    }
}

fn volume() -> LaunchVolume {
    LaunchVolume {
        name: "docker-storage",
        managed: ManagedEbs {
            role_arn: format!("arn:aws:iam::{ACCOUNT}:role/runner-ebs"),
            volume_type: "gp3",
            size: 60,
            iops: 3_000,
            throughput: 125,
            filesystem_type: "xfs",
            encrypted: true,
            termination_policy: Termination { delete_on_termination: true },
        },
    }
}

fn capacity() -> Vec<Capacity> {
    vec![Capacity { capacity_provider: "runners-x86-64", weight: 1 }]
}

fn network() -> Network {
    Network {
        awsvpc_configuration: Awsvpc {
            subnets: vec!["subnet-0123456789abcdef0", "subnet-0fedcba9876543210"],
            security_groups: vec!["sg-0123456789abcdef0"],
            assign_public_ip: "DISABLED",
        },
    }
}
