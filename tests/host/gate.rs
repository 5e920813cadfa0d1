//! The guard before the daemon's socket (`DOCKER_API_POLICY=guarded`) with a real docker behind it: what jobs do every day works as
//! without it, what it refuses says how to allow it, and its death costs nobody a container.

use std::time::Duration;

use nix::sys::signal::Signal;
use runner_tests::{
    bed::{Launch, Subject},
    github::Job,
    need::{Need, need},
    pair::{IMAGE as PAIR_IMAGE, Pair, STORAGE, Witness},
    process::Ending,
};

const SOON: Duration = Duration::from_secs(60);

/// An image of busybox in the daemon of this box.
const IMAGE: &str = "mkdir -p /tmp/i/bin && cp /usr/bin/busybox /tmp/i/bin/busybox \
    && for name in sh cat echo id ls nc sleep touch true wc dd head md5sum; do ln -sf busybox /tmp/i/bin/$name; done \
    && tar -C /tmp/i -c . | docker import - tiny:1";

fn guarded(pair: &Pair) -> Launch<'_> {
    pair.dind().env("DOCKER_API_POLICY", "guarded")
}

fn ready(launch: Launch<'_>) -> Subject {
    let dind = launch.start();
    dind.wait_for_line("\"ready\"", SOON);
    dind
}

fn sh(dind: &Subject, script: &str) -> String {
    let (ending, output) = dind.boxed().sh(script, SOON);
    assert_eq!(ending, Ending::Code(0), "{script}\n{output}");
    output
}

fn refused(dind: &Subject, script: &str) -> String {
    let (ending, output) = dind.boxed().sh(script, SOON);
    assert_ne!(ending, Ending::Code(0), "{script}\n{output}");
    assert!(output.contains("DOCKER_API_POLICY=guarded"), "{script}\n{output}");
    output
}

#[test]
fn what_jobs_do_every_day_works_behind_the_gate() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let pair = Pair::new();
    let mut dind = ready(guarded(&pair));
    sh(&dind, IMAGE);
    assert_eq!(sh(&dind, "docker run --rm tiny:1 echo one"), "one\n");
    assert_eq!(sh(&dind, "echo two | docker run --rm -i tiny:1 cat"), "two\n", "the end of the input reaches the container");
    sh(&dind, "docker run -d --name long -v /home/runner/_work:/work -p 18080:80 --init -m 64m tiny:1 sleep 600");
    assert_eq!(sh(&dind, "docker exec long echo three; echo four | docker exec -i long cat"), "three\nfour\n");
    assert_eq!(sh(&dind, "grep -c /held/ /proc/1/mountinfo"), "1\n", "its folder is held where no job can reach it");
    sh(&dind, "docker cp /etc/hostname long:/copied && docker exec long cat /copied && docker stats --no-stream && docker top long");
    // More than all buffers on the way, both ways, and what arrives is what was sent.
    let sum = "head -c 300000000 /dev/zero | docker exec -i long cat | md5sum; head -c 300000000 /dev/zero | md5sum";
    let sums = sh(&dind, sum);
    let sums: Vec<&str> = sums.lines().collect();
    assert_eq!(sums[0], sums[1]);
    sh(
        &dind,
        "docker save tiny:1 > /tmp/saved.tar && docker rmi -f tiny:1 && docker load < /tmp/saved.tar && docker volume create vol && docker network create net",
    );
    sh(&dind, "docker run --rm --network net -v vol:/v tiny:1 touch /v/x && docker network rm net && docker volume rm vol");
    sh(
        &dind,
        "mkdir -p /tmp/b && printf 'FROM tiny:1\\nRUN touch /built\\n' > /tmp/b/Dockerfile && DOCKER_BUILDKIT=0 docker build -t b:1 /tmp/b && docker run --rm b:1 ls /built",
    );
    sh(
        &dind,
        "printf 'FROM tiny:1\\nRUN touch /built2\\n' > /tmp/b/Dockerfile && DOCKER_BUILDKIT=1 docker build -t b:2 /tmp/b && docker run --rm b:2 ls /built2",
    );
    // A container that uses the docker of its job meets the same gate.
    let inner = "docker run --rm -v /var/run/docker.sock:/var/run/docker.sock -v /usr:/usr:ro tiny:1 true";
    assert!(refused(&dind, inner).contains("DOCKER_API_ALLOW=bind:/usr"));
    sh(&dind, "docker kill long && docker rm long && docker system prune -af");
    let mut witness = Witness::of(&dind);
    dind.signal(Signal::SIGTERM);
    assert_eq!(dind.wait(SOON), Ending::Code(0));
    assert_eq!([pair.left_behind(), witness.left_behind(STORAGE)].concat(), [""; 0]);
}

