#!/bin/bash
# runner-dind for its sweep: what killed tasks left goes at boot and every hour, even when no task starts.
set -euo pipefail
install --mode 755 "$FILES/runner-dind" /usr/local/bin/runner-dind
/usr/local/bin/runner-dind --version
for unit in runner-host-sweep.service runner-host-sweep.timer; do
    install --mode 644 "$FILES/units/$unit" "/etc/systemd/system/$unit"
done
install --mode 755 "$FILES/verify.sh" /usr/local/sbin/runner-host-verify
systemctl enable --no-reload runner-host-sweep.timer
