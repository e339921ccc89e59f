//! Convolution by definition, for every kernel size, stride, dilation and grouping: each block of results stays in
//! registers while all its products are summed. Those of 1x1 may be products of 16-bit integers.

use super::epilogue::Epilogue;
use super::winograd::ConvCall;
use crate::CpuError;
use crate::memory::{AlignedBuffer, Element};
use crate::simd::{Geometry, Half, Isa, Kernel, Simd, Single, Stored, dispatch, dispatch_int};
use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};
use std::marker::PhantomData;
use std::ops::Range;
use std::sync::Arc;

mod block;
mod depthwise;
mod pointwise;

/// Sizes of a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ConvShape {
    pub(crate) cin: usize,
    pub(crate) cout: usize,
    pub(crate) groups: usize,
    /// `[vertical, horizontal]`, as are the next two.
    pub(crate) kernel: [usize; 2],
    pub(crate) stride: [usize; 2],
    pub(crate) dilation: [usize; 2],
    /// `[top, left]`; what lies beyond bottom and right follows from the size of the output.
    pub(crate) padding: [usize; 2],
}

impl ConvShape {
    fn cin_per_group(&self) -> usize {
        self.cin / self.groups
    }

    fn cout_per_group(&self) -> usize {
        self.cout / self.groups
    }

    pub(crate) fn is_depthwise(&self) -> bool {
        self.groups == self.cin && self.cin == self.cout && self.groups > 1
    }

    /// Input columns that `n` results in a row reach over.
    fn reach(&self, n: usize) -> usize {
        (n - 1) * self.stride[1] + (self.kernel[1] - 1) * self.dilation[1] + 1
    }
}

/// A compiled convolution.
#[derive(Debug)]
pub(crate) struct DirectConv {
    shape: ConvShape,
    geometry: Geometry,
    /// `[group][panel][tap][cin / groups][vectors of the panel]`, or `[tap][channel]` where depthwise.
    weights: Arc<AlignedBuffer>,
    /// In place of them.
    integers: Option<Arc<pointwise::IntWeights>>,
    epilogue: Epilogue,
}

/// A row of input, or a copy of its needed part with zeros where it leaves the image.
#[derive(Debug, Clone, Copy)]
struct Line {
    /// Row of the kernel.
    tap: usize,
    /// The first input column a segment reaches. Half floats where a depthwise convolution is told so, else floats.
    start: *const f32,
    /// In elements.
    pixel_stride: usize,
}

/// The part of one output row that a call makes.
struct Segment<'a> {
    conv: &'a DirectConv,
    call: &'a ConvCall<'a>,
    y: usize,
    columns: Range<usize>,
    /// The kernel rows that lie in the image.
    lines: &'a [Line],
}

impl DirectConv {
    /// With products of 16-bit integers, where they suit the shape and the weights; `weight` is as for
    /// [`DirectConv::new`]. The output must not reach beyond the bottom and right of the input.
    pub(crate) fn with_integers(
        isa: Isa,
        weight: &[f32],
        shape: ConvShape,
        epilogue: Epilogue,
    ) -> Result<Self, CpuError> {
        let geometry = isa.geometry();
        let Some(integers) = pointwise::IntWeights::new(geometry, weight, &shape)? else {
            return Self::new(isa, weight, shape, epilogue);
        };
        let weights = Arc::new(AlignedBuffer::zeroed(0)?);
        Ok(Self { shape, geometry, weights, integers: Some(Arc::new(integers)), epilogue })
    }

