//! What becomes of fields and borders of a video: looked up in samples of it, said to the user before the long work
//! begins.

use crate::cli::PictureArgs;
use crate::exit::UsageError;
use anyhow::Result;
use pegbar_media::{DecodeOptions, PictureFilters, PictureOptions, Tools, VideoInfo};
use std::path::Path;

/// The options as the command line has them.
///
/// # Errors
/// [`UsageError`] for what suits no video.
pub(crate) fn options(args: &PictureArgs) -> Result<PictureOptions> {
    let PictureArgs { deinterlace, deinterlace_rate, ivtc, field_order, crop, pad } = args;
    let given = [
        ("deinterlace", deinterlace.as_str()),
        ("deinterlace-rate", deinterlace_rate),
        ("ivtc", ivtc),
        ("field-order", field_order),
        ("crop", crop),
        ("pad", pad.as_deref().unwrap_or_default()),
    ];
    PictureOptions::from_options(given).map_err(|error| UsageError(error.to_string()).into())
}

/// Chooses the filters for the part of a video. What is done about it, and what is not, is added to the notes; `treats_later` where the
/// work itself treats combed frames.
pub(crate) fn choose(
    (args, treats_later): (&PictureArgs, bool),
    tools: &Tools,
    (path, video): (&Path, &VideoInfo),
    duration_secs: Option<f64>,
    part: &DecodeOptions,
    notes: &mut Vec<String>,
) -> Result<PictureFilters> {
    let options = options(args)?.treats_later(treats_later);
    let scan = pegbar_media::scan(tools, path, video, duration_secs, part)?;
    tracing::debug!("{}: the video is {scan}", path.display());
    let choice = options.choose(&scan, video);
    notes.extend(choice.notes.into_iter().chain(choice.warnings));
    Ok(choice.filters)
}
