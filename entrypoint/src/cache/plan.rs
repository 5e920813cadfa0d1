//! What to copy: what one side has and the other lacks. Pure.

use super::names::VersionId;
use super::tree::survey::{State, Versions};

/// The work of one run.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// To be copied, in the order of their names.
    pub(super) copy: Vec<VersionId>,
    /// Complete on both sides.
    pub(super) already: usize,
}

/// Complete versions of `from` that are not complete in `to`. A complete version is never replaced: it does not change, and
/// if a job changed it (pip does) the change is that job's and not everybody's.
pub(super) fn plan(from: &Versions, to: &Versions) -> Plan {
    let (already, copy): (Vec<_>, Vec<_>) = from
        .iter()
        .filter(|(_, state)| **state == State::Complete)
        .map(|(id, _)| id.clone())
        .partition(|id| to.get(id) == Some(&State::Complete));
    Plan { copy, already: already.len() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_complete_here_and_not_complete_there_is_copied() {
        let states = [None, Some(State::Complete), Some(State::Unmarked), Some(State::MarkerOnly)];
        for from in states {
            for to in states {
                let id = VersionId { tool: "node".into(), version: "20.1.0".into(), arch: "x64".into() };
                let side = |state: Option<State>| -> Versions { state.map(|state| (id.clone(), state)).into_iter().collect() };
                let whole = Some(State::Complete);
                let expected = Plan {
                    copy: Vec::from_iter((from == whole && to != whole).then(|| id.clone())),
                    already: usize::from(from == whole && to == whole),
                };
                assert_eq!(plan(&side(from), &side(to)), expected, "{from:?} {to:?}");
            }
        }
    }
}
