//! What a terminal is like.

use std::os::fd::{AsFd, AsRawFd as _};

nix::ioctl_read_bad!(window_size, libc::TIOCGWINSZ, libc::winsize);

/// How many columns a terminal has; `None` when it is none, or does not know.
pub fn columns(terminal: impl AsFd) -> Option<usize> {
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the descriptor is open while it is borrowed, and the kernel writes one winsize, which `size` is.
    unsafe { window_size(terminal.as_fd().as_raw_fd(), &raw mut size) }.ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::pty::{Winsize, openpty};

    #[test]
    fn a_terminal_has_columns_and_a_file_has_none() {
        let size = |ws_col| Winsize { ws_row: 24, ws_col, ws_xpixel: 0, ws_ypixel: 0 };
        let terminal = openpty(&size(97), None).unwrap();
        assert_eq!(columns(&terminal.slave), Some(97));
        let silent = openpty(&size(0), None).unwrap();
        assert_eq!(columns(&silent.slave), None);
        assert_eq!(columns(std::fs::File::open("/dev/null").unwrap()), None);
    }
}
