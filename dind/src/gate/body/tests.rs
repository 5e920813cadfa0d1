use serde_json::json;

use super::*;

const HOST_ID: &str = "2f0a9c7d5e";

fn allow(entries: &[&str]) -> Allow {
    Allow::read(entries.iter().copied()).unwrap().and_path("/home/runner/_work").and_path("/var/run/docker.sock")
}

fn judge(kind: Kind, body: &str, entries: &[&str]) -> Result<String, String> {
    let allow = allow(entries);
    let judged = Judge { allow: &allow, host_network: HOST_ID }.body(kind, body.as_bytes());
    judged.map(|body| String::from_utf8(body).unwrap()).map_err(|refusal| refusal.to_string())
}

fn host(config: &Value, entries: &[&str]) -> Result<String, String> {
    judge(Kind::Create, &json!({ "Image": "x", "HostConfig": config }).to_string(), entries)
}

/// Every field that reaches beyond the container, what it must not say, and the entry that allows it.
#[test]
fn what_reaches_beyond_the_container_is_refused_with_the_entry_that_allows_it() {
    for (field, value, entry) in [
        ("Privileged", json!(true), "privileged"),
        ("Privileged", json!("true"), "privileged"),
        ("Privileged", json!(1), "privileged"),
        ("NetworkMode", json!("host"), "host-network"),
        ("NetworkMode", json!(HOST_ID), "host-network"),
        ("NetworkMode", json!("2f0"), "host-network"),
        ("PidMode", json!("host"), "host-pid"),
        ("IpcMode", json!("host"), "host-ipc"),
        ("UTSMode", json!("host"), "host-uts"),
        ("UsernsMode", json!("host"), "host-userns"),
        ("CgroupnsMode", json!("host"), "host-cgroup"),
        ("CgroupParent", json!("/"), "host-cgroup"),
        ("Devices", json!([{ "PathOnHost": "/dev/sda", "PathInContainer": "/dev/sda", "CgroupPermissions": "rwm" }]), "devices"),
        ("DeviceRequests", json!([{ "Count": -1 }]), "devices"),
        ("DeviceCgroupRules", json!(["b *:* rwm"]), "devices"),
        ("CapAdd", json!(["SYS_ADMIN"]), "cap:SYS_ADMIN"),
        ("CapAdd", json!(["CHOWN", "cap_sys_ptrace"]), "cap:cap_sys_ptrace"),
        ("CapAdd", json!(["ALL"]), "cap:ALL"),
        ("SecurityOpt", json!(["seccomp=unconfined"]), "security-options"),
        ("SecurityOpt", json!(["seccomp={}"]), "security-options"),
        ("SecurityOpt", json!(["apparmor=unconfined"]), "security-options"),
        ("SecurityOpt", json!(["label=disable"]), "security-options"),
        ("SecurityOpt", json!(["systempaths=unconfined"]), "security-options"),
        ("SecurityOpt", json!(["no-new-privileges=false"]), "security-options"),
        ("MaskedPaths", json!([]), "security-options"),
        ("ReadonlyPaths", json!([]), "security-options"),
        ("Runtime", json!("runc"), "runtimes"),
        ("Annotations", json!({ "a": "b" }), "runtimes"),
        ("VolumeDriver", json!("rexray"), "volume-options"),
        ("Sysctls", json!({ "kernel.core_pattern": "|/x" }), "sysctls"),
        ("OomScoreAdj", json!(-1000), "privileged"),
        ("LogConfig", json!({ "Type": "syslog", "Config": { "syslog-address": "unix:///run/x" } }), "log-drivers"),
        ("Binds", json!(["/:/host"]), "bind:/"),
        ("Binds", json!(["/etc:/etc:ro"]), "bind:/etc"),
        ("Binds", json!(["/home/runner/_work2:/x"]), "bind:/home/runner/_work2"),
        ("Binds", json!(["/home/runner/_work:/x:rshared"]), "privileged"),
        ("Mounts", json!([{ "Type": "bind", "Source": "/", "Target": "/host" }]), "bind:/"),
        (
            "Mounts",
            json!([{ "Type": "bind", "Source": "/home/runner/_work", "Target": "/x", "BindOptions": { "Propagation": "rshared" } }]),
            "privileged",
        ),
        (
            "Mounts",
            json!([{ "Type": "volume", "Target": "/x", "VolumeOptions": { "DriverConfig": { "Name": "local", "Options": { "o": "bind", "device": "/", "type": "none" } } } }]),
            "volume-options",
        ),
    ] {
        let config = json!({ field: value });
        let said = host(&config, &[]).expect_err(&config.to_string());
        assert!(said.contains(field) && said.ends_with(&format!("DOCKER_API_ALLOW={entry}")), "{config}: {said}");
        let allowed = host(&config, &[entry]).unwrap_or_else(|said| panic!("{config}: {said}"));
        assert_eq!(serde_json::from_str::<Value>(&allowed).unwrap()["HostConfig"], config);
    }
}