    /// `weight` is `[cout][cin / groups][kh][kw]`.
    pub(crate) fn new(
        isa: Isa,
        weight: &[f32],
        shape: ConvShape,
        epilogue: Epilogue,
    ) -> Result<Self, CpuError> {
        let (cin, cout) = (shape.cin_per_group(), shape.cout_per_group());
        let taps = shape.kernel[0] * shape.kernel[1];
        assert_eq!(weight.len(), shape.cout * cin * taps);
        let geometry = isa.geometry();
        let weights = if shape.is_depthwise() {
            let stride = shape.cout.next_multiple_of(geometry.lanes);
            let mut weights = AlignedBuffer::zeroed(taps * stride)?;
            for (channel, kernel) in weight.chunks_exact(taps).enumerate() {
                for (tap, &w) in kernel.iter().enumerate() {
                    weights.as_mut_slice()[tap * stride + channel] = w;
                }
            }
            weights
        } else {
            let group_floats = taps * cin * cout.next_multiple_of(geometry.lanes);
            let mut weights = AlignedBuffer::zeroed(shape.groups * group_floats)?;
            let panel_channels = block::panel_vectors(geometry, cout) * geometry.lanes;
            for (o, of_output) in weight.chunks_exact(cin * taps).enumerate() {
                let (group, o) = (o / cout, o % cout);
                let first = o / panel_channels * panel_channels;
                let width = panel_channels.min(cout.next_multiple_of(geometry.lanes) - first);
                for (i, kernel) in of_output.chunks_exact(taps).enumerate() {
                    for (tap, &w) in kernel.iter().enumerate() {
                        let at = first * taps * cin + (tap * cin + i) * width + o - first;
                        weights.as_mut_slice()[group * group_floats + at] = w;
                    }
                }
            }
            weights
        };
        Ok(Self { shape, geometry, weights: Arc::new(weights), integers: None, epilogue })
    }

    pub(crate) fn shape(&self) -> ConvShape {
        self.shape
    }

    /// The same convolution with something else done to its results. Weights are not copied.
    pub(crate) fn again(&self, epilogue: Epilogue) -> Self {
        Self { weights: Arc::clone(&self.weights), integers: self.integers.clone(), epilogue, ..*self }
    }

    /// What the explanation says about it.
    pub(crate) fn describe(&self) -> String {
        let ConvShape { cin, cout, groups, kernel: [kh, kw], stride, dilation, .. } = self.shape;
        let kind = if self.shape.is_depthwise() { "depthwise" } else { "direct" };
        let mut text = format!("{kind} {kh}x{kw}, {cin} -> {cout} channels");
        if groups > 1 && !self.shape.is_depthwise() {
            text += &format!(", {groups} groups");
        }
        if stride != [1, 1] {
            text += &format!(", stride {}x{}", stride[0], stride[1]);
        }
        if dilation != [1, 1] {
            text += &format!(", dilation {}x{}", dilation[0], dilation[1]);
        }
        if self.has_integers() {
            text += ", int16";
        }
        text
    }

    /// Whether its products are those of integers.
    pub(crate) fn has_integers(&self) -> bool {
        self.integers.is_some()
    }

    /// Whether it reads every value of its input.
    pub(crate) fn reads_all(&self) -> bool {
        let ConvShape { kernel, stride, dilation, .. } = self.shape;
        (0..2).all(|axis| dilation[axis] == 1 && kernel[axis] >= stride[axis])
    }

    pub(crate) fn epilogue(&self) -> &Epilogue {
        &self.epilogue
    }

    /// Bytes of packed weights.
    pub(crate) fn weight_bytes(&self) -> usize {
        self.integers.as_ref().map_or(self.weights.len() * size_of::<f32>(), |integers| integers.bytes())
    }

    /// Results in a row that one call makes at once, so that a row can be shared between threads.
    pub(crate) const SEGMENT: usize = 96;

    /// Columns of an input of that width that some columns are made of.
    pub(crate) fn source_columns(&self, columns: Range<usize>, width: usize) -> Range<usize> {
        let ConvShape { stride, padding, .. } = self.shape;
        let start = (columns.start * stride[1]).saturating_sub(padding[1]).min(width);
        let end = columns.start * stride[1] + self.shape.reach(columns.len());
        start..end.saturating_sub(padding[1]).min(width).max(start)
    }

    /// Calls that make some columns, which begin where a segment does.
    pub(crate) fn segments_of(columns: Range<usize>) -> Range<usize> {
        debug_assert!(columns.start.is_multiple_of(Self::SEGMENT));
        columns.start / Self::SEGMENT..columns.end.div_ceil(Self::SEGMENT)
    }

    /// Calls that a row of `width` results is cut into.
    pub(crate) fn segments(width: usize) -> usize {
        width.div_ceil(Self::SEGMENT)
    }

