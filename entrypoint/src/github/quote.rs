//! Text from outside made safe to show. Pure.

/// The longest text from the network that gets into a message, in characters.
const LONGEST_QUOTE: usize = 300;

/// Text from outside made safe for a log line: control characters escaped, at most 300 characters.
pub(super) fn printable(text: &str) -> String {
    let mut out = String::new();
    let mut length = 0;
    for character in text.chars() {
        // Bidirectional overrides and line separators reorder or break a terminal line as control characters do.
        let unsafe_to_print =
            character.is_control() || matches!(character, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        let piece: String = if unsafe_to_print { character.escape_default().collect() } else { character.to_string() };
        length += piece.chars().count();
        if length > LONGEST_QUOTE {
            out.push('…');
            break;
        }
        out.push_str(&piece);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_the_network_cannot_forge_a_line_and_is_cut() {
        assert_eq!(printable("a\nb\u{1b}[31m\tc\u{202e}"), r"a\nb\u{1b}[31m\tc\u{202e}");
        assert_eq!(printable(&"é".repeat(300)).chars().count(), 300);
        let cut = printable(&"\n".repeat(1000));
        assert_eq!((cut.chars().count(), cut.ends_with('…')), (301, true));
    }
}
