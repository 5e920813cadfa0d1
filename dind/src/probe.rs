//! Owns the question whether a docker daemon can be *used*: it answers, its storage driver is a real one, and a container runs in it.
//!
//! `/_ping` alone says yes in states where no container can start: a read-only cgroup tree, for one. So a container is run, from an
//! image made here, in memory, of one program of about 130 bytes; nothing is pulled, nothing stays.

use std::time::Duration;

use tokio::time::Instant;
use tracing::{info, warn};

use crate::api::{ApiError, Docker, Info};

/// The image exists for less than a second; the name only tells people who look in that second.
const REPOSITORY: &str = "runner-dind-probe";
const TAG: &str = "1";
const IMAGE: &str = "runner-dind-probe:1";
const PROGRAM: &str = "/true";

/// How long to wait between questions to a socket that is not there yet.
const BETWEEN: Duration = Duration::from_millis(5);

/// How long to wait for one answer. The daemon listens before it can answer, so the first question usually waits here.
const ONE_PING: Duration = Duration::from_secs(5);

/// Why a daemon cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// It would copy every layer of every container.
    #[error(
        "docker chose the storage driver {0}: every container would copy its whole image\n\
         hint: the storage root must be XFS with ftype=1 on a kernel with overlay; dockerd's own warnings above say what it missed"
    )]
    Driver(String),
    /// The API says no.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The container ran and did not end as it should.
    #[error("a test container ended with {0} instead of 0")]
    Code(i64),
    /// The image could not be made.
    #[error("cannot make the test image: {0}")]
    Image(std::io::Error),
    /// This program does not know the machine's instructions.
    #[error("no test program for this processor")]
    Processor,
}

impl ProbeError {
    /// The host will never do, so that another try is of no use.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Driver(_) | Self::Processor)
    }
}

/// Waits until the daemon answers. Ends only then; the caller has the deadline.
pub async fn answering(docker: &Docker) {
    while docker.ping(ONE_PING).await.is_err() {
        tokio::time::sleep(BETWEEN).await;
    }
}

/// Waits until the daemon answers, then finds out whether it is usable. The caller has the deadline of the first part.
///
/// # Errors
/// Why it is not.
pub async fn probe(docker: &Docker) -> Result<Info, ProbeError> {
    let started = Instant::now();
    answering(docker).await;
    let info = docker.info().await?;
    info!(
        event = "docker_answers",
        took_ms = milliseconds(started),
        version = info.server_version,
        driver = info.driver,
        cgroup = info.cgroup_version,
        "docker answers"
    );
    // `native` is containerd's name of the same thing.
    if info.driver == "vfs" || info.driver == "native" {
        return Err(ProbeError::Driver(info.driver));
    }
    let started = Instant::now();
    let archive = archive(&program(Processor::OURS.ok_or(ProbeError::Processor)?)).map_err(ProbeError::Image)?;
    docker.import(REPOSITORY, TAG, archive).await?;
    let imported_ms = milliseconds(started);
    let result = run(docker).await;
    if let Err(error) = docker.remove_image(IMAGE).await {
        warn!(%error, "the test image stays behind");
    }
    result?;
    info!(event = "container_runs", took_ms = milliseconds(started), imported_ms, "a container runs");
    Ok(info)
}

async fn run(docker: &Docker) -> Result<(), ProbeError> {
    let container = docker.create(IMAGE, &[PROGRAM]).await?;
    let code = async {
        docker.start(&container).await?;
        docker.wait(&container).await
    }
    .await;
    if let Err(error) = docker.remove_container(&container).await {
        warn!(%error, "the test container stays behind");
    }
    match code? {
        0 => Ok(()),
        code => Err(ProbeError::Code(code)),
    }
}

fn milliseconds(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// A root file system with one program.
fn archive(program: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(tar::EntryType::Regular);
    header.set_mode(0o755);
    header.set_size(program.len() as u64);
    let mut builder = tar::Builder::new(Vec::new());
    builder.append_data(&mut header, PROGRAM.trim_start_matches('/'), program)?;
    builder.into_inner()
}

/// A processor whose instructions are known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Processor {
    X86_64,
    Aarch64,
}

