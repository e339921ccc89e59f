//! Attention and normalisation against numbers PyTorch gives in double precision: rolled and masked windows, unfolded
//! keys, rearranged grids, written as the published networks write them.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use pegbar_net::{
    Attention, ChannelAttention, Net, NodeId, NormKind, Op, Padding, PoolKind, Region, Scores, Value,
    WeightId, WeightTensor, interpret,
};

/// Numbers that are easy to make again elsewhere: `(((7919 i + 104729 seed) mod 2003) / 2003 - 1/2) * gain`.
fn numbers(n: usize, seed: usize, gain: f64) -> Vec<f32> {
    (0..n).map(|i| ((((i * 7919 + seed * 104_729) % 2003) as f64 / 2003.0 - 0.5) * gain) as f32).collect()
}

fn weight(net: &mut Net, shape: &[usize], seed: usize, gain: f64) -> WeightId {
    let data = numbers(shape.iter().product(), seed, gain);
    net.push_weight(WeightTensor { name: "w".into(), shape: shape.to_vec(), data })
}

/// Runs a net made on one picture that holds several values one after the other: `parts` are their channels.
fn run(shape: [usize; 4], parts: &[usize], build: impl FnOnce(&mut Net, &[NodeId]) -> NodeId) -> Value {
    let [n, _, h, w] = shape;
    let total: usize = parts.iter().sum();
    let mut net = Net::default();
    let x = net.push("input", Op::Input { channels: total }, &[]);
    let mut start = 0;
    let mut ids = vec![];
    for &channels in parts {
        let end = start + channels as i64;
        ids.push(net.push("part", Op::Slice { axis: 1, start, end }, &[x]));
        start = end;
    }
    net.output = Some(build(&mut net, &ids));
    net.validate().unwrap();
    let mut data = vec![];
    for picture in 0..n {
        for (seed, &channels) in parts.iter().enumerate() {
            let plane = channels * h * w;
            data.extend_from_slice(&numbers(n * plane, seed + 1, 4.0)[picture * plane..][..plane]);
        }
    }
    let input = Value { shape: [n, total, h, w], data };
    let result = interpret(&net, &input).unwrap();
    assert_eq!(result, interpret(&net.simplified(), &input).unwrap());
    result
}

/// Sum, sum weighted with cosines, second and last value.
fn close(found: &Value, expected: [f64; 4]) {
    let sum: f64 = found.data.iter().map(|&v| f64::from(v)).sum();
    let wave: f64 = found.data.iter().enumerate().map(|(i, &v)| f64::from(v) * (i as f64).cos()).sum();
    let ends = [f64::from(found.data[1]), f64::from(*found.data.last().unwrap())];
    for (found, expected) in [sum, wave, ends[0], ends[1]].into_iter().zip(expected) {
        assert!((found - expected).abs() < 2e-5, "{found} is not {expected}");
    }
}

const DOT: Scores = Scores::Dot(0.7);

#[test]
fn shifted_windows_are_rolled_and_masked_windows() {
    let found = run([2, 0, 8, 9], &[4, 4, 4], |net, qkv| {
        let bias = weight(net, &[2, 12, 12], 4, 1.0);
        let op = Attention::blocks(2, [4, 3], DOT).with_shift([1, 2]).with_bias(bias);
        net.push("attention", Op::Attention(op), qkv)
    });
    close(&found, [24.202893, 0.05898, 1.34543, 0.08978]);
}

#[test]
fn pictures_of_other_sizes_are_continued_with_zeros() {
    let found = run([1, 0, 7, 9], &[4, 4, 4], |net, qkv| {
        let bias = weight(net, &[2, 12, 12], 4, 1.0);
        let op = Attention::blocks(2, [4, 3], DOT).with_shift([1, 2]).with_bias(bias);
        net.push("attention", Op::Attention(Attention { pad_to: Some([4, 6]), ..op }), qkv)
    });
    close(&found, [-48.81687, -2.591728, 1.331406, -0.245857]);
}

#[test]
fn keys_may_overlap() {
    let found = run([1, 0, 8, 12], &[4, 4, 4], |net, qkv| {
        let bias = weight(net, &[2, 16, 36], 5, 1.0);
        let op = Attention::blocks(2, [4, 4], DOT).with_bias(bias);
        net.push("attention", Op::Attention(Attention { key_margin: [1, 1], ..op }), qkv)
    });
    close(&found, [-9.300789, -1.533959, 0.263292, 0.647679]);
}

