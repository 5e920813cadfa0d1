//! The layout of plain trees: what the setup actions write locally, and what rsync or a hosted tool cache has on shared storage.
//! Read as it is found; written by stage, rename and marker.

mod contents;
pub(super) mod copy;
mod node;
pub(super) mod survey;
mod version;
mod writers;
