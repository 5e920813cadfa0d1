//! What the suites stand on: a GitHub stand-in, hosts in a box, root file systems, test beds.
//!
//! Owns everything a test needs around the two programs; knows of them only their outside: environment, exit
//! codes, lines, files. Nothing here is linked into what ships.
//!
//! A full pair, each program PID 1 of its own box, one network, one task folder:
//!
//! ```no_run
//! use std::{path::Path, time::Duration};
//! use runner_tests::{bed::Bed, boxed::Boxed, github::Job, process::Ending, rootfs::Rootfs, xfs::{Ftype, Xfs}};
//!
//! let soon = Duration::from_secs(60);
//! let (bed, xfs) = (Bed::new(), Xfs::make(4, Ftype::With).expect("an XFS"));
//! bed.give_runner_to(1001, 1001);
//! let engine = Boxed::new(&Rootfs::Docker.path()).bind(xfs.path(), Path::new("/var/docker-storage"));
//! let mut dind = bed.dind().env("DOCKER_STORAGE_ROOT", "/var/docker-storage").as_pid_1(engine).start();
//! bed.github().reach_from(dind.pid());
//! let runner = Boxed::new(&Rootfs::Runner.path()).network_of(dind.pid()).user("runner", 1001, 1001);
//! let socket = format!("unix://{}", bed.task_dir().join("docker.sock").display());
//! bed.github().queue_job(Job::new("build", "docker info"));
//! let mut entrypoint = bed.entrypoint().without("RUN_AS_ROOT").env("DOCKER_HOST", socket).as_pid_1(runner).start();
//! assert_eq!(entrypoint.wait(soon), Ending::Code(0));
//! assert_eq!(bed.github().finished()[0].result, "Succeeded");
//! bed.github().assert_nobody_registered();
//! dind.signal(nix::sys::signal::Signal::SIGTERM);
//! assert_eq!(dind.wait(soon), Ending::Code(0));
//! ```

pub mod bed;
pub mod boxed;
pub mod clock;
pub mod filters;
pub mod fixtures;
pub mod github;
pub mod http;
pub mod need;
pub mod pair;
pub mod process;
pub mod programs;
pub mod rootfs;
pub mod scratch;
pub mod trees;
pub mod xfs;
