use std::ffi::OsStr;

use settings::{Effective, Origin, Problem, Problems};

use super::*;

fn setting(name: &'static str, group: &'static str, value: Option<&str>, origin: Origin) -> Effective {
    Effective { name, group, secret: false, value: value.map(str::to_owned), origin }
}

/// A runner for which all is well.
fn well() -> Checkup {
    Checkup {
        program: "runner-entrypoint",
        version: "0.1.0",
        platform: Some(Platform::Ecs),
        configuration: vec![
            ("target", "repository acme/widgets".to_owned()),
            ("stop", "30 s: a job may run on for 20.0 s, then 4.0 s to cancel it, 6.0 s to save and deregister".to_owned()),
        ],
        settings: vec![
            Effective { secret: true, ..setting("ACCESS_TOKEN", "GitHub", None, Origin::File("/run/secrets/github".into())) },
            Effective { secret: true, ..setting("APP_PRIVATE_KEY", "GitHub", None, Origin::Unset) },
            setting("REPO_URL", "GitHub", Some("https://github.com/acme/widgets"), Origin::Variable("REPO_URL".into())),
            setting("RUNNER_LABELS", "Registration", Some("big"), Origin::Variable("LABELS".into())),
            setting("STOP_TIMEOUT", "Stop", Some("30"), Origin::Flag("stop-timeout".into())),
            setting("LOG_LEVEL", "Output", Some("info"), Origin::Default),
        ],
        sections: vec![
            Section { name: "Settings", checks: vec![Check::of_settings(None, 78)] },
            Section { name: "Docker", checks: vec![Check::seen("daemon", "Docker 29.1, API 1.52, at unix:///run/task/docker.sock")] },
            Section {
                name: "GitHub",
                checks: vec![Check::seen("registration", "may register"), Check::seen("clock", "as GitHub's, to the second")],
            },
        ],
    }
}

fn warned() -> Checkup {
    let mut checkup = well();
    checkup.sections[0].checks[0]
        .warn("RUNNER_GROUP is not used: a repository has no runner groups, only organisations and enterprises have");
    checkup.sections[0].checks[0].warn("STOP_TIMOUT is not a setting; did you mean STOP_TIMEOUT?");
    let open_files = Cure::On(vec![
        (Platform::Docker, "--ulimit nofile=1048576:1048576".to_owned()),
        (Platform::Ecs, "\"ulimits\": [{\"name\": \"nofile\", \"softLimit\": 1048576, \"hardLimit\": 1048576}]".to_owned()),
    ]);
    let what = "only 1024 files may be open at once, in dockerd and in each container";
    checkup.sections[1].checks[0].find(Weight::Warning, what, open_files);
    checkup.sections[2].checks[1].warn("the clock of this host is 45 s ahead of GitHub's\nhint: set the clock of this host");
    checkup
}

fn failed() -> Checkup {
    let mut checkup = warned();
    let daemon = &mut checkup.sections[1].checks[0];
    daemon.seen = "does not answer".to_owned();
    daemon.fail(69, "there is no socket at /run/task/docker.sock\nhint: is /run/task one volume, mounted at this path in both containers?");
    let registration = &mut checkup.sections[2].checks[0];
    registration.seen = "not permitted".to_owned();
    registration.fail(
        77,
        "GitHub forbids it (403): Resource not accessible by personal access token\nhint: grant \"Administration\": write\nhint: then try again",
    );
    checkup.sections.push(Section { name: "Empty", checks: vec![] });
    checkup
}

const PLAINLY: Style = Style { colour: false, width: None };

#[test]
fn all_well_in_text() {
    insta::assert_snapshot!(well().text(PLAINLY));
}

#[test]
fn warnings_in_text() {
    insta::assert_snapshot!(warned().text(PLAINLY));
}

#[test]
fn failures_in_text() {
    insta::assert_snapshot!(failed().text(PLAINLY));
}

