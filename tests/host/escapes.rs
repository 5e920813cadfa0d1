//! What a job can do to the sidecar and its host through the docker socket, tried for real, per setting. The table is the result: it is
//! what SECURITY.md speaks of (`docs/escapes.md`).

use std::{fmt::Write as _, fs, os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

use runner_tests::{
    bed::Subject,
    need::{Need, need},
    pair::{Pair, STORAGE},
    process::Ending,
};

const SOON: Duration = Duration::from_secs(60);

/// What whoever escapes can read.
const SECRET: &str = "ESCAPED-4711";

/// A directory that looks like another task's, which no sweep touches: it has no lock.
const NEIGHBOUR: &str = "task-00000000000000aa";

/// A setting: its name in the table, and the variables.
const SETTINGS: [(&str, &[(&str, &str)]); 5] = [
    ("default", &[]),
    ("userns-remap", &[("DOCKER_USERNS_REMAP", "yes")]),
    ("no-new-privileges", &[("DOCKER_NO_NEW_PRIVILEGES", "yes")]),
    ("guarded", &[("DOCKER_API_POLICY", "guarded")]),
    ("guarded + userns-remap", &[("DOCKER_API_POLICY", "guarded"), ("DOCKER_USERNS_REMAP", "yes")]),
];

/// An attempt: what it is, and a script that prints [`SECRET`] when it worked. It runs as the runner's user with the docker group alone;
/// `$DISK` is the storage volume's device as `major minor`.
const ATTEMPTS: [(&str, &str); 27] = [
    ("`-v /:/host`: read a file of root in the sidecar", "docker run --rm -v /:/host tiny:1 cat /host/root/secret"),
    ("`--mount type=bind,source=/`: the same", "docker run --rm --mount type=bind,source=/,target=/host tiny:1 cat /host/root/secret"),
    ("the same with `--userns=host`", "docker run --rm --userns=host -v /:/host tiny:1 cat /host/root/secret"),
    (
        "bind of the storage volume: read another task's data",
        "docker run --rm -v /var/docker-storage:/s tiny:1 cat /s/task-00000000000000aa/secret",
    ),
    (
        "a volume with `o=bind,device=/`",
        "docker volume create -o type=none -o o=bind -o device=/ root && docker run --rm -v root:/host tiny:1 cat /host/root/secret",
    ),
    (
        "`--privileged`: mount the host's disk, read another task's data",
        "docker run --rm --privileged tiny:1 sh -c \"mknod /d b $DISK; mkdir /m; mount -t xfs /d /m; cat /m/task-00000000000000aa/secret\"",
    ),
    (
        "`--privileged --userns=host`: the same",
        "docker run --rm --privileged --userns=host tiny:1 sh -c \"mknod /d b $DISK; mkdir /m; mount -t xfs /d /m; cat /m/task-00000000000000aa/secret\"",
    ),
    (
        "`--privileged`: write `/proc/sys/kernel/core_pattern` of the host",
        "docker run --rm --privileged tiny:1 sh -c 'v=$(cat /proc/sys/kernel/core_pattern); echo \"$v\" > /proc/sys/kernel/core_pattern && echo ESCAPED-4711'",
    ),
    (
        "`docker exec --privileged`: mount something",
        "docker run -d --name box tiny:1 sleep 600 && docker exec --privileged box sh -c 'mkdir /m; mount -t tmpfs x /m && echo ESCAPED-4711'",
    ),
    (
        "`--cap-add SYS_ADMIN`: mount something",
        "docker run --rm --cap-add SYS_ADMIN tiny:1 sh -c 'mkdir /m; mount -t tmpfs x /m && echo ESCAPED-4711'",
    ),
    (
        "`--device-cgroup-rule`: read the host's disk by its number",
        "docker run --rm --device-cgroup-rule 'b *:* rwm' tiny:1 sh -c \"mknod /d b $DISK; head -c 4 /d | grep -q XFSB && echo ESCAPED-4711\"",
    ),
    ("the same without the rule", "docker run --rm tiny:1 sh -c \"mknod /d b $DISK; head -c 4 /d | grep -q XFSB && echo ESCAPED-4711\""),
    (
        "`--device`: the same by its node",
        "docker run --rm --device /run/disk:/d tiny:1 sh -c 'head -c 4 /d | grep -q XFSB && echo ESCAPED-4711'",
    ),
    (
        "`--pid=host`: kill a process of the sidecar",
        "docker run --rm --pid=host tiny:1 sh -c 'kill -9 $(pidof victim) && echo ESCAPED-4711'",
    ),
    (
        "`--pid=host --cap-add SYS_PTRACE`: read through `/proc/1/root`",
        "docker run --rm --pid=host --cap-add SYS_PTRACE --security-opt apparmor=unconfined tiny:1 cat /proc/1/root/root/secret",
    ),
    (
        "`--network=host`: use a service that listens on the sidecar's loopback",
        "docker run --rm --network=host tiny:1 wget -q -O - http://127.0.0.1:18999/secret",
    ),
    (
        "the same by the network's id",
        "docker run --rm --network=$(docker network inspect -f '{{.Id}}' host) tiny:1 wget -q -O - http://127.0.0.1:18999/secret",
    ),
    (
        "`docker build --network=host`: the same",
        "printf 'FROM tiny:1\\nRUN wget -q -O - http://127.0.0.1:18999/secret\\n' > $HOME/Dockerfile; DOCKER_BUILDKIT=0 docker build --no-cache --network=host $HOME",
    ),
    (
        "BuildKit, `RUN --network=host --allow network.host`: the same",
        "printf 'FROM tiny:1\\nRUN --network=host wget -q -O - http://127.0.0.1:18999/secret\\n' > $HOME/Dockerfile; \
         docker buildx build --no-cache --progress=plain --allow network.host $HOME",
    ),
    (
        "BuildKit, `RUN --security=insecure --allow security.insecure`: mount something",
        "printf 'FROM tiny:1\\nRUN --security=insecure mkdir /m && mount -t tmpfs x /m && echo ESCAPED-$((4700+11))\\n' > $HOME/Dockerfile; \
         docker buildx build --no-cache --progress=plain --allow security.insecure $HOME",
    ),
    (
        "a set-uid program makes root of user 1000 in a container",
        "[ \"$(docker run --rm --user 1000 suid:1 /bin/id -u)\" = 0 ] && echo ESCAPED-4711",
    ),
    (
        "the same with `--security-opt no-new-privileges=false`",
        "[ \"$(docker run --rm --user 1000 --security-opt no-new-privileges=false suid:1 /bin/id -u)\" = 0 ] && echo ESCAPED-4711",
    ),
    (
        "a container with docker.sock starts one with `-v /:/host`",
        "docker run --rm -v /var/run/docker.sock:/var/run/docker.sock cli:1 /bin/docker run --rm -v /:/host tiny:1 cat /host/root/secret",
    ),
    (
        "a link in the shared work folder that leads to `/`",
        "ln -sfn / /home/runner/_work/link; docker run --rm -v /home/runner/_work/link:/host tiny:1 cat /host/root/secret",
    ),
    (
        "a folder there that becomes such a link between `create` and `start`",
        "mkdir -p /home/runner/_work/dir; docker create --name swapped -v /home/runner/_work/dir:/host tiny:1 cat /host/root/secret; \
         rmdir /home/runner/_work/dir; ln -s / /home/runner/_work/dir; docker start -a swapped",
    ),
    (
        "the same, and `docker cp` out of the container",
        "mkdir -p /home/runner/_work/cp; docker create --name swapped -v /home/runner/_work/cp:/host tiny:1 true; \
         rmdir /home/runner/_work/cp; ln -s / /home/runner/_work/cp; docker cp swapped:/host/root/secret - | cat",
    ),
    (
        "a link swapped in and out while containers start, 20 times",
        "cd /home/runner/_work; mkdir -p race calm; ln -sfn / evil; \
         (while :; do mv -T --exchange evil race 2>/dev/null || { mv -T race calm2; mv -T evil race; mv -T race evil; mv -T calm2 race; }; done) & \
         for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do docker run --rm -v /home/runner/_work/race:/host tiny:1 cat /host/root/secret 2>/dev/null; done; kill %1",
    ),
];

/// Images, and what there is to reach: a file of root, another task's file, a service on the loopback, a process.
const SCENE: &str = r#"
mkdir -p /tmp/i/bin && cp /usr/bin/busybox /tmp/i/bin/busybox
for name in sh cat echo id kill head grep mkdir mknod mount pidof sleep touch true wget; do ln -sf busybox /tmp/i/bin/$name; done
tar -C /tmp/i -c . | docker import - tiny:1
with() { mkdir -p /tmp/$1/bin; cp /usr/bin/$2 /tmp/$1/bin/; cp --parents -L $(ldd /usr/bin/$2 | grep -o '/[^ ]*') /tmp/$1; }
with suid id; chmod 4755 /tmp/suid/bin/id; tar -C /tmp/suid -c . | docker import - suid:1
with cli docker; tar -C /tmp/cli -c . | docker import - cli:1
umask 077; echo ESCAPED-4711 > /root/secret; umask 022
mkdir -p /srv/www; echo ESCAPED-4711 > /srv/www/secret
setsid busybox httpd -f -p 127.0.0.1:18999 -h /srv/www >/dev/null 2>&1 </dev/null &
cp /usr/bin/sleep /usr/bin/victim; setsid victim 600 >/dev/null 2>&1 </dev/null &
mkdir -p /tmp/job; chown 1001:1001 /tmp/job
mknod /run/disk b $DISK
"#;

/// How an attempt ended.
fn outcome(output: &str) -> &'static str {
    if output.contains(SECRET) {
        "**open**"
    } else if output.contains("DOCKER_API_POLICY=guarded") {
        "refused"
    } else {
        "stopped"
    }
}

