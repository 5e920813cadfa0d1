//! Files that are no deployment, or hardly a file.

use std::{fmt::Write as _, time::Duration};

/// What is shown here and in no row.
pub(crate) const RULES: &[&str] = &["unreadable", "not-a-deployment", "no-runner", "arc-container-mode"];

fn found(text: &str) -> Vec<(&'static str, usize, usize)> {
    deploy::judge("file", text).findings.iter().map(|finding| (finding.rule, finding.line, finding.column)).collect()
}

#[test]
fn what_cannot_be_read_is_said_with_its_place() {
    let mut said = String::new();
    for (text, place) in [
        ("{\"family\": \"a\",}", (1, 15)),
        ("{\"family\": \"a\" // name\n}", (1, 16)),
        ("{'family': 'a'}", (1, 2)),
        ("{\"a\": 1} {}", (1, 10)),
        ("services:\n  a: [1, 2\n", (3, 1)),
        ("services:\n\t- a\n", (2, 2)),
        ("services: *a\n", (1, 11)),
        ("? [a, b]\n: c\n", (1, 3)),
        ("job \"a\" {\n  type = \n}\n", (2, 10)),
        ("job \"a\" {\n  type = \"batch\"\n  type = \"service\"\n}\n", (3, 3)),
    ] {
        let judged = deploy::judge("file", text);
        let [finding] = &judged.findings[..] else { panic!("{text}: {judged:#?}") };
        assert_eq!((finding.rule, (finding.line, finding.column)), ("unreadable", place), "{text:?}: {}", finding.message);
        let _ = writeln!(said, "{text:?}\n  {}\n", finding.message);
    }
    insta::assert_snapshot!(said);
}

#[test]
fn what_is_no_deployment_is_refused() {
    for text in [
        "",
        "# nothing\n",
        "{}",
        "[]",
        "[1, 2]",
        "null",
        "name: CI\non: push\n",
        "variable \"a\" {\n}\n",
        "{\"cluster\": \"a\", \"taskDefinition\": \"b\"}",
    ] {
        assert_eq!(found(text), [("not-a-deployment", 1, 1)], "{text:?}");
    }
    assert_eq!(found("services:\n  web:\n    image: nginx:1.27\n"), [("no-runner", 1, 1)]);
}

/// "A billion laughs": nine lines of YAML that are a gigabyte when every alias is followed.
#[test]
fn a_file_that_multiplies_itself_is_refused_at_once() {
    let mut text = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (name, before) in ('b'..='z').zip('a'..) {
        let _ = writeln!(text, "{name}: &{name} [{}]", vec![format!("*{before}"); 9].join(", "));
    }
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(found(&text)));
    let found = receiver.recv_timeout(Duration::from_secs(30)).expect("the reader ends");
    assert_eq!(found.iter().map(|(rule, ..)| *rule).collect::<Vec<_>>(), ["unreadable"]);
}

/// Much of whatever takes longest: ninety layers of dependsOn took minutes while each way through them was walked anew.
#[test]
fn a_large_file_is_judged_in_seconds() {
    let layered: String = (0..90)
        .map(|layer| {
            let before: Vec<String> =
                (0..layer).map(|other| format!("{{\"containerName\": \"c{other}\", \"condition\": \"START\"}}")).collect();
            format!("{{\"name\": \"c{layer}\", \"image\": \"a:1\", \"dependsOn\": [{}]}},", before.join(","))
        })
        .collect();
    let chained: String = (0..9000)
        .map(|n| {
            format!(
                "{{\"name\": \"c{n}\", \"image\": \"a:1\", \"dependsOn\": [{{\"containerName\": \"c{}\", \"condition\": \"START\"}}]}},",
                n + 1
            )
        })
        .collect();
    let mounts: String = (0..10_000).map(|n| format!("      - volume-of-mine-{n}:/m{n}\n")).collect();
    let volumes: String = (0..10_000).map(|n| format!("  volume-of-yours-{n}:\n")).collect();
    let variables: String = (0..2_000).map(|n| format!("      RUNNER_LABELS_OF_MINE_{n}: x\n      STOP_TIMEOU: {n}\n")).collect();
    let texts = [
        format!("{{\"family\": \"a\", \"containerDefinitions\": [{}]}}", layered.trim_end_matches(',')),
        format!("{{\"family\": \"a\", \"containerDefinitions\": [{}]}}", chained.trim_end_matches(',')),
        format!("services:\n  runner:\n    image: runner:1\n    volumes:\n{mounts}volumes:\n{volumes}"),
        format!("services:\n  runner:\n    image: runner:1\n    environment:\n{variables}"),
    ];
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for text in texts {
            // Whoever waits has gone only when this took too long.
            let _ = sender.send(found(&text).len());
        }
    });
    for _ in 0..4 {
        let found = receiver.recv_timeout(Duration::from_secs(60)).expect("an answer within a minute");
        assert!(found > 0);
    }
}

#[test]
fn what_is_nested_without_end_is_refused() {
    for text in [
        "[".repeat(100_000),
        "{\"a\":".repeat(100_000),
        "- ".repeat(100_000),
        format!("a = {}", "[".repeat(100_000)),
        "a: &a [*a]\n".to_owned(),
    ] {
        let head: String = text.chars().take(8).collect();
        assert_eq!(found(&text).iter().map(|(rule, ..)| *rule).collect::<Vec<_>>(), ["unreadable"], "{head}");
    }
    let deep = format!("{}1{}", "[".repeat(80), "]".repeat(80));
    assert_eq!(found(&deep).iter().map(|(rule, ..)| *rule).collect::<Vec<_>>(), ["unreadable"], "80 levels");
}

/// Columns are what an editor shows: letters, not bytes.
#[test]
fn places_count_letters() {
    let definition = include_str!("../files/ec2.json").replace("\"family\": \"actions-runner\"", "\"cpuß\": \"ä\", \"family\": \"größe\"");
    assert_eq!(found(&definition), [("family", 2, 26)]);
}

/// Whatever is left of a file when it is cut or a letter is changed: an answer, and no panic.
#[test]
fn broken_files_are_judged_without_a_panic() {
    for text in [
        include_str!("../files/ec2.json"),
        include_str!("../files/compose.yaml"),
        include_str!("../files/pod.yaml"),
        include_str!("../files/runner.nomad.hcl"),
    ] {
        for at in (0..text.len()).step_by(7) {
            deploy::judge("cut", &text[..at]);
            let changed = format!("{}[{}", &text[..at], &text[at + 1..]);
            deploy::judge("changed", &changed);
        }
    }
}
