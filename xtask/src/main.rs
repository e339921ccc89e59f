//! Development commands, run as `cargo xtask <command>`.
//!
//! This program depends on no crate of the house: it drives cargo, ffmpeg, Python and the built `pegbar` binary from outside, as a
//! person would, so it still compiles when a crate does not.

mod bench_architectures;
mod bench_chain;
mod bench_memory;
mod bench_peers;
mod bench_pipeline;
mod cache;
mod demo;
mod ffmpeg;
mod frame_server;
mod generate;
mod layers;
mod machine;
mod packages;
mod peers;
mod performance_page;
mod process;
mod python;
mod system_packages;
mod test;
mod test_models;
mod turns;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about = "Development commands of Pegbar")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Restore a real clip with a real model and show the result
    Demo(demo::Options),
    /// Run every check of the project: format, layers, lints, tests, documentation
    Test(test::Options),
    /// Fail when a crate depends on one that stands above it
    Layers,
    /// Write the generated documents
    Gen(generate::Options),
    /// Time Pegbar against other inference engines and write docs/performance.md
    BenchPeers(bench_peers::Options),
    /// Time published architectures against PyTorch and write docs/performance.md
    BenchArchitectures(bench_architectures::Options),
    /// Time a whole video against the engine alone, the encoder alone and another engine's pipeline
    BenchPipeline(bench_pipeline::Options),
    /// Time a chain on a film against its stages alone, watch its memory, kill it and let it go on
    BenchChain(bench_chain::Options),
    /// Measure peak memory by frame size and threads
    BenchMemory(bench_memory::Options),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = Workspace::find().and_then(|workspace| match arguments.command {
        Command::Demo(options) => demo::demo(&workspace, &options),
        Command::Test(options) => test::test(&workspace, &options),
        Command::Layers => layers::layers(&workspace),
        Command::Gen(options) => generate::generate(&workspace, &options, workspace::Build::Dev),
        Command::BenchPeers(options) => bench_peers::bench_peers(&workspace, &options),
        Command::BenchArchitectures(options) => {
            bench_architectures::bench_architectures(&workspace, &options)
        }
        Command::BenchPipeline(options) => bench_pipeline::bench_pipeline(&workspace, &options),
        Command::BenchChain(options) => bench_chain::bench_chain(&workspace, &options),
        Command::BenchMemory(options) => bench_memory::bench_memory(&workspace, &options),
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
