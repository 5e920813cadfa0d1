//! Names that no other process has.

use std::ffi::OsString;
use std::fmt::Write as _;

use nix::Result;
use nix::errno::Errno;

/// `<host>-<pid>-<random>`: the host and pid are for people, the random part makes it unique.
pub(super) fn fresh_token() -> Result<OsString> {
    let host: String = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .unwrap_or_default()
        .chars()
        .filter(|character| character.is_ascii_alphanumeric() || *character == '-')
        .take(40)
        .collect();
    let mut token = format!("{host}-{}-", std::process::id());
    let random = getrandom::u64().map_err(|_| Errno::EIO)?;
    // Writing to a String cannot fail.
    let _ = write!(token, "{random:016x}");
    Ok(token.trim_start_matches('-').into())
}
