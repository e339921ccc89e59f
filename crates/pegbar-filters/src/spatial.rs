//! Restoration of single frames.
