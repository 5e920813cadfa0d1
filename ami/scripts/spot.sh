#!/bin/bash
# The Spot notice for tasks that nobody else tells. On demand there never is one, and looking costs nothing.
set -euo pipefail
install --mode 755 "$FILES/spot" /usr/local/sbin/runner-host-spot
install --mode 644 "$FILES/units/runner-host-spot.service" /etc/systemd/system/runner-host-spot.service
systemctl enable --no-reload runner-host-spot.service
