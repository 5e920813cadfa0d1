//! The largest packet that leaves this container: the MTU of the interface with the default route.
//!
//! Docker gives its bridges 1500. Where the way out takes less (tunnels, overlay networks of Kubernetes), large packets vanish:
//! downloads that hang in the middle are the most frequent complaint about docker in docker.

use std::{fs, path::Path};

/// docker's own default.
pub const USUAL: u32 = 1500;

/// `RTF_UP` (linux/route.h).
const UP: u32 = 1;

/// The interface and its MTU; `None` without a default route. `proc` is `/proc/net`, `sys` is `/sys/class/net`.
pub fn of_default_route(proc: &Path, sys: &Path) -> Option<(String, u32)> {
    let read = |path: &Path| fs::read_to_string(path).unwrap_or_default();
    let interface = interface_v4(&read(&proc.join("route"))).or_else(|| interface_v6(&read(&proc.join("ipv6_route"))))?;
    let mtu = read(&sys.join(&interface).join("mtu")).trim().parse().ok()?;
    Some((interface, mtu))
}

/// What the bridges get: never more than docker's own default. A larger one gains little inside a task, and on the way to the world
/// nobody has it.
pub fn for_bridges(route: u32) -> u32 {
    route.min(USUAL)
}

/// `Iface Destination Gateway Flags RefCnt Use Metric Mask ...` (proc_net_route; numbers in hexadecimal, the metric not).
fn interface_v4(table: &str) -> Option<String> {
    let route = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let up = u32::from_str_radix(fields.get(3)?, 16).ok()? & UP != 0;
        let default = *fields.get(1)? == "00000000" && *fields.get(7)? == "00000000";
        (up && default).then(|| Some((fields.get(6)?.parse::<u32>().ok()?, fields.first()?.to_string())))?
    };
    table.lines().skip(1).filter_map(route).min().map(|(_, interface)| interface)
}

/// `destination prefix source prefix next-hop metric refcnt use flags interface`, all in hexadecimal. The kernel's own unreachable
/// default route is on `lo`.
fn interface_v6(table: &str) -> Option<String> {
    let route = |line: &str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let default = fields.first()?.bytes().all(|digit| digit == b'0') && *fields.get(1)? == "00";
        let interface = *fields.get(9)?;
        let up = u32::from_str_radix(fields.get(8)?, 16).ok()? & UP != 0;
        (default && up && interface != "lo").then(|| Some((u32::from_str_radix(fields.get(5)?, 16).ok()?, interface.to_owned())))?
    };
    table.lines().filter_map(route).min().map(|(_, interface)| interface)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n";

    #[test]
    fn of_several_default_routes_the_one_with_the_least_metric_counts() {
        let table = format!(
            "{HEAD}eth1\t00000000\t0102A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n\
             eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
             eth0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
        );
        assert_eq!(interface_v4(&table).as_deref(), Some("eth0"));
    }

    #[test]
    fn a_route_that_is_down_or_leads_to_a_network_is_none() {
        let down = format!("{HEAD}eth0\t00000000\t010011AC\t0002\t0\t0\t0\t00000000\t0\t0\t0\n");
        let half = format!("{HEAD}tun0\t00000000\t010011AC\t0003\t0\t0\t0\t00000080\t0\t0\t0\n");
        for table in [HEAD, "", &down, &half, "Iface\ngarbage\neth0 00000000"] {
            assert_eq!(interface_v4(table), None, "{table}");
        }
    }

    #[test]
    fn the_kernels_unreachable_default_route_of_ipv6_is_none() {
        let zero = "0".repeat(32);
        let own = format!("{zero} 00 {zero} 00 {zero} ffffffff 00000001 00000000 00200200       lo\n");
        let real = format!("{zero} 00 {zero} 00 fe80000000000000000000000000000a 00000400 00000001 00000000 00000003     eth0\n");
        assert_eq!(interface_v6(&own), None);
        assert_eq!(interface_v6(&(own + &real)).as_deref(), Some("eth0"));
    }

    #[test]
    fn the_mtu_is_that_of_the_interface_and_ipv6_counts_where_there_is_no_ipv4() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        for (interface, mtu) in [("eth0", "1400\n"), ("wg0", "1280\n")] {
            fs::create_dir_all(at("sys").join(interface)).unwrap();
            fs::write(at("sys").join(interface).join("mtu"), mtu).unwrap();
        }
        assert_eq!(of_default_route(dir.path(), &at("sys")), None);
        let zero = "0".repeat(32);
        fs::write(at("ipv6_route"), format!("{zero} 00 {zero} 00 {zero} 00000400 00000001 00000000 00000001 wg0\n")).unwrap();
        assert_eq!(of_default_route(dir.path(), &at("sys")), Some(("wg0".into(), 1280)));
        fs::write(at("route"), format!("{HEAD}eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n")).unwrap();
        assert_eq!(of_default_route(dir.path(), &at("sys")), Some(("eth0".into(), 1400)));
    }

    #[test]
    fn bridges_never_get_more_than_docker_gives_them() {
        // A task on ECS has an interface of 9001.
        assert_eq!([1280, 1500, 9001].map(for_bridges), [1280, 1500, 1500]);
    }
}
