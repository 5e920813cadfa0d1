#!/usr/bin/env bash
# One job by SSM RunCommand, whose end is the signal to take the machine away: the launcher asks GitHub for a just-in-time configuration,
# puts it into a SecureString, starts an instance and sends this script (AWS-RunRemoteScript from S3, or AWS-RunShellScript).
#
#   run-command.sh /runners/jit/i-0123456789abcdef0
#
# Its exit code is runner-entrypoint's, which RunCommand reports as ResponseCode: 0 is a job that ran, whatever its result; the rest stand in
# docs/settings.md. EventBridge tells of the end ("EC2 Command Invocation Status-change Notification"), so nobody polls.
#
# Set executionTimeout: by default RunCommand kills after one hour. The instance's role needs ssm:GetParameter and ssm:DeleteParameter on this
# one name.
set -euo pipefail

parameter=${1:?the name of the SSM parameter that holds the JIT configuration, or the https address that JITCONFIG_URL takes}

folder=/run/actions-runner
install --directory --mode=0755 "$folder"
# What follows is root's alone.
umask 0077

case $parameter in
https://*)
  # An address that answers once, as a presigned one: nothing to read or delete here.
  source="JITCONFIG_URL=$parameter"
  ;;
*)
  # Not the configuration itself as an argument: RunCommand keeps its parameters for a month.
  aws ssm get-parameter --with-decryption --name "$parameter" --query Parameter.Value --output text >"$folder/jitconfig"
  # It serves once. That it stays when this fails is no reason not to run the job.
  aws ssm delete-parameter --name "$parameter" || echo "the parameter $parameter stays: delete it" >&2
  source="ACTIONS_RUNNER_INPUT_JITCONFIG_FILE=$folder/jitconfig"
  ;;
esac

# In a file, because `ps` and `systemctl show` would tell it to the job.
cat >"$folder/environment" <<END
$source
TASK_DIR=$folder
DOCKER_HOST=unix:///run/docker.sock
STOP_TIMEOUT=110
SPOT_NOTICE=yes
END

# In a unit of its own, so that a shutdown of the machine ends it in order and no end of the SSM agent does; --wait hands its exit code on.
# Why these properties: actions-runner.service.
exec systemd-run --quiet --collect --wait --pipe --unit=actions-runner-job --property=EnvironmentFile="$folder/environment" \
  --property=KillMode=mixed --property=TimeoutStopSec=120 --property=OOMPolicy=continue --property=LimitNOFILE=65536 \
  --property=NoNewPrivileges=yes '--property=CapabilityBoundingSet=CAP_SETUID CAP_SETGID CAP_KILL CAP_DAC_OVERRIDE' \
  /usr/local/bin/runner-entrypoint
