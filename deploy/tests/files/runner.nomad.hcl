# One job of Nomad for each job of GitHub.
job "runner" {
  type = "batch"

  parameterized {
    meta_required = ["repo_url"]
  }

  group "runner" {
    network {
      mode = "bridge"
    }

    restart {
      attempts = 0
      mode     = "fail"
    }

    task "dind" {
      driver = "docker"

      lifecycle {
        hook    = "prestart"
        sidecar = true
      }

      kill_timeout = "30s"

      config {
        image      = "ghcr.io/octo-org/runner-dind:0.1.0"
        privileged = true
        volumes = [
          "../alloc/task:/run/task",
          "../alloc/work:/home/runner/_work",
          "../alloc/externals:/home/runner/externals",
          "../alloc/tools:/opt/hostedtoolcache",
          "/var/docker-storage:/var/docker-storage",
        ]
      }

      env {
        STOP_TIMEOUT = "30"
      }
    }

    task "runner" {
      driver       = "docker"
      kill_timeout = "85s"

      config {
        image    = "ghcr.io/octo-org/runner:0.1.0"
        cap_drop = ["all"]
        cap_add  = ["chown", "dac_override", "fowner", "kill", "setgid", "setuid"]
        volumes = [
          "../alloc/task:/run/task",
          "../alloc/work:/home/runner/_work",
          "../alloc/externals:/run/externals",
          "../alloc/tools:/opt/hostedtoolcache",
        ]
      }

      env {
        REPO_URL             = "${NOMAD_META_repo_url}"
        DOCKER_HOST          = "unix://${NOMAD_ALLOC_DIR}/task/docker.sock"
        EXTERNALS_SHARED_DIR = "/run/externals"
        STOP_TIMEOUT         = "85"
      }

      template {
        data        = "ACCESS_TOKEN={{ with secret \"kv/github\" }}{{ .Data.data.token }}{{ end }}"
        destination = "secrets/runner.env"
        env         = true
        change_mode = "noop"
      }
    }
  }
}
