# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_runner_entrypoint_global_optspecs
    string join \n access-token-file= app-id= app-private-key-file= app-login= runner-scope= repo-url= github-owner= github-repository= org-name= enterprise-name= actions-runner-input-url= org-runner= github-host= github-url= github-api-url= github-api-host= github-api-path= github-ca-file= registration= runner-token-file= actions-runner-input-jitconfig-file= jitconfig-url= jitconfig-token-file= runner-name= runner-name-prefix= random-runner-suffix= runner-labels= no-default-labels= runner-group= disable-auto-update= registration-timeout= runner-home= runner-command= runner-workdir= runner-workdir-root= enable-runner-workdir-suffix= runner-user= run-as-root= runner-environment= hand-on-aws-credentials= startup-delay-in-seconds= docker-host= wait-for-docker-seconds= externals-shared-dir= disable-wait-for-docker= tool-cache-remote= runner-tool-cache= tool-cache-restore= tool-cache-restore-timeout= tool-cache-tools= tool-cache-save= tool-cache-save-timeout= tool-cache-layout= tool-cache-trust= tool-cache-allow= tool-cache-jobs= stop-timeout= stop-signals= idle-timeout= max-lifetime= ecs-agent-uri= ecs-task-protection= ecs-container-metadata-uri-v4= spot-notice= spot-metadata-url= task-dir= termination-log= log-format= log-level= debug-output= debug-only= aws-emf-namespace= metrics-file= metrics-listen= trace-file= otel-exporter-otlp-endpoint= otel-exporter-otlp-headers-file= traceparent= setup-info= V/version
end

