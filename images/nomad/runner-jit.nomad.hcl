# The second way: a runner that somebody else registered. Whoever dispatches asks GitHub for a just-in-time configuration and hands it over as
# the payload; no credential of GitHub's is on the clients, and the task has no Vault.
#
#   gh api -X POST repos/octo-org/octo-repo/actions/runners/generate-jitconfig -f name=nomad-1 -F runner_group_id=1 -f 'labels[]=nomad' \
#     --jq .encoded_jit_config | nomad job dispatch runner-jit -
#
# A payload, not `meta`: that would be in the environment, and in the answer of every question about the job. The payload is at most 16 KiB;
# a configuration has some 5. Everything else is as in runner.nomad.hcl, which has the reasons and what clients need.
job "runner-jit" {
  datacenters = ["*"]
  type        = "batch"

  parameterized {
    payload = "required"
  }

  constraint {
    attribute = "${attr.cpu.arch}"
    value     = "amd64"
  }

  group "runner" {
    restart {
      attempts = 0
      mode     = "fail"
    }
    reschedule {
      attempts  = 0
      unlimited = false
    }

    network {
      mode = "bridge"
    }

    ephemeral_disk {
      size = 20000
    }

    volume "docker-storage" {
      type   = "host"
      source = "docker-storage"
    }

    volume "tool-cache" {
      type   = "host"
      source = "tool-cache"
    }

    task "folders" {
      driver = "docker"
      user   = "root"
      lifecycle {
        hook = "prestart"
      }
      config {
        image      = "ghcr.io/octo-org/runner:0.1.0"
        entrypoint = ["/bin/sh", "-c"]
        args       = ["install -d -m 0755 /alloc/task && install -d -o 1001 -g 1001 /alloc/work /alloc/externals /alloc/tools"]
      }
      resources {
        cpu    = 100
        memory = 64
      }
    }

    task "dind" {
      driver = "docker"

      lifecycle {
        hook    = "prestart"
        sidecar = true
      }

      config {
        image      = "ghcr.io/octo-org/runner-dind:0.1.0"
        privileged = true
        ulimit {
          nofile = "1048576:1048576"
        }
        volumes = [
          "../alloc/task:/run/task",
          "../alloc/work:/home/runner/_work",
          "../alloc/externals:/home/runner/externals",
          "../alloc/tools:/opt/hostedtoolcache",
        ]
      }

      volume_mount {
        volume      = "docker-storage"
        destination = "/var/docker-storage"
      }

      env {
        STOP_TIMEOUT = "30"
      }

      kill_signal  = "SIGTERM"
      kill_timeout = "30s"

      resources {
        cpu        = 4000
        memory     = 4096
        memory_max = 12288
      }

      logs {
        max_files     = 3
        max_file_size = 10
      }
    }

    task "runner" {
      driver = "docker"
      leader = true

      config {
        image        = "ghcr.io/octo-org/runner:0.1.0"
        cap_drop     = ["all"]
        cap_add      = ["dac_override", "kill", "setgid", "setuid"]
        security_opt = ["no-new-privileges"]
        volumes = [
          "../alloc/task:/run/task",
          "../alloc/work:/home/runner/_work",
          "../alloc/externals:/run/externals",
          "../alloc/tools:/opt/hostedtoolcache",
        ]
      }

      volume_mount {
        volume      = "tool-cache"
        destination = "/mnt/tool-cache"
      }

      # Written into the task's own folder before it starts. The log says that the job can read it: so it can what the runner makes of it in
      # its home. A configuration serves once.
      dispatch_payload {
        file = "jitconfig"
      }

      env {
        ACTIONS_RUNNER_INPUT_JITCONFIG_FILE = "${NOMAD_TASK_DIR}/jitconfig"
        DOCKER_HOST                         = "unix:///run/task/docker.sock"
        EXTERNALS_SHARED_DIR                = "/run/externals"
        TOOL_CACHE_REMOTE                   = "/mnt/tool-cache"
        STOP_TIMEOUT                        = "85"
      }

      kill_signal  = "SIGTERM"
      kill_timeout = "85s"

      resources {
        cpu        = 4000
        memory     = 4096
        memory_max = 12288
      }

      logs {
        max_files     = 3
        max_file_size = 10
      }
    }
  }
}
