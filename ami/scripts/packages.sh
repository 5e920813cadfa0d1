#!/bin/bash
# What a host needs beside docker and the ECS agent. EXTRAS: cloudwatch, efs, ssm, fluent-bit.
set -euo pipefail
# shellcheck source=/dev/null
. /etc/os-release

wants() { [[ " ${EXTRAS:-} " == *" $1 "* ]]; }

case $ID in
amzn)
    # Not iptables: docker's rules are where the image's own variant puts them, and a second one would see none of them.
    packages=(xfsprogs e2fsprogs chrony diffutils util-linux)
    if wants cloudwatch; then packages+=(amazon-cloudwatch-agent); fi
    if wants efs; then packages+=(amazon-efs-utils); fi
    if wants ssm; then packages+=(amazon-ssm-agent); fi
    if wants fluent-bit; then
        install --mode 644 "$FILES/fluent-bit.repo" /etc/yum.repos.d/fluent-bit.repo
        packages+=(fluent-bit)
    fi
    dnf --assumeyes --quiet install "${packages[@]}"
    ;;
ubuntu)
    export DEBIAN_FRONTEND=noninteractive
    apt-get update --quiet=2
    apt-get install --yes --quiet=2 --no-install-recommends docker.io xfsprogs iptables chrony curl
    # The agent of Amazon's own package; what it is says the checksum, which has to be given.
    curl --fail --silent --show-error --location --output /tmp/ecs-init.deb "${ECS_INIT_URL:?}"
    echo "${ECS_INIT_SHA256:?}  /tmp/ecs-init.deb" | sha256sum --check --quiet
    apt-get install --yes --quiet=2 /tmp/ecs-init.deb
    rm /tmp/ecs-init.deb
    if wants ssm; then snap list amazon-ssm-agent; fi
    ;;
esac

# Whatever the distribution: without these the rest does not work.
for program in docker mkfs.xfs chattr blkid lsblk cmp udevadm iptables curl; do
    command -v "$program" >/dev/null || { echo "packages: no $program on this host" >&2; exit 1; }
done

# Credentials and TLS fail on a clock that is wrong. Debian's own client is timesyncd.
if systemctl list-unit-files chronyd.service | grep --quiet chronyd; then
    systemctl enable --no-reload chronyd.service
fi