fn start(pair: &Pair, settings: &[(&str, &str)]) -> Subject {
    let dind = settings.iter().fold(pair.dind(), |launch, (name, value)| launch.env(name, *value)).start();
    dind.wait_for_line("\"ready\"", SOON);
    dind
}

#[test]
fn every_escape_is_tried_under_every_setting() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let mut cells: Vec<Vec<&str>> = ATTEMPTS.iter().map(|_| Vec::new()).collect();
    for (_, settings) in SETTINGS {
        let pair = Pair::new();
        let neighbour = pair.storage().join(NEIGHBOUR);
        fs::create_dir(&neighbour).unwrap();
        fs::write(neighbour.join("secret"), SECRET).unwrap();
        fs::set_permissions(&neighbour, fs::Permissions::from_mode(0o700)).unwrap();
        let dind = start(&pair, settings);
        let disk = format!("DISK=\"$(grep ' {STORAGE} ' /proc/self/mountinfo | head -n 1 | cut -d ' ' -f 3 | tr : ' ')\"\n");
        let (ending, said) = dind.boxed().sh(&format!("set -e\n{disk}{SCENE}"), SOON);
        assert_eq!(ending, Ending::Code(0), "{said}");
        // That the attempts fail must not be because nothing works.
        let control = "setpriv --reuid=1001 --regid=1001 --groups=123 sh -ec 'mkdir /home/runner/_work/control; \
            echo as it should > /home/runner/_work/control/file; chmod -R a+rX /home/runner/_work/control; \
            docker run --rm -v /home/runner/_work/control:/w -v /var/run/docker.sock:/s tiny:1 cat /w/file'";
        let (_, said) = dind.boxed().sh(control, SOON);
        assert!(said.ends_with("as it should\n"), "{said}");
        for ((_, script), cells) in ATTEMPTS.iter().zip(&mut cells) {
            let job = format!("{disk}export HOME=/tmp/job\n{script}");
            let words = ["setpriv", "--reuid=1001", "--regid=1001", "--groups=123", "timeout", "40", "bash", "-c", &job];
            let mut job = dind.boxed().enter(&words);
            job.wait(SOON);
            cells.push(outcome(&(job.stdout() + &job.stderr())));
            let _ = dind.boxed().sh("docker ps -aq | xargs -r docker rm -f", SOON);
        }
    }
    let mut table = String::from("| attempt |");
    SETTINGS.iter().for_each(|(name, _)| write!(table, " {name} |").unwrap());
    table += "\n|---|";
    SETTINGS.iter().for_each(|_| table += "---|");
    for ((what, _), cells) in ATTEMPTS.iter().zip(&cells) {
        write!(table, "\n| {what} | {} |", cells.join(" | ")).unwrap();
    }
    insta::with_settings!({prepend_module_to_snapshot => false, omit_expression => true}, { insta::assert_snapshot!("escapes", table) });
}

#[test]
fn the_document_has_the_table_that_the_attempts_made() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let table = fs::read_to_string(own.join("host/snapshots/escapes.snap")).unwrap();
    let (_, table) = table.rsplit_once("---\n|").map_or(("", table.as_str()), |(head, rest)| (head, rest));
    let document = fs::read_to_string(own.join("../docs/escapes.md")).unwrap();
    assert!(document.contains(table.trim()), "docs/escapes.md is not what tests/host/snapshots/escapes.snap says: copy the table");
}