#[test]
fn failures_on_a_narrow_terminal() {
    let text = failed().text(Style { colour: false, width: Some(72) });
    assert!(text.lines().all(|line| line.chars().count() <= 72), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn failures_in_colour() {
    let text = failed().text(Style { colour: true, width: None });
    insta::assert_snapshot!(text.replace('\x1b', "ESC"));
    // What is coloured is what is written.
    let bare: String =
        text.split('\x1b').enumerate().map(|(n, part)| if n == 0 { part } else { part.split_once('m').unwrap().1 }).collect();
    assert_eq!(bare, failed().text(PLAINLY));
}

#[test]
fn everything_in_json() {
    for (name, checkup) in [("well", well()), ("warned", warned()), ("failed", failed())] {
        let json = checkup.json();
        assert_eq!(json.lines().count(), 1);
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        insta::assert_snapshot!(format!("json_of_{name}"), serde_json::to_string_pretty(&value).unwrap());
    }
}

#[test]
fn the_exit_code_is_that_of_what_a_person_must_act_on_first() {
    let codes = |codes: &[u8]| {
        let mut check = Check::seen("it", "");
        check.warn("a warning");
        codes.iter().for_each(|code| check.fail(*code, "a failure"));
        Checkup { sections: vec![Section { name: "All", checks: vec![check] }], ..well() }.exit_code()
    };
    for (given, expected) in [
        (&[][..], 0),
        (&[75], 75),
        (&[75, 69], 69),
        (&[69, 75], 69),
        (&[71, 69], 71),
        (&[77, 71, 69], 77),
        (&[69, 78, 77], 78),
        (&[70, 75], 75),
    ] {
        assert_eq!(codes(given), expected, "{given:?}");
    }
}

#[test]
fn one_line_says_what_would_become_of_a_start() {
    let mut one = well();
    assert_eq!(one.summary(), "ready to run");
    one.sections[1].checks[0].warn("slow");
    assert_eq!(one.summary(), "would run, with 1 warning");
    one.sections[1].checks[0].fail(69, "gone");
    assert_eq!(one.summary(), "1 thing stands in the way: daemon; 1 warning (exit code 69)");
    one.sections[1].checks[0].fail(69, "and more");
    one.sections[2].checks[0].fail(77, "forbidden");
    assert_eq!(one.summary(), "3 things stand in the way: daemon, registration; 1 warning (exit code 77)");
}

#[test]
fn a_setting_that_is_wrong_keeps_its_hint() {
    let problem =
        |hint: Option<&str>| Problem { setting: "STOP_TIMEOUT".into(), what: "`soon` is wrong".into(), hint: hint.map(str::to_owned) };
    let check = Check::of_settings(Some(&Problems(vec![problem(Some("write\n5")), problem(None)])), 78);
    assert_eq!(check.findings.iter().map(|finding| finding.hints(None).len()).collect::<Vec<_>>(), [2, 0]);
    assert_eq!(check.worst(), Some(Weight::Failure(78)));
}

#[test]
fn a_cure_that_was_told_is_not_told_again() {
    let mut check = Check::seen("it", "");
    check.fail(69, "the first: and why\nhint: do this");
    check.fail(69, "the second\nhint: do this");
    let mut telling = Telling::default();
    let lines: Vec<Vec<String>> = check.findings.iter().map(|finding| telling.lines(finding, None)).collect();
    assert_eq!(lines, [vec!["the first: and why", "hint: do this"], vec!["the second", "hint: as for \"the first\""]]);
}

#[test]
fn a_platform_is_known_by_what_it_sets() {
    let of = |names: &[&str]| Platform::of(names.iter().map(OsStr::new));
    assert_eq!(of(&["PATH"]), None);
    assert_eq!(of(&["PATH", "NOMAD_ALLOC_ID"]), Some(Platform::Nomad));
    assert_eq!(of(&["KUBERNETES_SERVICE_HOST", "ECS_CONTAINER_METADATA_URI_V4"]), Some(Platform::Ecs));
}

#[test]
fn what_was_read_elsewhere_cannot_forge_a_line() {
    let mut check = Check::seen("it", "a\x1b[2Jb\rc");
    check.warn("x\x07y\nhint: z\x1b[0m");
    let text = Checkup { sections: vec![Section { name: "All", checks: vec![check] }], ..well() }.text(PLAINLY);
    assert!(text.contains(r"a\u{1b}[2Jb\rc") && text.contains(r"x\u{7}y") && !text.contains('\x1b'), "{text}");
}
