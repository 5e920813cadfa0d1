# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_runner_dind_global_optspecs
    string join \n docker-storage-root= docker-storage-mode= docker-storage-quota= docker-storage-cleanup= docker-group-gid= docker-api-policy= docker-api-allow= docker-tcp= docker-tls-dir= docker-registry-mirror= docker-insecure-registries= docker-address-pools= docker-mtu= docker-dns= docker-icc= docker-ulimits= docker-no-new-privileges= docker-userns-remap= runner-uid= runner-gid= docker-log-forward= docker-start-timeout= dockerd-path= docker-daemon-json= dockerd-args= docker-ping-interval= stop-timeout= exit-with-runner= task-dir= log-format= log-level= aws-emf-namespace= metrics-file= trace-file= otel-exporter-otlp-endpoint= otel-exporter-otlp-headers-file= traceparent= V/version
end

function __fish_runner_dind_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_runner_dind_global_optspecs) -- $cmd 2>/dev/null
    or return 0
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_runner_dind_using_subcommand
    set -l cmd (__fish_runner_dind_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c runner-dind -n "__fish_runner_dind_needs_command" -l docker-storage-root -d 'a volume, XFS with ftype=1 unless DOCKER_STORAGE_MODE says otherwise' -r -f -a "(__fish_complete_directories)"
complete -c runner-dind -n "__fish_runner_dind_needs_command" -l docker-storage-mode -d 'xfs: the storage root must be XFS' -r -f -a "xfs\t''
loop\t''
any\t''"
complete -c runner-dind -n "__fish_runner_dind_needs_command" -l docker-storage-quota -d 'the most that a task may write, as in 20G: a project quota in mode xfs (mount the volume with pquota), the size of the file in mode loop (unset: 90 % of what is free at the start' -r -f
complete -c runner-dind -n "__fish_runner_dind_needs_command" -l docker-storage-cleanup -d 'now: a task\'s directory is deleted before the end, as far as STOP_TIMEOUT allows' -r -f -a "now\t''
later\t''"
complete -c runner-dind -n "__fish_runner_dind_needs_command" -l docker-group-gid -d 'the group that may use the docker socket' -r -f
complete -c runner-dind -n "__fish_runner_dind_needs_command" -l docker-api-policy -d 'guarded: jobs get no privileged containers, host namespaces, devices, extra capabilities or folders but the shared ones' -r -f -a "off\t''
guarded\t''"
complete -c runner-dind -n "__fish_runner_dind_needs_command" -l docker-api-allow -d 'what is allowed all the same: privileged, host-network, devices, cap:NET_ADMIN, bind:/folder and more' -r -f
complete -c runner-dind -n "__fish_runner_dind_needs_command" -l docker-tcp -d 'listen there, too, as in 127.0.0.1:2375 for a health check' -r -f
complete -c runner-dind -n "__fish_runner_dind_needs_command" -l docker-tls-dir -d 'ca.pem, cert.pem and key.pem' -r -f -a "(__fish_complete_directories)"
complete -c runner-dind -n "__fish_runner_dind_needs_command" -l docker-registry-mirror -d 'pull-through mirrors of Docker Hub' -r -f
complete -c runner-dind -n "__fish_runner_dind_needs_command" -l docker-insecure-registries -d 'registries that may be spoken to without TLS, or with a certificate of their own' -r -f
complete -c runner-dind -n "__fish_runner_dind_needs_command" -l docker-address-pools -d 'networks for those of containers, as in 10.200.0.0/16/24: set it where docker\'s own choice clashes with yours' -r -f
complete -c runner-dind -n "__fish_runner_dind_needs_command" -l docker-mtu -d 'the largest packet of containers' -r -f -a "auto\t''"
complete -c runner-dind -n "__fish_runner_dind_needs_command" -l docker-dns -d 'name servers of containers' -r -f
complete -c runner-dind -n "__fish_runner_dind_needs_command" -l docker-icc -d 'containers on docker\'s default network reach each other' -r -f -a "yes\t''
no\t''"
complete -c runner-dind -n "__fish_runner_dind_needs_command" -l docker-ulimits -d 'limits of containers, as in nofile=1024:2048' -r -f
complete -c runner-dind -n "__fish_runner_dind_needs_command" -l docker-no-new-privileges -d 'no process in a container gains rights, so that sudo does not work there' -r -f -a "yes\t''
no\t''"
complete -c runner-dind -n "__fish_runner_dind_needs_command" -l docker-userns-remap -d 'root of a container is RUNNER_UID outside, and its other users are nobody: what a container makes in the work folder is the runner\'s' -r -f -a "yes\t''
no\t''"
complete -c runner-dind -n "__fish_runner_dind_needs_command" -l runner-uid -d 'the runner\'s user, for DOCKER_USERNS_REMAP' -r -f
complete -c runner-dind -n "__fish_runner_dind_needs_command" -l runner-gid -d 'the runner\'s group, for DOCKER_USERNS_REMAP' -r -f
complete -c runner-dind -n "__fish_runner_dind_needs_command" -l docker-log-forward -d 'where the output of containers goes besides `docker logs`: syslog://HOST:PORT over UDP, fluentd://HOST:PORT or fluentd:///SOCKET' -r -f
complete -c runner-dind -n "__fish_runner_dind_needs_command" -l docker-start-timeout -d 'how long docker may take to become usable' -r -f
complete -c runner-dind -n "__fish_runner_dind_needs_command" -l dockerd-path -d 'the dockerd to start' -r -F
complete -c runner-dind -n "__fish_runner_dind_needs_command" -l docker-daemon-json -d 'dockerd\'s own settings to take in' -r -F
complete -c runner-dind -n "__fish_runner_dind_needs_command" -l dockerd-args -d 'more flags for dockerd, split as a shell does, with nothing expanded' -r -f
complete -c runner-dind -n "__fish_runner_dind_needs_command" -l docker-ping-interval -d 'how often docker is asked whether it lives' -r -f
complete -c runner-dind -n "__fish_runner_dind_needs_command" -l stop-timeout -d 'what the platform allows between its SIGTERM and its SIGKILL' -r -f
complete -c runner-dind -n "__fish_runner_dind_needs_command" -l exit-with-runner -d 'end by ourselves when the runner has ended: for platforms that do not stop a sidecar after its main container' -r -f -a "yes\t''
no\t''"
complete -c runner-dind -n "__fish_runner_dind_needs_command" -l task-dir -d 'the folder shared with the runner\'s container' -r -f -a "(__fish_complete_directories)"
complete -c runner-dind -n "__fish_runner_dind_needs_command" -l log-format -d 'auto is human on a terminal and JSON elsewhere' -r -f -a "auto\t''
human\t''
json\t''"
complete -c runner-dind -n "__fish_runner_dind_needs_command" -l log-level -d 'the least important lines that are written' -r -f -a "error\t''
warn\t''
info\t''
debug\t''"
complete -c runner-dind -n "__fish_runner_dind_needs_command" -l aws-emf-namespace -d 'write CloudWatch metrics into the log (embedded metric format), in this namespace' -r -f
complete -c runner-dind -n "__fish_runner_dind_needs_command" -l metrics-file -d 'keep metrics as Prometheus\' text in this file' -r -F
complete -c runner-dind -n "__fish_runner_dind_needs_command" -l trace-file -d 'write the life there at its end, as a trace that ui.perfetto.dev opens' -r -F
complete -c runner-dind -n "__fish_runner_dind_needs_command" -l otel-exporter-otlp-endpoint -d 'send the life there as spans at its end, as to http://localhost:4318' -r -f
complete -c runner-dind -n "__fish_runner_dind_needs_command" -l otel-exporter-otlp-headers-file -d 'what the collector wants to be told, as in api-key=VALUE' -r -F
complete -c runner-dind -n "__fish_runner_dind_needs_command" -l traceparent -d 'the span that the life belongs to, as W3C\'s trace context has it' -r -f
complete -c runner-dind -n "__fish_runner_dind_needs_command" -s V -l version -d 'the program\'s version'
complete -c runner-dind -n "__fish_runner_dind_needs_command" -f -a "run" -d 'live one docker daemon\'s life (the default)'
complete -c runner-dind -n "__fish_runner_dind_needs_command" -f -a "check" -d 'say what docker needs here and what is in its way'
complete -c runner-dind -n "__fish_runner_dind_needs_command" -f -a "health" -d 'silent; exit code 0 if docker is usable'
complete -c runner-dind -n "__fish_runner_dind_needs_command" -f -a "sweep" -d 'remove what killed tasks left, beside those that live'
complete -c runner-dind -n "__fish_runner_dind_needs_command" -f -a "check-deploy" -d 'say what is wrong with deployments of the pair'
complete -c runner-dind -n "__fish_runner_dind_needs_command" -f -a "reference" -d 'all settings and exit codes as Markdown'
complete -c runner-dind -n "__fish_runner_dind_needs_command" -f -a "help" -d 'more about a command, a task or a setting'
complete -c runner-dind -n "__fish_runner_dind_using_subcommand run" -l docker-storage-root -d 'a volume, XFS with ftype=1 unless DOCKER_STORAGE_MODE says otherwise' -r -f -a "(__fish_complete_directories)"
complete -c runner-dind -n "__fish_runner_dind_using_subcommand run" -l docker-storage-mode -d 'xfs: the storage root must be XFS' -r -f -a "xfs\t''
loop\t''
any\t''"
complete -c runner-dind -n "__fish_runner_dind_using_subcommand run" -l docker-storage-quota -d 'the most that a task may write, as in 20G: a project quota in mode xfs (mount the volume with pquota), the size of the file in mode loop (unset: 90 % of what is free at the start' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand run" -l docker-storage-cleanup -d 'now: a task\'s directory is deleted before the end, as far as STOP_TIMEOUT allows' -r -f -a "now\t''
later\t''"
complete -c runner-dind -n "__fish_runner_dind_using_subcommand run" -l docker-group-gid -d 'the group that may use the docker socket' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand run" -l docker-api-policy -d 'guarded: jobs get no privileged containers, host namespaces, devices, extra capabilities or folders but the shared ones' -r -f -a "off\t''
guarded\t''"
complete -c runner-dind -n "__fish_runner_dind_using_subcommand run" -l docker-api-allow -d 'what is allowed all the same: privileged, host-network, devices, cap:NET_ADMIN, bind:/folder and more' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand run" -l docker-tcp -d 'listen there, too, as in 127.0.0.1:2375 for a health check' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand run" -l docker-tls-dir -d 'ca.pem, cert.pem and key.pem' -r -f -a "(__fish_complete_directories)"
complete -c runner-dind -n "__fish_runner_dind_using_subcommand run" -l docker-registry-mirror -d 'pull-through mirrors of Docker Hub' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand run" -l docker-insecure-registries -d 'registries that may be spoken to without TLS, or with a certificate of their own' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand run" -l docker-address-pools -d 'networks for those of containers, as in 10.200.0.0/16/24: set it where docker\'s own choice clashes with yours' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand run" -l docker-mtu -d 'the largest packet of containers' -r -f -a "auto\t''"
complete -c runner-dind -n "__fish_runner_dind_using_subcommand run" -l docker-dns -d 'name servers of containers' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand run" -l docker-icc -d 'containers on docker\'s default network reach each other' -r -f -a "yes\t''
no\t''"
complete -c runner-dind -n "__fish_runner_dind_using_subcommand run" -l docker-ulimits -d 'limits of containers, as in nofile=1024:2048' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand run" -l docker-no-new-privileges -d 'no process in a container gains rights, so that sudo does not work there' -r -f -a "yes\t''
no\t''"
complete -c runner-dind -n "__fish_runner_dind_using_subcommand run" -l docker-userns-remap -d 'root of a container is RUNNER_UID outside, and its other users are nobody: what a container makes in the work folder is the runner\'s' -r -f -a "yes\t''
no\t''"
complete -c runner-dind -n "__fish_runner_dind_using_subcommand run" -l runner-uid -d 'the runner\'s user, for DOCKER_USERNS_REMAP' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand run" -l runner-gid -d 'the runner\'s group, for DOCKER_USERNS_REMAP' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand run" -l docker-log-forward -d 'where the output of containers goes besides `docker logs`: syslog://HOST:PORT over UDP, fluentd://HOST:PORT or fluentd:///SOCKET' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand run" -l docker-start-timeout -d 'how long docker may take to become usable' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand run" -l dockerd-path -d 'the dockerd to start' -r -F
complete -c runner-dind -n "__fish_runner_dind_using_subcommand run" -l docker-daemon-json -d 'dockerd\'s own settings to take in' -r -F
complete -c runner-dind -n "__fish_runner_dind_using_subcommand run" -l dockerd-args -d 'more flags for dockerd, split as a shell does, with nothing expanded' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand run" -l docker-ping-interval -d 'how often docker is asked whether it lives' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand run" -l stop-timeout -d 'what the platform allows between its SIGTERM and its SIGKILL' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand run" -l exit-with-runner -d 'end by ourselves when the runner has ended: for platforms that do not stop a sidecar after its main container' -r -f -a "yes\t''
no\t''"
complete -c runner-dind -n "__fish_runner_dind_using_subcommand run" -l task-dir -d 'the folder shared with the runner\'s container' -r -f -a "(__fish_complete_directories)"
complete -c runner-dind -n "__fish_runner_dind_using_subcommand run" -l log-format -d 'auto is human on a terminal and JSON elsewhere' -r -f -a "auto\t''
human\t''
json\t''"
complete -c runner-dind -n "__fish_runner_dind_using_subcommand run" -l log-level -d 'the least important lines that are written' -r -f -a "error\t''
warn\t''
info\t''
debug\t''"
complete -c runner-dind -n "__fish_runner_dind_using_subcommand run" -l aws-emf-namespace -d 'write CloudWatch metrics into the log (embedded metric format), in this namespace' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand run" -l metrics-file -d 'keep metrics as Prometheus\' text in this file' -r -F
complete -c runner-dind -n "__fish_runner_dind_using_subcommand run" -l trace-file -d 'write the life there at its end, as a trace that ui.perfetto.dev opens' -r -F
complete -c runner-dind -n "__fish_runner_dind_using_subcommand run" -l otel-exporter-otlp-endpoint -d 'send the life there as spans at its end, as to http://localhost:4318' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand run" -l otel-exporter-otlp-headers-file -d 'what the collector wants to be told, as in api-key=VALUE' -r -F
complete -c runner-dind -n "__fish_runner_dind_using_subcommand run" -l traceparent -d 'the span that the life belongs to, as W3C\'s trace context has it' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand check" -l docker-storage-root -d 'a volume, XFS with ftype=1 unless DOCKER_STORAGE_MODE says otherwise' -r -f -a "(__fish_complete_directories)"
complete -c runner-dind -n "__fish_runner_dind_using_subcommand check" -l docker-storage-mode -d 'xfs: the storage root must be XFS' -r -f -a "xfs\t''
loop\t''
any\t''"
complete -c runner-dind -n "__fish_runner_dind_using_subcommand check" -l docker-storage-quota -d 'the most that a task may write, as in 20G: a project quota in mode xfs (mount the volume with pquota), the size of the file in mode loop (unset: 90 % of what is free at the start' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand check" -l docker-storage-cleanup -d 'now: a task\'s directory is deleted before the end, as far as STOP_TIMEOUT allows' -r -f -a "now\t''
later\t''"
complete -c runner-dind -n "__fish_runner_dind_using_subcommand check" -l docker-group-gid -d 'the group that may use the docker socket' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand check" -l docker-api-policy -d 'guarded: jobs get no privileged containers, host namespaces, devices, extra capabilities or folders but the shared ones' -r -f -a "off\t''
guarded\t''"
complete -c runner-dind -n "__fish_runner_dind_using_subcommand check" -l docker-api-allow -d 'what is allowed all the same: privileged, host-network, devices, cap:NET_ADMIN, bind:/folder and more' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand check" -l docker-tcp -d 'listen there, too, as in 127.0.0.1:2375 for a health check' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand check" -l docker-tls-dir -d 'ca.pem, cert.pem and key.pem' -r -f -a "(__fish_complete_directories)"
complete -c runner-dind -n "__fish_runner_dind_using_subcommand check" -l docker-registry-mirror -d 'pull-through mirrors of Docker Hub' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand check" -l docker-insecure-registries -d 'registries that may be spoken to without TLS, or with a certificate of their own' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand check" -l docker-address-pools -d 'networks for those of containers, as in 10.200.0.0/16/24: set it where docker\'s own choice clashes with yours' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand check" -l docker-mtu -d 'the largest packet of containers' -r -f -a "auto\t''"
complete -c runner-dind -n "__fish_runner_dind_using_subcommand check" -l docker-dns -d 'name servers of containers' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand check" -l docker-icc -d 'containers on docker\'s default network reach each other' -r -f -a "yes\t''
no\t''"
complete -c runner-dind -n "__fish_runner_dind_using_subcommand check" -l docker-ulimits -d 'limits of containers, as in nofile=1024:2048' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand check" -l docker-no-new-privileges -d 'no process in a container gains rights, so that sudo does not work there' -r -f -a "yes\t''
no\t''"
complete -c runner-dind -n "__fish_runner_dind_using_subcommand check" -l docker-userns-remap -d 'root of a container is RUNNER_UID outside, and its other users are nobody: what a container makes in the work folder is the runner\'s' -r -f -a "yes\t''
no\t''"
complete -c runner-dind -n "__fish_runner_dind_using_subcommand check" -l runner-uid -d 'the runner\'s user, for DOCKER_USERNS_REMAP' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand check" -l runner-gid -d 'the runner\'s group, for DOCKER_USERNS_REMAP' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand check" -l docker-log-forward -d 'where the output of containers goes besides `docker logs`: syslog://HOST:PORT over UDP, fluentd://HOST:PORT or fluentd:///SOCKET' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand check" -l docker-start-timeout -d 'how long docker may take to become usable' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand check" -l dockerd-path -d 'the dockerd to start' -r -F
complete -c runner-dind -n "__fish_runner_dind_using_subcommand check" -l docker-daemon-json -d 'dockerd\'s own settings to take in' -r -F
complete -c runner-dind -n "__fish_runner_dind_using_subcommand check" -l dockerd-args -d 'more flags for dockerd, split as a shell does, with nothing expanded' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand check" -l docker-ping-interval -d 'how often docker is asked whether it lives' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand check" -l stop-timeout -d 'what the platform allows between its SIGTERM and its SIGKILL' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand check" -l exit-with-runner -d 'end by ourselves when the runner has ended: for platforms that do not stop a sidecar after its main container' -r -f -a "yes\t''
no\t''"
complete -c runner-dind -n "__fish_runner_dind_using_subcommand check" -l task-dir -d 'the folder shared with the runner\'s container' -r -f -a "(__fish_complete_directories)"
complete -c runner-dind -n "__fish_runner_dind_using_subcommand check" -l log-format -d 'auto is human on a terminal and JSON elsewhere' -r -f -a "auto\t''
human\t''
json\t''"
complete -c runner-dind -n "__fish_runner_dind_using_subcommand check" -l log-level -d 'the least important lines that are written' -r -f -a "error\t''
warn\t''
info\t''
debug\t''"
complete -c runner-dind -n "__fish_runner_dind_using_subcommand check" -l aws-emf-namespace -d 'write CloudWatch metrics into the log (embedded metric format), in this namespace' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand check" -l metrics-file -d 'keep metrics as Prometheus\' text in this file' -r -F
complete -c runner-dind -n "__fish_runner_dind_using_subcommand check" -l trace-file -d 'write the life there at its end, as a trace that ui.perfetto.dev opens' -r -F
complete -c runner-dind -n "__fish_runner_dind_using_subcommand check" -l otel-exporter-otlp-endpoint -d 'send the life there as spans at its end, as to http://localhost:4318' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand check" -l otel-exporter-otlp-headers-file -d 'what the collector wants to be told, as in api-key=VALUE' -r -F
complete -c runner-dind -n "__fish_runner_dind_using_subcommand check" -l traceparent -d 'the span that the life belongs to, as W3C\'s trace context has it' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand check" -l json -d 'for programs: each finding with its cures'
complete -c runner-dind -n "__fish_runner_dind_using_subcommand health" -l docker-storage-root -d 'a volume, XFS with ftype=1 unless DOCKER_STORAGE_MODE says otherwise' -r -f -a "(__fish_complete_directories)"
complete -c runner-dind -n "__fish_runner_dind_using_subcommand health" -l docker-storage-mode -d 'xfs: the storage root must be XFS' -r -f -a "xfs\t''
loop\t''
any\t''"
complete -c runner-dind -n "__fish_runner_dind_using_subcommand health" -l docker-storage-quota -d 'the most that a task may write, as in 20G: a project quota in mode xfs (mount the volume with pquota), the size of the file in mode loop (unset: 90 % of what is free at the start' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand health" -l docker-storage-cleanup -d 'now: a task\'s directory is deleted before the end, as far as STOP_TIMEOUT allows' -r -f -a "now\t''
later\t''"
complete -c runner-dind -n "__fish_runner_dind_using_subcommand health" -l docker-group-gid -d 'the group that may use the docker socket' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand health" -l docker-api-policy -d 'guarded: jobs get no privileged containers, host namespaces, devices, extra capabilities or folders but the shared ones' -r -f -a "off\t''
guarded\t''"
complete -c runner-dind -n "__fish_runner_dind_using_subcommand health" -l docker-api-allow -d 'what is allowed all the same: privileged, host-network, devices, cap:NET_ADMIN, bind:/folder and more' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand health" -l docker-tcp -d 'listen there, too, as in 127.0.0.1:2375 for a health check' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand health" -l docker-tls-dir -d 'ca.pem, cert.pem and key.pem' -r -f -a "(__fish_complete_directories)"
complete -c runner-dind -n "__fish_runner_dind_using_subcommand health" -l docker-registry-mirror -d 'pull-through mirrors of Docker Hub' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand health" -l docker-insecure-registries -d 'registries that may be spoken to without TLS, or with a certificate of their own' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand health" -l docker-address-pools -d 'networks for those of containers, as in 10.200.0.0/16/24: set it where docker\'s own choice clashes with yours' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand health" -l docker-mtu -d 'the largest packet of containers' -r -f -a "auto\t''"
complete -c runner-dind -n "__fish_runner_dind_using_subcommand health" -l docker-dns -d 'name servers of containers' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand health" -l docker-icc -d 'containers on docker\'s default network reach each other' -r -f -a "yes\t''
no\t''"
complete -c runner-dind -n "__fish_runner_dind_using_subcommand health" -l docker-ulimits -d 'limits of containers, as in nofile=1024:2048' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand health" -l docker-no-new-privileges -d 'no process in a container gains rights, so that sudo does not work there' -r -f -a "yes\t''
no\t''"
complete -c runner-dind -n "__fish_runner_dind_using_subcommand health" -l docker-userns-remap -d 'root of a container is RUNNER_UID outside, and its other users are nobody: what a container makes in the work folder is the runner\'s' -r -f -a "yes\t''
no\t''"
complete -c runner-dind -n "__fish_runner_dind_using_subcommand health" -l runner-uid -d 'the runner\'s user, for DOCKER_USERNS_REMAP' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand health" -l runner-gid -d 'the runner\'s group, for DOCKER_USERNS_REMAP' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand health" -l docker-log-forward -d 'where the output of containers goes besides `docker logs`: syslog://HOST:PORT over UDP, fluentd://HOST:PORT or fluentd:///SOCKET' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand health" -l docker-start-timeout -d 'how long docker may take to become usable' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand health" -l dockerd-path -d 'the dockerd to start' -r -F
complete -c runner-dind -n "__fish_runner_dind_using_subcommand health" -l docker-daemon-json -d 'dockerd\'s own settings to take in' -r -F
complete -c runner-dind -n "__fish_runner_dind_using_subcommand health" -l dockerd-args -d 'more flags for dockerd, split as a shell does, with nothing expanded' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand health" -l docker-ping-interval -d 'how often docker is asked whether it lives' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand health" -l stop-timeout -d 'what the platform allows between its SIGTERM and its SIGKILL' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand health" -l exit-with-runner -d 'end by ourselves when the runner has ended: for platforms that do not stop a sidecar after its main container' -r -f -a "yes\t''
no\t''"
complete -c runner-dind -n "__fish_runner_dind_using_subcommand health" -l task-dir -d 'the folder shared with the runner\'s container' -r -f -a "(__fish_complete_directories)"
complete -c runner-dind -n "__fish_runner_dind_using_subcommand health" -l log-format -d 'auto is human on a terminal and JSON elsewhere' -r -f -a "auto\t''
human\t''
json\t''"
complete -c runner-dind -n "__fish_runner_dind_using_subcommand health" -l log-level -d 'the least important lines that are written' -r -f -a "error\t''
warn\t''
info\t''
debug\t''"
complete -c runner-dind -n "__fish_runner_dind_using_subcommand health" -l aws-emf-namespace -d 'write CloudWatch metrics into the log (embedded metric format), in this namespace' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand health" -l metrics-file -d 'keep metrics as Prometheus\' text in this file' -r -F
complete -c runner-dind -n "__fish_runner_dind_using_subcommand health" -l trace-file -d 'write the life there at its end, as a trace that ui.perfetto.dev opens' -r -F
complete -c runner-dind -n "__fish_runner_dind_using_subcommand health" -l otel-exporter-otlp-endpoint -d 'send the life there as spans at its end, as to http://localhost:4318' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand health" -l otel-exporter-otlp-headers-file -d 'what the collector wants to be told, as in api-key=VALUE' -r -F
complete -c runner-dind -n "__fish_runner_dind_using_subcommand health" -l traceparent -d 'the span that the life belongs to, as W3C\'s trace context has it' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand sweep" -l docker-storage-root -d 'a volume, XFS with ftype=1 unless DOCKER_STORAGE_MODE says otherwise' -r -f -a "(__fish_complete_directories)"
complete -c runner-dind -n "__fish_runner_dind_using_subcommand sweep" -l docker-storage-mode -d 'xfs: the storage root must be XFS' -r -f -a "xfs\t''
loop\t''
any\t''"
complete -c runner-dind -n "__fish_runner_dind_using_subcommand sweep" -l docker-storage-quota -d 'the most that a task may write, as in 20G: a project quota in mode xfs (mount the volume with pquota), the size of the file in mode loop (unset: 90 % of what is free at the start' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand sweep" -l docker-storage-cleanup -d 'now: a task\'s directory is deleted before the end, as far as STOP_TIMEOUT allows' -r -f -a "now\t''
later\t''"
complete -c runner-dind -n "__fish_runner_dind_using_subcommand sweep" -l docker-group-gid -d 'the group that may use the docker socket' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand sweep" -l docker-api-policy -d 'guarded: jobs get no privileged containers, host namespaces, devices, extra capabilities or folders but the shared ones' -r -f -a "off\t''
guarded\t''"
complete -c runner-dind -n "__fish_runner_dind_using_subcommand sweep" -l docker-api-allow -d 'what is allowed all the same: privileged, host-network, devices, cap:NET_ADMIN, bind:/folder and more' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand sweep" -l docker-tcp -d 'listen there, too, as in 127.0.0.1:2375 for a health check' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand sweep" -l docker-tls-dir -d 'ca.pem, cert.pem and key.pem' -r -f -a "(__fish_complete_directories)"
complete -c runner-dind -n "__fish_runner_dind_using_subcommand sweep" -l docker-registry-mirror -d 'pull-through mirrors of Docker Hub' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand sweep" -l docker-insecure-registries -d 'registries that may be spoken to without TLS, or with a certificate of their own' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand sweep" -l docker-address-pools -d 'networks for those of containers, as in 10.200.0.0/16/24: set it where docker\'s own choice clashes with yours' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand sweep" -l docker-mtu -d 'the largest packet of containers' -r -f -a "auto\t''"
complete -c runner-dind -n "__fish_runner_dind_using_subcommand sweep" -l docker-dns -d 'name servers of containers' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand sweep" -l docker-icc -d 'containers on docker\'s default network reach each other' -r -f -a "yes\t''
no\t''"
complete -c runner-dind -n "__fish_runner_dind_using_subcommand sweep" -l docker-ulimits -d 'limits of containers, as in nofile=1024:2048' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand sweep" -l docker-no-new-privileges -d 'no process in a container gains rights, so that sudo does not work there' -r -f -a "yes\t''
no\t''"
complete -c runner-dind -n "__fish_runner_dind_using_subcommand sweep" -l docker-userns-remap -d 'root of a container is RUNNER_UID outside, and its other users are nobody: what a container makes in the work folder is the runner\'s' -r -f -a "yes\t''
no\t''"
complete -c runner-dind -n "__fish_runner_dind_using_subcommand sweep" -l runner-uid -d 'the runner\'s user, for DOCKER_USERNS_REMAP' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand sweep" -l runner-gid -d 'the runner\'s group, for DOCKER_USERNS_REMAP' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand sweep" -l docker-log-forward -d 'where the output of containers goes besides `docker logs`: syslog://HOST:PORT over UDP, fluentd://HOST:PORT or fluentd:///SOCKET' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand sweep" -l docker-start-timeout -d 'how long docker may take to become usable' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand sweep" -l dockerd-path -d 'the dockerd to start' -r -F
complete -c runner-dind -n "__fish_runner_dind_using_subcommand sweep" -l docker-daemon-json -d 'dockerd\'s own settings to take in' -r -F
complete -c runner-dind -n "__fish_runner_dind_using_subcommand sweep" -l dockerd-args -d 'more flags for dockerd, split as a shell does, with nothing expanded' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand sweep" -l docker-ping-interval -d 'how often docker is asked whether it lives' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand sweep" -l stop-timeout -d 'what the platform allows between its SIGTERM and its SIGKILL' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand sweep" -l exit-with-runner -d 'end by ourselves when the runner has ended: for platforms that do not stop a sidecar after its main container' -r -f -a "yes\t''
no\t''"
complete -c runner-dind -n "__fish_runner_dind_using_subcommand sweep" -l task-dir -d 'the folder shared with the runner\'s container' -r -f -a "(__fish_complete_directories)"
complete -c runner-dind -n "__fish_runner_dind_using_subcommand sweep" -l log-format -d 'auto is human on a terminal and JSON elsewhere' -r -f -a "auto\t''
human\t''
json\t''"
complete -c runner-dind -n "__fish_runner_dind_using_subcommand sweep" -l log-level -d 'the least important lines that are written' -r -f -a "error\t''
warn\t''
info\t''
debug\t''"
complete -c runner-dind -n "__fish_runner_dind_using_subcommand sweep" -l aws-emf-namespace -d 'write CloudWatch metrics into the log (embedded metric format), in this namespace' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand sweep" -l metrics-file -d 'keep metrics as Prometheus\' text in this file' -r -F
complete -c runner-dind -n "__fish_runner_dind_using_subcommand sweep" -l trace-file -d 'write the life there at its end, as a trace that ui.perfetto.dev opens' -r -F
complete -c runner-dind -n "__fish_runner_dind_using_subcommand sweep" -l otel-exporter-otlp-endpoint -d 'send the life there as spans at its end, as to http://localhost:4318' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand sweep" -l otel-exporter-otlp-headers-file -d 'what the collector wants to be told, as in api-key=VALUE' -r -F
complete -c runner-dind -n "__fish_runner_dind_using_subcommand sweep" -l traceparent -d 'the span that the life belongs to, as W3C\'s trace context has it' -r -f
complete -c runner-dind -n "__fish_runner_dind_using_subcommand check-deploy" -l json -d 'for programs: each finding with its place'
complete -c runner-dind -n "__fish_runner_dind_using_subcommand check-deploy" -l strict -d 'warnings count as errors do'
complete -c runner-dind -n "__fish_runner_dind_using_subcommand check-deploy" -l rules -d 'what is looked for'
complete -c runner-dind -n "__fish_runner_dind_using_subcommand check-deploy" -l markdown -d 'the rules as a table for documentation'
complete -c runner-dind -n "__fish_runner_dind_using_subcommand reference" -l json -d 'for programs: commands, settings and exit codes'
complete -c runner-dind -n "__fish_runner_dind_using_subcommand reference" -l metrics -d 'what is counted, as Markdown'
complete -c runner-dind -n "__fish_runner_dind_using_subcommand help; and not __fish_seen_subcommand_from access all check check-deploy containers daemon health metrics network output reference registries run stop storage sweep" -f -a "access" -d 'choose who may use docker, and for what'
complete -c runner-dind -n "__fish_runner_dind_using_subcommand help; and not __fish_seen_subcommand_from access all check check-deploy containers daemon health metrics network output reference registries run stop storage sweep" -f -a "all" -d 'every setting'
complete -c runner-dind -n "__fish_runner_dind_using_subcommand help; and not __fish_seen_subcommand_from access all check check-deploy containers daemon health metrics network output reference registries run stop storage sweep" -f -a "check" -d 'say what docker needs here and what is in its way'
complete -c runner-dind -n "__fish_runner_dind_using_subcommand help; and not __fish_seen_subcommand_from access all check check-deploy containers daemon health metrics network output reference registries run stop storage sweep" -f -a "check-deploy" -d 'say what is wrong with deployments of the pair'
complete -c runner-dind -n "__fish_runner_dind_using_subcommand help; and not __fish_seen_subcommand_from access all check check-deploy containers daemon health metrics network output reference registries run stop storage sweep" -f -a "containers" -d 'limit containers, and get their output'
complete -c runner-dind -n "__fish_runner_dind_using_subcommand help; and not __fish_seen_subcommand_from access all check check-deploy containers daemon health metrics network output reference registries run stop storage sweep" -f -a "daemon" -d 'choose dockerd, hand it settings, and wait for it'
complete -c runner-dind -n "__fish_runner_dind_using_subcommand help; and not __fish_seen_subcommand_from access all check check-deploy containers daemon health metrics network output reference registries run stop storage sweep" -f -a "health" -d 'silent; exit code 0 if docker is usable'
complete -c runner-dind -n "__fish_runner_dind_using_subcommand help; and not __fish_seen_subcommand_from access all check check-deploy containers daemon health metrics network output reference registries run stop storage sweep" -f -a "metrics" -d 'count and draw what starts and stops take'
complete -c runner-dind -n "__fish_runner_dind_using_subcommand help; and not __fish_seen_subcommand_from access all check check-deploy containers daemon health metrics network output reference registries run stop storage sweep" -f -a "network" -d 'fit the networks of containers to yours'
complete -c runner-dind -n "__fish_runner_dind_using_subcommand help; and not __fish_seen_subcommand_from access all check check-deploy containers daemon health metrics network output reference registries run stop storage sweep" -f -a "output" -d 'choose what is told, how, and where state is kept'
complete -c runner-dind -n "__fish_runner_dind_using_subcommand help; and not __fish_seen_subcommand_from access all check check-deploy containers daemon health metrics network output reference registries run stop storage sweep" -f -a "reference" -d 'all settings and exit codes as Markdown'
complete -c runner-dind -n "__fish_runner_dind_using_subcommand help; and not __fish_seen_subcommand_from access all check check-deploy containers daemon health metrics network output reference registries run stop storage sweep" -f -a "registries" -d 'pull through mirrors, or from registries without TLS'
complete -c runner-dind -n "__fish_runner_dind_using_subcommand help; and not __fish_seen_subcommand_from access all check check-deploy containers daemon health metrics network output reference registries run stop storage sweep" -f -a "run" -d 'live one docker daemon\'s life (the default)'
complete -c runner-dind -n "__fish_runner_dind_using_subcommand help; and not __fish_seen_subcommand_from access all check check-deploy containers daemon health metrics network output reference registries run stop storage sweep" -f -a "stop" -d 'fit a stop into the platform\'s time'
complete -c runner-dind -n "__fish_runner_dind_using_subcommand help; and not __fish_seen_subcommand_from access all check check-deploy containers daemon health metrics network output reference registries run stop storage sweep" -f -a "storage" -d 'put docker\'s data on a volume, and take it away again'
complete -c runner-dind -n "__fish_runner_dind_using_subcommand help; and not __fish_seen_subcommand_from access all check check-deploy containers daemon health metrics network output reference registries run stop storage sweep" -f -a "sweep" -d 'remove what killed tasks left, beside those that live'
