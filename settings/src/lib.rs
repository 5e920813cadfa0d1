//! An environment becomes values, or a list of everything wrong with it.
//!
//! A program describes each of its settings once, in a [`Table`]. From that table come the flags, the `--help` text, the reference in
//! the documentation, and the [`Reader`], which hands out typed values and collects *every* problem instead of stopping at the first.
//!
//! This crate knows no variable by name and never looks at the process's environment itself: the caller passes it in.

mod arguments;
mod effective;
mod help;
mod reader;
mod secret;
mod spelling;
mod table;

pub use arguments::{Arguments, UsageError, parse as parse_arguments};
pub use effective::{Effective, Origin, shown_url};
pub use help::{markdown, markdown_exit_codes, render as render_help, render_exit_codes};
pub use reader::{Problem, Problems, Reader, forget};
pub use secret::Secret;
pub use spelling::nearest;
pub use table::{Setting, Table};
