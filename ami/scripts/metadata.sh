#!/bin/bash
# Instance metadata is the host's. The launch template adds the rest: tokens required, one hop.
set -euo pipefail
install --mode 755 "$FILES/metadata" /usr/local/sbin/runner-host-metadata
install --mode 644 "$FILES/units/runner-host-metadata.service" /etc/systemd/system/runner-host-metadata.service
systemctl enable --no-reload runner-host-metadata.service
