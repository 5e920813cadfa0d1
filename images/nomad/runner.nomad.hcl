# One dispatch is one runner, which has one job and ends: the parameterized batch job of Nomad's own autoscaling demonstration, with a
# docker of the task's own in place of the host's socket.
#
#   nomad job run runner.nomad.hcl
#   nomad job dispatch -meta repo_url=https://github.com/octo-org/octo-repo -meta labels=nomad runner
#
# Of the clients it needs, in their configuration:
#   client {
#     max_kill_timeout = "90s"    # default 30s, and what a job file asks beyond it is cut to it in silence
#     host_volume "docker-storage" { path = "/var/docker-storage" }    # XFS with ftype=1; mounted with pquota for DOCKER_STORAGE_QUOTA
#     host_volume "tool-cache" { path = "/mnt/tool-cache" }            # NFS or EFS, the folder of uid 1001; one per architecture
#   }
#   plugin "docker" { config { allow_privileged = true } }           # allow_caps has the runner's four by default
# and the CNI plugins, which a bridge network is made with.
job "runner" {
  datacenters = ["*"]
  type        = "batch"

  parameterized {
    payload       = "forbidden"
    meta_required = ["repo_url"]
    meta_optional = ["labels"]
  }

  meta {
    labels = "nomad"
  }

  # One job for each architecture, because images and tool caches differ; runs-on asks for x64 or arm64, which the runner adds itself.
  constraint {
    attribute = "${attr.cpu.arch}"
    value     = "amd64"
  }

  group "runner" {
    # A runner that ended has had its job, or said why not. Another one is another dispatch: a restarted one would find the files of the
    # job before it.
    restart {
      attempts = 0
      mode     = "fail"
    }
    reschedule {
      attempts  = 0
      unlimited = false
    }

    # One network for the pair: ports of service containers are on the job's localhost.
    network {
      mode = "bridge"
    }

    # The shared folders are in the allocation's own directory, which goes with it. Volumes of docker would not: Nomad removes none.
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

    # Nomad makes the folders of a mount as root's, and the job's user is 1001. It does not matter whether this or dind is first: both mean
    # the same folders. The runner starts when this has ended and dind is there.
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

      # A sidecar that is stopped last: Nomad ends the main tasks first (client/allocrunner/alloc_runner.go, killTasks).
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
        # The same paths in both: docker resolves what a job mounts in this container.
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

      # Of Nomad's workload identities (1.7 and later): a role of Vault's that may read this one secret.
      vault {
        role = "runner"
      }

      # A file, not `env = true`: Nomad's API and `docker inspect` show variables. `noop`, because the token is read once, before the job: a
      # renewed one is of no use, `restart` would end a running job, and `signal` with SIGINT asks this runner to stop, as SIGTERM does.
      # Whoever must keep such a template sets STOP_SIGNALS=TERM.
      template {
        destination = "${NOMAD_SECRETS_DIR}/access-token"
        perms       = "0400"
        change_mode = "noop"
        data        = "{{ with secret \"secret/data/runner\" }}{{ .Data.data.access_token }}{{ end }}"
      }

      env {
        ACCESS_TOKEN_FILE    = "${NOMAD_SECRETS_DIR}/access-token"
        REPO_URL             = "${NOMAD_META_repo_url}"
        RUNNER_LABELS        = "${NOMAD_META_labels}"
        DOCKER_HOST          = "unix:///run/task/docker.sock"
        EXTERNALS_SHARED_DIR = "/run/externals"
        TOOL_CACHE_REMOTE    = "/mnt/tool-cache"
        STOP_TIMEOUT         = "85"
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
