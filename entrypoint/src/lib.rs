//! PID 1 of a container that runs one GitHub Actions job.
pub mod cache;
pub mod github;
