//! `images/compose.yaml`, run by docker's own compose with no account: the stand-in of its override for GitHub.

use std::fs;
use std::path::Path;

use runner_tests::{
    engine::{Engine, Form},
    need::{Need, need},
    process::Ending,
};

#[test]
fn one_command_runs_the_pair_with_no_account_and_one_takes_all_of_it_away() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let engine = Engine::start(Form { compose: true, ..Form::default() });
    let (here, there) = engine.shared("compose");
    let images = Path::new(env!("CARGO_MANIFEST_DIR")).join("../images");
    for name in ["compose.yaml", "compose.stand-in.yaml", ".env.example"] {
        fs::copy(images.join(name), here.join(name)).unwrap();
    }
    let compose = format!("cd {there} && docker compose --ansi never --env-file .env.example -f compose.yaml -f compose.stand-in.yaml");
    // The names of a registry; here the images have them already.
    let _ = engine.sh(&format!(
        "for image in $({compose} config --images); do docker image inspect $image >/dev/null 2>&1 || {{ name=${{image##*/}}; docker tag ${{name%%:*}}:test $image; }}; done"
    ));
    let (ending, said) =
        engine.try_sh(&format!("{compose} up --no-build --pull never --abort-on-container-exit --exit-code-from runner 2>&1"));
    assert_eq!(ending, Ending::Code(0), "{said}");
    assert!(said.contains("job completed: ") && said.contains(": Succeeded"), "{said}");
    let code = engine.sh("docker inspect --format '{{.State.ExitCode}}' runner-dind-1");
    assert_eq!(code, "0\n", "the sidecar was not stopped in order: {said}");
    let inspected = engine.sh("docker inspect runner-runner-1 | grep -c ACCESS_TOKEN_FILE || true");
    assert_eq!(inspected, "0\n", "the override takes the place of the file");
    let left = "docker ps --all --quiet; docker volume ls --quiet; docker network ls --quiet --filter type=custom";
    let (ending, said) = engine.try_sh(&format!("{compose} down --volumes 2>&1"));
    assert_eq!((ending, engine.sh(left).as_str()), (Ending::Code(0), ""), "{said}");
}
