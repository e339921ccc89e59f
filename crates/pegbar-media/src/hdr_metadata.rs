//! What HDR10 says beside the colour tags: the display that a film was mastered on (SMPTE ST 2086) and how bright it
//! gets (CTA-861.3). Players map tones by it.

use std::collections::BTreeMap;

use pegbar_frame::Rational;
use serde::Serialize;
use serde_json::Value;

/// The metadata of a stream.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct HdrMetadata {
    /// The display that the film was mastered on.
    pub mastering_display: Option<MasteringDisplay>,
    /// How bright it gets.
    pub content_light: Option<ContentLight>,
    /// Metadata that change from frame to frame, by name: Dolby Vision, HDR10+. They describe the pictures of the
    /// source and cannot be carried to others.
    pub dynamic: Vec<String>,
}

/// A mastering display: chromaticities in CIE 1931 x and y, luminances in cd/m2.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct MasteringDisplay {
    /// Red primary.
    pub red: [f64; 2],
    /// Green primary.
    pub green: [f64; 2],
    /// Blue primary.
    pub blue: [f64; 2],
    /// White point.
    pub white_point: [f64; 2],
    /// Darkest it gets.
    pub min_luminance: f64,
    /// Brightest it gets.
    pub max_luminance: f64,
}

/// Light levels of the content in cd/m2; 0 where unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ContentLight {
    /// The brightest pixel of all frames (MaxCLL).
    pub max_content: u32,
    /// The brightest average of a frame (MaxFALL).
    pub max_average: u32,
}

impl HdrMetadata {
    /// Reads ffprobe's side data of a stream or a frame; `None` where they say nothing of it.
    pub(crate) fn from_side_data(list: &[BTreeMap<String, Value>]) -> Option<Self> {
        let mut found = Self::default();
        for side in list {
            let kind = side.get("side_data_type").and_then(Value::as_str).unwrap_or("");
            if kind.starts_with("Mastering display") {
                found.mastering_display = mastering_display(side);
            } else if kind.starts_with("Content light level") {
                found.content_light = content_light(side);
            } else if let Some(name) = dynamic(kind)
                && !found.dynamic.iter().any(|n| n == name)
            {
                found.dynamic.push(name.to_owned());
            }
        }
        (found != Self::default()).then_some(found)
    }

    /// These, and what `other` knows beside.
    pub(crate) fn or(mut self, other: Self) -> Self {
        self.mastering_display = self.mastering_display.or(other.mastering_display);
        self.content_light = self.content_light.or(other.content_light);
        for name in other.dynamic {
            if !self.dynamic.contains(&name) {
                self.dynamic.push(name);
            }
        }
        self
    }

    /// Whether there is anything that an encoder could store.
    fn is_static(&self) -> bool {
        self.mastering_display.is_some() || self.content_light.is_some()
    }

    /// The option that makes an encoder of ffmpeg's store it, and its value; `None` where the encoder cannot.
    fn encoder_parameters(&self, encoder: &str) -> Option<(&'static str, String)> {
        let (option, display, light) = match encoder {
            "libx264" => ("-x264-params", "mastering-display", "cll"),
            "libx265" => ("-x265-params", "master-display", "max-cll"),
            "libsvtav1" => ("-svtav1-params", "mastering-display", "content-light"),
            _ => return None,
        };
        let mut values = Vec::new();
        if let Some(mastering) = &self.mastering_display {
            // H.264 and H.265 count in units of 0.00002 and 0.0001 cd/m2; SVT-AV1 takes decimals.
            let (xy, nits) = if encoder == "libsvtav1" { (None, None) } else { (Some(5e4), Some(1e4)) };
            values.push(format!("{display}={}", mastering.written(xy, nits)));
        }
        if let Some(ContentLight { max_content, max_average }) = self.content_light {
            values.push(format!("{light}={max_content},{max_average}"));
        }
        Some((option, values.join(":")))
    }

    /// Adds what stores it to an encoder's options. What is lost is returned as a sentence.
    pub(crate) fn add_to(&self, encoder: &str, options: &mut Vec<String>) -> Option<String> {
        let mut lost = self.dynamic.clone();
        if self.is_static() {
            match self.encoder_parameters(encoder) {
                Some((option, value)) => add_parameters(options, option, &value),
                None => lost.insert(0, "mastering display and content light level".to_owned()),
            }
        }
        let hint = if lost.len() > self.dynamic.len() {
            "; --encode h265, h264 or av1 keeps those of HDR10"
        } else {
            ""
        };
        (!lost.is_empty()).then(|| {
            format!(
                "HDR metadata ({}) are left out: {encoder} cannot store them for new pictures{hint}",
                lost.join(", ")
            )
        })
    }
}

impl MasteringDisplay {
    /// In the form of x264, x265 and SVT-AV1: in whole units of so many to one, or as decimals.
    fn written(&self, xy_units: Option<f64>, luminance_units: Option<f64>) -> String {
        let number = |value: f64, units: Option<f64>| match units {
            Some(units) => format!("{:.0}", value * units),
            None => format!("{value:.5}"),
        };
        let point = |[x, y]: [f64; 2]| format!("({},{})", number(x, xy_units), number(y, xy_units));
        format!(
            "G{}B{}R{}WP{}L({},{})",
            point(self.green),
            point(self.blue),
            point(self.red),
            point(self.white_point),
            number(self.max_luminance, luminance_units),
            number(self.min_luminance, luminance_units)
        )
    }
}

