//! PID 1 of the docker sidecar of one GitHub Actions job.
