//! An environment becomes values, or a list of everything wrong with it.
//!
//! A program describes each of its settings once, in a [`Table`]. From that table come the flags and the [`Reader`], which hands out
//! typed values and collects *every* problem instead of stopping at the first. A [`Guide`] adds the commands and the tasks; from it come the
//! help, the reference in the documentation, and a description of the program for other programs.
//!
//! This crate knows no variable by name and never looks at the process's environment itself: the caller passes it in.

mod arguments;
mod effective;
mod guide;
mod help;
mod reader;
mod reference;
mod secret;
mod spelling;
mod table;

pub use arguments::{Arguments, UsageError, parse as parse_arguments};
pub use effective::{Effective, Origin, shown_url};
pub use guide::{Command, Group, Guide, Switch, Topic};
pub use help::{NARROW, WIDE, render as render_help, render_command};
pub use reader::{Problem, Problems, Reader, forget};
pub use reference::{json, markdown, markdown_exit_codes};
pub use secret::Secret;
pub use spelling::nearest;
pub use table::{Setting, Table};
