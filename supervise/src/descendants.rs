//! Which processes are below which, from `/proc`. Reads, never signals.

use std::{fs, path::Path};

/// A process as `/proc/PID/stat` shows it (proc_pid_stat(5)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    pub(crate) parent: i32,
    /// At most 15 bytes of its name.
    pub(crate) comm: String,
}

/// Every process below `root`, children before grandchildren. A process that comes or goes meanwhile may be missed.
pub(crate) fn below(proc: &Path, root: i32) -> Vec<Process> {
    let Ok(entries) = fs::read_dir(proc) else { return Vec::new() };
    let all = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().as_encoded_bytes()[0].is_ascii_digit())
        .filter_map(|entry| parse(&fs::read(entry.path().join("stat")).ok()?))
        .collect();
    select(all, root)
}

fn select(mut rest: Vec<Process>, root: i32) -> Vec<Process> {
    let mut found: Vec<Process> = Vec::new();
    let mut parents = vec![root];
    while !parents.is_empty() {
        let (children, others) = rest.into_iter().partition::<Vec<_>, _>(|process| parents.contains(&process.parent));
        parents = children.iter().map(|process| process.pid).collect();
        found.extend(children);
        rest = others;
    }
    found
}

/// `PID (COMM) STATE PPID ...`; the name may hold blanks and parentheses, so it ends at the *last* one.
fn parse(stat: &[u8]) -> Option<Process> {
    let open = stat.iter().position(|&byte| byte == b'(')?;
    let close = stat.iter().rposition(|&byte| byte == b')')?;
    let pid = std::str::from_utf8(stat.get(..open)?).ok()?.trim().parse().ok()?;
    let comm = String::from_utf8_lossy(stat.get(open + 1..close)?).into_owned();
    let rest = std::str::from_utf8(stat.get(close + 1..)?).ok()?;
    let parent = rest.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(Process { pid, parent, comm })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: i32, parent: i32) -> Process {
        Process { pid, parent, comm: String::new() }
    }

    #[test]
    fn a_name_with_parentheses_and_blanks_does_not_shift_the_fields() {
        let parsed = parse(b"42 (a) b (c) S 7 42 42 0 -1").unwrap();
        assert_eq!((parsed.pid, parsed.parent, parsed.comm.as_str()), (42, 7, "a) b (c"));
        assert_eq!(parse(b"nonsense"), None);
    }

    #[test]
    fn only_what_is_below_is_found_and_nearest_first() {
        let all = vec![process(5, 3), process(3, 2), process(9, 1), process(4, 2)];
        let pids: Vec<i32> = select(all, 2).iter().map(|process| process.pid).collect();
        assert_eq!(pids, [3, 4, 5]);
    }

    #[test]
    fn this_process_is_below_its_parent() {
        let parent = nix::unistd::getppid().as_raw();
        let me = nix::unistd::getpid().as_raw();
        assert!(below(Path::new("/proc"), parent).iter().any(|process| process.pid == me));
    }
}
