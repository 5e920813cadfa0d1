//! What is in the images, and what a build says that can not be.

use runner_tests::images;
#[test]
fn build() {
    println!("{:?}", images::archive());
    let e = images::engine();
    println!("{}", e.sh("docker images"));
}
