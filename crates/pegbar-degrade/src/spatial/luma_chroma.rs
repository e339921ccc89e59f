//! Luma and chroma of a picture, BT.601 as SD video has it, and back.

use pegbar_frame::PlanarImage;

const R: f32 = 0.299;
const B: f32 = 0.114;
const G: f32 = 1.0 - R - B;

/// The planes of a picture of 3 or 4 channels: Y in `0.0..=1.0`, Cb and Cr in `-0.5..=0.5`. A gray picture has luma alone.
pub(super) struct LumaChroma {
    pub(super) luma: Vec<f32>,
    pub(super) cb: Vec<f32>,
    pub(super) cr: Vec<f32>,
}

impl LumaChroma {
    pub(super) fn of(image: &PlanarImage) -> Self {
        if image.channels < 3 {
            return Self { luma: image.plane(0).to_vec(), cb: Vec::new(), cr: Vec::new() };
        }
        let (r, g, b) = (image.plane(0), image.plane(1), image.plane(2));
        let luma: Vec<f32> = r.iter().zip(g).zip(b).map(|((r, g), b)| R * r + G * g + B * b).collect();
        let cb = b.iter().zip(&luma).map(|(b, y)| (b - y) / (2.0 * (1.0 - B))).collect();
        let cr = r.iter().zip(&luma).map(|(r, y)| (r - y) / (2.0 * (1.0 - R))).collect();
        Self { luma, cb, cr }
    }

    /// The picture with these planes; alpha is that of `image`.
    pub(super) fn picture(&self, image: &PlanarImage) -> PlanarImage {
        let mut out = image.clone();
        if image.channels < 3 {
            out.plane_mut(0).copy_from_slice(&self.luma);
            return out;
        }
        let n = self.luma.len();
        for i in 0..n {
            let (y, cb, cr) = (self.luma[i], self.cb[i], self.cr[i]);
            let (r, b) = (y + 2.0 * (1.0 - R) * cr, y + 2.0 * (1.0 - B) * cb);
            out.data[i] = r;
            out.data[n + i] = (y - R * r - B * b) / G;
            out.data[2 * n + i] = b;
        }
        out
    }
}
