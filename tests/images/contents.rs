//! What is in the images.

use std::fmt::Write as _;

use runner_tests::github::{GitHub, Rules};
use runner_tests::images::{self, Builder};
use runner_tests::need::{Need, need};
use runner_tests::process::Ending;
use serde_json::Value;

const RUNNERS: [&str; 3] = ["runner", "runner-sudo", "runner-fargate"];

/// A shell in an image, as its root or as the user of jobs.
struct Inside<'a> {
    engine: &'a Builder,
    image: &'a str,
    options: &'a str,
}

impl<'a> Inside<'a> {
    fn root(engine: &'a Builder, image: &'a str) -> Self {
        Self { engine, image, options: "" }
    }

    fn job(engine: &'a Builder, image: &'a str) -> Self {
        Self { engine, image, options: "--user runner" }
    }

    fn try_sh(&self, script: &str) -> (Ending, String) {
        let Self { engine, image, options } = self;
        engine.try_sh(&format!(
            "docker run --rm --network none {options} --entrypoint sh {image}:test -c '{}'",
            script.replace('\'', "'\\''")
        ))
    }

    fn sh(&self, script: &str) -> String {
        let (ending, said) = self.try_sh(script);
        assert_eq!(ending, Ending::Code(0), "{}: {script}\n{said}", self.image);
        said
    }
}

fn engine() -> Option<Builder> {
    need(&[Need::Images]).then(images::engine)
}

fn snapshot(name: &str, said: &str) {
    insta::with_settings!({prepend_module_to_snapshot => false, filters => vec![] as Vec<(&str, &str)>}, { insta::assert_snapshot!(name, said) });
}

fn inspect(engine: &Builder, image: &str) -> Value {
    serde_json::from_str::<Value>(&engine.sh(&format!("docker image inspect {image}:test"))).unwrap()[0].take()
}

#[test]
fn the_images_say_what_they_are_and_how_they_are_run() {
    let Some(engine) = engine() else { return };
    let mut text = String::new();
    for image in ["runner", "runner-sudo", "runner-fargate", "runner-dind", "runner-toolkit"] {
        let found = inspect(&engine, image);
        let config = &found["Config"];
        assert!(config["Volumes"].is_null(), "{image} has a VOLUME: {config}");
        writeln!(text, "{image}: {} layers", found["RootFS"]["Layers"].as_array().unwrap().len()).unwrap();
        for key in ["User", "Entrypoint", "Cmd", "WorkingDir", "StopSignal", "Healthcheck", "Env", "Labels", "ExposedPorts"] {
            match &config[key] {
                Value::Null => {}
                Value::String(empty) if empty.is_empty() => {}
                Value::Array(values) if key == "Env" => values.iter().for_each(|value| writeln!(text, "  {value}").unwrap()),
                Value::Object(labels) if key == "Labels" => {
                    labels.iter().for_each(|(name, value)| writeln!(text, "  {name} = {value}").unwrap());
                }
                value => writeln!(text, "  {key} {value}").unwrap(),
            }
        }
    }
    snapshot("configuration", &text);
}

#[test]
fn users_groups_and_folders_are_those_that_volumes_and_sidecars_expect() {
    let Some(engine) = engine() else { return };
    let mut text = String::new();
    let folders = "/home /home/runner /home/runner/_work /home/runner/externals /opt/hostedtoolcache /run/task /run/externals /var/docker-storage \
                   /usr/local/bin/runner-entrypoint /usr/local/bin/runner-dind";
    for image in ["runner", "runner-sudo", "runner-fargate", "runner-dind"] {
        let said = Inside::root(&engine, image).sh(&format!(
            "id runner; getent group docker; for at in {folders}; do [ ! -e $at ] || stat -c '%A %u:%g %n' $at; done
             echo set-uid and set-gid:; find / -xdev -type f -perm /6000 -printf '%m %u:%g %p\\n' | sort
             echo writable by everybody:; find / -xdev ! -type l -perm -0002 ! -path '/proc/*' ! -path '/dev/*' -printf '%m %p\\n' | sort"
        ));
        write!(text, "{image}:\n{said}\n").unwrap();
    }
    snapshot("ownership", &text);
}

