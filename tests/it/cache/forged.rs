//! Packs that nobody saved: made by hand by who may write to the shared storage. Each is refused, named, put into quarantine, within a
//! bound of memory and time, and nothing is written but into the local cache.

mod maker;

use std::{
    fs,
    os::unix::fs::{FileTypeExt as _, symlink},
    path::Path,
    process::{Command, Output},
};

use nix::sys::stat::Mode;

use super::{command, error_of, picture, report, say, versions};
use maker::{BINARY, Forgery, header, padded, places, sha256};

const VERSION: &str = "node/20.1.0/x64";
/// Kilobytes of memory that a restore may ask for, stacks of its threads included.
const MEMORY: u32 = 64 << 10;

/// Runs it within [`MEMORY`] and a minute: what goes beyond ends with another code than the program has.
fn bounded(command: &Command) -> Output {
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(format!("ulimit -d {MEMORY} || exit 99; exec timeout 60 \"$@\"")).arg("sh");
    shell.arg(command.get_program()).args(command.get_args());
    shell.output().unwrap()
}

/// A remote side, a local one and something beside them that nobody may touch.
struct Place {
    temp: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir(temp.path().join("remote")).unwrap();
        fs::create_dir(temp.path().join("secret")).unwrap();
        fs::write(temp.path().join("secret/file"), "secret").unwrap();
        Self { temp }
    }

    fn remote(&self) -> std::path::PathBuf {
        self.temp.path().join("remote")
    }

    /// What a restore says that must refuse the one version and write nothing.
    fn refused(&self, what: &str, options: &[&str]) -> String {
        let local = self.temp.path().join("local");
        let secret = picture(&self.temp.path().join("secret"));
        let output = bounded(command("restore", &self.remote(), &local).args(options));
        assert_eq!(output.status.code(), Some(1), "{what}: {output:?}");
        let error = error_of(&report(&output), VERSION);
        assert!(picture(&local).keys().all(|path| path.components().count() == 1), "{what}: {:?}", picture(&local));
        assert!(picture(&self.temp.path().join("secret")) == secret, "{what}: something else was touched");
        let mut beside: Vec<_> = fs::read_dir(self.temp.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        beside.sort();
        assert_eq!(beside, ["local", "remote", "secret"], "{what}");
        error
    }
}

#[test]
fn a_pack_made_by_another_program_is_restored() {
    let place = Place::new();
    Forgery::good().publish(&place.remote());
    let local = place.temp.path().join("local");
    let output = bounded(&command("restore", &place.remote(), &local));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let found = versions(&local);
    assert_eq!(found[VERSION].keys().map(|path| path.to_str().unwrap()).collect::<Vec<_>>(), ["bin", "bin/node", "link", "same"]);
    assert_eq!(fs::read(local.join(VERSION).join("same")).unwrap(), BINARY);
}