impl Processor {
    const OURS: Option<Self> = if cfg!(target_arch = "x86_64") {
        Some(Self::X86_64)
    } else if cfg!(target_arch = "aarch64") {
        Some(Self::Aarch64)
    } else {
        None
    };

    /// `e_machine` (elf(5), /usr/include/elf.h).
    fn machine(self) -> u16 {
        match self {
            Self::X86_64 => 62,
            Self::Aarch64 => 183,
        }
    }

    /// The largest page the kernel may have; a segment must be aligned to it.
    fn page(self) -> u64 {
        match self {
            Self::X86_64 => 0x1000,
            Self::Aarch64 => 0x1_0000,
        }
    }

    /// `exit(0)` (syscall(2) has the registers, /usr/include/asm/unistd.h the numbers).
    fn exit(self) -> &'static [u8] {
        match self {
            Self::X86_64 => &[
                0x31, 0xff, // xor edi, edi         status 0
                0xb8, 0x3c, 0x00, 0x00, 0x00, // mov eax, 60    exit
                0x0f, 0x05, // syscall
            ],
            Self::Aarch64 => &[
                0x00, 0x00, 0x80, 0xd2, // mov x0, #0   status 0
                0xa8, 0x0b, 0x80, 0xd2, // mov x8, #93  exit
                0x01, 0x00, 0x00, 0xd4, // svc #0
            ],
        }
    }
}

