//! What the place this container runs in says of it and lets it ask for: ECS task metadata, ECS task protection, EC2's notice
//! before a spot instance is taken away. Knows no lifecycle and no setting; every base address comes in as a value.
//!
//! All of it is plain http to a link-local address: no TLS, no proxy, no redirect.

mod ask;
mod protection;
mod spot;
#[cfg(test)]
mod stand_in;
mod task;

pub(crate) use self::{
    protection::{Protection, protect},
    spot::{Notice, spot_notice},
    task::task,
};
