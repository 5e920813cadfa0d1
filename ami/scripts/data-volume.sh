#!/bin/bash
# The volume of the sidecars' data: found and formatted at boot, mounted before docker and ecs, and neither starts without it.
# DATA_DEVICES: where it may be; empty, the one disk with nothing on it.
set -euo pipefail
install --directory --mode 755 /etc/runner-host
install --mode 755 "$FILES/data-volume" /usr/local/sbin/runner-host-data-volume
echo "DATA_DEVICES=\"${DATA_DEVICES:-}\"" >/etc/runner-host/data-volume.conf
install --mode 644 "$FILES/units/runner-host-data-volume.service" /etc/systemd/system/runner-host-data-volume.service
# A mount is called as its place, and a backslash is no name for a file of a repository.
install --mode 644 "$FILES/units/docker-storage.mount" '/etc/systemd/system/var-docker\x2dstorage.mount'
for service in docker ecs; do
    install -D --mode 644 "$FILES/units/needs-data-volume.conf" "/etc/systemd/system/$service.service.d/10-needs-data-volume.conf"
done
install -D --mode 644 "$FILES/units/needs-data-volume.socket.conf" /etc/systemd/system/docker.socket.d/10-needs-data-volume.conf

# What is below the mount belongs to the system's disk: nothing can be written there, whoever tries.
if ! mountpoint --quiet /var/docker-storage; then
    install --directory --mode 755 /var/docker-storage
    chattr +i /var/docker-storage
fi
