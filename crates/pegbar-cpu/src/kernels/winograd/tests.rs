//! Every instruction set, the scalar twin among them, against plain sums in double precision.
#![allow(unsafe_code, reason = "writes and reads pictures value by value")]

use super::*;
use crate::CpuLevel;
use crate::kernels::epilogue::Activation;
use crate::memory::RowLayout;

fn noise(n: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
    };
    (0..n).map(|_| next()).collect()
}

struct Case {
    cin: usize,
    cout: usize,
    height: usize,
    width: usize,
    padding: [usize; 2],
    repeat: usize,
    /// Channel of a wider buffer at which input and output begin.
    first_channel: usize,
}

impl Case {
    fn out(&self) -> [usize; 2] {
        [
            self.height * self.repeat + 2 * self.padding[0] - 2,
            self.width * self.repeat + 2 * self.padding[1] - 2,
        ]
    }
}

/// A buffer of `height` rows whose pixels are wider than the channels looked at.
fn layout(element: Element, channels: usize, height: usize, width: usize, first_channel: usize) -> RowLayout {
    let pixel_stride = first_channel + channels + 3;
    RowLayout {
        element,
        offset: 0,
        first_channel,
        slots: height,
        pixel_stride,
        row_stride: (pixel_stride * width).div_ceil(4 / element.bytes()) + 5,
        height,
        width,
        channels,
    }
}

/// Memory that holds values in a layout, and a pattern where there are none.
struct Picture {
    memory: AlignedBuffer,
    layout: RowLayout,
}

/// What is written where nothing should be looked at: NaN as a float and as two halves.
const NOTHING: u32 = 0x7fff_7fff;

impl Picture {
    fn new(layout: RowLayout) -> Self {
        let mut memory = AlignedBuffer::zeroed(layout.end().expect("small") + 16).expect("small");
        memory.as_mut_slice().fill(f32::from_bits(NOTHING));
        Self { memory, layout }
    }

    fn filled(layout: RowLayout, values: &[f32]) -> Self {
        let picture = Self::new(layout);
        let rows = picture.rows();
        for (i, &v) in values.iter().enumerate() {
            let (pixel, c) = (i / layout.channels, i % layout.channels);
            let row = rows.row(pixel / layout.width);
            // SAFETY: the channel is one of the pixel's, and nobody else looks at the memory.
            unsafe {
                match layout.element {
                    Element::F32 => row.at(pixel % layout.width).add(c).write(v),
                    Element::F16 => row
                        .stored_at::<Half>(pixel % layout.width)
                        .add(c)
                        .write(half::f16::from_f32(v).to_bits()),
                }
            }
        }
        picture
    }

    fn rows(&self) -> Rows {
        Rows::new(&self.memory, self.layout)
    }

    /// The values, and the number of untouched 16-bit words around them.
    fn values(&self) -> (Vec<f32>, usize) {
        let mut values = vec![];
        for y in 0..self.layout.height {
            let row = self.rows().row(y);
            for x in 0..self.layout.width {
                for c in 0..self.layout.channels {
                    // SAFETY: the channel is one of the pixel's, and nobody writes any more.
                    values.push(unsafe {
                        match self.layout.element {
                            Element::F32 => row.at(x).add(c).read(),
                            Element::F16 => {
                                half::f16::from_bits(row.stored_at::<Half>(x).add(c).read()).to_f32()
                            }
                        }
                    });
                }
            }
        }
        let words = self.memory.as_slice().iter().flat_map(|v| [v.to_bits() & 0xffff, v.to_bits() >> 16]);
        (values, words.filter(|&word| word == NOTHING & 0xffff).count())
    }
}

fn expected(case: &Case, input: &[f32], weight: &[f32], bias: &[f32], slope: &[f32]) -> Vec<f32> {
    let [out_height, out_width] = case.out();
    let mut result = vec![];
    for y in 0..out_height {
        for x in 0..out_width {
            for o in 0..case.cout {
                let mut sum = f64::from(bias[o]);
                for i in 0..case.cin {
                    for ky in 0..3 {
                        for kx in 0..3 {
                            let sy = (y + ky).wrapping_sub(case.padding[0]);
                            let sx = (x + kx).wrapping_sub(case.padding[1]);
                            if sy < case.height * case.repeat && sx < case.width * case.repeat {
                                let (sy, sx) = (sy / case.repeat, sx / case.repeat);
                                let v = input[(sy * case.width + sx) * case.cin + i];
                                sum += f64::from(v) * f64::from(weight[(o * case.cin + i) * 9 + ky * 3 + kx]);
                            }
                        }
                    }
                }
                result.push(if sum < 0.0 { sum * f64::from(slope[o]) } else { sum } as f32);
            }
        }
    }
    result
}

