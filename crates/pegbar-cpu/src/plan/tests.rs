//! What a plan promises: every row is made once and in order, and nothing still to be read is overwritten.

use super::*;
use crate::program::Settings;
use crate::simd::Isa;
use pegbar_net::{BinaryOp, Net, NodeId, Op, Padding, PoolKind, WeightTensor};

fn conv(net: &mut Net, from: NodeId, cin: usize, cout: usize, stride: usize) -> NodeId {
    let data = vec![0.1; cout * cin * 9];
    let weight = net.push_weight(WeightTensor { name: "w".into(), shape: vec![cout, cin, 3, 3], data });
    let op = Op::Conv2d {
        weight,
        bias: None,
        stride: [stride; 2],
        padding: Padding::all(1),
        dilation: [1, 1],
        groups: 1,
    };
    net.push("conv", op, &[from])
}

/// A skip over two convolutions, half size and back, a gate from a global pool, a concatenation.
fn winding() -> Program {
    let mut net = Net::default();
    let picture = net.push("input", Op::Input { channels: 3 }, &[]);
    let a = conv(&mut net, picture, 3, 16, 1);
    let b = conv(&mut net, a, 16, 16, 1);
    let c = conv(&mut net, b, 16, 16, 1);
    let sum = net.push("add", Op::Binary(BinaryOp::Sub), &[c, a]);
    let half = conv(&mut net, sum, 16, 64, 2);
    let deep = conv(&mut net, half, 64, 64, 1);
    let back = net.push("shuffle", Op::PixelShuffle { factor: 2 }, &[deep]);
    let cat = net.push("cat", Op::Concat { axis: 1 }, &[back, sum]);
    let d = conv(&mut net, cat, 32, 20, 1);
    let pool = net.push("pool", Op::GlobalPool { kind: PoolKind::Max }, &[d]);
    let gated = net.push("gate", Op::Binary(BinaryOp::Mul), &[d, pool]);
    net.output = Some(conv(&mut net, gated, 20, 3, 1));
    let isa = Isa::new(crate::CpuLevel::Scalar).expect("always there");
    let settings = Settings {
        isa,
        precision: crate::CpuPrecision::Exact,
        out_of_range: std::collections::BTreeMap::new(),
    };
    Program::new(&net, settings).expect("compiles")
}

/// Replays a plan on a model of the memory: who wrote each slot of each row, and checks every read.
fn replay(program: &Program, plan: &Plan) {
    let heights: Vec<usize> = plan.layouts.iter().map(|layout| layout.height).collect();
    // (value, row) by (offset of the slot, channel window).
    let mut memory: std::collections::HashMap<usize, (usize, usize)> = std::collections::HashMap::new();
    let slot = |value: usize, y: usize| {
        let layout = &plan.layouts[value];
        layout.offset + y % layout.slots * layout.row_stride + layout.first_channel
    };
    let mut next_row = vec![0; program.steps.len()];
    for event in &plan.events {
        let step = &program.steps[event.step];
        assert_eq!(event.rows.start, next_row[event.step], "rows of {} are made in order", step.name);
        next_row[event.step] = event.rows.end;
        let input_heights: Vec<usize> = step.inputs.iter().map(|&value| heights[value]).collect();
        for (input, value) in step.reads().enumerate() {
            let rows = step.kind.sources(input, &input_heights, heights[step.output], event.rows.clone());
            for y in rows {
                for &part in &program.values[value].made_of {
                    assert_eq!(memory.get(&slot(part, y)), Some(&(part, y)), "{} reads row {y}", step.name);
                }
            }
        }
        if !matches!(step.kind, Kind::Store { .. }) {
            for y in event.rows.clone() {
                let at = slot(step.output, y);
                let layout = &plan.layouts[step.output];
                assert!(at + (layout.width - 1) * layout.pixel_stride + layout.channels <= plan.arena_floats);
                memory.insert(at, (step.output, y));
            }
        }
    }
    for (step, &rows) in program.steps.iter().zip(&next_row) {
        assert_eq!(rows, heights[step.output], "{} is made to the end", step.name);
    }
}

#[test]
fn every_read_finds_its_row() {
    let program = winding();
    for (height, width) in [(2, 2), (4, 6), (26, 10), (64, 700), (130, 1500), (200, 5000)] {
        let plan = Plan::new(&program, height, width).expect("plans");
        replay(&program, &plan);
    }
}

#[test]
fn blocks_that_live_together_do_not_overlap() {
    let mut seed = 1u64;
    let mut random = |n: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((seed >> 33) % n) as usize
    };
    for _ in 0..200 {
        let mut blocks: Vec<Block> = (0..1 + random(30))
            .map(|_| {
                let (start, floats) = (random(50), 1 + random(100));
                Block {
                    row_stride: 0,
                    slots: 0,
                    floats,
                    life: Some(start..start + 1 + random(20)),
                    offset: 0,
                }
            })
            .collect();
        let total = arrange(&mut blocks).expect("small");
        for (i, a) in blocks.iter().enumerate() {
            assert!(a.offset + a.floats <= total);
            for b in &blocks[..i] {
                let (life_a, life_b) = (a.life.clone().expect("set"), b.life.clone().expect("set"));
                let together = life_a.start < life_b.end && life_b.start < life_a.end;
                let apart = a.offset + a.floats <= b.offset || b.offset + b.floats <= a.offset;
                assert!(!together || apart);
            }
        }
    }
}
