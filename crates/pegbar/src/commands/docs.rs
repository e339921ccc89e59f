//! `pegbar docs`: the reference of all commands, generated from the declarations that parse them.

use crate::cli::Cli;
use crate::exit::Exit;
use anyhow::Result;
use clap::{Command, CommandFactory};
use std::fmt::Write;

/// Prints Markdown.
pub(crate) fn run() -> Result<Exit> {
    let mut out =
        String::from("# Command reference\n\nGenerated from the program's own help; do not edit.\n");
    let mut root = Cli::command();
    root.build();
    section(&mut root, &mut out)?;
    out.push_str("\n## Encoder presets\n\nWhat `--encode` takes by name.\n\n");
    out.push_str(&pegbar_media::encode_reference());
    out!("{out}");
    Ok(Exit::Done)
}

fn section(command: &mut Command, out: &mut String) -> Result<()> {
    let name = command.get_bin_name().unwrap_or(command.get_name()).to_owned();
    let help = command.clone().term_width(100).render_long_help().to_string();
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    write!(out, "\n## {name}\n\n```text\n{}\n```\n", lines.join("\n").trim_end())?;
    for sub in command.get_subcommands_mut() {
        if !sub.is_hide_set() && sub.get_name() != "help" {
            section(sub, out)?;
        }
    }
    Ok(())
}
