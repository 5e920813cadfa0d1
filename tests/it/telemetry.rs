//! What a life tells besides its log: metrics for CloudWatch and Prometheus, a trace, the group in the job's own log; and what no line
//! may say.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt as _,
    process::{Command, Stdio},
    time::Duration,
};

use runner_tests::{
    bed::Bed,
    filters,
    fixtures::Tool,
    github::{Job, Route, Step},
    need::{Need, need},
    process::Ending,
};
use serde_json::Value;

const DEADLINE: Duration = Duration::from_secs(40);

/// Records and metrics of a log for machines.
fn objects(log: &str) -> Vec<Value> {
    log.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// Begins, and goes on until `go` is there.
fn waiting_job(bed: &Bed) -> Job {
    Job::new("build", &format!("touch {}; until [ -e {} ]; do sleep 0.02; done", bed.path("begun").display(), bed.path("go").display()))
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Status line and body.
fn get(port: u16, path: &str) -> (String, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer}"));
    (head.lines().next().unwrap().to_owned(), body.to_owned())
}

/// What Prometheus' own tool has against it; nothing where it cannot be had.
fn prometheus_takes(text: &str) {
    if !need(&[Need::Promtool]) {
        return;
    }
    let mut tool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    tool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let end = tool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&end.stderr).into_owned() + &String::from_utf8_lossy(&end.stdout);
    assert!(end.status.success() && said.trim().is_empty(), "{said}\n{text}");
}

fn sample<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))
}

#[test]
fn a_log_with_metrics_is_one_that_cloudwatch_counts() {
    let bed = Bed::new();
    let _ = bed.tool_cache("remote").with(Tool::Node, "20.11.0");
    bed.github().queue_job(Job::new("build", "exit 1"));
    let remote = bed.path("remote").to_string_lossy().into_owned();
    let launch = bed.entrypoint().env("LOG_FORMAT", "json").env("AWS_EMF_NAMESPACE", "Runners").env("TOOL_CACHE_REMOTE", remote);
    let mut life = launch.start();
    assert_eq!(life.wait(DEADLINE), Ending::Code(0));
    let log = objects(&life.stdout());
    let lines: Vec<&Value> = log.iter().filter(|object| object.get("_aws").is_some()).collect();
    assert_eq!(lines.len(), 2, "{log:#?}");
    let [ready, end] = lines[..] else { panic!() };
    assert!(ready["TimeToReady"].as_f64().is_some_and(|seconds| seconds > 0.0), "{ready}");
    assert_eq!((&end["JobsFailed"], &end["JobsSucceeded"], &end["Failures"]), (&1.0.into(), &0.0.into(), &0.0.into()), "{end}");
    assert_eq!((&end["RestoredVersions"], &end["RegistrationsLeft"]), (&1.0.into(), &0.0.into()), "{end}");
    assert_eq!((&end["Deregistration"], &end["Reason"]), (&"with_job".into(), &"job_done".into()), "{end}");
    assert!(end["RestoredBytes"].as_f64() > Some(1000.0) && end["JobDuration"].is_number() && end["IdleDuration"].is_number(), "{end}");
    // And the record for people and searches has the same numbers.
    let last = log.iter().rfind(|object| object["event"] == "ended").unwrap();
    assert_eq!(last["fields"]["restored_versions"], 1, "{last}");
    assert!(last["fields"]["restore_ms"].is_number() && last["fields"]["register_ms"].is_number(), "{last}");
}