#[test]
fn keys_may_be_coarser() {
    let found = run([1, 0, 8, 12], &[4], |net, q| {
        let bias = weight(net, &[2, 16, 4], 6, 1.0);
        let [k, v] = [2, 3].map(|seed| {
            let weight = weight(net, &[1, 4, 4, 6], seed, 4.0);
            net.push("constant", Op::Constant(weight), &[])
        });
        let op = Attention::blocks(2, [4, 4], DOT).with_shift([2, 2]).with_bias(bias);
        // A constant has no size that follows the picture, so the picture is cut to one that does not either.
        let q = [2, 3].into_iter().fold(q[0], |q, axis| {
            let end = if axis == 2 { 8 } else { 12 };
            net.push("fix", Op::Slice { axis, start: 0, end }, &[q])
        });
        net.push("attention", Op::Attention(Attention { key_factor: 2, ..op }), &[q, k, v])
    });
    close(&found, [-10.791215, 8.55603, 1.432851, -0.210684]);
}

/// Queries two times smaller than keys are those of every second pixel of a window with all queries.
#[test]
fn queries_may_be_coarser() {
    let attend = |coarse: bool| {
        run([1, 0, 8, 12], &[4, 4, 4], |net, qkv| {
            let rows = net.push("rows", Op::Slice { axis: 1, start: 0, end: 4 }, &[qkv[0]]);
            let kind = PoolKind::Max;
            let pool = Op::Pool { kind, kernel: [1, 1], stride: [2, 2], padding: Padding::default() };
            let bias = weight(net, &[2, 4, 16], 6, 1.0);
            let small = net.push("every second", pool.clone(), &[rows]);
            if coarse {
                let op = Attention::blocks(2, [2, 2], DOT).with_shift([1, 1]).with_bias(bias);
                let op = Attention { query_factor: 2, ..op };
                return net.push("attention", Op::Attention(op), &[small, qkv[1], qkv[2]]);
            }
            // The same rows of the bias for all queries of a block of 2 x 2.
            let data = net.weight(bias).data.clone();
            let full = (0..2 * 16 * 16)
                .map(|i| {
                    let (head, query, key) = (i / 256, i / 16 % 16, i % 16);
                    data[(head * 4 + query / 8 * 2 + query % 4 / 2) * 16 + key]
                })
                .collect();
            let shape = vec![2, 16, 16];
            let bias = net.push_weight(WeightTensor { name: "full".into(), shape, data: full });
            let op = Attention::blocks(2, [4, 4], DOT).with_shift([2, 2]).with_bias(bias);
            let all = net.push("attention", Op::Attention(op), &[rows, qkv[1], qkv[2]]);
            net.push("every second", pool, &[all])
        })
    };
    assert_eq!(attend(true), attend(false));
}

#[test]
fn grids_and_cosines() {
    let found = run([1, 0, 8, 12], &[4, 4, 4], |net, qkv| {
        let scale = net.push_weight(WeightTensor { name: "s".into(), shape: vec![2], data: vec![3.0, 5.0] });
        let op = Attention::blocks(2, [4, 3], Scores::Cosine(scale)).with_region(Region::Grid([4, 3]));
        net.push("attention", Op::Attention(op), qkv)
    });
    close(&found, [-28.323289, 6.631284, 0.040655, 0.736638]);
}

#[test]
fn keys_of_another_picture() {
    let found = run([1, 0, 8, 12], &[4], |net, q| {
        let [k, v] = [(4, 2), (6, 3)].map(|(channels, seed)| {
            let weight = weight(net, &[1, channels, 3, 2], seed, 4.0);
            net.push("constant", Op::Constant(weight), &[])
        });
        let op = Attention::blocks(2, [1, 1], DOT).with_region(Region::Picture);
        net.push("attention", Op::Attention(op), &[q[0], k, v])
    });
    close(&found, [-10.736067, 0.479199, 0.974735, -0.607502]);
}

#[test]
fn channels_attend_to_channels() {
    let run = |region| {
        run([2, 0, 4, 6], &[6, 6, 6], |net, qkv| {
            let scale =
                net.push_weight(WeightTensor { name: "s".into(), shape: vec![2], data: vec![3.0, 5.0] });
            let op = ChannelAttention { heads: 2, region, scores: Scores::Cosine(scale) };
            net.push("attention", Op::ChannelAttention(op), qkv)
        })
    };
    close(&run(Region::Picture), [4.426821, -11.49002, 0.460017, 0.360545]);
    close(&run(Region::Blocks([2, 3])), [28.649027, -10.396985, 0.454123, 0.233475]);
    close(&run(Region::Grid([2, 3])), [-15.68194, -8.0058, 0.583567, 0.198312]);
}

