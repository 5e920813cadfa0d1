//! A pack opened by the tools that everybody has: years later, without us, it is a tar archive.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use runner_tests::{
    fixtures::{Tool, ToolCache},
    need::{Need, need},
};

use super::{Layout, picture, restore, save, versions};

/// A saved version and its pack.
fn packed(temp: &Path) -> (ToolCache, PathBuf) {
    let local = ToolCache::at(&temp.join("local")).with(Tool::Python, "3.12.4");
    let tree = local.tree(Tool::Python, "3.12.4");
    let long = tree.join("l".repeat(120)).join("m".repeat(120));
    fs::create_dir_all(&long).unwrap();
    fs::write(long.join("n".repeat(200)), "a name that no plain header can hold").unwrap();
    std::os::unix::fs::symlink("x".repeat(150), tree.join("far")).unwrap();
    fs::File::create(tree.join("holes")).unwrap().set_len(5 << 20).unwrap();
    fs::write(local.marker(Tool::Python, "3.12.4"), "").unwrap();
    let remote = temp.join("remote");
    fs::create_dir(&remote).unwrap();
    save(Layout::Pack, local.path(), &remote);
    let reference = remote.join(".packs/refs/shared/Python@3.12.4@x64");
    // The reference leads there for any reader.
    let pack = fs::canonicalize(reference).unwrap();
    (local, pack)
}

fn succeeds(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn tar_makes_of_a_pack_what_a_restore_makes() {
    if !need(&[Need::Zstd]) {
        return;
    }
    let temp = tempfile::tempdir().unwrap();
    let (local, pack) = packed(temp.path());
    succeeds(Command::new("zstd").args(["-q", "-t"]).arg(&pack));
    let by_tar = temp.path().join("by-tar");
    fs::create_dir(&by_tar).unwrap();
    succeeds(Command::new("tar").args(["--use-compress-program=zstd", "-xpf"]).arg(&pack).arg("-C").arg(&by_tar));
    let restored = temp.path().join("restored");
    restore(&temp.path().join("remote"), &restored);
    let version = "Python/3.12.4/x64";
    assert!(versions(&restored)[version] == picture(&by_tar), "tar made another tree");
    assert!(versions(local.path())[version] == picture(&by_tar));
}

#[test]
fn the_manifest_of_a_pack_is_a_list_of_sums_for_other_tools() {
    let temp = tempfile::tempdir().unwrap();
    let (_, pack) = packed(temp.path());
    let bytes = fs::read(&pack).unwrap();
    // The last skippable frame but the seek table, which is all that a reader must know.
    let magic = 0x184D_2A5D_u32.to_le_bytes();
    let at = bytes.windows(4).rposition(|four| four == magic).unwrap();
    let length = u32::from_le_bytes(bytes[at + 4..at + 8].try_into().unwrap()) as usize;
    let manifest = zstd::stream::decode_all(&bytes[at + 8..at + 8 + length]).unwrap();
    let sum = |bytes: &[u8]| -> String {
        let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
        digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    };
    assert_eq!(pack.file_name().unwrap().to_str().unwrap(), format!("{}.tar.zst", sum(&manifest)));
    let manifest = String::from_utf8(manifest).unwrap();
    assert!(manifest.starts_with("#mtree v2.0\n"));
    let binary = fs::read(temp.path().join("local/Python/3.12.4/x64/lib/python3.12.bin")).unwrap();
    let line = manifest.lines().find(|line| line.starts_with("./lib/python3.12.bin ")).unwrap();
    assert!(line.contains(&format!("size={} sha256digest={} mode=0755", binary.len(), sum(&binary))), "{line}");
    if runner_tests::need::lacks(&[Need::Bsdtar]).is_empty() {
        let list = temp.path().join("list.mtree");
        fs::write(&list, &manifest).unwrap();
        assert!(succeeds(Command::new("bsdtar").arg("-tf").arg(&list)).lines().any(|line| line == "./lib/python3.12.bin"));
    }
}
