//! Times the conversions of a frame to samples and back, on one thread.
//!
//! `cargo run --release -p pegbar-frame --example bench_convert -- WIDTH HEIGHT [FORMAT]`

use pegbar_frame::{Colour, Frame, PixelFormat, PlanarImage, frame_to_rgb_into, rgb_to_frame};
use std::hint::black_box;
use std::time::Instant;

const RUNS: usize = 41;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let usage = "usage: bench_convert WIDTH HEIGHT [FORMAT]";
    let [width, height] = [0, 1].map(|at| words.get(at).and_then(|w| w.parse::<usize>().ok()));
    let (width, height) = width.zip(height).ok_or(usage)?;
    let format = words.get(2).map_or("yuv420p", String::as_str);
    let format = PixelFormat::from_ffmpeg(format).ok_or("this is none of ffmpeg's planar formats")?;
    let bytes: Vec<u8> = (0..format.frame_bytes(width, height)).map(|i| (i * i % 193) as u8).collect();
    let frame = Frame::from_bytes(format, width, height, 0, Colour::default(), &bytes)?;
    let mut image = PlanarImage::default();
    let mut alpha = None;
    let to_rgb = median(|| Ok(frame_to_rgb_into(black_box(&frame), &mut image, &mut alpha)?))?;
    let to_frame = median(|| {
        black_box(rgb_to_frame(black_box(&image), alpha.as_ref(), format, &Colour::default(), 0)?);
        Ok(())
    })?;
    println!("{width}x{height} {format}: to RGB {to_rgb:.2} ms, back {to_frame:.2} ms (medians of {RUNS})");
    Ok(())
}

/// Milliseconds.
fn median(
    mut work: impl FnMut() -> Result<(), Box<dyn std::error::Error>>,
) -> Result<f64, Box<dyn std::error::Error>> {
    let mut times = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        let start = Instant::now();
        work()?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[RUNS / 2])
}
