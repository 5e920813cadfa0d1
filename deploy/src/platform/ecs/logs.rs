//! Log drivers and FireLens.

use crate::{report::Findings, rules, tree::Node};

use super::{Definition, name_of};

/// LogConfiguration, "logDriver".
const DRIVERS: [&str; 8] = ["awsfirelens", "awslogs", "fluentd", "gelf", "journald", "json-file", "splunk", "syslog"];

/// Likewise, for Fargate.
const ON_FARGATE: [&str; 3] = ["awsfirelens", "awslogs", "splunk"];

pub(super) fn judge(definition: &Definition<'_>, findings: &mut Findings) {
    let router = definition.containers.iter().find(|container| container.get("firelensConfiguration").is_some());
    let mut users = 0;
    for container in definition.containers {
        let (name, at) = name_of(container);
        let Some(driver) = container.dig(&["logConfiguration", "logDriver"]) else { continue };
        let word = driver.word().unwrap_or_default();
        let allowed: &[&str] = if definition.fargate { &ON_FARGATE } else { &DRIVERS };
        if !allowed.contains(&word) {
            findings.add(
                rules::LOG_DRIVER,
                driver.at,
                format!("{name} logs through {word}, which {} does not have", if definition.fargate { "Fargate" } else { "ECS" }),
                format!("one of {}", allowed.join(", ")),
            );
        }
        if word != "awsfirelens" {
            continue;
        }
        users += 1;
        match router {
            None => findings.add(
                rules::FIRELENS_WITHOUT_ROUTER,
                driver.at,
                format!("{name} logs through awsfirelens, and no container has a firelensConfiguration"),
                "add the log router, or use awslogs",
            ),
            Some(router) => after_router(container, name_of(router).0).unwrap_or_else(|| {
                findings.add(
                    rules::LOG_ROUTER_ORDER,
                    at,
                    format!("{name} does not start after {}, which may be stopped first and lose the last lines", name_of(router).0),
                    format!("\"dependsOn\": [{{\"containerName\": \"{}\", \"condition\": \"START\"}}]", name_of(router).0),
                );
            }),
        }
    }
    if let (0, Some(entry)) = (users, router.and_then(|router| router.entry("firelensConfiguration"))) {
        findings.add(
            rules::ROUTER_WITHOUT_USERS,
            entry.at,
            "a log router that no container logs through",
            "\"logDriver\": \"awsfirelens\" in the others, or take it away",
        );
    }
}

fn after_router(container: &Node, router: &str) -> Option<()> {
    container.list("dependsOn").iter().any(|dependency| dependency.word_of("containerName") == Some(router)).then_some(())
}
