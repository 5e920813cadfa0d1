//! What a setting is: its names, its default and its one-line meaning.

/// One setting of a program: an environment variable that is also a flag.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// The environment variable, e.g. `STOP_TIMEOUT`; its flag is `--stop-timeout`.
    pub name: &'static str,
    /// Other variables with the same meaning, for people who come from another tool; the first that is set wins, `name` before all.
    pub aliases: &'static [&'static str],
    /// The group it belongs to, as in [`Guide::groups`](crate::Guide): by what somebody wants to do who sets it.
    pub group: &'static str,
    /// What the value looks like, e.g. `SECONDS`.
    pub value: &'static str,
    /// The default as a user would write it; empty means unset.
    pub default: &'static str,
    /// Never shown, never accepted on the command line; `NAME_FILE` names a file that holds it.
    pub secret: bool,
    /// One sentence without a full stop.
    pub help: &'static str,
}

impl Setting {
    /// `STOP_TIMEOUT` is `stop-timeout` on the command line; a secret has only its file there.
    pub fn flag(&self) -> String {
        let kebab = self.name.to_ascii_lowercase().replace('_', "-");
        if self.secret { format!("{kebab}-file") } else { kebab }
    }

    /// Every variable that means something here: the name, its aliases, and the files of a secret.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = std::iter::once(self.name).chain(self.aliases.iter().copied()).map(str::to_owned).collect();
        if self.secret {
            names.extend(names.clone().iter().map(|name| format!("{name}_FILE")));
        }
        names
    }

    /// The variable that names a file holding a secret.
    pub fn file_name(&self) -> String {
        format!("{}_FILE", self.name)
    }
}

/// All settings of one program, in the order in which they are explained.
#[derive(Debug, Clone, Copy)]
pub struct Table(pub &'static [Setting]);

impl Table {
    /// The setting with this primary name.
    pub fn get(&self, name: &str) -> Option<&'static Setting> {
        self.0.iter().find(|setting| setting.name == name)
    }

    /// The setting that this flag (without its dashes) sets. One that names a file and no secret may leave that out: `--trace FILE`.
    pub fn by_flag(&self, flag: &str) -> Option<&'static Setting> {
        let short = |setting: &&Setting| !setting.secret && setting.flag().strip_suffix("-file") == Some(flag);
        self.0.iter().find(|setting| setting.flag() == flag).or_else(|| self.0.iter().find(short))
    }

    /// Every variable name that means something: names, aliases, and the files of secrets.
    pub fn known_names(&self) -> Vec<String> {
        self.0.iter().flat_map(Setting::names).collect()
    }
}
