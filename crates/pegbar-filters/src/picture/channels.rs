//! Takes pictures apart into channels and puts them together.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

use super::choices::choices;
use super::error::{PictureError, check_same_size};
use super::samples::{gray, luma, with_channels};

/// The parameters of [`SplitChannels`], [`CombineChannels`], [`SplitAlpha`] and [`MergeAlpha`]: none.
pub const NO_PARAMS: &[Param] = &[];

/// The parameters of [`ExtractChannel`].
pub const EXTRACT_PARAMS: &[Param] = &[Param::choice("channel", "Which.", Channel::CHOICES, "luma")];

choices! {
    /// A channel of a picture.
    Channel {
        Red = "red", "Red.";
        Green = "green", "Green.";
        Blue = "blue", "Blue.";
        Alpha = "alpha", "Alpha; white where a picture has none.";
        Luma = "luma", "Luma by the weights of BT.601.";
        Largest = "largest", "The largest of red, green and blue.";
        Smallest = "smallest", "The smallest of red, green and blue.";
    }
}

/// Takes a channel out of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExtractChannel {
    /// Which.
    pub channel: Channel,
}

impl ExtractChannel {
    /// Reads the settings.
    pub fn from_values(values: &ParamValues) -> Self {
        Self { channel: Channel::of(values, "channel") }
    }

    /// The channel as a gray picture.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        let plane = |c: usize| image.plane(if image.channels < 3 { 0 } else { c }).to_vec();
        let fold = |f: fn(f32, f32) -> f32| {
            let mut out = plane(0);
            for c in 1..image.channels.min(3) {
                out.iter_mut().zip(image.plane(c)).for_each(|(o, s)| *o = f(*o, *s));
            }
            out
        };
        let data = match self.channel {
            Channel::Red => plane(0),
            Channel::Green => plane(1),
            Channel::Blue => plane(2),
            Channel::Alpha if image.channels == 4 => plane(3),
            Channel::Alpha => vec![1.0; image.width * image.height],
            Channel::Luma => luma(image),
            Channel::Largest => fold(f32::max),
            Channel::Smallest => fold(f32::min),
        };
        gray(image.width, image.height, data)
    }
}

/// Takes a picture apart into red, green, blue and alpha.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SplitChannels;

impl SplitChannels {
    /// Red, green, blue and alpha as gray pictures; alpha is white where there is none.
    pub fn apply(&self, image: &PlanarImage) -> [PlanarImage; 4] {
        [Channel::Red, Channel::Green, Channel::Blue, Channel::Alpha]
            .map(|channel| ExtractChannel { channel }.apply(image))
    }
}

/// Makes a picture of gray ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CombineChannels;

impl CombineChannels {
    /// The picture whose channels are the lumas of others.
    ///
    /// # Errors
    /// When sizes differ.
    pub fn apply(
        &self,
        [red, green, blue]: [&PlanarImage; 3],
        alpha: Option<&PlanarImage>,
    ) -> Result<PlanarImage, PictureError> {
        let planes = [Some(red), Some(green), Some(blue), alpha];
        let mut out = PlanarImage { channels: 0, data: Vec::new(), ..*red };
        for plane in planes.into_iter().flatten() {
            check_same_size("combine-channels", red, plane)?;
            out.data.append(&mut luma(plane));
            out.channels += 1;
        }
        Ok(out)
    }
}

/// Takes colour and alpha apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SplitAlpha;

impl SplitAlpha {
    /// The picture without alpha, and alpha as a gray picture; white where there is none.
    pub fn apply(&self, image: &PlanarImage) -> (PlanarImage, PlanarImage) {
        let colour = with_channels(image, image.channels.min(3));
        (colour, ExtractChannel { channel: Channel::Alpha }.apply(image))
    }
}

/// Gives a picture alpha.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MergeAlpha;

impl MergeAlpha {
    /// The colour of one picture with the luma of another as alpha.
    ///
    /// # Errors
    /// When sizes differ.
    pub fn apply(&self, colour: &PlanarImage, alpha: &PlanarImage) -> Result<PlanarImage, PictureError> {
        check_same_size("merge-alpha", colour, alpha)?;
        let mut out = with_channels(colour, 4);
        out.plane_mut(3).copy_from_slice(&luma(alpha));
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::samples::made;

    #[test]
    fn apart_and_together() {
        for (w, h) in made::SIZES {
            let image = made::picture(4, w, h);
            let [r, g, b, a] = SplitChannels.apply(&image);
            assert_eq!(CombineChannels.apply([&r, &g, &b], Some(&a)).unwrap(), image);
            let (colour, alpha) = SplitAlpha.apply(&image);
            assert_eq!((colour.channels, alpha.channels), (3, 1));
            assert_eq!(MergeAlpha.apply(&colour, &alpha).unwrap(), image);
        }
        let gray = made::picture(1, 3, 2);
        assert_eq!(SplitChannels.apply(&gray)[2], gray);
        assert_eq!(SplitAlpha.apply(&gray).1.data, [1.0; 6]);
        assert!(MergeAlpha.apply(&gray, &made::picture(1, 2, 2)).is_err());
        let pixel = PlanarImage { width: 1, height: 1, channels: 3, data: vec![0.2, 0.9, 0.4] };
        let of = |channel| ExtractChannel { channel }.apply(&pixel).data[0];
        assert_eq!((of(Channel::Largest), of(Channel::Smallest)), (0.9, 0.2));
        assert!((of(Channel::Luma) - 0.6337).abs() < 1e-6);
    }
}
