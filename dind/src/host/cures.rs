//! Owns what cures a finding, per platform: which flag, which field, which option. Data and its words only.
//!
//! Sources: docker-run(1); the ECS API's `ContainerDefinition`; the Kubernetes API's `SecurityContext`; Nomad's docker driver.

use std::borrow::Cow;

pub use checkup::Platform;
use checkup::Telling;

use super::{Finding, Weight};
use crate::words::exit;

/// What helps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cure {
    /// The right to make mounts, namespaces and networks.
    Privileges,
    /// Capabilities that every container has unless they were taken away.
    UsualCapabilities,
    /// The right to look into processes of other users.
    Ptrace,
    /// No seccomp profile.
    Seccomp,
    /// No AppArmor profile.
    AppArmor,
    /// Nothing of /proc is masked.
    SystemPaths,
    /// A volume with XFS for docker's data.
    StorageVolume,
    /// A volume that both containers share.
    TaskVolume,
    /// More open files.
    OpenFiles,
    /// Programs may gain privileges.
    NewPrivileges,
    /// The initial user namespace.
    UserNamespace,
    /// Something that is the same everywhere, in the image or on the host.
    Anywhere(Cow<'static, str>),
    /// The message says it itself, hint and all.
    Said,
}

impl Cure {
    /// Something that is the same everywhere.
    pub fn anywhere(hint: impl Into<Cow<'static, str>>) -> Self {
        Self::Anywhere(hint.into())
    }

