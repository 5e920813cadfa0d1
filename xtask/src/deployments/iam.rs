//! Who may do what: policies of the roles that the task definitions name, no wider than the task needs.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{ACCOUNT, CLUSTER, REGION};

type Condition = BTreeMap<&'static str, BTreeMap<&'static str, String>>;

/// A policy document.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Policy {
    version: &'static str,
    statement: Vec<Statement>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Statement {
    sid: &'static str,
    effect: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<BTreeMap<&'static str, &'static str>>,
    action: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    resource: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    condition: Condition,
}

fn policy(statement: Vec<Statement>) -> Policy {
    Policy { version: "2012-10-17", statement }
}

fn allow(sid: &'static str, action: &[&'static str], resource: Vec<String>) -> Statement {
    Statement { sid, effect: "Allow", action: action.to_vec(), resource, ..Statement::default() }
}

impl Statement {
    fn only(mut self, operator: &'static str, key: &'static str, value: String) -> Self {
        self.condition.entry(operator).or_default().insert(key, value);
        self
    }
}

fn arn(service: &str, rest: &str) -> String {
    format!("arn:aws:{service}:{REGION}:{ACCOUNT}:{rest}")
}

fn cluster() -> String {
    arn("ecs", &format!("cluster/{CLUSTER}"))
}

/// What the containers may do: protect their task while a job runs, mount the tool cache, and with FireLens send logs.
pub(super) fn task_role() -> Policy {
    policy(vec![
        allow(
            "ProtectOwnTaskFromScaleIn",
            &["ecs:GetTaskProtection", "ecs:UpdateTaskProtection"],
            vec![arn("ecs", &format!("task/{CLUSTER}/*"))],
        )
        .only("ArnEquals", "ecs:cluster", cluster()),
        allow(
            "MountTheToolCache",
            &["elasticfilesystem:ClientMount", "elasticfilesystem:ClientWrite"],
            vec![arn("elasticfilesystem", "file-system/fs-0123456789abcdef0")],
        )
        .only("StringEquals", "elasticfilesystem:AccessPointArn", arn("elasticfilesystem", "access-point/fsap-0123456789abcdef0")),
        allow("LogsOfFireLens", &["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"], log_group()),
    ])
}

/// What ECS itself does before the containers run: images, logs, the secret, and with FireLens the router's configuration.
pub(super) fn execution_role() -> Policy {
    let repositories = ["runner", "runner-dind", "runner-fargate"].map(|name| arn("ecr", &format!("repository/{name}"))).to_vec();
    policy(vec![
        // ECR has no resource for it.
        allow("LogInToEcr", &["ecr:GetAuthorizationToken"], vec!["*".to_owned()]),
        allow("PullImages", &["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"], repositories),
        allow("Logs", &["logs:CreateLogStream", "logs:PutLogEvents"], log_group()),
        allow("ReadTheToken", &["secretsmanager:GetSecretValue"], vec![arn("secretsmanager", "secret:runner/access-token-AbCdEf")]),
        allow("OrItsParameter", &["ssm:GetParameters"], vec![arn("ssm", "parameter/runner/access-token")]),
        allow("ReadFluentBitsConfiguration", &["s3:GetObject"], vec!["arn:aws:s3:::octo-org-runner-config/fluent-bit.conf".to_owned()]),
        allow("FindItsBucket", &["s3:GetBucketLocation"], vec!["arn:aws:s3:::octo-org-runner-config".to_owned()]),
    ])
}

/// For who calls RunTask: these families in this cluster, with these two roles.
pub(super) fn launcher() -> Policy {
    let families = ["runner", "runner-ebs"].map(|family| arn("ecs", &format!("task-definition/{family}:*"))).to_vec();
    let role = |name: &str| format!("arn:aws:iam::{ACCOUNT}:role/{name}");
    policy(vec![
        allow("RunOneTask", &["ecs:RunTask"], families).only("ArnEquals", "ecs:cluster", cluster()),
        allow("SeeAndStopIt", &["ecs:DescribeTasks", "ecs:StopTask"], vec![arn("ecs", &format!("task/{CLUSTER}/*"))]).only(
            "ArnEquals",
            "ecs:cluster",
            cluster(),
        ),
        allow("GiveItItsRoles", &["iam:PassRole"], vec![role("runner-task"), role("runner-execution")]).only(
            "StringEquals",
            "iam:PassedToService",
            "ecs-tasks.amazonaws.com".to_owned(),
        ),
        allow("GiveItsVolumeItsRole", &["iam:PassRole"], vec![role("runner-ebs")]).only(
            "StringEquals",
            "iam:PassedToService",
            "ecs.amazonaws.com".to_owned(),
        ),
    ])
}

/// Who may take a role: a service of AWS, on behalf of this account's ECS and no other's.
pub(super) fn trust(service: &'static str) -> Policy {
    let statement =
        Statement { principal: Some(BTreeMap::from([("Service", service)])), ..allow("OfThisAccount", &["sts:AssumeRole"], vec![]) };
    policy(vec![statement.only("ArnLike", "aws:SourceArn", format!("arn:aws:ecs:{REGION}:{ACCOUNT}:*")).only(
        "StringEquals",
        "aws:SourceAccount",
        ACCOUNT.to_owned(),
    )])
}

fn log_group() -> Vec<String> {
    vec![arn("logs", "log-group:/ecs/runner:*")]
}