    /// Floats of scratch memory a call needs; `None` when that overflows.
    pub(crate) fn scratch_floats(&self, width: usize) -> Option<usize> {
        let n = width.clamp(1, Self::SEGMENT);
        if self.has_integers() {
            return pointwise::scratch_floats(self.geometry, self.shape.cin, n);
        }
        let reach = (n - 1)
            .checked_mul(self.shape.stride[1])?
            .checked_add((self.shape.kernel[1] - 1).checked_mul(self.shape.dilation[1])?)?;
        reach.checked_add(1)?.checked_mul(self.shape.kernel[0])?.checked_mul(self.shape.cin)
    }

    /// Makes one segment of row `y`.
    pub(crate) fn run(
        &self,
        isa: Isa,
        call: &ConvCall<'_>,
        y: usize,
        segment: usize,
        scratch: &mut [f32],
    ) -> Magnitudes {
        self.run_as(isa, call, [y, y], segment, scratch)
    }

    /// As [`DirectConv::run`], from the input rows that row `as_y` is made of.
    pub(crate) fn run_as(
        &self,
        isa: Isa,
        call: &ConvCall<'_>,
        [as_y, y]: [usize; 2],
        segment: usize,
        scratch: &mut [f32],
    ) -> Magnitudes {
        let shape = &self.shape;
        assert!(call.input.channels() == shape.cin && call.output.channels() == shape.cout);
        let columns = segment * Self::SEGMENT..((segment + 1) * Self::SEGMENT).min(call.output.width());
        if let Some(integers) = &self.integers {
            return self.integer_piece(isa, call, [as_y, y], columns, integers, scratch);
        }
        // Columns whose kernel lies within the row need no copies; the few on the left and right do.
        let first = shape.padding[1].div_ceil(shape.stride[1]).clamp(columns.start, columns.end);
        let room = (call.input.width() + shape.padding[1] + 1).saturating_sub(shape.reach(1));
        let last = room.div_ceil(shape.stride[1]).clamp(first, columns.end);
        let pieces = match call.input.element() {
            Element::F16 if !shape.is_depthwise() => [columns, 0..0, 0..0],
            _ => [columns.start..first, first..last, last..columns.end],
        };
        let pieces = pieces.into_iter().filter(|piece| !piece.is_empty());
        let made = pieces.map(|piece| self.piece(isa, call, [as_y, y], piece, scratch));
        made.fold(Magnitudes::default(), Magnitudes::and)
    }

    /// As [`DirectConv::piece`], by integers.
    fn integer_piece(
        &self,
        isa: Isa,
        call: &ConvCall<'_>,
        [as_y, y]: [usize; 2],
        columns: Range<usize>,
        weights: &pointwise::IntWeights,
        scratch: &mut [f32],
    ) -> Magnitudes {
        let row = call.input.row(as_y);
        let (first, n, geometry) = (columns.start, columns.len(), self.geometry);
        let largest = match row.element {
            Element::F32 => {
                let element = PhantomData::<Single>;
                let to = &mut *scratch;
                dispatch_int(isa, pointwise::Quantize { geometry, weights, row, first, n, to, element })
            }
            Element::F16 => {
                let element = PhantomData::<Half>;
                let to = &mut *scratch;
                dispatch_int(isa, pointwise::Quantize { geometry, weights, row, first, n, to, element })
            }
        };
        let segment = Segment { conv: self, call, y, columns: columns.clone(), lines: &[] };
        let pairs = &*scratch;
        let written = match call.output.element() {
            Element::F32 => {
                let element = PhantomData::<Single>;
                dispatch_int(isa, pointwise::Multiply { segment, weights, pairs, largest, element })
            }
            Element::F16 => {
                let element = PhantomData::<Half>;
                dispatch_int(isa, pointwise::Multiply { segment, weights, pairs, largest, element })
            }
        };
        self.epilogue.finish(isa, call, y, columns);
        Magnitudes { read: largest, written }
    }

