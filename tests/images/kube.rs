//! `images/kubernetes/pod.yaml`, played by podman in place of a kubelet.
//!
//! podman makes the pod of the file's own fields: images, variables, rights, seccomp, mounts, the secret with its mode. Not the kubelet's are
//! the edits of [`manifest`], and what [`pod`] does in its place: the order at start and stop, the readiness probe, folders that are root's.
//! Nobody tries here what only a cluster has: eviction, a sidecar that is started again, the admission of privileged pods.

mod manifest;
mod pod;

use std::time::Duration;

use runner_tests::{
    bed::Bed,
    clock,
    github::{Job, Rules},
    need::{Need, need},
    podman::Podman,
    process::Ending,
};

use pod::Pod;

/// For what takes seconds on a machine that has nothing else to do.
const SOON: Duration = Duration::from_secs(90);

/// Whose repository the file names.
const ACCOUNT: &str = "octo-org";

/// There is no registry: an image of the runner's own shell and what that calls.
const IMAGE: &str = "set -e\n\
    tar -C / -ch $(ldd /bin/sh /bin/cat /bin/ls | grep -o '/[^ :]*' | sort -u | sed 's,^/,,') | docker import - own:1 >/dev/null\n";

/// What must not be left of a pod, one line each.
fn left_behind(node: &Podman, bed: &Bed) -> Vec<String> {
    let registered = bed.github().registered();
    let mut left: Vec<String> = registered.iter().map(|runner| format!("registered at GitHub: {}", runner.name)).collect();
    let list = "podman pod ps --format 'pod {{.Name}}'; podman ps --all --format 'container {{.Names}}'; \
                podman volume ls --format 'volume {{.Name}}'; podman secret ls --format 'secret {{.Name}}'";
    left.extend(node.sh(list).lines().map(str::to_owned));
    left
}

#[test]
fn a_job_of_the_pod_runs_a_container_in_its_work_folder_and_cannot_read_the_token() {
    let _alone = crate::alone();
    if !need(&[Need::Images]) {
        return;
    }
    let bed = Bed::with_rules(Rules::for_account(ACCOUNT));
    let node = Podman::with_images();
    bed.github().queue_job(Job::new(
        "build",
        &format!(
            "{IMAGE}echo from the job > input\n\
             docker run --rm -v $GITHUB_WORKSPACE:$GITHUB_WORKSPACE -w $GITHUB_WORKSPACE own:1 sh -c 'cat input; echo from the container > output'\n\
             cat output\n\
             echo a tool > $RUNNER_TOOL_CACHE/tool; docker run --rm -v $RUNNER_TOOL_CACHE:/t:ro own:1 cat /t/tool\n\
             docker run --rm -v /home/runner/externals:/e:ro own:1 ls /e > there; ls ~/externals | diff - there && echo externals: $(cat there)\n\
             cat /run/secrets/runner/access-token >/dev/null 2>&1 && echo the token || echo no token"
        ),
    ));
    let pod = Pod::run(&node, &bed);
    let code = pod.wait_for_the_runner();
    let finished = bed.github().finished();
    let last = finished.last().unwrap_or_else(|| panic!("no job ended: {code}"));
    assert_eq!((last.result.as_str(), code), ("Succeeded", 0), "{}", last.log);
    assert_eq!(last.log, "from the job\nfrom the container\na tool\nexternals: node20\nno token\n");
    assert!(pod.is_ready(), "the sidecar stays until the kubelet stops it");
    assert_eq!(pod.stop_the_sidecar(), 0);
    assert_eq!(pod.complaints(), "");
    assert_eq!(pod.docker_data(), "");
    pod.remove();
    assert_eq!(left_behind(&node, &bed), [""; 0]);
}

#[test]
fn a_pod_deleted_while_idle_removes_the_registration_and_both_end_with_0_the_runner_first() {
    let _alone = crate::alone();
    if !need(&[Need::Images]) {
        return;
    }
    let bed = Bed::with_rules(Rules::for_account(ACCOUNT));
    let node = Podman::with_images();
    let pod = Pod::run(&node, &bed);
    bed.wait_for("the runner to listen", SOON, || bed.github().registered().iter().any(|runner| runner.online));
    bed.wait_for("the sidecar to be ready", SOON, || pod.is_ready());
    assert_eq!(pod.delete(), (0, 0));
    assert!(pod.log("runner").contains("stopped_idle"), "{}", pod.log("runner"));
    // Without KILL among its capabilities it said here that no signal could be sent, and the codes were 0 all the same.
    assert_eq!(pod.complaints(), "");
    bed.github().assert_nobody_registered();
    assert_eq!(pod.docker_data(), "");
    pod.remove();
    assert_eq!(left_behind(&node, &bed), [""; 0]);
}

#[test]
fn a_pod_deleted_while_busy_lets_the_job_end_with_its_docker() {
    let _alone = crate::alone();
    if !need(&[Need::Images]) {
        return;
    }
    let bed = Bed::with_rules(Rules::for_account(ACCOUNT));
    let node = Podman::with_images();
    let script = format!(
        "{IMAGE}touch begun; until [ -e go ]; do sleep 0.02; done\n\
         docker run --rm own:1 sh -c 'echo docker still serves'"
    );
    bed.github().queue_job(Job::new("build", &script));
    let pod = Pod::run(&node, &bed);
    let folder = pod.volume("work").join("repo/repo");
    bed.wait_for("the job to begin", SOON, || folder.join("begun").exists());
    let codes = std::thread::scope(|scope| {
        let deletion = scope.spawn(|| pod.delete());
        let waits = clock::holds_within(SOON, || pod.log("runner").contains("a job is running"));
        let is_ready = pod.is_ready();
        // Before anything is judged: a job that never goes on would hold the deletion.
        std::fs::write(folder.join("go"), "").unwrap();
        assert!(waits && is_ready, "the runner waits: {waits}, the sidecar serves: {is_ready}");
        deletion.join().unwrap()
    });
    let finished = &bed.github().finished()[0];
    assert!(finished.result == "Succeeded" && finished.log == "docker still serves\n", "{}", finished.log);
    assert_eq!(codes, (0, 0));
    assert_eq!(pod.complaints(), "");
    assert_eq!(pod.docker_data(), "");
    pod.remove();
    assert_eq!(left_behind(&node, &bed), [""; 0]);
}

/// The reason of the edits. When this fails podman has learnt of sidecars, and the file is to be played as it is.
#[test]
fn podman_refuses_the_sidecar_of_the_file_as_it_stands() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let node = Podman::bare();
    std::fs::write(node.path("/run/pod.yaml"), manifest::named("a-token")).unwrap();
    let (ending, said) = node.try_sh("podman kube play --start=false --network none /run/pod.yaml 2>&1");
    assert_eq!(ending, Ending::Code(125), "{said}");
    assert!(said.contains("cannot create an init container that has either of lifecycle, livenessProbe, readinessProbe"), "{said}");
}
