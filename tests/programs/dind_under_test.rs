//! runner-dind as it is today: cargo builds it with the tests and gives them its path, which it does not do for another package's
//! own binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Becomes `runner_dind::main()` with that library.
    ExitCode::from(70)
}
