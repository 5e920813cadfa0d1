//! A docker of the tests: a real dockerd in a box, to run images and containers in.
