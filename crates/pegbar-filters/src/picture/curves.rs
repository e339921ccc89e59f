//! Tone curves through points.

use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

use super::error::PictureError;

const POINTS: &str = "points as `in,out` between 0 and 1 separated by spaces, such as `0,0 0.5,0.6 1,1`";

/// The parameters of [`Curves`].
pub const PARAMS: &[Param] = &[
    Param::text(
        "all",
        "The curve of every channel: points `in,out` between 0 and 1, separated by spaces.",
        "0,0 1,1",
    ),
    Param::text("red", "The curve of red, before that of all channels; empty leaves it.", ""),
    Param::text("green", "The curve of green, before that of all channels; empty leaves it.", ""),
    Param::text("blue", "The curve of blue, before that of all channels; empty leaves it.", ""),
];

/// Tone curves: for each channel, then for all.
#[derive(Debug, Clone, PartialEq)]
pub struct Curves {
    /// The curve of every channel.
    pub all: Curve,
    /// Curves of red, green and blue, applied first.
    pub channels: [Curve; 3],
}

impl Curves {
    /// Reads the settings.
    ///
    /// # Errors
    /// When a curve is not written as points.
    pub fn from_values(values: &ParamValues) -> Result<Self, PictureError> {
        let curve = |param: &'static str| {
            let text = values.text(param);
            let error =
                || PictureError::Text { operation: "curves", param, text: text.into(), expected: POINTS };
            Curve::parse(text).ok_or_else(error)
        };
        Ok(Self { all: curve("all")?, channels: [curve("red")?, curve("green")?, curve("blue")?] })
    }

    /// Applies the curves; a gray picture takes only the one of all channels.
    pub fn apply(&self, image: &PlanarImage) -> PlanarImage {
        let mut out = image.clone();
        for channel in 0..image.channels.min(3) {
            let own = (image.channels > 1).then(|| &self.channels[channel]);
            for curve in own.into_iter().chain([&self.all]).filter(|c| !c.is_identity()) {
                out.plane_mut(channel).iter_mut().for_each(|s| *s = curve.at(*s));
            }
        }
        out
    }
}

/// A curve through points, smooth, and monotone between them: Fritsch, Carlson: "Monotone piecewise cubic
/// interpolation" (1980). Beyond the first and last point it is level.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Curve {
    x: Vec<f32>,
    y: Vec<f32>,
    slope: Vec<f32>,
}

impl Curve {
    /// The curve through points, in any order; `None` where two share a place or one is not finite. No points leave
    /// everything as it is.
    pub fn through(points: &[(f32, f32)]) -> Option<Self> {
        let mut points = points.to_vec();
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        let finite = points.iter().all(|p| p.0.is_finite() && p.1.is_finite());
        if !finite || points.windows(2).any(|p| p[1].0 <= p[0].0) {
            return None;
        }
        let n = points.len();
        let secants: Vec<f32> = points.windows(2).map(|p| (p[1].1 - p[0].1) / (p[1].0 - p[0].0)).collect();
        let mut slope = vec![0.0; n];
        if let (Some(first), Some(last)) = (secants.first(), secants.last()) {
            (slope[0], slope[n - 1]) = (*first, *last);
        }
        for i in 1..n.saturating_sub(1) {
            let (a, b) = (secants[i - 1], secants[i]);
            slope[i] = if a * b <= 0.0 { 0.0 } else { (a + b) / 2.0 };
        }
        for (i, secant) in secants.iter().enumerate() {
            if *secant == 0.0 {
                (slope[i], slope[i + 1]) = (0.0, 0.0);
                continue;
            }
            let (a, b) = (slope[i] / secant, slope[i + 1] / secant);
            let length = a.hypot(b);
            if length > 3.0 {
                (slope[i], slope[i + 1]) = (3.0 / length * a * secant, 3.0 / length * b * secant);
            }
        }
        let (x, y) = points.into_iter().unzip();
        Some(Self { x, y, slope })
    }

    /// Reads `in,out` pairs separated by spaces or semicolons.
    pub fn parse(text: &str) -> Option<Self> {
        let pairs = text.split(|c: char| c.is_whitespace() || c == ';').filter(|p| !p.is_empty());
        let points = pairs.map(|pair| {
            let (x, y) = pair.split_once(',')?;
            Some((x.parse().ok()?, y.parse().ok()?))
        });
        Self::through(&points.collect::<Option<Vec<_>>>()?)
    }

    /// The curve at a place.
    pub fn at(&self, v: f32) -> f32 {
        let n = self.x.len();
        if n == 0 {
            return v;
        }
        // A NaN is at no place and stays.
        if v.is_nan() {
            return v;
        }
        let i = self.x.partition_point(|x| *x <= v);
        if i == 0 || i == n {
            return self.y[i.saturating_sub(1).min(n - 1)];
        }
        let width = self.x[i] - self.x[i - 1];
        let t = (v - self.x[i - 1]) / width;
        let (t2, t3) = (t * t, t * t * t);
        self.y[i - 1] * (2.0 * t3 - 3.0 * t2 + 1.0)
            + width * self.slope[i - 1] * (t3 - 2.0 * t2 + t)
            + self.y[i] * (3.0 * t2 - 2.0 * t3)
            + width * self.slope[i] * (t3 - t2)
    }

    fn is_identity(&self) -> bool {
        self.x.is_empty() || (self.x == [0.0, 1.0] && self.y == [0.0, 1.0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::samples::made;

    #[test]
    fn through_points_and_monotone() {
        let curve = Curve::parse("0,0 0.25,0.5; 0.5,0.55 1,1").unwrap();
        for (x, y) in [(0.0, 0.0), (0.25, 0.5), (0.5, 0.55), (1.0, 1.0), (-1.0, 0.0), (2.0, 1.0)] {
            assert!((curve.at(x) - y).abs() < 1e-6);
        }
        let values: Vec<f32> = (0..=1000).map(|i| curve.at(i as f32 / 1000.0)).collect();
        assert!(values.windows(2).all(|v| v[1] >= v[0]));
        let line = Curve::parse("0,0.2 0.5,0.4 1,0.6").unwrap();
        assert!((line.at(0.3) - 0.32).abs() < 1e-6);
        for wrong in ["0", "0,0 0,1", "a,b", "0,0,1", "nan,0"] {
            assert_eq!(Curve::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn channels_then_all() {
        let mut values = ParamValues::defaults(PARAMS);
        let image = made::picture(4, 9, 7);
        assert_eq!(Curves::from_values(&values).unwrap().apply(&image), image);
        values.set("red", pegbar_params::ParamValue::Text("0,1 1,0".into())).unwrap();
        values.set("all", pegbar_params::ParamValue::Text("0,0 1,0.5".into())).unwrap();
        let out = Curves::from_values(&values).unwrap().apply(&image);
        assert!((out.data[5] - (1.0 - image.data[5]) / 2.0).abs() < 1e-6);
        assert!((out.plane(1)[5] - image.plane(1)[5] / 2.0).abs() < 1e-6);
        assert_eq!(out.plane(3), image.plane(3));
        values.set("blue", pegbar_params::ParamValue::Text("0;1".into())).unwrap();
        let error = Curves::from_values(&values).unwrap_err().to_string();
        assert!(error.starts_with("curves: blue \"0;1\" cannot be read"), "{error}");
    }
}
