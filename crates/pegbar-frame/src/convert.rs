//! Frames to planar samples that a network takes, and back.
//!
//! The samples are the stream's own non-linear R'G'B' (no transfer function or primaries are undone), nominally
//! `0.0..=1.0`. Nothing is clamped on the way in: YUV codes outside the RGB cube, and foot- and headroom
//! codes, give samples outside that interval, so that going back restores every 4:4:4 code exactly. On the way
//! out samples are clamped to the codes the depth has.
//!
//! That holds for HDR too: samples of PQ (`smpte2084`) and HLG (`arib-std-b67`) are the encoded signal, with 1.0 for its
//! peak. Networks have learned from gamma-encoded SDR, to whose even steps of brightness both signals are close; linear
//! light is not, and would crush the shadows into a few samples near 0. And a transfer that is not undone need not be
//! redone: luma that no model changed comes back to the code, and so does chroma of 4:4:4.
//!
//! What the colour tags leave open is filled in as [`Colour::resolved`] describes. Chroma is resampled by the
//! linear filters described in `convert/chroma.rs`; interlaced frames are taken as progressive.

mod chroma;
mod dither;
mod quantisation;

use crate::{Colour, Frame, FrameError, Matrix, PixelFamily, PixelFormat, PlanarImage};

pub use dither::Dither;

use chroma::ChromaAxis;
use quantisation::Quantisation;

/// Samples of a frame: R, G, B for a YUV or RGB frame, one channel for a gray frame; and alpha (one channel,
/// `0.0..=1.0`) where the format has it.
///
/// # Errors
/// When the planes are not those of the format and size.
pub fn frame_to_rgb(frame: &Frame) -> Result<(PlanarImage, Option<PlanarImage>), FrameError> {
    let (mut image, mut alpha) = (PlanarImage::default(), None);
    frame_to_rgb_into(frame, &mut image, &mut alpha)?;
    Ok((image, alpha))
}

/// [`frame_to_rgb`] into pictures that keep their memory from one frame to the next. Whatever they hold is replaced.
///
/// # Errors
/// As [`frame_to_rgb`].
pub fn frame_to_rgb_into(
    frame: &Frame,
    image: &mut PlanarImage,
    alpha: &mut Option<PlanarImage>,
) -> Result<(), FrameError> {
    frame.validate()?;
    let format = frame.format;
    let luma = Quantisation::luma(format, frame.colour.range_or_default(format.family));
    match format.family {
        PixelFamily::Gray => decode_planes(frame, &[0], luma, image),
        // The planes of a frame are G, B, R.
        PixelFamily::Rgb => decode_planes(frame, &[2, 0, 1], luma, image),
        PixelFamily::Yuv => decode_yuv(frame, luma, image),
    }
    if format.alpha {
        let alpha = alpha.get_or_insert_default();
        decode_planes(frame, &[format.n_planes() - 1], Quantisation::alpha(format), alpha);
    } else {
        *alpha = None;
    }
    Ok(())
}

/// A frame of the given format from R, G, B or gray samples, rounded half up.
///
/// Gray samples give neutral chroma, or equal R, G and B; three channels give a gray frame their luma. A format
/// with alpha takes the alpha plane or, where there is none, opaque; a format without alpha drops it. The frame
/// carries `colour` as given, so pass a [`Colour::resolved`] one when the size has changed.
///
/// # Errors
/// When the samples do not fill the picture, alpha has another size, or the format is none of ffmpeg's.
pub fn rgb_to_frame(
    image: &PlanarImage,
    alpha: Option<&PlanarImage>,
    format: PixelFormat,
    colour: &Colour,
    pts: i64,
) -> Result<Frame, FrameError> {
    rgb_to_frame_reusing(None, image, alpha, format, colour, pts, Dither::None)
}

