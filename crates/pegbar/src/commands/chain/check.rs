//! `pegbar chain check`.

use crate::cli::ChainCheckArgs;
use crate::commands::run::Opened;
use crate::exit::Exit;
use crate::report;
use anyhow::Result;
use pegbar_chain::{Fault, NodeReport, check};
use pegbar_nodes::NODES;
use serde::Serialize;

/// What is reported.
#[derive(Debug, Serialize)]
struct Report {
    chain: String,
    title: String,
    ok: bool,
    faults: Vec<Fault>,
    nodes: Vec<NodeReport>,
}

/// Runs the command.
pub(super) fn run(args: &ChainCheckArgs) -> Result<Exit> {
    let opened = Opened::read(&args.file, &args.set)?;
    opened.trust(&args.trust);
    let Opened { chain, folder, shared, .. } = opened;
    let sources = super::host_sources(&chain, args.size);
    let mut report = Report {
        chain: args.file.display().to_string(),
        title: chain.title.clone(),
        ok: true,
        faults: Vec::new(),
        nodes: Vec::new(),
    };
    match check(&chain, &NODES, &folder, &shared, &sources) {
        Ok(checked) => report.nodes = checked.report(),
        Err(faults) => {
            report.ok = false;
            report.faults = faults;
        }
    }
    if args.report.json {
        report::json(&report)?;
    } else {
        print(&report);
    }
    Ok(if report.ok { Exit::Done } else { Exit::Failed })
}

fn print(report: &Report) {
    for fault in &report.faults {
        errln!("pegbar: {}: {fault}", report.chain);
    }
    if !report.ok {
        return;
    }
    outln!("{}: {} nodes, nothing is wrong", report.chain, report.nodes.len());
    let width = report.nodes.iter().map(|node| node.id.chars().count()).max().unwrap_or(0);
    let kind_width = report.nodes.iter().map(|node| node.node_type.len()).max().unwrap_or(0);
    for node in &report.nodes {
        let outputs: Vec<String> =
            node.outputs.iter().map(|output| format!("{}: {}", output.id, output.is)).collect();
        let pad = width - node.id.chars().count();
        outln!("  {}{:pad$}  {:kind_width$}  {}", node.id, "", node.node_type, outputs.join(", "));
    }
}
