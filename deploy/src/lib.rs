//! What is wrong with a deployment of the pair, before anything runs.
