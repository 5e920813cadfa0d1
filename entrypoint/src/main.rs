//! PID 1 of a container that runs one GitHub Actions job.

fn main() -> std::process::ExitCode {
    runner_entrypoint::main()
}
