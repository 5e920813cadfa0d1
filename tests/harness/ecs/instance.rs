//! What instance metadata answers, version 2 only (EC2 user guide, "Use the Instance Metadata Service" and "Spot interruption notices").

use super::server::{Answer, Asked, World, random_hex};

const NOTICE: &str = "/latest/meta-data/spot/instance-action";

pub(super) fn answer(world: &mut World, asked: &Asked) -> Answer {
    let header = |name: &str| asked.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
    match (asked.method.as_str(), asked.path.as_str()) {
        // A reverse proxy that is open to the world adds this one.
        ("PUT", "/latest/api/token") if !world.rules.instance_metadata || asked.headers.contains_key("x-forwarded-for") => {
            page(403, "Forbidden")
        }
        ("PUT", "/latest/api/token") => {
            let seconds = header("x-aws-ec2-metadata-token-ttl-seconds").parse::<u32>().unwrap_or(0);
            if !(1..=21_600).contains(&seconds) {
                return page(400, "Bad Request");
            }
            let token = random_hex();
            world.tokens.insert(token.clone());
            Answer { status: 200, content_type: "text/plain", body: token }
        }
        ("GET", _) if !world.tokens.contains(header("x-aws-ec2-metadata-token")) => page(401, "Unauthorized"),
        ("GET", NOTICE) => match world.spot_ends {
            Some(end) => {
                let time = humantime::format_rfc3339_seconds(end);
                Answer { status: 200, content_type: "application/json", body: format!(r#"{{"action":"terminate","time":"{time}"}}"#) }
            }
            None => page(404, "Not Found"),
        },
        ("GET", _) => page(404, "Not Found"),
        _ => page(405, "Not Allowed"),
    }
}

fn page(status: u16, title: &str) -> Answer {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"iso-8859-1\"?>\n<html><head><title>{status} - {title}</title></head><body><h1>{status} - {title}</h1></body></html>\n"
    );
    Answer { status, content_type: "text/html", body }
}