#[test]
fn only_runner_sudo_lets_a_job_become_root() {
    let Some(engine) = engine() else { return };
    assert_eq!(Inside::job(&engine, "runner-sudo").sh("sudo --non-interactive id -u 2>/dev/null").trim(), "0");
    for image in ["runner", "runner-fargate"] {
        let (ending, said) = Inside::job(&engine, image).try_sh("sudo id -u");
        assert!(ending != Ending::Code(0) && said.contains("not found"), "{image}: {said}");
        // What a system has besides sudo to become somebody else has lost its bit.
        let (ending, said) = Inside::job(&engine, image).try_sh("echo | su root -c id");
        assert!(ending != Ending::Code(0) && !said.contains("uid=0"), "{image}: {said}");
    }
}

#[test]
fn a_job_can_run_the_entrypoint_and_not_read_it() {
    let Some(engine) = engine() else { return };
    for image in RUNNERS {
        let job = Inside::job(&engine, image);
        assert!(job.sh("runner-entrypoint --help").contains("usage"), "{image}");
        let (ending, said) = job.try_sh("cat /usr/local/bin/runner-entrypoint");
        assert!(ending != Ending::Code(0) && said.contains("Permission denied"), "{image}: {said}");
    }
}

#[test]
fn a_check_finds_everything_that_it_wants_in_each_runner_as_root_and_as_the_runner() {
    let Some(engine) = engine() else { return };
    let rules = Rules::for_account("octo-org");
    let token = rules.token();
    let github = GitHub::start(rules);
    for image in RUNNERS {
        for user in ["0", "1001"] {
            let said = engine.sh(&format!(
                "docker run --rm --network host --user {user} --env ACCESS_TOKEN={token} --env REPO_URL=https://github.com/octo-org/octo-repo \
                 --env GITHUB_API_URL={} --tmpfs /run/task:mode=0777 {image}:test check",
                github.url()
            ));
            assert!(said.contains("/home/runner") && !said.contains("hint:"), "{image} as {user}:\n{said}");
        }
    }
}

#[test]
fn the_docker_client_is_in_two_images_and_the_daemon_in_one() {
    let Some(engine) = engine() else { return };
    for image in ["runner", "runner-sudo"] {
        let said = Inside::job(&engine, image).sh("docker --version && docker buildx version");
        assert!(said.contains("Docker version") && said.contains("buildx"), "{image}: {said}");
    }
    for (image, programs) in [
        ("runner", "dockerd containerd runc"),
        ("runner-fargate", "docker dockerd containerd runc"),
        ("runner-dind", "docker ctr containerd-shim containerd-shim-runc-v1 python3"),
    ] {
        let said = Inside::root(&engine, image).sh(&format!("for name in {programs}; do command -v $name || true; done"));
        assert_eq!(said, "", "in {image}");
    }
}

#[test]
fn what_actions_and_the_runner_call_is_there() {
    let Some(engine) = engine() else { return };
    for image in RUNNERS {
        let said = Inside::job(&engine, image).sh(
            "for name in git curl tar gzip unzip xz zstd jq ssh lsb_release ps sha256sum bash; do command -v $name >/dev/null || echo no $name; done
             for library in libicuuc.so libicui18n.so libssl.so.3 libgssapi_krb5.so.2 libz.so.1 libstdc++.so.6; do
                 /sbin/ldconfig -p | grep -q $library || echo no $library
             done
             git --version >/dev/null && curl --version >/dev/null && ls /etc/ssl/certs/ca-certificates.crt >/dev/null
             touch _work/file externals/file /opt/hostedtoolcache/file && ls bin/Runner.Listener run.sh >/dev/null
             dpkg --audit",
        );
        assert_eq!(said, "", "in {image}");
    }
}