/// [`rgb_to_frame`] with a choice of dither, for samples finer than the format's depth, and in the memory of an old
/// frame, where that has the format and size; what it holds is written over.
///
/// # Errors
/// As [`rgb_to_frame`].
pub fn rgb_to_frame_reusing(
    old: Option<Frame>,
    image: &PlanarImage,
    alpha: Option<&PlanarImage>,
    format: PixelFormat,
    colour: &Colour,
    pts: i64,
    dither: Dither,
) -> Result<Frame, FrameError> {
    let size = (format, image.width, image.height);
    let fits = |f: &Frame| (f.format, f.width, f.height) == size && f.validate().is_ok();
    let frame = match old.filter(fits) {
        Some(old) => Frame { pts, colour: colour.clone(), ..old },
        None => Frame::zeros(format, image.width, image.height, pts, colour.clone())?,
    };
    encode(image, alpha, dither, frame)
}

/// Writes every code of the frame.
fn encode(
    image: &PlanarImage,
    alpha: Option<&PlanarImage>,
    dither: Dither,
    mut frame: Frame,
) -> Result<Frame, FrameError> {
    image.validate()?;
    if let Some(alpha) = alpha {
        alpha.validate()?;
        if (alpha.channels, alpha.width, alpha.height) != (1, image.width, image.height) {
            return Err(FrameError::Alpha {
                width: image.width,
                height: image.height,
                alpha_channels: alpha.channels,
                alpha_width: alpha.width,
                alpha_height: alpha.height,
            });
        }
    }
    let format = frame.format;
    let luma = Quantisation::luma(format, frame.colour.range_or_default(format.family));
    match (format.family, image.channels) {
        (PixelFamily::Gray, 1) => encode_plane(image.plane(0), luma, dither, &mut frame, 0),
        (PixelFamily::Gray, _) => {
            let gray = image.luma(frame.colour.matrix_or_guess(image.width, image.height));
            encode_plane(gray.plane(0), luma, dither, &mut frame, 0);
        }
        (PixelFamily::Rgb, channels) => {
            for (channel, plane) in [2, 0, 1].into_iter().enumerate() {
                encode_plane(image.plane(channel.min(channels - 1)), luma, dither, &mut frame, plane);
            }
        }
        (PixelFamily::Yuv, 1) => {
            encode_plane(image.plane(0), luma, dither, &mut frame, 0);
            encode_neutral_chroma(&mut frame);
        }
        (PixelFamily::Yuv, _) => encode_yuv(image, luma, dither, &mut frame),
    }
    if format.alpha {
        let plane = format.n_planes() - 1;
        match alpha {
            Some(alpha) => {
                encode_plane(alpha.plane(0), Quantisation::alpha(format), dither, &mut frame, plane)
            }
            None => {
                let code = (format.max_code() as u16).to_le_bytes();
                fill(&mut frame.planes[plane].data, &code[..format.bytes_per_sample()]);
            }
        }
    }
    Ok(frame)
}

/// The numbers of one matrix, from `Y = Kr R + Kg G + Kb B`, `U = (B - Y) / (2 - 2 Kb)`, `V = (R - Y) / (2 - 2 Kr)`.
struct MatrixNumbers {
    r: f32,
    g: f32,
    b: f32,
    /// Blue for one unit of U.
    u_to_b: f32,
    /// Red for one unit of V.
    v_to_r: f32,
    /// Green for one unit of U.
    u_to_g: f32,
    /// Green for one unit of V.
    v_to_g: f32,
}

impl MatrixNumbers {
    fn of(matrix: Matrix) -> Self {
        // `matrix_or_guess` never gives Rgb; should that change, BT.709 is the least wrong.
        let (kr, kb) = matrix.luma_weights().or(Matrix::Bt709.luma_weights()).unwrap_or((0.2126, 0.0722));
        let kg = 1.0 - kr - kb;
        let (u_to_b, v_to_r) = (2.0 - 2.0 * kb, 2.0 - 2.0 * kr);
        Self {
            r: kr as f32,
            g: kg as f32,
            b: kb as f32,
            u_to_b: u_to_b as f32,
            v_to_r: v_to_r as f32,
            u_to_g: (-u_to_b * kb / kg) as f32,
            v_to_g: (-v_to_r * kr / kg) as f32,
        }
    }
}

/// Planes of full size, in the order asked for.
fn decode_planes(frame: &Frame, planes: &[usize], quantisation: Quantisation, image: &mut PlanarImage) {
    image.reshape(planes.len(), frame.height, frame.width);
    for (channel, &plane) in planes.iter().enumerate() {
        quantisation.decode_row(&frame.planes[plane].data, image.plane_mut(channel));
    }
}

