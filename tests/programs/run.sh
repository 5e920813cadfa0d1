#!/bin/bash
# Stands in for the runner's run.sh: same lines, same reactions, same final status (always 0, except when it was
# stopped by a signal that it traps). Relaunches when the helper says so.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

loop() {
    while :; do
        "$here/run-helper.sh" $*
        status=$?
        if [ "$status" -ne 2 ]; then
            [ "$status" -eq 7 ] && exit 7
            echo "Exiting runner..."
            exit 0
        fi
        echo "Restarting runner..."
    done
}

# The helper gets a process group of its own, and the whole group the interrupt, once.
loop_trapping() {
    set -m
    forward() {
        trap - INT TERM
        kill -INT "-$helper" 2>/dev/null
        wait "$helper"
        exit "$1"
    }
    trap 'forward 130' INT
    trap 'forward 143' TERM
    while :; do
        "$here/run-helper.sh" $* &
        helper=$!
        wait "$helper"
        status=$?
        if [ "$status" -ne 2 ]; then
            [ "$status" -eq 7 ] && exit 7
            echo "Exiting runner..."
            exit 0
        fi
        echo "Restarting runner..."
    done
}

if [ -n "$RUNNER_MANUALLY_TRAP_SIG" ]; then
    loop_trapping $*
else
    loop $*
fi