/// The life of a runner with a job that uses docker as the runner itself does for container jobs: folders deep in the work folder, the
/// socket, a network of its own.
#[test]
fn a_job_of_a_runner_is_served_behind_the_gate() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let pair = Pair::new();
    let dind = ready(guarded(&pair));
    let script = format!(
        "docker import {PAIR_IMAGE} tiny:1\n\
         docker network create github_network_1\n\
         docker create --name job --network github_network_1 -e HOME=/github/home -w /__w/repo/repo -v /var/run/docker.sock:/var/run/docker.sock \
           -v /home/runner/_work:/__w -v /home/runner/externals:/__e:ro -v $RUNNER_TEMP:/__w/_temp -v $GITHUB_WORKSPACE:/github/workspace \
           --entrypoint sleep tiny:1 600\n\
         docker start job\n\
         echo from the workspace > $GITHUB_WORKSPACE/file\n\
         docker exec -i job sh -c 'cat /github/workspace/file /__w/repo/repo/file; echo hello > /github/workspace/back'\n\
         cat $GITHUB_WORKSPACE/back\n\
         docker rm -f job; docker network rm github_network_1\n\
         docker run --rm --privileged tiny:1 true || echo as it should be"
    );
    pair.bed().github().queue_job(Job::new("build", &script));
    let mut entrypoint = pair.entrypoint(Some(&dind)).start();
    assert_eq!(entrypoint.wait(SOON), Ending::Code(0));
    let finished = pair.bed().github().finished();
    let last = finished.last().expect("a job that ended");
    assert_eq!(last.result, "Succeeded", "{}", last.log);
    assert!(last.log.contains("from the workspace\nfrom the workspace\nhello\n"), "{}", last.log);
    assert!(last.log.contains("DOCKER_API_ALLOW=privileged") && last.log.contains("as it should be"), "{}", last.log);
    let held = sh(&dind, "grep -c /held/ /proc/self/mountinfo || true; ls /var/docker-storage/task-*/held");
    assert_eq!(held, "0\n", "what was held for a container goes with it");
}

#[test]
fn a_refusal_reaches_the_person_whose_job_it_was_and_the_log() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let pair = Pair::new();
    let dind = ready(guarded(&pair).env("DOCKER_API_ALLOW", "cap:NET_ADMIN,bind:/srv"));
    sh(&dind, IMAGE);
    let said = refused(&dind, "docker run --rm --privileged tiny:1 true");
    let told = "docker: Error response from daemon: refused by DOCKER_API_POLICY=guarded of this runner: HostConfig.Privileged\n\
        hint: who runs this runner can allow it with DOCKER_API_ALLOW=privileged.\n";
    assert!(said.starts_with(told), "{said}");
    dind.wait_for_line("refused POST /v1.45/containers/create: HostConfig.Privileged", SOON);
    sh(&dind, "docker run --rm --cap-add NET_ADMIN -v /srv/data:/data tiny:1 touch /data/there && ls /srv/data/there");
    // Nobody passes who is not of its group, and nobody passes by it.
    let (ending, _) = dind.boxed().sh("setpriv --reuid=1000 --regid=1000 --clear-groups docker ps", SOON);
    assert_ne!(ending, Ending::Code(0));
    sh(&dind, "setpriv --reuid=1000 --regid=123 --clear-groups docker ps");
    let own = "s=$(echo /var/docker-storage/task-*/docker.sock); test -S $s && ! setpriv --reuid=1000 --regid=123 --clear-groups docker -H unix://$s ps 2>&1";
    assert!(sh(&dind, own).contains("permission denied"));
    // The gate itself has no right that could be stolen from it.
    let rights = sh(
        &dind,
        "p=$(pgrep -u 64999); grep -E '^(Uid|Gid|Groups|Cap(Inh|Prm|Eff|Amb)|NoNewPrivs):' /proc/$p/status; cat /proc/$p/environ | wc -c",
    );
    let zero = "0".repeat(16);
    assert_eq!(
        rights.replace('\t', " "),
        format!(
            "Uid: 64999 64999 64999 64999\nGid: 64999 64999 64999 64999\nGroups:  \nCapInh: {zero}\nCapPrm: {zero}\nCapEff: {zero}\nCapAmb: {zero}\nNoNewPrivs: 1\n0\n"
        )
    );
}

#[test]
fn a_gate_that_dies_is_replaced_and_costs_nobody_a_container() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let pair = Pair::new();
    let dind = ready(guarded(&pair));
    sh(&dind, &format!("{IMAGE} && docker run -d --name long tiny:1 sleep 600"));
    for _ in 0..2 {
        sh(&dind, "kill -KILL $(pgrep -u 64999)");
        pair.bed().wait_for("another gate", SOON, || dind.boxed().sh("docker ps", SOON).0 == Ending::Code(0));
        assert_eq!(sh(&dind, "docker ps --format '{{.Names}}'"), "long\n");
    }
    dind.wait_for_line("the gate ended with SIGKILL; it is started again, containers are not touched", SOON);
    dind.wait_for_line("the gate stands again", SOON);
    refused(&dind, "docker run --rm --privileged tiny:1 true");
}
