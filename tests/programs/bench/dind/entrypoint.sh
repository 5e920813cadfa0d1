#!/bin/sh
# A docker sidecar the usual way: prepare what docker wants in a container, start it, pass on the end, clean up.
set -e
data=/var/docker-storage/shell-$$
mkdir -p "$data"

mountpoint -q /sys/kernel/security || mount -t securityfs none /sys/kernel/security 2>/dev/null || true
mountpoint -q /tmp || mount -t tmpfs none /tmp

# cgroup v2: no process may stay where controllers are passed on.
if [ -f /sys/fs/cgroup/cgroup.controllers ]; then
    mkdir -p /sys/fs/cgroup/init
    while read -r process; do
        echo "$process" > /sys/fs/cgroup/init/cgroup.procs 2>/dev/null || true
    done < /sys/fs/cgroup/cgroup.procs
    for controller in $(cat /sys/fs/cgroup/cgroup.controllers); do
        echo "+$controller" > /sys/fs/cgroup/cgroup.subtree_control 2>/dev/null || true
    done
fi
mount --make-rshared /

dockerd --host=unix:///run/task/docker.sock --data-root="$data/data" --exec-root="$data/exec" --pidfile="$data/pid" \
    --storage-driver=overlay2 --log-level=warn &
dockerd=$!
trap 'kill -TERM $dockerd' TERM INT
# The first wait ends with the signal, the second with dockerd.
wait $dockerd || wait $dockerd || true
rm -rf "$data"
