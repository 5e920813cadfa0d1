//! A full disk on either side.
