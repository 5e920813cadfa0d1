//! The variables of the two programs.

use crate::{
    known::{self},
    report::Findings,
    rules,
    task::{Container, Task},
};

use super::secrets;

pub(super) fn judge(task: &Task, findings: &mut Findings) {
    for container in &task.containers {
        for variable in &container.variables {
            if let Some((value, at)) = &variable.value
                && !value.is_empty()
                && known::is_secret(&variable.name)
            {
                secrets::complain(task.platform, &container.name, &variable.name, *at, findings);
            }
        }
        names(container, findings);
    }
}

fn names(container: &Container, findings: &mut Findings) {
    let Some(program) = container.role.program() else { return };
    for variable in &container.variables {
        let name = variable.name.as_str();
        if known::is_known(program, name) {
            continue;
        }
        if known::is_known(program.other(), name) {
            let (whose, runs) = (program.other().name(), program.name());
            findings.add(
                rules::SETTING_OF_THE_OTHER,
                variable.at,
                format!("{name} is a setting of {whose}, and {} runs {runs}", container.name),
                if known::is_secret(name) { "take it away: the sidecar needs no secret" } else { "give it to the other container" },
            );
        } else if let Some(meant) = known::nearest(program, name) {
            findings.add(
                rules::SETTING_MISSPELT,
                variable.at,
                format!("{} knows no setting {name}", program.name()),
                format!("{meant} is meant, probably"),
            );
        }
    }
}
