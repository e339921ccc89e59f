//! Colour spaces and the way to them from gamma-encoded sRGB.

use super::choices::choices;

choices! {
    /// A colour space; see [`ColourSpace::from_rgb`] for the ranges of its three values.
    ColourSpace {
        Rgb = "rgb", "Red, green, blue, gamma-encoded (sRGB): how pictures come and go.";
        LinearRgb = "linear-rgb", "Red, green, blue in proportion to light.";
        YCbCr601 = "ycbcr-601", "Luma and colour differences of BT.601: SD video and JPEG.";
        YCbCr709 = "ycbcr-709", "Luma and colour differences of BT.709: HD video.";
        YCbCr2020 = "ycbcr-2020", "Luma and colour differences of BT.2020 (non-constant luminance).";
        Yuv = "yuv", "Y, U, V of PAL.";
        Yiq = "yiq", "Y, I, Q of NTSC.";
        Hsv = "hsv", "Hue, saturation, value.";
        Hsl = "hsl", "Hue, saturation, lightness.";
        Lab = "lab", "CIE L*a*b* for D65: about as far apart as colours look.";
        Lch = "lch", "L*a*b* as lightness, chroma and hue.";
        OkLab = "oklab", "Oklab: steadier hues than L*a*b*.";
        OkLch = "oklch", "Oklab as lightness, chroma and hue.";
    }
}

/// Chroma of CIE LCh that is stored as 1: beyond any colour of sRGB (blue has 134).
const LCH_CHROMA: f32 = 150.0;
/// Chroma of Oklch that is stored as 1: beyond any colour of sRGB (magenta has 0.323).
const OKLCH_CHROMA: f32 = 0.4;