    /// What to write on a platform.
    pub fn on(&self, platform: Platform) -> Option<&'static str> {
        use Platform::{Docker, Ecs, Kubernetes, Nomad};
        Some(match (self, platform) {
            (Self::Privileges, Docker) => "--privileged, or --cap-add SYS_ADMIN --cap-add NET_ADMIN --security-opt seccomp=unconfined",
            (Self::Privileges | Self::Seccomp, Ecs) => {
                "\"privileged\": true in the container definition, on EC2: Fargate has no privileged containers, and so no docker; \
                 linuxParameters.capabilities.add alone does not do, because ECS has no field for seccomp"
            }
            (Self::Privileges, Kubernetes) => {
                "securityContext.privileged: true, or securityContext.capabilities.add: [SYS_ADMIN, NET_ADMIN] with \
                 securityContext.seccompProfile.type: Unconfined"
            }
            (Self::Privileges, Nomad) => {
                "privileged = true (allow_privileged = true in the client's docker plugin), or cap_add = [\"sys_admin\", \"net_admin\"] \
                 with security_opt = [\"seccomp=unconfined\"]"
            }
            (Self::UsualCapabilities, Docker) => "leave out --cap-drop, or add these with --cap-add",
            (Self::UsualCapabilities, Ecs) => "leave them out of linuxParameters.capabilities.drop",
            (Self::UsualCapabilities, Kubernetes) => "leave them out of securityContext.capabilities.drop, or put them into add",
            (Self::UsualCapabilities, Nomad) => "leave out cap_drop, or put them into cap_add and the client's allow_caps",
            (Self::Ptrace, Docker) => "--cap-add SYS_PTRACE, or --privileged",
            (Self::Ptrace, Ecs) => "linuxParameters.capabilities.add: [\"SYS_PTRACE\"], or \"privileged\": true",
            (Self::Ptrace, Kubernetes) => "SYS_PTRACE in securityContext.capabilities.add, or securityContext.privileged: true",
            (Self::Ptrace, Nomad) => "\"sys_ptrace\" in cap_add (and in the client's allow_caps), or privileged = true",
            (Self::Seccomp, Docker) => "--security-opt seccomp=unconfined, or --privileged",
            (Self::Seccomp, Kubernetes) => "securityContext.seccompProfile.type: Unconfined, or securityContext.privileged: true",
            (Self::Seccomp, Nomad) => "security_opt = [\"seccomp=unconfined\"], or privileged = true",
            (Self::AppArmor, Docker) => "--security-opt apparmor=unconfined, or --privileged",
            (Self::AppArmor, Ecs) => {
                "\"privileged\": true, or \"dockerSecurityOptions\": [\"apparmor:unconfined\"] where the host's agent has \
                 ECS_APPARMOR_CAPABLE=true"
            }
            (Self::AppArmor, Kubernetes) => {
                "securityContext.appArmorProfile.type: Unconfined (before 1.30 the annotation \
                 container.apparmor.security.beta.kubernetes.io/CONTAINER: unconfined), or securityContext.privileged: true"
            }
            (Self::AppArmor, Nomad) => "security_opt = [\"apparmor=unconfined\"], or privileged = true",
            (Self::SystemPaths, Docker) => "--security-opt systempaths=unconfined, or --privileged",
            (Self::SystemPaths, Ecs) => "\"privileged\": true; ECS has no field for masked paths",
            (Self::SystemPaths, Kubernetes) => {
                "securityContext.privileged: true, or securityContext.procMount: Unmasked where it is allowed"
            }
            (Self::SystemPaths, Nomad) => "privileged = true; the driver has no option for masked paths",
            (Self::StorageVolume, Docker) => "--volume DIRECTORY-ON-XFS:/var/docker-storage",
            (Self::StorageVolume, Ecs) => {
                "a volume with \"host\": {\"sourcePath\": a directory on XFS}, or one with \"configuredAtLaunch\": true (an EBS volume, XFS \
                 by default), in the container's mountPoints"
            }
            (Self::StorageVolume, Kubernetes) => {
                "a hostPath on XFS, or an ephemeral volume of a StorageClass with csi.storage.k8s.io/fstype: xfs, in volumeMounts"
            }
            (Self::StorageVolume, Nomad) => {
                "volumes = [\"DIRECTORY-ON-XFS:/var/docker-storage\"] (volumes.enabled in the client's docker plugin), or a host volume"
            }
            (Self::TaskVolume, Docker) => "--volume NAME:/run/task for both containers",
            (Self::TaskVolume, Ecs) => {
                "one volume with a dockerVolumeConfiguration of scope \"task\", in the mountPoints of both containers"
            }
            (Self::TaskVolume, Kubernetes) => "one emptyDir (medium: Memory will do) in the volumeMounts of both containers",
            (Self::TaskVolume, Nomad) => "volumes = [\"../alloc/task:/run/task\"] for both tasks of the group",
            (Self::OpenFiles, Docker) => "--ulimit nofile=1048576:1048576",
            (Self::OpenFiles, Ecs) => "\"ulimits\": [{\"name\": \"nofile\", \"softLimit\": 1048576, \"hardLimit\": 1048576}]",
            (Self::OpenFiles, Kubernetes) => "no field of a pod: LimitNOFILE= of containerd's or cri-o's service on the node",
            (Self::OpenFiles, Nomad) => "ulimit { nofile = \"1048576:1048576\" }",
            (Self::NewPrivileges, Docker) => "leave out --security-opt no-new-privileges",
            (Self::NewPrivileges, Ecs) => "leave \"no-new-privileges\" out of dockerSecurityOptions",
            (Self::NewPrivileges, Kubernetes) => "securityContext.allowPrivilegeEscalation: true, or leave it out",
            (Self::NewPrivileges, Nomad) => "leave \"no-new-privileges\" out of security_opt",
            (Self::UserNamespace, Docker) => "--userns=host",
            (Self::UserNamespace, Ecs) => "no field of a task: userns-remap of the host's dockerd",
            (Self::UserNamespace, Kubernetes) => "hostUsers: true, or leave it out",
            (Self::UserNamespace, Nomad) => "userns_mode = \"host\"",
            (Self::Anywhere(_) | Self::Said, _) => return None,
        })
    }

    /// The same in a checkup's words.
    pub(super) fn told(&self) -> checkup::Cure {
        match self {
            Self::Said => checkup::Cure::None,
            Self::Anywhere(hint) => checkup::Cure::Anywhere(hint.clone().into_owned()),
            _ => checkup::Cure::On(
                Platform::ALL.into_iter().filter_map(|platform| Some((platform, self.on(platform)?.to_owned()))).collect(),
            ),
        }
    }
}

/// A finding in a checkup's words.
pub(super) fn told(finding: &Finding) -> checkup::Finding {
    let weight = match finding.weight {
        Weight::Warning => checkup::Weight::Warning,
        Weight::Refusal => checkup::Weight::Failure(exit::HOST),
    };
    match &finding.cure {
        // The message has it in itself.
        Cure::Said => checkup::Finding::said(weight, &finding.what),
        cure => checkup::Finding { weight, what: finding.what.clone(), cure: cure.told() },
    }
}

/// All findings, in lines.
pub fn render<'a>(findings: impl IntoIterator<Item = &'a Finding>, platform: Option<Platform>) -> String {
    let findings: Vec<checkup::Finding> = findings.into_iter().map(told).collect();
    let mut telling = Telling::default();
    findings.iter().flat_map(|finding| telling.lines(finding, platform)).collect::<Vec<_>>().join("\n")
}
