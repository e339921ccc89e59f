//! `pegbar chain new`.

use super::write_text;
use crate::cli::ChainNewArgs;
use crate::exit::{Exit, UsageError};
use anyhow::Result;

/// Chains to begin with, by name.
const TEMPLATES: &[(&str, &str)] = &[
    ("upscale", UPSCALE),
    ("tape-rip", include_str!("../../../../../examples/chains/tape-rip.json")),
    ("dvd-cartoon", include_str!("../../../../../examples/chains/dvd-cartoon.json")),
    ("film-scan", include_str!("../../../../../examples/chains/film-scan.json")),
    ("clean-line-upscale", include_str!("../../../../../examples/chains/clean-line-upscale.json")),
    ("halo-fix-upscale", include_str!("../../../../../examples/chains/halo-fix-upscale.json")),
    ("two-models-edge-mask", include_str!("../../../../../examples/chains/two-models-edge-mask.json")),
];

/// The plainest chain that does something.
const UPSCALE: &str = r#"{
  "pegbar": 1,
  "title": "Upscale",
  "doc": "Enlarges pictures or films with one model.",
  "nodes": {
    "in": {
      "type": "input"
    },
    "model": {
      "type": "model.load",
      "params": {
        "path": "models/model.pth"
      }
    },
    "upscale": {
      "type": "image.upscale",
      "inputs": {
        "image": "in",
        "model": "model"
      }
    },
    "out": {
      "type": "output",
      "inputs": {
        "image": "upscale"
      }
    }
  }
}
"#;

/// Runs the command.
pub(super) fn run(args: &ChainNewArgs) -> Result<Exit> {
    let Some((_, text)) = TEMPLATES.iter().find(|(name, _)| *name == args.template) else {
        let names: Vec<&str> = TEMPLATES.iter().map(|(name, _)| *name).collect();
        let message = format!("there is no template {:?}; there are {}", args.template, names.join(", "));
        return Err(UsageError(message).into());
    };
    write_text(&args.output, text, args.overwrite)?;
    outln!("{}: set model paths to your models, then run pegbar chain check", args.output.display());
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pegbar_chain::{Chain, Graph, Role};
    use pegbar_nodes::NODES;

    /// Kinds of nodes that the examples use and that the table does not have. Empty when all of them are there.
    #[rustfmt::skip]
    const NOT_THERE: &[&str] = &[];

    #[test]
    fn templates_are_sound() {
        let mut missing: Vec<String> = Vec::new();
        for (name, text) in TEMPLATES {
            let chain = Chain::from_json(text).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(chain.to_json(), *text, "{name} is not as Pegbar writes it: pegbar chain export");
            assert!(!chain.title.is_empty() && chain.doc.ends_with('.'), "{name} is not described");
            let kinds = || chain.nodes.values().map(|node| node.node_type.as_str());
            let not_there: Vec<String> =
                kinds().filter(|kind| NODES.get(kind).is_none()).map(str::to_owned).collect();
            if !not_there.is_empty() {
                missing.extend(not_there);
                continue;
            }
            let graph = Graph::build(&chain, &NODES).unwrap_or_else(|faults| panic!("{name}: {faults:?}"));
            let has = |wanted: fn(Role) -> bool| graph.nodes.iter().any(|node| wanted(node.kind.role));
            assert!(has(|role| matches!(role, Role::HostSource)), "{name} has no input");
            assert!(has(|role| matches!(role, Role::HostSink)), "{name} has no output");
        }
        missing.sort_unstable();
        missing.dedup();
        assert_eq!(missing, NOT_THERE, "kinds of nodes that are not in the table");
    }
}
