#!/bin/bash
# The agent's settings. What was there for a cluster stays: user data writes it, and this may run again.
set -euo pipefail
install --directory --mode 755 /etc/ecs
cluster=$(grep --no-messages '^ECS_CLUSTER=' /etc/ecs/ecs.config || :)
install --mode 644 "$FILES/ecs.config" /etc/ecs/ecs.config
if [ -n "$cluster" ]; then echo "$cluster" >>/etc/ecs/ecs.config; fi
