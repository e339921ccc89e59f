//! Colour tags as options of ffmpeg's.

use pegbar_frame::{Colour, Matrix};

/// Names of primaries that every ffmpeg we work with takes; ffprobe prints the same.
const PRIMARIES: &[&str] = &[
    "bt709",
    "bt470m",
    "bt470bg",
    "smpte170m",
    "smpte240m",
    "film",
    "bt2020",
    "smpte428",
    "smpte431",
    "smpte432",
    "ebu3213",
];

/// Transfers: what ffprobe prints, and what the option is called.
const TRANSFERS: &[(&str, &str)] = &[
    ("bt709", "bt709"),
    ("bt470m", "gamma22"),
    ("gamma22", "gamma22"),
    ("bt470bg", "gamma28"),
    ("gamma28", "gamma28"),
    ("smpte170m", "smpte170m"),
    ("smpte240m", "smpte240m"),
    ("linear", "linear"),
    ("log100", "log100"),
    ("log316", "log316"),
    ("iec61966-2-4", "iec61966-2-4"),
    ("bt1361e", "bt1361e"),
    ("iec61966-2-1", "iec61966-2-1"),
    ("bt2020-10", "bt2020-10"),
    ("bt2020-12", "bt2020-12"),
    ("smpte2084", "smpte2084"),
    ("smpte428", "smpte428"),
    ("arib-std-b67", "arib-std-b67"),
];

/// The options that tag a stream, for its decoder and its encoder alike: where both say the same, no version of ffmpeg
/// converts anything. Names it would not take are left out.
pub(crate) fn colour_options(colour: &Colour) -> Vec<&'static str> {
    let mut options = Vec::new();
    if let Some(range) = colour.range {
        options.extend(["-color_range", range.ffmpeg_name()]);
    }
    match colour.matrix {
        // The option has the name of the code, ffprobe prints that of the planes.
        Some(Matrix::Rgb) => options.extend(["-colorspace", "rgb"]),
        Some(matrix) => options.extend(["-colorspace", matrix.ffmpeg_name()]),
        None => {}
    }
    if let Some(name) = colour.primaries.as_ref().and_then(|p| PRIMARIES.iter().find(|known| *known == p)) {
        options.extend(["-color_primaries", *name]);
    }
    if let Some((_, name)) =
        colour.transfer.as_ref().and_then(|t| TRANSFERS.iter().find(|(known, _)| known == t))
    {
        options.extend(["-color_trc", *name]);
    }
    if let Some(location) = colour.chroma_location {
        options.extend(["-chroma_sample_location", location.ffmpeg_name()]);
    }
    options
}
