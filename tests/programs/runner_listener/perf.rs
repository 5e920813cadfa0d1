//! `RUNNER_PERFLOG`: one line for each step of the Listener (actions/runner, src/Runner.Common/HostContext.cs, `WritePerfCounter`).

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::SystemTime;

/// Appends `name:timestamp` to `Runner.perf` in the directory that the variable names. Never a failure.
pub(crate) fn note(environment: &BTreeMap<String, String>, name: &str) {
    let Some(directory) = environment.get("RUNNER_PERFLOG").filter(|text| !text.is_empty()) else { return };
    let _ = fs::create_dir_all(directory);
    let file = fs::OpenOptions::new().create(true).append(true).open(Path::new(directory).join("Runner.perf"));
    let now = humantime::format_rfc3339_micros(SystemTime::now());
    // A colon parts name and time.
    let _ = file.and_then(|mut file| file.write_all(format!("{}:{now}\n", name.replace(':', "_")).as_bytes()));
}
