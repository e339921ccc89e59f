//! Which codec tag stands for which pixel format in NUT, as ffmpeg's raw video has it (`libavcodec/raw.c`).

use pegbar_frame::{PixelFamily, PixelFormat};

/// The tag of a planar format. `None` where ffmpeg has none, or where its tag means something else as well.
pub(crate) fn nut_tag(format: PixelFormat) -> Option<[u8; 4]> {
    // 8-bit formats without alpha have names from the time of AVI.
    let old = [
        (PixelFormat::GRAY8, *b"Y800"),
        (PixelFormat::YUV420P, *b"I420"),
        (PixelFormat::YUV422P, *b"Y42B"),
        (PixelFormat::YUV444P, *b"444P"),
        (PixelFormat::YUV440P, *b"440P"),
        (PixelFormat::YUV411P, *b"Y41B"),
        (PixelFormat::YUV410P, *b"YUV9"),
    ];
    if let Some((_, tag)) = old.iter().find(|(f, _)| *f == format) {
        return Some(*tag);
    }
    if !format.is_supported() {
        return None;
    }
    // The others say it all: family and number of planes, log2 of the subsampling as two decimal digits, depth.
    let (letter, n_planes) = match (format.family, format.alpha) {
        (PixelFamily::Gray, _) => (b'Y', b'1'),
        (PixelFamily::Yuv, alpha) => (b'Y', if alpha { b'4' } else { b'3' }),
        (PixelFamily::Rgb, alpha) => (b'G', if alpha { b'4' } else { b'3' }),
    };
    let subsampling = 10 * format.log2_chroma_w + format.log2_chroma_h;
    // There is no tag for deep 4:4:0, and gbrap14 is younger than the oldest ffmpeg we work with.
    if subsampling == 1 || (letter, n_planes, format.depth_bits) == (b'G', b'4', 14) {
        return None;
    }
    Some([letter, n_planes, subsampling, format.depth_bits])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tag_is_its_own() {
        let tags: Vec<_> = PixelFormat::all().filter_map(nut_tag).collect();
        let mut unique = tags.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), tags.len());
        assert_eq!(PixelFormat::all().count() - tags.len(), 3);
        assert_eq!(nut_tag(PixelFormat::YUV420P10), Some(*b"Y3\x0b\x0a"));
        assert_eq!(nut_tag(PixelFormat::GBRP), Some(*b"G3\x00\x08"));
    }
}
