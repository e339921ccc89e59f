//! Weights and graphs from strangers: a sentence, never a panic, never a huge allocation.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use pegbar_formats::{StateDict, Tensor};
use pegbar_net::{
    Model, ModelError, Net, NetError, Op, PadMode, Padding, ResizeMode, ResizeTarget, WeightId, WeightTensor,
};
use support::Numbers;

fn dict(entries: &[(&str, &[usize])]) -> StateDict {
    entries
        .iter()
        .map(|(key, shape)| {
            let len = shape.iter().product();
            ((*key).to_string(), Tensor::from_f32(shape.to_vec(), vec![0.25; len]).unwrap())
        })
        .collect()
}

fn message(entries: &[(&str, &[usize])]) -> String {
    Model::from_state_dict(&dict(entries)).expect_err("must not build").to_string()
}

#[test]
fn a_foreign_state_dict_names_what_it_is_like_and_nothing_else() {
    let error = Model::from_state_dict(&StateDict::default()).unwrap_err();
    assert!(matches!(&error, ModelError::Unknown { n_keys: 0, nearest } if nearest.is_empty()), "{error}");
    let text = message(&[("encoder.layer.weight", &[4, 4]), ("decoder.bias", &[4])]);
    assert!(text.contains("None of those Pegbar knows is like it"), "{text}");
    let text = message(&[("body.0.weight", &[8, 3, 3, 3]), ("decoder.bias", &[4])]);
    for part in ["Nearest", "Compact", "missing", "decoder.bias"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn compact_with_odd_shapes() {
    // No channels at all.
    let text = message(&[
        ("body.0.weight", &[0, 3, 3, 3]),
        ("body.0.bias", &[0]),
        ("body.2.weight", &[12, 0, 3, 3]),
        ("body.2.bias", &[12]),
    ]);
    assert!(text.contains("body.0.weight"), "{text}");
    // Last index odd, last channels no square, wrong rank, wrong kernel.
    let text = message(&[
        ("body.0.weight", &[8, 3, 3, 3]),
        ("body.0.bias", &[8]),
        ("body.2.weight", &[12, 8, 3, 3]),
        ("body.2.bias", &[12]),
        ("body.3.weight", &[12]),
    ]);
    assert!(text.contains("body.3"), "{text}");
    let text = message(&[
        ("body.0.weight", &[8, 3, 3, 3]),
        ("body.0.bias", &[8]),
        ("body.2.weight", &[7, 8, 3, 3]),
        ("body.2.bias", &[7]),
    ]);
    assert!(text.contains("7 channels"), "{text}");
    let text = message(&[
        ("body.0.weight", &[8, 27]),
        ("body.0.bias", &[8]),
        ("body.2.weight", &[12, 8, 3, 3]),
        ("body.2.bias", &[12]),
    ]);
    assert!(text.contains("[8, 27]"), "{text}");
    let text = message(&[
        ("body.0.weight", &[8, 3, 5, 5]),
        ("body.0.bias", &[8]),
        ("body.2.weight", &[12, 8, 3, 3]),
        ("body.2.bias", &[12]),
    ]);
    assert!(text.contains("[8, 3, 5, 5]") && text.contains("[8, 3, 3, 3]"), "{text}");
    // A gap: the layer between is missing.
    let text = message(&[
        ("body.0.weight", &[8, 3, 3, 3]),
        ("body.0.bias", &[8]),
        ("body.2.weight", &[8, 8, 3, 3]),
        ("body.2.bias", &[8]),
        ("body.999999999998.weight", &[12, 8, 3, 3]),
    ]);
    assert!(text.contains("body.4.weight"), "{text}");
    let text = message(&[
        ("body.0.weight", &[8, 3, 3, 3]),
        ("body.0.bias", &[8]),
        ("body.2.weight", &[8, 8, 3, 3]),
        ("body.2.bias", &[8]),
        ("body.18446744073709551615.weight", &[12, 8, 3, 3]),
    ]);
    assert!(text.contains("body.18446744073709551614"), "{text}");
}

#[test]
fn compact_variants_without_slopes_build() {
    let weights = dict(&[
        ("body.0.weight", &[8, 3, 3, 3]),
        ("body.0.bias", &[8]),
        ("body.2.weight", &[8, 8, 3, 3]),
        ("body.2.bias", &[8]),
        ("body.4.weight", &[27, 8, 3, 3]),
        ("body.4.bias", &[27]),
    ]);
    let model = Model::from_state_dict(&weights).unwrap();
    assert_eq!((model.scale, model.hyperparameters["act_type"].as_str()), (3, Some("relu")));
    assert_eq!(model.tags, ["8nf", "1nc"]);
    assert!(model.notes[0].contains("leaky"), "{:?}", model.notes);
    let options =
        pegbar_net::ModelOptions { file_name: Some("3x_LeakyReLU.pth".into()), ..Default::default() };
    let model = Model::from_state_dict_with(&weights, &options).unwrap();
    assert_eq!(model.hyperparameters["act_type"].as_str(), Some("leakyrelu"));
}

#[test]
fn random_shapes_under_real_names_never_panic() {
    let keys = [
        "body.0.weight",
        "body.0.bias",
        "body.1.weight",
        "body.2.weight",
        "body.2.bias",
        "conv_first.weight",
        "body.0.rdb1.conv1.weight",
        "conv_body.weight",
        "conv_hr.weight",
        "conv_last.weight",
        "conv_up1.weight",
        "model.0.weight",
        "model.1.sub.0.RDB1.conv1.0.weight",
        "model.1.sub.1.weight",
        "model.2.weight",
        "model.4.weight",
        "conv_1.eval_conv.weight",
        "block_1.c1_r.eval_conv.weight",
        "block_6.c3_r.eval_conv.weight",
        "conv_2.eval_conv.weight",
        "conv_cat.weight",
        "upsampler.0.weight",
        "no_norm",
    ];
    let families: [&[&str]; 4] = [&keys[..5], &keys[5..11], &keys[11..16], &keys[16..]];
    let mut numbers = Numbers(99);
    for round in 0..4000 {
        let mut weights = StateDict::default();
        for key in families[round % 4] {
            let rank = if numbers.below(8) == 0 {
                numbers.below(6)
            } else if key.ends_with("bias") {
                1
            } else {
                4
            };
            let shape: Vec<usize> = (0..rank)
                .map(|i| if i >= 2 && numbers.below(4) > 0 { 3 } else { numbers.below(6) })
                .collect();
            let len = shape.iter().product();
            weights.insert(*key, Tensor::from_f32(shape, vec![0.5; len]).unwrap());
        }
        // Building may succeed by chance; running must then succeed too.
        if let Ok(model) = Model::from_state_dict(&weights) {
            model.net.validate().unwrap();
        }
    }
}

fn one_op(channels: usize, weights: Vec<WeightTensor>, op: Op) -> Net {
    let mut net = Net { weights, ..Net::default() };
    let x = net.push("input", Op::Input { channels }, &[]);
    net.output = Some(net.push("op", op, &[x]));
    net
}

fn tensor(shape: &[usize], data: Vec<f32>) -> WeightTensor {
    WeightTensor { name: "w".into(), shape: shape.to_vec(), data }
}

#[test]
fn absurd_graphs_are_refused() {
    let conv = |weight| Op::Conv2d {
        weight: WeightId(weight),
        bias: None,
        stride: [1, 1],
        padding: Padding::all(1),
        dilation: [1, 1],
        groups: 1,
    };
    let fixed = |n| ResizeTarget::Size { height: n, width: n };
    let huge = ResizeTarget::Scale { height: [60000, 1], width: [60000, 1] };
    let nets = [
        ("a weight that is not there", one_op(3, vec![], conv(7))),
        ("fewer values than the shape says", one_op(3, vec![tensor(&[8, 3, 3, 3], vec![0.0; 5])], conv(0))),
        (
            "a shape whose product overflows",
            one_op(3, vec![tensor(&[usize::MAX, 3, 3, 3], vec![0.0; 5])], conv(0)),
        ),
        ("rank 2", one_op(3, vec![tensor(&[8, 3], vec![0.0; 24])], conv(0))),
        ("no taps", one_op(3, vec![tensor(&[8, 3, 0, 3], vec![])], conv(0))),
        ("too many channels", one_op(usize::MAX, vec![], Op::PixelUnshuffle { factor: 2 })),
        ("a shuffle by zero", one_op(3, vec![], Op::PixelShuffle { factor: 0 })),
        ("a shuffle by everything", one_op(3, vec![], Op::PixelShuffle { factor: usize::MAX })),
        (
            "a huge border",
            one_op(3, vec![], Op::Pad { padding: Padding::all(usize::MAX / 2), mode: PadMode::Replicate }),
        ),
        ("a huge factor", one_op(3, vec![], Op::Resize { mode: ResizeMode::Nearest, target: huge })),
        (
            "a factor of nothing",
            one_op(
                3,
                vec![],
                Op::Resize {
                    mode: ResizeMode::Nearest,
                    target: ResizeTarget::Scale { height: [1, 0], width: [1, 1] },
                },
            ),
        ),
        ("a huge size", one_op(3, vec![], Op::Resize { mode: ResizeMode::Nearest, target: fixed(60000) })),
        ("a slice that leaves", one_op(3, vec![], Op::Slice { axis: 1, start: 0, end: 4 })),
        ("a slice of nothing", one_op(3, vec![], Op::Slice { axis: 1, start: 2, end: 2 })),
        (
            "a slice turned round",
            one_op(3, vec![], Op::Slice { axis: 1, start: i64::MIN, end: i64::MIN + 1 }),
        ),
        ("the batch", one_op(3, vec![], Op::Slice { axis: 0, start: 0, end: 1 })),
        ("axis 9", one_op(3, vec![], Op::Softmax { axis: 9 })),
    ];
    for (what, net) in nets {
        let error = net.validate().expect_err(what);
        assert!(!error.to_string().is_empty());
        assert!(net.simplified() == net || net.infer_shapes().is_ok(), "{what}");
        // What only a size makes absurd is refused when it is run.
        if net.infer_shapes().is_err() {
            assert!(net.infer_sizes(1, 64, 64).is_err(), "{what}");
        }
    }
}

#[test]
fn weights_that_are_not_numbers_are_named_and_counted() {
    let net = one_op(2, vec![tensor(&[2], vec![f32::NAN, 1.0])], Op::PRelu { slope: WeightId(0) });
    let expected = NetError::NotFinite { weight: "w".into(), count: 1, total: 2 };
    assert_eq!(net.validate(), Err(expected));
}

/// A network of unpadded convolutions gets its border back.
#[test]
fn cropped_borders_are_restored() {
    let conv = Op::Conv2d {
        weight: WeightId(0),
        bias: None,
        stride: [1, 1],
        padding: Padding::all(0),
        dilation: [1, 1],
        groups: 1,
    };
    let net = one_op(1, vec![tensor(&[4, 1, 4, 3], vec![0.25; 48])], conv);
    let mut shuffled = net.clone();
    shuffled.output = Some(shuffled.push("ps", Op::PixelShuffle { factor: 2 }, &[net.output.unwrap()]));
    let model = Model::from_net("ncnn", "ncnn", shuffled).unwrap();
    assert_eq!((model.scale, model.input_channels, model.output_channels), (2, 1, 1));
    let input = Numbers(4).value([1, 1, 5, 6]);
    assert_eq!(pegbar_net::interpret(&model.net, &input).unwrap().shape, [1, 1, 10, 12]);
    assert_eq!(model.net.size_rule.minimum, 1);
    // Constant in, constant out: the border repeats the edge.
    let flat = pegbar_net::Value::filled([1, 1, 3, 3], 0.5);
    let output = pegbar_net::interpret(&model.net, &flat).unwrap();
    assert!(output.data.iter().all(|&v| v == output.data[0]));
}

#[test]
fn what_is_no_enlargement_is_refused() {
    for op in [
        Op::Pad { padding: Padding::all(1), mode: PadMode::Reflect },
        Op::GlobalPool { kind: pegbar_net::PoolKind::Max },
        Op::PixelUnshuffle { factor: 2 },
        Op::Resize {
            mode: ResizeMode::Nearest,
            target: ResizeTarget::Scale { height: [2, 1], width: [1, 1] },
        },
        Op::Resize {
            mode: ResizeMode::Nearest,
            target: ResizeTarget::Scale { height: [3, 2], width: [3, 2] },
        },
    ] {
        let error = Model::from_net("ONNX", "ONNX", one_op(3, vec![], op.clone())).unwrap_err();
        assert!(matches!(error, ModelError::NotAnUpscaler { .. }), "{op:?}: {error}");
    }
}
