//! What a user can say about fields and borders, and which filters that means for a video.

use pegbar_params::{Choice, Param, ParamKind};

use crate::picture_filters::{Crop, Deinterlacer, FieldFilter, FieldRate, PictureFilters};
use crate::scan::{FieldOrder, Scan, ScanType};
use crate::{MediaError, VideoInfo};

const fn choice(
    id: &'static str,
    doc: &'static str,
    choices: &'static [Choice],
    default: &'static str,
) -> Param {
    Param { id, doc, unit: "", kind: ParamKind::Choice { choices, default } }
}

const fn text(id: &'static str, doc: &'static str, default: &'static str) -> Param {
    Param { id, doc, unit: "", kind: ParamKind::Text { default } }
}

/// The options, declared once.
pub const PICTURE_PARAMS: &[Param] = &[
    choice(
        "deinterlace",
        "Make whole frames of interlaced ones.",
        &[
            Choice { id: "off", doc: "Leave frames as they are; combed ones are warned of." },
            Choice { id: "auto", doc: "With bwdif, where samples of the film are interlaced without doubt." },
            Choice { id: "bwdif", doc: "Always; the best of the three for most films." },
            Choice { id: "yadif", doc: "Always; older and a little faster." },
            Choice { id: "w3fdif", doc: "Always; soft, with no errors where motion is misjudged." },
        ],
        "off",
    ),
    choice(
        "deinterlace-rate",
        "Frames made of an interlaced one.",
        &[
            Choice { id: "frame", doc: "One: the frame rate stays." },
            Choice {
                id: "field",
                doc: "Two, one of each field: motion as smooth as it was on television, twice the work.",
            },
        ],
        "frame",
    ),
    choice(
        "ivtc",
        "Undo telecine (2:3 pulldown), which spread film over fields: gives back its frames, 23.976 a second.",
        &[
            Choice { id: "off", doc: "Leave frames as they are; telecined ones are warned of." },
            Choice { id: "auto", doc: "Where samples of the film are telecined without doubt." },
            Choice {
                id: "on",
                doc: "Always: match fields, deinterlace what stays combed, drop one frame of five.",
            },
        ],
        "off",
    ),
    choice(
        "field-order",
        "Which field comes first.",
        &[
            Choice { id: "auto", doc: "As the pictures say, else the flags of the file." },
            Choice { id: "tff", doc: "The top field." },
            Choice { id: "bff", doc: "The bottom field." },
        ],
        "auto",
    ),
    text("crop", "Part of the picture to keep: W:H:X:Y in pixels, auto (cuts black borders), or off.", "off"),
    text("pad", "Fill up with black to W:H pixels, the picture in the middle.", ""),
];

