//! Drawings of chains: Mermaid text, and SVG of our own layout.
//!
//! The layout is in layers (Sugiyama, Tagawa, Toda: "Methods for visual understanding of hierarchical system structures", 1981): a node
//! stands in the layer after the last one that it takes values from; within a layer, nodes are put near what they are connected to.

use crate::chain_file::{Chain, OutputRef};
use crate::{ChainNode, NodeReport, NodeTable};
use std::collections::HashMap;
use std::fmt::Write;

/// Pixels of a letter's width, a line's height, and what is left around.
const LETTER_PX: f64 = 7.2;
const LINE_PX: f64 = 17.0;
const PAD_PX: f64 = 10.0;
/// Between layers and between the boxes of one.
const GAP_X_PX: f64 = 90.0;
const GAP_Y_PX: f64 = 26.0;
/// Longer lines are cut.
const MOST_LETTERS: usize = 44;
/// Rounds of putting nodes near their neighbours; more change little.
const SWEEPS: usize = 6;

/// A box and the edges that lead into it.
struct Drawn<'a> {
    lines: Vec<String>,
    faint: bool,
    inputs: Vec<DrawnEdge<'a>>,
    layer: usize,
    x: f64,
    y: f64,
}

/// An edge into a box.
struct DrawnEdge<'a> {
    from: usize,
    output: &'a str,
    port: &'a str,
}

impl Drawn<'_> {
    fn width(&self) -> f64 {
        let letters = self.lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
        letters as f64 * LETTER_PX + 2.0 * PAD_PX
    }

    fn height(&self) -> f64 {
        self.lines.len() as f64 * LINE_PX + 2.0 * PAD_PX - 4.0
    }
}

/// The chain as a Mermaid flow chart.
///
/// `report` is what a check found out of the nodes, or nothing; edges carry the name of the input, and of the output where it is not
/// the first.
pub fn mermaid(chain: &Chain, table: &NodeTable, report: &[NodeReport]) -> String {
    let drawn = drawn(chain, table, report);
    let mut text = String::from("flowchart LR\n");
    for (n, node) in drawn.iter().enumerate() {
        let label: Vec<String> = node.lines.iter().map(|line| mermaid_text(line)).collect();
        // Ids of one's own: words such as "end" mean something to Mermaid.
        let _ = writeln!(text, "  n{n}[\"{}\"]", label.join("<br/>"));
    }
    for (n, node) in drawn.iter().enumerate() {
        for edge in &node.inputs {
            let _ = writeln!(text, "  n{} -->|\"{}\"| n{n}", edge.from, mermaid_text(&edge_label(edge)));
        }
    }
    for (n, _) in drawn.iter().enumerate().filter(|(_, node)| node.faint) {
        let _ = writeln!(text, "  style n{n} stroke-dasharray: 4 4,opacity: 0.6");
    }
    text
}

/// The chain as an SVG picture; arguments as those of [`mermaid`].
pub fn svg(chain: &Chain, table: &NodeTable, report: &[NodeReport]) -> String {
    let mut drawn = drawn(chain, table, report);
    lay_out(&mut drawn);
    let right = drawn.iter().map(|node| node.x + node.width()).fold(0.0, f64::max) + 20.0;
    let bottom = drawn.iter().map(|node| node.y + node.height()).fold(0.0, f64::max) + 20.0;
    let head = if chain.title.is_empty() { 0.0 } else { 32.0 };
    let width = right.max(chain.title.chars().count() as f64 * 10.0 + 40.0);
    let height = bottom + head;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"ui-monospace, monospace\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n\
         <defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" \
         orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" fill=\"#57606a\"/></marker></defs>\n"
    );
    if head > 0.0 {
        let title = xml_text(&chain.title);
        let _ = writeln!(
            text,
            "<text x=\"20\" y=\"26\" font-size=\"16\" font-weight=\"bold\" fill=\"#1f2328\">{title}</text>"
        );
    }
    let _ = writeln!(text, "<g transform=\"translate(0 {head:.0})\">");
    for node in &drawn {
        let n_inputs = node.inputs.len() as f64;
        for (i, edge) in node.inputs.iter().enumerate() {
            let from = &drawn[edge.from];
            let (x0, y0) = (from.x + from.width(), from.y + from.height() / 2.0);
            let (x1, y1) = (node.x, node.y + node.height() * (i as f64 + 1.0) / (n_inputs + 1.0));
            let bend = ((x1 - x0) / 2.0).max(20.0);
            let dash = if node.faint || from.faint { " stroke-dasharray=\"4 4\"" } else { "" };
            let _ = writeln!(
                text,
                "<path d=\"M{x0:.1} {y0:.1}C{:.1} {y0:.1} {:.1} {y1:.1} {x1:.1} {y1:.1}\" fill=\"none\" \
                 stroke=\"#57606a\" marker-end=\"url(#tip)\"{dash}/>",
                x0 + bend,
                x1 - bend
            );
            let _ = writeln!(
                text,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" font-size=\"10\" fill=\"#57606a\" stroke=\"#ffffff\" \
                 stroke-width=\"3\" paint-order=\"stroke\">{}</text>",
                x1 - 10.0,
                y1 - 4.0,
                xml_text(&edge_label(edge))
            );
        }
    }
    for node in &drawn {
        let (x, y, w, h) = (node.x, node.y, node.width(), node.height());
        let opacity = if node.faint { " opacity=\"0.5\" stroke-dasharray=\"4 4\"" } else { "" };
        let _ = writeln!(
            text,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{w:.1}\" height=\"{h:.1}\" rx=\"6\" fill=\"#f6f8fa\" \
             stroke=\"#1f2328\"{opacity}/>"
        );
        for (i, line) in node.lines.iter().enumerate() {
            let style = match i {
                0 => "font-weight=\"bold\" fill=\"#1f2328\"",
                1 => "fill=\"#0550ae\"",
                _ => "fill=\"#57606a\"",
            };
            let baseline = y + PAD_PX + 10.0 + i as f64 * LINE_PX;
            let _ = writeln!(
                text,
                "<text x=\"{:.1}\" y=\"{baseline:.1}\" {style}>{}</text>",
                x + PAD_PX,
                xml_text(line)
            );
        }
    }
    text.push_str("</g>\n</svg>\n");
    text
}

