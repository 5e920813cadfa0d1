//! What is in the images, and what a build says that can not be.

use runner_tests::images;
#[test]
fn peek() {
    let e = images::engine();
    println!("{}", e.sh(&std::fs::read_to_string("/dev/shm/tmp/peek.sh").unwrap()));
}
