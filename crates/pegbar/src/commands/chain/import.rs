//! `pegbar chain import`.

use super::write_text;
use crate::cli::ChainImportArgs;
use crate::exit::Exit;
use crate::report;
use anyhow::{Context, Result, bail};
use pegbar_nodes::{Remark, import_chn};
use serde::Serialize;

/// Larger files are no chains.
const LARGEST_FILE: u64 = 64 << 20;

/// What is reported.
#[derive(Debug, Serialize)]
struct Report<'a> {
    input: String,
    output: String,
    nodes: usize,
    placeholders: usize,
    remarks: &'a [Remark],
}

/// Runs the command.
pub(super) fn run(args: &ChainImportArgs) -> Result<Exit> {
    let name = || args.file.display().to_string();
    let size = args.file.metadata().with_context(name)?.len();
    if size > LARGEST_FILE {
        bail!("{}: {size} bytes are too many for a chain", name());
    }
    let bytes = std::fs::read(&args.file).with_context(name)?;
    let text =
        String::from_utf8(bytes).ok().with_context(|| format!("{}: this is no text, so no chain", name()))?;
    let imported = import_chn(&text, &args.file).with_context(name)?;
    write_text(&args.output, &imported.chain.to_json(), args.overwrite)?;
    let report = Report {
        input: name(),
        output: args.output.display().to_string(),
        nodes: imported.chain.nodes.len(),
        placeholders: imported.n_placeholders(),
        remarks: &imported.report,
    };
    if args.report.json {
        report::json(&report)?;
    } else {
        for remark in report.remarks {
            errln!("pegbar: {}: {remark}", report.input);
        }
        let missing = match report.placeholders {
            0 => String::new(),
            1 => ", 1 of which Pegbar does not have".into(),
            n => format!(", {n} of which Pegbar does not have"),
        };
        outln!("{}: {} nodes{missing}", report.output, report.nodes);
    }
    Ok(if report.placeholders == 0 { Exit::Done } else { Exit::Partial })
}
