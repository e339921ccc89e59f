//! Black borders around a frame.

use pegbar_frame::{Frame, PixelFamily, Plane, Range};

/// The frame in the middle of a larger black one, opaque. The size has been checked: it is no smaller, and made of whole
/// chroma samples.
pub(crate) fn padded(frame: &Frame, width: usize, height: usize) -> Frame {
    let format = frame.format;
    let step = |log2: u8| 1usize << log2;
    // Down to whole chroma samples.
    let left = (width - frame.width) / 2 / step(format.log2_chroma_w) * step(format.log2_chroma_w);
    let top = (height - frame.height) / 2 / step(format.log2_chroma_h) * step(format.log2_chroma_h);
    let bytes = format.bytes_per_sample();
    let planes = frame.planes.iter().enumerate().map(|(n, plane)| {
        let (plane_width, plane_height) = format.plane_size(n, width, height);
        let value = black(frame, n);
        let mut data = match bytes {
            1 => vec![value as u8; plane_width * plane_height],
            _ => value.to_le_bytes().repeat(plane_width * plane_height),
        };
        let is_chroma = format.family == PixelFamily::Yuv && matches!(n, 1 | 2);
        let (x, y) =
            if is_chroma { (left >> format.log2_chroma_w, top >> format.log2_chroma_h) } else { (left, top) };
        for (k, line) in plane.data.chunks_exact(plane.width * bytes).enumerate() {
            let at = ((y + k) * plane_width + x) * bytes;
            data[at..at + line.len()].copy_from_slice(line);
        }
        Plane { width: plane_width, height: plane_height, data }
    });
    let planes = planes.collect();
    Frame { format, width, height, planes, pts: frame.pts, colour: frame.colour.clone() }
}

/// The sample of plane `n` that is black, or opaque.
fn black(frame: &Frame, n: usize) -> u16 {
    let format = frame.format;
    let scale = |value: u16| value << (format.depth_bits - 8);
    let is_alpha = format.alpha && n + 1 == format.n_planes();
    match format.family {
        _ if is_alpha => (((1u32 << format.depth_bits) - 1) & 0xffff) as u16,
        PixelFamily::Yuv if n > 0 => scale(128),
        family if family == PixelFamily::Rgb || frame.colour.range_or_default(family) == Range::Full => 0,
        _ => scale(16),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pegbar_frame::{Colour, PixelFormat};

    fn frame(format: PixelFormat, range: Option<Range>) -> Frame {
        let (width, height) = (5, 3);
        let planes = (0..format.n_planes())
            .map(|n| {
                let (width, height) = format.plane_size(n, width, height);
                Plane { width, height, data: vec![3; width * height * format.bytes_per_sample()] }
            })
            .collect();
        Frame { format, width, height, planes, pts: 7, colour: Colour { range, ..Colour::default() } }
    }

    #[test]
    fn every_format_keeps_its_layout() {
        for format in PixelFormat::all() {
            let padded = padded(&frame(format, None), 16, 12);
            padded.validate().unwrap();
            assert_eq!((padded.width, padded.height, padded.pts), (16, 12, 7), "{format}");
            let threes = padded.planes[0].data.iter().filter(|&&v| v == 3).count();
            assert_eq!(threes, 15 * format.bytes_per_sample(), "{format}");
        }
    }

    #[test]
    fn black_is_that_of_the_range() {
        let corner = |frame: &Frame| padded(frame, 8, 8).planes.iter().map(|p| p.data[0]).collect::<Vec<_>>();
        assert_eq!(corner(&frame(PixelFormat::YUV420P, None)), [16, 128, 128]);
        assert_eq!(corner(&frame(PixelFormat::YUV420P, Some(Range::Full))), [0, 128, 128]);
        assert_eq!(corner(&frame(PixelFormat::YUVA420P, None)), [16, 128, 128, 255]);
        assert_eq!(corner(&frame(PixelFormat::GBRP, Some(Range::Limited))), [0, 0, 0]);
        assert_eq!(corner(&frame(PixelFormat::GRAY8, None)), [0]);
    }

    #[test]
    fn the_picture_is_in_the_middle() {
        let padded = padded(&frame(PixelFormat::YUV444P, None), 9, 7);
        assert_eq!(padded.planes[0].data[2 * 9 + 2], 3);
        assert_eq!(padded.planes[0].data[9 + 2], 16);
        assert_eq!(padded.planes[0].data[2 * 9 + 1], 16);
    }
}
