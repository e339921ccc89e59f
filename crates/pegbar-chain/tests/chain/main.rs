//! Chains of small nodes: what is checked, and how they run.

mod check;
mod explain;
mod kit;
mod stream;
