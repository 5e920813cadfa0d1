//! runner-dind as it is today: cargo builds it with the tests and gives them its path, which it does not do for another package's own
//! binary.

fn main() -> std::process::ExitCode {
    runner_dind::main()
}
