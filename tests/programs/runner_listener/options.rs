//! Options: `--name value` on the command line, else `ACTIONS_RUNNER_INPUT_NAME` in the environment (actions/runner,
//! src/Runner.Listener/CommandSettings.cs).

use std::collections::BTreeMap;

/// Variables with this prefix are options and are not passed on.
const INPUT: &str = "ACTIONS_RUNNER_INPUT_";

#[derive(Debug)]
pub(crate) struct Options {
    arguments: Vec<String>,
    inputs: BTreeMap<String, String>,
}

impl Options {
    /// Takes the options out of the environment; what is left of it is for the job.
    pub(crate) fn take(arguments: &[String]) -> (Self, BTreeMap<String, String>) {
        let (environment, inputs) = std::env::vars().partition(|(name, _)| !name.to_uppercase().starts_with(INPUT));
        (Self { arguments: arguments.to_vec(), inputs }, environment)
    }

    /// A value, if it is given and not empty.
    pub(crate) fn value(&self, name: &str) -> Option<String> {
        let given = self.arguments.iter().position(|argument| argument == &format!("--{name}")).and_then(|at| self.arguments.get(at + 1));
        given.map(String::as_str).or(self.input(name)).filter(|text| !text.is_empty()).map(str::to_owned)
    }

    /// A flag: a word of the command line, or `true` in the environment.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.arguments.iter().any(|argument| argument == &format!("--{name}"))
            || self.input(name).is_some_and(|text| text.eq_ignore_ascii_case("true"))
    }

    fn input(&self, name: &str) -> Option<&str> {
        self.inputs.iter().find(|(key, _)| key[INPUT.len()..].eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }
}
