//! One picture of a stream, as planes of samples.

use crate::{Colour, FrameError, PixelFormat};

/// One plane of samples, rows packed without padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plane {
    /// Samples in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `width * height * bytes per sample` bytes; two-byte samples are little endian.
    pub data: Vec<u8>,
}

impl Plane {
    /// Bytes of row `y`.
    pub(crate) fn row(&self, y: usize) -> &[u8] {
        let stride = self.data.len() / self.height;
        &self.data[y * stride..(y + 1) * stride]
    }
}

/// One picture with its time stamp.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Layout of the planes.
    pub format: PixelFormat,
    /// Width of the picture in luma samples.
    pub width: usize,
    /// Height of the picture in luma samples.
    pub height: usize,
    /// Planes in the order of [`crate::PixelFamily`], alpha last.
    pub planes: Vec<Plane>,
    /// Presentation time stamp in units of the stream's time base.
    pub pts: i64,
    /// What the numbers mean.
    pub colour: Colour,
}

impl Frame {
    /// Takes a picture apart that lies as ffmpeg's `rawvideo` does: plane after plane, rows without padding.
    ///
    /// # Errors
    /// When a side is zero, the format is none of ffmpeg's, or the number of bytes is not
    /// [`PixelFormat::frame_bytes`].
    pub fn from_bytes(
        format: PixelFormat,
        width: usize,
        height: usize,
        pts: i64,
        colour: Colour,
        bytes: &[u8],
    ) -> Result<Self, FrameError> {
        let expected = checked_bytes(format, width, height)?;
        if bytes.len() != expected {
            return Err(FrameError::WrongByteCount {
                format: format.ffmpeg_name(),
                width,
                height,
                expected,
                got: bytes.len(),
            });
        }
        let mut rest = bytes;
        let planes = (0..format.n_planes())
            .map(|plane| {
                let (width, height) = format.plane_size(plane, width, height);
                let (data, after) = rest.split_at(width * height * format.bytes_per_sample());
                rest = after;
                Plane { width, height, data: data.to_vec() }
            })
            .collect();
        Ok(Self { format, width, height, planes, pts, colour })
    }

    /// A frame of zero codes (black only in RGB and full-range gray).
    ///
    /// # Errors
    /// When a side is zero, or the format is none of ffmpeg's.
    pub fn zeros(
        format: PixelFormat,
        width: usize,
        height: usize,
        pts: i64,
        colour: Colour,
    ) -> Result<Self, FrameError> {
        checked_bytes(format, width, height)?;
        let planes = (0..format.n_planes())
            .map(|plane| {
                let (width, height) = format.plane_size(plane, width, height);
                Plane { width, height, data: vec![0; width * height * format.bytes_per_sample()] }
            })
            .collect();
        Ok(Self { format, width, height, planes, pts, colour })
    }

    /// Appends the planes, one after another, to `out`: the inverse of [`Frame::from_bytes`].
    pub fn write_bytes(&self, out: &mut Vec<u8>) {
        out.reserve(self.planes.iter().map(|p| p.data.len()).sum());
        for plane in &self.planes {
            out.extend_from_slice(&plane.data);
        }
    }

    /// Checks that the planes are those of the format and size. The fields are public, so every
    /// function that reads samples calls this first.
    ///
    /// # Errors
    /// Names the first plane that does not fit.
    pub fn validate(&self) -> Result<(), FrameError> {
        checked_bytes(self.format, self.width, self.height)?;
        let expected = self.format.n_planes();
        if self.planes.len() != expected {
            return Err(FrameError::PlaneCount {
                format: self.format.ffmpeg_name(),
                expected,
                got: self.planes.len(),
            });
        }
        for (plane, p) in self.planes.iter().enumerate() {
            let (width, height) = self.format.plane_size(plane, self.width, self.height);
            let bytes = width * height * self.format.bytes_per_sample();
            if (p.width, p.height, p.data.len()) != (width, height, bytes) {
                return Err(FrameError::PlaneSize {
                    format: self.format.ffmpeg_name(),
                    plane,
                    expected_width: width,
                    expected_height: height,
                    expected_bytes: bytes,
                    width: p.width,
                    height: p.height,
                    bytes: p.data.len(),
                });
            }
        }
        Ok(())
    }
}

/// Bytes of a picture, once format and size are known to be sound.
fn checked_bytes(format: PixelFormat, width: usize, height: usize) -> Result<usize, FrameError> {
    if width == 0 || height == 0 {
        return Err(FrameError::Empty { width, height });
    }
    if !format.is_supported() {
        return Err(FrameError::UnsupportedFormat { format: format.ffmpeg_name() });
    }
    // No allocation may exceed isize::MAX bytes.
    format
        .checked_frame_bytes(width, height)
        .filter(|&bytes| isize::try_from(bytes).is_ok())
        .ok_or(FrameError::TooLarge { width, height })
}
