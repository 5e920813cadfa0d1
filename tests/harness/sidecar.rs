//! The sidecar in a container of a real docker, as shell functions: they run in a box, in a virtual machine, and inside one another.

/// `image`, `sidecar NAME OPTION...`, `ready NAME`, `inside NAME SCRIPT`, and `$TINY`, a script that makes an image of busybox.
pub const TOOLS: &str = include_str!("sidecar.sh");
