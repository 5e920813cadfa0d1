#!/usr/bin/env bash
# Stands in for the runner's config.sh: takes CONFIG_COST seconds and asks GitHub once; the real one starts .NET several times and asks
# five times and more. The stand-in Listener knows only just-in-time configurations, so that is what it asks for.
set -euo pipefail

while [[ $# -gt 0 ]]; do
    case $1 in
        --name) name=$2 && shift ;;
        --labels) labels=$2 && shift ;;
    esac
    shift
done

[[ $CONFIG_COST == 0 ]] || sleep "$CONFIG_COST"
blob=$(
    curl -fsSL -X POST \
        -H "Authorization: token ${ACCESS_TOKEN}" \
        -H "Content-Type: application/json" \
        -d "{\"name\": \"$name\", \"runner_group_id\": 1, \"labels\": [\"${labels//,/\", \"}\"], \"work_folder\": \"_work\"}" \
        "${GITHUB_API_URL}/repos/${REPOSITORY}/actions/runners/generate-jitconfig"
)
blob=${blob#*\"encoded_jit_config\":\"}
echo "${blob%%\"*}" > .jitconfig
