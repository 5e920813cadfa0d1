//! The rules of the ECS agent, as far as a task of a few containers meets them: a task definition's own file is run by a real dockerd.
//!
//! `definition` reads the file and refuses every key that nobody here honours; `order` is the pure part, what is started and stopped
//! when; `plan` turns a definition into what docker is asked for; `instance` is the host, `task` does it. Sources are
//! aws/amazon-ecs-agent (`agent/engine/dependencygraph/graph.go`, `agent/engine/docker_task_engine.go`, `agent/api/task/task.go`) and
//! the task definition's reference. Not here: resources beyond single containers, IAM, pulls, restarts, ECS Exec.
//!
//! ```no_run
//! use std::{path::Path, time::Duration};
//! use runner_tests::{agent::{Definition, Instance, Overrides}, bed::Bed, engine::Form};
//!
//! let definition = Definition::read(Path::new("images/ecs/ec2.json")).expect("a definition that is understood");
//! let instance = Instance::new(Bed::new(), Form::default());
//! let mut task = instance.run(&definition, &Overrides::default());
//! task.wait_for("the runner to listen", Duration::from_secs(60), |task| task.log("runner").contains("Listening for Jobs"));
//! task.stop();
//! assert_eq!(task.wait(Duration::from_secs(120))["runner"], 0);
//! ```

mod definition;
mod firelens;
mod instance;
mod network;
mod order;
mod plan;
mod task;

pub use definition::{Container, Definition, EFFECTLESS};
pub use instance::{Instance, Secrets};
pub use order::{Act, Condition, Rule, State, longest_stop, next};
pub use plan::Overrides;
pub use task::{Entry, Task};
