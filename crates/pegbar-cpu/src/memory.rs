//! Working memory: one aligned allocation, and views of the rows of values inside it.
//!
//! Values are kept as rows of pixels, channels contiguous (NHWC). A value whose rows are consumed soon after they are
//! made keeps only the last few of them: row `y` lies in slot `y % slots`. Several values may share the pixels of
//! one buffer, each a window of its channels: that is how a concatenation costs nothing.
#![allow(unsafe_code, reason = "values share one allocation, and threads write disjoint parts of it")]

use crate::CpuError;
use crate::simd::{Single, Stored};
use std::alloc::{Layout, alloc, dealloc};
use std::ptr::NonNull;

/// Alignment of buffers in bytes: a cache line, and the widest vector.
const ALIGNMENT: usize = 64;
/// Floats in a cache line; sizes inside buffers are rounded up to it where that is worth the space.
pub(crate) const LINE: usize = ALIGNMENT / size_of::<f32>();
/// Buffers from this size on are aligned to, and offered as, huge pages.
#[cfg(target_os = "linux")]
const HUGE_PAGE: usize = 2 << 20;

/// A zeroed allocation of `f32`, aligned to a cache line.
#[derive(Debug)]
pub(crate) struct AlignedBuffer {
    start: NonNull<f32>,
    len: usize,
    layout: Layout,
}

// SAFETY: it owns its memory as a `Box<[f32]>` does; shared access goes through `&self` methods that only read, or
// through `Rows`, whose constructor states the rules.
unsafe impl Send for AlignedBuffer {}
// SAFETY: as above.
unsafe impl Sync for AlignedBuffer {}

impl AlignedBuffer {
    /// `len` zeros.
    ///
    /// # Errors
    /// [`CpuError::OutOfMemory`].
    pub(crate) fn zeroed(len: usize) -> Result<Self, CpuError> {
        let bytes = len.max(1).saturating_mul(size_of::<f32>());
        let layout =
            Layout::from_size_align(bytes, alignment(bytes)).map_err(|_| CpuError::OutOfMemory { bytes })?;
        assert!(layout.size() > 0);
        // SAFETY: the layout is not of zero size, as asserted.
        let start = unsafe { alloc(layout) };
        let start = NonNull::new(start.cast::<f32>()).ok_or(CpuError::OutOfMemory { bytes })?;
        offer_huge_pages(start, layout);
        // SAFETY: the allocation has this many bytes, and zeros are a float.
        unsafe { start.cast::<u8>().write_bytes(0, layout.size()) };
        Ok(Self { start, len, layout })
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn as_slice(&self) -> &[f32] {
        // SAFETY: the allocation holds `len` initialised floats and lives as long as `self`.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [f32] {
        // SAFETY: as in `as_slice`, and `self` is borrowed exclusively.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl Drop for AlignedBuffer {
    fn drop(&mut self) {
        // SAFETY: allocated in `zeroed` with this very layout.
        unsafe { dealloc(self.start.as_ptr().cast(), self.layout) }
    }
}

/// Asks the system for huge pages before the memory is touched: with small ones the translation of addresses costs
/// several percent. It may refuse.
fn offer_huge_pages(start: NonNull<f32>, layout: Layout) {
    #[cfg(target_os = "linux")]
    if layout.align() == HUGE_PAGE {
        // SAFETY: the advice changes no content, and the range is an allocation of this size, aligned to pages.
        let _ = unsafe {
            rustix::mm::madvise(start.as_ptr().cast(), layout.size(), rustix::mm::Advice::LinuxHugepage)
        };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (start, layout);
}

fn alignment(bytes: usize) -> usize {
    #[cfg(target_os = "linux")]
    if bytes >= HUGE_PAGE {
        return HUGE_PAGE;
    }
    #[cfg(not(target_os = "linux"))]
    let _ = bytes;
    ALIGNMENT
}

/// Floats from one row to the next; `None` when that overflows. `pixel_stride` is in elements.
pub(crate) fn row_stride(element: Element, pixel_stride: usize, width: usize) -> Option<usize> {
    let bytes = pixel_stride.checked_mul(width)?.checked_mul(element.bytes())?;
    bytes.div_ceil(size_of::<f32>()).checked_next_multiple_of(LINE)
}

/// What a stored value is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Element {
    /// Single precision.
    F32,
    /// Half precision (IEEE 754 binary16): 11 significant bits, largest finite value 65504.
    F16,
}

impl Element {
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 => 2,
        }
    }
}

