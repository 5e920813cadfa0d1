//! Which iptables the image has, and whether the kernel has the tables that it writes.
//!
//! One program name stands for two: `iptables-nft` writes nftables, `iptables-legacy` the older tables. With the wrong one dockerd dies
//! at its first rule, and the module cannot be loaded from inside a container.

use std::{ffi::OsStr, fs, os::fd::AsRawFd as _, path::Path};

use nix::sys::socket::{AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket};

use super::{Prerequisite, cures::Cure, find};

/// What the image's iptables writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tables {
    /// nftables, through `xtables-nft-multi`.
    Nft,
    /// The older tables, through `xtables-legacy-multi`.
    Legacy,
    /// A program with no name that tells.
    Unknown,
}

/// What was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacketFilter {
    /// Of the program; `None` when there is none.
    pub tables: Option<Tables>,
    /// The kernel has them; `None` when that cannot be told.
    pub there: Option<bool>,
}

/// Looks at the program and asks the kernel.
pub fn look(search: &OsStr, proc: &Path, may_ask: bool) -> PacketFilter {
    let tables = find("iptables", search).map(|program| {
        // The name is a chain of links: /usr/sbin/iptables, /etc/alternatives/iptables, /usr/sbin/iptables-nft, xtables-nft-multi.
        let name = fs::canonicalize(&program).ok().and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()));
        match name {
            Some(name) if name.contains("nft") => Tables::Nft,
            Some(name) if name.contains("legacy") => Tables::Legacy,
            _ => Tables::Unknown,
        }
    });
    let there = match tables {
        Some(Tables::Nft) if may_ask => nftables_answer(),
        // Made when the module is loaded; the network namespace has a file of its own.
        Some(Tables::Legacy) if may_ask => Some(proc.join("net/ip_tables_names").exists()),
        _ => None,
    };
    PacketFilter { tables, there }
}

/// Asks for the generation of the rules, as iptables-nft does first (linux/netfilter/nf_tables.h, `NFT_MSG_GETGEN`). The kernel answers
/// while we send; a kernel that can will load its module for the question.
fn nftables_answer() -> Option<bool> {
    const GET_GENERATION: u16 = 10 << 8 | 16;
    const GENERATION: u16 = 10 << 8 | 15;
    const REQUEST: u16 = 1;
    const LENGTH: u32 = 20;
    let socket = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkNetFilter).ok()?;
    let mut question = Vec::from(LENGTH.to_ne_bytes());
    question.extend(GET_GENERATION.to_ne_bytes());
    question.extend(REQUEST.to_ne_bytes());
    // Sequence, port, then nfgenmsg: any family, version 0, no resource.
    question.extend([0; 12]);
    sendto(socket.as_raw_fd(), &question, &NetlinkAddr::new(0, 0), MsgFlags::empty()).ok()?;
    let mut answer = [0; 256];
    let length = recv(socket.as_raw_fd(), &mut answer, MsgFlags::MSG_DONTWAIT).ok()?;
    let number = |at: usize| answer[..length].get(at..at + 2).map(|bytes| u16::from_ne_bytes([bytes[0], bytes[1]]));
    // An error is a negative number behind the header: EPERM says nothing about the tables.
    let refused = [nix::errno::Errno::EPERM as i32, nix::errno::Errno::EACCES as i32];
    let error = answer[..length].get(16..20).map(|bytes| -i32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
    match number(4)? {
        GENERATION => Some(true),
        _ if error.is_some_and(|error| refused.contains(&error)) => None,
        _ => Some(false),
    }
}

/// What is wrong with it. A missing program is told with the other programs.
pub fn judge(seen: PacketFilter) -> Prerequisite {
    let words = match (seen.tables, seen.there) {
        (None, _) => "no iptables",
        (Some(Tables::Nft), Some(true)) => "iptables-nft, and the kernel answers",
        (Some(Tables::Nft), Some(false)) => "iptables-nft, and the kernel has no nftables",
        (Some(Tables::Nft), None) => "iptables-nft",
        (Some(Tables::Legacy), Some(true)) => "iptables-legacy, and the kernel has its tables",
        (Some(Tables::Legacy), Some(false)) => "iptables-legacy, and the kernel has no such tables yet",
        (Some(Tables::Legacy), None) => "iptables-legacy",
        (Some(Tables::Unknown), _) => "an iptables that does not tell what it writes",
    };
    let mut page = Prerequisite::seen("iptables", words);
    match (seen.tables, seen.there) {
        (Some(Tables::Nft), Some(false)) => page.refuse(
            "the image's iptables writes nftables and the host's kernel has none: dockerd would die at its first rule",
            Cure::anywhere("`modprobe nf_tables` on the host, or iptables-legacy in the image (update-alternatives --set iptables)"),
        ),
        (Some(Tables::Legacy), Some(false)) => page.warn(
            "the image's iptables writes the older tables, and the host's kernel shows none: dockerd will die unless it can load them",
            Cure::anywhere("`modprobe iptable_nat iptable_filter` on the host, or iptables-nft in the image"),
        ),
        _ => {}
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    fn image(program: &str) -> tempfile::TempDir {
        let bin = tempfile::tempdir().unwrap();
        fs::write(bin.path().join(program), "").unwrap();
        fs::set_permissions(bin.path().join(program), fs::Permissions::from_mode(0o755)).unwrap();
        if program != "iptables" {
            symlink(program, bin.path().join("alternative")).unwrap();
            symlink("alternative", bin.path().join("iptables")).unwrap();
        }
        bin
    }

    #[test]
    fn what_an_iptables_writes_is_told_by_what_its_links_lead_to() {
        let of = |program: &str| look(image(program).path().as_os_str(), Path::new("/proc"), false).tables;
        assert_eq!(of("xtables-nft-multi"), Some(Tables::Nft));
        assert_eq!(of("xtables-legacy-multi"), Some(Tables::Legacy));
        assert_eq!(of("iptables"), Some(Tables::Unknown));
        assert_eq!(look(OsStr::new("/nowhere"), Path::new("/proc"), true), PacketFilter { tables: None, there: None });
    }

    #[test]
    fn the_older_tables_are_there_when_their_file_is() {
        let (bin, proc) = (image("xtables-legacy-multi"), tempfile::tempdir().unwrap());
        assert_eq!(look(bin.path().as_os_str(), proc.path(), true).there, Some(false));
        fs::create_dir(proc.path().join("net")).unwrap();
        fs::write(proc.path().join("net/ip_tables_names"), "").unwrap();
        assert_eq!(look(bin.path().as_os_str(), proc.path(), true).there, Some(true));
    }

    #[test]
    fn only_a_program_whose_tables_are_missing_is_told() {
        for tables in [None, Some(Tables::Nft), Some(Tables::Legacy), Some(Tables::Unknown)] {
            for there in [None, Some(true), Some(false)] {
                let told = !judge(PacketFilter { tables, there }).findings.is_empty();
                let missing = there == Some(false) && matches!(tables, Some(Tables::Nft | Tables::Legacy));
                assert_eq!(told, missing, "{tables:?} {there:?}");
            }
        }
    }
}