/// How a case is computed.
#[derive(Debug, Clone, Copy)]
struct Mode {
    isa: Isa,
    products: Products,
    input: Element,
    output: Element,
}

/// Runs a case in calls of some rows and chunks of some tiles, and checks that nothing else was written.
fn run(mode: Mode, case: &Case, input: &[f32], weight: &[f32], bias: &[f32], slope: &[f32]) -> Vec<f32> {
    let epilogue = Epilogue::new(bias, Activation::Slope(slope.to_vec()));
    let &Case { cin, cout, padding, repeat, .. } = case;
    let shape = WinogradShape { weight, cin, cout, padding, repeat };
    let conv = WinogradConv::new(mode.isa, mode.products, &shape, epilogue).expect("small");
    assert_eq!(conv.products(), mode.products);
    let [out_height, out_width] = case.out();
    let from = Picture::filled(layout(mode.input, cin, case.height, case.width, case.first_channel), input);
    let to = Picture::new(layout(mode.output, cout, out_height, out_width, case.first_channel));
    let mut scratch = vec![f32::NAN; conv.scratch_floats()];
    let (mut start, mut most) = (0, 0f32);
    for n_rows in [3, 4, 9].into_iter().cycle() {
        let rows = start..(start + n_rows).min(out_height);
        let call = ConvCall {
            input: from.rows(),
            output: to.rows(),
            residuals: &[],
            gate: None,
            rows: rows.clone(),
        };
        let across = conv.tiles_across(out_width);
        let strip = conv.strip_tiles(rows.len(), out_width, n_rows % 3 + 1);
        for left in (0..across).step_by(strip) {
            for tiles in conv.chunks(rows.len(), left..(left + strip).min(across)) {
                most = most.max(conv.run(&call, &tiles, &mut scratch));
            }
        }
        start = rows.end;
        if start == out_height {
            break;
        }
    }
    if mode.products == Products::Int4 {
        let largest = from.values().0.iter().fold(0f32, |a, b| a.max(b.abs()));
        assert!(most >= largest / 6.0 && most <= largest * 1.001, "{mode:?} saw {most} of {largest}");
    }
    let (result, untouched) = to.values();
    // Values whose bits happen to be the pattern are no news.
    let chance = |&v: &f32| match mode.output {
        Element::F32 => {
            usize::from(v.to_bits() & 0xffff == 0x7fff) + usize::from(v.to_bits() >> 16 == 0x7fff)
        }
        Element::F16 => usize::from(half::f16::from_f32(v).to_bits() == 0x7fff),
    };
    let words = to.memory.len() * 2 - result.len() * mode.output.bytes() / 2;
    assert_eq!(untouched, words + result.iter().map(chance).sum::<usize>(), "{mode:?} wrote outside");
    result
}

/// Every token of every level this machine has.
fn every_isa() -> Vec<Isa> {
    CpuLevel::available().into_iter().flat_map(Isa::all).collect()
}

/// Cases of odd channels, sizes, paddings and alignments.
fn cases() -> Vec<Case> {
    let sizes = [(1, 1), (1, 9), (4, 4), (5, 3), (7, 13), (18, 31)];
    let channels = [(16, 16), (17, 3), (24, 24), (33, 48), (64, 64), (20, 70), (48, 130), (16, 12), (96, 32)];
    let mut cases = vec![];
    for (i, (cin, cout)) in channels.into_iter().enumerate() {
        for (j, (height, width)) in sizes.into_iter().enumerate() {
            let padding = if (i + j) % 3 == 2 { [2, 1] } else { [1, 1] };
            let repeat = if (i + j) % 4 == 3 { 2 } else { 1 };
            cases.push(Case { cin, cout, height, width, padding, repeat, first_channel: (i + j) % 4 });
        }
    }
    cases
}

/// Root of the mean square.
fn rms(values: impl Iterator<Item = f32>) -> f32 {
    let (sum, n) = values.fold((0.0, 0), |(sum, n), v| (sum + v * v, n + 1));
    (sum / n as f32).sqrt()
}

/// Runs all cases in some modes; the errors may have this root mean square for each square root of an input channel, and be
/// six times as large.
fn agrees(products: Products, input: Element, output: Element, tolerance: f32) {
    for case in cases() {
        let &Case { cin, cout, height, width, .. } = &case;
        let mut pixels = noise(cin * height * width, 1);
        if input == Element::F16 {
            pixels.iter_mut().for_each(|v| *v = half::f16::from_f32(*v).to_f32());
        }
        let weight = noise(cin * cout * 9, 2);
        let (bias, slope) = (noise(cout, 3), noise(cout, 4));
        let expected = expected(&case, &pixels, &weight, &bias, &slope);
        let scale = (cin as f32).sqrt();
        for isa in every_isa() {
            let mode = Mode { isa, products, input, output };
            let result = run(mode, &case, &pixels, &weight, &bias, &slope);
            let what = format!("{mode:?} {cin} -> {cout}, {width}x{height}");
            let errors = || result.iter().zip(&expected).map(|(y, e)| y - e);
            let root = rms(errors());
            assert!(result.len() < 100 || root < tolerance * scale, "{what}: root mean square {root}");
            let most = errors().fold(0f32, |a, e| a.max(e.abs()));
            assert!(most < 12.0 * tolerance * scale, "{what}: error {most}");
        }
    }
}