/// Pixels a distance apart are a grid of as many as there are.
#[test]
fn channels_of_pixels_apart() {
    let with = |region: Region| {
        run([2, 12, 6, 8], &[4, 4, 4], |net, qkv| {
            let scores = Scores::Cosine(weight(net, &[2], 9, 8.0));
            net.push("attention", Op::ChannelAttention(ChannelAttention { heads: 2, region, scores }), qkv)
        })
    };
    assert_eq!(with(Region::Apart([3, 2])), with(Region::Grid([2, 4])));
}

/// `q (k^T v)`, summed by hand: one pixel in a window, so that is `(q . k) v` in each head.
#[test]
fn linear_attention() {
    let op = ChannelAttention { heads: 2, region: Region::Blocks([1, 1]), scores: Scores::Dot(0.5) };
    let mix = |order: [usize; 3]| {
        run([1, 12, 2, 3], &[4, 4, 4], |net, qkv| net.push("mix", Op::ChannelMix(op), &order.map(|i| qkv[i])))
    };
    let found = mix([2, 1, 0]);
    let [q, k, v] = [1, 2, 3].map(|seed| numbers(24, seed, 4.0));
    for (i, &value) in found.data.iter().enumerate() {
        let (channel, pixel) = (i / 6, i % 6);
        let head = channel / 2 * 2;
        let dot: f32 = (head..head + 2).map(|c| q[c * 6 + pixel] * k[c * 6 + pixel]).sum();
        assert!((value - 0.5 * dot * v[i]).abs() < 1e-5, "{i}: {value}");
    }
}

#[test]
fn normalisation() {
    let run = |op: fn(WeightId, WeightId) -> Op| {
        run([2, 0, 4, 5], &[6], |net, x| {
            let (factor, bias) = (weight(net, &[6], 2, 3.0), weight(net, &[6], 3, 2.0));
            net.push("norm", op(factor, bias), x)
        })
    };
    let layer =
        run(|weight, bias| Op::LayerNorm { kind: NormKind::Standard, weight, bias: Some(bias), eps: 1e-2 });
    close(&layer, [90.115255, 3.064081, 0.406068, 0.639909]);
    let rms =
        run(|weight, _| Op::LayerNorm { kind: NormKind::RootMeanSquare, weight, bias: None, eps: 1e-2 });
    close(&rms, [-11.893437, 1.310118, -0.378228, 0.374704]);
    let group = run(|weight, bias| Op::GroupNorm { groups: 3, weight, bias: Some(bias), eps: 1e-2 });
    close(&group, [115.605932, 2.727422, 0.523541, 0.822459]);
}

/// A net of three slices of a picture of 12 channels and an attention.
fn attention_net(op: Op) -> Net {
    let mut net = Net::default();
    let x = net.push("input", Op::Input { channels: 12 }, &[]);
    let qkv = [0, 4, 8].map(|start| net.push("part", Op::Slice { axis: 1, start, end: start + 4 }, &[x]));
    net.output = Some(net.push("attention", op, &qkv));
    net
}

#[test]
fn sizes_follow_the_windows() {
    let net = attention_net(Op::Attention(Attention::blocks(2, [4, 6], DOT)));
    assert_eq!(net.required_multiple(), Ok(12));
    assert!(net.infer_sizes(1, 8, 12).is_ok());
    let error = net.infer_sizes(1, 8, 10).unwrap_err().to_string();
    assert!(error.contains("multiples of 6"), "{error}");

    let padded = Attention { pad_to: Some([8, 12]), ..Attention::blocks(2, [4, 6], DOT) };
    let net = attention_net(Op::Attention(padded));
    assert_eq!(net.required_multiple(), Ok(1));
    assert!(net.infer_sizes(1, 7, 5).is_ok());
    assert_eq!(net.receptive_field().unwrap().alignment, 24);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let blocks = Attention::blocks(2, [4, 4], DOT);
    for (op, sentence) in [
        (Attention { heads: 3, ..blocks }, "channels for 3 heads"),
        (Attention { heads: 0, ..blocks }, "channels for 0 heads"),
        (blocks.with_shift([4, 0]), "a shift smaller than the window"),
        (Attention { key_margin: [1, 0], shift: [1, 0], ..blocks }, "a margin only without a shift"),
        (Attention { key_factor: 3, ..blocks }, "in multiples of 3"),
        (Attention { key_factor: 2, ..blocks }, "2 times as large as keys"),
        (Attention { query_factor: 2, ..blocks }, "keys 2 times as large as queries"),
        (Attention { query_factor: 2, key_factor: 2, ..blocks }, "smaller queries without"),
        (Attention { pad_to: Some([6, 4]), ..blocks }, "padding to multiples of 4"),
        (blocks.with_region(Region::Grid([4, 4])).with_shift([1, 1]), "only with blocks"),
        (blocks.with_region(Region::Blocks([0, 4])), "a window of 1"),
    ] {
        let error = attention_net(Op::Attention(op)).infer_shapes().unwrap_err().to_string();
        assert!(error.contains(sentence), "{op:?}: {error}");
    }
    let mut net = attention_net(Op::Attention(blocks));
    let bias = weight(&mut net, &[2, 16, 15], 1, 1.0);
    let last = net.nodes.len() - 1;
    net.nodes[last].op = Op::Attention(blocks.with_bias(bias));
    let error = net.infer_shapes().unwrap_err().to_string();
    assert!(error.contains("[2, 16, 16]"), "{error}");
}

