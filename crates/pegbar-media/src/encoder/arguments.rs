//! The command lines of the encoding ffmpeg.

use std::path::Path;
use std::process::{Command, Stdio};

use super::copies::FILL_GAPS;
use super::{Job, Piece, PlannedStream, Source};
use crate::colour_options::colour_options;
use crate::container::Container;
use crate::probe::file_url;
use crate::stream_plan::Action;
use crate::time_offset::offset_secs;

/// Tags of the file that belong to the QuickTime family and mean nothing elsewhere.
const QUICKTIME_TAGS: &[&str] = &["major_brand", "minor_version", "compatible_brands"];

/// Ticks a second of an MP4's table of starts, at least: as many as samples of most sound. A table that counted in
/// Matroska's milliseconds would shift sound by up to one.
const LEAST_MOVIE_TIMESCALE: i32 = 48_000;

impl Job {
    /// What is added to time stamps on the pipe, in ticks; ffmpeg takes it off again.
    pub(super) fn offset_ticks(&self) -> i64 {
        let time_base = self.params.time_base;
        (offset_secs(time_base) / time_base.num.max(1)).saturating_mul(time_base.den)
    }

    /// ffmpeg reading frames from its standard input and the other streams from the source. `first_pts` is given when
    /// the output is to start at 0 with the frame of that time stamp; otherwise time stamps stay what they are.
    pub(super) fn command(&self, first_pts: Option<i64>) -> Command {
        let mut command = self.start_command(first_pts.is_none());
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        self.frames_input(&mut command, first_pts.is_none());
        self.rest_of_command(&mut command, first_pts);
        command
    }

    /// ffmpeg reading the segments that `list` names in place of frames; the first one begins with the frame of time
    /// stamp `first_pts`.
    pub(super) fn join_command(&self, list: &Path, first_pts: i64, trimmed: bool) -> Command {
        let mut command = self.start_command(!trimmed);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        if !trimmed {
            let secs = first_pts as f64 * self.params.time_base.as_f64();
            command.args(["-itsoffset", &format!("{secs:.6}")]);
        }
        self.rotate_input(&mut command);
        command.args(["-f", "concat", "-safe", "0", "-i"]).arg(file_url(list));
        self.rest_of_command(&mut command, trimmed.then_some(first_pts));
        command
    }

    fn start_command(&self, keeps_times: bool) -> Command {
        let mut command = Command::new(&self.tools.ffmpeg);
        // SVT-AV1 greets on standard error unless told to print errors alone.
        command.env("SVT_LOG", "1");
        command.args(["-nostdin", "-hide_banner", "-nostats", "-v", "error", "-y"]);
        if keeps_times {
            command.arg("-copyts");
        }
        command
    }

    /// All that comes after input 0, the picture.
    fn rest_of_command(&self, command: &mut Command, first_pts: Option<i64>) {
        match &self.source {
            Some(source) => {
                self.source_input(command, source, first_pts);
                command.args(["-map_metadata", "1", "-map_chapters", "1"]);
                self.streams(command, source);
            }
            None => {
                command.args(["-map", "0:0", "-map_metadata", "-1", "-map_chapters", "-1"]);
                self.encoded(command, 0);
            }
        }
        self.container_options(command);
        command.args(["-f", self.container.muxer()]).arg(file_url(&self.output));
    }

    /// Input 0: our frames.
    fn frames_input(&self, command: &mut Command, offset: bool) {
        // The header says it all: ffmpeg need not look at frames before it starts, nor hold many of them.
        command.args(["-probesize", "32", "-analyzeduration", "0", "-thread_queue_size", "2"]);
        command.args(colour_options(&self.params.colour));
        if offset {
            command.args(["-itsoffset", &format!("-{}", offset_secs(self.params.time_base))]);
        }
        self.rotate_input(command);
        command.args(["-f", "nut", "-i", "pipe:0"]);
    }

    /// Gives input 0 the display matrix of the source, if this ffmpeg can.
    fn rotate_input(&self, command: &mut Command) {
        let degrees = self.rotation_degrees();
        if degrees != 0.0 && self.tools.at_least(6, 0) {
            command.args(["-noautorotate", "-display_rotation", &degrees.to_string()]);
        }
    }

    /// Input 1: the source.
    fn source_input(&self, command: &mut Command, source: &Source, first_pts: Option<i64>) {
        if let Some(pts) = first_pts {
            // Times given to -ss count from the start of the file, which may have any time stamp.
            let secs = pts as f64 * self.params.time_base.as_f64() - source.start_secs;
            command.args(["-ss", &format!("{:.6}", secs.max(0.0))]);
            if let Some(duration) = source.trim.duration_secs {
                command.args(["-t", &format!("{duration:.6}")]);
            }
        }
        source.trim.input.add(command, &source.path);
    }

