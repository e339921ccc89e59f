//! A model in a session: device, precision, tiles that fit the memory.
