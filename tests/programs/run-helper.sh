#!/bin/bash
# Stands in for the runner's run-helper.sh: starts the Listener and says in one line how it ended.
# STAND_IN_RETRY_PAUSE: seconds before a retry (the real one waits 5).
# STAND_IN_UPDATE_WAIT: seconds to wait for an update to finish (the real one waits 31).
if [ "$(id -u)" -eq 0 ] && [ -z "$RUNNER_ALLOW_RUNASROOT" ]; then
    echo "Must not run interactively with sudo"
    exit 1
fi
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
"$here/bin/Runner.Listener" run $*
status=$?
case $status in
    0)
        echo "Runner listener exit with 0 return code, stop the service, no retry needed."
        exit 0
        ;;
    1)
        echo "Runner listener exit with terminated error, stop the service, no retry needed."
        exit 0
        ;;
    2)
        echo "Runner listener exit with retryable error, re-launch runner in 5 seconds."
        sleep "${STAND_IN_RETRY_PAUSE:-5}"
        exit 2
        ;;
    3 | 4)
        echo "Runner listener exit because of updating, re-launch runner after successful update"
        waited=0
        while [ ! -e update.finished ] && [ "$waited" -lt "$((${STAND_IN_UPDATE_WAIT:-31} * 20))" ]; do
            sleep 0.05
            waited=$((waited + 1))
        done
        rm -f update.finished
        exit 2
        ;;
    5)
        echo "Runner listener exit with Session Conflict error, stop the service, no retry needed."
        exit 0
        ;;
    7)
        echo "Runner listener exit with deprecated version exit code: 7"
        [ "$ACTIONS_RUNNER_RETURN_VERSION_DEPRECATED_EXIT_CODE" = 1 ] && exit 7
        exit 0
        ;;
    *)
        echo "Exiting with unknown error code: $status"
        exit 0
        ;;
esac
