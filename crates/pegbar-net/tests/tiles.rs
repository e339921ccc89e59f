//! The receptive field: a piece of the picture with that much around it gives the same pixels, exactly.
#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod support;

use pegbar_net::{
    Dim, Model, Net, Op, Padding, PoolKind, ResizeMode, ResizeTarget, Value, WeightTensor, interpret,
};
use support::{Numbers, crop, graphs::random_net, shared};

/// Start and end of the piece that makes `from..to` exact along an axis of `size`.
fn piece(
    from: usize,
    to: usize,
    size: usize,
    before: usize,
    after: usize,
    alignment: usize,
) -> (usize, usize) {
    let start = from.saturating_sub(before) / alignment * alignment;
    (start, (to + after).next_multiple_of(alignment).min(size))
}

/// Compares a piece with the same part of the whole; how many values were compared.
fn check(net: &Net, input: &Value, numbers: &mut Numbers, what: &str) -> usize {
    let field = net.receptive_field().unwrap_or_else(|| panic!("{what}: no receptive field"));
    let [_, _, h, w] = input.shape;
    let a = field.alignment;
    let mut range = |size: usize| {
        let from = numbers.below(size / a) * a;
        (from, (from + a * (1 + numbers.below(3))).min(size))
    };
    let ((top, bottom), (left, right)) = (range(h), range(w));
    let (y0, y1) = piece(top, bottom, h, field.top, field.bottom, a);
    let (x0, x1) = piece(left, right, w, field.left, field.right, a);
    let whole = interpret(net, input).unwrap();
    let Ok(part) = interpret(net, &crop(input, y0, x0, y1 - y0, x1 - x0)) else {
        // The piece is smaller than the network takes.
        assert!(y1 - y0 < h || x1 - x0 < w, "{what}");
        return 0;
    };
    let shape = net.infer_shapes().unwrap()[net.output.unwrap().0 as usize];
    let scaled = |dim: Dim, at: usize| match dim {
        Dim::Scaled { num, den, .. } => at * num / den,
        Dim::Fixed(_) => panic!("{what}: fixed"),
    };
    let rows = scaled(shape[2], top)..scaled(shape[2], bottom).min(whole.shape[2]);
    let columns = scaled(shape[3], left)..scaled(shape[3], right).min(whole.shape[3]);
    if rows.is_empty() || columns.is_empty() {
        return 0;
    }
    let expected = crop(&whole, rows.start, columns.start, rows.len(), columns.len());
    let (dy, dx) = (scaled(shape[2], y0), scaled(shape[3], x0));
    let fits = rows.end - dy <= part.shape[2] && columns.end - dx <= part.shape[3];
    assert!(
        fits,
        "{what}: {field:?}, {rows:?} x {columns:?} of {:?} from {y0}..{y1} x {x0}..{x1}",
        part.shape
    );
    let found = crop(&part, rows.start - dy, columns.start - dx, rows.len(), columns.len());
    assert_eq!(expected, found, "{what}: {field:?}, piece {y0}..{y1} x {x0}..{x1} of {h} x {w}");
    found.data.len()
}

#[test]
fn pieces_of_random_networks_are_exact() {
    let mut compared = 0;
    for seed in 1..=400 {
        let mut numbers = Numbers(seed * 0x1234_5677);
        let net = random_net(&mut numbers, 9);
        let multiple = net.required_multiple().unwrap();
        let side = |n: usize| n.max(net.required_minimum().unwrap().unwrap() + 1).next_multiple_of(multiple);
        let Op::Input { channels } = net.nodes[0].op else { panic!() };
        let input = numbers.value([1, channels, side(28), side(33)]);
        for _ in 0..3 {
            compared += usize::from(check(&net, &input, &mut numbers, &format!("seed {seed}")) > 0);
        }
    }
    assert!(compared > 1000, "only {compared} of 1200 pieces could be compared");
}

#[test]
fn pieces_of_published_architectures_are_exact() {
    let Some(folder) = shared("tiles of golden models", "golden") else { return };
    let cases = [
        ("compact_x4_nf24_nc4.pth", 40),
        ("esrgan_x2_unshuffle.safetensors", 64),
        ("esrgan_x4_old.pth", 48),
        ("span_x2_norm.pth", 64),
    ];
    for (file, size) in cases {
        let model = Model::from_file(&folder.join(file)).unwrap();
        let mut numbers = Numbers(3);
        let input = numbers.value([1, model.input_channels, size, size + model.net.size_rule.multiple_of]);
        assert!(check(&model.net, &input, &mut numbers, file) > 0);
        let simplified = model.net.simplified();
        assert!(check(&simplified, &input, &mut numbers, file) > 0);
    }
}

/// A chain of 3x3 convolutions looks one pixel further with each.
#[test]
fn a_chain_of_convolutions_adds_up() {
    let mut net = Net::default();
    let mut x = net.push("input", Op::Input { channels: 1 }, &[]);
    let weight =
        net.push_weight(WeightTensor { name: "w".into(), shape: vec![1, 1, 3, 3], data: vec![1.0; 9] });
    let conv = Op::Conv2d {
        weight,
        bias: None,
        stride: [1, 1],
        padding: Padding::all(1),
        dilation: [1, 1],
        groups: 1,
    };
    for index in 0..5 {
        x = net.push(format!("c{index}"), conv.clone(), &[x]);
    }
    net.output = Some(x);
    let field = net.receptive_field().unwrap();
    assert_eq!([field.top, field.left, field.bottom, field.right, field.alignment], [5, 5, 5, 5, 1]);
}

#[test]
fn what_sees_the_whole_picture_has_no_tiles() {
    let align_corners = Op::Resize {
        mode: ResizeMode::Bilinear { align_corners: true },
        target: ResizeTarget::Scale { height: [2, 1], width: [2, 1] },
    };
    let global = Op::GlobalPool { kind: PoolKind::Max };
    for op in
        [align_corners, global, Op::Softmax { axis: 3 }, Op::Slice { axis: 2, start: -4, end: i64::MAX }]
    {
        let mut net = Net::default();
        let x = net.push("input", Op::Input { channels: 2 }, &[]);
        net.output = Some(net.push("op", op.clone(), &[x]));
        assert_eq!(net.receptive_field(), None, "{op:?}");
    }
}