/// Adds `key=value` pairs to an option that takes a list of them, which may be there already.
fn add_parameters(options: &mut Vec<String>, option: &str, value: &str) {
    let names = [option.to_owned(), format!("{option}:v"), format!("{option}:v:0")];
    match options.iter().rposition(|word| names.contains(word)).filter(|at| at + 1 < options.len()) {
        // The user's own values come last, and count.
        Some(at) => options[at + 1] = format!("{value}:{}", options[at + 1]),
        None => options.extend([option.to_owned(), value.to_owned()]),
    }
}

fn mastering_display(side: &BTreeMap<String, Value>) -> Option<MasteringDisplay> {
    let number = |key: &str| -> Option<f64> {
        let value = match side.get(key)? {
            Value::String(text) => text.parse::<Rational>().ok()?.as_f64(),
            other => other.as_f64()?,
        };
        // No display does more; files from strangers say anything.
        (0.0..=1e5).contains(&value).then_some(value)
    };
    let point = |name: &str| Some([number(&format!("{name}_x"))?, number(&format!("{name}_y"))?]);
    Some(MasteringDisplay {
        red: point("red")?,
        green: point("green")?,
        blue: point("blue")?,
        white_point: point("white_point")?,
        min_luminance: number("min_luminance")?,
        max_luminance: number("max_luminance")?,
    })
}

fn content_light(side: &BTreeMap<String, Value>) -> Option<ContentLight> {
    let level =
        |key: &str| side.get(key)?.as_u64().and_then(|v| u32::try_from(v).ok()).filter(|v| *v <= 0xffff);
    Some(ContentLight { max_content: level("max_content")?, max_average: level("max_average")? })
}

/// The name of metadata that change from frame to frame, by ffprobe's name of the side data.
fn dynamic(kind: &str) -> Option<&'static str> {
    if kind.starts_with("DOVI") || kind.starts_with("Dolby Vision") {
        Some("Dolby Vision")
    } else if kind.contains("SMPTE2094-40") || kind.contains("HDR10+") {
        Some("HDR10+")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side_data(json: Value) -> Option<HdrMetadata> {
        HdrMetadata::from_side_data(&serde_json::from_value::<Vec<_>>(json).unwrap())
    }

    fn hdr10() -> HdrMetadata {
        side_data(serde_json::json!([
            {"side_data_type": "Display Matrix", "rotation": 90},
            {"side_data_type": "Mastering display metadata", "red_x": "34000/50000", "red_y": "16000/50000",
             "green_x": "13250/50000", "green_y": "34500/50000", "blue_x": "7500/50000", "blue_y": "3000/50000",
             "white_point_x": "15635/50000", "white_point_y": "16450/50000", "min_luminance": "50/10000",
             "max_luminance": "10000000/10000"},
            {"side_data_type": "Content light level metadata", "max_content": 1000, "max_average": 400}]))
        .unwrap()
    }

    #[test]
    fn every_encoder_in_its_own_units() {
        let mut options = vec!["-x265-params".to_owned(), "log-level=error".to_owned()];
        assert_eq!(hdr10().add_to("libx265", &mut options), None);
        let written = "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50):max-cll=1000,400";
        assert_eq!(options, ["-x265-params", &format!("{written}:log-level=error")]);
        let mut options = Vec::new();
        assert_eq!(hdr10().add_to("libsvtav1", &mut options), None);
        assert_eq!(options[0], "-svtav1-params");
        assert!(options[1].starts_with("mastering-display=G(0.26500,0.69000)"), "{options:?}");
        assert!(options[1].ends_with("L(1000.00000,0.00500):content-light=1000,400"), "{options:?}");
    }

    #[test]
    fn what_is_lost_is_said() {
        let mut options = Vec::new();
        let said = hdr10().add_to("ffv1", &mut options).unwrap();
        assert!(
            said.contains("mastering display") && said.contains("ffv1") && said.contains("h265"),
            "{said}"
        );
        assert!(options.is_empty());
        let dynamic = side_data(serde_json::json!([
            {"side_data_type": "DOVI configuration record"}, {"side_data_type": "Dolby Vision RPU Data"},
            {"side_data_type": "HDR Dynamic Metadata SMPTE2094-40 (HDR10+)"}]))
        .unwrap();
        let said = dynamic.or(hdr10()).add_to("libx264", &mut options).unwrap();
        assert!(said.contains("(Dolby Vision, HDR10+)"), "{said}");
        assert!(options[1].contains("cll=1000,400"), "{options:?}");
    }

    #[test]
    fn nonsense_is_nothing() {
        assert_eq!(side_data(serde_json::json!([])), None);
        for bad in ["0/0", "x", "-1/2", "1/0", "9999999/1"] {
            let mut side: BTreeMap<String, Value> = BTreeMap::new();
            for name in
                ["red_x", "red_y", "green_x", "green_y", "blue_x", "blue_y", "white_point_x", "white_point_y"]
            {
                side.insert(name.to_owned(), "1/3".into());
            }
            side.insert("min_luminance".to_owned(), bad.into());
            side.insert("max_luminance".to_owned(), "1000/1".into());
            assert_eq!(mastering_display(&side), None, "{bad}");
        }
    }
}