/// What stands somewhere, and what puts it there.
type Kind = (&'static str, fn(&Path));

/// A name for what is wrong, what makes it wrong, and what is said of it.
type Wrong = (&'static str, fn(&mut Forgery), &'static str);

const PLACE: &str = "its place in the archive is not what the manifest says";

const ARCHIVES: &[Wrong] = &[
    ("another name", |pack| pack.block(2, header("bin/nude", b'0', 0o755, BINARY.len(), "")), PLACE),
    ("a name outside", |pack| pack.block(2, header("../node", b'0', 0o755, BINARY.len(), "")), PLACE),
    ("another mode", |pack| pack.block(2, header("bin/node", b'0', 0o700, BINARY.len(), "")), PLACE),
    ("set-uid", |pack| pack.block(2, header("bin/node", b'0', 0o4755, BINARY.len(), "")), PLACE),
    ("another size", |pack| pack.block(2, header("bin/node", b'0', 0o755, BINARY.len() - 1, "")), PLACE),
    ("another kind", |pack| pack.block(2, header("bin/node", b'3', 0o755, BINARY.len(), "")), PLACE),
    ("another target", |pack| pack.block(4, header("link", b'2', 0o777, 0, "/etc/passwd")), PLACE),
    ("another first name", |pack| pack.block(5, header("same", b'1', 0o755, 0, "/etc/passwd")), PLACE),
    ("no zeros after a file", |pack| pack.plain[0][4 * 512 - 1] = 1, "something stands where there should be nothing"),
    ("no zeros at the end", |pack| pack.plain[1][1023] = 1, "something stands where there should be nothing"),
    ("an entry more", |pack| pack.plain[0].extend(header("more", b'0', 0o755, 0, "")), "its frames are not those"),
    ("an entry less", |pack| pack.plain[0].truncate(5 * 512), "its frames are not those"),
    ("a frame more", |pack| pack.plain.push(vec![0; 512]), "its frames are not those"),
];

const NOT_BELOW: &str = "not a path below the version";
const NEVER: &str = "its manifest is none that is ever written";

const MANIFESTS: &[Wrong] = &[
    ("a name that climbs", |pack| pack.line("./link ", "./../link "), NOT_BELOW),
    ("a name that climbs in the middle", |pack| pack.line("./link ", "./bin/../../link "), NOT_BELOW),
    ("an absolute name", |pack| pack.line("./link ", ".//etc/link "), NOT_BELOW),
    ("a name with a zero", |pack| pack.line("./link ", "./li\\000nk "), NOT_BELOW),
    ("a name twice", |pack| pack.line("./same ", "./link "), "out of order"),
    ("an entry below a link", |pack| pack.line("./same ", "./link/same "), "in a directory that is none"),
    ("a link that climbs", |pack| pack.line("link=bin/node", "link=../secret/file"), "outside of the version"),
    ("an absolute link", |pack| pack.line("link=bin/node", "link=/etc/passwd"), "outside of the version"),
    ("set-uid", |pack| pack.line("mode=0755", "mode=4755"), "a mode that is never saved"),
    ("writable for all", |pack| pack.line("mode=0755", "mode=0777"), "a mode that is never saved"),
    ("a second name of a directory", |pack| pack.line("inode=2", "inode=1"), NEVER),
    ("a second name of what comes later", |pack| pack.line("inode=2", "inode=9"), NEVER),
    ("a device", |pack| pack.line("type=link link=bin/node", "type=char device=1"), NEVER),
    ("a word that nobody knows", |pack| pack.line("type=dir", "type=dir uid=0"), NEVER),
    ("no entries", |pack| pack.lines.clear(), "it does not begin with a directory"),
    ("an odd text", |pack| with_manifest(pack, b"\xff\xfe".to_vec()), NEVER),
    (
        "a line without end",
        |pack| {
            with_manifest(
                pack,
                [&b"#mtree v2.0\n#pack v1 frame=1048576 tool=node version=20.1.0 arch=x64\n"[..], &vec![b'.'; 60 << 20]].concat(),
            )
        },
        NEVER,
    ),
];

fn with_manifest(pack: &mut Forgery, text: Vec<u8>) {
    let end = zstd::bulk::compress(&text, 3).unwrap();
    pack.manifest = Some((text, end));
}

/// A gigabyte of zeros in some kilobytes.
fn bomb(honest: bool) -> Vec<u8> {
    use std::io::Write as _;
    let mut bomb = zstd::stream::Encoder::new(Vec::new(), 3).unwrap();
    if honest {
        bomb.set_pledged_src_size(Some(1 << 30)).unwrap();
    }
    let zeros = vec![0; 1 << 20];
    for _ in 0..1 << 10 {
        bomb.write_all(&zeros).unwrap();
    }
    bomb.finish().unwrap()
}

const ENDS: &[Wrong] = &[
    ("something after the end", |pack| pack.trailing = vec![0; 9], "no seek table at its end"),
    ("another end after the end", |pack| pack.trailing = Forgery::good().make().1, "its seek table is of another file"),
    ("a second manifest", |pack| pack.second = true, "its frames are not those"),
    ("a table of 4 billion frames", |pack| pack.count = Some(u32::MAX), "no seek table at its end"),
    ("a table of no frames", |pack| pack.count = Some(0), "no seek table at its end"),
    (
        "a table that is longer than the file",
        |pack| pack.table = Some(vec![(u32::MAX, 0), (u32::MAX, 0), (20, 0)]),
        "its seek table is of another file",
    ),
    ("a table of many frames", |pack| pack.table = Some(vec![(0, 0); 4_000_000]), "no seek table at its end"),
    ("a manifest of zeros", |pack| with_manifest(pack, vec![0; 96 << 20]), NEVER),
    ("a manifest of empty lines", |pack| with_manifest(pack, vec![b'\n'; 96 << 20]), NEVER),
    (
        "a manifest that is a bomb with another sum",
        |pack| pack.manifest = Some((Vec::new(), bomb(true))),
        "its manifest has another digest",
    ),
    (
        "a manifest with a window of a gigabyte",
        |pack| {
            let mut wide = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
            wide.window_log(30).unwrap();
            std::io::Write::write_all(&mut wide, &pack.text().into_bytes()).unwrap();
            pack.manifest = Some((pack.text().into_bytes(), wide.finish().unwrap()));
        },
        "no manifest before its seek table",
    ),
];

const FRAMES: &[Wrong] = &[
    (
        "other contents",
        |pack| replace_frame(pack, |plain| zstd::bulk::compress(&vec![7; plain.len()], 3).unwrap()),
        "not those of its manifest",
    ),
    ("no frame", |pack| replace_frame(pack, |plain| vec![7; plain.len()]), "not those of its manifest"),
    ("a bomb that says its size", |pack| replace_frame(pack, |_| bomb(true)), "a frame is larger than what is in it"),
    ("a bomb that does not", |pack| replace_frame(pack, |_| bomb(false)), "a frame is larger than what is in it"),
    ("a small bomb", |pack| replace_frame(pack, |_| zstd::bulk::compress(&vec![0; 32 << 20], 3).unwrap()), "not those of its manifest"),
    ("a small bomb that claims to be none", |pack| replace_frame(pack, lying), "not those of its manifest"),
];

fn replace_frame(pack: &mut Forgery, with: fn(&[u8]) -> Vec<u8>) {
    let end = zstd::bulk::compress(&pack.plain[1], 3).unwrap();
    pack.packed = Some(vec![with(&pack.plain[0]), end]);
}

/// 16 MB of zeros whose frame header says the size of what should be there.
fn lying(plain: &[u8]) -> Vec<u8> {
    let mut frame = zstd::bulk::compress(&vec![0; 16 << 20], 3).unwrap();
    // The header of a single segment with a size of four bytes (RFC 8878, 3.1.1.1) becomes that of another size.
    assert_eq!(frame[4] >> 6, 2, "another form of header");
    let at = if frame[4] & 0x20 == 0 { 6 } else { 5 };
    frame[at..at + 4].copy_from_slice(&u32::try_from(plain.len()).unwrap().to_le_bytes());
    frame
}

fn all_refused(cases: &[Wrong]) {
    for (what, forge, why) in cases {
        let place = Place::new();
        let mut pack = Forgery::good();
        forge(&mut pack);
        let (object, reference) = pack.publish(&place.remote());
        let aside = place.remote().join(".packs/quarantine");

        // Who may not write refuses it and leaves it.
        let error = place.refused(what, &["--read-only"]);
        assert!(error.contains(why), "{what}: {error}");
        assert!(object.exists() && !aside.exists(), "{what}");

        let error = place.refused(what, &[]);
        assert!(error.contains(why) && error.contains("in quarantine now"), "{what}: {error}");
        assert!(!object.exists() && reference.symlink_metadata().is_err(), "{what}");
        assert_eq!(fs::read_dir(&aside).unwrap().count(), 1, "{what}");
    }
    say(&format!("{} forged packs refused within {} MB", cases.len(), MEMORY >> 10));
}

#[test]
fn a_pack_whose_archive_is_not_its_manifests_is_refused() {
    all_refused(ARCHIVES);
}

#[test]
fn a_pack_whose_manifest_leads_out_of_the_version_is_refused() {
    all_refused(MANIFESTS);
}

#[test]
fn a_pack_whose_end_lies_is_refused() {
    all_refused(ENDS);
}

#[test]
fn a_pack_whose_frames_lie_is_refused() {
    all_refused(FRAMES);
}

/// A file larger than a frame is in frames of its own, whose headers are looked at likewise.
#[test]
fn a_large_file_whose_archive_is_not_its_manifests_is_refused() {
    let contents = vec![7; (1 << 20) + 100];
    let large = |head: [u8; 512], rest: u8| {
        let mut pack = Forgery::good();
        pack.lines.truncate(1);
        pack.lines.push(format!(
            "./large type=file size={} sha256digest={} mode=0644 time=1000000000.000000000",
            contents.len(),
            sha256(&contents)
        ));
        let mut entry = head.to_vec();
        entry.extend(padded(&contents));
        *entry.last_mut().unwrap() = rest;
        let second = entry.split_off(1 << 20);
        pack.plain = vec![header("./", b'5', 0o755, 0, "").to_vec(), entry, second, vec![0; 1024]];
        pack
    };
    let right = header("large", b'0', 0o644, contents.len(), "");
    let place = Place::new();
    large(right, 0).publish(&place.remote());
    let output = bounded(&command("restore", &place.remote(), &place.temp.path().join("local")));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(fs::read(place.temp.path().join("local").join(VERSION).join("large")).unwrap() == contents);
    for (head, rest, why) in [
        (header("large", b'0', 0o4644, contents.len(), ""), 0, PLACE),
        (header("large", b'0', 0o644, contents.len() - 1, ""), 0, PLACE),
        (right, 1, "something stands where there should be nothing"),
    ] {
        let place = Place::new();
        large(head, rest).publish(&place.remote());
        let error = place.refused(why, &[]);
        assert!(error.contains(why) && error.contains("in quarantine now"), "{error}");
    }
}

#[test]
fn what_stands_in_the_place_of_a_pack_and_is_no_file_is_refused_unopened() {
    let kinds: &[Kind] = &[
        ("a FIFO", |path| nix::unistd::mkfifo(path, Mode::S_IRWXU).unwrap()),
        ("a directory", |path| fs::create_dir(path).unwrap()),
        ("a link to a good pack", |path| {
            let good = path.with_file_name("elsewhere");
            fs::write(&good, Forgery::good().make().1).unwrap();
            symlink(good, path).unwrap();
        }),
        ("a socket", |path| {
            // A path of a socket is short.
            let near = std::env::temp_dir().join(format!("socket-{}", std::process::id()));
            drop(std::os::unix::net::UnixListener::bind(&near).unwrap());
            fs::rename(near, path).unwrap();
        }),
    ];
    for (what, make) in kinds {
        let place = Place::new();
        let digest = Forgery::good().make().0;
        let (object, reference) = places(&place.remote(), &digest);
        make(&object);
        let error = place.refused(what, &[]);
        assert!(error.contains("it is no file; it is in quarantine now"), "{what}: {error}");
        assert!(object.symlink_metadata().is_err() && reference.symlink_metadata().is_err(), "{what}");
    }
}

#[test]
fn a_reference_that_leads_elsewhere_is_refused_and_removed() {
    let digest = Forgery::good().make().0;
    for target in [
        "/etc/passwd".to_owned(),
        "../../../secret/file".to_owned(),
        format!("../../objects/../../../secret/{digest}.tar.zst"),
        format!("../../objects/{digest}"),
        format!("../../objects/{}.tar.zst", digest.to_uppercase()),
    ] {
        let place = Place::new();
        let (object, reference) = Forgery::good().publish(&place.remote());
        fs::remove_file(&reference).unwrap();
        symlink(&target, &reference).unwrap();
        let error = place.refused(&target, &[]);
        assert!(error.contains(&format!("its reference leads to {target}; the reference is removed now")), "{error}");
        // A good pack stays, and the version can be saved again.
        assert!(object.exists() && reference.symlink_metadata().is_err(), "{target}");
    }
}

#[test]
fn what_stands_in_the_place_of_a_reference_is_no_version_and_a_save_says_so() {
    let kinds: &[Kind] = &[
        ("a file", |path| fs::write(path, "../../objects").unwrap()),
        ("a FIFO", |path| nix::unistd::mkfifo(path, Mode::S_IRWXU).unwrap()),
        ("a directory", |path| fs::create_dir(path).unwrap()),
    ];
    for (what, make) in kinds {
        let place = Place::new();
        let (_, reference) = Forgery::good().publish(&place.remote());
        fs::remove_file(&reference).unwrap();
        make(&reference);
        let local = place.temp.path().join("local");
        let output = bounded(&command("restore", &place.remote(), &local));
        assert_eq!((output.status.code(), report(&output)["versions"].as_i64()), (Some(0), Some(0)), "{what}: {output:?}");
        fs::create_dir_all(local.join(VERSION)).unwrap();
        fs::write(local.join(VERSION).with_extension("complete"), "").unwrap();
        let output = bounded(&command("save", &local, &place.remote()));
        assert_eq!(output.status.code(), Some(1), "{what}: {output:?}");
        let error = error_of(&report(&output), VERSION);
        assert!(error.contains("cannot read what stands in the place of the reference of node/20.1.0/x64: EINVAL"), "{what}: {error}");
        assert!(!reference.symlink_metadata().unwrap().is_symlink());
        assert_eq!(reference.symlink_metadata().unwrap().file_type().is_fifo(), *what == "a FIFO");
    }
}