#[test]
fn the_sidecar_has_all_that_docker_calls_with_its_libraries() {
    let Some(engine) = engine() else { return };
    let dind = Inside::root(&engine, "runner-dind");
    let said =
        dind.sh("for name in dockerd containerd containerd-shim-runc-v2 runc docker-proxy iptables ip6tables mkfs.xfs xz unpigz git; do
             path=$(command -v $name) || { echo no $name; continue; }
             ! ldd $path 2>/dev/null | grep 'not found' || echo for $name
         done
         dpkg --audit; apt-get check >/dev/null");
    assert_eq!(said, "");
    let said = dind.sh("truncate -s 1G /tmp/disk && mkfs.xfs -q /tmp/disk && grep -c . /etc/subuid /etc/subgid && cat /etc/subuid");
    assert_eq!(said, "/etc/subuid:1\n/etc/subgid:1\ndockremap:165536:65536\n");
}

/// The first names a host's kernel that has no nftables; then PATH is what chooses, with no other image.
#[test]
fn the_sidecar_checks_itself_and_has_both_kinds_of_iptables() {
    let Some(engine) = engine() else { return };
    let dind = |options: &str| {
        engine.try_sh(&format!(
            "docker run --rm --network none --privileged --tmpfs /run/task --tmpfs /var/docker-storage --env DOCKER_STORAGE_MODE=any {options} \
             runner-dind:test check"
        ))
    };
    let (ending, said) = dind("");
    assert_eq!(ending, Ending::Code(0), "{said}");
    assert!(said.contains("dockerd, containerd, runc and iptables are there") && said.contains("iptables-nft"), "{said}");
    let (_, said) = dind("--env PATH=/usr/local/libexec/iptables-legacy:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    assert!(said.contains("iptables-legacy"), "{said}");
}

#[test]
fn the_toolkit_is_two_static_programs_and_nothing_else() {
    let Some(engine) = engine() else { return };
    let listed = engine.sh("mkdir -p /tmp/toolkit && cd /tmp/toolkit && docker save runner-toolkit:test | tar -x
         for layer in $(find . -type f -size +100k); do tar -tvf $layer 2>/dev/null; done | awk '{ print $1, $2, $NF }' | sort");
    assert_eq!(listed, "-rwx--x--x 0/0 runner-entrypoint\n-rwxr-xr-x 0/0 runner-dind\n");
    // In an image with nothing else in it, a program that wants a loader or a library cannot run.
    for (program, options) in [("runner-entrypoint", ""), ("runner-dind", "--entrypoint /runner-dind")] {
        let said = engine.sh(&format!("docker run --rm --network none {options} runner-toolkit:test --help"));
        assert!(said.contains(program), "{said}");
    }
}

#[test]
fn the_toolkit_goes_into_a_foreign_image() {
    let Some(engine) = engine() else { return };
    engine.sh(
        "mkdir -p /tmp/foreign && cd /tmp/foreign
         printf 'FROM bare:test\\nCOPY --from=runner-toolkit:test /runner-entrypoint /usr/local/bin/\\nENTRYPOINT [\"runner-entrypoint\"]\\n' > Dockerfile
         docker build --quiet --tag foreign:test . >/dev/null",
    );
    let foreign = Inside::root(&engine, "foreign");
    assert_eq!(foreign.sh("stat -c '%a %U' /usr/local/bin/runner-entrypoint"), "711 root\n");
    let (ending, said) = engine.try_sh("docker run --rm --network none foreign:test");
    assert_eq!(ending, Ending::Code(78), "{said}");
}

/// How people make an image of their own: packages and tools on top, nothing else changes.
#[test]
fn an_image_of_ones_own_begins_from_ours() {
    let Some(engine) = engine() else { return };
    engine.sh("mkdir -p /tmp/own && cd /tmp/own && echo hello > tool
         cat > Dockerfile <<'END'
FROM runner:test
RUN apt-get update && apt-get install --yes --no-install-recommends make && rm -rf /var/lib/apt/lists/*
COPY --chown=1001:1001 tool /opt/hostedtoolcache/mine/1.0.0/x64/tool
END
         docker build --quiet --network host --tag own:test . >/dev/null");
    let said = Inside::job(&engine, "own").sh("make --version | head -1; stat -c '%U:%G' /opt/hostedtoolcache/mine/1.0.0/x64/tool; id -un");
    assert_eq!(said.lines().skip(1).collect::<Vec<_>>(), ["runner:runner", "runner"], "{said}");
    assert_eq!(inspect(&engine, "own")["Config"]["Entrypoint"], inspect(&engine, "runner")["Config"]["Entrypoint"]);
}

/// Megabytes above the base, with a tenth to spare: what is larger has got something new in it, and somebody ought to have wanted it.
#[test]
fn the_images_stay_as_small_as_they_are() {
    let Some(engine) = engine() else { return };
    let size = |image: &str| inspect(&engine, image)["Size"].as_f64().unwrap() / 1e6;
    let base = size("bare");
    let mut text = String::new();
    for (image, most) in [("runner-fargate", 220.0), ("runner", 325.0), ("runner-sudo", 335.0), ("runner-dind", 320.0)] {
        let own = size(image) - base;
        writeln!(text, "{image:16} {own:6.1} MB above a base of {base:.1} MB").unwrap();
        assert!(own < most, "{text}");
    }
    assert!(size("runner-toolkit") < 8.0);
    print(&text);
}

#[expect(clippy::print_stdout, reason = "sizes are for who asks for them with --nocapture")]
fn print(text: &str) {
    println!("{text}");
}
