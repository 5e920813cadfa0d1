#!/bin/bash
# Docker of the host. REGISTRY_MIRRORS: addresses of pull-through caches of Docker Hub. SECCOMP=unconfined: for tasks with capabilities in
# place of "privileged", because ECS has no field for it; it then holds for every container of the host.
set -euo pipefail

mirrors=
for mirror in ${REGISTRY_MIRRORS:-}; do
    [[ $mirror =~ ^https?://[A-Za-z0-9.:/_-]+$ ]] || { echo "docker: REGISTRY_MIRRORS: $mirror is no address: https://…" >&2; exit 1; }
    mirrors+="${mirrors:+, }\"$mirror\""
done
case ${SECCOMP:-default} in
default) seccomp= ;;
unconfined) seccomp=$'\n  "seccomp-profile": "unconfined",' ;;
*) echo "docker: SECCOMP=$SECCOMP: default or unconfined" >&2; exit 1 ;;
esac

# Limits of files are the distribution's flags: the same in both places would keep docker from starting.
# Tasks outlive a restart of the daemon (live-restore), as after an update of the package.
install --directory --mode 755 /etc/docker
cat >/etc/docker/daemon.json.new <<END
{
  "storage-driver": "overlay2",
  "exec-opts": ["native.cgroupdriver=systemd"],
  "default-cgroupns-mode": "private",$seccomp
  "registry-mirrors": [$mirrors],
  "live-restore": true,
  "log-driver": "json-file",
  "log-opts": {"max-size": "20m", "max-file": "3"}
}
END
dockerd --validate --config-file /etc/docker/daemon.json.new >/dev/null
mv /etc/docker/daemon.json.new /etc/docker/daemon.json
systemctl enable --no-reload docker.service
