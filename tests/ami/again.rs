//! The scripts once more on a host that has had them, as when a recipe is built upon an image of its own. No machine: its files in a box.

use std::path::Path;
use std::time::Duration;

use runner_tests::{
    boxed::Boxed,
    need::{Need, need},
    process::Ending,
    programs::Program,
    rootfs::Rootfs,
};

use crate::packer;

/// systemd is not running in the box: units are switched on by their links alone.
const SCRIPT: &str = r#"
set -eu
export FILES=/tmp/runner-host EXTRAS= REGISTRY_MIRRORS=https://mirror.example SECCOMP=default DATA_DEVICES= SYSTEMD_OFFLINE=1
mkdir -p "$FILES" && cp -r /recipe/files/. "$FILES" && cp "$DIND" "$FILES/runner-dind"
all() {
    for script in packages kernel docker data-volume metadata ecs programs spot logs; do
        bash "/recipe/scripts/$script.sh" || { echo "$script.sh failed the $1 time"; exit 1; }
    done
}
# Names, modes, links and contents of all that a script may write.
host() { find /etc /usr/local /var/docker-storage -printf '%p %m %l\n' | sort; find /etc /usr/local -type f -print0 | sort -z | xargs -0 sha256sum; }
all first
echo ECS_CLUSTER=runners >> /etc/ecs/ecs.config
host > /tmp/once
all second
host > /tmp/twice
diff /tmp/once /tmp/twice
echo "compared $(wc -l < /tmp/twice); $(lsattr -d /var/docker-storage)"
"#;

#[test]
fn every_script_that_runs_again_leaves_what_it_left_and_the_cluster_that_user_data_wrote() {
    if !need(&[Need::Vm]) {
        return;
    }
    let boxed = Boxed::new(&Rootfs::Ami.path()).bind_read_only(&packer::ami(), Path::new("/recipe"));
    let dind = Program::Dind.path().to_string_lossy().into_owned();
    let (ending, said) = boxed.env("DIND", dind).run(SCRIPT, Duration::from_secs(120));
    assert_eq!(ending, Ending::Code(0), "{said}");
    let compared = said.lines().find_map(|line| line.strip_prefix("compared ")).unwrap();
    let (count, attributes) = compared.split_once("; ").unwrap();
    assert!(count.parse::<u32>().unwrap() > 500, "{said}");
    assert!(attributes.split(' ').next().unwrap().contains('i'), "what is below the mount can not be written: {attributes}");
}
