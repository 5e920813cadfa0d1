//! Which versions are wanted: `node@20,python@3.12,go`. Pure.

use super::names::VersionId;

/// The wanted tools; an empty list wants all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Selection(Vec<Item>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Item {
    tool: String,
    /// Leading parts of the version; `None`: every version.
    version: Option<String>,
}

/// An item that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no tool: write node, or node@20 for the versions that begin with 20")]
pub(super) struct BadItem(String);

impl Selection {
    pub(super) fn parse(text: &str) -> Result<Self, BadItem> {
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        let parsed = items.map(|item| {
            let (tool, version) = item.split_once('@').map_or((item, None), |(tool, version)| (tool, Some(version)));
            let bad = |part: &str| part.is_empty() || part.contains(|c: char| c.is_whitespace() || c.is_control() || "@/".contains(c));
            if bad(tool) || version.is_some_and(bad) {
                return Err(BadItem(item.to_owned()));
            }
            Ok(Item { tool: tool.to_lowercase(), version: version.map(str::to_owned) })
        });
        parsed.collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn wants(&self, id: &VersionId) -> bool {
        // Names that are not UTF-8 cannot be written in a list.
        let (Some(tool), Some(version)) = (id.tool.to_str(), id.version.to_str()) else {
            return self.0.is_empty();
        };
        let tool = tool.to_lowercase();
        let begins = |wanted: &str| version.strip_prefix(wanted).is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()));
        self.0.is_empty() || self.0.iter().any(|item| item.tool == tool && item.version.as_deref().is_none_or(begins))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_wanted_by_its_tool_and_its_leading_parts() {
        let cases = [
            ("", "node", "20.1.0", true),
            ("node", "node", "20.1.0", true),
            ("Node@20", "node", "20.1.0", true),
            ("python@3.12", "Python", "3.12.4", true),
            ("node@20", "node", "200.1.0", false),
            ("node@20", "node", "18.20.0", false),
            ("node@20.1.0", "node", "20.1.0", true),
            ("node@20.1", "node", "20.10.0", false),
            ("java_temurin-hotspot_jdk@21", "Java_Temurin-Hotspot_jdk", "21.0.3-9", true),
            ("go, node@20 ,", "go", "1.22.0", true),
            ("go,node@20", "python", "3.12.4", false),
        ];
        for (list, tool, version, wanted) in cases {
            let id = VersionId { tool: tool.into(), version: version.into(), arch: "x64".into() };
            assert_eq!(Selection::parse(list).unwrap().wants(&id), wanted, "{list:?} {tool} {version}");
        }
    }

    #[test]
    fn an_item_that_is_no_tool_is_named() {
        for bad in ["@20", "node@", "node@20@x64", "a b", "../x", "go,node@2 0"] {
            assert!(Selection::parse(bad).is_err(), "{bad}");
        }
        assert_eq!(
            Selection::parse("go,node@").unwrap_err().to_string(),
            "\"node@\" is no tool: write node, or node@20 for the versions that begin with 20"
        );
    }
}
