# The same scripts on a machine of this computer, to try them: `cargo xtask test ami` makes `machine` from Debian packages.
source "qemu" "local" {
  accelerator          = "tcg"
  machine_type         = "q35"
  disk_image           = true
  iso_url              = "${var.machine}/base.img"
  iso_checksum         = "none"
  format               = "qcow2"
  disk_interface       = "virtio"
  disk_additional_size = ["4G"]
  skip_compaction      = true
  net_device           = "virtio-net"
  memory               = 2048
  headless             = true
  output_directory     = "${var.machine}/out"
  vm_name              = "host"
  ssh_username         = "root"
  ssh_password         = "packer"
  ssh_timeout          = "10m"
  boot_wait            = "1s"
  shutdown_command     = "systemctl poweroff"
  shutdown_timeout     = "5m"
  qemuargs = [
    ["-kernel", "${var.machine}/vmlinuz"],
    ["-initrd", "${var.machine}/initrd.img"],
    ["-append", "root=/dev/vda rw console=ttyS0 quiet mitigations=off clocksource=acpi_pm tsc=unstable"],
    ["-serial", "file:${var.machine}/console"],
    ["-cpu", "max"],
    ["-smp", "2"],
  ]
}
