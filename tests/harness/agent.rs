//! The rules of the ECS agent, as far as a task of two containers meets them.
