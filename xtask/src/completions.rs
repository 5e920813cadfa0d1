//! Completions for bash, zsh and fish, made by clap_complete from what a program says of itself.

use std::collections::BTreeMap;

use clap::{Arg, ArgAction, Command as Known, ValueHint};
use clap_complete::{Generator as _, Shell, generate};

use crate::program::{Choice, Program, Setting, choices};

/// The shells that there are completions for.
pub(crate) const SHELLS: [Shell; 3] = [Shell::Bash, Shell::Zsh, Shell::Fish];

/// What the file of a shell is called, as that shell looks for it.
pub(crate) fn file_name(shell: Shell, program: &str) -> String {
    shell.file_name(program)
}

/// The completions of a program for one shell.
pub(crate) fn completions(program: &Program, shell: Shell) -> String {
    let mut text = Vec::new();
    generate(shell, &mut known(program), &program.name, &mut text);
    corrected(program, shell, &String::from_utf8_lossy(&text))
}

/// Two faults of clap_complete 4.6, which the tests in real shells (`tests/it/manual.rs`) see: without this, they fail.
fn corrected(program: &Program, shell: Shell, text: &str) -> String {
    match shell {
        // A name with a dash is spelt in one way where it is noted and in another where it is looked for.
        Shell::Bash => {
            let names = program.commands.iter().map(|command| &command.name).chain([&program.name]).filter(|name| name.contains('-'));
            names.fold(text.to_owned(), |text, name| text.replace(&name.replace('-', "__subcmd__"), &name.replace('-', "__")))
        }
        // While the value of an option before any command is typed, its option stands there without one; fish's argparse refuses that,
        // and it is taken for a command.
        Shell::Fish => text.replace("2>/dev/null\n    or return\n", "2>/dev/null\n    or return 0\n"),
        _ => text.to_owned(),
    }
}

/// The program as clap would have it. The programs read their command lines themselves: flags come from their tables.
fn known(program: &Program) -> Known {
    let settings: Vec<Arg> = program.settings().map(setting).collect();
    let mut known = Known::new(program.name.clone())
        .version(program.version.clone())
        .disable_help_subcommand(true)
        .disable_version_flag(true)
        .args(&settings)
        .arg(Arg::new("version").short('V').long("version").help("the program's version").action(ArgAction::SetTrue));
    for command in program.commands.iter().filter(|command| !command.name.contains(' ')) {
        let mut of_it = subcommand(&command.name, command, &settings);
        for member in &program.commands {
            if let Some(verb) = member.name.strip_prefix(&command.name).and_then(|rest| rest.strip_prefix(' ')) {
                of_it = of_it.subcommand(subcommand(verb, member, &settings));
            }
        }
        known = known.subcommand(of_it);
    }
    known.subcommand(help(program))
}

fn subcommand(word: &str, command: &crate::program::Command, settings: &[Arg]) -> Known {
    let known =
        Known::new(word.to_owned()).about(command.about.clone()).disable_help_subcommand(true).args(command.options.iter().map(option));
    let known = if command.settings { known.args(settings) } else { known };
    match places(&command.usage) {
        None => known,
        Some(hint) => {
            let command = hint == ValueHint::CommandWithArguments;
            known.arg(Arg::new("places").value_hint(hint).num_args(0..).action(ArgAction::Append).trailing_var_arg(command))
        }
    }
}

/// What may follow a command that is neither an option nor a command of its own.
fn places(usage: &str) -> Option<ValueHint> {
    let first = usage.lines().next().unwrap_or_default();
    let words: Vec<&str> = first.split(' ').filter(|word| !word.starts_with(['-', '[']) && !word.ends_with(']')).collect();
    match words[..] {
        ["CMD", ..] => Some(ValueHint::CommandWithArguments),
        ["FILE...", ..] => Some(ValueHint::FilePath),
        ["COMMAND" | "", ..] | [] => None,
        // The value of an option stands behind it.
        _ if first.starts_with("--") => None,
        _ => Some(ValueHint::DirPath),
    }
}

/// `help WORD`: commands, tasks, `all`, each with what it is about. Settings would bury them; they are known to `help`, too.
fn help(program: &Program) -> Known {
    let commands = program.commands.iter().filter(|command| !command.name.contains(' ')).map(|command| (&command.name, &command.about));
    let tasks = program.groups.iter().map(|group| (&group.word, &group.task));
    let mut words: BTreeMap<&str, &str> = commands.chain(tasks).map(|(word, about)| (word.as_str(), about.as_str())).collect();
    words.insert("all", "every setting");
    let about = |(word, about): (&str, &str)| Known::new(word.to_owned()).about(about.to_owned()).disable_help_flag(true);
    Known::new("help")
        .about("more about a command, a task or a setting")
        .disable_help_flag(true)
        .disable_help_subcommand(true)
        .subcommands(words.into_iter().map(about))
}

fn setting(setting: &Setting) -> Arg {
    let form = if setting.file.is_some() { "FILE" } else { &setting.value };
    valued(Arg::new(setting.flag.clone()).long(setting.flag.clone()).help(short(&setting.help)), form)
}

fn option(choice: &Choice) -> Arg {
    let mut arg = Arg::new(choice.long.clone()).long(choice.long.clone()).help(short(&choice.help));
    if let Some(letter) = choice.short {
        arg = arg.short(letter);
    }
    if choice.value.is_empty() { arg.action(ArgAction::SetTrue) } else { valued(arg, &choice.value) }
}

fn valued(arg: Arg, form: &str) -> Arg {
    let words = choices(form);
    let arg = arg.action(ArgAction::Set).value_name(form.replace('|', "-or-"));
    if !words.is_empty() {
        return arg.value_parser(words);
    }
    arg.value_hint(match form {
        "FILE" => ValueHint::FilePath,
        "DIR" => ValueHint::DirPath,
        "PATH" => ValueHint::AnyPath,
        "USER" => ValueHint::Username,
        "URL" => ValueHint::Url,
        "HOST" => ValueHint::Hostname,
        _ => ValueHint::Other,
    })
}

/// What stands before the first semicolon: a list of choices has room for no more.
fn short(help: &str) -> String {
    help.split("; ").next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::tests::program;

    #[test]
    fn every_command_option_setting_and_choice_is_in_the_completions_of_every_shell() {
        for shell in SHELLS {
            let text = completions(&program(), shell);
            for word in ["access-token-file", "kind", "folder", "human", "cache", "gc", "unused-for", "help", "access", "all"] {
                assert!(text.contains(word), "{shell}: {word} is not in\n{text}");
            }
        }
    }

    #[test]
    fn what_may_follow_a_command_is_read_from_its_usage() {
        for (usage, hint) in [
            ("[OPTION...] -- CMD [ARGUMENT...]", Some(ValueHint::CommandWithArguments)),
            ("[--json] [--strict] FILE...\n--rules", Some(ValueHint::FilePath)),
            ("TREE REMOTE [OPTION...]", Some(ValueHint::DirPath)),
            ("--from REMOTE --to LOCAL [OPTION...]", None),
            ("COMMAND [OPTION...]", None),
            ("[--SETTING VALUE...]", None),
            ("", None),
        ] {
            assert_eq!(places(usage), hint, "{usage}");
        }
    }
}
