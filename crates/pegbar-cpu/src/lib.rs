//! The CPU engine: a [`pegbar_net::Net`] compiled to kernels that use what this processor has.