    /// Maps all streams in the source's order, ours in the place of the one it restores.
    fn streams(&self, command: &mut Command, source: &Source) {
        let kept: Vec<&PlannedStream> = source
            .streams
            .iter()
            .filter(|s| !matches!(s.plan.action, Action::Drop | Action::AttachCover))
            .collect();
        for stream in &kept {
            match stream.plan.action {
                Action::Restored => command.args(["-map", "0:0"]),
                _ => command.args(["-map", &format!("1:{}", stream.plan.index)]),
            };
        }
        command.args(["-c", "copy"]);
        for (k, stream) in kept.iter().enumerate() {
            if stream.plan.action == Action::Restored {
                self.encoded(command, k);
                for key in &stream.stale_tags {
                    command.args([&format!("-metadata:s:{k}"), &format!("{key}=")]);
                }
            }
        }
        for (k, stream) in kept.iter().enumerate() {
            match stream.plan.action {
                // Options of the user's for video are not meant for a second one.
                Action::Copy if stream.is_video => command.args([&format!("-c:{k}"), "copy"]),
                Action::Rewrite(encoder) => command.args([&format!("-c:{k}"), encoder]),
                _ => command,
            };
            if stream.has_gaps {
                command.args([&format!("-filter:{k}"), FILL_GAPS]);
            }
            command.args([&format!("-map_metadata:s:{k}"), &format!("1:s:{}", stream.plan.index)]);
            let disposition =
                if stream.disposition.is_empty() { "0".to_owned() } else { stream.disposition.join("+") };
            command.args([&format!("-disposition:{k}"), &disposition]);
        }
        for (n, cover) in source.covers.iter().enumerate() {
            let k = kept.len() + n;
            command.arg("-attach").arg(&cover.path);
            command.args([&format!("-metadata:s:{k}"), &format!("mimetype={}", cover.mime)]);
            command.args([&format!("-metadata:s:{k}"), &format!("filename={}", cover.file_name)]);
        }
        if source.is_trimmed() {
            // Without it the sound would start at the key frame before.
            command.args(["-copypriorss", "0"]);
        }
        if !self.container.is_quicktime() {
            for tag in QUICKTIME_TAGS {
                command.args(["-metadata", &format!("{tag}=")]);
            }
        } else if source.has_timecode {
            command.args(["-write_tmcd", "1"]);
        }
    }

    /// The encoder of output stream `k`, or what is left to say of it when it is encoded already.
    fn encoded(&self, command: &mut Command, k: usize) {
        let chosen = &self.chosen;
        if self.piece == Piece::Joined {
            command.args([&format!("-c:{k}"), "copy"]);
        } else {
            command.args(&chosen.options);
            command.args([&format!("-c:{k}"), &chosen.encoder]);
            if let Some(stored) = &chosen.stored {
                command.args([&format!("-pix_fmt:{k}"), stored]);
            }
            if let Some(threads) = self.threads {
                command.args([&format!("-threads:{k}"), &threads.to_string()]);
            }
            command.args(self.tools.passthrough_option());
            let time_base = self.params.time_base;
            command.args([&format!("-enc_time_base:{k}"), &format!("{}:{}", time_base.num, time_base.den)]);
        }
        // Some containers of segments forget them; for a stream that is copied, too, these are what is written.
        command.args(colour_options(&self.params.colour));
        if chosen.encoder == "libx265" && self.container.is_quicktime() {
            // The tag that Apple's players know.
            command.args([&format!("-tag:{k}"), "hvc1"]);
        }
    }

    fn container_options(&self, command: &mut Command) {
        // Streams that start late must not make it give up.
        command.args(["-max_muxing_queue_size", "8192"]);
        if self.container != Container::Nut {
            // Shifting everything so that nothing starts below zero would change every time stamp.
            command.args(["-avoid_negative_ts", "disabled"]);
        }
        if self.container.is_quicktime() {
            // The track counts in the source's ticks. So does the table that says when tracks start, or finer: it is
            // the sound's too.
            if let Ok(ticks_per_sec) = i32::try_from(self.params.time_base.den) {
                let movie =
                    i64::from(ticks_per_sec) * i64::from((LEAST_MOVIE_TIMESCALE - 1) / ticks_per_sec + 1);
                command.args(["-video_track_timescale", &ticks_per_sec.to_string()]);
                command.args(["-movie_timescale", &movie.to_string()]);
            }
            if self.piece != Piece::Segment {
                command.args(["-movflags", "+faststart"]);
            }
            command.args(["-strict", "experimental"]);
        }
    }

    /// Copies the output, giving the picture a display matrix.
    pub(super) fn rotation_command(&self, turned: &Path, degrees: f64) -> Command {
        let k = self.source.as_ref().map_or(0, |source| {
            let kept = source
                .streams
                .iter()
                .filter(|s| !matches!(s.plan.action, Action::Drop | Action::AttachCover));
            kept.take_while(|s| s.plan.action != Action::Restored).count()
        });
        let mut command = Command::new(&self.tools.ffmpeg);
        command.stdin(Stdio::null());
        command.args(["-nostdin", "-hide_banner", "-nostats", "-v", "error", "-y", "-copyts", "-i"]);
        command.arg(file_url(&self.output));
        command.args(["-map", "0", "-c", "copy", "-map_metadata", "0", "-map_chapters", "0"]);
        command.args([&format!("-metadata:s:{k}"), &format!("rotate={}", degrees.rem_euclid(360.0))]);
        self.container_options(&mut command);
        command.args(["-f", self.container.muxer()]).arg(file_url(turned));
        command
    }
}
