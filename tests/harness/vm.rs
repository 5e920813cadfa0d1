//! A virtual machine with systemd, cgroup v2, AppArmor and XFS quotas: what no box on a shared kernel can show.
//!
//! Software emulation (QEMU's TCG), so that it runs wherever the boxes do; slow, so one boot runs many scenarios. QEMU comes from a
//! root file system of its own and runs in a box; the guest's disk is made from another. No network: work goes in on a disk, and results
//! come out of the second serial port, where the kernel does not write.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::boxed::Boxed;
use crate::rootfs::Rootfs;
use crate::scratch::Scratch;

/// Something to be shown in the guest.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// A file name.
    pub name: &'static str,
    /// For `/bin/sh`, as root.
    pub script: String,
    /// It is killed after this many seconds.
    pub seconds: u32,
}

/// What became of a scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Of which.
    pub name: String,
    /// Its exit code; `None` when the machine ended first.
    pub code: Option<i32>,
    /// All it wrote.
    pub text: String,
    /// How long it took, in the guest's seconds.
    pub seconds: u32,
}

/// Size of a disk with nothing on it.
const VOLUME: u64 = 4 << 30;

/// What the kernel is told; the clock is one that emulation keeps.
const APPEND: &str = "console=ttyS0 root=/dev/vda rw quiet systemd.show_status=0 systemd.run=/usr/local/sbin/guest-job \
     systemd.run_success_action=poweroff systemd.run_failure_action=poweroff panic=1 mitigations=off clocksource=acpi_pm tsc=unstable";

/// Size of the disk with the work; what the files take, and air.
const AIR: u64 = 64 << 20;

/// A machine to boot: `/dev/vda` is its system, `/dev/vdb` the disk with the work, and what follows has nothing on it.
#[derive(Debug, Clone)]
pub struct Machine {
    /// Whose kernel.
    pub root: Rootfs,
    /// The disk with its system, never written to.
    pub system: PathBuf,
    /// As QEMU calls the format of that: raw, qcow2.
    pub format: &'static str,
    /// How many disks follow.
    pub volumes: usize,
}

/// Boots [`Rootfs::Guest`] with two empty disks, as [`Machine::run`].
///
/// # Panics
/// As there.
#[must_use]
pub fn run(files: &[(&str, &Path)], scenarios: &[Scenario], limit: Duration) -> Vec<Shown> {
    Machine { root: Rootfs::Guest, system: system(Rootfs::Guest), format: "raw", volumes: 2 }.run(files, scenarios, limit)
}

impl Machine {
    /// Boots a machine that runs the scenarios one after the other, with `files` in `/job/bin`, and waits until it is off.
    ///
    /// # Panics
    /// When it can not be made or is not off in time; the message has its console.
    #[must_use]
    pub fn run(&self, files: &[(&str, &Path)], scenarios: &[Scenario], limit: Duration) -> Vec<Shown> {
        let scratch = Scratch::new();
        let at = |name: &str| scratch.path().join(name);
        job(&at("job"), files, scenarios);
        let size = files.iter().map(|(_, path)| fs::metadata(path).map_or(0, |found| found.len())).sum::<u64>() + AIR;
        ext4(&at("job.img"), &at("job"), size, "job");
        let system_disk = format!("file=/system.img,if=virtio,format={},snapshot=on", self.format);
        let mut command: Vec<String> = [
            "qemu-system-x86_64",
            "-accel",
            "tcg,thread=multi",
            "-cpu",
            "max",
            "-m",
            "1536",
            "-smp",
            "2",
            "-display",
            "none",
            "-no-reboot",
        ]
        .into_iter()
        .chain(["-nic", "none", "-serial", "file:/vm/console", "-serial", "file:/vm/results"])
        .chain(["-kernel", "/guest/vmlinuz", "-initrd", "/guest/initrd.img", "-append", APPEND])
        .chain(["-drive", &system_disk, "-drive", "file=/vm/job.img,if=virtio,format=raw,readonly=on"])
        .map(str::to_owned)
        .collect();
        for number in 0..self.volumes {
            let name = format!("volume{number}.img");
            File::create(at(&name)).and_then(|file| file.set_len(VOLUME)).expect("make a volume");
            command.extend(["-drive".to_owned(), format!("file=/vm/{name},if=virtio,format=raw,discard=unmap")]);
        }
        let guest = self.root.path();
        let boxed = Boxed::new(&Rootfs::Qemu.path()).bind(scratch.path(), Path::new("/vm")).bind_read_only(&guest, Path::new("/guest"));
        // Where QEMU keeps what the guest writes to its system disk.
        let boxed = boxed.bind_read_only(&self.system, Path::new("/system.img")).env("TMPDIR", "/vm");
        let mut machine = boxed.spawn("qemu", &command.iter().map(String::as_str).collect::<Vec<_>>());
        let ended = crate::clock::poll(limit, || machine.ended());
        let read = |name: &str| String::from_utf8_lossy(&fs::read(at(name)).unwrap_or_default()).replace('\r', "");
        let (results, console) = (read("results"), read("console"));
        assert!(ended.is_some(), "the machine is not off after {limit:?}\n{results}\n{console}\n{}", machine.transcript());
        let shown = parse(&results);
        assert!(!shown.is_empty(), "the machine ran nothing\n{results}\n{console}\n{}", machine.transcript());
        shown
    }
}

