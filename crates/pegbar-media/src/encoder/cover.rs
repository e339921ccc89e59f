//! Cover pictures: Matroska keeps them as attached files, which ffmpeg copies only from files.

use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempPath;

use crate::probe::{StreamInfo, file_url};
use crate::stream_plan::cover_mime;
use crate::{MediaError, Tools, child};

/// A cover as a file.
pub(super) struct Cover {
    pub(super) path: TempPath,
    pub(super) file_name: String,
    pub(super) mime: &'static str,
}

impl Cover {
    /// Takes a cover out of the source; `None`, with a warning in the log, when ffmpeg cannot.
    pub(super) fn extract(
        tools: &Tools,
        source: &Path,
        stream: &StreamInfo,
    ) -> Result<Option<Self>, MediaError> {
        let Some(mime) = cover_mime(&stream.codec) else { return Ok(None) };
        let doing = "the cover picture cannot be stored in the folder for temporary files";
        let path = tempfile::Builder::new()
            .prefix("pegbar-cover-")
            .tempfile()
            .map_err(MediaError::io(doing))?
            .into_temp_path();
        let mut command = Command::new(&tools.ffmpeg);
        command.stdin(Stdio::null());
        command
            .args(["-nostdin", "-hide_banner", "-nostats", "-v", "error", "-y", "-i"])
            .arg(file_url(source));
        command.args([
            "-map",
            &format!("0:{}", stream.index),
            "-c",
            "copy",
            "-frames:v",
            "1",
            "-f",
            "image2pipe",
        ]);
        command.arg(file_url(&path));
        let output = child::output(&mut command).map_err(MediaError::io("ffmpeg could not be started"))?;
        if !output.status.success() || path.metadata().map_or(0, |m| m.len()) == 0 {
            tracing::warn!(stream = stream.index, "the cover picture could not be read and is left out");
            return Ok(None);
        }
        let name = stream.tags.iter().find(|(key, _)| key.eq_ignore_ascii_case("filename"));
        let extension = mime.rsplit('/').next().unwrap_or("jpeg").replace("jpeg", "jpg");
        // Players look for this name.
        let file_name = name.map_or_else(|| format!("cover.{extension}"), |(_, value)| value.clone());
        Ok(Some(Self { path, file_name, mime }))
    }
}
