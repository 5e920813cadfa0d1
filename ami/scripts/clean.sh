#!/bin/bash
# What one host must not have of another: identities, keys, logs, the agent's memory. The last script before the image is taken.
set -euo pipefail

# The builder's user data keeps the agent from the cluster (al2023.pkr.hcl).
systemctl stop ecs.service 2>/dev/null || :
systemctl unmask --quiet ecs.service
rm -rf /var/lib/ecs/data /var/log/ecs /var/lib/cloud /tmp/runner-host
sed --in-place '/^ECS_CLUSTER=/d' /etc/ecs/ecs.config

# Who builds has a key here; the image's hosts get theirs from EC2, or none.
rm -f /root/.ssh/authorized_keys /home/*/.ssh/authorized_keys /root/.bash_history /home/*/.bash_history
if command -v cloud-init >/dev/null; then
    rm -f /etc/ssh/ssh_host_*
    cloud-init clean --logs --seed
fi
: >/etc/machine-id
rm -f /var/lib/dbus/machine-id /var/lib/systemd/random-seed

if command -v dnf >/dev/null; then dnf --quiet clean all; fi
if command -v apt-get >/dev/null; then apt-get clean; fi
journalctl --quiet --rotate && journalctl --quiet --vacuum-time=1s
find /var/log -type f -name '*.log' -exec truncate --size 0 {} +
sync
