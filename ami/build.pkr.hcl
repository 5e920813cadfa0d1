build {
  sources = ["source.amazon-ebs.al2023", "source.amazon-ebs.ubuntu", "source.qemu.local"]

  provisioner "shell" {
    inline = ["mkdir -p /tmp/runner-host"]
  }

  provisioner "file" {
    source      = "${path.root}/files/"
    destination = "/tmp/runner-host"
  }

  provisioner "file" {
    sources     = ["${local.programs}/runner-dind"]
    destination = "/tmp/runner-host/"
  }

  provisioner "file" {
    source      = var.images
    destination = "/tmp/runner-host/images.txt"
  }

  provisioner "shell" {
    execute_command = "sudo env {{ .Vars }} bash {{ .Path }}"
    environment_vars = [
      "FILES=/tmp/runner-host",
      "EXTRAS=${join(" ", var.extras)}",
      "REGISTRY_MIRRORS=${join(" ", var.registry_mirrors)}",
      "SECCOMP=${var.seccomp}",
      "DATA_DEVICES=${join(" ", var.data_devices)}",
      "ECS_INIT_URL=${var.ecs_init_url}",
      "ECS_INIT_SHA256=${var.ecs_init_sha256}",
    ]
    scripts = [
      "${path.root}/scripts/packages.sh",
      "${path.root}/scripts/kernel.sh",
      "${path.root}/scripts/docker.sh",
      "${path.root}/scripts/data-volume.sh",
      "${path.root}/scripts/metadata.sh",
      "${path.root}/scripts/ecs.sh",
      "${path.root}/scripts/programs.sh",
      "${path.root}/scripts/spot.sh",
      "${path.root}/scripts/logs.sh",
    ]
  }

  # The order of a boot is a boot's: only one shows it.
  provisioner "shell" {
    inline            = ["sudo systemctl reboot"]
    expect_disconnect = true
  }

  # /tmp may be memory, so what is needed after the boot is sent again.
  provisioner "shell" {
    inline              = ["mkdir -p /tmp/runner-host"]
    pause_before        = "10s"
    start_retry_timeout = "10m"
  }

  provisioner "file" {
    source      = var.images
    destination = "/tmp/runner-host/images.txt"
  }

  provisioner "shell" {
    execute_command  = "sudo env {{ .Vars }} bash {{ .Path }}"
    environment_vars = ["FILES=/tmp/runner-host", "TOOL_CACHE=${var.tool_cache}"]
    scripts = [
      "${path.root}/scripts/images.sh",
      "${path.root}/scripts/tool-cache.sh",
    ]
  }

  provisioner "shell" {
    inline = ["sudo systemctl start docker.service && sudo runner-host-verify --image"]
  }

  provisioner "shell" {
    execute_command = "sudo env {{ .Vars }} bash {{ .Path }}"
    scripts         = ["${path.root}/scripts/clean.sh"]
  }

  post-processor "manifest" {
    output     = "manifest.json"
    strip_path = true
  }
}