/// The disk with the work.
fn job(directory: &Path, files: &[(&str, &Path)], scenarios: &[Scenario]) {
    let scripts = directory.join("scenarios");
    fs::create_dir_all(directory.join("bin")).and_then(|()| fs::create_dir(&scripts)).expect("make the work's directories");
    for (name, path) in files {
        fs::copy(path, directory.join("bin").join(name)).expect("copy a program");
    }
    let mut run = "exec >/dev/ttyS1 2>&1\ncd /\n".to_owned();
    for scenario in scenarios {
        let Scenario { name, script, seconds } = scenario;
        fs::write(scripts.join(name), script).expect("write a scenario");
        run += &format!(
            "echo '=== {name} begins at '$(cut -d. -f1 /proc/uptime)\ntimeout --kill-after=5 {seconds} /bin/sh /job/scenarios/{name}\n"
        );
        run += &format!("echo \"=== {name} ends with $? at $(cut -d. -f1 /proc/uptime)\"\n");
    }
    fs::write(directory.join("run"), run).expect("write the list of scenarios");
}

/// A root file system as a disk, made once and kept beside what it is made from.
///
/// # Panics
/// When it can not be made.
#[must_use]
pub fn system(root: Rootfs) -> PathBuf {
    let root = root.path();
    let image = root.with_extension("img");
    if !image.exists() {
        let building = root.with_extension(format!("{}.img", std::process::id()));
        ext4(&building, &root, 4 << 30, "system");
        fs::rename(&building, &image).expect("put the disk in its place");
    }
    image
}

fn ext4(image: &Path, directory: &Path, size: u64, label: &str) {
    File::create(image).and_then(|file| file.set_len(size)).expect("make a disk");
    let output = Command::new("mkfs.ext4").args(["-q", "-F", "-L", label, "-d"]).arg(directory).arg(image).output().expect("run mkfs.ext4");
    assert!(output.status.success(), "mkfs.ext4: {}", String::from_utf8_lossy(&output.stderr));
}

fn parse(results: &str) -> Vec<Shown> {
    let mut all: Vec<Shown> = Vec::new();
    let mut began = 0;
    for line in results.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["===", name, "begins", "at", uptime] => {
                began = uptime.parse().unwrap_or(0);
                all.push(Shown { name: (*name).to_owned(), code: None, text: String::new(), seconds: 0 });
            }
            ["===", _, "ends", "with", code, "at", uptime] => {
                if let Some(last) = all.last_mut() {
                    last.code = code.parse().ok();
                    last.seconds = uptime.parse::<u32>().unwrap_or(began).saturating_sub(began);
                }
            }
            _ => {
                if let Some(last) = all.last_mut() {
                    last.text += line;
                    last.text.push('\n');
                }
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_told_apart_and_an_unfinished_one_has_no_code() {
        let shown = parse("noise\n=== a begins at 20\none\ntwo\n=== a ends with 3 at 31\n=== b begins at 31\nthree\n");
        let expected = |name: &str, code, text: &str, seconds| Shown { name: name.into(), code, text: text.into(), seconds };
        assert_eq!(shown, [expected("a", Some(3), "one\ntwo\n", 11), expected("b", None, "three\n", 0)]);
    }
}
