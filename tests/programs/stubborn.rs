//! One fault: goes on after SIGTERM and SIGINT. Says `ready` when it does, and `got N` for each that it sat out.
#![expect(clippy::print_stdout, reason = "tests wait for its lines")]

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

fn main() {
    let mut signals = Signals::new([SIGTERM, SIGINT]).expect("handlers can be set");
    println!("ready");
    for signal in signals.forever() {
        println!("got {signal}");
    }
}
