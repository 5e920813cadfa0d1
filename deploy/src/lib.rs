//! What is wrong with a deployment of the pair, before anything runs.
//!
//! A file becomes one [`tree`] whatever its format, with line and column of every key and value. From the tree a platform's file makes a
//! [`task`]; the rules of the pair ([`contract`]) are written once, on that, and beside them stand those that only one platform has.
//! Nothing is looked up: not the host, not an image, not the platform.

mod contract;
mod kind;
mod known;
mod platform;
mod report;
mod roles;
mod rules;
mod task;
mod tree;

use std::{
    ffi::OsString,
    fs::File,
    io::{self, Read},
    path::PathBuf,
};

pub use report::{Finding, Judged};
pub use rules::{RULES, Rule, Severity};
use settings::UsageError;

/// What was asked for on the command line.
#[derive(Debug, PartialEq, Eq)]
pub enum Order {
    /// Which words there are.
    Help,
    /// All rules.
    Rules {
        /// As a table for the documentation.
        markdown: bool,
    },
    /// What is wrong with these files; `-` is standard input.
    Judge {
        /// The files as they were named.
        files: Vec<PathBuf>,
        /// For programs.
        json: bool,
        /// Warnings count as errors do.
        strict: bool,
    },
}

/// What there is to say, and whether all is well.
#[derive(Debug)]
pub struct Answer {
    /// For standard output.
    pub text: String,
    /// No errors, and with `--strict` no warnings.
    pub fine: bool,
}

impl Order {
    /// Reads what follows the command's word.
    ///
    /// # Errors
    /// An unknown flag, two forms of output at once, or no file.
    pub fn read(words: impl IntoIterator<Item = OsString>) -> Result<Self, UsageError> {
        let (mut files, mut flags, mut only_files) = (Vec::new(), Vec::new(), false);
        for word in words {
            match word.to_str() {
                Some("--") if !only_files => only_files = true,
                Some("-h" | "--help") if !only_files => return Ok(Self::Help),
                Some(flag @ ("--json" | "--strict" | "--rules" | "--markdown")) if !only_files => flags.push(flag.to_owned()),
                Some(flag) if flag.starts_with('-') && flag != "-" && !only_files => {
                    return Err(UsageError(format!(
                        "unknown flag of check-deploy: {flag}\nhint: there are --json, --strict, --rules and --markdown"
                    )));
                }
                _ => files.push(PathBuf::from(word)),
            }
        }
        let has = |flag: &str| flags.iter().any(|other| other == flag);
        let of_files = has("--json") || has("--strict") || !files.is_empty();
        match (has("--rules"), has("--markdown")) {
            (true, _) if of_files => {
                Err(UsageError("--rules lists the rules, and takes no files\nhint: check-deploy --rules [--markdown]".to_owned()))
            }
            (true, markdown) => Ok(Self::Rules { markdown }),
            (false, true) => Err(UsageError("--markdown is for the list of rules\nhint: check-deploy --rules --markdown".to_owned())),
            (false, false) if files.is_empty() => Err(UsageError(
                "check-deploy needs a file, or - for standard input\nhint: check-deploy [--json] [--strict] FILE...".to_owned(),
            )),
            (false, false) => Ok(Self::Judge { files, json: has("--json"), strict: has("--strict") }),
        }
    }

    /// Does it. `help` is the text of whoever was asked.
    pub fn answer(self, help: impl FnOnce() -> String) -> Answer {
        match self {
            Self::Help => Answer { text: help(), fine: true },
            Self::Rules { markdown } => Answer { text: report::rules(markdown), fine: true },
            Self::Judge { files, json, strict } => {
                let files: Vec<Judged> = files.iter().map(judge_file).collect();
                let bad = report::count(&files, Severity::Error) + if strict { report::count(&files, Severity::Warning) } else { 0 };
                Answer { text: if json { report::json(&files) } else { report::human(&files) }, fine: bad == 0 }
            }
        }
    }
}

/// What is wrong with a text; `file` is its name in the report.
pub fn judge(file: &str, text: &str) -> Judged {
    let (kind, mut findings) = kind::judge(text);
    report::sort(&mut findings);
    Judged { file: file.to_owned(), kind, findings }
}

fn judge_file(path: &PathBuf) -> Judged {
    let name = path.display().to_string();
    match read(path) {
        Ok(text) => judge(&name, &text),
        Err(what) => {
            let findings = kind::single(rules::UNREADABLE, tree::Place::new(1, 1), what, "");
            Judged { file: name, kind: "unknown", findings }
        }
    }
}

fn read(path: &PathBuf) -> Result<String, String> {
    let cannot = |error: io::Error| format!("this file cannot be read: {error}");
    let mut bytes = Vec::new();
    let limit = kind::LARGEST as u64 + 1;
    if path.as_os_str() == "-" {
        io::stdin().lock().take(limit).read_to_end(&mut bytes).map_err(cannot)?;
    } else {
        File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)).map_err(cannot)?;
    }
    if bytes.len() > kind::LARGEST {
        return Err(format!("this file is larger than {} bytes, which no deployment is", kind::LARGEST));
    }
    String::from_utf8(bytes).map_err(|error| format!("this file is no UTF-8 text from byte {}", error.utf8_error().valid_up_to()))
}
