#!/bin/bash
# Proves that this host is what the pair wants, one line for each thing; the number of those that are not is the exit code.
# Runs as Packer's last step (--image: before there is a cluster) and on a living host: runner-host-verify.
set -uo pipefail

stage=host
[ "${1:-}" != --image ] || stage=image
failed=0
storage=/var/docker-storage

fine() { printf 'ok    %s\n' "$1"; }
wrong() {
    printf 'FAIL  %s\n      hint: %s\n' "$1" "$2"
    failed=$((failed + 1))
    return 1
}
left_out() { printf '%s\n' "-     $1"; }
# hold WHAT HINT COMMAND... : 1 when it does not.
hold() {
    local what=$1 hint=$2
    shift 2
    if "$@" >/dev/null 2>&1; then fine "$what"; else wrong "$what" "$hint"; fi
}
# same WHAT HAS WANTED HINT
same() { if [ "$2" = "$3" ]; then fine "$1: $2"; else wrong "$1: ${2:-nothing}, and not $3" "$4"; fi; }

cgroups() {
    same 'cgroup file system' "$(stat --file-system --format %T /sys/fs/cgroup)" cgroup2fs 'boot with systemd.unified_cgroup_hierarchy=1, or take Amazon Linux 2023'
    local controllers controller
    controllers=" $(cat /sys/fs/cgroup/cgroup.controllers 2>/dev/null) "
    for controller in cpu io memory pids; do
        hold "controller $controller" 'a limit of this kind holds for nothing' test "${controllers/ $controller /}" != "$controllers"
    done
}

engine() {
    hold 'docker answers' 'journalctl -u docker; without the data volume it does not start: journalctl -u runner-host-data-volume' docker info || return
    local format='{{.Driver}} {{.CgroupDriver}} v{{.CgroupVersion}}'
    same 'docker' "$(docker info --format "$format")" 'overlay2 systemd v2' '/etc/docker/daemon.json is not ours: ami/scripts/docker.sh'
    hold 'containers get a cgroup namespace of their own' '"default-cgroupns-mode": "private" in /etc/docker/daemon.json' \
        grep --quiet name=cgroupns <(docker info --format '{{.SecurityOptions}}')
}

volume() {
    same "file system of $storage" "$(findmnt --noheadings --output FSTYPE --mountpoint "$storage")" xfs 'journalctl -u runner-host-data-volume'
    hold 'project quotas' 'mount it with pquota: DOCKER_STORAGE_QUOTA wants it' grep --quiet --extended-regexp '(^|,)(pquota|prjquota)(,|$)' \
        <(findmnt --noheadings --output OPTIONS --mountpoint "$storage")
    hold 'ftype=1' 'format it anew: overlay2 wants it' grep --quiet ftype=1 <(xfs_info "$storage")
    local service mounted started
    mounted=$(moment 'var-docker\x2dstorage.mount')
    for service in docker ecs; do
        exists "$service" || continue
        hold "$service.service wants the mount" 'ami/scripts/data-volume.sh' \
            grep --quiet --extended-regexp 'var-docker\\+x2dstorage[.]mount' <(systemctl show --property Requires "$service.service")
        started=$(moment "$service.service")
        [ "$started" != 0 ] || continue
        hold "$service.service started after the mount" 'something starts it without systemd' test "$mounted" -gt 0 -a "$mounted" -le "$started"
    done
}

moment() { systemctl show --property ActiveEnterTimestampMonotonic --value -- "$1"; }
# While an image is built the agent is masked.
exists() { systemctl cat "$1.service" >/dev/null 2>&1 && [ "$(systemctl is-enabled "$1.service" 2>/dev/null)" != masked ]; }

kernel() {
    local line name wanted has
    while IFS= read -r line; do
        case $line in '' | '#'* | -*) continue ;; esac
        name=${line%% =*} wanted=${line#*= }
        has=$(sysctl --values "$name" 2>/dev/null | tr -s '\t ' ' ')
        [ "$has" = "$wanted" ] || wrong "$name is ${has:-unknown}, and not $wanted" '/etc/sysctl.d/90-runner-host.conf; sysctl --system'
    done </etc/sysctl.d/90-runner-host.conf
    fine 'settings of the kernel were compared'
}

