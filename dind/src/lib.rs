//! PID 1 of the docker sidecar of one GitHub Actions job.

pub mod api;
pub mod cgroup;
pub mod daemon;
pub mod data_root;
pub mod host;
pub mod mounts;
pub mod probe;
pub mod socket;
pub mod tree;
