//! What the suites stand on: a GitHub stand-in, hosts in a box, root file systems, test beds.
//!
//! Owns everything a test needs around the two programs; knows of them only their outside: environment, exit
//! codes, lines, files. Nothing here is linked into what ships.

pub mod bed;
pub mod boxed;
pub mod clock;
pub mod filters;
pub mod fixtures;
pub mod github;
pub mod http;
pub mod need;
pub mod process;
pub mod programs;
pub mod rootfs;
pub mod trees;
pub mod xfs;