#[test]
fn costs_count_every_key() {
    let net = attention_net(Op::Attention(Attention::blocks(2, [4, 4], DOT)));
    assert_eq!(net.flops_per_pixel(), 2.0 * 16.0 * 8.0);
}

#[test]
fn pieces_that_hold_whole_windows_are_exact() {
    let margin = Attention { key_margin: [1, 2], ..Attention::blocks(2, [4, 2], DOT) };
    let padded = Attention { pad_to: Some([8, 4]), ..Attention::blocks(2, [4, 2], DOT).with_shift([1, 1]) };
    let shifted = Attention::blocks(2, [4, 2], DOT).with_shift([3, 1]);
    for (op, [h, w]) in [
        (Op::Attention(shifted), [32, 24]),
        (Op::Attention(margin), [32, 24]),
        (Op::Attention(padded), [29, 23]),
        (
            Op::ChannelAttention(ChannelAttention { heads: 2, region: Region::Blocks([4, 2]), scores: DOT }),
            [32, 24],
        ),
    ] {
        let mut net = attention_net(op.clone());
        let first = net.nodes.len() as u32 - 1;
        // A second attention, of the first and its keys, so that reaches add up.
        net.output = Some(net.push("second", op.clone(), &[NodeId(first), NodeId(2), NodeId(3)]));
        let field = net.receptive_field().unwrap();
        let a = field.alignment;
        let input = Value { shape: [1, 12, h, w], data: numbers(12 * h * w, 1, 4.0) };
        let whole = interpret(&net, &input).unwrap();
        for (top, bottom) in [(0, a), (a, 2 * a), (a, h), (2 * a, 3 * a)] {
            let (y0, y1) =
                (top.saturating_sub(field.top) / a * a, (bottom + field.bottom).next_multiple_of(a).min(h));
            let rows = |v: &Value, y0: usize, y1: usize| -> Vec<f32> {
                let [_, _, h, w] = v.shape;
                v.data.chunks_exact(h * w).flat_map(|plane| plane[y0 * w..y1 * w].to_vec()).collect()
            };
            let piece = Value { shape: [1, 12, y1 - y0, w], data: rows(&input, y0, y1) };
            let part = interpret(&net, &piece).unwrap();
            let bottom = bottom.min(h);
            assert_eq!(rows(&whole, top, bottom), rows(&part, top - y0, bottom - y0), "{op:?} {field:?}");
        }
    }
}

#[test]
fn what_sees_everything_has_no_tiles() {
    let scores = DOT;
    let mut nets: Vec<Net> = [Region::Picture, Region::Grid([4, 4])]
        .into_iter()
        .flat_map(|region| {
            [
                attention_net(Op::Attention(Attention::blocks(2, [4, 4], DOT).with_region(region))),
                attention_net(Op::ChannelAttention(ChannelAttention { heads: 2, region, scores })),
            ]
        })
        .collect();
    let mut net = Net::default();
    let x = net.push("input", Op::Input { channels: 4 }, &[]);
    let factor = weight(&mut net, &[4], 1, 1.0);
    net.output =
        Some(net.push("norm", Op::GroupNorm { groups: 2, weight: factor, bias: None, eps: 1e-5 }, &[x]));
    nets.push(net);
    for net in nets {
        assert_eq!(net.receptive_field(), None);
    }
}