function __fish_runner_entrypoint_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_runner_entrypoint_global_optspecs) -- $cmd 2>/dev/null
    or return 0
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_runner_entrypoint_using_subcommand
    set -l cmd (__fish_runner_entrypoint_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l access-token-file -d 'personal access token that may manage runners of the target' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l app-id -d 'instead of a token: a GitHub App, by its id or client id' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l app-private-key-file -d 'the App\'s private key' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l app-login -d 'the account that the App is installed on' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l runner-scope -d 'repo, org or enterprise' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l repo-url -d 'the repository, e.g. https://github.com/octo-org/octo-repo' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l github-owner -d 'the repository\'s owner, with GITHUB_REPOSITORY' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l github-repository -d 'the repository\'s name, with GITHUB_OWNER or ORG_NAME' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l org-name -d 'the organisation' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l enterprise-name -d 'the enterprise\'s slug' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l actions-runner-input-url -d 'the target\'s page, as config.sh takes it: repository, organisation or enterprise' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l org-runner -d 'old word for RUNNER_SCOPE=org' -r -f -a "yes\t''
no\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l github-host -d 'github.com, NAME.ghe.com or the host of a server' -r -f -a "(__fish_print_hostnames)"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l github-url -d 'the same as an address, e.g. https://github.example.com' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l github-api-url -d 'the API\'s address when it does not follow from the host' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l github-api-host -d 'only the API\'s host, when that is all that does not follow' -r -f -a "(__fish_print_hostnames)"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l github-api-path -d 'only the API\'s path, e.g. /api/v3' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l github-ca-file -d 'more CA certificates (PEM) to trust' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l registration -d 'auto: just in time with a token or App, classic with RUNNER_TOKEN' -r -f -a "auto\t''
jit\t''
classic\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l runner-token-file -d 'a registration token made elsewhere' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l actions-runner-input-jitconfig-file -d 'a JIT configuration made elsewhere' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l jitconfig-url -d 'where a JIT configuration made elsewhere is fetched from, once' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l jitconfig-token-file -d 'the bearer token for JITCONFIG_URL' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l runner-name -d 'the runner\'s name, at most 64 characters' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l runner-name-prefix -d 'start of the name when RUNNER_NAME is not set' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l random-runner-suffix -d 'a random end of the name' -r -f -a "yes\t''
no\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l runner-labels -d 'labels, by commas, besides self-hosted, linux and the architecture' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l no-default-labels -d 'use the given labels alone' -r -f -a "yes\t''
no\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l runner-group -d 'runner group of the organisation or enterprise' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l disable-auto-update -d 'a classic runner does not update itself' -r -f -a "yes\t''
no\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l registration-timeout -d 'for all attempts to register together' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l runner-home -d 'where bin/Runner.Listener or run.sh is' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l runner-command -d 'which of the two is started' -r -f -a "auto\t''
listener\t''
run.sh\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l runner-workdir -d 'the work folder, in RUNNER_HOME unless absolute' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l runner-workdir-root -d 'when RUNNER_WORKDIR is not set: a folder there, named for the runner' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l enable-runner-workdir-suffix -d 'add a folder named for the runner to RUNNER_WORKDIR' -r -f -a "yes\t''
no\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l runner-user -d 'whom the runner runs as when this program is root' -r -f -a "(__fish_complete_users)"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l run-as-root -d 'keep the runner root when this program is root' -r -f -a "yes\t''
no\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l runner-environment -d 'more variables of this container that the job may see, by name' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l hand-on-aws-credentials -d 'let the job see the task\'s AWS role, region and metadata' -r -f -a "yes\t''
no\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l startup-delay-in-seconds -d 'wait before anything else' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l docker-host -d 'the daemon jobs use, e.g. unix:///run/task/docker.sock' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l wait-for-docker-seconds -d 'how long docker may take to answer before the task gives up' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l externals-shared-dir -d 'the volume that the sidecar has as the runner\'s externals: they are copied there' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l disable-wait-for-docker -d 'start the runner whether docker answers or not' -r -f -a "yes\t''
no\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l tool-cache-remote -d 'shared storage that holds the tool cache, as mounted here' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l runner-tool-cache -d 'the local one, the same path in every container of the task' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l tool-cache-restore -d 'before-start' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l tool-cache-restore-timeout -d 'how long a restore may take' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l tool-cache-tools -d 'restore only these, as in node@20,python@3.12,go' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l tool-cache-save -d 'save new tool versions after the job' -r -f -a "yes\t''
no\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l tool-cache-save-timeout -d 'how long a save may take' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l tool-cache-layout -d 'save a version as one compressed file, or file by file' -r -f -a "pack\t''
tree\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l tool-cache-trust -d 'restore and save only packs of this name' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l tool-cache-allow -d 'restore only packs whose digest stands in this file, which the job cannot change' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l tool-cache-jobs -d 'files copied at once, 1 to 256' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l stop-timeout -d 'the platform\'s time between SIGTERM and SIGKILL' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l stop-signals -d 'signals that ask for a stop' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l idle-timeout -d 'a runner without a job for so long is removed and ends' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l max-lifetime -d 'after so long the task stops as with SIGTERM' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l ecs-agent-uri -d 'set by ECS: where a task protects itself from scale-in' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l ecs-task-protection -d 'on ECS: protect the task while its job runs' -r -f -a "yes\t''
no\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l ecs-container-metadata-uri-v4 -d 'set by ECS: what the task is told about itself' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l spot-notice -d 'on EC2 Spot: take the machine\'s interruption notice for a SIGTERM' -r -f -a "yes\t''
no\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l spot-metadata-url -d 'the instance metadata that tells of an interruption' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l task-dir -d 'folder shared by the containers of the task: state, locks, docker\'s socket' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l termination-log -d 'gets the last record, if the file is there (Kubernetes)' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l log-format -d 'auto is human on a terminal and JSON elsewhere' -r -f -a "auto\t''
human\t''
json\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l log-level -d 'the least important lines that are written' -r -f -a "error\t''
warn\t''
info\t''
debug\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l debug-output -d 'the same as LOG_LEVEL=debug' -r -f -a "yes\t''
no\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l debug-only -d 'the same as the command check: say what would happen and end' -r -f -a "yes\t''
no\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l aws-emf-namespace -d 'write CloudWatch metrics into the log (embedded metric format), in this namespace' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l metrics-file -d 'keep metrics as Prometheus\' text in this file, for node_exporter\'s textfile collector' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l metrics-listen -d 'serve metrics to Prometheus at /metrics there, as in 0.0.0.0:9402' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l trace-file -d 'write the life there at its end, as a trace that ui.perfetto.dev opens' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l otel-exporter-otlp-endpoint -d 'send the life there as spans at its end' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l otel-exporter-otlp-headers-file -d 'what that collector wants to be told, as in api-key=VALUE' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l traceparent -d 'the span that the life belongs to, as W3C\'s trace context has it' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -l setup-info -d 'tell developers of image, cache and docker in "Set up job" (.setup_info)' -r -f -a "yes\t''
no\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -s V -l version -d 'the program\'s version'
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -f -a "run" -d 'live one runner\'s life (the default)'
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -f -a "check" -d 'say what would happen and what is wrong'
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -f -a "health" -d 'silent; exit code 0 if the runner lives'
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -f -a "supervise" -d 'be only a container\'s first process, in place of tini'
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -f -a "cache" -d 'restore, save and look after a shared tool cache'
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -f -a "reference" -d 'all settings and exit codes as Markdown'
complete -c runner-entrypoint -n "__fish_runner_entrypoint_needs_command" -f -a "help" -d 'more about a command, a task or a setting'
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l access-token-file -d 'personal access token that may manage runners of the target' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l app-id -d 'instead of a token: a GitHub App, by its id or client id' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l app-private-key-file -d 'the App\'s private key' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l app-login -d 'the account that the App is installed on' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l runner-scope -d 'repo, org or enterprise' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l repo-url -d 'the repository, e.g. https://github.com/octo-org/octo-repo' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l github-owner -d 'the repository\'s owner, with GITHUB_REPOSITORY' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l github-repository -d 'the repository\'s name, with GITHUB_OWNER or ORG_NAME' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l org-name -d 'the organisation' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l enterprise-name -d 'the enterprise\'s slug' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l actions-runner-input-url -d 'the target\'s page, as config.sh takes it: repository, organisation or enterprise' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l org-runner -d 'old word for RUNNER_SCOPE=org' -r -f -a "yes\t''
no\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l github-host -d 'github.com, NAME.ghe.com or the host of a server' -r -f -a "(__fish_print_hostnames)"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l github-url -d 'the same as an address, e.g. https://github.example.com' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l github-api-url -d 'the API\'s address when it does not follow from the host' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l github-api-host -d 'only the API\'s host, when that is all that does not follow' -r -f -a "(__fish_print_hostnames)"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l github-api-path -d 'only the API\'s path, e.g. /api/v3' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l github-ca-file -d 'more CA certificates (PEM) to trust' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l registration -d 'auto: just in time with a token or App, classic with RUNNER_TOKEN' -r -f -a "auto\t''
jit\t''
classic\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l runner-token-file -d 'a registration token made elsewhere' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l actions-runner-input-jitconfig-file -d 'a JIT configuration made elsewhere' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l jitconfig-url -d 'where a JIT configuration made elsewhere is fetched from, once' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l jitconfig-token-file -d 'the bearer token for JITCONFIG_URL' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l runner-name -d 'the runner\'s name, at most 64 characters' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l runner-name-prefix -d 'start of the name when RUNNER_NAME is not set' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l random-runner-suffix -d 'a random end of the name' -r -f -a "yes\t''
no\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l runner-labels -d 'labels, by commas, besides self-hosted, linux and the architecture' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l no-default-labels -d 'use the given labels alone' -r -f -a "yes\t''
no\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l runner-group -d 'runner group of the organisation or enterprise' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l disable-auto-update -d 'a classic runner does not update itself' -r -f -a "yes\t''
no\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l registration-timeout -d 'for all attempts to register together' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l runner-home -d 'where bin/Runner.Listener or run.sh is' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l runner-command -d 'which of the two is started' -r -f -a "auto\t''
listener\t''
run.sh\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l runner-workdir -d 'the work folder, in RUNNER_HOME unless absolute' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l runner-workdir-root -d 'when RUNNER_WORKDIR is not set: a folder there, named for the runner' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l enable-runner-workdir-suffix -d 'add a folder named for the runner to RUNNER_WORKDIR' -r -f -a "yes\t''
no\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l runner-user -d 'whom the runner runs as when this program is root' -r -f -a "(__fish_complete_users)"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l run-as-root -d 'keep the runner root when this program is root' -r -f -a "yes\t''
no\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l runner-environment -d 'more variables of this container that the job may see, by name' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l hand-on-aws-credentials -d 'let the job see the task\'s AWS role, region and metadata' -r -f -a "yes\t''
no\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l startup-delay-in-seconds -d 'wait before anything else' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l docker-host -d 'the daemon jobs use, e.g. unix:///run/task/docker.sock' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l wait-for-docker-seconds -d 'how long docker may take to answer before the task gives up' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l externals-shared-dir -d 'the volume that the sidecar has as the runner\'s externals: they are copied there' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l disable-wait-for-docker -d 'start the runner whether docker answers or not' -r -f -a "yes\t''
no\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l tool-cache-remote -d 'shared storage that holds the tool cache, as mounted here' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l runner-tool-cache -d 'the local one, the same path in every container of the task' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l tool-cache-restore -d 'before-start' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l tool-cache-restore-timeout -d 'how long a restore may take' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l tool-cache-tools -d 'restore only these, as in node@20,python@3.12,go' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l tool-cache-save -d 'save new tool versions after the job' -r -f -a "yes\t''
no\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l tool-cache-save-timeout -d 'how long a save may take' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l tool-cache-layout -d 'save a version as one compressed file, or file by file' -r -f -a "pack\t''
tree\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l tool-cache-trust -d 'restore and save only packs of this name' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l tool-cache-allow -d 'restore only packs whose digest stands in this file, which the job cannot change' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l tool-cache-jobs -d 'files copied at once, 1 to 256' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l stop-timeout -d 'the platform\'s time between SIGTERM and SIGKILL' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l stop-signals -d 'signals that ask for a stop' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l idle-timeout -d 'a runner without a job for so long is removed and ends' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l max-lifetime -d 'after so long the task stops as with SIGTERM' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l ecs-agent-uri -d 'set by ECS: where a task protects itself from scale-in' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l ecs-task-protection -d 'on ECS: protect the task while its job runs' -r -f -a "yes\t''
no\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l ecs-container-metadata-uri-v4 -d 'set by ECS: what the task is told about itself' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l spot-notice -d 'on EC2 Spot: take the machine\'s interruption notice for a SIGTERM' -r -f -a "yes\t''
no\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l spot-metadata-url -d 'the instance metadata that tells of an interruption' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l task-dir -d 'folder shared by the containers of the task: state, locks, docker\'s socket' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l termination-log -d 'gets the last record, if the file is there (Kubernetes)' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l log-format -d 'auto is human on a terminal and JSON elsewhere' -r -f -a "auto\t''
human\t''
json\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l log-level -d 'the least important lines that are written' -r -f -a "error\t''
warn\t''
info\t''
debug\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l debug-output -d 'the same as LOG_LEVEL=debug' -r -f -a "yes\t''
no\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l debug-only -d 'the same as the command check: say what would happen and end' -r -f -a "yes\t''
no\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l aws-emf-namespace -d 'write CloudWatch metrics into the log (embedded metric format), in this namespace' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l metrics-file -d 'keep metrics as Prometheus\' text in this file, for node_exporter\'s textfile collector' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l metrics-listen -d 'serve metrics to Prometheus at /metrics there, as in 0.0.0.0:9402' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l trace-file -d 'write the life there at its end, as a trace that ui.perfetto.dev opens' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l otel-exporter-otlp-endpoint -d 'send the life there as spans at its end' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l otel-exporter-otlp-headers-file -d 'what that collector wants to be told, as in api-key=VALUE' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l traceparent -d 'the span that the life belongs to, as W3C\'s trace context has it' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand run" -l setup-info -d 'tell developers of image, cache and docker in "Set up job" (.setup_info)' -r -f -a "yes\t''
no\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l access-token-file -d 'personal access token that may manage runners of the target' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l app-id -d 'instead of a token: a GitHub App, by its id or client id' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l app-private-key-file -d 'the App\'s private key' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l app-login -d 'the account that the App is installed on' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l runner-scope -d 'repo, org or enterprise' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l repo-url -d 'the repository, e.g. https://github.com/octo-org/octo-repo' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l github-owner -d 'the repository\'s owner, with GITHUB_REPOSITORY' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l github-repository -d 'the repository\'s name, with GITHUB_OWNER or ORG_NAME' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l org-name -d 'the organisation' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l enterprise-name -d 'the enterprise\'s slug' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l actions-runner-input-url -d 'the target\'s page, as config.sh takes it: repository, organisation or enterprise' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l org-runner -d 'old word for RUNNER_SCOPE=org' -r -f -a "yes\t''
no\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l github-host -d 'github.com, NAME.ghe.com or the host of a server' -r -f -a "(__fish_print_hostnames)"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l github-url -d 'the same as an address, e.g. https://github.example.com' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l github-api-url -d 'the API\'s address when it does not follow from the host' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l github-api-host -d 'only the API\'s host, when that is all that does not follow' -r -f -a "(__fish_print_hostnames)"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l github-api-path -d 'only the API\'s path, e.g. /api/v3' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l github-ca-file -d 'more CA certificates (PEM) to trust' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l registration -d 'auto: just in time with a token or App, classic with RUNNER_TOKEN' -r -f -a "auto\t''
jit\t''
classic\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l runner-token-file -d 'a registration token made elsewhere' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l actions-runner-input-jitconfig-file -d 'a JIT configuration made elsewhere' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l jitconfig-url -d 'where a JIT configuration made elsewhere is fetched from, once' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l jitconfig-token-file -d 'the bearer token for JITCONFIG_URL' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l runner-name -d 'the runner\'s name, at most 64 characters' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l runner-name-prefix -d 'start of the name when RUNNER_NAME is not set' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l random-runner-suffix -d 'a random end of the name' -r -f -a "yes\t''
no\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l runner-labels -d 'labels, by commas, besides self-hosted, linux and the architecture' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l no-default-labels -d 'use the given labels alone' -r -f -a "yes\t''
no\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l runner-group -d 'runner group of the organisation or enterprise' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l disable-auto-update -d 'a classic runner does not update itself' -r -f -a "yes\t''
no\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l registration-timeout -d 'for all attempts to register together' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l runner-home -d 'where bin/Runner.Listener or run.sh is' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l runner-command -d 'which of the two is started' -r -f -a "auto\t''
listener\t''
run.sh\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l runner-workdir -d 'the work folder, in RUNNER_HOME unless absolute' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l runner-workdir-root -d 'when RUNNER_WORKDIR is not set: a folder there, named for the runner' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l enable-runner-workdir-suffix -d 'add a folder named for the runner to RUNNER_WORKDIR' -r -f -a "yes\t''
no\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l runner-user -d 'whom the runner runs as when this program is root' -r -f -a "(__fish_complete_users)"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l run-as-root -d 'keep the runner root when this program is root' -r -f -a "yes\t''
no\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l runner-environment -d 'more variables of this container that the job may see, by name' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l hand-on-aws-credentials -d 'let the job see the task\'s AWS role, region and metadata' -r -f -a "yes\t''
no\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l startup-delay-in-seconds -d 'wait before anything else' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l docker-host -d 'the daemon jobs use, e.g. unix:///run/task/docker.sock' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l wait-for-docker-seconds -d 'how long docker may take to answer before the task gives up' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l externals-shared-dir -d 'the volume that the sidecar has as the runner\'s externals: they are copied there' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l disable-wait-for-docker -d 'start the runner whether docker answers or not' -r -f -a "yes\t''
no\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l tool-cache-remote -d 'shared storage that holds the tool cache, as mounted here' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l runner-tool-cache -d 'the local one, the same path in every container of the task' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l tool-cache-restore -d 'before-start' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l tool-cache-restore-timeout -d 'how long a restore may take' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l tool-cache-tools -d 'restore only these, as in node@20,python@3.12,go' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l tool-cache-save -d 'save new tool versions after the job' -r -f -a "yes\t''
no\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l tool-cache-save-timeout -d 'how long a save may take' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l tool-cache-layout -d 'save a version as one compressed file, or file by file' -r -f -a "pack\t''
tree\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l tool-cache-trust -d 'restore and save only packs of this name' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l tool-cache-allow -d 'restore only packs whose digest stands in this file, which the job cannot change' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l tool-cache-jobs -d 'files copied at once, 1 to 256' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l stop-timeout -d 'the platform\'s time between SIGTERM and SIGKILL' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l stop-signals -d 'signals that ask for a stop' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l idle-timeout -d 'a runner without a job for so long is removed and ends' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l max-lifetime -d 'after so long the task stops as with SIGTERM' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l ecs-agent-uri -d 'set by ECS: where a task protects itself from scale-in' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l ecs-task-protection -d 'on ECS: protect the task while its job runs' -r -f -a "yes\t''
no\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l ecs-container-metadata-uri-v4 -d 'set by ECS: what the task is told about itself' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l spot-notice -d 'on EC2 Spot: take the machine\'s interruption notice for a SIGTERM' -r -f -a "yes\t''
no\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l spot-metadata-url -d 'the instance metadata that tells of an interruption' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l task-dir -d 'folder shared by the containers of the task: state, locks, docker\'s socket' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l termination-log -d 'gets the last record, if the file is there (Kubernetes)' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l log-format -d 'auto is human on a terminal and JSON elsewhere' -r -f -a "auto\t''
human\t''
json\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l log-level -d 'the least important lines that are written' -r -f -a "error\t''
warn\t''
info\t''
debug\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l debug-output -d 'the same as LOG_LEVEL=debug' -r -f -a "yes\t''
no\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l debug-only -d 'the same as the command check: say what would happen and end' -r -f -a "yes\t''
no\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l aws-emf-namespace -d 'write CloudWatch metrics into the log (embedded metric format), in this namespace' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l metrics-file -d 'keep metrics as Prometheus\' text in this file, for node_exporter\'s textfile collector' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l metrics-listen -d 'serve metrics to Prometheus at /metrics there, as in 0.0.0.0:9402' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l trace-file -d 'write the life there at its end, as a trace that ui.perfetto.dev opens' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l otel-exporter-otlp-endpoint -d 'send the life there as spans at its end' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l otel-exporter-otlp-headers-file -d 'what that collector wants to be told, as in api-key=VALUE' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l traceparent -d 'the span that the life belongs to, as W3C\'s trace context has it' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l setup-info -d 'tell developers of image, cache and docker in "Set up job" (.setup_info)' -r -f -a "yes\t''
no\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand check" -l json -d 'for programs: every setting, and each finding with its cures'
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l access-token-file -d 'personal access token that may manage runners of the target' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l app-id -d 'instead of a token: a GitHub App, by its id or client id' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l app-private-key-file -d 'the App\'s private key' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l app-login -d 'the account that the App is installed on' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l runner-scope -d 'repo, org or enterprise' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l repo-url -d 'the repository, e.g. https://github.com/octo-org/octo-repo' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l github-owner -d 'the repository\'s owner, with GITHUB_REPOSITORY' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l github-repository -d 'the repository\'s name, with GITHUB_OWNER or ORG_NAME' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l org-name -d 'the organisation' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l enterprise-name -d 'the enterprise\'s slug' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l actions-runner-input-url -d 'the target\'s page, as config.sh takes it: repository, organisation or enterprise' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l org-runner -d 'old word for RUNNER_SCOPE=org' -r -f -a "yes\t''
no\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l github-host -d 'github.com, NAME.ghe.com or the host of a server' -r -f -a "(__fish_print_hostnames)"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l github-url -d 'the same as an address, e.g. https://github.example.com' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l github-api-url -d 'the API\'s address when it does not follow from the host' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l github-api-host -d 'only the API\'s host, when that is all that does not follow' -r -f -a "(__fish_print_hostnames)"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l github-api-path -d 'only the API\'s path, e.g. /api/v3' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l github-ca-file -d 'more CA certificates (PEM) to trust' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l registration -d 'auto: just in time with a token or App, classic with RUNNER_TOKEN' -r -f -a "auto\t''
jit\t''
classic\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l runner-token-file -d 'a registration token made elsewhere' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l actions-runner-input-jitconfig-file -d 'a JIT configuration made elsewhere' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l jitconfig-url -d 'where a JIT configuration made elsewhere is fetched from, once' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l jitconfig-token-file -d 'the bearer token for JITCONFIG_URL' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l runner-name -d 'the runner\'s name, at most 64 characters' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l runner-name-prefix -d 'start of the name when RUNNER_NAME is not set' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l random-runner-suffix -d 'a random end of the name' -r -f -a "yes\t''
no\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l runner-labels -d 'labels, by commas, besides self-hosted, linux and the architecture' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l no-default-labels -d 'use the given labels alone' -r -f -a "yes\t''
no\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l runner-group -d 'runner group of the organisation or enterprise' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l disable-auto-update -d 'a classic runner does not update itself' -r -f -a "yes\t''
no\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l registration-timeout -d 'for all attempts to register together' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l runner-home -d 'where bin/Runner.Listener or run.sh is' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l runner-command -d 'which of the two is started' -r -f -a "auto\t''
listener\t''
run.sh\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l runner-workdir -d 'the work folder, in RUNNER_HOME unless absolute' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l runner-workdir-root -d 'when RUNNER_WORKDIR is not set: a folder there, named for the runner' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l enable-runner-workdir-suffix -d 'add a folder named for the runner to RUNNER_WORKDIR' -r -f -a "yes\t''
no\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l runner-user -d 'whom the runner runs as when this program is root' -r -f -a "(__fish_complete_users)"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l run-as-root -d 'keep the runner root when this program is root' -r -f -a "yes\t''
no\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l runner-environment -d 'more variables of this container that the job may see, by name' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l hand-on-aws-credentials -d 'let the job see the task\'s AWS role, region and metadata' -r -f -a "yes\t''
no\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l startup-delay-in-seconds -d 'wait before anything else' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l docker-host -d 'the daemon jobs use, e.g. unix:///run/task/docker.sock' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l wait-for-docker-seconds -d 'how long docker may take to answer before the task gives up' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l externals-shared-dir -d 'the volume that the sidecar has as the runner\'s externals: they are copied there' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l disable-wait-for-docker -d 'start the runner whether docker answers or not' -r -f -a "yes\t''
no\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l tool-cache-remote -d 'shared storage that holds the tool cache, as mounted here' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l runner-tool-cache -d 'the local one, the same path in every container of the task' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l tool-cache-restore -d 'before-start' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l tool-cache-restore-timeout -d 'how long a restore may take' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l tool-cache-tools -d 'restore only these, as in node@20,python@3.12,go' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l tool-cache-save -d 'save new tool versions after the job' -r -f -a "yes\t''
no\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l tool-cache-save-timeout -d 'how long a save may take' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l tool-cache-layout -d 'save a version as one compressed file, or file by file' -r -f -a "pack\t''
tree\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l tool-cache-trust -d 'restore and save only packs of this name' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l tool-cache-allow -d 'restore only packs whose digest stands in this file, which the job cannot change' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l tool-cache-jobs -d 'files copied at once, 1 to 256' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l stop-timeout -d 'the platform\'s time between SIGTERM and SIGKILL' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l stop-signals -d 'signals that ask for a stop' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l idle-timeout -d 'a runner without a job for so long is removed and ends' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l max-lifetime -d 'after so long the task stops as with SIGTERM' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l ecs-agent-uri -d 'set by ECS: where a task protects itself from scale-in' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l ecs-task-protection -d 'on ECS: protect the task while its job runs' -r -f -a "yes\t''
no\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l ecs-container-metadata-uri-v4 -d 'set by ECS: what the task is told about itself' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l spot-notice -d 'on EC2 Spot: take the machine\'s interruption notice for a SIGTERM' -r -f -a "yes\t''
no\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l spot-metadata-url -d 'the instance metadata that tells of an interruption' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l task-dir -d 'folder shared by the containers of the task: state, locks, docker\'s socket' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l termination-log -d 'gets the last record, if the file is there (Kubernetes)' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l log-format -d 'auto is human on a terminal and JSON elsewhere' -r -f -a "auto\t''
human\t''
json\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l log-level -d 'the least important lines that are written' -r -f -a "error\t''
warn\t''
info\t''
debug\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l debug-output -d 'the same as LOG_LEVEL=debug' -r -f -a "yes\t''
no\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l debug-only -d 'the same as the command check: say what would happen and end' -r -f -a "yes\t''
no\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l aws-emf-namespace -d 'write CloudWatch metrics into the log (embedded metric format), in this namespace' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l metrics-file -d 'keep metrics as Prometheus\' text in this file, for node_exporter\'s textfile collector' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l metrics-listen -d 'serve metrics to Prometheus at /metrics there, as in 0.0.0.0:9402' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l trace-file -d 'write the life there at its end, as a trace that ui.perfetto.dev opens' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l otel-exporter-otlp-endpoint -d 'send the life there as spans at its end' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l otel-exporter-otlp-headers-file -d 'what that collector wants to be told, as in api-key=VALUE' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l traceparent -d 'the span that the life belongs to, as W3C\'s trace context has it' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l setup-info -d 'tell developers of image, cache and docker in "Set up job" (.setup_info)' -r -f -a "yes\t''
no\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand health" -l ready -d 'only if it waits for a job, too, or has one'
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand supervise" -l grace -d 'how long the command may go on after the first SIGTERM' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand supervise" -l leftovers -d 'how long what it left behind may go on after its own SIGTERM' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand supervise" -s g -l group -d 'signals go to the command\'s whole process group'
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand cache; and not __fish_seen_subcommand_from restore save import export list verify gc" -f -a "restore" -d 'copy what REMOTE has and LOCAL lacks, as before a job'
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand cache; and not __fish_seen_subcommand_from restore save import export list verify gc" -f -a "save" -d 'copy what LOCAL has and REMOTE lacks, as after a job'
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand cache; and not __fish_seen_subcommand_from restore save import export list verify gc" -f -a "import" -d 'make packs of a hosted tool cache or a tree of rsync, also in place'
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand cache; and not __fish_seen_subcommand_from restore save import export list verify gc" -f -a "export" -d 'make plain trees in any directory; REMOTE is only read'
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand cache; and not __fish_seen_subcommand_from restore save import export list verify gc" -f -a "list" -d 'show what is there, how large, and when it was last used'
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand cache; and not __fish_seen_subcommand_from restore save import export list verify gc" -f -a "verify" -d 'read every pack whole and name what is broken, while tasks run'
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand cache; and not __fish_seen_subcommand_from restore save import export list verify gc" -f -a "gc" -d 'remove unused packs and what the dead left, never a tree; while tasks run'
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand cache; and __fish_seen_subcommand_from restore" -l from -d 'where versions are read' -r -f -a "(__fish_complete_directories)"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand cache; and __fish_seen_subcommand_from restore" -l to -d 'where they are written' -r -f -a "(__fish_complete_directories)"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand cache; and __fish_seen_subcommand_from restore" -l tools -d 'only these, as node@20,python@3.12,go' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand cache; and __fish_seen_subcommand_from restore" -l allow -d 'only packs whose digests stand in FILE, a line each' -r -F
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand cache; and __fish_seen_subcommand_from restore" -l trust -d 'whose packs: those of this trust domain' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand cache; and __fish_seen_subcommand_from restore" -l jobs -d 'files of trees, or parts of packs, at once, 1 to 256' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand cache; and __fish_seen_subcommand_from restore" -l report -d 'what to print' -r -f -a "human\t''
json\t''
both\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand cache; and __fish_seen_subcommand_from restore" -l read-only -d 'write nothing to REMOTE, not even that a pack was used'
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand cache; and __fish_seen_subcommand_from restore" -l json -d 'short for --report json'
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand cache; and __fish_seen_subcommand_from save" -l from -d 'where versions are read' -r -f -a "(__fish_complete_directories)"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand cache; and __fish_seen_subcommand_from save" -l to -d 'where they are written' -r -f -a "(__fish_complete_directories)"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand cache; and __fish_seen_subcommand_from save" -l layout -d 'one file per version, or the version as it is' -r -f -a "pack\t''
tree\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand cache; and __fish_seen_subcommand_from save" -l trust -d 'whose packs: those of this trust domain' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand cache; and __fish_seen_subcommand_from save" -l jobs -d 'files of trees, or parts of packs, at once, 1 to 256' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand cache; and __fish_seen_subcommand_from save" -l report -d 'what to print' -r -f -a "human\t''
json\t''
both\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand cache; and __fish_seen_subcommand_from save" -l json -d 'short for --report json'
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand cache; and __fish_seen_subcommand_from import" -l trust -d 'whose packs: those of this trust domain' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand cache; and __fish_seen_subcommand_from import" -l jobs -d 'files of trees, or parts of packs, at once, 1 to 256' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand cache; and __fish_seen_subcommand_from import" -l report -d 'what to print' -r -f -a "human\t''
json\t''
both\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand cache; and __fish_seen_subcommand_from import" -l json -d 'short for --report json'
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand cache; and __fish_seen_subcommand_from export" -l tools -d 'only these, as node@20,python@3.12,go' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand cache; and __fish_seen_subcommand_from export" -l trust -d 'whose packs: those of this trust domain' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand cache; and __fish_seen_subcommand_from export" -l jobs -d 'files of trees, or parts of packs, at once, 1 to 256' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand cache; and __fish_seen_subcommand_from export" -l report -d 'what to print' -r -f -a "human\t''
json\t''
both\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand cache; and __fish_seen_subcommand_from export" -l json -d 'short for --report json'
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand cache; and __fish_seen_subcommand_from list" -l trust -d 'whose packs: those of this trust domain' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand cache; and __fish_seen_subcommand_from list" -l report -d 'what to print' -r -f -a "human\t''
json\t''
both\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand cache; and __fish_seen_subcommand_from list" -l long -d 'also sizes and files of what is packed'
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand cache; and __fish_seen_subcommand_from list" -l digests -d 'instead of the table the lines for --allow'
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand cache; and __fish_seen_subcommand_from list" -l json -d 'short for --report json'
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand cache; and __fish_seen_subcommand_from verify" -l tools -d 'only these, as node@20,python@3.12,go' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand cache; and __fish_seen_subcommand_from verify" -l trust -d 'whose packs: those of this trust domain' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand cache; and __fish_seen_subcommand_from verify" -l report -d 'what to print' -r -f -a "human\t''
json\t''
both\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand cache; and __fish_seen_subcommand_from verify" -l quarantine -d 'put broken packs aside, so that good ones can be saved'
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand cache; and __fish_seen_subcommand_from verify" -l json -d 'short for --report json'
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand cache; and __fish_seen_subcommand_from gc" -l unused-for -d 'packs that were not restored for that long, as 30d or 12h' -r -f
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand cache; and __fish_seen_subcommand_from gc" -l report -d 'what to print' -r -f -a "human\t''
json\t''
both\t''"
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand cache; and __fish_seen_subcommand_from gc" -l dry-run -d 'only say what would go'
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand cache; and __fish_seen_subcommand_from gc" -l json -d 'short for --report json'
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand reference" -l json -d 'for programs: commands, settings and exit codes'
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand reference" -l metrics -d 'what is counted, as Markdown'
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand help; and not __fish_seen_subcommand_from all cache check docker github health metrics output platform reference registration run runner stop supervise" -f -a "all" -d 'every setting'
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand help; and not __fish_seen_subcommand_from all cache check docker github health metrics output platform reference registration run runner stop supervise" -f -a "cache" -d 'keep tools on shared storage from job to job'
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand help; and not __fish_seen_subcommand_from all cache check docker github health metrics output platform reference registration run runner stop supervise" -f -a "check" -d 'say what would happen and what is wrong'
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand help; and not __fish_seen_subcommand_from all cache check docker github health metrics output platform reference registration run runner stop supervise" -f -a "docker" -d 'give jobs the docker of a sidecar'
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand help; and not __fish_seen_subcommand_from all cache check docker github health metrics output platform reference registration run runner stop supervise" -f -a "github" -d 'say where the runner belongs, and prove that it may'
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand help; and not __fish_seen_subcommand_from all cache check docker github health metrics output platform reference registration run runner stop supervise" -f -a "health" -d 'silent; exit code 0 if the runner lives'
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand help; and not __fish_seen_subcommand_from all cache check docker github health metrics output platform reference registration run runner stop supervise" -f -a "metrics" -d 'count and draw what starts and jobs take'
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand help; and not __fish_seen_subcommand_from all cache check docker github health metrics output platform reference registration run runner stop supervise" -f -a "output" -d 'choose what is told, how, and where state is kept'
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand help; and not __fish_seen_subcommand_from all cache check docker github health metrics output platform reference registration run runner stop supervise" -f -a "platform" -d 'protect a task on ECS, and notice a Spot interruption'
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand help; and not __fish_seen_subcommand_from all cache check docker github health metrics output platform reference registration run runner stop supervise" -f -a "reference" -d 'all settings and exit codes as Markdown'
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand help; and not __fish_seen_subcommand_from all cache check docker github health metrics output platform reference registration run runner stop supervise" -f -a "registration" -d 'name and label the runner, or bring its registration'
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand help; and not __fish_seen_subcommand_from all cache check docker github health metrics output platform reference registration run runner stop supervise" -f -a "run" -d 'live one runner\'s life (the default)'
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand help; and not __fish_seen_subcommand_from all cache check docker github health metrics output platform reference registration run runner stop supervise" -f -a "runner" -d 'start the runner, and choose what its job sees'
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand help; and not __fish_seen_subcommand_from all cache check docker github health metrics output platform reference registration run runner stop supervise" -f -a "stop" -d 'fit a stop into the platform\'s time, and limit a life'
complete -c runner-entrypoint -n "__fish_runner_entrypoint_using_subcommand help; and not __fish_seen_subcommand_from all cache check docker github health metrics output platform reference registration run runner stop supervise" -f -a "supervise" -d 'be only a container\'s first process, in place of tini'
