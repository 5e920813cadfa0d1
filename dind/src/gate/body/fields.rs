//! Every field that is known, and its rule (moby, `api/types`, API 1.47).

use super::super::allow::Word;

/// How a field is judged.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rule {
    /// Whatever it says.
    Free,
    /// It says nothing (null, false, 0, empty), or the word is allowed.
    Nothing(Word),
    /// It is left to docker: null, and not an empty list, which would lay everything open. Or the word is allowed.
    Untouched(Word),
    /// A namespace: none, its own, another container's; the host's with the word.
    Namespace(Word),
    Network,
    Capabilities,
    SecurityOptions,
    Binds,
    Mounts,
    Sysctls,
    /// Not below zero: what the kernel may not kill would outlive the task.
    OutOfMemory,
    /// One of these, or the word is allowed.
    OneOf(&'static [&'static str], Word),
    /// An object with fields of its own.
    Object(Fields),
    /// The same in each value of a map.
    Each(Fields),
    VolumeOptions,
    Endpoints,
}

pub(super) type Fields = &'static [(&'static [&'static str], Rule)];

pub(super) const LOCAL: Rule = Rule::OneOf(&["", "local"], Word::VolumeOptions);

pub(super) const CREATE: Fields = &[
    (
        &[
            "Hostname",
            "Domainname",
            "User",
            "AttachStdin",
            "AttachStdout",
            "AttachStderr",
            "ExposedPorts",
            "Tty",
            "OpenStdin",
            "StdinOnce",
            "Env",
            "Cmd",
            "Healthcheck",
            "ArgsEscaped",
            "Image",
            "Volumes",
            "WorkingDir",
            "Entrypoint",
            "NetworkDisabled",
            "MacAddress",
            "OnBuild",
            "Labels",
            "StopSignal",
            "StopTimeout",
            "Shell",
        ],
        Rule::Free,
    ),
    (&["HostConfig"], Rule::Object(HOST)),
    (&["NetworkingConfig"], Rule::Object(&[(&["EndpointsConfig"], Rule::Endpoints)])),
];

/// `HostConfig`, and its part that `update` takes.
pub(super) const HOST: Fields = &[
    (
        &[
            "CpuShares",
            "Memory",
            "NanoCpus",
            "BlkioWeight",
            "BlkioWeightDevice",
            "BlkioDeviceReadBps",
            "BlkioDeviceWriteBps",
            "BlkioDeviceReadIOps",
            "BlkioDeviceWriteIOps",
            "CpuPeriod",
            "CpuQuota",
            "CpuRealtimePeriod",
            "CpuRealtimeRuntime",
            "CpusetCpus",
            "CpusetMems",
            "KernelMemory",
            "KernelMemoryTCP",
            "MemoryReservation",
            "MemorySwap",
            "MemorySwappiness",
            "OomKillDisable",
            "PidsLimit",
            "Ulimits",
            "CpuCount",
            "CpuPercent",
            "IOMaximumIOps",
            "IOMaximumBandwidth",
            "AutoRemove",
            "RestartPolicy",
            "PortBindings",
            "PublishAllPorts",
            "Dns",
            "DnsOptions",
            "DnsSearch",
            "ExtraHosts",
            "GroupAdd",
            "Links",
            "ShmSize",
            "StorageOpt",
            "Tmpfs",
            "VolumesFrom",
            "ConsoleSize",
            "Init",
            "CapDrop",
            "ReadonlyRootfs",
            "ContainerIDFile",
            "Isolation",
        ],
        Rule::Free,
    ),
    (&["Privileged"], Rule::Nothing(Word::Privileged)),
    (&["NetworkMode"], Rule::Network),
    (&["PidMode"], Rule::Namespace(Word::HostPid)),
    (&["IpcMode"], Rule::Namespace(Word::HostIpc)),
    (&["UTSMode"], Rule::Namespace(Word::HostUts)),
    (&["UsernsMode"], Rule::Namespace(Word::HostUserns)),
    (&["CgroupnsMode", "Cgroup"], Rule::Namespace(Word::HostCgroup)),
    (&["CgroupParent"], Rule::Nothing(Word::HostCgroup)),
    (&["Devices", "DeviceRequests", "DeviceCgroupRules"], Rule::Nothing(Word::Devices)),
    (&["CapAdd", "Capabilities"], Rule::Capabilities),
    (&["SecurityOpt"], Rule::SecurityOptions),
    (&["MaskedPaths", "ReadonlyPaths"], Rule::Untouched(Word::SecurityOptions)),
    (&["Runtime", "Annotations"], Rule::Nothing(Word::Runtimes)),
    (&["Binds"], Rule::Binds),
    (&["Mounts"], Rule::Mounts),
    (&["VolumeDriver"], LOCAL),
    (&["Sysctls"], Rule::Sysctls),
    (&["OomScoreAdj"], Rule::OutOfMemory),
    (&["LogConfig"], Rule::Object(LOGS)),
];

/// Others send with the daemon's rights to wherever they are told, unix sockets among it.
pub(super) const LOGS: Fields =
    &[(&["Type"], Rule::OneOf(&["", "json-file", "local", "none"], Word::LogDrivers)), (&["Config"], Rule::Free)];

pub(super) const EXEC: Fields = &[
    (
        &["User", "Tty", "ConsoleSize", "AttachStdin", "AttachStderr", "AttachStdout", "Detach", "DetachKeys", "Env", "WorkingDir", "Cmd"],
        Rule::Free,
    ),
    (&["Privileged"], Rule::Nothing(Word::Privileged)),
];

pub(super) const VOLUME: Fields = &[(&["Name", "Labels"], Rule::Free), (&["Driver"], LOCAL), (&["DriverOpts"], Rule::VolumeOptions)];

pub(super) const NETWORK: Fields = &[
    (
        &[
            "Name",
            "CheckDuplicate",
            "Scope",
            "EnableIPv4",
            "EnableIPv6",
            "Internal",
            "Attachable",
            "Ingress",
            "ConfigOnly",
            "ConfigFrom",
            "Labels",
            "Options",
        ],
        Rule::Free,
    ),
    (&["Driver"], Rule::OneOf(&["", "bridge", "default"], Word::NetworkDrivers)),
    (&["IPAM"], Rule::Object(&[(&["Driver"], Rule::OneOf(&["", "default"], Word::NetworkDrivers)), (&["Options", "Config"], Rule::Free)])),
];

pub(super) const MOUNT: Fields = &[
    (&["Type", "Source", "Target", "ReadOnly", "Consistency", "TmpfsOptions", "ImageOptions"], Rule::Free),
    (
        &["BindOptions"],
        Rule::Object(&[
            (&["NonRecursive", "CreateMountpoint", "ReadOnlyNonRecursive", "ReadOnlyForceRecursive"], Rule::Free),
            (&["Propagation"], Rule::OneOf(&["", "private", "rprivate", "slave", "rslave"], Word::Privileged)),
        ]),
    ),
    (
        &["VolumeOptions"],
        Rule::Object(&[
            (&["NoCopy", "Labels", "Subpath"], Rule::Free),
            (&["DriverConfig"], Rule::Object(&[(&["Name"], LOCAL), (&["Options"], Rule::VolumeOptions)])),
        ]),
    ),
];

pub(super) const ENDPOINT: Fields = &[(
    &[
        "IPAMConfig",
        "Links",
        "Aliases",
        "MacAddress",
        "NetworkID",
        "EndpointID",
        "Gateway",
        "IPAddress",
        "IPPrefixLen",
        "IPv6Gateway",
        "GlobalIPv6Address",
        "GlobalIPv6PrefixLen",
        "DriverOpts",
        "DNSNames",
    ],
    Rule::Free,
)];

/// Options of a mount in Binds that change neither what is mounted nor where it shows.
pub(super) const BIND_OPTIONS: [&str; 13] =
    ["ro", "rw", "z", "Z", "nocopy", "consistent", "cached", "delegated", "private", "rprivate", "slave", "rslave", ""];

/// The kernel lets a container set these for itself (runc, `libcontainer/configs/validate`).
pub(super) const OWN_SYSCTLS: [&str; 3] = ["net.", "fs.mqueue.", "kernel.shm"];
pub(super) const OWN_KERNEL_SYSCTLS: [&str; 6] =
    ["kernel.msgmax", "kernel.msgmnb", "kernel.msgmni", "kernel.sem", "kernel.domainname", "kernel.hostname"];
