//! One fault: leaves orphans. `orphan-maker COUNT [GENERATIONS [LIVE_MS]]` prints the pid of each, then `made COUNT`, then
//! ends. With two generations an orphan makes another one before it ends.
#![expect(clippy::print_stdout, reason = "tests read what it made")]

use std::process::{Command, ExitCode};
use std::time::Duration;

#[expect(clippy::zombie_processes, reason = "children nobody waits for are the fault")]
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize, default: u64| arguments.get(at).map_or(default, |text| text.parse().expect("a number"));
    let again = |words: &[String]| Command::new(std::env::current_exe().expect("a path")).args(words).spawn().expect("start a child");
    let words = |first: &str, generations: u64, live: u64| [first.to_owned(), generations.to_string(), live.to_string()];
    match arguments.first().map(String::as_str) {
        // Ends at once, so that what it starts has no parent.
        Some("middle") => {
            let (generations, live) = (number(1, 1), number(2, 0));
            let child = again(&words(if generations > 1 { "middle" } else { "leaf" }, generations - 1, live));
            println!("{}", child.id());
        }
        Some("leaf") => std::thread::sleep(Duration::from_millis(number(2, 0))),
        _ => {
            let (count, generations, live) = (number(0, 1), number(1, 1), number(2, 0));
            for _ in 0..count {
                let _ = again(&words("middle", generations, live)).wait();
            }
            println!("made {count}");
        }
    }
    ExitCode::SUCCESS
}
