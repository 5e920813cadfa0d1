#!/bin/bash
# A tool cache that hosts begin with. TOOL_CACHE: a tar archive of what `runner-entrypoint cache save` has made, as s3://…, https://… or a
# path; empty: none. Tasks mount /var/lib/runner-host/tool-cache (host.sourcePath) in the runner alone and set TOOL_CACHE_REMOTE to its place.
#
# Not on the data volume: each sidecar sees all of that, and a job with docker could change what the next job gets.
set -euo pipefail
[ -n "${TOOL_CACHE:-}" ] || exit 0

fetch() {
    case $TOOL_CACHE in
    s3://*) aws s3 cp --quiet "$TOOL_CACHE" - ;;
    https://*) curl --fail --silent --show-error --location "$TOOL_CACHE" ;;
    /*) cat "$TOOL_CACHE" ;;
    *)
        echo "tool-cache: TOOL_CACHE=$TOOL_CACHE: s3://…, https://… or a path" >&2
        return 1
        ;;
    esac
}

place=/var/lib/runner-host/tool-cache
rm -rf "$place.new"
install --directory --mode 755 "$place.new"
fetch | tar --extract --no-same-owner --directory "$place.new"
# The runner's user in the images.
chown --recursive 1001:1001 "$place.new"
rm -rf "$place"
mv "$place.new" "$place"