#[test]
fn metrics_in_a_file_are_always_those_of_now() {
    let bed = Bed::new();
    let file = bed.directory("metrics").join("runner.prom");
    bed.github().queue_job(waiting_job(&bed));
    let mut life = bed.entrypoint().env("METRICS_FILE", file.to_string_lossy()).start();
    bed.wait_for("the job to begin", DEADLINE, || bed.path("begun").exists());
    let text = || fs::read_to_string(&file).unwrap_or_default();
    bed.wait_for("it to be counted", DEADLINE, || sample(&text(), "gha_runner_busy") == Some("1"));
    prometheus_takes(&text());
    assert!(text().contains(r#"gha_runner_phase{phase="running"} 1"#), "{}", text());
    assert_eq!(sample(&text(), "gha_runner_jobs_succeeded"), None);
    fs::write(bed.path("go"), "").unwrap();
    assert_eq!(life.wait(DEADLINE), Ending::Code(0));
    prometheus_takes(&text());
    assert_eq!((sample(&text(), "gha_runner_busy"), sample(&text(), "gha_runner_jobs_succeeded")), (Some("0"), Some("1")));
    assert!(text().contains(r#"gha_runner_end{exit_code="0",reason="job_done"} 1"#), "{}", text());
    let left: Vec<_> = fs::read_dir(bed.path("metrics")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["runner.prom"]);
}

#[test]
fn metrics_are_served_while_the_runner_lives_by_a_process_without_rights() {
    let bed = Bed::new();
    let port = free_port();
    // As the sidecar would.
    fs::create_dir_all(bed.task_dir().join("dind")).unwrap();
    fs::write(bed.task_dir().join("dind/metrics.prom"), "# HELP gha_dind_ready Ready.\n# TYPE gha_dind_ready gauge\ngha_dind_ready 1\n")
        .unwrap();
    bed.github().queue_job(waiting_job(&bed));
    let mut life = bed.entrypoint().env("METRICS_LISTEN", format!("127.0.0.1:{port}")).start();
    bed.wait_for("the job to begin", DEADLINE, || bed.path("begun").exists());
    bed.wait_for("it to be served", DEADLINE, || TcpStream::connect(("127.0.0.1", port)).is_ok());
    bed.wait_for("it to be counted", DEADLINE, || sample(&get(port, "/metrics").1, "gha_runner_busy") == Some("1"));
    let (status, text) = get(port, "/metrics");
    assert_eq!((status.as_str(), sample(&text, "gha_dind_ready")), ("HTTP/1.1 200 OK", Some("1")), "{text}");
    prometheus_takes(&text);
    assert_eq!(get(port, "/").0, "HTTP/1.1 404 Not Found");
    // Whoever is slow, or many, is in nobody's way but his own.
    let guests: Vec<TcpStream> = (0..40).map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap()).collect();
    drop(guests);
    bed.wait_for("it to answer again", DEADLINE, || get(port, "/metrics").0 == "HTTP/1.1 200 OK");
    if nix::unistd::geteuid().is_root() {
        let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", life.pid())).unwrap();
        let user = |pid: &str| {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
            status.lines().find_map(|line| line.strip_prefix("Uid:\t")?.split('\t').next().map(str::to_owned))
        };
        let users: Vec<String> = children.split_whitespace().filter_map(user).collect();
        assert!(users.contains(&"65534".to_owned()), "{users:?}");
    }
    fs::write(bed.path("go"), "").unwrap();
    assert_eq!(life.wait(DEADLINE), Ending::Code(0));
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "it outlived its runner");
}

#[test]
fn a_port_that_is_taken_costs_the_metrics_and_not_the_job() {
    let bed = Bed::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    bed.github().queue_job(Job::new("build", "sleep 0.5"));
    let mut life = bed.entrypoint().env("METRICS_LISTEN", address.to_string()).env("METRICS_FILE", "/missing/runner.prom").start();
    assert_eq!(life.wait(DEADLINE), Ending::Code(0));
    let log = life.stdout();
    assert!(log.contains(&format!("METRICS_LISTEN: cannot listen at {address}: ")), "{log}");
    assert!(log.contains("METRICS_FILE: /missing/runner.prom cannot be written, and will not be: No such file or directory"), "{log}");
    assert_eq!(bed.github().finished()[0].result, "Succeeded");
}

#[test]
fn a_trace_has_what_took_time_and_what_it_came_to() {
    let bed = Bed::new();
    let file = bed.path("trace.json");
    bed.github().script(Route::GenerateJit, [Step::status(502, "bad gateway")]);
    bed.github().queue_job(Job::new("build", "true"));
    let mut life = bed.entrypoint().arg("--trace").arg(&file.to_string_lossy()).start();
    assert_eq!(life.wait(DEADLINE), Ending::Code(0));
    let trace: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let events: Vec<&Value> = trace["traceEvents"].as_array().unwrap().iter().filter(|event| event["ph"] == "X").collect();
    let named = |name: &str| *events.iter().find(|event| event["name"] == name).unwrap_or_else(|| panic!("{name} is not in {trace:#}"));
    for phase in ["checking", "preparing", "running", "settling", "runner-entrypoint"] {
        assert!(named(phase)["dur"].is_u64() && named(phase)["ts"].as_u64() > Some(1_700_000_000_000_000), "{trace:#}");
    }
    assert_eq!(named("preparing")["args"]["outcome"], "warned");
    assert_eq!(named("register")["args"]["outcome"], "ok");
    assert_eq!(named("runner-entrypoint")["args"]["register_retries"], 1);
    // What goes on beside a phase lies within the life.
    let (life_begins, life_lasts) =
        (named("runner-entrypoint")["ts"].as_u64().unwrap(), named("runner-entrypoint")["dur"].as_u64().unwrap());
    for event in &events {
        assert_ne!(event["args"]["outcome"], "goes on", "{event}");
        let (begins, lasts) = (event["ts"].as_u64().unwrap(), event["dur"].as_u64().unwrap());
        assert!(begins >= life_begins && begins + lasts <= life_begins + life_lasts + 1, "{event}");
    }
}

#[test]
fn developers_read_in_their_job_what_their_runner_is() {
    let bed = Bed::new();
    let _ = bed.tool_cache("remote").with(Tool::Node, "20.11.0");
    let job = waiting_job(&bed);
    let remote = bed.path("remote").to_string_lossy().into_owned();
    let mut life = bed.entrypoint().env("ImageOS", "ubuntu24").env("ImageVersion", "20261101.1").env("TOOL_CACHE_REMOTE", remote).start();
    life.wait_for_line("Listening for Jobs", DEADLINE);
    let file = bed.runner_home().path().join(".setup_info");
    bed.wait_for("the time to ready to be written", DEADLINE, || fs::read_to_string(&file).is_ok_and(|text| text.contains("ready ")));
    bed.github().queue_job(job);
    bed.wait_for("the job to begin", DEADLINE, || bed.path("begun").exists());
    fs::write(bed.path("go"), "").unwrap();
    assert_eq!(life.wait(DEADLINE), Ending::Code(0));
    let log = bed.github().finished()[0].set_up.clone();
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"\brunner-[a-z0-9]{12}\b", "runner-[SUFFIX]");
    settings.add_filter(r"\b\d+(\.\d+)? m?s\b", "[SPAN]");
    settings.add_filter(r"\(\d[\d,]* files, [^)]*\)", "([SIZE])");
    settings.add_filter(&filters::literal(&bed.path("").display().to_string()), "[BED]/");
    let system = fs::read_to_string("/etc/os-release").unwrap();
    let system = system.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")).unwrap().trim_matches('"').to_owned();
    settings.add_filter(&filters::literal(&system), "[SYSTEM]");
    settings.add_filter(&filters::literal(env!("CARGO_PKG_VERSION")), "[VERSION]");
    settings.bind(|| insta::assert_snapshot!(log));
}

#[test]
fn a_runner_may_be_kept_from_telling_developers_anything() {
    let bed = Bed::new();
    bed.github().queue_job(Job::new("build", "echo nothing else"));
    let mut life = bed.entrypoint().env("SETUP_INFO", "no").start();
    assert_eq!(life.wait(DEADLINE), Ending::Code(0));
    let finished = bed.github().finished();
    assert_eq!((finished[0].set_up.as_str(), finished[0].log.trim()), ("", "nothing else"));
    assert!(!bed.runner_home().path().join(".setup_info").exists());
}

/// The last net: a program that prints what it must not. (A `run.sh` with `set -x` once had its registration in everybody's log.)
#[test]
fn secrets_that_somebody_prints_are_blotted_out_of_every_line() {
    let bed = Bed::new();
    let home = bed.runner_home();
    let script = format!(
        "#!/bin/bash\necho \"the configuration is $ACTIONS_RUNNER_INPUT_JITCONFIG\"\necho 'the token is {}.' >&2\nexec \"$(dirname \"$0\")/bin/Runner.Listener\" run\n",
        bed.token()
    );
    fs::write(home.path().join("run.sh"), script).unwrap();
    fs::set_permissions(home.path().join("run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    for form in ["json", "human"] {
        bed.github().queue_job(Job::new("build", "true"));
        let mut life = bed.entrypoint().env("RUNNER_COMMAND", "run.sh").env("LOG_FORMAT", form).start();
        assert_eq!(life.wait(DEADLINE), Ending::Code(0));
        let log = life.stdout() + &life.stderr();
        assert!(log.contains("the configuration is ***") && log.contains("the token is ***."), "{log}");
        assert!(!log.contains(bed.token()), "{log}");
        // Nor any long part of the configuration.
        let longest = log.split(|c: char| !(c.is_ascii_alphanumeric() || "+/=".contains(c))).map(str::len).max();
        assert!(longest < Some(200), "{log}");
    }
}

/// The schema that docs/logs.md describes.
#[test]
fn a_log_for_machines_has_one_schema() {
    let bed = Bed::new();
    bed.github().queue_job(Job::new("build", "true"));
    let mut life = bed.entrypoint().env("LOG_FORMAT", "json").start();
    assert_eq!(life.wait(DEADLINE), Ending::Code(0));
    let known = ["time", "level", "phase", "source", "event", "labels", "message", "fields"];
    let mut lines = String::new();
    for line in life.stdout().lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        let object = record.as_object().unwrap();
        assert!(object.keys().all(|key| known.contains(&key.as_str())), "{record}");
        assert!(object.contains_key("phase") != object.contains_key("source"), "whose line is it? {record}");
        if record["source"] != "runner" {
            lines.push_str(&format!("{line}\n"));
        }
    }
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r#""time":"[^"]+""#, r#""time":"[TIME]""#);
    settings.add_filter(r"\brunner-[a-z0-9]{12}\b", "runner-[SUFFIX]");
    settings.add_filter(r"(_ms\x22:)\d+", "$1[MS]");
    settings.add_filter(r"\b\d+ ms", "[MS] ms");
    settings.add_filter(r"\(id \d+\)", "(id [ID])");
    settings.bind(|| insta::assert_snapshot!(lines));
}

#[test]
fn the_end_is_a_chart_for_people_and_not_for_machines() {
    let bed = Bed::new();
    bed.github().queue_job(Job::new("build", "true"));
    let mut life = bed.entrypoint().env("LOG_FORMAT", "human").env("NO_COLOR", "1").start();
    assert_eq!(life.wait(DEADLINE), Ending::Code(0));
    let log = life.stdout();
    let chart: Vec<&str> = log.lines().skip_while(|line| !line.trim_end().ends_with("lasts  outcome")).skip(1).collect();
    let named: Vec<&str> = chart.iter().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(named, ["checking", "preparing", "register", "running", "job", "killing", "settling"], "{log}");
    assert!(chart.iter().all(|line| line.contains(" ok ")), "{log}");
}
