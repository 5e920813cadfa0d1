//! The images, built here, and the deployments of `images/`, run as a platform runs them: real dockerd, real containers.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the message, in its helpers too")]

mod contents;
