//! A chain that brings its own beginnings and ends: it loads and saves by nodes.

use super::{Opened, faulty};
use crate::cli::RunArgs;
use crate::commands::session;
use crate::exit::Exit;
use crate::progress::Progress;
use crate::report;
use anyhow::{Result, bail};
use crossbeam_channel::bounded;
use pegbar_chain::{
    Arrival, Cancel, Checked, FrameSource, NodeCost, NodeError, Prepared, Preview, ResultCache,
    StreamOptions, check, run_stream,
};
use pegbar_frame::Rational;
use pegbar_nodes::NODES;
use serde::Serialize;
use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

/// What is reported.
#[derive(Debug, Serialize)]
struct Summary {
    chain: String,
    title: String,
    /// Rounds of all streams that are done.
    rounds: u64,
    failed: Vec<String>,
    nodes: Vec<NodeCost>,
}

/// Runs it.
pub(super) fn run(opened: &Opened, args: &RunArgs) -> Result<Exit> {
    let Opened { chain, folder, shared, .. } = opened;
    let checked = check(chain, &NODES, folder, shared, &HashMap::new()).map_err(faulty)?;
    if checked.roots().is_empty() {
        bail!("the chain has no end: nothing saves, writes or shows a result");
    }
    if args.work.dry_run {
        outln!("{}: the chain is right", args.chain.display());
        return Ok(Exit::Done);
    }
    let mut summary = Summary {
        chain: args.chain.display().to_string(),
        title: chain.title.clone(),
        rounds: 0,
        failed: Vec::new(),
        nodes: Vec::new(),
    };
    let sources: Vec<usize> = checked
        .graph
        .order
        .iter()
        .copied()
        .filter(|&n| matches!(checked.prepared[n], Prepared::Source(_)))
        .collect();
    for &source in &sources {
        run_source(&checked, source, args, &mut summary)?;
    }
    // What belongs to no stream.
    let cache = ResultCache::new(0);
    let preview = Preview::new(&checked, &cache, HashMap::new(), Rational::new(1, 1), Cancel::default());
    for root in checked.roots() {
        if checked.flows[root] == pegbar_chain::Flow::Constant {
            preview.node(root, 0)?;
            summary.rounds += 1;
        }
    }
    summary.nodes.extend(preview.costs());
    if args.work.report.json {
        report::json(&summary)?;
    } else {
        outln!("{}: {} done, {} failed", args.chain.display(), summary.rounds, summary.failed.len());
        for failed in &summary.failed {
            errln!("pegbar: {failed}");
        }
    }
    Ok(match (summary.failed.is_empty(), summary.rounds) {
        (true, _) => Exit::Done,
        (false, 0) => Exit::Failed,
        (false, _) => Exit::Partial,
    })
}

/// Runs the stream that a node begins, to its end; what fails of it fails alone.
fn run_source(checked: &Checked, source: usize, args: &RunArgs, summary: &mut Summary) -> Result<()> {
    let Prepared::Source(from) = &checked.prepared[source] else { return Ok(()) };
    let from: Arc<dyn FrameSource> = from.clone();
    let id = &checked.graph.nodes[source].id;
    let rounds = from.open().map_err(|error| anyhow::anyhow!("node {id}: {error}"))?;
    let is_film = from.is_film();
    let mut progress = Progress::start(id, "rounds", from.len(), args.work.report.json);
    let (sender, arrivals) = bounded(2);
    let threads = session::threads(&args.work.engine);
    let options = StreamOptions { threads, time_base: Rational::new(1, 1), cancel: Cancel::default() };
    let report = std::thread::scope(|scope| {
        scope.spawn(move || {
            for (i, round) in rounds.enumerate() {
                let arrival = Arrival {
                    make: Box::new(move || round),
                    index: i as u64,
                    pts: i as i64,
                    starts_scene: i == 0 || !is_film,
                    starts_segment: i == 0,
                    is_lead: false,
                    tag: (),
                };
                if sender.send(arrival).is_err() {
                    break;
                }
            }
        });
        let finish = |_| Ok::<(), NodeError>(());
        let ran = run_stream(checked, source, &arrivals, &options, &finish, &mut |delivery| {
            progress.step();
            match delivery.result {
                Ok(()) => summary.rounds += 1,
                Err(error) => summary.failed.push(format!("round {}: {error}", delivery.index)),
            }
            ControlFlow::Continue(())
        });
        drop(arrivals);
        ran
    })?;
    progress.finish();
    summary.nodes.extend(report.costs);
    Ok(())
}
