//! What others know to check: botocore, cfn-lint, kubernetes-validate, python-hcl2, hadolint, zizmor, shellcheck.
