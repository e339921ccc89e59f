//! Symbolic shapes, evaluated, are the concrete ones, and both are what the interpreter makes.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use pegbar_net::{
    Axis, BinaryOp, Dim, Net, NetError, NodeId, Op, Padding, PoolKind, ResizeMode, ResizeTarget, UnaryOp,
    WeightTensor, interpret,
};
use support::{Numbers, graphs::random_net};

#[test]
fn symbolic_shapes_evaluate_to_concrete_ones() {
    for seed in 1..=400 {
        let mut numbers = Numbers(seed * 0x9e37_79b9);
        let net = random_net(&mut numbers, 12);
        let symbolic = net.infer_shapes().unwrap();
        let multiple = net.required_multiple().unwrap();
        let minimum = net.required_minimum().unwrap().unwrap();
        for _ in 0..8 {
            let mut side = || minimum + multiple * numbers.below(9);
            let (h, w) = (side(), side());
            // The smallest square is accepted; an oblong may have one side too small only if the square has.
            let concrete = net.infer_sizes(1, h, w).unwrap_or_else(|e| panic!("seed {seed}, {h} x {w}: {e}"));
            for (node, (dims, sizes)) in symbolic.iter().zip(&concrete).enumerate() {
                for (dim, size) in dims.iter().zip(sizes) {
                    assert_eq!(dim.eval(h, w), Some(*size), "seed {seed}, node {node}, {h} x {w}: {dim}");
                }
            }
        }
        let input = numbers.value([2, net_channels(&net), minimum, minimum + multiple]);
        let output = interpret(&net, &input).unwrap();
        let sizes = net.infer_sizes(2, minimum, minimum + multiple).unwrap();
        assert_eq!(output.shape, sizes[net.output.unwrap().0 as usize], "seed {seed}");
        assert_eq!(output.data.len(), output.shape.iter().product::<usize>(), "seed {seed}");
    }
}

fn net_channels(net: &Net) -> usize {
    let Op::Input { channels } = net.nodes[0].op else { panic!("no input") };
    channels
}

#[test]
fn the_smallest_accepted_size_is_found() {
    for seed in 1..=100 {
        let net = random_net(&mut Numbers(seed), 10);
        let step = net.required_multiple().unwrap();
        let minimum = net.required_minimum().unwrap().unwrap();
        assert!(net.infer_sizes(1, minimum, minimum).is_ok(), "seed {seed}");
        if minimum > step {
            assert!(net.infer_sizes(1, minimum - step, minimum - step).is_err(), "seed {seed}");
        }
    }
}

/// Two halvings and an odd border: exact for multiples of 4.
#[test]
fn divisions_demand_a_multiple() {
    let mut net = Net::default();
    let x = net.push("input", Op::Input { channels: 1 }, &[]);
    let x = net.push("a", Op::PixelUnshuffle { factor: 2 }, &[x]);
    let x = net.push("b", Op::PixelUnshuffle { factor: 2 }, &[x]);
    net.output = Some(x);
    assert_eq!(net.required_multiple(), Ok(4));
    assert_eq!(net.required_minimum(), Ok(Some(4)));
    let expected = Dim::Scaled { axis: Axis::Width, num: 1, den: 4, offset: 0 };
    assert_eq!(net.infer_shapes().unwrap()[2][3], expected);
    let error = net.infer_sizes(1, 8, 10).unwrap_err().to_string();
    assert!(
        error.contains("\"b\"") && error.contains("PixelUnshuffle") && error.contains("multiples of 2"),
        "{error}"
    );
}

#[test]
fn errors_name_node_operation_expected_and_found() {
    let mut net = Net::default();
    let x = net.push("input", Op::Input { channels: 3 }, &[]);
    let weight =
        net.push_weight(WeightTensor { name: "w".into(), shape: vec![8, 4, 3, 3], data: vec![0.0; 288] });
    let conv = Op::Conv2d {
        weight,
        bias: None,
        stride: [1, 1],
        padding: Padding::all(1),
        dilation: [1, 1],
        groups: 1,
    };
    net.output = Some(net.push("body.0", conv, &[x]));
    let error = net.infer_shapes().unwrap_err();
    assert!(matches!(&error, NetError::Shape { node, op: "Conv2d", .. } if node == "body.0"), "{error:?}");
    assert_eq!(
        error.to_string(),
        "node \"body.0\" (Conv2d): expected 4 x 1 groups input channels for weight [8, 4, 3, 3], found 3"
    );
}

#[test]
fn a_graph_must_be_in_order_and_have_ends() {
    let mut net = Net::default();
    assert!(matches!(net.infer_shapes(), Err(NetError::Graph { .. })));
    let x = net.push("input", Op::Input { channels: 3 }, &[]);
    assert!(net.infer_shapes().unwrap_err().to_string().contains("no output"));
    net.output = Some(net.push("relu", Op::Unary(UnaryOp::Relu), &[x]));
    assert!(net.infer_shapes().is_ok());
    net.nodes[1].inputs[0].0 = 1;
    assert!(net.infer_shapes().unwrap_err().to_string().contains("\"relu\""));
    net.nodes[1].inputs.clear();
    assert!(net.infer_shapes().unwrap_err().to_string().contains("1 inputs"));
    net.nodes.swap(0, 1);
    assert!(net.infer_shapes().unwrap_err().to_string().contains("input stands first"));
}

/// A picture, and what a strided convolution finds in it: `branch` makes a value of the picture's size of that.
fn with_branch(branch: impl FnOnce(&mut Net, NodeId) -> NodeId) -> Net {
    let mut net = Net::default();
    let x = net.push("input", Op::Input { channels: 2 }, &[]);
    let weight =
        net.push_weight(WeightTensor { name: "w".into(), shape: vec![2, 2, 3, 3], data: vec![0.1; 36] });
    let conv = Op::Conv2d {
        weight,
        bias: None,
        stride: [2, 2],
        padding: Padding::all(1),
        dilation: [1, 1],
        groups: 1,
    };
    let found = net.push("conv", conv, &[x]);
    let found = branch(&mut net, found);
    net.output = Some(net.push("sum", Op::Binary(BinaryOp::Add), &[x, found]));
    net
}

#[test]
fn what_is_only_pooled_does_not_bind_the_size() {
    let mean = Op::GlobalPool { kind: PoolKind::Average { count_pad: true } };
    let pooled = with_branch(|net, x| net.push("mean", mean.clone(), &[x]));
    assert_eq!(pooled.required_multiple(), Ok(1));
    let input = Numbers(3).value([1, 2, 7, 5]);
    assert_eq!(interpret(&pooled, &input).map(|output| output.shape), Ok([1, 2, 7, 5]));
    // Two values that round differently agree for even sizes only.
    let uneven = with_branch(|net, x| {
        let half = ResizeTarget::Scale { height: [1, 2], width: [1, 2] };
        let op = Op::Resize { mode: ResizeMode::Nearest, target: half };
        let shrunk = net.push("half", op, &[NodeId(0)]);
        let sum = net.push("sum", Op::Binary(BinaryOp::Add), &[x, shrunk]);
        net.push("mean", mean.clone(), &[sum])
    });
    assert_eq!(uneven.required_multiple(), Ok(2));
    let placed = with_branch(|net, x| {
        let twice = ResizeTarget::Scale { height: [2, 1], width: [2, 1] };
        net.push("twice", Op::Resize { mode: ResizeMode::Nearest, target: twice }, &[x])
    });
    assert_eq!(placed.required_multiple(), Ok(2));
}