/// How a value lies in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RowLayout {
    pub(crate) element: Element,
    /// Start of slot 0, in floats.
    pub(crate) offset: usize,
    /// Where in a pixel the first channel is, in elements.
    pub(crate) first_channel: usize,
    /// Rows kept.
    pub(crate) slots: usize,
    /// From one pixel to the next, in elements.
    pub(crate) pixel_stride: usize,
    /// From one row to the next, in floats.
    pub(crate) row_stride: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) channels: usize,
}

impl RowLayout {
    /// One past the last float it touches; `None` when that overflows.
    pub(crate) fn end(&self) -> Option<usize> {
        let elements = self.width.checked_sub(1)?.checked_mul(self.pixel_stride)?;
        let elements = elements.checked_add(self.first_channel)?.checked_add(self.channels)?;
        let floats = elements.checked_mul(self.element.bytes())?.div_ceil(size_of::<f32>());
        let rows = self.slots.checked_sub(1)?.checked_mul(self.row_stride)?;
        self.offset.checked_add(rows)?.checked_add(floats)
    }
}

/// The rows of one value. It is a pointer with bounds: reads and writes through it are `unsafe`, because only the plan
/// knows which rows hold what, and which thread writes where.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rows {
    base: *mut f32,
    layout: RowLayout,
}

// SAFETY: it is an address with bounds; each access states its own rules.
unsafe impl Send for Rows {}
// SAFETY: as above.
unsafe impl Sync for Rows {}

impl Rows {
    /// A view of `layout` inside `memory`, which must stay allocated while the view is used. Nobody may hold a
    /// reference into `memory` while the view is read or written.
    pub(crate) fn new(memory: &AlignedBuffer, layout: RowLayout) -> Self {
        assert!(layout.end().is_some_and(|end| end <= memory.len()), "{layout:?} leaves its memory");
        assert!(layout.channels <= layout.pixel_stride || layout.width <= 1);
        // SAFETY: the offset lies within the allocation, as asserted.
        Self { base: unsafe { memory.start.as_ptr().add(layout.offset) }, layout }
    }

    pub(crate) fn element(&self) -> Element {
        self.layout.element
    }

    pub(crate) fn height(&self) -> usize {
        self.layout.height
    }

    pub(crate) fn width(&self) -> usize {
        self.layout.width
    }

    pub(crate) fn channels(&self) -> usize {
        self.layout.channels
    }

    /// Row `y`.
    #[inline]
    pub(crate) fn row(&self, y: usize) -> Row {
        let layout = &self.layout;
        assert!(y < layout.height);
        let offset = (y % layout.slots) * layout.row_stride;
        // SAFETY: the slot is below `slots` and the first channel belongs to the first pixel, so the address lies inside
        // the extent `new` has checked.
        let base =
            unsafe { self.base.add(offset).cast::<u8>().add(layout.first_channel * layout.element.bytes()) };
        Row {
            base,
            element: layout.element,
            pixel_stride: layout.pixel_stride,
            width: layout.width,
            channels: layout.channels,
        }
    }

    /// The columns `first`, `first + step` and so on of it; `first` must be one.
    pub(crate) fn every_column(&self, first: usize, step: usize) -> Self {
        let mut layout = self.layout;
        assert!(first < layout.width && step > 0);
        layout.first_channel += first * layout.pixel_stride;
        layout.pixel_stride *= step;
        layout.width = (layout.width - first).div_ceil(step);
        Self { base: self.base, layout }
    }

    /// Row `y`, where a height of one stands for every row.
    #[inline]
    pub(crate) fn row_broadcast(&self, y: usize) -> Row {
        self.row(if self.layout.height == 1 { 0 } else { y })
    }
}

/// One row of a value.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    base: *mut u8,
    pub(crate) element: Element,
    /// In elements.
    pub(crate) pixel_stride: usize,
    pub(crate) width: usize,
    pub(crate) channels: usize,
}

impl Row {
    /// Whether the pixels follow each other without gaps.
    #[inline]
    pub(crate) fn is_packed(&self) -> bool {
        self.pixel_stride == self.channels || self.width == 1
    }

    /// The first channel of pixel `x` of a row of floats. `channels` floats follow, and the next pixel is `pixel_stride`
    /// floats on.
    #[inline]
    pub(crate) fn at(&self, x: usize) -> *mut f32 {
        self.stored_at::<Single>(x)
    }

    /// Where pixel `x` is, of any element; not to be read through.
    #[inline]
    pub(crate) fn address(&self, x: usize) -> *const u8 {
        self.base.wrapping_add(x * self.pixel_stride * self.element.bytes())
    }