fn decode_yuv(frame: &Frame, luma: Quantisation, image: &mut PlanarImage) {
    let &Frame { format, width, height, ref colour, .. } = frame;
    let numbers = MatrixNumbers::of(colour.matrix_or_guess(width, height));
    let location = colour.chroma_location_or_default();
    let horizontal = ChromaAxis::horizontal(format.log2_chroma_w, location);
    let chroma = Quantisation::chroma(format, colour.range_or_default(format.family));
    let rows = ChromaAxis::vertical(format.log2_chroma_h, location).up_rows(height);
    let (chroma_width, _) = format.plane_size(1, width, height);

    image.reshape(3, height, width);
    let (red, rest) = image.data.split_at_mut(width * height);
    let (green, blue) = rest.split_at_mut(width * height);
    let mut sum = vec![0.0f32; chroma_width];
    let mut part = vec![0.0f32; chroma_width];
    let (mut u, mut v) = (vec![0.0f32; width], vec![0.0f32; width]);
    let mut scratch = Vec::new();
    let out =
        red.chunks_exact_mut(width).zip(green.chunks_exact_mut(width)).zip(blue.chunks_exact_mut(width));
    for (y, ((r, g), b)) in out.enumerate() {
        for (plane, full) in [(1, &mut u), (2, &mut v)] {
            match rows[y][..] {
                [(row, _)] => chroma.decode_row(frame.planes[plane].row(row), &mut sum),
                _ => {
                    sum.fill(0.0);
                    for &(row, weight) in &rows[y] {
                        chroma.decode_row(frame.planes[plane].row(row), &mut part);
                        add_scaled(&mut sum, weight, &part);
                    }
                }
            }
            horizontal.upsample_row(&sum, full, &mut scratch);
        }
        // Luma is decoded in place of green, which is computed last from it.
        luma.decode_row(frame.planes[0].row(y), g);
        yuv_row_to_rgb(&numbers, r, g, b, &u, &v);
    }
}

/// `green` holds luma on entry. All slices have one length.
fn yuv_row_to_rgb(
    m: &MatrixNumbers,
    red: &mut [f32],
    green: &mut [f32],
    blue: &mut [f32],
    u: &[f32],
    v: &[f32],
) {
    let n = green.len();
    let (red, blue, u, v) = (&mut red[..n], &mut blue[..n], &u[..n], &v[..n]);
    for i in 0..n {
        let luma = green[i];
        red[i] = luma + m.v_to_r * v[i];
        blue[i] = luma + m.u_to_b * u[i];
        green[i] = luma + m.u_to_g * u[i] + m.v_to_g * v[i];
    }
}

fn encode_plane(
    samples: &[f32],
    quantisation: Quantisation,
    dither: Dither,
    frame: &mut Frame,
    plane: usize,
) {
    let Frame { width, height, planes, .. } = frame;
    let stride = planes[plane].data.len() / *height;
    let rows = samples.chunks_exact(*width).zip(planes[plane].data.chunks_exact_mut(stride));
    for (y, (samples, codes)) in rows.enumerate() {
        quantisation.encode_row(samples, y, dither, codes);
    }
}

