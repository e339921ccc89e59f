//! Black borders, by the rule of ffmpeg's `cropdetect`: a line belongs to the border when its luma is black on average.

use pegbar_frame::{Frame, PixelFormat};

use crate::VideoInfo;
use crate::picture_filters::Crop;

/// Only every so many frames of a sample are looked at: borders do not move.
pub(super) const EVERY: usize = 6;

/// Up to this luma of 255 a line is black; `cropdetect` has the same.
const BLACK: u64 = 24;

/// The smallest share of the height and of the width that is believed to be the picture: what is less is a dark scene.
const LEAST_SIDE: f64 = 0.4;

/// The picture that all frames together leave.
#[derive(Debug, Default)]
pub(super) struct BlackBorder {
    found: Option<Edges>,
    size: (usize, usize),
    format: Option<PixelFormat>,
}

/// First and last columns and rows that are not black.
#[derive(Debug, Clone, Copy)]
struct Edges {
    left: usize,
    right: usize,
    top: usize,
    bottom: usize,
}

impl BlackBorder {
    pub(super) fn add(&mut self, frame: &Frame) {
        let plane = &frame.planes[0];
        let (width, height) = (plane.width, plane.height);
        let bytes = frame.format.bytes_per_sample();
        let sample = |x: usize, y: usize| match &plane.data[(y * width + x) * bytes..][..bytes] {
            [low, high] => u64::from(u16::from_le_bytes([*low, *high])),
            other => u64::from(other[0]),
        };
        let limit = BLACK << (frame.format.depth_bits - 8);
        let row = |&y: &usize| (0..width).map(|x| sample(x, y)).sum::<u64>() > limit * width as u64;
        let column = |&x: &usize| (0..height).map(|y| sample(x, y)).sum::<u64>() > limit * height as u64;
        self.size = (width, height);
        self.format = Some(frame.format);
        let (Some(top), Some(bottom)) = ((0..height).find(row), (0..height).rev().find(row)) else { return };
        let (Some(left), Some(right)) = ((0..width).find(column), (0..width).rev().find(column)) else {
            return;
        };
        self.widen(Edges { left, right, top, bottom });
    }

    fn widen(&mut self, by: Edges) {
        let old = self.found.unwrap_or(by);
        self.found = Some(Edges {
            left: old.left.min(by.left),
            right: old.right.max(by.right),
            top: old.top.min(by.top),
            bottom: old.bottom.max(by.bottom),
        });
    }

    /// Adds what other frames of the film leave.
    pub(super) fn merge(&mut self, other: &Self) {
        if other.format.is_some() {
            (self.size, self.format) = (other.size, other.format);
        }
        if let Some(edges) = other.found {
            self.widen(edges);
        }
    }

    /// The picture, cut to whole chroma samples; `None` where there is no border, or no picture to be sure of.
    pub(super) fn picture(&self, video: &VideoInfo) -> Option<Crop> {
        let (edges, format) = (self.found?, self.format?);
        let (step_x, step_y) = (1usize << format.log2_chroma_w, 1usize << format.log2_chroma_h);
        let (x, y) = (edges.left.next_multiple_of(step_x), edges.top.next_multiple_of(step_y));
        let cut =
            |end: usize, start: usize, step: usize| (end + 1).checked_sub(start).map(|n| n / step * step);
        let (width, height) = (cut(edges.right, x, step_x)?, cut(edges.bottom, y, step_y)?);
        // An odd picture loses its last column to the rounding, which is no border.
        let is_border = x >= step_x
            || y >= step_y
            || self.size.0 - x - width >= step_x.max(2)
            || self.size.1 - y - height >= step_y.max(2);
        let is_sure = width as f64 >= video.width as f64 * LEAST_SIDE
            && height as f64 >= video.height as f64 * LEAST_SIDE;
        (is_border && is_sure).then_some(Crop { width, height, x, y })
    }
}
