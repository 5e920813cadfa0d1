//! What the suites stand on: a GitHub stand-in, hosts in a box, root file systems, test beds.
//!
//! Owns everything a test needs around the two programs; knows of them only their outside: environment, exit
//! codes, lines, files. Nothing here is linked into what ships.
//!
//! A full pair, each program PID 1 of its own box, one network, one task folder:
//!
//! ```no_run
//! use std::time::Duration;
//! use runner_tests::{github::Job, pair::Pair, process::Ending};
//!
//! let soon = Duration::from_secs(60);
//! let pair = Pair::new();
//! pair.bed().github().queue_job(Job::new("build", "docker info"));
//! let mut dind = pair.dind().start();
//! let mut entrypoint = pair.entrypoint(Some(&dind)).start();
//! assert_eq!(entrypoint.wait(soon), Ending::Code(0));
//! assert_eq!(pair.bed().github().finished()[0].result, "Succeeded");
//! dind.signal(nix::sys::signal::Signal::SIGTERM);
//! assert_eq!(dind.wait(soon), Ending::Code(0));
//! assert!(pair.left_behind().is_empty());
//! ```

pub mod agent;
pub mod bed;
pub mod boxed;
pub mod clock;
pub mod ecs;
pub mod engine;
pub mod filters;
pub mod fixtures;
pub mod fluentd;
pub mod github;
pub mod http;
pub mod images;
pub mod need;
pub mod pair;
pub mod podman;
pub mod process;
pub mod programs;
pub mod rootfs;
pub mod scratch;
pub mod sidecar;
pub mod slow_mount;
pub mod trees;
pub mod vm;
pub mod xfs;
