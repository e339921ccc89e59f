//! The before-and-after picture: the whole frame above, a detail of it enlarged below; bicubic on the left, the model on the right.

use std::path::Path;

use anyhow::{Context, Result};

use crate::ffmpeg::Ffmpeg;
use crate::process;

/// Draws frame number `frame` of both clips, before and after, with labels where this ffmpeg can write text. `detail` is the corner of
/// the part that is enlarged.
pub(super) fn draw(
    ffmpeg: &Ffmpeg,
    clips: [&Path; 2],
    frame: u64,
    detail: (u32, u32),
    picture: &Path,
) -> Result<()> {
    let draw_with = |labels: bool| {
        let mut command = ffmpeg.command();
        for clip in clips {
            command.arg("-i").arg(clip);
        }
        command.arg("-filter_complex").arg(filter(frame, detail, labels));
        command.args(["-map", "[picture]", "-frames:v", "1"]).arg(picture);
        // Captured, because the first of two attempts may fail without harm.
        process::stdout(&mut command)
    };
    // drawtext is a compile-time option of ffmpeg and needs a font on the machine: the picture must not depend on either.
    if draw_with(true).is_err() {
        draw_with(false)?;
        println!(
            "      (this ffmpeg writes no text: in the picture, bicubic is on the left, the model on the right)"
        );
    }
    picture.metadata().with_context(|| format!("ffmpeg wrote no {}", picture.display()))?;
    Ok(())
}

/// The filter graph: both columns are made alike, then set side by side.
fn filter(frame: u64, (left, top): (u32, u32), labels: bool) -> String {
    let column = |input: usize, title: &str| {
        let label = if labels {
            format!(
                ",drawtext=text='{title}':x=16:y=16:fontsize=30:fontcolor=white:box=1:boxcolor=black@0.6:boxborderw=8"
            )
        } else {
            String::new()
        };
        format!(
            "[{input}:v]select='eq(n\\,{frame})',split[whole{input}][part{input}];\
             [whole{input}]scale=960:-2:flags=lanczos[top{input}];\
             [part{input}]crop=320:180:{left}:{top},scale=960:540:flags=neighbor[detail{input}];\
             [top{input}][detail{input}]vstack{label}[column{input}]"
        )
    };
    format!(
        "{};{};[column0][column1]hstack,format=rgb24[picture]",
        column(0, "before (bicubic)"),
        column(1, "after (Pegbar)")
    )
}
