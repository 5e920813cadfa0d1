variable "region" {
  type        = string
  description = "Region that the image is built in."
  default     = "eu-central-1"
}

variable "copy_to" {
  type        = list(string)
  description = "More regions that get the image."
  default     = []
}

variable "share_with" {
  type        = list(string)
  description = "Accounts that may start it."
  default     = []
}

variable "arch" {
  type        = string
  description = "Processor, as in names of AMIs."
  default     = "x86_64"
  validation {
    condition     = contains(["x86_64", "arm64"], var.arch)
    error_message = "The arch must be x86_64 or arm64."
  }
}

variable "name" {
  type        = string
  description = "What names of images begin with."
  default     = "runner-host"
}

variable "programs" {
  type        = string
  description = "Folder with amd64/runner-dind and arm64/runner-dind, from `cargo xtask dist all` or a release."
  default     = "../target/dist"
}

variable "root_gib" {
  type        = number
  description = "Size of the system's disk in GiB: images, and docker's volumes of tasks (work folders, tool caches)."
  default     = 60
  validation {
    condition     = var.root_gib >= 30
    error_message = "The root_gib must be at least 30, as Amazon's image has it."
  }
}

variable "data_gib" {
  type        = number
  description = "Size of the data volume in GiB: what jobs pull and build. Empty in the image, formatted at the first boot."
  default     = 120
}

variable "data_devices" {
  type        = list(string)
  description = "Where the data volume may be, such as /dev/xvdf. Empty: the one disk with nothing on it, whatever it is called."
  default     = []
}

variable "registry_mirrors" {
  type        = list(string)
  description = "Pull-through caches of Docker Hub, for the docker of the host."
  default     = []
}

variable "seccomp" {
  type        = string
  description = "Profile of all containers of the host: default; or unconfined, which tasks with capabilities in place of privileged need."
  default     = "default"
  validation {
    condition     = contains(["default", "unconfined"], var.seccomp)
    error_message = "The seccomp must be default or unconfined."
  }
}

variable "images" {
  type        = string
  description = "File that lists the images to bring: NAME:TAG@sha256:DIGEST, one in a line."
  default     = "files/images.txt"
}

variable "tool_cache" {
  type        = string
  description = "Tar archive of a tool cache that hosts begin with: s3://…, https://…; empty: none."
  default     = ""
}

variable "extras" {
  type        = list(string)
  description = "Of cloudwatch, efs, ssm, fluent-bit."
  default     = ["cloudwatch", "efs", "ssm"]
}

variable "subnet_id" {
  type        = string
  description = "Subnet to build in; empty: the default VPC's."
  default     = ""
}

variable "instance_profile" {
  type        = string
  description = "Instance profile of the builder: for ECR, and for Session Manager in place of an open port."
  default     = ""
}

variable "kms_key_id" {
  type        = string
  description = "Key to encrypt the image with; empty: the account's own."
  default     = ""
}

variable "ecs_init_url" {
  type        = string
  description = "Ubuntu: Amazon's package of the agent."
  default     = ""
}

variable "ecs_init_sha256" {
  type        = string
  description = "Ubuntu: its checksum."
  default     = ""
}

variable "machine" {
  type        = string
  description = "qemu: folder with base.img, vmlinuz and initrd.img; the result goes to out/ in it."
  default     = "."
}

locals {
  version  = formatdate("YYYYMMDDhhmmss", timestamp())
  programs = "${var.programs}/${var.arch == "arm64" ? "arm64" : "amd64"}"
  builder  = var.arch == "arm64" ? "m7g.large" : "m6i.large"
  tags = {
    Name   = "${var.name}-${var.arch}"
    role   = "runner-host"
    source = "{{ .SourceAMIName }}"
  }
}
