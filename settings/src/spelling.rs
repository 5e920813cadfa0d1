//! How far apart two names are, for "did you mean".

/// The number of single-character insertions, deletions and substitutions that turn `a` into `b` (Levenshtein).
pub(crate) fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, &to) in b.iter().enumerate() {
            let substitution = diagonal + usize::from(from != to);
            diagonal = row[j + 1];
            row[j + 1] = substitution.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// The candidate that `name` was probably meant to be: one slip in a short name, two in a long one.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let allowed = if name.len() < 8 { 1 } else { 2 };
    candidates
        .into_iter()
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|&(slips, _)| slips <= allowed)
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::{distance, nearest};

    #[test]
    fn distances_count_single_slips() {
        for (a, b, expected) in
            [("", "", 0), ("a", "", 1), ("LABELS", "LABEL", 1), ("RUNNER_NAME", "RUNER_NAME", 1), ("kitten", "sitting", 3)]
        {
            assert_eq!(distance(a, b), expected, "{a} {b}");
            assert_eq!(distance(b, a), expected, "{b} {a}");
        }
    }

    #[test]
    fn only_a_likely_slip_is_suggested() {
        let names = ["STOP_TIMEOUT", "LABELS"];
        assert_eq!(nearest("STOP_TIMEOT", names), Some("STOP_TIMEOUT"));
        assert_eq!(nearest("STOP", names), None);
        assert_eq!(nearest("LABEL", names), Some("LABELS"));
        assert_eq!(nearest("LABL", names), None);
    }
}
