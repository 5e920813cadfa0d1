//! What makes output the same from run to run: pairs of pattern and replacement for insta's `filters` setting.

/// Times, durations, ports, pids, runner names' random parts and temporary paths. More specific patterns come first.
pub const FILTERS: &[(&str, &str)] = &[
    (r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(?:\.\d+)?Z", "[TIME]"),
    (r"(127\.0\.0\.1|localhost):\d+", "$1:[PORT]"),
    (r"(?:/[\w.-]+)*/\.tmp\w+", "[TEMP]"),
    (r"\b(pid|Pid|PID)([ =:]|\x22: ?)+\d+", "$1=[PID]"),
    (r"\b\d+(?:\.\d+)?(?:ns|µs|us|ms|s)\b", "[DURATION]"),
];

/// A value that differs from run to run and is known to the test: its literal as a pattern.
#[must_use]
pub fn literal(value: &str) -> String {
    value.chars().fold(String::new(), |mut pattern, letter| {
        if !letter.is_alphanumeric() && letter.is_ascii() && !letter.is_whitespace() {
            pattern.push('\\');
        }
        pattern.push(letter);
        pattern
    })
}
