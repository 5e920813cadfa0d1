//! An environment becomes values, or a list of everything wrong with it.
