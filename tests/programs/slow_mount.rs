//! A directory shown as a far-away file server would show it: see `runner_tests::slow_mount`.
#![expect(clippy::print_stderr, reason = "a command line tool")]

use std::process::ExitCode;

fn main() -> ExitCode {
    let words = std::env::args_os().skip(1);
    match runner_tests::slow_mount::serve(words, std::io::stdin().lock(), &mut std::io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(what) => {
            eprintln!("slow-mount: {what}");
            ExitCode::FAILURE
        }
    }
}
