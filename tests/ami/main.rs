fn main() {}
#[test]
fn roots() { for r in [runner_tests::rootfs::Rootfs::Packer, runner_tests::rootfs::Rootfs::Qemu, runner_tests::rootfs::Rootfs::Ami] { println!("{}", r.path().display()); } }
