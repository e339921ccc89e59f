//! Luma and chroma of gamma-encoded RGB pictures, BT.601 weights, full range.
//!
//! BT.601 whatever the size: filters only separate what the eye sees sharply from what it does not, and add the *changes*
//! they made back to the RGB picture, so the choice decides no colour and a picture that no filter changed keeps its bits.

use pegbar_frame::PlanarImage;

const KR: f32 = 0.299;
const KG: f32 = 0.587;
const KB: f32 = 0.114;
/// Scale that brings B - Y to -0.5..=0.5.
const CB_SCALE: f32 = 2.0 * (1.0 - KB);
/// Scale that brings R - Y to -0.5..=0.5.
const CR_SCALE: f32 = 2.0 * (1.0 - KR);

/// Planes of luma and, for colour, blue and red differences (nominally `-0.5..=0.5`), row by row.
#[derive(Debug, Clone)]
pub(super) struct LumaChroma {
    pub(super) width: usize,
    pub(super) height: usize,
    /// One plane for gray, three for colour.
    pub(super) planes: Vec<Vec<f32>>,
}

impl LumaChroma {
    /// Separates a picture; alpha is left out.
    pub(super) fn of(image: &PlanarImage) -> Self {
        let &PlanarImage { width, height, .. } = image;
        let luma = luma(image);
        if image.channels < 3 {
            return Self { width, height, planes: vec![luma] };
        }
        let difference = |channel: usize, scale: f32| -> Vec<f32> {
            image.plane(channel).iter().zip(&luma).map(|(v, y)| (v - y) * (1.0 / scale)).collect()
        };
        let planes = vec![difference(2, CB_SCALE), difference(0, CR_SCALE)];
        Self { width, height, planes: std::iter::once(luma).chain(planes).collect() }
    }

    /// `image` with the difference between `after` and these planes, which are its own, added.
    pub(super) fn changed(&self, image: &PlanarImage, after: &[Vec<f32>]) -> PlanarImage {
        let mut out = image.clone();
        let n = self.width * self.height;
        if self.planes.len() < 3 {
            let samples = out.data[..n].iter_mut().zip(&after[0]).zip(&self.planes[0]);
            samples.for_each(|((v, a), b)| *v += a - b);
            return out;
        }
        let (r, rest) = out.data.split_at_mut(n);
        let (g, rest) = rest.split_at_mut(n);
        let b = &mut rest[..n];
        let (before, after) = (&self.planes, after);
        for i in 0..n {
            let dy = after[0][i] - before[0][i];
            let (dcb, dcr) = (after[1][i] - before[1][i], after[2][i] - before[2][i]);
            r[i] += dy + CR_SCALE * dcr;
            g[i] += dy - (KB * CB_SCALE / KG) * dcb - (KR * CR_SCALE / KG) * dcr;
            b[i] += dy + CB_SCALE * dcb;
        }
        out
    }
}

/// The luma of a picture, or its only channel.
pub(super) fn luma(image: &PlanarImage) -> Vec<f32> {
    if image.channels < 3 {
        return image.plane(0).to_vec();
    }
    let planes = image.plane(0).iter().zip(image.plane(1)).zip(image.plane(2));
    planes.map(|((r, g), b)| KR * r + KG * g + KB * b).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_come_back_as_rgb() {
        let image = PlanarImage {
            width: 2,
            height: 1,
            channels: 4,
            data: vec![0.1, 0.9, 0.5, 0.3, 0.7, 0.2, 0.25, 1.0],
        };
        let planes = LumaChroma::of(&image);
        assert_eq!(planes.changed(&image, &planes.planes), image);
        let gray = vec![planes.planes[0].clone(), vec![0.0; 2], vec![0.0; 2]];
        let out = planes.changed(&image, &gray);
        for i in 0..2 {
            for c in 0..3 {
                assert!((out.plane(c)[i] - planes.planes[0][i]).abs() < 1e-6);
            }
        }
        assert_eq!(out.plane(3), image.plane(3));
    }
}
