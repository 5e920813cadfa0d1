//! What the host is asked to show, in the order in which it does. Each says `key=value` lines that its test reads.

use runner_tests::{sidecar::TOOLS, vm::Scenario};

/// The sidecar's program is the one that the host has. Emulation is slow.
const BEGIN: &str = "export BUILT=/job/bin DIND=/usr/local/bin/runner-dind
SIDECAR_OPTIONS='--privileged --env DOCKER_START_TIMEOUT=600 --env STOP_TIMEOUT=120 --volume /var/docker-storage:/var/docker-storage'
set -u
";

/// The machine's first boot: what it does by itself is what units want, which `systemd.run` leaves out.
const BOOT: &str = r#"
systemctl start multi-user.target timers.target
systemctl is-active docker
runner-host-verify
echo "verify=$?"
echo "volume=$(findmnt -no SOURCE,FSTYPE,LABEL --mountpoint /var/docker-storage | tr -s ' ')"
[ -s /etc/machine-id ] && echo "identity=its own"
"#;

/// Another network namespace in the place of AWS.
const METADATA: &str = r#"
ip netns add aws && ip link add up0 type veth peer name up1 netns aws
ip address add 192.0.2.1/24 dev up0; ip link set up0 up; ip -n aws link set lo up; ip -n aws link set up1 up
for address in 192.0.2.2/24 169.254.169.254/32 169.254.170.2/32; do ip -n aws address add $address dev up1; done
ip -n aws route add default via 192.0.2.1
for address in 169.254.169.254 169.254.170.2; do ip route add $address via 192.0.2.2; done
mkdir -p /tmp/aws && ip netns exec aws busybox httpd -h /tmp/aws
runner-host-verify
echo "verify=$?"
iptables -D DOCKER-USER -d 169.254.169.254/32 -j REJECT
runner-host-verify
echo "verify without the rule=$?"
systemctl restart runner-host-metadata
echo "left=$(ip netns list | grep verify; ip link | grep runner-verify)"
ip link delete up0; ip netns delete aws
"#;

const IMAGES: &str = r#"
set -e
image
printf 'version: 0.1\nstorage: {filesystem: {rootdirectory: /tmp/registry}}\nhttp: {addr: "127.0.0.1:5000"}\n' > /tmp/registry.yml
docker-registry serve /tmp/registry.yml > /tmp/registry.log 2>&1 &
registry=$!
for try in $(seq 60); do curl -s http://127.0.0.1:5000/v2/ && break; sleep 1; done
docker tag base:1 127.0.0.1:5000/app/runner:1
docker push --quiet 127.0.0.1:5000/app/runner:1
digest=$(docker image inspect -f '{{index .RepoDigests 0}}' 127.0.0.1:5000/app/runner:1)
echo "digest=$digest"
docker rmi 127.0.0.1:5000/app/runner:1 > /dev/null; docker rmi $digest > /dev/null 2>&1 || true
mkdir -p /tmp/files
echo 127.0.0.1:5000/app/runner:1 > /tmp/files/images.txt
FILES=/tmp/files bash /job/bin/images.sh || echo "refused=a name without a digest"
printf '# a comment\n\n127.0.0.1:5000/app/runner:1@%s\n' "${digest#*@}" > /tmp/files/images.txt
FILES=/tmp/files bash /job/bin/images.sh
docker image inspect 127.0.0.1:5000/app/runner:1 > /dev/null && echo "is there=yes"
ls -d /tmp/tmp.* 2>/dev/null || echo "password=gone"
runner-host-verify
docker rmi 127.0.0.1:5000/app/runner:1 > /dev/null; docker rmi $digest > /dev/null 2>&1 || true
set +e
runner-host-verify
echo "verify without it=$?"
rm /etc/runner-host/images
kill "$registry"
"#;

/// A cache as `cache save` leaves it is any tree to the script.
const TOOLS_BROUGHT: &str = r#"
mkdir -p /tmp/cache/node/20.11.0 && echo pack > /tmp/cache/node/20.11.0/x64.pack && tar -C /tmp/cache -cf /tmp/cache.tar .
TOOL_CACHE= bash /job/bin/tool-cache.sh; ls -d /var/lib/runner-host 2>/dev/null || echo "unasked=none"
TOOL_CACHE=ftp://host/cache.tar bash /job/bin/tool-cache.sh 2>&1 || echo "address=refused"
ls -d /var/lib/runner-host/tool-cache 2>/dev/null || echo "half=none"
for time in 1 2; do TOOL_CACHE=/tmp/cache.tar bash /job/bin/tool-cache.sh; done
echo "tools=$(stat -c '%u:%g' /var/lib/runner-host/tool-cache/node/20.11.0/x64.pack) $(cat /var/lib/runner-host/tool-cache/node/20.11.0/x64.pack)"
"#;

