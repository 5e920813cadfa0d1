use super::*;

#[test]
fn an_opened_process_is_signalled_and_then_readable() {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    let mut command = Command::new("sleep");
    #[expect(clippy::disallowed_methods, reason = "a child to signal")]
    let mut child = command.arg("600").spawn().unwrap();
    let process = open_process(i32::try_from(child.id()).unwrap()).unwrap();
    send_to_opened(&process, Signal::KILL).unwrap();
    poll(&mut [PollFd::new(process.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE).unwrap();
    // Another test of this process may reap it first.
    #[expect(clippy::disallowed_methods, reason = "its end is known already")]
    let _ = child.wait();
    assert_eq!(send_to_opened(&process, Signal::KILL), Err(Errno::ESRCH));
    assert_eq!(open_process(i32::MAX).unwrap_err(), Errno::ESRCH);
}
