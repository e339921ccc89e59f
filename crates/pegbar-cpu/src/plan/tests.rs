//! Plans keep what is read.
