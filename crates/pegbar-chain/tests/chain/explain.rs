//! Chains told in words, and drawn with what a check found out.

use crate::kit::{TABLE, chain, checked};
use pegbar_chain::{explain, mermaid, svg};

const NODES: &str = r#"
    "in": {"type": "input"},
    "n": {"type": "number", "params": {"value": 3.0}},
    "more": {"type": "add", "inputs": {"image": "in", "by": "n"}, "note": "on purpose"},
    "mean": {"type": "mean", "inputs": {"image": "more"}},
    "say": {"type": "show", "inputs": {"text": "mean"}},
    "off": {"type": "add", "inputs": {"image": "in"}, "disabled": true},
    "out": {"type": "output", "inputs": {"image": "more"}}
"#;

#[test]
fn steps_are_told_in_order_and_by_stream() {
    let text = explain(&chain(NODES), &checked(NODES).expect("nothing is wrong"));
    let places: Vec<usize> = [
        "Once, before anything runs:\n  1. n (",
        "For each picture of in:\n  2. in (",
        "more (",
        "by from n",
        "(on purpose)",
        "out (",
        "When in has ended:\n",
        "mean (",
        "say (",
        "Left out, as they are disabled, pass through, are not chosen, or need what is: off.",
    ]
    .iter()
    .map(|part| text.find(part).unwrap_or_else(|| panic!("{part:?} is not in\n{text}")))
    .collect();
    assert!(places.is_sorted(), "{text}");
    assert!(text.contains("Set: value 3."), "{text}");
    assert!(!text.contains("a run leaves it out"), "everything is needed:\n{text}");
}

#[test]
fn what_nothing_needs_is_said() {
    let nodes = r#""in": {"type": "input"}, "idle": {"type": "add", "inputs": {"image": "in"}},
        "out": {"type": "output", "inputs": {"image": "in"}}"#;
    let text = explain(&chain(nodes), &checked(nodes).expect("nothing is wrong"));
    let line = text.lines().find(|line| line.contains("idle (")).expect("a step");
    assert!(line.ends_with("Nothing that is saved needs it, so a run leaves it out."), "{line}");
}

#[test]
fn drawings_tell_sizes() {
    let report = checked(NODES).expect("nothing is wrong").report();
    let text = mermaid(&chain(NODES), &TABLE, &report);
    assert!(text.contains("n0[\"in<br/>input<br/>image 1x\"]"), "{text}");
    assert!(text.contains("n1[\"n<br/>number<br/>number 3\"]"), "{text}");
    let text = svg(&chain(NODES), &TABLE, &report);
    assert!(text.contains(">image 1x</text>") && text.contains(">by</text>"), "{text}");
}
