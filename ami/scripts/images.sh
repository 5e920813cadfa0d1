#!/bin/bash
# Pulls what $FILES/images.txt names, by digest, and gives it the name that task definitions use. Docker must run.
set -euo pipefail

DOCKER_CONFIG=$(mktemp --directory)
export DOCKER_CONFIG
# A registry's password is in there while this runs, and not in the image.
trap 'rm -rf "$DOCKER_CONFIG"' EXIT

list=/etc/runner-host/images
: >"$list.new"
while read -r image rest; do
    case $image in '' | '#'*) continue ;; esac
    if [ -n "$rest" ] || ! [[ $image =~ ^([a-z0-9][a-z0-9./:_-]*:[A-Za-z0-9_.-]+)@(sha256:[0-9a-f]{64})$ ]]; then
        echo "images: $image $rest: NAME:TAG@sha256:DIGEST, one in a line" >&2
        exit 1
    fi
    name=${BASH_REMATCH[1]} digest=${BASH_REMATCH[2]}
    registry=${name%%/*}
    if [[ $registry =~ ^[0-9]{12}\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com$ ]] && ! [ -e "$DOCKER_CONFIG/$registry" ]; then
        aws ecr get-login-password --region "${BASH_REMATCH[1]}" | docker login --username AWS --password-stdin "$registry" 2>/dev/null
        touch "$DOCKER_CONFIG/$registry"
    fi
    # With a digest docker keeps no tag, and the agent asks for the tag.
    docker pull --quiet "${name%:*}@$digest"
    docker tag "${name%:*}@$digest" "$name"
    echo "$name ${name%:*}@$digest" >>"$list.new"
done <"$FILES/images.txt"
mv "$list.new" "$list"