fn encode_yuv(image: &PlanarImage, luma: Quantisation, dither: Dither, frame: &mut Frame) {
    let &mut Frame { format, width, height, ref colour, ref mut planes, .. } = frame;
    let numbers = MatrixNumbers::of(colour.matrix_or_guess(width, height));
    let location = colour.chroma_location_or_default();
    let horizontal = ChromaAxis::horizontal(format.log2_chroma_w, location);
    let vertical = ChromaAxis::vertical(format.log2_chroma_h, location);
    let chroma = Quantisation::chroma(format, colour.range_or_default(format.family));
    let (chroma_width, chroma_height) = format.plane_size(1, width, height);

    // Luma rows add their part to the chroma rows they belong to. A chroma row is done with its last luma row; sums
    // wait in a ring, which stays in the processor's nearest memory as a whole plane would not.
    let rows = vertical.down_rows(height);
    let last = last_parts(&rows, chroma_height);
    let ring = ring_rows(&rows, &last);
    let slot = |chroma_y: usize| {
        let start = chroma_y % ring * chroma_width;
        start..start + chroma_width
    };
    let mut sums = [vec![0.0f32; ring * chroma_width], vec![0.0f32; ring * chroma_width]];
    let mut n_done = 0;
    let (mut y_row, mut u_row, mut v_row) = (vec![0.0f32; width], vec![0.0f32; width], vec![0.0f32; width]);
    let mut narrow = vec![0.0f32; chroma_width];
    let mut scratch = Vec::new();
    let row_bytes = |width: usize| width * format.bytes_per_sample();
    for (y, chroma_rows) in rows.iter().enumerate() {
        let row = y * width..(y + 1) * width;
        let (r, g, b) = (&image.plane(0)[row.clone()], &image.plane(1)[row.clone()], &image.plane(2)[row]);
        rgb_row_to_yuv(&numbers, r, g, b, &mut y_row, &mut u_row, &mut v_row);
        let bytes = row_bytes(width);
        luma.encode_row(&y_row, y, dither, &mut planes[0].data[y * bytes..(y + 1) * bytes]);
        for (full, sums) in [&u_row, &v_row].into_iter().zip(&mut sums) {
            horizontal.downsample_row(full, &mut narrow, &mut scratch);
            for &(chroma_y, weight) in chroma_rows {
                add_scaled(&mut sums[slot(chroma_y)], weight, &narrow);
            }
        }
        let bytes = row_bytes(chroma_width);
        while n_done < chroma_height && last[n_done] <= y {
            for (plane, sums) in planes[1..3].iter_mut().zip(&mut sums) {
                let sums = &mut sums[slot(n_done)];
                let codes = &mut plane.data[n_done * bytes..(n_done + 1) * bytes];
                chroma.encode_row(sums, n_done, dither, codes);
                sums.fill(0.0);
            }
            n_done += 1;
        }
    }
}

/// For each chroma row, the last luma row that is a part of it or of a row above it.
fn last_parts(rows: &[Vec<(usize, f32)>], chroma_height: usize) -> Vec<usize> {
    let mut last = vec![0; chroma_height];
    for (y, chroma_rows) in rows.iter().enumerate() {
        for &(chroma_y, _) in chroma_rows {
            last[chroma_y] = y;
        }
    }
    for chroma_y in 1..chroma_height {
        last[chroma_y] = last[chroma_y].max(last[chroma_y - 1]);
    }
    last
}

/// The most chroma rows from the first that is not done to the last that has been begun.
fn ring_rows(rows: &[Vec<(usize, f32)>], last: &[usize]) -> usize {
    let begun = |chroma_rows: &[(usize, f32)]| chroma_rows.iter().map(|(row, _)| row + 1).max().unwrap_or(0);
    let mut n_done = 0;
    let mut most = 1;
    for (y, chroma_rows) in rows.iter().enumerate() {
        most = most.max(begun(chroma_rows).saturating_sub(n_done));
        while n_done < last.len() && last[n_done] <= y {
            n_done += 1;
        }
    }
    most
}

/// All slices have one length.
fn rgb_row_to_yuv(
    m: &MatrixNumbers,
    r: &[f32],
    g: &[f32],
    b: &[f32],
    y: &mut [f32],
    u: &mut [f32],
    v: &mut [f32],
) {
    let n = y.len();
    let (r, g, b, u, v) = (&r[..n], &g[..n], &b[..n], &mut u[..n], &mut v[..n]);
    let (b_to_u, r_to_v) = (1.0 / m.u_to_b, 1.0 / m.v_to_r);
    for i in 0..n {
        let luma = m.r * r[i] + m.g * g[i] + m.b * b[i];
        y[i] = luma;
        u[i] = (b[i] - luma) * b_to_u;
        v[i] = (r[i] - luma) * r_to_v;
    }
}

fn encode_neutral_chroma(frame: &mut Frame) {
    let format = frame.format;
    let code = (1u16 << (format.depth_bits - 1)).to_le_bytes();
    for plane in &mut frame.planes[1..3] {
        fill(&mut plane.data, &code[..format.bytes_per_sample()]);
    }
}

fn fill(data: &mut [u8], code: &[u8]) {
    for bytes in data.chunks_exact_mut(code.len()) {
        bytes.copy_from_slice(code);
    }
}

