use super::*;

fn parse(line: &str) -> Result<Asked, String> {
    parsed(line.split_whitespace().map(OsString::from)).map_err(|error| error.to_string())
}

fn request(line: &str) -> Request {
    let Ok(Asked::For(request)) = parse(line) else { panic!("{line}") };
    request
}

fn verb(line: &str) -> Verb {
    request(line).verb
}

fn way(trust: &str, jobs: usize) -> Way {
    Way { from: "/a".into(), to: "/b".into(), trust: trust.into(), jobs }
}

#[test]
fn what_is_not_said_has_its_usual_value() {
    let all = Selection::default;
    let remote = || "/a".into();
    for (line, expected) in [
        (
            "restore --from /a --to /b",
            Verb::Restore { way: way("shared", 64), selection: all(), allow: None, read_only: false, export: false },
        ),
        ("save --from /a --to /b", Verb::Save { way: way("shared", 64), layout: Layout::Pack, import: false }),
        ("import /a /b", Verb::Save { way: way("shared", 64), layout: Layout::Pack, import: true }),
        ("export /a /b", Verb::Restore { way: way("shared", 64), selection: all(), allow: None, read_only: true, export: true }),
        ("list /a", Verb::List { remote: remote(), trust: None, long: false, digests: false }),
        ("verify /a", Verb::Verify { remote: remote(), trust: None, selection: all(), quarantine: false }),
        ("gc /a", Verb::Gc { remote: remote(), unused_for: Duration::from_secs(30 * 86_400), dry_run: false }),
    ] {
        assert_eq!(parse(line), Ok(Asked::For(Request { verb: expected, style: Style::Human })), "{line}");
    }
    assert_eq!(parse("save --help --nonsense"), Ok(Asked::Help("cache save".into())));
    assert_eq!(parse("-h"), Ok(Asked::Help("cache".into())));
}

#[test]
fn all_that_can_be_said_is_understood() {
    let temp = tempfile::tempdir().unwrap();
    let list = temp.path().join("allow");
    let (one, two) = (Digest::of(b"1"), Digest::of(b"2"));
    std::fs::write(&list, format!("# signed off\n\n{one}\n sha256:{two}   # node 20\n")).unwrap();
    let list = list.display();
    let line = format!("restore --from /a --to /b --tools node@20 --allow {list} --read-only --trust team-a --jobs 3 --report json");
    let node = || Selection::parse("node@20").unwrap();
    let expected =
        Verb::Restore { way: way("team-a", 3), selection: node(), allow: Some([one, two].into()), read_only: true, export: false };
    assert_eq!(parse(&line), Ok(Asked::For(Request { verb: expected, style: Style::Json })));
    let team = || Some("team-a".to_owned());
    let remote = || "/a".into();
    for (line, expected) in [
        ("save --from /a --to /b --layout tree", Verb::Save { way: way("shared", 64), layout: Layout::Tree, import: false }),
        ("import --trust team-a /a --jobs 3 /b", Verb::Save { way: way("team-a", 3), layout: Layout::Pack, import: true }),
        (
            "export /a /b --tools node@20",
            Verb::Restore { way: way("shared", 64), selection: node(), allow: None, read_only: true, export: true },
        ),
        ("list --trust team-a --long /a", Verb::List { remote: remote(), trust: team(), long: true, digests: false }),
        ("list /a --digests", Verb::List { remote: remote(), trust: None, long: false, digests: true }),
        (
            "verify /a --trust team-a --tools node@20 --quarantine",
            Verb::Verify { remote: remote(), trust: team(), selection: node(), quarantine: true },
        ),
        ("gc --unused-for 12h --dry-run /a", Verb::Gc { remote: remote(), unused_for: Duration::from_secs(12 * 3600), dry_run: true }),
    ] {
        assert_eq!(verb(line), expected, "{line}");
    }
    assert_eq!(request("list /a --json").style, Style::Json);
    assert_eq!(request("save --from /a --to /b --report both").style, Style::Both);
}

