//! What is wrong with a chain is said with node, port and remedy.

use crate::kit::{chain, checked, faults};
use pegbar_chain::explain;

#[test]
fn every_fault_names_node_port_and_remedy() {
    for (nodes, said) in [
        (r#""a": {"type": "ad"}"#, vec!["node a: there is no kind of node \"ad\"; did you mean add?"]),
        (
            r#""a": {"type": "add"}"#,
            vec!["node a, image: nothing is connected; connect an image: \"image\": \"NODE.OUTPUT\""],
        ),
        (
            r#""in": {"type": "input"}, "a": {"type": "add", "params": {"by": 1000, "bye": 1}, "inputs": {"image": "im"}}"#,
            vec![
                "node a, by: 1000 is out of range, expected a number from -100 to 100; correct the value",
                "node a, bye: add has no parameter bye; did you mean by?",
                "node a, image: there is no node im; did you mean in?",
            ],
        ),
        (
            r#""n": {"type": "number"}, "a": {"type": "add", "inputs": {"image": "n.number"}}"#,
            vec!["node a, image: it takes an image, but n.number gives a number; connect an image"],
        ),
        (
            r#""in": {"type": "input"}, "a": {"type": "add", "inputs": {"image": "in.picture", "by": "in"}}"#,
            vec!["node a, image: node in (input) has no output picture; it has image"],
        ),
        (
            r#""in": {"type": "input"}, "a": {"type": "add", "inputs": {"image": "in", "by": "in"}}"#,
            vec!["node a, by: it takes a number, but in.image gives an image; connect a number"],
        ),
        (
            r#""a": {"type": "add", "inputs": {"image": "b"}}, "b": {"type": "add", "inputs": {"image": "a"}}"#,
            vec!["node b, image: nodes wait for each other: b -> a -> b; take one of these edges out"],
        ),
        (
            r#""in": {"type": "input"}, "a": {"type": "add", "inputs": {"image": "in", "by": "v"}},
               "v": {"type": "value_of", "inputs": {"image": "a"}}"#,
            vec!["node v, image: nodes wait for each other: v -> a -> v; take one of these edges out"],
        ),
        (
            r#""in": {"type": "input"}, "v": {"type": "value_of", "inputs": {"image": "a"}},
               "a": {"type": "add", "inputs": {"image": "in", "by": "v"}}"#,
            vec!["node a, by: nodes wait for each other: a -> v -> a; take one of these edges out"],
        ),
        (
            r#""in": {"type": "input"}, "other": {"type": "input"},
               "j": {"type": "join", "inputs": {"image": "in", "other": "other"}}"#,
            vec![
                "node j: frames of in and of other meet, which are different streams; connect outputs that come from one \
                 source",
            ],
        ),
        (
            r#""p": {"type": "placeholder", "params": {"original": "chainner:image:x"}}"#,
            vec![
                "node p: it stands for \"chainner:image:x\", which Pegbar does not have; put another node in its place, or \
                 disable it",
            ],
        ),
        (
            r#""in": {"type": "input"}, "v": {"type": "value_of", "inputs": {"image": "in"}},
               "s": {"type": "sum", "inputs": {"image": "in", "before": "v"}}"#,
            vec![
                "node s, before: a parameter of a node that looks at neighbours cannot change while it runs; connect a value \
                 that is known before",
            ],
        ),
        (
            r#""in": {"type": "input"}, "m": {"type": "mean", "inputs": {"image": "in"}},
               "a": {"type": "add", "inputs": {"image": "in", "by": "m"}}"#,
            vec!["node a: frames of in meet a value that is there when in has ended; make it in two runs"],
        ),
    ] {
        assert_eq!(faults(nodes), said, "{nodes}");
    }
}

#[test]
fn a_chain_may_be_long_but_not_without_end() {
    let long = |n: usize| {
        let node = |i: usize| {
            let before = if i == 0 { "in".to_owned() } else { format!("a{}", i - 1) };
            format!(r#", "a{i}": {{"type": "add", "inputs": {{"image": "{before}"}}}}"#)
        };
        r#""in": {"type": "input"}"#.to_owned() + &(0..n).map(node).collect::<String>()
    };
    assert_eq!(faults(&long(900)), [""; 0]);
    assert_eq!(
        faults(&long(1000)),
        [
            "node a999: more than 1000 nodes stand one behind the other; make two chains of it, or take nodes out"
        ]
    );
}

#[test]
fn disabled_nodes_take_with_them_what_needs_them() {
    let nodes = r#""in": {"type": "input"}, "a": {"type": "add", "disabled": true, "inputs": {"image": "in"}},
        "b": {"type": "add", "inputs": {"image": "a"}}, "c": {"type": "add", "pass_through": true, "inputs": {"image": "in"}},
        "d": {"type": "add", "inputs": {"image": "c"}}, "p": {"type": "placeholder", "disabled": true}"#;
    let checked = checked(nodes).expect("a good chain");
    let ids: Vec<&str> = checked.graph.order.iter().map(|&n| checked.graph.nodes[n].id.as_str()).collect();
    assert_eq!(ids, ["in", "d"]);
    let d = checked.graph.find("d").expect("d");
    assert_eq!(checked.graph.nodes[d].inputs[0][0].node, checked.graph.find("in").expect("in"));
}

#[test]
fn what_a_known_choice_does_not_take_is_left_out() {
    // The other side stands for what Pegbar does not have, and would be another stream.
    let nodes = r#""in": {"type": "input"}, "a": {"type": "add", "inputs": {"image": "in"}},
        "p": {"type": "placeholder"}, "other": {"type": "input"},
        "b": {"type": "join", "inputs": {"image": "other", "other": "p"}},
        "c": {"type": "choose", "params": {"condition": true}, "inputs": {"then": "a", "else": "b"}},
        "out": {"type": "output", "inputs": {"image": "c"}}"#;
    let right = checked(nodes).expect("a good chain");
    let ids: Vec<&str> = right.graph.order.iter().map(|&n| right.graph.nodes[n].id.as_str()).collect();
    assert_eq!(ids, ["in", "a", "c", "out"]);
    let text = explain(&chain(nodes), &right);
    assert!(text.contains("It takes a."), "{text}");
    assert!(text.contains("need what is: p, other, b."), "{text}");
    let turned = nodes.replace("true", "false");
    assert!(faults(&turned)[0].starts_with("node p: it stands for"), "{:?}", faults(&turned));
    // What is taken elsewhere stays, and so does the whole where the condition comes along an edge.
    let elsewhere = nodes.replace(r#""image": "c""#, r#""image": "b""#);
    assert!(faults(&elsewhere)[0].starts_with("node p: it stands for"), "{:?}", faults(&elsewhere));
    // A choice of what is disabled goes with it, though the other side is there.
    let disabled = nodes
        .replace(r#""add""#, r#""add", "disabled": true"#)
        .replace(r#"{"type": "placeholder"}"#, r#"{"type": "add", "inputs": {"image": "other"}}"#);
    let left = checked(&disabled).expect("a good chain");
    let ids: Vec<&str> = left.graph.order.iter().map(|&n| left.graph.nodes[n].id.as_str()).collect();
    assert!(!ids.contains(&"c") && !ids.contains(&"out"), "{ids:?}");
}

#[test]
fn sizes_are_told_relative_to_the_source_and_numbers_are_known() {
    let nodes = r#""in": {"type": "input"}, "a": {"type": "plus", "inputs": {"image": "in", "by": "n"}},
        "n": {"type": "number", "params": {"value": 3}}"#;
    let checked = checked(nodes).expect("a good chain, with a kind of node by its former name");
    let report = checked.report();
    let said: Vec<(&str, &str)> =
        report.iter().map(|node| (node.id.as_str(), node.outputs[0].is.as_str())).collect();
    assert_eq!(said, [("in", "image 1x"), ("n", "number 3"), ("a", "image 1x")]);
    assert_eq!(report[2].stream.as_deref(), Some("in"));
}

#[test]
fn parameters_are_set_from_outside() {
    let text = r#"{"pegbar": 1, "nodes": {
        "a": {"type": "add"}, "c": {"type": "choose", "inputs": {"condition": "n"}}, "g": {"type": "group.g"},
        "n": {"type": "number"}},
      "groups": {"g": {"params": {"much": "inner.by"}, "nodes": {"inner": {"type": "add"}}}}}"#;
    let mut chain = pegbar_chain::Chain::from_json(text).expect("a chain");
    let mut set = |text: &str| {
        chain.set(&crate::kit::TABLE, text, std::path::Path::new("")).map_err(|fault| fault.to_string())
    };
    assert_eq!(set("a.by=2.5"), Ok(()));
    assert_eq!(set("g.much=7"), Ok(()));
    for (text, said) in [
        ("a.by", "\"a.by\" sets nothing; write node.param=value, such as denoise.strength=2"),
        ("by=2", "\"by=2\" sets nothing; write node.param=value, such as denoise.strength=2"),
        ("b.by=2", "there is no node b; did you mean a or c or g?"),
        ("a.buy=2", "node a, buy: add has no parameter buy; did you mean by?"),
        ("a.by=much", "node a, by: expected a number from -100 to 100, got \"much\""),
        ("a.by=101", "node a, by: 101 is out of range, expected a number from -100 to 100"),
        ("g.many=1", "node g, many: group.g has no parameter many; it has much"),
        ("c.condition=on", "node c, condition: its value comes from n; set that, or take the edge out"),
    ] {
        assert_eq!(set(text), Err(said.to_owned()), "{text}");
    }
    assert_eq!(chain.nodes["a"].params["by"], pegbar_params::ParamValue::Float(2.5));
    assert_eq!(chain.nodes["g"].params["much"], pegbar_params::ParamValue::Float(7.0));
}