# From a network namespace on docker's bridge, as a container has one: no image is needed.
metadata() {
    hold 'instance metadata is kept from containers' 'systemctl restart runner-host-metadata' \
        iptables --wait --check DOCKER-USER --destination 169.254.169.254/32 --jump REJECT
    hold 'and docker asks that rule' 'docker does not manage iptables: "iptables": true' iptables --wait --check FORWARD --jump DOCKER-USER
    local here=runner-verify gateway
    answers 169.254.169.254 || { left_out 'no instance metadata on this host: not tried from a container'; return; }
    gateway=$(docker network inspect bridge --format '{{(index .IPAM.Config 0).Gateway}}')
    ip netns add "$here" && ip link add "$here" type veth peer name eth0 netns "$here" && ip link set "$here" master docker0 up
    ip -n "$here" address add "${gateway%.*}.250/16" dev eth0 && ip -n "$here" link set eth0 up && ip -n "$here" route add default via "$gateway"
    hold 'a container does not reach it' 'iptables -S DOCKER-USER' unanswered 169.254.169.254 ip netns exec "$here"
    # The agent answers there, for tasks that do not have a network of their own.
    if answers 169.254.170.2; then
        hold 'and reaches its task credentials' 'only 169.254.169.254 is to be refused' answers 169.254.170.2 ip netns exec "$here"
    fi
    ip netns delete "$here"
    ip link delete "$here" 2>/dev/null
}

# answers ADDRESS [COMMAND...]: any answer is one, also a refusal in HTTP.
answers() {
    local address=$1
    shift
    "$@" curl --silent --output /dev/null --max-time 3 --noproxy '*' "http://$address/"
}
# shellcheck disable=SC2317,SC2329  # called by hold
unanswered() { ! answers "$@"; }

units() {
    local unit
    for unit in runner-host-metadata.service runner-host-sweep.timer runner-host-spot.service; do
        hold "$unit is there and on" "systemctl enable --now $unit" systemctl is-enabled "$unit"
        [ "$stage" = image ] || hold "$unit runs" "journalctl -u $unit" systemctl is-active "$unit"
    done
    hold 'the sweep works' 'runner-dind sweep' env DOCKER_STORAGE_ROOT=$storage runner-dind sweep
}

images() {
    [ -e /etc/runner-host/images ] || { left_out 'no list of images'; return; }
    local name digest
    while read -r name digest; do
        same "image $name" "$(docker image inspect --format '{{join .RepoDigests " "}}' "$name" 2>/dev/null | tr ' ' '\n' | grep --line-regexp --fixed-strings "$digest")" \
            "$digest" 'ami/scripts/images.sh'
    done </etc/runner-host/images
}

agent() {
    if grep --quiet --extended-regexp '^[A-Z_0-9]+=.*[[:space:]]#' /etc/ecs/ecs.config; then
        wrong 'a comment stands behind a value in ecs.config' 'give it a line of its own'
    fi
    exists ecs || { left_out 'no ECS agent on this host, or it is kept from starting'; return; }
    [ "$stage" = host ] || return 0
    hold 'the agent knows its cluster' 'user data: echo ECS_CLUSTER=… >> /etc/ecs/ecs.config' grep --quiet '^ECS_CLUSTER=.' /etc/ecs/ecs.config
    hold 'the agent runs' 'journalctl -u ecs; /var/log/ecs/ecs-agent.log' curl --silent --fail --max-time 5 http://127.0.0.1:51678/v1/metadata
    hold 'the clock is right' 'chronyc tracking' grep --quiet yes <(timedatectl show --property NTPSynchronized)
}

cgroups
engine
volume
kernel
metadata
units
images
agent
[ "$failed" = 0 ] || printf '\n%s wrong\n' "$failed"
exit "$failed"
