//! Stands in for `Runner.Listener` and `Runner.Worker`: one program, two names (by `argv[0]` or the first argument).
//!
//! Owns what a supervisor can see of the real ones: arguments, environment, files, lines, exit codes, reactions to
//! signals (actions/runner, src/Runner.Listener/Runner.cs, Program.cs, src/Runner.Common/Constants.cs). Must not know
//! the programs under test. Talks to the GitHub stand-in by that one's own calls.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "its lines are what a supervisor reads")]

mod configure;
mod hook;
mod listener;
mod options;
mod perf;
mod registration;
mod worker;

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    let name = arguments.first().map(|path| Path::new(path).file_name().unwrap_or_default().to_string_lossy().into_owned());
    if name.as_deref() == Some("Runner.Worker") || arguments.get(1).is_some_and(|first| first == "spawnclient") {
        worker::main()
    } else if arguments.get(1).is_some_and(|first| first == "configure" || first == "remove") {
        configure::main(&arguments[1..], &listener::runner_root())
    } else {
        listener::main(&arguments[1..])
    }
}
