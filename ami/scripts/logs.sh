#!/bin/bash
# Logs of the host end somewhere: the journal is bounded, and CloudWatch gets what is asked for in EXTRAS.
set -euo pipefail
wants() { [[ " ${EXTRAS:-} " == *" $1 "* ]]; }

install -D --mode 644 "$FILES/journald.conf" /etc/systemd/journald.conf.d/runner-host.conf
if wants cloudwatch && [ -d /opt/aws/amazon-cloudwatch-agent ]; then
    install -D --mode 644 "$FILES/cloudwatch.json" /opt/aws/amazon-cloudwatch-agent/etc/amazon-cloudwatch-agent.json
    systemctl enable --no-reload amazon-cloudwatch-agent.service
fi
if wants fluent-bit && [ -d /etc/fluent-bit ]; then
    install --mode 644 "$FILES/fluent-bit.conf" /etc/fluent-bit/fluent-bit.conf
    systemctl enable --no-reload fluent-bit.service
fi