    /// Where pixel `x` is, of any element.
    #[inline]
    pub(crate) fn address_in_row(&self, x: usize) -> *const u8 {
        assert!(x < self.width);
        self.address(x)
    }

    /// The first channel of pixel `x`, of a row of that element.
    #[inline]
    pub(crate) fn stored_at<E: Stored>(&self, x: usize) -> *mut E::T {
        assert!(x < self.width && self.element == E::ELEMENT);
        // SAFETY: x < width, so the pixel lies inside the extent checked in `Rows::new`; it is aligned because the base
        // of a buffer is, and all strides are whole elements.
        unsafe { self.base.cast::<E::T>().add(x * self.pixel_stride) }
    }

    /// The channels of `n` pixels from `x` on: one pixel, or several of a packed row.
    ///
    /// # Safety
    /// Nobody writes these floats while the slice is in use.
    #[inline]
    pub(crate) unsafe fn pixels<'a>(&self, x: usize, n: usize) -> &'a [f32] {
        // SAFETY: the caller vouches for it.
        unsafe { self.stored_pixels::<Single>(x, n) }
    }

    /// As [`Row::pixels`], of any element.
    ///
    /// # Safety
    /// As for [`Row::pixels`].
    #[inline]
    pub(crate) unsafe fn stored_pixels<'a, E: Stored>(&self, x: usize, n: usize) -> &'a [E::T] {
        assert!(n == 1 || (self.is_packed() && n > 0 && n <= self.width - x));
        // SAFETY: within the row as asserted (`stored_at` asserts x < width); the caller vouches for the rest.
        unsafe { std::slice::from_raw_parts(self.stored_at::<E>(x), n * self.channels) }
    }

    /// The channels of `n` pixels from `x` on, to write.
    ///
    /// # Safety
    /// Nobody else reads or writes these floats while the slice is in use.
    #[inline]
    pub(crate) unsafe fn pixels_mut<'a>(&self, x: usize, n: usize) -> &'a mut [f32] {
        // SAFETY: the caller vouches for it.
        unsafe { self.stored_pixels_mut::<Single>(x, n) }
    }

    /// As [`Row::pixels_mut`], of any element.
    ///
    /// # Safety
    /// As for [`Row::pixels_mut`].
    #[inline]
    pub(crate) unsafe fn stored_pixels_mut<'a, E: Stored>(&self, x: usize, n: usize) -> &'a mut [E::T] {
        assert!(n == 1 || (self.is_packed() && n > 0 && n <= self.width - x));
        // SAFETY: within the row as asserted (`stored_at` asserts x < width); the caller vouches for the rest.
        unsafe { std::slice::from_raw_parts_mut(self.stored_at::<E>(x), n * self.channels) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout() -> RowLayout {
        RowLayout {
            element: Element::F32,
            offset: 0,
            first_channel: 3,
            slots: 2,
            pixel_stride: 8,
            row_stride: 24,
            height: 5,
            width: 3,
            channels: 4,
        }
    }

    #[test]
    fn rows_wrap_around_their_slots() {
        let memory = AlignedBuffer::zeroed(3 + 24 + 16 + 4).expect("small");
        let rows = Rows::new(&memory, layout());
        assert_eq!(rows.row(0).at(2), rows.row(4).at(2));
        assert_ne!(rows.row(0).at(2), rows.row(1).at(2));
        assert_eq!(rows.row(1).at(2) as usize - memory.as_slice().as_ptr() as usize, (3 + 24 + 16) * 4);
    }

    #[test]
    #[should_panic(expected = "leaves its memory")]
    fn a_view_that_leaves_its_memory_is_refused() {
        let memory = AlignedBuffer::zeroed(3 + 24 + 16 + 3).expect("small");
        let _ = Rows::new(&memory, layout());
    }

    #[test]
    fn halves_take_half_the_room() {
        let layout = RowLayout { element: Element::F16, row_stride: 12, ..layout() };
        assert_eq!(layout.end(), Some(12 + (16 + 3 + 4usize).div_ceil(2)));
        let memory = AlignedBuffer::zeroed(24).expect("small");
        let rows = Rows::new(&memory, layout);
        let at = rows.row(1).stored_at::<crate::simd::Half>(2);
        assert_eq!(at as usize - memory.as_slice().as_ptr() as usize, 12 * 4 + (3 + 16) * 2);
    }

    #[test]
    fn impossible_sizes_are_errors() {
        for len in [usize::MAX, usize::MAX / 4, 1 << 60] {
            assert!(matches!(AlignedBuffer::zeroed(len), Err(CpuError::OutOfMemory { .. })));
        }
    }
}