    /// Makes some columns of a row; returns as [`DirectConv::run`].
    fn piece(
        &self,
        isa: Isa,
        call: &ConvCall<'_>,
        [as_y, y]: [usize; 2],
        columns: Range<usize>,
        scratch: &mut [f32],
    ) -> Magnitudes {
        let shape = &self.shape;
        let left = (columns.start * shape.stride[1]) as isize - shape.padding[1] as isize;
        let reach = shape.reach(columns.len());
        let inside = left >= 0 && left as usize + reach <= call.input.width();
        let mut lines = Vec::with_capacity(shape.kernel[0]);
        let mut copies = scratch.chunks_exact_mut(reach * shape.cin);
        let mut read = 0f32;
        // Depthwise convolutions read half floats as they are.
        let as_stored = call.input.element() == Element::F32 || shape.is_depthwise();
        for tap in 0..shape.kernel[0] {
            let row = (as_y * shape.stride[0] + tap * shape.dilation[0]) as isize - shape.padding[0] as isize;
            if row < 0 || row as usize >= call.input.height() {
                continue;
            }
            let row = call.input.row(row as usize);
            if inside && as_stored {
                let start = row.address_in_row(left as usize).cast();
                lines.push(Line { tap, start, pixel_stride: row.pixel_stride });
            } else if let Some(copy) = copies.next() {
                copy_padded(row, left, copy);
                if row.element == Element::F16 {
                    read = read.max(dispatch(isa, Largest(copy)));
                }
                lines.push(Line { tap, start: copy.as_ptr(), pixel_stride: shape.cin });
            }
        }
        let segment = Segment { conv: self, call, y, columns: columns.clone(), lines: &lines };
        let lines_are = if inside { call.input.element() } else { Element::F32 };
        let written = match (shape.is_depthwise(), lines_are, call.output.element()) {
            (false, _, Element::F32) => dispatch(isa, block::Blocks(segment, PhantomData::<Single>)),
            (false, _, Element::F16) => dispatch(isa, block::Blocks(segment, PhantomData::<Half>)),
            (true, Element::F32, Element::F32) => self.depthwise::<Single, Single>(isa, segment),
            (true, Element::F32, Element::F16) => self.depthwise::<Single, Half>(isa, segment),
            (true, Element::F16, Element::F32) => self.depthwise::<Half, Single>(isa, segment),
            (true, Element::F16, Element::F16) => self.depthwise::<Half, Half>(isa, segment),
        };
        self.epilogue.finish(isa, call, y, columns);
        Magnitudes { read, written }
    }

    fn depthwise<I: Stored, O: Stored>(&self, isa: Isa, segment: Segment<'_>) -> f32 {
        dispatch(isa, depthwise::Depthwise(segment, PhantomData::<(I, O)>))
    }
}

/// Largest magnitudes of a call: of what it has read of half floats or made integers of, infinite where that is not a number, and of
/// what it has stored as half floats.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Magnitudes {
    pub(crate) read: f32,
    pub(crate) written: f32,
}

impl Magnitudes {
    fn and(self, other: Self) -> Self {
        Self { read: self.read.max(other.read), written: self.written.max(other.written) }
    }
}

/// The largest magnitude of some values; infinite where one is not a number.
struct Largest<'a>(&'a [f32]);

impl Kernel for Largest<'_> {
    type Output = f32;

    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> f32 {
        // The order of the bits of floats without a sign is that of their magnitudes, and NaN comes last.
        let bits = self.0.iter().fold(0, |most, v| most.max(v.to_bits() & 0x7fff_ffff));
        f32::from_bits(bits.min(f32::INFINITY.to_bits()))
    }
}

/// Copies the pixels from column `left` on as floats, with zeros for what is outside.
#[allow(unsafe_code, reason = "reads rows of working memory")]
fn copy_padded(row: crate::memory::Row, left: isize, copy: &mut [f32]) {
    for (i, to) in copy.chunks_exact_mut(row.channels).enumerate() {
        let x = left + i as isize;
        if x >= 0 && (x as usize) < row.width {
            // SAFETY: no thread writes the input of a running step.
            unsafe {
                match row.element {
                    Element::F32 => to.copy_from_slice(row.pixels(x as usize, 1)),
                    Element::F16 => {
                        let halves: &[half::f16] =
                            row.stored_pixels::<Half>(x as usize, 1).reinterpret_cast();
                        halves.convert_to_f32_slice(to);
                    }
                }
            }
        } else {
            to.fill(0.0);
        }
    }
}

#[cfg(test)]
mod tests;
