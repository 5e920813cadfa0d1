//! What the machine is asked to show, in the order in which it does. Each ends with `key=value` lines that its test reads.

use runner_tests::{sidecar::TOOLS, vm::Scenario};

/// Emulation on a busy machine is slow: two starts at once took more than the minute that a start has.
const BEGIN: &str = "export BUILT=/job/bin DIND=/job/bin/runner-dind
SIDECAR_OPTIONS='--env DOCKER_START_TIMEOUT=600 --env STOP_TIMEOUT=120'
set -u
";

const CAPABILITIES: &str = "--cap-add SYS_ADMIN --cap-add NET_ADMIN --security-opt seccomp=unconfined";

/// The outer docker, as on a host of a platform, and two volumes: with and without project quotas.
const HOST: &str = r#"
set -e
mkdir -p /etc/docker /xfs /plain
echo '{"exec-opts":["native.cgroupdriver=systemd"],"default-cgroupns-mode":"private"}' > /etc/docker/daemon.json
mkfs.xfs -q /dev/vdc && mount -o pquota /dev/vdc /xfs
mkfs.xfs -q /dev/vdd && mount /dev/vdd /plain
systemctl start docker
image
echo "driver=$(docker info -f '{{.CgroupDriver}} {{.CgroupVersion}} {{.Driver}}')"
echo "controllers=$(cat /sys/fs/cgroup/cgroup.controllers)"
echo "apparmor=$(cat /sys/module/apparmor/parameters/enabled)"
"#;

const LIMITS: &str = r#"
sidecar limits --privileged --memory 512m --memory-swap 512m --volume /xfs/limits:/var/docker-storage && ready limits && inside limits "$TINY" || exit 1
inside limits 'docker run --rm -m 64m --memory-swap 64m --pids-limit 20 tiny:1 sh -c "
    echo memory.max=\$(busybox cat /sys/fs/cgroup/memory.max)
    echo pids.max=\$(busybox cat /sys/fs/cgroup/pids.max)
    i=0; while [ \$i -lt 40 ]; do busybox sleep 9 & i=\$((i+1)); done
    echo forks=allowed" 2>&1 | sed "s/.*can.t fork.*/forks=refused/"
docker run --rm -m 64m --memory-swap 64m tiny:1 busybox dd if=/dev/zero of=/dev/null bs=200M count=1 >/dev/null 2>&1; echo hog=$?'
echo "sidecar memory.max=$(inside limits 'cat /sys/fs/cgroup/memory.max')"
echo "group=$(grep 0:: /proc/$(docker inspect -f '{{.State.Pid}}' limits)/cgroup)"
docker stop --time 120 limits > /dev/null
echo "stop=$(docker inspect -f '{{.State.ExitCode}}' limits)"
echo "left=$(ls -A /xfs/limits)"
docker rm -v limits > /dev/null
"#;

const CAPABILITIES_ALONE: &str = r#"
sidecar caps $CAPABILITIES --security-opt apparmor=unconfined --volume /xfs/caps:/var/docker-storage && ready caps && inside caps "$TINY" || exit 1
echo "ran=$(inside caps 'docker run --rm tiny:1 busybox echo inside')"
echo "memory.max=$(inside caps 'docker run --rm -m 64m tiny:1 busybox cat /sys/fs/cgroup/memory.max')"
docker rm -vf caps > /dev/null
"#;

const APPARMOR: &str = r#"
sidecar confined $CAPABILITIES --volume /xfs/confined:/var/docker-storage
echo "exit=$(docker wait confined)"
docker logs confined
docker rm -v confined > /dev/null
"#;

const NEIGHBOURS: &str = r#"
roots() { ls -d /xfs/shared/task-* 2>/dev/null | wc -l; }
for name in one two; do sidecar $name --privileged --volume /xfs/shared:/var/docker-storage && ready $name || exit 1; done
echo "roots=$(roots)"
inside two "$TINY"
docker stop --time 120 one > /dev/null
echo "after a stop=$(roots)"
echo "the other=$(inside two 'docker run --rm tiny:1 busybox echo still runs')"
docker kill two > /dev/null
sidecar three --privileged --volume /xfs/shared:/var/docker-storage && ready three || exit 1
for second in $(seq 60); do [ "$(roots)" = 1 ] && break; sleep 1; done
echo "after a kill and a start=$(roots)"
docker rm -vf one two three > /dev/null
"#;

/// Two tasks on one volume with a limit each. `DOCKER_STORAGE_QUOTA` is per task; docker itself takes some 40 MB of it.
const QUOTA: &str = r#"
for name in greedy modest; do
    sidecar $name --privileged --env DOCKER_STORAGE_QUOTA=400M --volume /xfs/quota:/var/docker-storage && ready $name || exit 1
done
inside greedy "$TINY"; inside modest "$TINY"
echo "greedy=$(inside greedy 'docker run --name full tiny:1 busybox dd if=/dev/zero of=/big bs=1M count=600 2>&1' | tr '\n' ' ')"
echo "size=$(inside greedy 'df -k --output=size /var/docker-storage/task-*/data 2>/dev/null | sed -n 2p' | tr -d ' ')"
df -k /xfs /xfs/quota/task-*
echo "modest=$(inside modest 'docker run --rm tiny:1 busybox dd if=/dev/zero of=/big bs=1M count=100 2>/dev/null && echo written')"
echo "freed=$(inside greedy 'docker rm full >/dev/null && docker run --rm tiny:1 busybox dd if=/dev/zero of=/big bs=1M count=100 2>/dev/null && echo written')"
xfs_quota -x -c 'report -p -n' /xfs
for name in greedy modest; do docker stop --time 120 $name > /dev/null; docker logs $name | grep -E 'WARN|ERROR|removed'; docker rm -v $name > /dev/null; done
xfs_quota -x -c 'report -p -n' /xfs
echo "limits left=$(xfs_quota -x -c 'report -p -n -N' /xfs | awk '$4 > 0' | wc -l)"
"#;

const NO_QUOTA: &str = r#"
sidecar plain --privileged --env DOCKER_STORAGE_QUOTA=400M --volume /plain/task:/var/docker-storage
echo "exit=$(docker wait plain)"
docker logs plain
docker rm -v plain > /dev/null
"#;

/// `RUNNER_TEST_VM_ONLY=a,b` leaves out others than the first and those, for who works on one.
pub(crate) fn wanted(name: &str) -> bool {
    let only = std::env::var("RUNNER_TEST_VM_ONLY").unwrap_or_default();
    only.is_empty() || name == "host" || only.split(',').any(|wanted| wanted == name)
}

/// In their order.
pub(crate) fn all() -> Vec<Scenario> {
    let mut scripts =
        vec![("host", HOST), ("limits", LIMITS), ("capabilities", CAPABILITIES_ALONE), ("apparmor", APPARMOR), ("neighbours", NEIGHBOURS)];
    if super::knows_quotas() {
        scripts.extend([("quota", QUOTA), ("noquota", NO_QUOTA)]);
    }
    scripts.retain(|(name, _)| wanted(name));
    let scenario = |(name, script): (&'static str, &str)| Scenario {
        name,
        script: format!("{BEGIN}CAPABILITIES='{CAPABILITIES}'\n{TOOLS}\n{script}"),
        seconds: 900,
    };
    scripts.into_iter().map(scenario).collect()
}
