//! A cartoon of our own, for a machine that cannot download one: flat colours, black lines, drawn on twos, with a tone.

use std::f32::consts::{PI, TAU};
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, bail};

use super::painter::Canvas;
use crate::ffmpeg::Ffmpeg;
use crate::process;

/// The corner of the cat's face.
pub(super) const DETAIL: (u32, u32) = (700, 380);

const WIDTH: usize = 1280;
const HEIGHT: usize = 720;
const FRAMES_PER_SEC: usize = 24;
/// How many frames there are.
pub(crate) const N_FRAMES: usize = 4 * FRAMES_PER_SEC;
/// Each drawing is shown for two frames, as in most cartoons.
const FRAMES_PER_DRAWING: usize = 2;

/// Draws the cartoon and encodes it as H.264 with AAC sound.
pub(crate) fn write(ffmpeg: &Ffmpeg, path: &Path) -> Result<()> {
    let partial = path.with_extension("partial.mp4");
    let seconds = N_FRAMES / FRAMES_PER_SEC;
    let mut command = ffmpeg.command();
    // `-nostdin` only stops ffmpeg from reading keys; the frames still come through the pipe.
    command
        .args(["-f", "rawvideo", "-pix_fmt", "rgb24"])
        .args(["-s", &format!("{WIDTH}x{HEIGHT}"), "-r", &FRAMES_PER_SEC.to_string(), "-i", "pipe:0"])
        .args(["-f", "lavfi", "-i", &format!("sine=frequency=330:duration={seconds}:sample_rate=48000")])
        .args(["-vf", "scale=out_color_matrix=bt709:out_range=tv:out_h_chr_pos=0:out_v_chr_pos=128:flags=accurate_rnd,format=yuv420p"])
        .args([
            "-colorspace",
            "bt709",
            "-color_primaries",
            "bt709",
            "-color_trc",
            "bt709",
            "-color_range",
            "tv",
        ])
        .args(["-c:v", "libx264", "-crf", "8", "-preset", "fast", "-c:a", "aac", "-b:a", "96k"])
        .arg(&partial)
        .stdin(Stdio::piped());
    let mut child =
        command.spawn().with_context(|| format!("cannot start `{}`", process::shown(&command)))?;
    let mut pipe = child.stdin.take().context("ffmpeg has no input")?;
    for frame in 0..N_FRAMES {
        let drawing =
            draw((frame / FRAMES_PER_DRAWING) as f32 * FRAMES_PER_DRAWING as f32 / FRAMES_PER_SEC as f32);
        // ffmpeg closes the pipe when it fails; its exit status tells more than the write error.
        if pipe.write_all(&drawing.pixels).is_err() {
            break;
        }
    }
    drop(pipe);
    let status = child.wait().context("cannot wait for ffmpeg")?;
    if !status.success() {
        bail!("`{}` failed ({status})", process::shown(&command));
    }
    std::fs::rename(&partial, path).with_context(|| format!("cannot rename {}", partial.display()))
}

/// The drawing at a time in seconds: a cat's ball game in front of hills.
fn draw(time_secs: f32) -> Canvas {
    let mut canvas = Canvas::new(WIDTH, HEIGHT, [142, 205, 240]);
    canvas.ellipse((1080.0, 130.0), (70.0, 70.0), [255, 214, 74]);
    let cloud_x = 220.0 + 60.0 * time_secs;
    for (dx, dy, radius) in [(-70.0, 10.0, 45.0), (70.0, 12.0, 42.0), (0.0, -12.0, 62.0)] {
        canvas.ellipse((cloud_x + dx, 140.0 + dy), (radius * 1.3, radius), [250, 250, 245]);
    }
    canvas.below([120, 176, 96], |x| 470.0 + 60.0 * (x / 210.0).sin() + 20.0 * (x / 71.0).cos());
    canvas.below([86, 148, 74], |x| 560.0 + 24.0 * (x / 160.0 + 1.0).sin());
    fence(&mut canvas);
    ball(&mut canvas, time_secs);
    cat(&mut canvas, time_secs);
    canvas
}

/// Thin parallel lines: what scaling blurs first.
fn fence(canvas: &mut Canvas) {
    for post in 0..11 {
        let x = 40.0 + 36.0 * post as f32;
        canvas.limb((x, 520.0), (x + 6.0, 610.0), 7.0, [226, 196, 150]);
    }
    canvas.limb((24.0, 552.0), (420.0, 556.0), 6.0, [226, 196, 150]);
}

/// A ball that bounces once a second and is squashed where it lands.
fn ball(canvas: &mut Canvas, time_secs: f32) {
    let phase = time_secs.fract();
    let height = 4.0 * phase * (1.0 - phase);
    let squash = (1.0 - 6.0 * height).max(0.0) * 0.3;
    let (x, y) =
        (560.0 + 70.0 * (time_secs * PI / 2.0).sin(), 640.0 - 46.0 * (1.0 - squash) - 260.0 * height);
    let radii = (46.0 * (1.0 + squash), 46.0 * (1.0 - squash));
    canvas.ellipse((x, y), radii, [222, 66, 60]);
    canvas.ellipse((x - 15.0, y - 16.0), (9.0, 7.0), [255, 240, 236]);
}

/// A cat that watches the ball and wags its tail.
fn cat(canvas: &mut Canvas, time_secs: f32) {
    let (fur, inner, white) = ([238, 150, 62], [250, 206, 160], [252, 252, 250]);
    let wag = (time_secs * TAU * 0.75).sin();
    canvas.limb((1010.0, 600.0), (1090.0 + 30.0 * wag, 470.0), 18.0, fur);
    canvas.ellipse((930.0, 590.0), (105.0, 78.0), fur);
    for x in [880.0, 970.0] {
        canvas.limb((x, 620.0), (x - 6.0, 672.0), 20.0, fur);
    }
    let nod = 5.0 * (time_secs * TAU).cos();
    let head = (860.0, 470.0 + nod);
    for side in [-1.0, 1.0] {
        canvas.limb(
            (head.0 + 58.0 * side, head.1 - 50.0),
            (head.0 + 70.0 * side, head.1 - 92.0),
            16.0,
            inner,
        );
    }
    canvas.ellipse(head, (98.0, 80.0), fur);
    canvas.ellipse((head.0, head.1 + 34.0), (46.0, 32.0), inner);
    let gaze = 8.0 * (time_secs * PI / 2.0).sin();
    for side in [-1.0, 1.0] {
        let eye = (head.0 + 38.0 * side, head.1 - 16.0);
        canvas.ellipse(eye, (22.0, 26.0), white);
        canvas.ellipse((eye.0 - 8.0 + gaze, eye.1 + 4.0), (7.0, 10.0), [30, 30, 34]);
        for tilt in [-14.0, 0.0, 14.0] {
            let start = (head.0 + 52.0 * side, head.1 + 30.0 + tilt * 0.4);
            canvas.limb(start, (head.0 + 128.0 * side, head.1 + 28.0 + tilt), 0.1, [12, 10, 14]);
        }
    }
    canvas.ellipse((head.0, head.1 + 18.0), (13.0, 9.0), [206, 92, 110]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drawings_move() {
        let (first, second) = (draw(0.0), draw(0.5));
        assert_eq!(first.pixels.len(), 3 * WIDTH * HEIGHT);
        let n_changed = first.pixels.iter().zip(&second.pixels).filter(|(a, b)| a != b).count();
        assert!(n_changed > 10_000, "only {n_changed} values changed");
    }
}
