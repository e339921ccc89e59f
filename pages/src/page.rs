//! The text of the pages.

use crate::by_category;
use crate::run::{Ran, gives_nothing};
use pegbar_chain::{NodeType, Role};
use std::fmt::Write;

const GENERATED: &str =
    "<!-- Written by `cargo xtask gen` from the declaration of the node; do not edit. -->\n";

/// The name of a node's page.
pub(crate) fn file_name(kind: &NodeType) -> String {
    format!("{}.md", kind.id)
}

/// The page of a node. `picture` is the path of its picture from the page.
pub(crate) fn page(kind: &NodeType, ran: &Ran, picture: Option<&str>) -> String {
    let mut out = format!("{GENERATED}\n# {}\n\n", kind.name);
    let _ = writeln!(out, "`{}` · [{}](README.md#{})\n", kind.id, kind.category.name().1, anchor(kind));
    let _ = writeln!(out, "{}", kind.doc);
    if let Some(picture) = picture {
        let _ = write!(out, "\n![What {} does]({picture})\n", kind.name);
        if !ran.on.is_empty() {
            let _ = write!(out, "\n{}\n", ran.on);
        }
    }
    let declared = kind.markdown();
    if !declared.is_empty() {
        let _ = write!(out, "\n{declared}");
    }
    if !kind.params.is_empty() {
        out.push_str(
            "\nEach parameter can also be connected, under its name, to an output of another node.\n",
        );
    }
    if let Some(how) = how_it_runs(kind) {
        let _ = write!(out, "\n## How it runs\n\n{how}\n");
    }
    let _ = write!(out, "\n## Example\n\n```json\n{}\n```\n", ran.chain.to_json().trim_end());
    if let Some(reason) = gives_nothing(kind) {
        let _ = write!(out, "\n{reason}\n");
    }
    if !ran.values.is_empty() {
        out.push_str("\nIt gives\n\n| output | value |\n|---|---|\n");
        for (output, value) in &ran.values {
            let value = value.replace('|', "\\|");
            let _ = writeln!(out, "| `{output}` | `{value}` |");
        }
    }
    if !kind.former_ids.is_empty() {
        let ids: Vec<String> = kind.former_ids.iter().map(|id| format!("`{id}`")).collect();
        let _ = write!(out, "\nFiles of earlier versions call it {}.\n", ids.join(", "));
    }
    out
}

/// What a reader should know of how it works on frames of a film.
fn how_it_runs(kind: &NodeType) -> Option<&'static str> {
    Some(match kind.role {
        Role::Temporal { .. } => {
            "It looks at frames before and after, never over a cut. A picture by itself has none."
        }
        Role::Segment { .. } => {
            "It runs over the frames of a segment one after the other, and begins anew with the next."
        }
        Role::Function { varies: true, .. } => "It gives each frame a result of its own, equal frames too.",
        Role::Function { acts: true, .. } => {
            "It acts outside of the chain, so it runs for each frame though nothing takes its result."
        }
        Role::Source { .. } => {
            "It begins a stream: the nodes behind it run once for each value that it gives."
        }
        Role::Collector { .. } => "It takes the whole stream, and its results are there when that has ended.",
        _ => return None,
    })
}

/// All nodes by category.
pub(crate) fn index() -> String {
    let mut out = format!("{GENERATED}\n# Nodes\n\n");
    let n = by_category().map(|(_, kinds)| kinds.len()).sum::<usize>();
    let _ = writeln!(
        out,
        "What chains are made of: {n} kinds of nodes. Each has a page with what it takes, gives and does, an example, and a picture \
         that the node has made itself. `pegbar chain nodes WORD` finds them on the command line.\n"
    );
    for (category, kinds) in by_category() {
        let title = category.name().1;
        let _ = writeln!(out, "- [{title}](#{}) ({})", anchor_of(title), kinds.len());
    }
    for (category, kinds) in by_category() {
        let _ = write!(out, "\n## {}\n\n| node | name | what it does |\n|---|---|---|\n", category.name().1);
        for kind in kinds {
            let summary = kind.summary().replace('|', "\\|");
            let _ = writeln!(out, "| [`{}`]({}) | {} | {summary} |", kind.id, file_name(kind), kind.name);
        }
    }
    out
}

fn anchor(kind: &NodeType) -> String {
    anchor_of(kind.category.name().1)
}

/// The anchor that GitHub gives a heading.
fn anchor_of(heading: &str) -> String {
    let kept =
        heading.to_lowercase().chars().filter(|c| c.is_alphanumeric() || *c == ' ').collect::<String>();
    kept.replace(' ', "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anchors_are_those_of_headings() {
        assert_eq!(anchor_of("Blur, sharpen, edges"), "blur-sharpen-edges");
        assert_eq!(anchor_of("Size and place"), "size-and-place");
    }

    #[test]
    fn the_index_names_every_node() {
        let index = index();
        for kind in pegbar_nodes::NODES.0 {
            assert_eq!(
                index.matches(&format!("| [`{}`]({}.md) |", kind.id, kind.id)).count(),
                1,
                "{}",
                kind.id
            );
        }
    }
}
