//! What jobs do with docker, in a task of the privileged form.

use std::fs;

use super::{IMPORT, definition, instance, life};
use runner_tests::{
    engine::Form,
    fixtures::{Tool, ToolCache},
    need::{Need, need},
};

/// A job of the privileged form; its log.
fn job(script: &str) -> String {
    let definition = definition("ec2.json");
    let instance = instance(&definition, Form::default());
    life(&instance, &definition, &format!("{IMPORT}{script}"))
}

#[test]
fn a_job_uses_a_restored_tool_and_the_next_task_has_the_one_that_it_installed() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let definition = definition("ec2.json");
    let instance = instance(&definition, Form::default());
    let _ = ToolCache::at(&instance.efs(&definition)).with(Tool::Node, "20.11.0");
    instance.give_efs_away();
    let log = life(
        &instance,
        &definition,
        "$RUNNER_TOOL_CACHE/node/20.11.0/x64/bin/node --version\n\
         mkdir -p $RUNNER_TOOL_CACHE/node/22.1.0\n\
         cp -a $RUNNER_TOOL_CACHE/node/20.11.0/x64 $RUNNER_TOOL_CACHE/node/22.1.0/x64\n\
         touch $RUNNER_TOOL_CACHE/node/22.1.0/x64.complete",
    );
    assert_eq!(log, "node 20.11.0 --version\n");
    let log =
        life(&instance, &definition, "cat $RUNNER_TOOL_CACHE/node/22.1.0/x64/bin/node; ls -l $RUNNER_TOOL_CACHE/node/*/*.complete | wc -l");
    assert!(log.contains("echo node 20.11.0") && log.ends_with("\n2\n"), "{log}");
    // Nothing of root's lies on the shared file system, whatever the access point would make of it.
    for entry in walkdir::WalkDir::new(instance.efs(&definition)) {
        let entry = entry.unwrap();
        let owner = std::os::unix::fs::MetadataExt::uid(&fs::symlink_metadata(entry.path()).unwrap());
        assert_eq!(owner, 1001, "{}", entry.path().display());
    }
}

/// As the runner starts them (actions/runner, src/Runner.Worker/ContainerOperationProvider.cs): one network, the service with a published
/// port, the job's container with the runner's folders, steps by `docker exec`.
#[test]
fn a_container_job_reaches_its_service_by_name_and_a_step_beside_it_by_localhost() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let log = job("docker network create --label github github_network >/dev/null\n\
         mkdir -p www; echo from the service > www/file\n\
         docker create --name web --network github_network --network-alias web -p 18080:80 -v $GITHUB_WORKSPACE/www:/www tiny:1 \
           httpd -f -p 80 -h /www >/dev/null; docker start web >/dev/null\n\
         docker create --name job --network github_network --workdir /__w/repo/repo -e HOME=/github/home -e GITHUB_ACTIONS=true \
           -v /var/run/docker.sock:/var/run/docker.sock -v /home/runner/_work:/__w -v /home/runner/externals:/__e:ro \
           -v /home/runner/_work/_temp:/__w/_temp -v $RUNNER_TOOL_CACHE:/__t --entrypoint sleep tiny:1 1000 >/dev/null; docker start job >/dev/null\n\
         in_job() { docker exec -i --workdir /__w/repo/repo job sh -e -c \"$1\"; }\n\
         in_job 'wget -q -O - http://web/file'\n\
         in_job 'cat www/file; echo from the container > made'; cat made\n\
         in_job 'ls /__t'\n\
         in_job 'stat -c \"%g %a\" /var/run/docker.sock'\n\
         in_job 'ls -R /__e' > there; (cd ~/externals && ls -R .) | sed 's,^\\.,/__e,' | diff - there && echo the same externals: $(grep -c . there)\n\
         bash -c 'exec 3<>/dev/tcp/localhost/18080; printf \"GET /file HTTP/1.0\\r\\n\\r\\n\" >&3; tail -1 <&3'\n\
         docker rm --force job web >/dev/null; docker network rm github_network >/dev/null");
    let lines: Vec<&str> = log.lines().collect();
    let same = lines.iter().position(|line| line.starts_with("the same externals: ")).expect(&log);
    assert_ne!(lines[same], "the same externals: 0");
    assert_eq!(lines[..same], ["from the service", "from the service", "from the container", "busybox", "123 660"], "{log}");
    assert_eq!(lines[same + 1..], ["from the service"], "{log}");
}

/// As the runner runs them (src/Runner.Worker/Handlers/ContainerActionHandler.cs): built in the job, the workspace at /github/workspace.
#[test]
fn a_docker_action_works_in_the_workspace_and_images_are_built_by_both_builders() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let log = job("mkdir -p ../action $RUNNER_TEMP/_github_home $RUNNER_TEMP/_runner_file_commands\n\
         printf 'FROM tiny:1\\nCOPY entrypoint.sh /\\nENTRYPOINT [\"/bin/sh\", \"/entrypoint.sh\"]\\n' > ../action/Dockerfile\n\
         printf 'echo called with $1 in $PWD; cat input; echo made > output; echo a=b >> $GITHUB_OUTPUT' > ../action/entrypoint.sh\n\
         echo from the workspace > input\n\
         docker build --quiet --tag action:1 ../action >/dev/null\n\
         docker run --rm --workdir /github/workspace -e GITHUB_OUTPUT=/github/file_commands/out -e HOME=/github/home \
           -v /var/run/docker.sock:/var/run/docker.sock -v $RUNNER_TEMP/_github_home:/github/home -v $GITHUB_WORKSPACE:/github/workspace \
           -v $RUNNER_TEMP/_runner_file_commands:/github/file_commands action:1 an argument\n\
         cat output $RUNNER_TEMP/_runner_file_commands/out\n\
         printf 'FROM tiny:1\\nRUN echo built by $HOSTNAME > /made\\nRUN busybox sha256sum /bin/busybox > /sum\\n' > Dockerfile\n\
         DOCKER_BUILDKIT=0 docker build --tag classic:1 . >classic.log 2>&1 || cat classic.log\n\
         docker run --rm classic:1 sh -c 'cat /made | busybox cut -c 1-8'\n\
         docker buildx build --load --tag kit:1 . >kit.log 2>&1 || cat kit.log\n\
         docker run --rm kit:1 sh -c 'busybox wc -l < /sum'");
    assert_eq!(log, "called with an in /github/workspace\nfrom the workspace\nmade\na=b\nbuilt by\n1\n", "{log}");
}

#[test]
fn what_a_job_leaves_running_and_writes_beside_its_folders_is_gone_with_the_task() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    // Containers, a network, a volume, a process in another session, files of root in the work folder: `life` looks at the host.
    let log = job("docker network create stays >/dev/null; docker volume create stays >/dev/null\n\
         docker run -d --network stays -v stays:/v -v $GITHUB_WORKSPACE:/w tiny:1 sh -c 'touch /w/roots; sleep 1000' >/dev/null\n\
         setsid sleep 1000 </dev/null >/dev/null 2>&1 &\n\
         until [ -e roots ]; do sleep 0.02; done; stat -c %u roots");
    assert_eq!(log, "0\n");
}
