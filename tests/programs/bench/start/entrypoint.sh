#!/usr/bin/env bash
# The usual entrypoint of a runner's image, one step after the other: the tool cache with rsync, docker with a loop, a registration
# token with curl and jq, config.sh, then the Listener. Written as such scripts are, with nothing slowed down for the comparison.
# WAIT_FOR_DOCKER is `first` (as in images that start dockerd themselves) or `last` (as in actions-runner-controller's startup.sh).
set -euo pipefail

cd "$RUNNER_HOME"

wait_for_docker() {
    if [[ -n "${DOCKER_HOST:-}" && "$WAIT_FOR_DOCKER" == "$1" ]]; then
        until docker ps > /dev/null 2>&1; do
            sleep 1
        done
    fi
}

wait_for_docker first

if [[ -n "${TOOL_CACHE_REMOTE:-}" ]]; then
    rsync -a "$TOOL_CACHE_REMOTE/" "$RUNNER_TOOL_CACHE/"
fi

RUNNER_TOKEN=$(
    curl -fsSL -X POST \
        -H "Authorization: token ${ACCESS_TOKEN}" \
        -H "Accept: application/vnd.github+json" \
        "${GITHUB_API_URL}/repos/${REPOSITORY}/actions/runners/registration-token" |
        jq -r .token
)

./config.sh \
    --url "https://github.com/${REPOSITORY}" \
    --token "$RUNNER_TOKEN" \
    --name "$RUNNER_NAME" \
    --labels "self-hosted,linux,x64" \
    --work _work \
    --ephemeral --unattended --disableupdate --replace

wait_for_docker last

# Only for the stand-in Listener, see its config.sh; a builtin, so it costs nothing.
read -r ACTIONS_RUNNER_INPUT_JITCONFIG < .jitconfig
export ACTIONS_RUNNER_INPUT_JITCONFIG
exec bin/Runner.Listener run
