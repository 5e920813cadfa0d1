#!/bin/bash
# Stands in for the runner's config.sh: refuses root, goes to its own directory, notes the PATH, hands over to the Listener.
# CONFIG_SH_COST_MS: how long it takes besides; the real one needs seconds for its checks, its start and its test of the connection.
if [ "$(id -u)" -eq 0 ] && [ -z "$RUNNER_ALLOW_RUNASROOT" ]; then
    echo "Must not run with sudo"
    exit 1
fi
cd "$(dirname "${BASH_SOURCE[0]}")" || exit 1
if [ "${CONFIG_SH_COST_MS:-0}" -gt 0 ]; then
    sleep "$((CONFIG_SH_COST_MS / 1000)).$(printf %03d "$((CONFIG_SH_COST_MS % 1000))")"
fi
if [ "$1" = remove ]; then
    exec ./bin/Runner.Listener "$@"
fi
[ -e .env ] || echo "LANG=${LANG:-C.UTF-8}" >.env
echo "$PATH" >.path
exec ./bin/Runner.Listener configure "$@"