#[test]
fn a_path_that_climbs_is_never_one_of_the_shared() {
    for source in ["/home/runner/_work/../../..", "/home/runner/_work/./../..", "/home/runner/_work/.."] {
        assert!(host(&json!({ "Binds": [format!("{source}:/x")] }), &[]).is_err(), "{source}");
        assert!(host(&json!({ "Mounts": [{ "Type": "bind", "Source": source, "Target": "/x" }] }), &[]).is_err(), "{source}");
    }
    assert!(host(&json!({ "Mounts": [{ "Type": "Bind", "Source": "/", "Target": "/x" }] }), &[]).is_err(), "moby knows one spelling");
    assert!(host(&json!({ "Mounts": [{ "Type": "cluster", "Source": "x", "Target": "/x" }] }), &[]).is_err());
    assert!(host(&json!({ "Binds": ["/a:/b:ro:/c"] }), &["bind:/a"]).is_err());
}

/// Go reads a field in any spelling, and the last of two.
#[test]
fn another_spelling_or_a_second_field_gets_nothing_by() {
    for body in [
        r#"{"HostConfig":{"privileged":true}}"#,
        r#"{"HostConfig":{"PRIVILEGED":true}}"#,
        r#"{"HostConfig":{"Privileged":false,"Privileged":true}}"#,
        r#"{"HostConfig":{"Privileged":false,"privileged":true}}"#,
        r#"{"hostconfig":{"Privileged":true}}"#,
        // U+017F folds to s for Go.
        "{\"Ho\u{17f}tConfig\":{\"Privileged\":true}}",
        r#"{"Ho\u017ftConfig":{"Privileged":true}}"#,
        r#"{"HostConfig":{},"HostConfig":{"Privileged":true}}"#,
        r#"{"HostConfig":{"Binds":null,"binds":["/:/x"]}}"#,
        r#"{"HostConfig":{"Mounts":[{"Type":"volume","type":"bind","Source":"/","Target":"/x"}]}}"#,
        r#"{"HostConfig":{"LogConfig":{"Type":"","type":"syslog"}}}"#,
        // Daemons before 25 take these from the outer object as well.
        r#"{"Privileged":true}"#,
        r#"{"Binds":["/:/host"]}"#,
        r#"{"HostConfig":{"Privileged":true}} {}"#,
        r#"[{"HostConfig":{"Privileged":true}}]"#,
        "true",
        "{\"HostConfig\":{\"Privileged\":true}}\0",
        "\u{feff}{}",
    ] {
        assert!(judge(Kind::Create, body, &[]).is_err(), "{body}");
    }
}

#[test]
fn what_says_nothing_and_is_not_known_is_left_out() {
    let body = r#"{"Image":"x","NewField":"","HostConfig":{"privileged":false,"Newer":[],"Memory":5,"Privileged":false}}"#;
    let passed = judge(Kind::Create, body, &[]).unwrap();
    assert_eq!(
        serde_json::from_str::<Value>(&passed).unwrap(),
        json!({ "Image": "x", "HostConfig": { "Memory": 5, "Privileged": false } })
    );
}