#[test]
fn products_of_floats_agree_with_plain_sums() {
    agrees(Products::Float4, Element::F32, Element::F32, 5e-7);
    agrees(Products::Float6, Element::F32, Element::F32, 1.5e-6);
    agrees(Products::Float4, Element::F16, Element::F16, 1.2e-4);
}

#[test]
fn products_of_integers_agree_with_plain_sums() {
    agrees(Products::Int4, Element::F16, Element::F32, 3e-4);
    agrees(Products::Int4, Element::F32, Element::F16, 3.5e-4);
}

#[test]
fn a_tile_of_any_scale_is_as_exact() {
    let case = Case { cin: 32, cout: 16, height: 9, width: 8, padding: [1, 1], repeat: 1, first_channel: 0 };
    let weight = noise(32 * 16 * 9, 2);
    let (bias, slope) = (vec![0.0; 16], vec![1.0; 16]);
    for isa in every_isa() {
        for scale in [1e-25f32, 1e-3, 3e4, 1e25] {
            let input: Vec<f32> = noise(32 * 9 * 8, 1).iter().map(|v| v * scale).collect();
            let expected = expected(&case, &input, &weight, &bias, &slope);
            let mode = Mode { isa, products: Products::Int4, input: Element::F32, output: Element::F32 };
            let result = run(mode, &case, &input, &weight, &bias, &slope);
            let error = rms(result.iter().zip(&expected).map(|(y, e)| (y - e) / scale));
            assert!(error < 8e-4, "{mode:?} {scale}: {error}");
        }
        let zeros = vec![0.0; 32 * 9 * 8];
        let mode = Mode { isa, products: Products::Int4, input: Element::F16, output: Element::F32 };
        assert!(run(mode, &case, &zeros, &weight, &bias, &slope).iter().all(|&y| y == 0.0));
    }
}

#[test]
fn weights_that_rounding_would_swallow_are_refused() {
    let isa = Isa::new(CpuLevel::Scalar).expect("always there");
    let mut weight = noise(16 * 16 * 9, 2);
    let new = |weight: &[f32]| {
        let shape = WinogradShape { weight, cin: 16, cout: 16, padding: [1, 1], repeat: 1 };
        let epilogue = Epilogue::new(&[0.0; 16], Activation::Linear);
        WinogradConv::new(isa, Products::Int4, &shape, epilogue).expect("small").products()
    };
    assert_eq!(new(&weight), Products::Int4);
    weight[77] = f32::INFINITY;
    assert_eq!(new(&weight), Products::Float4);
}

#[test]
fn chunks_of_strips_cover_all_tiles_once() {
    let isa = Isa::new(CpuLevel::Scalar).expect("always there");
    for products in [Products::Float4, Products::Float6, Products::Int4] {
        let weight = &vec![0.0; 64 * 64 * 9];
        let shape = WinogradShape { weight, cin: 64, cout: 64, padding: [1, 1], repeat: 1 };
        let epilogue = Epilogue::new(&[0.0; 64], Activation::Linear);
        let conv = WinogradConv::new(isa, products, &shape, epilogue).expect("small");
        for threads in [1, 2, 5, 64] {
            for (n_rows, width) in [(1usize, 1), (7, 3), (8, 720), (16, 256), (512, 8)] {
                let (down, across) = (n_rows.div_ceil(products.tile()), conv.tiles_across(width));
                let strip = conv.strip_tiles(n_rows, width, threads);
                assert!((1..=across).contains(&strip));
                // Enough for every thread to have some, where there are so many columns.
                assert!(
                    across.div_ceil(strip) >= (2 * threads).min(across) || threads == 1,
                    "{threads} {width}"
                );
                let mut made = vec![0; down * across];
                for left in (0..across).step_by(strip) {
                    for tiles in conv.chunks(n_rows, left..(left + strip).min(across)) {
                        assert!((1..=conv.max_chunk_tiles).contains(&tiles.len()));
                        for (row, columns) in tiles.rows() {
                            made[row * across..][columns].iter_mut().for_each(|n| *n += 1);
                        }
                    }
                }
                assert!(made.iter().all(|&n| n == 1));
            }
        }
    }
}
