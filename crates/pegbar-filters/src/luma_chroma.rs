//! Luma and chroma of a picture, and a picture with other luma or chroma.
//!
//! The weights are BT.601's, those of SD video, whatever the size: filters only separate what the eye sees sharply from what it does
//! not. Results are made by adding what has changed, so the choice decides no colour, and samples whose luma and chroma stay keep
//! their bits.

use pegbar_frame::PlanarImage;

const R: f32 = 0.299;
const B: f32 = 0.114;
const G: f32 = 1.0 - R - B;

/// Luma, `0.0..=1.0`; of a gray picture the picture itself.
pub(crate) fn luma(image: &PlanarImage) -> Vec<f32> {
    if image.channels < 3 {
        return image.plane(0).to_vec();
    }
    let (r, g, b) = (image.plane(0), image.plane(1), image.plane(2));
    r.iter().zip(g).zip(b).map(|((r, g), b)| R * r + G * g + B * b).collect()
}

/// Cb and Cr, each `-0.5..=0.5`; `None` for a gray picture. `luma` is that of the picture.
pub(crate) fn chroma(image: &PlanarImage, luma: &[f32]) -> Option<[Vec<f32>; 2]> {
    (image.channels >= 3).then(|| {
        let difference = |channel: usize, scale: f32| {
            image.plane(channel).iter().zip(luma).map(|(v, y)| (v - y) * scale).collect()
        };
        [difference(2, 0.5 / (1.0 - B)), difference(0, 0.5 / (1.0 - R))]
    })
}

/// The picture with another luma; colour and alpha stay.
pub(crate) fn with_luma(image: &PlanarImage, old: &[f32], new: &[f32]) -> PlanarImage {
    let mut out = image.clone();
    add_luma(&mut out, old, new);
    out
}

/// A picture of 3 or 4 channels with other chroma; luma and alpha stay.
pub(crate) fn with_chroma(image: &PlanarImage, old: &[Vec<f32>; 2], new: &[Vec<f32>; 2]) -> PlanarImage {
    let mut out = image.clone();
    add_chroma(&mut out, [&old[0], &old[1]], [&new[0], &new[1]]);
    out
}

fn add_luma(image: &mut PlanarImage, old: &[f32], new: &[f32]) {
    for c in 0..image.channels.min(3) {
        for ((v, old), new) in image.plane_mut(c).iter_mut().zip(old).zip(new) {
            *v += new - old;
        }
    }
}

fn add_chroma(image: &mut PlanarImage, old: [&[f32]; 2], new: [&[f32]; 2]) {
    let n = image.width * image.height;
    let (rg, b_and_alpha) = image.data.split_at_mut(2 * n);
    let (r, g) = rg.split_at_mut(n);
    let colours = r.iter_mut().zip(g).zip(b_and_alpha);
    let changes = old[0].iter().zip(new[0]).zip(old[1].iter().zip(new[1]));
    for (((r, g), b), ((old_cb, new_cb), (old_cr, new_cr))) in colours.zip(changes) {
        let (d_cb, d_cr) = (new_cb - old_cb, new_cr - old_cr);
        *r += 2.0 * (1.0 - R) * d_cr;
        *g -= (2.0 * R * (1.0 - R) * d_cr + 2.0 * B * (1.0 - B) * d_cb) / G;
        *b += 2.0 * (1.0 - B) * d_cb;
    }
}

/// Planes of luma and, for colour, blue and red differences (nominally `-0.5..=0.5`), row by row.
#[derive(Debug, Clone)]
pub(crate) struct LumaChroma {
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// One plane for gray, three for colour.
    pub(crate) planes: Vec<Vec<f32>>,
}

impl LumaChroma {
    /// Separates a picture; alpha is left out.
    pub(crate) fn of(image: &PlanarImage) -> Self {
        let luma = luma(image);
        let chroma = chroma(image, &luma);
        let planes = std::iter::once(luma).chain(chroma.into_iter().flatten()).collect();
        Self { width: image.width, height: image.height, planes }
    }

    /// `image` with the difference between `after` and these planes, which are its own, added.
    pub(crate) fn changed(&self, image: &PlanarImage, after: &[Vec<f32>]) -> PlanarImage {
        let mut out = with_luma(image, &self.planes[0], &after[0]);
        if let [_, cb, cr] = self.planes.as_slice() {
            add_chroma(&mut out, [cb, cr], [&after[1], &after[2]]);
        }
        out
    }
}

/// Changes the luma of a picture; `change` gets luma and width and gives as many samples.
pub(crate) fn change_luma(
    image: &PlanarImage,
    change: impl FnOnce(&[f32], usize) -> Vec<f32>,
) -> PlanarImage {
    if image.data.is_empty() {
        return image.clone();
    }
    let old = luma(image);
    let new = change(&old, image.width);
    with_luma(image, &old, &new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_back_comes_out() {
        let data: Vec<f32> = (0..3 * 30).map(|i| (i * 37 % 101) as f32 / 101.0).collect();
        let image = PlanarImage::from_data(3, 5, 6, data).unwrap();
        let y = luma(&image);
        let [cb, cr] = chroma(&image, &y).unwrap();
        assert!(with_luma(&image, &y, &y) == image);
        let moved = [cb.iter().map(|v| v + 0.1).collect(), cr.iter().map(|v| v - 0.2).collect()];
        let out = with_chroma(&image, &[cb, cr], &moved);
        let (new_y, [new_cb, new_cr]) = (luma(&out), chroma(&out, &luma(&out)).unwrap());
        for i in 0..30 {
            assert!((new_y[i] - y[i]).abs() < 1e-5);
            assert!((new_cb[i] - moved[0][i]).abs() < 1e-5 && (new_cr[i] - moved[1][i]).abs() < 1e-5);
        }
    }

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
