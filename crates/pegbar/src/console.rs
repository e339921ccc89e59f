//! Lines on standard output and standard error. Nobody may read them any more, as after `| head` or when a terminal was closed: no work ends
//! for that.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// A line on standard output.
macro_rules! outln {
    ($($words:tt)*) => { $crate::console::out(format_args!("{}\n", format_args!($($words)*))) };
}

/// [`outln`] without the end of the line.
macro_rules! out {
    ($($words:tt)*) => { $crate::console::out(format_args!($($words)*)) };
}

/// A line on standard error.
macro_rules! errln {
    ($($words:tt)*) => { $crate::console::err(format_args!("{}\n", format_args!($($words)*))) };
}

/// Whether something on standard output was lost though it has a reader: a file on a full disk, for example.
static OUTPUT_LOST: AtomicBool = AtomicBool::new(false);

pub(crate) fn out(words: Arguments<'_>) {
    let Err(error) = std::io::stdout().lock().write_fmt(words) else { return };
    if error.kind() != ErrorKind::BrokenPipe && !OUTPUT_LOST.swap(true, Ordering::Relaxed) {
        err(format_args!("pegbar: standard output cannot be written: {error}\n"));
    }
}

pub(crate) fn err(words: Arguments<'_>) {
    // There is no other place to say so.
    let _ = std::io::stderr().lock().write_fmt(words);
}

/// Whether something on standard output was lost though it has a reader.
pub(crate) fn is_output_lost() -> bool {
    OUTPUT_LOST.load(Ordering::Relaxed)
}
