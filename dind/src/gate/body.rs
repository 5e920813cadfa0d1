//! What the bodies of requests may say. Pure: text in, the text to pass on out.
//!
//! A list of fields that are known, each with its rule. A field that is not known and says something is refused; one that says nothing
//! is left out, so that newer clients work and nothing gets by in another spelling.

mod fields;

use serde_json::{Map, Value};

use super::{
    allow::{Allow, Word},
    json,
    refusal::{Cure, Refusal},
    route::Kind,
};
use fields::{BIND_OPTIONS, CREATE, ENDPOINT, EXEC, Fields, HOST, MOUNT, NETWORK, OWN_KERNEL_SYSCTLS, OWN_SYSCTLS, Rule, VOLUME};

/// What is needed to judge.
#[derive(Debug, Clone, Copy)]
pub(super) struct Judge<'a> {
    /// The list.
    pub(super) allow: &'a Allow,
    /// The id of the daemon's network called `host`: it goes by that as well.
    pub(super) host_network: &'a str,
}

type Verdict = Result<(), Refusal>;

impl Judge<'_> {
    /// Judges a body and returns the one to pass on.
    ///
    /// # Errors
    /// It is not JSON in the strict sense, or says what is not allowed.
    pub(super) fn body(self, kind: Kind, text: &[u8]) -> Result<Vec<u8>, Refusal> {
        let fields = match kind {
            Kind::Create => CREATE,
            Kind::Update => HOST,
            Kind::Exec => EXEC,
            Kind::Volume => VOLUME,
            Kind::Network => NETWORK,
            Kind::Start => return Ok(Vec::new()),
            Kind::Free | Kind::Upgrade | Kind::Connect | Kind::Archive => return Ok(text.to_vec()),
        };
        if text.iter().all(u8::is_ascii_whitespace) {
            return Ok(Vec::new());
        }
        let unclear = |error| Refusal::unclear(format!("a body that could be read in two ways: {error}"), "send one plain JSON object");
        let mut value = json::read(text).map_err(unclear)?;
        self.object("", &mut value, fields)?;
        Ok(value.to_string().into_bytes())
    }

    /// Whether this names the daemon's `host` network: by its name, its id, or a beginning of that.
    pub(super) fn is_host_network(self, name: &str) -> bool {
        name == "host" || (!name.is_empty() && self.host_network.starts_with(name))
    }

    fn object(self, place: &str, value: &mut Value, fields: Fields) -> Verdict {
        let Value::Object(object) = value else {
            return if value.is_null() && !place.is_empty() { Ok(()) } else { Err(shape(place, "an object")) };
        };
        self.known(place, object, fields)?;
        for (name, value) in object.iter_mut() {
            let place = format!("{place}{}{name}", if place.is_empty() { "" } else { "." });
            if let Some((_, rule)) = fields.iter().find(|(names, _)| names.contains(&name.as_str())) {
                self.rule(&place, value, *rule)?;
            }
        }
        Ok(())
    }

    /// Leaves out what is not known and says nothing.
    fn known(self, place: &str, object: &mut Map<String, Value>, fields: Fields) -> Verdict {
        let known = |name: &str| fields.iter().any(|(names, _)| names.contains(&name));
        if let Some((name, _)) = object.iter().find(|(name, value)| !known(name) && !json::is_nothing(value)) {
            let dot = if place.is_empty() { "" } else { "." };
            return Err(Refusal::never(format!("the field `{place}{dot}{name}`, which it does not know")));
        }
        object.retain(|name, _| known(name));
        Ok(())
    }

    fn unless(self, word: Word, what: String) -> Verdict {
        if self.allow.has(word) { Ok(()) } else { Err(Refusal::unless(word, what)) }
    }

    fn rule(self, place: &str, value: &mut Value, rule: Rule) -> Verdict {
        match rule {
            Rule::Free => Ok(()),
            Rule::Nothing(_) if json::is_nothing(value) => Ok(()),
            Rule::Untouched(_) if value.is_null() => Ok(()),
            Rule::Nothing(word) | Rule::Untouched(word) => self.unless(word, place.to_owned()),
            Rule::Namespace(word) => self.namespace(place, value, word),
            Rule::Network => match text(place, value)? {
                name if self.is_host_network(name) => self.unless(Word::HostNetwork, format!("{place}={name}")),
                _ => Ok(()),
            },
            Rule::Capabilities => list(place, value)?.into_iter().try_for_each(|name| match self.allow.capability(name) {
                true => Ok(()),
                false => Err(Refusal { what: format!("{place}={name}"), cure: Cure::Allow(format!("cap:{name}")) }),
            }),
            Rule::SecurityOptions => list(place, value)?.into_iter().try_for_each(|option| self.security(place, option)),
            Rule::Binds => list(place, value)?.into_iter().try_for_each(|bind| self.bind(place, bind)),
            Rule::Mounts => self.mounts(place, value),
            Rule::Sysctls => {
                let own = |name: &str| OWN_SYSCTLS.iter().any(|own| name.starts_with(own)) || OWN_KERNEL_SYSCTLS.contains(&name);
                match value.as_object().and_then(|object| object.keys().find(|name| !own(name))) {
                    Some(name) => self.unless(Word::Sysctls, format!("{place} {name}")),
                    None if value.is_object() || value.is_null() => Ok(()),
                    None => Err(shape(place, "an object")),
                }
            }
            Rule::OutOfMemory if json::is_nothing(value) || value.as_u64().is_some() => Ok(()),
            Rule::OutOfMemory => self.unless(Word::Privileged, format!("{place} below zero")),
            Rule::OneOf(choices, word) => match text(place, value)? {
                text if choices.contains(&text) => Ok(()),
                text => self.unless(word, format!("{place}={text}")),
            },
            Rule::Object(fields) => self.object(place, value, fields),
            Rule::Each(fields) => match value {
                Value::Null => Ok(()),
                Value::Object(object) => {
                    object.iter_mut().try_for_each(|(name, value)| self.object(&format!("{place}.{name}"), value, fields))
                }
                _ => Err(shape(place, "an object")),
            },
            Rule::VolumeOptions => self.volume_options(place, value),
            Rule::Endpoints => {
                if let Some(name) = value.as_object().and_then(|object| object.keys().find(|name| self.is_host_network(name))) {
                    self.unless(Word::HostNetwork, format!("{place}.{name}"))?;
                }
                self.rule(place, value, Rule::Each(ENDPOINT))
            }
        }
    }

    fn namespace(self, place: &str, value: &Value, word: Word) -> Verdict {
        let mode = text(place, value)?;
        if ["", "private", "shareable", "none"].contains(&mode) || mode.starts_with("container:") {
            return Ok(());
        }
        self.unless(word, format!("{place}={mode}"))
    }

    /// Also `no-new-privileges=false`: it takes back what the daemon gives to all.
    fn security(self, place: &str, option: &str) -> Verdict {
        let fine = ["no-new-privileges", "no-new-privileges=true", "no-new-privileges:true", "seccomp=builtin", "apparmor=docker-default"];
        if fine.contains(&option) { Ok(()) } else { self.unless(Word::SecurityOptions, format!("{place}={option}")) }
    }

    /// `source:target[:options]`, or a volume's name, or a target alone.
    fn bind(self, place: &str, bind: &str) -> Verdict {
        let mut parts = bind.split(':');
        let (source, _target, options) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
        if parts.next().is_some() {
            return Err(Refusal::unclear(format!("{place} with more than two colons"), "write it as source:target:options"));
        }
        if let Some(option) = options.unwrap_or_default().split(',').find(|option| !BIND_OPTIONS.contains(option)) {
            self.unless(Word::Privileged, format!("{place} with the option `{option}`"))?;
        }
        // moby takes for a volume's name what does not begin with a slash, and checks its letters.
        if source.starts_with('/') && bind.contains(':') { self.path(place, source) } else { Ok(()) }
    }

    fn path(self, place: &str, path: &str) -> Verdict {
        if self.allow.path(path) {
            return Ok(());
        }
        let cure = Cure::Allow(format!("bind:{path}"));
        Err(Refusal { what: format!("{place} of {path}, which the runner does not share with this sidecar"), cure })
    }

    fn mounts(self, place: &str, value: &mut Value) -> Verdict {
        let mounts = match value {
            Value::Null => return Ok(()),
            Value::Array(mounts) => mounts,
            _ => return Err(shape(place, "a list")),
        };
        for mount in mounts {
            self.object(place, mount, MOUNT)?;
            let field = |name: &str| text(place, mount.get(name).unwrap_or(&Value::Null));
            match field("Type")? {
                "bind" => self.path(place, field("Source")?)?,
                "volume" | "tmpfs" | "image" => {}
                other => return Err(Refusal::never(format!("{place} of the type `{other}`"))),
            }
        }
        Ok(())
    }

    /// The local driver mounts whatever it is told, `o=bind` with every type; a tmpfs is all that it may be told here.
    fn volume_options(self, place: &str, value: &Value) -> Verdict {
        if json::is_nothing(value) {
            return Ok(());
        }
        let Value::Object(options) = value else { return Err(shape(place, "an object")) };
        let option = |name: &str| options.get(name).and_then(Value::as_str).unwrap_or_default();
        let known = options.keys().all(|name| ["type", "device", "o"].contains(&name.as_str())) && options.values().all(Value::is_string);
        let plain = |option: &str| {
            let name = option.split_once('=').map_or(option, |(name, _)| name);
            ["size", "mode", "uid", "gid", "nr_inodes", "noexec", "nosuid", "nodev", "ro", "rw", ""].contains(&name)
        };
        let tmpfs = option("type") == "tmpfs" && ["", "tmpfs"].contains(&option("device")) && option("o").split(',').all(plain);
        if known && tmpfs { Ok(()) } else { self.unless(Word::VolumeOptions, place.to_owned()) }
    }
}

fn shape(place: &str, wanted: &str) -> Refusal {
    let place = if place.is_empty() { "the body" } else { place };
    Refusal::unclear(format!("{place}: it is not {wanted}"), "see docs.docker.com/reference/api/engine")
}

fn text<'a>(place: &str, value: &'a Value) -> Result<&'a str, Refusal> {
    match value {
        Value::Null => Ok(""),
        Value::String(text) => Ok(text),
        _ => Err(shape(place, "text")),
    }
}

fn list<'a>(place: &str, value: &'a Value) -> Result<Vec<&'a str>, Refusal> {
    match value {
        Value::Null => Ok(Vec::new()),
        Value::Array(items) => items.iter().map(|item| text(place, item)).collect(),
        // CapAdd was one text once, and moby's StrSlice still takes it.
        _ => Err(shape(place, "a list")),
    }
}

#[cfg(test)]
mod tests;