/// Recorded from docker 26.1.5 (`docker run --rm -it -v ... -p ... --init`), and what the Actions runner asks for with container jobs.
#[test]
fn what_the_command_line_and_the_runner_ask_for_passes_unchanged() {
    for body in [
        include_str!("create_by_docker_26.json"),
        r#"{"HostConfig":{"Binds":["/home/runner/_work/_temp:/__w/_temp","/var/run/docker.sock:/var/run/docker.sock","data:/data","/anonymous"],"NetworkMode":"github_network_1","IpcMode":"private","PidMode":"container:x","CapAdd":["NET_RAW"],"CapDrop":["ALL"],"SecurityOpt":["no-new-privileges"],"OomScoreAdj":500,"Sysctls":{"net.ipv4.ip_forward":"1"},"Mounts":[{"Type":"volume","Source":"v","Target":"/v","VolumeOptions":{"DriverConfig":{}}},{"Type":"tmpfs","Target":"/t","TmpfsOptions":{"SizeBytes":1}},{"Type":"bind","Source":"/home/runner/_work/a","Target":"/a","ReadOnly":true}]},"NetworkingConfig":{"EndpointsConfig":{"github_network_1":{"Aliases":["db"]}}}}"#,
    ] {
        let passed = judge(Kind::Create, body, &[]).unwrap_or_else(|said| panic!("{said}"));
        assert_eq!(serde_json::from_str::<Value>(&passed).unwrap(), serde_json::from_str::<Value>(body).unwrap());
    }
}

#[test]
fn other_bodies_have_rules_of_their_own() {
    for (kind, body) in [
        (Kind::Exec, r#"{"Cmd":["sh"],"Privileged":true}"#),
        (Kind::Update, r#"{"Devices":[{"PathOnHost":"/dev/sda"}]}"#),
        (Kind::Update, r#"{"CgroupParent":"/"}"#),
        (Kind::Volume, r#"{"Name":"x","Driver":"rexray"}"#),
        (Kind::Volume, r#"{"Name":"x","DriverOpts":{"type":"none","o":"bind","device":"/"}}"#),
        (Kind::Volume, r#"{"Name":"x","DriverOpts":{"type":"tmpfs","o":"size=1m,bind","device":"/"}}"#),
        (Kind::Volume, r#"{"Name":"x","DriverOpts":{"type":"tmpfs","o":"size=1m,rbind","device":"tmpfs"}}"#),
        (Kind::Volume, r#"{"Name":"x","DriverOpts":{"type":"overlay","o":"lowerdir=/","device":"overlay"}}"#),
        (Kind::Volume, r#"{"Name":"x","ClusterVolumeSpec":{"Group":"g"}}"#),
        (Kind::Network, r#"{"Name":"x","Driver":"macvlan","Options":{"parent":"eth0"}}"#),
        (Kind::Network, r#"{"Name":"x","Driver":"host"}"#),
        (Kind::Network, r#"{"Name":"x","IPAM":{"Driver":"plugin"}}"#),
    ] {
        assert!(judge(kind, body, &[]).is_err(), "{body}");
    }
    for (kind, body) in [
        (Kind::Exec, r#"{"Cmd":["sh"],"Privileged":false,"Tty":true}"#),
        (Kind::Update, r#"{"Memory":1,"RestartPolicy":{"Name":"no"}}"#),
        (Kind::Volume, r#"{"Name":"x","Driver":"local","DriverOpts":{},"Labels":null}"#),
        (Kind::Volume, r#"{"DriverOpts":{"type":"tmpfs","o":"size=1m,uid=1000","device":"tmpfs"}}"#),
        (Kind::Network, r#"{"Name":"x","Driver":"bridge","IPAM":{"Driver":"default","Config":[]},"Options":{"a":"b"}}"#),
        (Kind::Volume, ""),
    ] {
        judge(kind, body, &[]).unwrap_or_else(|said| panic!("{body}: {said}"));
    }
    assert_eq!(judge(Kind::Start, r#"{"Privileged":true}"#, &[]).unwrap(), "", "a start has no body");
}

/// Whatever is put where, with every value of a kind that means something: no panic, and what passes is what was read.
#[test]
fn no_shape_of_value_gets_by_or_breaks_it() {
    let values =
        [json!(null), json!(true), json!(1), json!(-1), json!("host"), json!(["/:/x"]), json!([{}]), json!([[]]), json!({ "a": {} })];
    for (names, _) in CREATE.iter().chain(HOST).chain(MOUNT) {
        for name in *names {
            for value in &values {
                for config in [
                    json!({ *name: value }),
                    json!({ "HostConfig": { *name: value } }),
                    json!({ "HostConfig": { "Mounts": [{ *name: value }] } }),
                ] {
                    let _ = judge(Kind::Create, &config.to_string(), &[]);
                }
            }
        }
    }
}
