//! The images, built from `images/` and kept.