fn add_scaled(sum: &mut [f32], weight: f32, row: &[f32]) {
    for (sum, sample) in sum.iter_mut().zip(row) {
        *sum += weight * sample;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ChromaLocation;

    /// Chroma of a picture by sums over whole planes.
    fn chroma_at_once(image: &PlanarImage, format: PixelFormat, colour: &Colour) -> [Vec<u8>; 2] {
        let (width, height) = (image.width, image.height);
        let numbers = MatrixNumbers::of(colour.matrix_or_guess(width, height));
        let location = colour.chroma_location_or_default();
        let (chroma_width, chroma_height) = format.plane_size(1, width, height);
        let chroma = Quantisation::chroma(format, colour.range_or_default(format.family));
        let rows = ChromaAxis::vertical(format.log2_chroma_h, location).down_rows(height);
        let mut sums = [vec![0.0; chroma_width * chroma_height], vec![0.0; chroma_width * chroma_height]];
        let (mut luma, mut u, mut v) = (vec![0.0; width], vec![0.0; width], vec![0.0; width]);
        let (mut narrow, mut scratch) = (vec![0.0; chroma_width], Vec::new());
        for (y, chroma_rows) in rows.iter().enumerate() {
            let row = |c: usize| &image.plane(c)[y * width..(y + 1) * width];
            rgb_row_to_yuv(&numbers, row(0), row(1), row(2), &mut luma, &mut u, &mut v);
            for (full, sums) in [&u, &v].into_iter().zip(&mut sums) {
                let horizontal = ChromaAxis::horizontal(format.log2_chroma_w, location);
                horizontal.downsample_row(full, &mut narrow, &mut scratch);
                for &(chroma_y, weight) in chroma_rows {
                    add_scaled(&mut sums[chroma_y * chroma_width..][..chroma_width], weight, &narrow);
                }
            }
        }
        sums.map(|sums| {
            let mut codes = vec![0; sums.len() * format.bytes_per_sample()];
            chroma.encode_row(&sums, 0, Dither::None, &mut codes);
            codes
        })
    }

    #[test]
    fn an_old_frame_leaves_no_trace() {
        let image = PlanarImage { width: 6, height: 4, channels: 3, data: vec![0.25; 72] };
        let gray = PlanarImage { width: 6, height: 4, channels: 1, data: vec![0.75; 24] };
        for format in PixelFormat::all() {
            for image in [&image, &gray] {
                let mut old = Frame::zeros(format, 6, 4, 9, Colour::default()).expect("a frame");
                old.planes.iter_mut().for_each(|p| p.data.fill(0x03));
                let fresh = rgb_to_frame(image, None, format, &Colour::default(), 5).expect("a frame");
                let other = Frame::zeros(format, 8, 8, 9, Colour::default()).expect("a frame");
                for old in [Some(old), Some(other), None] {
                    let colour = Colour::default();
                    let made = rgb_to_frame_reusing(old, image, None, format, &colour, 5, Dither::None);
                    let made = made.expect("a frame");
                    assert!(made == fresh, "{format}");
                }
            }
        }
    }

    #[test]
    fn chroma_row_by_row_is_chroma_at_once() {
        for location in ChromaLocation::ALL {
            for (log2_w, log2_h) in [(0, 0), (1, 0), (1, 1), (0, 1), (2, 2)] {
                for depth in [8, 10] {
                    for (width, height) in [(1, 1), (5, 2), (7, 3), (16, 9), (19, 34)] {
                        let format = PixelFormat::yuv(depth, log2_w, log2_h);
                        if !format.is_supported() {
                            continue;
                        }
                        let data = (0..3 * width * height).map(|i| (i * i * 31 % 251) as f32 / 250.0);
                        let image = PlanarImage { width, height, channels: 3, data: data.collect() };
                        let colour = Colour { chroma_location: Some(location), ..Colour::default() };
                        let frame = rgb_to_frame(&image, None, format, &colour, 0).expect("a frame");
                        let [u, v] = chroma_at_once(&image, format, &colour);
                        let what = format!("{width}x{height} {format} {location:?}");
                        assert!(frame.planes[1].data == u && frame.planes[2].data == v, "{what}");
                    }
                }
            }
        }
    }
}
