//! `runner-dind`: see the library.
fn main() -> std::process::ExitCode {
    runner_dind::main()
}