/// The boxes of a chain, in the order of the file.
fn drawn<'a>(chain: &'a Chain, table: &NodeTable, report: &[NodeReport]) -> Vec<Drawn<'a>> {
    let known: HashMap<&str, &NodeReport> = report.iter().map(|node| (node.id.as_str(), node)).collect();
    let of = |(id, node): (&'a String, &'a ChainNode)| {
        let mut lines = vec![id.clone(), node.node_type.clone()];
        let first = table.get(&node.node_type).and_then(|kind| kind.outputs.first()).map(|output| output.id);
        for output in known.get(id.as_str()).map_or(&[][..], |known| &known.outputs) {
            // Names say nothing where there is one.
            let line = if first == Some(output.id) || output.is.starts_with(output.id) {
                output.is.clone()
            } else {
                format!("{}: {}", output.id, output.is)
            };
            lines.push(line);
        }
        let state = match (node.disabled, node.pass_through) {
            (true, _) => Some("disabled"),
            (_, true) => Some("passes through"),
            _ => None,
        };
        lines.extend(state.map(str::to_owned));
        lines.iter_mut().for_each(|line| *line = cut(line));
        let edge = |port: &'a str, source: &'a OutputRef| {
            let from = chain.nodes.get_index_of(&source.node)?;
            Some(DrawnEdge { from, output: &source.output, port })
        };
        let inputs = node
            .inputs
            .iter()
            .flat_map(|(port, sources)| sources.all().iter().filter_map(move |source| edge(port, source)));
        Drawn { lines, faint: state.is_some(), inputs: inputs.collect(), layer: 0, x: 0.0, y: 0.0 }
    };
    chain.nodes.iter().map(of).collect()
}

