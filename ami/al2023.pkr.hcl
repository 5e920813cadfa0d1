# Amazon's own image for ECS, which brings docker, the agent, cgroup v2 and a kernel with XFS quotas. We add a layer.
source "amazon-ebs" "al2023" {
  ami_name             = "${var.name}-al2023-${var.arch}-${local.version}"
  ami_description      = "ECS host for GitHub Actions runners with docker"
  ami_regions          = var.copy_to
  ami_users            = var.share_with
  region               = var.region
  instance_type        = local.builder
  subnet_id            = var.subnet_id
  iam_instance_profile = var.instance_profile
  # Shared images cannot have the account's own key.
  encrypt_boot = length(var.share_with) == 0 || var.kms_key_id != ""
  kms_key_id   = var.kms_key_id
  ssh_username = "ec2-user"
  # The agent of the image must not join a cluster while it is built.
  user_data = "#cloud-config\nbootcmd:\n  - systemctl mask --now --no-block ecs.service\n"
  source_ami_filter {
    filters = {
      name                = "al2023-ami-ecs-hvm-*-${var.arch}"
      root-device-type    = "ebs"
      virtualization-type = "hvm"
    }
    owners      = ["amazon"]
    most_recent = true
  }
  # packer 1.7 and later: begin
  imds_support = "v2.0"
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }
  # packer 1.7 and later: end
  launch_block_device_mappings {
    device_name           = "/dev/xvda"
    volume_size           = var.root_gib
    volume_type           = "gp3"
    iops                  = 3000
    throughput            = 125
    delete_on_termination = true
  }
  # For the proof at the end alone; it is no part of the image.
  launch_block_device_mappings {
    device_name           = "/dev/xvdb"
    volume_size           = 8
    volume_type           = "gp3"
    iops                  = 3000
    throughput            = 125
    delete_on_termination = true
  }
  ami_block_device_mappings {
    device_name = "/dev/xvdb"
    no_device   = true
  }
  # Empty: each host formats its own.
  ami_block_device_mappings {
    device_name           = "/dev/xvdf"
    volume_size           = var.data_gib
    volume_type           = "gp3"
    iops                  = 3000
    throughput            = 250
    delete_on_termination = true
  }
  tags     = local.tags
  run_tags = { Name = "${var.name}-build" }
}
