//! The layout of packs: one immutable file per version, a tar archive in independent zstd frames.
//!
//! ```text
//! <root>/.packs/objects/<digest>.tar.zst      the packs, named by the SHA-256 of their manifest
//!              /refs/<trust>/<tool>@<version>@<arch>   a symbolic link ../../objects/<digest>.tar.zst
//!              /stage/                        packs being written
//!              /quarantine/                   packs found broken
//! ```
//!
//! A pack is, in this order: zstd frames that make one tar archive when they are unpacked one after the other
//! (`tar --zstd -xf PACK -C DIR` restores it, `zstd -dc PACK | tar -tv` lists it); a skippable frame with the manifest, a zstd
//! frame itself, in the form of mtree(5); the seek table of the zstd seekable format
//! (facebook/zstd, `contrib/seekable_format/zstd_seekable_compression_format.md`).
//!
//! Every byte of the tar archive follows from the manifest and the contents of the files: the headers are made anew from the
//! manifest and compared, so there is no tar parser that a forged pack could talk to, and where each frame begins is known
//! before one is unpacked. The manifest holds the SHA-256 of each file and of each frame, and its own is the pack's name: two
//! hosts that save the same tree make the same name, and a list of names is a list of contents.

mod cursor;
pub(super) mod digest;
mod frame;
mod header;
pub(super) mod manifest;
mod mtree;
mod page;
pub(super) mod read;
mod scan;
mod seek;
pub(super) mod shelf;
pub(super) mod store;
pub(super) mod unpack;
mod whole;
mod write;
pub(super) mod writing;
