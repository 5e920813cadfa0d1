//! The images, built here, and the deployments of `images/`, run as a platform runs them: real dockerd, real containers.
