//! PID 1 of a container that runs one GitHub Actions job.

mod lifecycle;
mod stages;
