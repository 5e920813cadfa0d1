#!/bin/bash
# Settings of the kernel that jobs need, and its modules before them: a setting of a module that is not loaded is skipped in silence.
set -euo pipefail
printf 'nf_conntrack\noverlay\nloop\nxfs\n' >/etc/modules-load.d/runner-host.conf
install --mode 644 "$FILES/sysctl.conf" /etc/sysctl.d/90-runner-host.conf