/// The options, read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PictureOptions {
    deinterlace: Deinterlace,
    rate: FieldRate,
    ivtc: Ivtc,
    order: Option<FieldOrder>,
    crop: CropOption,
    pad: Option<(usize, usize)>,
    treats_later: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Deinterlace {
    #[default]
    Off,
    Auto,
    With(Deinterlacer),
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Ivtc {
    #[default]
    Off,
    Auto,
    On,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum CropOption {
    #[default]
    Off,
    Auto,
    To(Crop),
}

/// The filters for a video, and what its user should know.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PictureChoice {
    /// The filters.
    pub filters: PictureFilters,
    /// What is done and why, in sentences.
    pub notes: Vec<String>,
    /// What is probably not as it should be, in sentences.
    pub warnings: Vec<String>,
}

impl PictureOptions {
    /// Reads the options from text by the ids of [`PICTURE_PARAMS`]; what is not named has its default.
    ///
    /// # Errors
    /// [`MediaError::Settings`] says what is wrong with a value, or which two cannot be together.
    pub fn from_options<'a>(
        options: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, MediaError> {
        let mut read = Self::default();
        for (id, value) in options {
            let settings = |text: String| MediaError::Settings(text);
            let param = PICTURE_PARAMS.iter().find(|p| p.id == id);
            let param = param.ok_or_else(|| settings(format!("there is no option {id}")))?;
            param.parse(value).map_err(|e| settings(e.to_string()))?;
            match (id, value) {
                ("deinterlace", "auto") => read.deinterlace = Deinterlace::Auto,
                ("deinterlace", "bwdif") => read.deinterlace = Deinterlace::With(Deinterlacer::Bwdif),
                ("deinterlace", "yadif") => read.deinterlace = Deinterlace::With(Deinterlacer::Yadif),
                ("deinterlace", "w3fdif") => read.deinterlace = Deinterlace::With(Deinterlacer::W3fdif),
                ("deinterlace-rate", "field") => read.rate = FieldRate::Field,
                ("ivtc", "auto") => read.ivtc = Ivtc::Auto,
                ("ivtc", "on") => read.ivtc = Ivtc::On,
                ("field-order", "tff") => read.order = Some(FieldOrder::Tff),
                ("field-order", "bff") => read.order = Some(FieldOrder::Bff),
                ("crop", "auto") => read.crop = CropOption::Auto,
                ("crop", text) if text != "off" => read.crop = CropOption::To(parse_crop(text)?),
                ("pad", text) if !text.is_empty() => read.pad = Some(parse_pad(text)?),
                _ => {}
            }
        }
        match (read.deinterlace, read.ivtc) {
            (Deinterlace::With(deinterlacer), Ivtc::On) => Err(MediaError::Settings(format!(
                "--deinterlace {} and --ivtc on exclude each other; --deinterlace auto --ivtc auto takes what suits the film",
                deinterlacer.name()
            ))),
            _ => Ok(read),
        }
    }

    /// Combed frames are treated behind the decoder, so that there is nothing to warn of.
    pub fn treats_later(mut self, treats_later: bool) -> Self {
        self.treats_later = treats_later;
        self
    }

    /// The filters for a video of which this was found.
    pub fn choose(&self, scan: &Scan, video: &VideoInfo) -> PictureChoice {
        let mut choice = PictureChoice::default();
        choice.filters.pad = self.pad;
        self.choose_crop(scan, video, &mut choice);
        self.choose_fields(scan, video, &mut choice);
        choice
    }

    fn choose_crop(&self, scan: &Scan, video: &VideoInfo, choice: &mut PictureChoice) {
        choice.filters.crop = match self.crop {
            CropOption::Off => None,
            CropOption::To(crop) => Some(crop),
            CropOption::Auto => {
                choice.notes.push(match scan.picture {
                    Some(crop) => format!(
                        "black borders are cut: {}x{} of {}x{} pixels stay (--crop {crop})",
                        crop.width, crop.height, video.width, video.height
                    ),
                    None => "there are no black borders in all samples, so nothing is cropped".to_owned(),
                });
                scan.picture
            }
        };
    }

    fn choose_fields(&self, scan: &Scan, video: &VideoInfo, choice: &mut PictureChoice) {
        // Without any hint it is that of HD, of broadcasts and of most DVDs.
        let order = self.order.or(scan.order()).unwrap_or(FieldOrder::Tff);
        let rate = self.rate;
        let ivtc = |decimate| FieldFilter::Ivtc { order, decimate };
        let deinterlace = |deinterlacer| FieldFilter::Deinterlace { deinterlacer, rate, order };
        let is_film = matches!(scan.scan_type, ScanType::Telecined | ScanType::FieldShifted);
        let is_video = scan.scan_type == ScanType::Interlaced;
        let decimate = scan.scan_type != ScanType::FieldShifted;
        let fields = match (self.ivtc, self.deinterlace) {
            (Ivtc::On, _) => ivtc(decimate),
            (_, Deinterlace::With(deinterlacer)) => deinterlace(deinterlacer),
            (Ivtc::Auto, _) if is_film => ivtc(decimate),
            (_, Deinterlace::Auto) if is_video => deinterlace(Deinterlacer::Bwdif),
            _ => FieldFilter::Keep,
        };
        choice.filters.fields = fields;
        let found = format!("the video is {scan}");
        let doing = |fields: FieldFilter| match fields {
            FieldFilter::Ivtc { decimate: true, .. } => {
                "its fields are matched and one frame of five is dropped".to_owned()
            }
            FieldFilter::Ivtc { .. } => "its fields are matched".to_owned(),
            FieldFilter::Deinterlace { deinterlacer, rate: FieldRate::Frame, .. } => {
                format!("it is deinterlaced with {}", deinterlacer.name())
            }
            FieldFilter::Deinterlace { deinterlacer, .. } => {
                format!("it is deinterlaced with {} at the field rate", deinterlacer.name())
            }
            FieldFilter::Keep => "its frames stay as they are".to_owned(),
        };
        let (notes, warnings) = (&mut choice.notes, &mut choice.warnings);
        match (fields, scan.scan_type) {
            (FieldFilter::Keep, _) if self.treats_later => {}
            (FieldFilter::Keep, _) if scan.is_combed() => {
                let advice = match scan.scan_type {
                    ScanType::Telecined => "add --ivtc auto, which gives back the frames of the film",
                    ScanType::FieldShifted => "add --ivtc auto, which puts the fields back together",
                    ScanType::Interlaced => "add --deinterlace auto",
                    _ => {
                        "choose --deinterlace bwdif, which treats every frame, or --ivtc on where most of it is telecined"
                    }
                };
                warnings.push(format!("{found}: combed frames are enlarged as they are; {advice}"));
            }
            (FieldFilter::Keep, ScanType::Unknown) if scan.flags.say_interlaced() => {
                warnings.push(format!("{found}: should frames be combed, add --deinterlace bwdif"))
            }
            (FieldFilter::Keep, _) => {
                if self.ivtc == Ivtc::Auto || self.deinterlace == Deinterlace::Auto {
                    notes.push(format!("{found}: {}", doing(fields)));
                }
            }
            (FieldFilter::Ivtc { .. }, _) if is_film => notes.push(format!("{found}: {}", doing(fields))),
            (FieldFilter::Deinterlace { .. }, ScanType::Interlaced | ScanType::Mixed | ScanType::Unknown) => {
                notes.push(format!("{found}: {}", doing(fields)));
            }
            (FieldFilter::Deinterlace { .. }, ScanType::Progressive) => {
                warnings.push(format!("{found}: {}, which costs sharpness for nothing", doing(fields)));
            }
            (FieldFilter::Deinterlace { .. }, _) => {
                warnings
                    .push(format!("{found}: {}; --ivtc auto would give back whole frames", doing(fields)));
            }
            (FieldFilter::Ivtc { .. }, _) => {
                warnings.push(format!("{found}: {}, which suits telecined film only", doing(fields)));
            }
        }
        if fields != FieldFilter::Keep {
            if let Some(contrary) = scan.flags.order().filter(|flagged| *flagged != order) {
                notes.push(format!("flags of the file say {contrary}; it is taken for {order}"));
            }
            if self.order.is_none() && scan.order().is_none() && scan.scan_type != ScanType::Progressive {
                warnings.push(format!(
                    "which field comes first could not be told; taken for {order} (--field-order)"
                ));
            }
        }
        // 2:3 makes 30 frames a second, or 29.97, of 24.
        let drops = matches!(fields, FieldFilter::Ivtc { decimate: true, .. });
        if let Some(rate) = video.avg_frame_rate.filter(|r| drops && !(28.5..31.5).contains(&r.as_f64())) {
            warnings.push(format!(
                "the video has {:.3} frames a second; telecined film has 29.97, and one frame of five is dropped",
                rate.as_f64()
            ));
        }
    }
}

fn parse_crop(text: &str) -> Result<Crop, MediaError> {
    let wrong = || {
        MediaError::Settings(format!(
            "crop: {text:?} is none; write W:H:X:Y (width, height, columns to its left, rows above it), auto, or off"
        ))
    };
    match numbers(text).ok_or_else(wrong)?[..] {
        [width, height, x, y] => Ok(Crop { width, height, x, y }),
        _ => Err(wrong()),
    }
}

fn parse_pad(text: &str) -> Result<(usize, usize), MediaError> {
    let wrong = || MediaError::Settings(format!("pad: {text:?} is no size; write W:H, such as 720:480"));
    match numbers(text).ok_or_else(wrong)?[..] {
        [width, height] => Ok((width, height)),
        _ => Err(wrong()),
    }
}

/// Whole numbers with colons between them.
fn numbers(text: &str) -> Option<Vec<usize>> {
    text.split(':')
        .map(|part| part.parse().ok().filter(|_| part.bytes().all(|b| b.is_ascii_digit())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(options: &[(&str, &str)]) -> Result<PictureOptions, MediaError> {
        PictureOptions::from_options(options.iter().copied())
    }

    #[test]
    fn the_table_is_sound_and_its_defaults_do_nothing() {
        pegbar_params::check_table(PICTURE_PARAMS).unwrap();
        let defaults: Vec<(&str, String)> =
            PICTURE_PARAMS.iter().map(|p| (p.id, p.default_value().to_string())).collect();
        let defaults = defaults.iter().map(|(id, value)| (*id, value.as_str()));
        assert_eq!(PictureOptions::from_options(defaults).unwrap(), PictureOptions::default());
    }

    #[test]
    fn values_are_read_or_refused_in_words() {
        let options = read(&[("crop", "16:8:4:2"), ("pad", "20:10"), ("deinterlace", "yadif")]).unwrap();
        assert_eq!(options.crop, CropOption::To(Crop { width: 16, height: 8, x: 4, y: 2 }));
        assert_eq!(options.pad, Some((20, 10)));
        for (id, value) in [
            ("crop", "16:8"),
            ("crop", "16:8:-4:2"),
            ("crop", ""),
            ("pad", "20x10"),
            ("pad", "+20:10"),
            ("deinterlace", "kerndeint"),
            ("colour", "red"),
        ] {
            assert!(read(&[(id, value)]).is_err(), "{id} {value:?}");
        }
        let error = read(&[("deinterlace", "bwdif"), ("ivtc", "on")]).unwrap_err().to_string();
        assert!(error.contains("--ivtc auto"), "{error}");
    }
}
