//! The command line of Pegbar.

#[macro_use]
mod console;

mod cli;
mod commands;
mod exit;
mod interrupt;
mod output;
mod progress;
mod report;

use clap::Parser;
use exit::Exit;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    start_log(cli.verbose);
    if let Err(error) = interrupt::install() {
        tracing::warn!("Ctrl-C will not clean up: {error}");
    }
    match commands::run(cli.command) {
        Ok(Exit::Done) if console::is_output_lost() => Exit::Failed.into(),
        Ok(exit) => exit.into(),
        Err(error) => {
            interrupt::wait_if_interrupted();
            errln!("pegbar: {}", exit::sentence(&error));
            Exit::of_error(&error).into()
        }
    }
}

/// Log lines go to standard error: warnings by default, more with `-v`; `PEGBAR_LOG` takes a filter.
fn start_log(verbose: u8) {
    use tracing_subscriber::EnvFilter;
    let level = match verbose {
        0 => "warn",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    let filter = EnvFilter::try_from_env("PEGBAR_LOG").unwrap_or_else(|_| {
        EnvFilter::new(
            format!("pegbar={level}")
                + &["engine", "cpu", "net", "formats", "media", "frame"]
                    .map(|c| format!(",pegbar_{c}={level}"))
                    .concat(),
        )
    });
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(progress::LogWriter::default)
        .with_target(verbose > 1)
        .without_time()
        .with_ansi(false)
        .init();
}
