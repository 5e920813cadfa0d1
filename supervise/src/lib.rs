//! What PID 1 does, whatever it runs.