impl ColourSpace {
    /// From gamma-encoded sRGB. Hues are degrees in `0..360` (0 for gray); saturation, value, HSL's lightness, luma and
    /// Oklab's L are `0..=1`; L* is `0..=100`; colour differences are signed.
    pub fn from_rgb(self, rgb: [f32; 3]) -> [f32; 3] {
        match self {
            Self::Rgb => rgb,
            Self::LinearRgb => rgb.map(srgb_to_linear),
            Self::YCbCr601 | Self::YCbCr709 | Self::YCbCr2020 => {
                let (kr, kb) = self.luma_weights();
                let [r, g, b] = rgb;
                let y = kr * r + (1.0 - kr - kb) * g + kb * b;
                [y, (b - y) / (2.0 * (1.0 - kb)), (r - y) / (2.0 * (1.0 - kr))]
            }
            Self::Yuv => {
                let [r, g, b] = rgb;
                let y = 0.299 * r + 0.587 * g + 0.114 * b;
                [y, (b - y) * U_SCALE, (r - y) * V_SCALE]
            }
            Self::Yiq => {
                let [y, u, v] = Self::Yuv.from_rgb(rgb);
                let (sin, cos) = YIQ_TURN;
                [y, cos * v - sin * u, sin * v + cos * u]
            }
            Self::Hsv => {
                let (hue, max, min) = hue_max_min(rgb);
                [hue, if max > 0.0 { (max - min) / max } else { 0.0 }, max]
            }
            Self::Hsl => {
                let (hue, max, min) = hue_max_min(rgb);
                let lightness = (max + min) / 2.0;
                let room = 1.0 - (2.0 * lightness - 1.0).abs();
                [hue, if room > 1e-7 { (max - min) / room } else { 0.0 }, lightness]
            }
            Self::Lab => {
                let xyz = multiply(&XYZ_OF_RGB, rgb.map(srgb_to_linear));
                let f = |i: usize| lab_curve(xyz[i] / WHITE[i]);
                let (x, y, z) = (f(0), f(1), f(2));
                [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
            }
            Self::Lch => polar(Self::Lab.from_rgb(rgb)),
            Self::OkLab => {
                let lms = multiply(&LMS_OF_RGB, rgb.map(srgb_to_linear)).map(f32::cbrt);
                multiply(&OKLAB_OF_LMS, lms)
            }
            Self::OkLch => polar(Self::OkLab.from_rgb(rgb)),
        }
    }

    /// To gamma-encoded sRGB, with the ranges of [`ColourSpace::from_rgb`]; colours beyond sRGB leave `0..=1`.
    pub fn to_rgb(self, v: [f32; 3]) -> [f32; 3] {
        match self {
            Self::Rgb => v,
            Self::LinearRgb => v.map(linear_to_srgb),
            Self::YCbCr601 | Self::YCbCr709 | Self::YCbCr2020 => {
                let (kr, kb) = self.luma_weights();
                let [y, cb, cr] = v;
                let (r, b) = (y + cr * 2.0 * (1.0 - kr), y + cb * 2.0 * (1.0 - kb));
                [r, (y - kr * r - kb * b) / (1.0 - kr - kb), b]
            }
            Self::Yuv => {
                let (r, b) = (v[0] + v[2] / V_SCALE, v[0] + v[1] / U_SCALE);
                [r, (v[0] - 0.299 * r - 0.114 * b) / 0.587, b]
            }
            Self::Yiq => {
                let (sin, cos) = YIQ_TURN;
                Self::Yuv.to_rgb([v[0], cos * v[2] - sin * v[1], cos * v[1] + sin * v[2]])
            }
            Self::Hsv => {
                let [hue, saturation, value] = v;
                from_hue(hue).map(|c| value * (1.0 - saturation * (1.0 - c)))
            }
            Self::Hsl => {
                let [hue, saturation, lightness] = v;
                let chroma = (1.0 - (2.0 * lightness - 1.0).abs()) * saturation;
                from_hue(hue).map(|c| lightness + (c - 0.5) * chroma)
            }
            Self::Lab => {
                let y = (v[0] + 16.0) / 116.0;
                let (x, z) = (y + v[1] / 500.0, y - v[2] / 200.0);
                let xyz = [lab_uncurve(x) * WHITE[0], lab_uncurve(y) * WHITE[1], lab_uncurve(z) * WHITE[2]];
                multiply(&RGB_OF_XYZ, xyz).map(linear_to_srgb)
            }
            Self::Lch => Self::Lab.to_rgb(cartesian(v)),
            Self::OkLab => {
                let lms = multiply(&LMS_OF_OKLAB, v).map(|c| c * c * c);
                multiply(&RGB_OF_LMS, lms).map(linear_to_srgb)
            }
            Self::OkLch => Self::OkLab.to_rgb(cartesian(v)),
        }
    }

    /// As samples of a picture, about `0..=1`: hues by 360, L* by 100, a* and b* by 255 and up by 128/255, chroma by
    /// 150 (LCh) or 0.4 (Oklch), other colour differences up by a half.
    pub fn to_samples(self, v: [f32; 3]) -> [f32; 3] {
        let [a, b, c] = v;
        match self {
            Self::Rgb | Self::LinearRgb => v,
            Self::YCbCr601 | Self::YCbCr709 | Self::YCbCr2020 | Self::Yuv | Self::Yiq | Self::OkLab => {
                [a, b + 0.5, c + 0.5]
            }
            Self::Hsv | Self::Hsl => [a / 360.0, b, c],
            Self::Lab => [a / 100.0, (b + 128.0) / 255.0, (c + 128.0) / 255.0],
            Self::Lch => [a / 100.0, b / LCH_CHROMA, c / 360.0],
            Self::OkLch => [a, b / OKLCH_CHROMA, c / 360.0],
        }
    }

    /// The inverse of [`ColourSpace::to_samples`].
    pub fn of_samples(self, v: [f32; 3]) -> [f32; 3] {
        let [a, b, c] = v;
        match self {
            Self::Rgb | Self::LinearRgb => v,
            Self::YCbCr601 | Self::YCbCr709 | Self::YCbCr2020 | Self::Yuv | Self::Yiq | Self::OkLab => {
                [a, b - 0.5, c - 0.5]
            }
            Self::Hsv | Self::Hsl => [a * 360.0, b, c],
            Self::Lab => [a * 100.0, b * 255.0 - 128.0, c * 255.0 - 128.0],
            Self::Lch => [a * 100.0, b * LCH_CHROMA, c * 360.0],
            Self::OkLch => [a, b * OKLCH_CHROMA, c * 360.0],
        }
    }

    fn luma_weights(self) -> (f32, f32) {
        match self {
            Self::YCbCr709 => (0.2126, 0.0722),
            Self::YCbCr2020 => (0.2627, 0.0593),
            _ => (0.299, 0.114),
        }
    }
}

/// From the code value of sRGB (IEC 61966-2-1) to light; odd about zero.
pub(crate) fn srgb_to_linear(v: f32) -> f32 {
    let d = v.abs();
    let light = if d <= 0.040_45 { d / 12.92 } else { ((d + 0.055) / 1.055).powf(2.4) };
    light.copysign(v)
}

/// From light to the code value of sRGB; odd about zero.
pub(crate) fn linear_to_srgb(v: f32) -> f32 {
    let d = v.abs();
    let code = if d <= 0.003_130_8 { d * 12.92 } else { 1.055 * d.powf(1.0 / 2.4) - 0.055 };
    code.copysign(v)
}

const U_SCALE: f32 = 0.492_111;
const V_SCALE: f32 = 0.877_283;
/// Sine and cosine of the 33 degrees between U, V and I, Q.
const YIQ_TURN: (f32, f32) = (0.544_639, 0.838_671);

/// XYZ of linear sRGB and back, from the primaries and D65 as CSS Color 4 gives them.
const XYZ_OF_RGB: [[f32; 3]; 3] = [
    [0.412_390_8, 0.357_584_34, 0.180_480_8],
    [0.212_639, 0.715_168_7, 0.072_192_32],
    [0.019_330_82, 0.119_194_78, 0.950_532_15],
];
const RGB_OF_XYZ: [[f32; 3]; 3] = [
    [3.240_97, -1.537_383_2, -0.498_610_76],
    [-0.969_243_65, 1.875_967_5, 0.041_555_06],
    [0.055_630_08, -0.203_976_96, 1.056_971_5],
];
/// XYZ of white: sums of the rows, so that gray has no colour.
const WHITE: [f32; 3] = [0.950_455_9, 1.0, 1.089_057_8];

/// Björn Ottosson: "A perceptual color space for image processing" (2020).
const LMS_OF_RGB: [[f32; 3]; 3] = [
    [0.412_221_47, 0.536_332_54, 0.051_445_993],
    [0.211_903_5, 0.680_699_5, 0.107_396_96],
    [0.088_302_46, 0.281_718_84, 0.629_978_7],
];
const OKLAB_OF_LMS: [[f32; 3]; 3] = [
    [0.210_454_26, 0.793_617_8, -0.004_072_047],
    [1.977_998_5, -2.428_592_2, 0.450_593_7],
    [0.025_904_037, 0.782_771_77, -0.808_675_77],
];
const LMS_OF_OKLAB: [[f32; 3]; 3] = [
    [1.0, 0.396_337_78, 0.215_803_76],
    [1.0, -0.105_561_346, -0.063_854_17],
    [1.0, -0.089_484_18, -1.291_485_5],
];
const RGB_OF_LMS: [[f32; 3]; 3] = [
    [4.076_741_7, -3.307_711_6, 0.230_969_94],
    [-1.268_438, 2.609_757_4, -0.341_319_38],
    [-0.004_196_086_3, -0.703_418_6, 1.707_614_7],
];

fn multiply(m: &[[f32; 3]; 3], v: [f32; 3]) -> [f32; 3] {
    [0, 1, 2].map(|i| m[i][0] * v[0] + m[i][1] * v[1] + m[i][2] * v[2])
}

fn lab_curve(t: f32) -> f32 {
    if t > 0.008_856_452 { t.cbrt() } else { t * 7.787_037 + 4.0 / 29.0 }
}

fn lab_uncurve(t: f32) -> f32 {
    if t > 6.0 / 29.0 { t * t * t } else { (t - 4.0 / 29.0) / 7.787_037 }
}

/// Lightness, chroma and hue in degrees; chroma that is only rounding has hue 0.
fn polar([l, a, b]: [f32; 3]) -> [f32; 3] {
    let chroma = a.hypot(b);
    let hue = b.atan2(a).to_degrees();
    [l, chroma, if hue < 0.0 { hue + 360.0 } else { hue }]
}

fn cartesian([l, chroma, hue]: [f32; 3]) -> [f32; 3] {
    let (sin, cos) = hue.to_radians().sin_cos();
    [l, chroma * cos, chroma * sin]
}

/// Hue in degrees, largest and smallest channel.
fn hue_max_min([r, g, b]: [f32; 3]) -> (f32, f32, f32) {
    let (max, min) = (r.max(g).max(b), r.min(g).min(b));
    let range = max - min;
    let hue = if range <= 0.0 {
        0.0
    } else if max == r {
        (g - b) / range
    } else if max == g {
        2.0 + (b - r) / range
    } else {
        4.0 + (r - g) / range
    };
    (if hue < 0.0 { hue + 6.0 } else { hue } * 60.0, max, min)
}

/// The pure colour of a hue in degrees.
fn from_hue(hue: f32) -> [f32; 3] {
    let h = (hue / 60.0).rem_euclid(6.0);
    [((h - 3.0).abs() - 1.0), 2.0 - (h - 2.0).abs(), 2.0 - (h - 4.0).abs()].map(|c| c.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        for &space in ColourSpace::ALL {
            for i in 0..11 * 11 * 11 {
                let rgb = [i % 11, i / 11 % 11, i / 121].map(|v| v as f32 / 10.0);
                let v = space.from_rgb(rgb);
                let back = space.to_rgb(space.of_samples(space.to_samples(v)));
                for (a, b) in back.iter().zip(rgb) {
                    assert!((a - b).abs() < 1e-4, "{space:?} {rgb:?} -> {v:?} -> {back:?}");
                }
                let stored = space.to_samples(v);
                assert!(stored.iter().all(|s| (-0.12..=1.12).contains(s)), "{space:?} {rgb:?} {stored:?}");
            }
        }
    }

    #[test]
    fn published_values() {
        let (red, orange) = ([1.0, 0.0, 0.0], [1.0, 0.5, 0.0]);
        let cases: [(ColourSpace, [f32; 3], [f32; 3], f32); 13] = [
            (ColourSpace::Lab, red, [53.24, 80.09, 67.20], 0.02),
            (ColourSpace::Lab, [0.0, 0.0, 1.0], [32.30, 79.19, -107.86], 0.02),
            (ColourSpace::Lab, [1.0; 3], [100.0, 0.0, 0.0], 1e-3),
            (ColourSpace::Lch, red, [53.24, 104.55, 40.0], 0.02),
            (ColourSpace::OkLab, red, [0.627_955, 0.224_863, 0.125_846], 1e-4),
            (ColourSpace::OkLch, red, [0.627_955, 0.257_683, 29.234], 1e-2),
            (ColourSpace::Hsv, orange, [30.0, 1.0, 1.0], 1e-4),
            (ColourSpace::Hsl, orange, [30.0, 1.0, 0.5], 1e-4),
            (ColourSpace::YCbCr601, red, [0.299, -0.168_736, 0.5], 1e-5),
            (ColourSpace::YCbCr709, red, [0.2126, -0.114_572, 0.5], 1e-5),
            (ColourSpace::Yuv, red, [0.299, -0.147_14, 0.614_98], 1e-4),
            (ColourSpace::Yiq, red, [0.299, 0.595_716, 0.211_456], 5e-4),
            (ColourSpace::LinearRgb, [0.5; 3], [0.214_041; 3], 1e-5),
        ];
        for (space, rgb, want, tolerance) in cases {
            let got = space.from_rgb(rgb);
            for (g, w) in got.iter().zip(want) {
                assert!((g - w).abs() < tolerance, "{space:?} {got:?} {want:?}");
            }
        }
    }
}
