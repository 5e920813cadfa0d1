use super::*;

/// By hand from linux/quota.h, linux/dqblk_xfs.h, linux/fs.h and linux/loop.h; the same on every 64-bit machine.
#[test]
fn quota_commands_and_limits_are_the_kernels() {
    assert_eq!([GET_QUOTA, SET_LIMITS, GET_STATE], [0x58_0302, 0x58_0402, 0x58_0502]);
    let quota = limits(300_000, 20 << 30);
    assert_eq!((quota.id, quota.blocks_hard, quota.blocks_soft, quota.fields, quota.flags), (300_000, 41_943_040, 41_943_040, 0xc, 2));
    assert_eq!(limits(300_000, 0).blocks_hard, 0);
    assert_eq!((std::mem::offset_of!(DiskQuota, blocks), std::mem::offset_of!(DiskQuota, realtime_hard)), (40, 72));
    assert_eq!((std::mem::offset_of!(FileAttributes, project), std::mem::offset_of!(QuotaStat, flags)), (12, 2));
    assert_eq!((std::mem::offset_of!(LoopConfig, flags), std::mem::offset_of!(LoopConfig, file_name)), (60, 64));
}

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