/// Gives each box a layer and a place.
fn lay_out(drawn: &mut [Drawn<'_>]) {
    // The longest way to each; a circle, which a check refuses, ends after as many rounds as there are nodes.
    for _ in 0..drawn.len() {
        let mut changed = false;
        for n in 0..drawn.len() {
            let after = drawn[n].inputs.iter().map(|edge| drawn[edge.from].layer + 1).max().unwrap_or(0);
            if after > drawn[n].layer && after < drawn.len() {
                drawn[n].layer = after;
                changed = true;
            }
        }
        if !changed {
            break;
        }
    }
    // What nothing is before stands just before what needs it.
    let mut first_user: Vec<Option<usize>> = vec![None; drawn.len()];
    for node in drawn.iter() {
        for edge in &node.inputs {
            let user = first_user[edge.from].get_or_insert(node.layer);
            *user = (*user).min(node.layer);
        }
    }
    for (node, user) in drawn.iter_mut().zip(&first_user).filter(|(node, _)| node.inputs.is_empty()) {
        node.layer = user.map_or(0, |user| user.saturating_sub(1));
    }
    let n_layers = drawn.iter().map(|node| node.layer + 1).max().unwrap_or(0);
    let mut layers: Vec<Vec<usize>> = vec![Vec::new(); n_layers];
    for (n, node) in drawn.iter().enumerate() {
        layers[node.layer].push(n);
    }
    let mut x = 20.0;
    for layer in &layers {
        let widest = layer.iter().map(|&n| drawn[n].width()).fold(0.0, f64::max);
        layer.iter().for_each(|&n| drawn[n].x = x);
        x += widest + GAP_X_PX;
        stack(drawn, layer);
    }
    let mut neighbours: Vec<Vec<usize>> = vec![Vec::new(); drawn.len()];
    for n in 0..drawn.len() {
        for edge in &drawn[n].inputs {
            neighbours[n].push(edge.from);
            neighbours[edge.from].push(n);
        }
    }
    let middle = |drawn: &[Drawn<'_>], n: usize| drawn[n].y + drawn[n].height() / 2.0;
    for _ in 0..SWEEPS {
        for layer in &mut layers {
            let mut wanted: Vec<(f64, usize)> = layer
                .iter()
                .map(|&n| {
                    let near = &neighbours[n];
                    let sum: f64 = near.iter().map(|&m| middle(drawn, m)).sum();
                    (if near.is_empty() { middle(drawn, n) } else { sum / near.len() as f64 }, n)
                })
                .collect();
            wanted.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            *layer = wanted.iter().map(|&(_, n)| n).collect();
            // Each as near to its wish as those above allow.
            let mut top = f64::NEG_INFINITY;
            for (wish, n) in wanted {
                let y = (wish - drawn[n].height() / 2.0).max(top);
                drawn[n].y = y;
                top = y + drawn[n].height() + GAP_Y_PX;
            }
        }
    }
    let least = drawn.iter().map(|node| node.y).fold(f64::INFINITY, f64::min);
    drawn.iter_mut().for_each(|node| node.y += 20.0 - least);
}

/// Puts the boxes of a layer one below the other.
fn stack(drawn: &mut [Drawn<'_>], layer: &[usize]) {
    let mut y = 20.0;
    for &n in layer {
        drawn[n].y = y;
        y += drawn[n].height() + GAP_Y_PX;
    }
}

fn edge_label(edge: &DrawnEdge<'_>) -> String {
    match edge.output {
        "" => edge.port.to_owned(),
        output if output == edge.port => output.to_owned(),
        output => format!("{output} > {}", edge.port),
    }
}

/// A line that is not too long.
fn cut(line: &str) -> String {
    let line: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if line.chars().count() <= MOST_LETTERS {
        return line;
    }
    line.chars().take(MOST_LETTERS - 1).chain(['…']).collect()
}

fn xml_text(text: &str) -> String {
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn mermaid_text(text: &str) -> String {
    text.replace('#', "#35;").replace('"', "#quot;").replace('<', "#lt;").replace('>', "#gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain() -> Chain {
        let text = r#"{"pegbar": 1, "title": "A < B", "nodes": {
            "in": {"type": "input"},
            "mask": {"type": "edges", "inputs": {"image": "in"}},
            "mix": {"type": "mix", "inputs": {"images": ["in", "mask.mask"], "amount": "n.value"}},
            "n": {"type": "number"},
            "out": {"type": "output", "inputs": {"image": "mix"}, "disabled": true}
        }}"#;
        Chain::from_json(text).expect("a chain")
    }

    #[test]
    fn mermaid_has_all_nodes_and_edges() {
        let text = mermaid(&chain(), &NodeTable(&[]), &[]);
        assert_eq!(
            text,
            "flowchart LR\n  n0[\"in<br/>input\"]\n  n1[\"mask<br/>edges\"]\n  n2[\"mix<br/>mix\"]\n  n3[\"n<br/>number\"]\n  \
             n4[\"out<br/>output<br/>disabled\"]\n  n0 -->|\"image\"| n1\n  n0 -->|\"images\"| n2\n  n1 -->|\"mask #gt; images\"| n2\n  \
             n3 -->|\"value #gt; amount\"| n2\n  n2 -->|\"image\"| n4\n  style n4 stroke-dasharray: 4 4,opacity: 0.6\n"
        );
    }

    #[test]
    fn boxes_stand_after_what_they_take_and_do_not_overlap() {
        let chain = chain();
        let mut drawn = drawn(&chain, &NodeTable(&[]), &[]);
        lay_out(&mut drawn);
        let layer = |id: &str| drawn.iter().find(|node| node.lines[0] == id).map(|node| node.layer);
        assert_eq!(
            ["in", "mask", "n", "mix", "out"].map(layer),
            [Some(0), Some(1), Some(1), Some(2), Some(3)]
        );
        for (i, a) in drawn.iter().enumerate() {
            for edge in &a.inputs {
                assert!(
                    drawn[edge.from].x + drawn[edge.from].width() < a.x,
                    "{} is before {}",
                    edge.from,
                    a.lines[0]
                );
            }
            for b in &drawn[i + 1..] {
                let apart_x = a.x + a.width() <= b.x || b.x + b.width() <= a.x;
                let apart_y = a.y + a.height() <= b.y || b.y + b.height() <= a.y;
                assert!(apart_x || apart_y, "{} and {} overlap", a.lines[0], b.lines[0]);
            }
        }
        let text = svg(&chain, &NodeTable(&[]), &[]);
        assert!(text.contains("A &lt; B") && text.matches("<path d=\"M").count() == 6, "{text}");
    }

    #[test]
    fn a_circle_and_nothing_are_drawn_too() {
        let text = r#"{"pegbar": 1, "nodes": {"a": {"type": "x", "inputs": {"i": "b"}}, "b": {"type": "x", "inputs": {"i": "a"}}}}"#;
        let circle = Chain::from_json(text).expect("a chain");
        assert!(svg(&circle, &NodeTable(&[]), &[]).ends_with("</svg>\n"));
        assert!(svg(&Chain::default(), &NodeTable(&[]), &[]).ends_with("</svg>\n"));
    }
}