/// A static ELF program (elf(5)) that exits with 0: file header, one program header, code; all of it is one read-only segment.
fn program(processor: Processor) -> Vec<u8> {
    const FILE_HEADER: u16 = 64;
    const PROGRAM_HEADER: u16 = 56;
    /// Where the segment is put, a multiple of every page size, and where static programs usually are.
    const BASE: u64 = 0x40_0000;
    const READ_AND_EXECUTE: u32 = 4 | 1;
    let code = processor.exit();
    let headers = u64::from(FILE_HEADER + PROGRAM_HEADER);
    let size = headers + code.len() as u64;

    let mut file = Vec::new();
    file.extend(b"\x7fELF"); // e_ident: magic,
    file.extend([2, 1, 1, 0]); // 64 bits, little-endian, version 1, System V,
    file.extend([0; 8]); // padding
    file.extend(2u16.to_le_bytes()); // e_type: a program at fixed addresses
    file.extend(processor.machine().to_le_bytes()); // e_machine
    file.extend(1u32.to_le_bytes()); // e_version
    file.extend((BASE + headers).to_le_bytes()); // e_entry: the code
    file.extend(u64::from(FILE_HEADER).to_le_bytes()); // e_phoff: right behind this header
    file.extend(0u64.to_le_bytes()); // e_shoff: no sections
    file.extend(0u32.to_le_bytes()); // e_flags
    file.extend(FILE_HEADER.to_le_bytes()); // e_ehsize
    file.extend(PROGRAM_HEADER.to_le_bytes()); // e_phentsize
    file.extend(1u16.to_le_bytes()); // e_phnum
    file.extend([0; 6]); // e_shentsize, e_shnum, e_shstrndx: no sections

    file.extend(1u32.to_le_bytes()); // p_type: load
    file.extend(READ_AND_EXECUTE.to_le_bytes()); // p_flags
    file.extend(0u64.to_le_bytes()); // p_offset: the whole file
    file.extend(BASE.to_le_bytes()); // p_vaddr
    file.extend(BASE.to_le_bytes()); // p_paddr
    file.extend(size.to_le_bytes()); // p_filesz
    file.extend(size.to_le_bytes()); // p_memsz
    file.extend(processor.page().to_le_bytes()); // p_align

    file.extend(code);
    file
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::stand_in::{Answer, StandIn, on_loop};
    use std::{fs, os::unix::fs::PermissionsExt as _, process::Command};

    const INFO: Answer = ("GET /info", Some(200), r#"{"Driver":"overlay2","ServerVersion":"26","CgroupVersion":"2"}"#);
    const PING: Answer = ("GET /_ping", Some(200), "OK");
    const IMPORT: Answer = ("POST /images/create", Some(200), "{}");
    const CREATE: Answer = ("POST /containers/create", Some(201), r#"{"Id":"c1"}"#);

    async fn heard_after(script: &'static [Answer]) -> (Result<Info, ProbeError>, Vec<String>) {
        let daemon = StandIn::start(script);
        let result = probe(&Docker::at(&daemon.socket)).await;
        let heard = daemon.heard.borrow().clone();
        (result, heard)
    }

    #[test]
    fn a_usable_daemon_has_run_a_container_and_keeps_nothing_of_it() {
        on_loop(async {
            const START: Answer = ("POST /containers/c1/start", Some(204), "");
            const WAIT: Answer = ("POST /containers/c1/wait", Some(200), r#"{"StatusCode":0}"#);
            let (result, heard) = heard_after(&[PING, INFO, IMPORT, CREATE, START, WAIT]).await;
            assert_eq!(result.unwrap().driver, "overlay2");
            assert_eq!(heard[heard.len() - 2..], ["DELETE /containers/c1?force=1&v=1", "DELETE /images/runner-dind-probe:1?force=1"]);
        });
    }

    #[test]
    fn vfs_is_refused_before_anything_is_made() {
        on_loop(async {
            let (result, heard) =
                heard_after(&[PING, ("GET /info", Some(200), r#"{"Driver":"vfs","ServerVersion":"26","CgroupVersion":"2"}"#)]).await;
            let error = result.unwrap_err();
            assert!(error.is_final() && error.to_string().starts_with("docker chose the storage driver vfs"), "{error}");
            assert_eq!(heard.len(), 2);
        });
    }

    #[test]
    fn a_container_that_cannot_start_or_ends_badly_is_told_and_still_removed() {
        on_loop(async {
            const START: Answer = ("POST /containers/c1/start", Some(500), r#"{"message":"cgroup: read-only file system"}"#);
            let (result, heard) = heard_after(&[PING, INFO, IMPORT, CREATE, START]).await;
            assert!(result.unwrap_err().to_string().contains("read-only file system"));
            assert_eq!(heard[heard.len() - 2..], ["DELETE /containers/c1?force=1&v=1", "DELETE /images/runner-dind-probe:1?force=1"]);
        });
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a test may wait for the program it made")]
    fn the_program_for_this_machine_exits_with_zero() {
        let file = program(Processor::OURS.unwrap());
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("true");
        fs::write(&path, &file).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        // Another test's fork may hold our descriptor for writing for a moment (ETXTBSY).
        let status = (0..200).find_map(|_| Command::new(&path).env_clear().status().ok()).unwrap();
        assert_eq!(status.code(), Some(0));
        assert_eq!(file.len(), if cfg!(target_arch = "x86_64") { 129 } else { 132 });
    }

    #[test]
    fn both_programs_have_the_same_headers_but_for_the_machine() {
        let (x86, arm) = (program(Processor::X86_64), program(Processor::Aarch64));
        assert_eq!((x86[18], arm[18]), (62, 183));
        assert_eq!(x86[..18], arm[..18]);
        assert_eq!((x86.len(), arm.len()), (129, 132));
        assert_eq!(u64::from_le_bytes(arm[96..104].try_into().unwrap()), 132);
    }

    #[test]
    fn the_archive_holds_the_program_and_may_be_executed() {
        let bytes = archive(&program(Processor::X86_64)).unwrap();
        let mut archive = tar::Archive::new(bytes.as_slice());
        let entry = archive.entries().unwrap().next().unwrap().unwrap();
        assert_eq!((entry.path().unwrap().to_str(), entry.header().mode().unwrap()), (Some("true"), 0o755));
        assert_eq!(bytes.len() % 512, 0);
    }
}
