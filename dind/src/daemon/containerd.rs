//! containerd's configuration and command line, as values.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

/// containerd's plugins for Kubernetes, and for snapshots on file systems that this program does not run on: each costs time to load.
const UNUSED_PLUGINS: [&str; 6] = [
    "io.containerd.grpc.v1.cri",
    "io.containerd.snapshotter.v1.aufs",
    "io.containerd.snapshotter.v1.blockfile",
    "io.containerd.snapshotter.v1.btrfs",
    "io.containerd.snapshotter.v1.devmapper",
    "io.containerd.snapshotter.v1.zfs",
];

/// Its socket below an exec-root.
pub fn socket(exec: &Path) -> PathBuf {
    exec.join("containerd/containerd.sock")
}

/// Everything in the two directories given, and without what dockerd never asks for.
pub fn configuration(data: &Path, exec: &Path) -> String {
    let path = |path: PathBuf| quoted(&path.to_string_lossy());
    let unused: Vec<String> = UNUSED_PLUGINS.iter().map(|plugin| quoted(plugin)).collect();
    format!(
        "version = 2\nroot = {root}\nstate = {state}\ndisabled_plugins = [{unused}]\n\n[grpc]\n  address = {socket}\n",
        root = path(data.join("containerd")),
        state = path(exec.join("containerd/state")),
        unused = unused.join(", "),
        socket = path(socket(exec)),
    )
}

/// The command line, without the program.
pub fn arguments(configuration: &Path, log_level: &str) -> Vec<OsString> {
    vec![super::flag("--config", configuration), format!("--log-level={log_level}").into()]
}

/// A TOML basic string.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_quotes_stays_one_string() {
        assert_eq!(quoted(r#"/a"b\c"#), r#""/a\"b\\c""#);
    }

    #[test]
    fn the_configuration_keeps_to_the_two_directories() {
        let (data, exec) = (Path::new("/s/task-0123456789abcdef/data"), Path::new("/s/task-0123456789abcdef/exec"));
        insta::assert_snapshot!(configuration(data, exec));
    }
}
