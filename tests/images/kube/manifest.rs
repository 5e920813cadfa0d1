//! `pod.yaml` as podman can take it: edits of its text, each of which fails when the text is no longer what it was.
//!
//! podman 5.4 knows no init container that stays and no memory that containers share. Everything else is played as it stands there.

use std::fs;
use std::path::Path;
use std::time::Duration;

/// podman wants a name where a cluster makes one.
const NAME: (&str, &str) = ("\n  generateName: runner-\n", "\n  name: runner\n");
/// The sidecar becomes the first of the containers: [`super::pod`] starts and stops it where the kubelet would. Nobody starts it again.
const MAIN: (&str, &str) = ("\n  containers:\n    - name: runner\n", "\n    - name: runner\n");
const SIDECAR: (&str, &str) = ("\n  initContainers:\n", "\n  containers:\n");
const STAYS: (&str, &str) = ("      restartPolicy: Always\n", "");
/// podman gives each container a tmpfs of its own: this one is mounted as the kubelet would, once.
const MEMORY: (&str, &str) = (
    "      emptyDir:\n        medium: Memory\n        sizeLimit: 16Mi\n",
    "      hostPath:\n        path: /run/pod/task\n        type: Directory\n",
);
/// Where no limits can be set.
const LIMITS: &str =
    "      resources:\n        requests:\n          cpu: \"2\"\n          memory: 4Gi\n        limits:\n          memory: 12Gi\n";

/// The file as it is.
pub(super) fn whole() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../images/kubernetes/pod.yaml");
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The secret, then the pod with the name that a cluster would make up and no other edit.
pub(super) fn named(token: &str) -> String {
    secret(token) + &edit(&whole(), NAME)
}

/// What the file's own head has kubectl make.
fn secret(token: &str) -> String {
    format!("apiVersion: v1\nkind: Secret\nmetadata:\n  name: runner\nstringData:\n  access-token: {token}\n---\n")
}

/// The secret, then the pod as podman takes it, for this GitHub.
pub(super) fn playable(token: &str, github: &str, has_limits: bool) -> String {
    let label = "        - name: RUNNER_LABELS\n";
    let stand_in = format!("        - name: GITHUB_API_URL\n          value: {github}\n{label}");
    let edits = [NAME, MAIN, SIDECAR, STAYS, MEMORY, (label, stand_in.as_str())];
    let mut pod = edits.into_iter().fold(whole(), |text, replaced| edit(&text, replaced));
    if !has_limits {
        assert_eq!(pod.matches(LIMITS).count(), 2, "the limits of pod.yaml are not where they were");
        pod = pod.replace(LIMITS, "");
    }
    secret(token) + &pod
}

/// The images that it names.
pub(super) fn images() -> Vec<String> {
    let text = whole();
    text.lines().filter_map(|line| line.trim().strip_prefix("image: ")).map(str::to_owned).collect()
}

/// The one time that the pod has for its end.
pub(super) fn grace() -> Duration {
    let text = whole();
    let value = text.lines().find_map(|line| line.trim().strip_prefix("terminationGracePeriodSeconds: ")).expect("pod.yaml has a grace");
    Duration::from_secs(value.parse().unwrap())
}

fn edit(text: &str, (old, new): (&str, &str)) -> String {
    assert_eq!(text.matches(old).count(), 1, "pod.yaml has this not once, as it did: {old}");
    text.replace(old, new)
}
