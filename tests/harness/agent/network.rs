//! The network of a task with `awsvpc`: a container that only sleeps holds it, with an interface as the agent's plugin makes it.

use nix::unistd::Pid;
use serde_json::json;

use crate::engine::Engine;

/// The container that holds a network, as docker and this machine know it.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) id: String,
    pub(super) pid: Pid,
}

/// Jumbo frames, as in a VPC. Nobody answers at the gateway.
const INTERFACE: &str = "
ip link add veth-$TASK type veth peer name eth0 netns $PID
ip link set veth-$TASK mtu 9001 up
nsenter --net=/proc/$PID/ns/net ip addr add 10.0.1.5/24 dev eth0
nsenter --net=/proc/$PID/ns/net ip link set eth0 mtu 9001 up
nsenter --net=/proc/$PID/ns/net ip route add default via 10.0.1.1
";

impl Network {
    pub(super) fn make(engine: &Engine, task: &str) -> Self {
        let body = json!({"Image": "tiny:1", "HostConfig": {"NetworkMode": "none"}});
        let made = engine.api("POST", &format!("/containers/create?name=ecs-pause-{task}"), Some(&body));
        let id = made["Id"].as_str().expect("an id").to_owned();
        engine.api("POST", &format!("/containers/{id}/start"), None);
        let pid = engine.api("GET", &format!("/containers/{id}/json"), None)["State"]["Pid"].as_u64().expect("it runs");
        let _ = engine.sh(&format!("set -e; TASK={task} PID={pid}; {INTERFACE}"));
        Self { id, pid: engine.pid(pid) }
    }
}
