# Canonical's image: docker is Ubuntu's, the agent Amazon's package (variables ecs_init_url and ecs_init_sha256). AppArmor is on, so tasks with
# capabilities in place of privileged need a profile that allows mounts.
source "amazon-ebs" "ubuntu" {
  ami_name             = "${var.name}-ubuntu-${var.arch}-${local.version}"
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
  ssh_username = "ubuntu"
  source_ami_filter {
    filters = {
      name                = "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-${var.arch == "arm64" ? "arm64" : "amd64"}-server-*"
      root-device-type    = "ebs"
      virtualization-type = "hvm"
    }
    owners      = ["099720109477"]
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
    device_name           = "/dev/sda1"
    volume_size           = var.root_gib
    volume_type           = "gp3"
    iops                  = 3000
    throughput            = 125
    delete_on_termination = true
  }
  # For the proof at the end alone; it is no part of the image.
  launch_block_device_mappings {
    device_name           = "/dev/sdb"
    volume_size           = 8
    volume_type           = "gp3"
    iops                  = 3000
    throughput            = 125
    delete_on_termination = true
  }
  ami_block_device_mappings {
    device_name = "/dev/sdb"
    no_device   = true
  }
  # Empty: each host formats its own.
  ami_block_device_mappings {
    device_name           = "/dev/sdf"
    volume_size           = var.data_gib
    volume_type           = "gp3"
    iops                  = 3000
    throughput            = 250
    delete_on_termination = true
  }
  tags     = local.tags
  run_tags = { Name = "${var.name}-build" }
}
