//! Noise of a sensor or of an analogue path.

use pegbar_frame::PlanarImage;
use pegbar_params::{Choice, Param, ParamValues};

use super::luma_chroma::LumaChroma;
use super::random::Random;

/// Parameters of [`Noise`].
pub const PARAMS: &[Param] = &[
    Param::choice(
        "kind",
        "How the noise is made.",
        &[
            Choice { id: "gaussian", doc: "The same everywhere, in red, green and blue on their own." },
            Choice {
                id: "iso",
                doc: "Stronger in luma where it is light, as a sensor counts photons, and with colour.",
            },
        ],
        "gaussian",
    ),
    Param::float("sigma", "Deviation in codes of 8 bits.", "", (0.0, 100.0), 8.0),
];

/// How noise is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoiseKind {
    /// White, each of red, green and blue on its own.
    Gaussian,
    /// Luma noise that grows with the square root of the light, and half as much chroma noise.
    Iso,
}

/// White noise.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Noise {
    /// How it is made.
    pub kind: NoiseKind,
    /// Deviation, in codes of 8 bits.
    pub sigma_codes: f32,
}

impl Noise {
    /// Reads values of [`PARAMS`].
    pub fn from_values(values: &ParamValues) -> Self {
        let kind = if values.text("kind") == "iso" { NoiseKind::Iso } else { NoiseKind::Gaussian };
        Self { kind, sigma_codes: values.f32("sigma") }
    }

    /// Spoils a picture; the noise comes from the seed, so take another seed for each frame.
    pub fn apply(&self, image: &PlanarImage, seed: u64) -> PlanarImage {
        let sigma = self.sigma_codes / 255.0;
        let normal = |stream: u64| {
            let random = Random::new(seed, stream);
            move |i: usize| random.normal(i)
        };
        match self.kind {
            NoiseKind::Gaussian => {
                let mut out = image.clone();
                for c in 0..image.channels.min(3) {
                    let noise = normal(c as u64);
                    out.plane_mut(c).iter_mut().enumerate().for_each(|(i, v)| *v += sigma * noise(i));
                }
                out
            }
            NoiseKind::Iso => {
                let mut planes = LumaChroma::of(image);
                let noise = normal(0);
                for (i, v) in planes.luma.iter_mut().enumerate() {
                    *v += sigma * (0.3 + 1.4 * v.max(0.0)).sqrt() * noise(i);
                }
                for (stream, plane) in [(1, &mut planes.cb), (2, &mut planes.cr)] {
                    let noise = normal(stream);
                    plane.iter_mut().enumerate().for_each(|(i, v)| *v += 0.5 * sigma * noise(i));
                }
                planes.picture(image)
            }
        }
    }
}