const PAIR: &str = r#"
echo runner:x:1001:1001::/home/runner:/bin/bash >> /etc/passwd; echo runner:x:1001: >> /etc/group; echo job:x:123:runner >> /etc/group
image
home=/srv/runner
mkdir -p $home/bin $home/_work $home/externals/node20/bin /srv/externals /srv/tools
cp /job/bin/run.sh /job/bin/run-helper.sh /job/bin/config.sh $home
for name in Runner.Listener Runner.Worker; do cp /job/bin/Runner.Listener $home/bin/$name; done
chown -R 1001:1001 $home /srv/externals /srv/tools
shared="--volume $home/_work:/home/runner/_work --volume /srv/tools:/opt/hostedtoolcache"
sidecar pair --env DOCKER_STORAGE_QUOTA=1G --volume /srv/externals:/home/runner/externals $shared || exit 1
script='mkdir -p i/bin && cp /usr/bin/busybox i/bin/busybox && ln -sf busybox i/bin/sh
tar -C i -c . | docker import - tiny:1 >/dev/null
docker run --rm --memory 64m --volume $GITHUB_WORKSPACE:/w tiny:1 sh -c "echo made in a container of the job > /w/proof; busybox cat /sys/fs/cgroup/memory.max > /w/limit"'
docker run --detach --name github --network container:pair --volume /usr:/usr:ro --volume /job/bin:/job/bin:ro base:1 \
    /job/bin/github-stand-in --port 8080 --token secret --job "$script" > /dev/null
docker run --detach --name runner --network container:pair --volume /usr:/usr:ro --volume /job/bin:/job/bin:ro --volume $home:/home/runner \
    --volume /srv/externals:/run/externals --env EXTERNALS_SHARED_DIR=/run/externals $shared --volume /run/tasks/pair:/run/task \
    --env GITHUB_API_URL=http://127.0.0.1:8080 --env ACCESS_TOKEN=secret --env RUNNER_SCOPE=repo --env REPO_URL=https://github.com/acme/widgets \
    --env DOCKER_HOST=unix:///run/task/docker.sock --env DOCKER_WAIT_TIMEOUT=600 --env STOP_TIMEOUT=85 --env NO_COLOR=1 \
    base:1 /job/bin/runner-entrypoint > /dev/null
echo "runner=$(timeout 400 docker wait runner)"
docker logs runner 2>&1
echo "proof=$(cat $home/_work/*/*/proof $home/_work/*/proof 2>/dev/null)"
echo "limit=$(cat $home/_work/*/*/limit $home/_work/*/limit 2>/dev/null)"
docker stop --time 120 pair > /dev/null
echo "dind=$(docker inspect -f '{{.State.ExitCode}}' pair)"
[ "$(docker inspect -f '{{.State.ExitCode}}' pair)" = 0 ] || docker logs pair
echo "left=$(ls -A /var/docker-storage)"
docker rm -vf runner github pair > /dev/null
"#;

const SWEEP: &str = r#"
sidecar dies && ready dies || exit 1
docker kill dies > /dev/null; docker rm -v dies > /dev/null
echo "before=$(ls -d /var/docker-storage/task-* | wc -l)"
echo "timer=$(systemctl is-active runner-host-sweep.timer)"
systemctl start runner-host-sweep.service
journalctl --no-pager --output cat --unit runner-host-sweep.service
echo "after=$(ls -A /var/docker-storage | wc -l)"
"#;

const WITHOUT: &str = r#"
echo DATA_WAIT=5 >> /etc/runner-host/data-volume.conf
systemctl start multi-user.target
journalctl --no-pager --output cat --unit runner-host-data-volume.service
echo "docker=$(systemctl is-active docker)"
echo "host=$(systemctl is-active multi-user.target | sed s/^active/running/)"
systemctl start docker 2>&1 || echo "by hand=refused"
timeout 30 docker info > /dev/null 2>&1; echo "client=$?"
mkdir /var/docker-storage/task-1 2>&1 || echo "written=refused"
runner-host-verify
echo "verify=$?"
"#;

const NOT_EMPTY: &str = r#"
export DATA_WAIT=2
disk() { truncate -s 512M /tmp/$1.img; losetup --find --show /tmp/$1.img; }
full=$(disk full); mkfs.ext4 -q "$full"
DATA_DEVICES=$full runner-host-data-volume 2>&1 || echo "signature=refused"
echo "kept=$(blkid -p -s TYPE -o value "$full")"
raw=$(disk raw); printf precious | dd of="$raw" bs=1 seek=1000000 conv=notrunc 2>/dev/null
DATA_DEVICES=$raw runner-host-data-volume 2>&1 || echo "bytes=refused"
echo "kept bytes=$(dd if="$raw" bs=1 skip=1000000 count=8 2>/dev/null)"
new=$(disk new)
DATA_DEVICES=$new runner-host-data-volume 2>&1 && echo "empty=formatted"
first=$(blkid -p -s UUID -o value "$new")
DATA_DEVICES=$new runner-host-data-volume 2>&1
[ "$(blkid -p -s UUID -o value "$new")" = "$first" ] && echo "second boot=left as it is"
cp --sparse=always /tmp/new.img /tmp/copy.img; losetup --find /tmp/copy.img
runner-host-data-volume 2>&1 || echo "two=refused"
"#;

pub(crate) fn with_a_volume() -> Vec<Scenario> {
    scenarios(&[("boot", BOOT), ("metadata", METADATA), ("images", IMAGES), ("tools", TOOLS_BROUGHT), ("pair", PAIR), ("sweep", SWEEP)])
}

pub(crate) fn without_a_volume() -> Vec<Scenario> {
    scenarios(&[("boot", WITHOUT), ("not-empty", NOT_EMPTY)])
}

fn scenarios(scripts: &[(&'static str, &str)]) -> Vec<Scenario> {
    scripts.iter().map(|&(name, script)| Scenario { name, script: format!("{BEGIN}{TOOLS}\n{script}"), seconds: 900 }).collect()
}
