//! What the programs tell of themselves outside of a log: help on a terminal, man pages, completions. The files are those that are
//! released; that they are today's is looked at by `cargo xtask check`.

use std::{
    fs::{self, File},
    io::Read as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use nix::pty::{Winsize, openpty};
use runner_tests::{
    need::{Need, need},
    programs::Program,
};

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("docs")
}

/// What a program says on a terminal of so many columns.
fn on_a_terminal(columns: u16, program: Program, words: &[&str]) -> String {
    let size = Winsize { ws_row: 50, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    let terminal = openpty(&size, None).unwrap();
    let mut child = Command::new(program.path()).args(words).stdin(Stdio::null()).stdout(terminal.slave).spawn().unwrap();
    let mut said = Vec::new();
    // A terminal whose last writer is gone answers with an error.
    let _ = File::from(terminal.master).read_to_end(&mut said);
    assert!(child.wait().unwrap().success());
    String::from_utf8(said).unwrap().replace('\r', "")
}

#[test]
fn help_is_as_wide_as_the_terminal_between_eighty_and_a_hundred_columns() {
    let longest = |text: &str| text.lines().map(|line| line.chars().count()).max().unwrap_or(0);
    for program in [Program::Entrypoint, Program::Dind] {
        let plain = Command::new(program.path()).arg("--help").output().unwrap();
        let plain = String::from_utf8(plain.stdout).unwrap();
        let at = |columns| on_a_terminal(columns, program, &["--help"]);
        assert_eq!([at(80), at(40)], [plain.clone(), plain]);
        assert!((73..=80).contains(&longest(&at(80))) && (85..=90).contains(&longest(&at(90))), "{}", at(90));
        assert!((93..=100).contains(&longest(&at(300))), "{}", at(300));
    }
}

#[test]
fn help_about_the_cache_is_as_wide_as_the_terminal_too() {
    let longest = |columns| on_a_terminal(columns, Program::Entrypoint, &["cache", "gc", "--help"]).lines().map(str::len).max().unwrap();
    assert!(longest(80) <= 80 && longest(100) > 80, "{} and {}", longest(80), longest(100));
}

#[test]
fn the_man_pages_have_nothing_that_mandoc_warns_of() {
    if !need(&[Need::Mandoc]) {
        return;
    }
    for program in ["runner-entrypoint", "runner-dind"] {
        let page = docs().join(format!("man/{program}.1"));
        let lint = Command::new("mandoc").args(["-Tlint", "-Wwarning"]).arg(&page).output().unwrap();
        let found = String::from_utf8_lossy(&lint.stdout).into_owned();
        // A page without a date is the same wherever and whenever it is made.
        let found: Vec<&str> = found.lines().filter(|line| !line.ends_with("missing date, using \"\": TH")).collect();
        assert!(found.is_empty(), "{}", found.join("\n"));
        let shown = Command::new("mandoc").args(["-Tascii", "-Owidth=100"]).arg(&page).output().unwrap();
        // A letter, a backspace and the letter again are bold.
        let text = String::from_utf8_lossy(&shown.stdout).chars().fold(String::new(), |mut text, letter| {
            if letter == '\u{8}' {
                text.pop();
            } else {
                text.push(letter);
            }
            text
        });
        for part in ["STOP_TIMEOUT=SECONDS, --stop-timeout SECONDS", "EXIT STATUS", "\n       143 ", "LOG_FORMAT=auto|human|json"] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    }
}

#[test]
fn the_picture_of_the_demo_shows_a_good_end_and_is_light_to_load() {
    let picture = fs::read_to_string(docs().join("demo.svg")).unwrap();
    assert!(picture.starts_with("<svg ") && picture.contains("All is as it should be.") && picture.len() < 100_000);
    assert!(!picture.contains("/tmp") && !picture.contains("/target/"), "a path of the machine that recorded it");
}

/// What is typed, and what must be offered; the last word is completed. A file to find is `allowed.txt` in the folder of the test.
const TYPED: [(&[&str], &[&str]); 9] = [
    (&["runner-entrypoint", "che"], &["check"]),
    (&["runner-entrypoint", "--stop-t"], &["--stop-timeout"]),
    (&["runner-entrypoint", "--log-format", ""], &["auto", "human", "json"]),
    (&["runner-entrypoint", "check", "--run-as-root", ""], &["yes", "no"]),
    (&["runner-entrypoint", "cache", "re"], &["restore"]),
    (&["runner-entrypoint", "cache", "restore", "--allow", "allo"], &["allowed.txt"]),
    (&["runner-entrypoint", "--access-token-file", "allo"], &["allowed.txt"]),
    (&["runner-dind", "help", "sto"], &["stop", "storage"]),
    (&["runner-dind", "check-deploy", "--st"], &["--strict"]),
];

/// Asks a shell for each line of [`TYPED`]; `script` gets the words and prints what is offered, a line each.
fn offers(shell: &str, options: &[&str], script: &str) {
    if !need(&[Need::Shells]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("allowed.txt"), "").unwrap();
    let script_file = folder.path().join("script");
    fs::write(&script_file, script).unwrap();
    for (typed, expected) in TYPED {
        let mut command = Command::new(shell);
        command.args(options).arg(&script_file).args(typed).current_dir(folder.path()).env("COMPLETIONS", docs().join("completions"));
        let output = command.env("HOME", folder.path()).env("TERM", "dumb").stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        // fish puts an explanation behind a tab, zsh what it would add behind a blank.
        let offered: Vec<&str> = said.lines().map(|line| line.split(['\t', ' ']).next().unwrap_or_default()).collect();
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert!(expected.iter().all(|word| offered.contains(word)), "{shell}: {typed:?} is completed to {said:?}\n{complaints}");
        assert!(!offered.contains(&"--docker-tcp") && !offered.contains(&"hook"), "{shell}: {typed:?} is completed to {said:?}");
    }
}

#[test]
fn bash_completes_commands_settings_choices_and_files() {
    offers(
        "bash",
        &["--norc"],
        r#"
        source "$COMPLETIONS/$1.bash"
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
        function=$(complete -p "$1" | sed 's/.*-F \([^ ]*\).*/\1/')
        "$function" "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
        printf '%s\n' "${COMPREPLY[@]}"
        "#,
    );
}

#[test]
fn fish_completes_commands_settings_choices_and_files() {
    offers(
        "fish",
        &["--no-config"],
        r#"
        source "$COMPLETIONS/$argv[1].fish"
        complete --do-complete (string join -- ' ' $argv)
        "#,
    );
}

/// zsh completes only at a prompt: one is opened on a terminal of zsh's own, what it would add is caught at its builtin, and an end is
/// marked, so that nobody waits for a time.
#[test]
fn zsh_completes_commands_settings_choices_and_files() {
    offers(
        "zsh",
        &["-f"],
        r#"
        zmodload zsh/zpty
        line="$*"
        zpty prompt zsh -f -i
        zpty -w prompt "PS1= PROMPT_EOL_MARK= fpath=(${(q)COMPLETIONS} \$fpath); unsetopt zle_bracketed_paste beep; stty -echo"
        zpty -w prompt 'autoload -Uz compinit; compinit -u -D
            compadd() {
                [[ ${@[1,(i)(-|--)]} == *-(O|A|D)\ * ]] && { builtin compadd "$@"; return }
                typeset -a __found; builtin compadd -A __found "$@"; builtin compadd "$@"
                [[ -n $__found ]] && print -rl -- "offer:"${^__found}
            }
            finish() { print -r -- "the-""end" }
            complete-and-say() { zle complete-word; finish; zle send-break }
            bindkey "^I" expand-or-complete; zle -C offered complete-word _generic
            zle -N complete-and-say; bindkey "^X" complete-and-say; print -r -- "be""gin"'
        while zpty -r prompt said; do [[ $said == *begin* ]] && break; done
        zpty -n -w prompt "$line"$'\x18'
        while zpty -r prompt said; do
            [[ $said == *the-end* ]] && break
            said=${said%$'\n'} said=${said%$'\r'}
            [[ $said == *offer:* ]] && print -r -- ${said##*offer:}
        done
        zpty -d prompt
        "#,
    );
}
