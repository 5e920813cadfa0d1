//! A task as the pair's contract sees it, whatever platform it is for.

use crate::{
    known::{self, Known, Program},
    tree::Place,
};

/// Where it is to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Platform {
    Ecs { fargate: bool },
    Compose,
    Kubernetes,
    Nomad,
}

impl Platform {
    /// What the platform calls the time between SIGTERM and SIGKILL, and how long it is when nothing is said, in seconds.
    /// ECS: task definition parameters. Compose: the compose specification. Kubernetes: of the whole pod. Nomad: task block.
    pub(crate) fn stop(self) -> (&'static str, f64) {
        match self {
            Self::Ecs { .. } => ("stopTimeout", 30.0),
            Self::Compose => ("stop_grace_period", 10.0),
            Self::Kubernetes => ("terminationGracePeriodSeconds", 30.0),
            Self::Nomad => ("kill_timeout", 5.0),
        }
    }

    /// How a volume of the task is mounted there.
    pub(crate) fn mounting(self, volume: &str, path: &str) -> String {
        match self {
            Self::Ecs { .. } => format!("\"mountPoints\": [{{\"sourceVolume\": \"{volume}\", \"containerPath\": \"{path}\"}}]"),
            Self::Compose => format!("volumes: [\"{volume}:{path}\"]"),
            Self::Kubernetes => format!("volumeMounts: [{{name: {volume}, mountPath: {path}}}]"),
            Self::Nomad => format!("volumes = [\"../alloc/{}:{path}\"]", volume.strip_prefix("alloc/").unwrap_or(volume)),
        }
    }

    /// How a variable is set there.
    pub(crate) fn setting(self, name: &str, value: &str) -> String {
        match self {
            Self::Ecs { .. } => format!("{{\"name\": \"{name}\", \"value\": \"{value}\"}}"),
            Self::Compose => format!("{name}: \"{value}\""),
            Self::Kubernetes => format!("{{name: {name}, value: \"{value}\"}}"),
            Self::Nomad => format!("{name} = \"{value}\""),
        }
    }
}

/// One job's containers.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) platform: Platform,
    pub(crate) at: Place,
    pub(crate) containers: Vec<Container>,
    pub(crate) network: Network,
    /// Where all containers share one time to stop: it, or the place where it should stand.
    pub(crate) grace: Option<(Option<f64>, Place)>,
    /// Process and IPC namespaces of the host.
    pub(crate) host_namespaces: Vec<Place>,
}

/// Whether the containers have one network namespace.
#[derive(Debug, Clone)]
pub(crate) enum Network {
    One,
    /// Why not, and what to write.
    Apart(Place, String, &'static str),
    /// All of it is the host's.
    Host(Place),
}

/// What a container is in the pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Runner,
    Dind,
    Other,
}

impl Role {
    pub(crate) fn program(self) -> Option<Program> {
        match self {
            Self::Runner => Some(Program::Entrypoint),
            Self::Dind => Some(Program::Dind),
            Self::Other => None,
        }
    }
}

/// Whether seccomp and AppArmor let the sidecar mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seccomp {
    Unconfined,
    /// The platform's usual profile.
    Confined,
    /// The file has no field for it: ECS.
    HostsChoice,
}

#[derive(Debug)]
pub(crate) struct Container {
    pub(crate) name: String,
    /// Where its name stands.
    pub(crate) at: Place,
    pub(crate) role: Role,
    pub(crate) image: Option<(String, Place)>,
    /// The image is built beside, so that its tag is nobody's business.
    pub(crate) built: bool,
    /// Entry point and command.
    pub(crate) words: Vec<String>,
    pub(crate) variables: Vec<Variable>,
    /// More variables come from elsewhere: a file, a template.
    pub(crate) unseen: bool,
    /// It ends before the others start.
    pub(crate) prepares: bool,
    pub(crate) mounts: Vec<Mount>,
    pub(crate) user: Option<(String, Place)>,
    pub(crate) privileged: Option<Place>,
    pub(crate) added: Vec<(String, Place)>,
    pub(crate) dropped: Vec<(String, Place)>,
    pub(crate) seccomp: Seccomp,
    pub(crate) stop: Option<(f64, Place)>,
    /// The containers that it starts after, and is therefore stopped before.
    pub(crate) after: Vec<String>,
    /// Started again when it ends: what the file says.
    pub(crate) restart: Option<(String, Place)>,
    pub(crate) read_only_root: Option<Place>,
    pub(crate) health: Option<(Vec<String>, Place)>,
    pub(crate) init: Option<Place>,
}

