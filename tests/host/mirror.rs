//! A pull-through mirror, with a real registry on both ends.

use std::{fs, path::Path};

use runner_tests::{
    boxed::{Boxed, BoxedProcess},
    need::{Need, need},
    pair::Pair,
    rootfs::Rootfs,
};

use crate::dind::{IMAGE, SOON, ready, sh};

/// A registry in the network of the sidecar. What it stores is in `folder`, which is bound at the same path.
fn registry(pair: &Pair, network: nix::unistd::Pid, name: &str, port: u16, more: &str) -> BoxedProcess {
    let folder = pair.bed().directory(name);
    let config = format!(
        "version: 0.1\nlog:\n  accesslog:\n    disabled: false\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: 127.0.0.1:{port}\n{more}",
        folder.display()
    );
    let file = folder.join("config.yml");
    fs::write(&file, config).unwrap();
    let boxed = Boxed::new(&Rootfs::Services.path()).bind(&folder, &folder).network_of(network);
    let registry = boxed.spawn(name, &["docker-registry", "serve", &file.to_string_lossy()]);
    registry.wait_for_line("listening on", SOON);
    registry
}

fn blobs(folder: &Path) -> usize {
    let files = walkdir::WalkDir::new(folder.join("docker/registry/v2/blobs")).into_iter().flatten();
    files.filter(|entry| entry.file_name() == "data").count()
}

#[test]
fn an_image_of_docker_hub_comes_through_the_mirror() {
    let _alone = crate::alone();
    if !need(&[Need::Docker]) {
        return;
    }
    let pair = Pair::new();
    let dind = ready(pair.dind().env("DOCKER_REGISTRY_MIRROR", "http://127.0.0.1:5502"));
    let _hub = registry(&pair, dind.pid(), "hub", 5501, "");
    let _mirror = registry(&pair, dind.pid(), "mirror", 5502, "proxy:\n  remoteurl: http://127.0.0.1:5501\n");
    let (hub, mirror) = (pair.bed().path("hub"), pair.bed().path("mirror"));
    sh(&dind, &format!("{IMAGE} && docker tag tiny:1 127.0.0.1:5501/library/tiny:1 && docker push -q 127.0.0.1:5501/library/tiny:1"));
    assert!(blobs(&hub) > 0 && blobs(&mirror) == 0);
    sh(&dind, "docker rmi -f tiny:1 127.0.0.1:5501/library/tiny:1 && docker pull -q tiny:1 && docker run --rm tiny:1 busybox true");
    pair.bed().wait_for("the mirror to have kept it", SOON, || blobs(&mirror) == blobs(&hub));
}