#[test]
fn what_is_wrong_is_named() {
    let temp = tempfile::tempdir().unwrap();
    let list = temp.path().join("allow");
    std::fs::write(&list, "# fine\nabc\n").unwrap();
    let list = list.display();
    for (words, expected) in [
        ("", "say restore, save, import, export, list, verify or gc after it".to_owned()),
        ("restore", "--from is missing".into()),
        ("restore --from /a", "--to is missing".into()),
        ("sync", "unexpected argument \"sync\"".into()),
        ("save --from /a --to /b again", "unexpected argument \"again\"".into()),
        ("save --nonsense", "invalid option '--nonsense'".into()),
        ("save --report xml", "--report takes human or json or both, not \"xml\"".into()),
        ("save --layout zip", "--layout takes pack or tree, not \"zip\"".into()),
        ("save --jobs 0", "--jobs takes 1 to 256".into()),
        ("save --trust A", "--trust takes 1 to 32 of a to z, 0 to 9 and -, not \"A\"".into()),
        ("save --from /a --to /b --read-only", "--read-only is an option of restore".into()),
        ("restore --from /a --to /b --layout pack", "--layout is an option of save".into()),
        ("list --from /a", "--from is an option of restore and save".into()),
        ("save --tools go", "--tools is an option of restore, export and verify".into()),
        ("list --dry-run /a", "--dry-run is an option of gc".into()),
        ("import /a", "REMOTE is missing: import TREE REMOTE".into()),
        ("gc", "REMOTE is missing: gc REMOTE".into()),
        ("list /a /b", "unexpected argument \"/b\"".into()),
        ("gc /a --unused-for soon", "--unused-for takes a time span as 30d, 12h or 1h 30m, not \"soon\"".into()),
        ("list /a --digests --json", "--digests goes with neither --json nor --long: it prints lines of its own".into()),
        (
            "save --from /a --to /b --layout tree --trust a",
            "--layout tree and --trust do not go together: a tree does not say which domain it is of".into(),
        ),
        ("restore --tools @3", "--tools: \"@3\" is no tool: write node, or node@20 for the versions that begin with 20".into()),
        (&format!("restore --allow {list}"), format!("--allow {list}, line 2: 64 hexadecimal digits are wanted, not \"abc\"")),
        (&format!("restore --allow {list}x"), format!("--allow {list}x: No such file or directory (os error 2)")),
    ] {
        assert_eq!(parse(words), Err(expected), "{words}");
    }
}

#[test]
fn help_and_the_parser_know_the_same_commands_and_options() {
    let told: Vec<&str> = COMMANDS.iter().filter_map(|command| command.name.strip_prefix("cache ")).collect();
    assert_eq!(told, VERBS.map(|(verb, _)| verb));
    for (verb, places) in VERBS {
        let command = COMMANDS.iter().find(|command| command.name.ends_with(verb)).unwrap();
        let usage = format!("{} [OPTION...]", places.join(" "));
        assert!(places.is_empty() || command.usage == usage, "{verb}: {}", command.usage);
        for switch in command.switches {
            let said = parse(&format!("{verb} --{}", switch.long));
            let valueless = said.as_ref().is_err_and(|error| error.contains(&format!("missing argument for option '--{}'", switch.long)));
            assert_eq!(valueless, !switch.value.is_empty(), "{verb} --{}: {said:?}", switch.long);
            assert!(
                !said.is_err_and(|error| error.contains("invalid option") || error.contains("is an option of")),
                "{verb} --{}",
                switch.long
            );
        }
    }
}

#[test]
fn help_tells_what_holds_when_nothing_is_said() {
    let default = |name: &str, option: &str| {
        let command = COMMANDS.iter().find(|command| command.name == name).unwrap();
        command.switches.iter().find(|switch| switch.long == option).unwrap().default
    };
    let Verb::Restore { way, .. } = verb("restore --from /a --to /b") else { panic!() };
    assert_eq!((default("cache restore", "jobs"), default("cache restore", "trust")), (way.jobs.to_string().as_str(), way.trust.as_str()));
    assert_eq!(humantime::parse_duration(default("cache gc", "unused-for")), Ok(UNUSED_FOR));
}