/// A variable of a container.
#[derive(Debug, Clone)]
pub(crate) struct Variable {
    pub(crate) name: String,
    pub(crate) at: Place,
    /// `None` where only the platform knows: a secret, a parameter, an expression.
    pub(crate) value: Option<(String, Place)>,
}

/// How far a volume reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// This task alone.
    Task,
    /// Every task of the host has the same.
    Host,
    /// Storage on the network.
    Remote,
}

#[derive(Debug, Clone)]
pub(crate) struct Mount {
    /// Two mounts of one name show one folder.
    pub(crate) volume: String,
    pub(crate) path: String,
    pub(crate) at: Place,
    pub(crate) read_only: Option<Place>,
    pub(crate) reach: Reach,
}

/// What a program will take a setting for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Set {
    Here(String, Place),
    ByDefault(String),
    /// Only the platform knows.
    Unknown(Place),
}

impl Set {
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Here(text, _) | Self::ByDefault(text) => Some(text),
            Self::Unknown(_) => None,
        }
    }

    pub(crate) fn place(&self) -> Option<Place> {
        match self {
            Self::Here(_, at) | Self::Unknown(at) => Some(*at),
            Self::ByDefault(_) => None,
        }
    }
}

impl Container {
    pub(crate) fn new(name: &str, at: Place) -> Self {
        Self {
            name: name.to_owned(),
            at,
            role: Role::Other,
            image: None,
            built: false,
            words: Vec::new(),
            variables: Vec::new(),
            unseen: false,
            prepares: false,
            mounts: Vec::new(),
            user: None,
            privileged: None,
            added: Vec::new(),
            dropped: Vec::new(),
            seccomp: Seccomp::Confined,
            stop: None,
            after: Vec::new(),
            restart: None,
            read_only_root: None,
            health: None,
            init: None,
        }
    }

    /// A setting of the program that runs here, under any of its names, as variable or flag.
    pub(crate) fn setting(&self, name: &str) -> Set {
        let known = self.role.program().and_then(|program| known::setting(program, name));
        let names: Vec<&str> = known.map_or_else(|| vec![name], |known| known.names().collect());
        if let Some(value) = self.flag(&names) {
            return Set::Here(value, self.at);
        }
        let given = names.iter().find_map(|name| self.variables.iter().find(|variable| variable.name == *name));
        match given {
            Some(Variable { value: Some((text, at)), .. }) if !text.is_empty() => Set::Here(text.clone(), *at),
            Some(Variable { value: None, at, .. }) => Set::Unknown(*at),
            _ => Set::ByDefault(known.map_or("", |known: &Known| known.default).to_owned()),
        }
    }

    /// `--stop-timeout 85` or `--stop-timeout=85` among the words.
    fn flag(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| {
            let flag = format!("--{}", name.to_ascii_lowercase().replace('_', "-"));
            self.words.iter().enumerate().find_map(|(index, word)| match word.strip_prefix(&flag)? {
                "" => self.words.get(index + 1).cloned(),
                rest => rest.strip_prefix('=').map(str::to_owned),
            })
        })
    }

    /// Which volume shows at a path, and how far below its root: the mount that is nearest above.
    pub(crate) fn seen(&self, path: &str) -> Option<(&Mount, String)> {
        let path = trimmed(path);
        let above = self.mounts.iter().filter_map(|mount| {
            let root = trimmed(&mount.path);
            let below = path.strip_prefix(root)?;
            (below.is_empty() || below.starts_with('/')).then_some((mount, root.len(), below))
        });
        above.max_by_key(|(_, length, _)| *length).map(|(mount, _, below)| (mount, format!("{}{below}", trimmed(&mount.volume))))
    }

    /// Whether it is root as far as the file says; images of ours start as root.
    pub(crate) fn is_root(&self) -> bool {
        self.user.as_ref().is_none_or(|(user, _)| matches!(user.split(':').next(), Some("0" | "root" | "")))
    }
}

/// Without the slashes at its end.
pub(crate) fn trimmed(path: &str) -> &str {
    path.trim_end_matches('/')
}

impl Task {
    pub(crate) fn of(&self, role: Role) -> Option<&Container> {
        self.containers.iter().find(|container| container.role == role)
    }

    /// Both, where there are both.
    pub(crate) fn pair(&self) -> Option<(&Container, &Container)> {
        Some((self.of(Role::Runner)?, self.of(Role::Dind)?))
    }
}
