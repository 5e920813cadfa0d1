//! `cargo xtask record`: the demo, run for real on a terminal of our own, as a picture for README.

use std::{
    fs::{self, File},
    io::{Read as _, Write as _},
    process::{Command, Stdio},
};

use anstyle_svg::{Term, WIN10_CONSOLE};
use nix::pty::{Winsize, openpty};

use crate::{
    machine,
    run::{self, Failed},
};

const PICTURE: &str = "docs/demo.svg";

/// README shows it in a column of some 850 pixels: more would be too small to read.
const COLUMNS: u16 = 112;

/// What GitHub serves without a second thought.
const LARGEST: usize = 100_000;

/// Runs the demo and writes what it looked like.
pub(crate) fn record() -> Result<(), Failed> {
    machine::install_what_is_missing(machine::FOR_DEMO)?;
    println!("building the programs (a minute or more the first time)");
    run::cargo(&["build", "--quiet", "--package", "runner-tests", "--bins"])?;
    let said = on_a_terminal("debug/demo")?;
    let host = run::output("uname", &["--nodename"])?;
    let private = [run::root().display().to_string(), run::target().display().to_string(), host.trim().to_owned()];
    let picture = picture(&said, &private)?;
    let path = run::root().join(PICTURE);
    fs::write(&path, picture).map_err(|error| Failed(format!("{}: {error}", path.display())))?;
    println!("written: {PICTURE}");
    Ok(())
}

/// What a program of ours says on a terminal, which is shown meanwhile.
fn on_a_terminal(program: &str) -> Result<String, Failed> {
    let size = Winsize { ws_row: 50, ws_col: COLUMNS, ws_xpixel: 0, ws_ypixel: 0 };
    let terminal = openpty(&size, None).map_err(|error| Failed(format!("no terminal: {error}")))?;
    let slave = || terminal.slave.try_clone().map(Stdio::from).map_err(|error| Failed(format!("no terminal: {error}")));
    let path = run::target().join(program);
    let mut command = if run::is_root() || !run::sudo_works() {
        Command::new(&path)
    } else {
        let mut sudo = Command::new("sudo");
        sudo.arg("--non-interactive").arg(&path);
        sudo
    };
    let started = command.env_remove("NO_COLOR").stdin(Stdio::null()).stdout(slave()?).stderr(slave()?).current_dir(run::root()).spawn();
    let mut child = started.map_err(|error| Failed(format!("{} cannot be run: {error}", path.display())))?;
    // Ours go, so that the end of the program is the end of the terminal.
    drop((command, terminal.slave));
    let (mut master, mut said, mut part) = (File::from(terminal.master), Vec::new(), [0; 4096]);
    // It ends with an error, not with nothing, when the last writer is gone.
    while let Ok(length @ 1..) = master.read(&mut part) {
        said.extend_from_slice(&part[..length]);
        let _ = std::io::stdout().write_all(&part[..length]);
    }
    let ending = child.wait().map_err(|error| Failed(format!("{} cannot be waited for: {error}", path.display())))?;
    if !ending.success() {
        return Err(Failed(format!("the demo failed, so there is no picture of it: {ending}")));
    }
    Ok(String::from_utf8_lossy(&said).replace('\r', ""))
}

/// The picture of a terminal. It has its own background, so that it can be read on a light and on a dark page.
fn picture(said: &str, private: &[String]) -> Result<String, Failed> {
    // Only the first run on a machine has these lines.
    let of_this_run = |line: &&str| line.contains("kept for the next run)") || line.contains("an earlier run that was killed");
    if let Some(line) = said.lines().find(of_this_run) {
        return Err(Failed(format!("this run had more to do than others ({}): record again", line.trim())));
    }
    if let Some(secret) = private.iter().find(|secret| !secret.is_empty() && said.contains(secret.as_str())) {
        return Err(Failed(format!("the demo names this machine's {secret}, which would be in the picture")));
    }
    let text = format!("\x1b[2m$\x1b[0m \x1b[1mcargo xtask demo\x1b[0m\n{}\n", wrapped(said.trim_end(), usize::from(COLUMNS)));
    let picture = Term::new().palette(WIN10_CONSOLE).render_svg(&text);
    if picture.len() > LARGEST {
        return Err(Failed(format!("the picture has {} bytes, {LARGEST} at most: README would load slowly", picture.len())));
    }
    Ok(picture)
}

/// As a terminal breaks lines: at its last column, whatever stands there. Colours take no room.
fn wrapped(text: &str, columns: usize) -> String {
    let (mut out, mut column, mut escape) = (String::new(), 0, false);
    for letter in text.chars() {
        match letter {
            '\x1b' => escape = true,
            '\n' => column = 0,
            _ if escape => escape = !letter.is_ascii_alphabetic(),
            _ if column == columns => {
                out.push('\n');
                column = 1;
            }
            _ => column += 1,
        }
        out.push(letter);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_at_the_last_column_and_colours_take_no_room() {
        assert_eq!(wrapped("abcdef\ngh", 4), "abcd\nef\ngh");
        assert_eq!(wrapped("\x1b[1mab\x1b[0mcd\x1b[33me", 4), "\x1b[1mab\x1b[0mcd\x1b[33m\ne");
    }

    #[test]
    fn the_picture_has_the_text_in_colour_on_a_ground_of_its_own() {
        let picture = picture("\x1b[32mready\x1b[0m <1>\n", &["/home/somebody".to_owned()]).unwrap();
        for part in ["cargo xtask demo", "ready", "&lt;1&gt;", "<rect width=\"100%\"", "class=\"fg-green\""] {
            assert!(picture.contains(part), "{part} is not in\n{picture}");
        }
    }

    #[test]
    fn what_is_of_one_machine_or_of_one_run_is_in_no_picture() {
        let private = ["/home/somebody".to_owned()];
        for said in ["path=/home/somebody/x", "making a root file system (about 30 s, kept for the next run)", &"x ".repeat(LARGEST)] {
            assert!(picture(said, &private).is_err());
        }
    }
}
