//! Words for dockerd's command line that a user adds. Pure.

use super::ownership;

/// Words, split and judged.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Arguments {
    words: Vec<String>,
}

/// What is wrong with them, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong {
    /// A part of a sentence.
    pub what: String,
    /// What to do.
    pub hint: String,
}

impl Arguments {
    /// Splits as a shell does, without expanding anything: blanks part words, quotes of both kinds and backslashes keep them together.
    ///
    /// # Errors
    /// Everything that is wrong: a quote without end, a word that dockerd does not expect, a flag that is this program's own.
    pub fn parse(text: &str) -> Result<Self, Vec<Wrong>> {
        let Some(words) = split(text) else {
            return Err(vec![Wrong { what: "has a quote without its end".into(), hint: "quote as in a shell: --label 'a=b c'".into() }]);
        };
        let mut wrong = Vec::new();
        let mut value_may_follow = false;
        for word in &words {
            match ownership::key_of(word) {
                Some(key) => {
                    if let Some(reason) = ownership::reason(key) {
                        let flag = word.split_once('=').map_or(word.as_str(), |(flag, _)| flag);
                        wrong.push(Wrong { what: format!("`{flag}` is not for you to set"), hint: reason.to_owned() });
                    }
                    value_may_follow = !word.contains('=');
                }
                None if value_may_follow && !word.starts_with('-') => value_may_follow = false,
                None => {
                    let what = format!("`{word}` is neither a flag of dockerd nor the value of one");
                    wrong.push(Wrong { what, hint: "write flags as in --label a=b --experimental".into() });
                }
            }
        }
        if wrong.is_empty() { Ok(Self { words }) } else { Err(wrong) }
    }

    /// The words, in order.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// Whether a flag sets this key of `daemon.json`. dockerd refuses one that is set in both places.
    pub fn set(&self, key: &str) -> bool {
        self.words.iter().any(|word| ownership::key_of(word) == Some(key))
    }
}

fn split(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match characters.next()? {
                        '\'' => break,
                        other => word.push(other),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match characters.next()? {
                        '"' => break,
                        // sh(1): elsewhere within double quotes it is itself.
                        '\\' => match characters.next()? {
                            escaped @ ('"' | '\\' | '$' | '`') => word.push(escaped),
                            other => word.extend(['\\', other]),
                        },
                        other => word.push(other),
                    }
                }
            }
            '\\' => word.get_or_insert_default().push(characters.next()?),
            blank if blank.is_whitespace() => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        split(text).unwrap()
    }

    #[test]
    fn words_are_split_as_a_shell_does() {
        assert_eq!(words("  --a=1\t--b  2\n"), ["--a=1", "--b", "2"]);
        assert_eq!(words(r#"--label 'a=b c' --x="y z" a\ b"#), ["--label", "a=b c", "--x=y z", "a b"]);
        assert_eq!(words(r#""a\"b\\c\d" '' "$HOME""#), [r#"a"b\c\d"#, "", "$HOME"]);
        assert_eq!(words(""), [""; 0]);
        for open in ["'a", "\"a", "a\\", "\"a\\"] {
            assert_eq!(split(open), None, "{open}");
        }
    }

    #[test]
    fn flags_that_are_ours_are_refused_by_name_and_all_at_once() {
        let wrong = Arguments::parse("--data-root /x -H tcp://0.0.0.0:2375 --experimental --live-restore -s=vfs").unwrap_err();
        let named: Vec<&str> = wrong.iter().map(|wrong| wrong.what.split('`').nth(1).unwrap()).collect();
        assert_eq!(named, ["--data-root", "-H", "--live-restore", "-s"]);
        assert!(wrong.iter().all(|wrong| !wrong.hint.is_empty()));
    }

    #[test]
    fn a_word_that_is_no_flag_is_refused() {
        for text in ["dockerd --debug", "--label a=b c", "--label=a=b c", "-- --debug"] {
            let wrong = Arguments::parse(text).unwrap_err();
            assert!(wrong[0].what.contains("neither a flag of dockerd nor the value of one"), "{text}");
        }
        assert!(Arguments::parse("--debug --label a=b --log-level=info").is_ok());
    }

    #[test]
    fn it_is_known_which_keys_the_flags_set() {
        let arguments = Arguments::parse("--registry-mirror https://x --mtu=1400").unwrap();
        assert!(arguments.set("registry-mirrors") && arguments.set("mtu") && !arguments.set("dns"));
    }
}
