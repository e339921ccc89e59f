//! What the example of a node is shown on: a drawn cartoon, spoilt by what the node is for.

use pegbar_chain::{Category, NodeType, Role};
use pegbar_degrade::spatial::{
    Aliasing, Banding, Blocking, ChromaBleed, ChromaShift, DirtyBorder, FadedLines, Halo, Noise, Ringing,
    Salt, Scratches, ThickLines, aliasing, banding, blocking, chroma_bleed, chroma_shift, dirty_border,
    faded_lines, halo, noise, ringing, salt, scratches, thick_lines,
};
use pegbar_degrade::temporal::{
    TemporalDefect, combing, composite, dust, flicker, gaussian_noise, ghost, grain, repeats, weave,
};
use pegbar_frame::PlanarImage;
use pegbar_params::{Param, ParamValues};

// The filters are tried on the same cartoon.
#[expect(unreachable_pub, dead_code, reason = "a part of what the tests of the filters use")]
#[path = "../../crates/pegbar-filters/tests/truth/cartoon.rs"]
mod cartoon;
#[expect(unreachable_pub, reason = "the tests of the filters share it")]
#[path = "../../crates/pegbar-filters/tests/truth/cel.rs"]
mod cel;

/// What is shown of the pictures of a run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum View {
    /// All of them.
    Whole,
    /// A part, enlarged so often.
    Part { x: usize, y: usize, width: usize, height: usize, zoom: usize },
    /// So many frames in order.
    Frames(usize),
    /// The mean of all frames: what moves is blurred.
    Mean,
    /// All frames that go in and come out, small, with their times.
    Strip,
}

/// What an example runs on.
pub(crate) struct Scene {
    /// What is wrong with it, a sentence; empty where nothing is.
    pub(crate) on: &'static str,
    pub(crate) frames: Vec<PlanarImage>,
    /// The frame that is shown.
    pub(crate) centre: usize,
    pub(crate) view: View,
}

/// Width and height of frames that are shown whole.
const SMALL: (usize, usize) = (240, 160);
/// Of frames of which a part is shown.
const LARGE: (usize, usize) = (480, 320);
/// Of frames with what composite video leaves, which depends on the width.
const VIDEO: (usize, usize) = (720, 480);

/// The head of the character in a frame of [`LARGE`].
const HEAD: View = part(316, 96);
/// Its trousers, for edges of colour.
const TROUSERS: View = part(313, 190);

const fn part(x: usize, y: usize) -> View {
    View::Part { x, y, width: 120, height: 80, zoom: 2 }
}

/// A frame of the cartoon as it is shown whole.
pub(crate) fn cartoon(index: usize) -> PlanarImage {
    cartoon::frame(index, SMALL.0, SMALL.1)
}

/// What the example of a node is shown on.
pub(crate) fn scene(kind: &NodeType) -> Scene {
    spoilt_picture(kind.id).or_else(|| spoilt_film(kind.id)).or_else(|| retimed(kind.id)).unwrap_or_else(
        || {
            let takes_film = matches!(kind.role, Role::Segment { .. } | Role::Temporal { .. });
            match kind.category {
                // Filters of ffmpeg's wait for some frames.
                _ if takes_film => Scene { centre: 2, ..clean(film(5, SMALL, 1), View::Whole) },
                Category::Compositing if kind.inputs.len() == 1 && uses_alpha(kind.id) => {
                    clean(vec![cel()], View::Whole)
                }
                _ => clean(vec![cartoon(0)], View::Whole),
            }
        },
    )
}

fn uses_alpha(id: &str) -> bool {
    ["image.split_alpha", "image.premultiply", "image.opacity", "image.fill_alpha"].contains(&id)
}

/// Scenes of one picture.
fn spoilt_picture(id: &str) -> Option<Scene> {
    let large = || cartoon::frame(0, LARGE.0, LARGE.1);
    let noisy =
        |sigma: &str| Noise::from_values(&settings(noise::PARAMS, &[("sigma", sigma)])).apply(&large(), 7);
    let blocky = |quality: &str| {
        Blocking::from_values(&settings(blocking::PARAMS, &[("quality", quality)])).apply(&large())
    };
    let haloed = || Halo::from_values(&settings(halo::PARAMS, &[("amount", "1.6")])).apply(&large());
    let salted = || Salt::from_values(&settings(salt::PARAMS, &[("share", "2")])).apply(&large(), 3);
    let banded = |image: &PlanarImage| {
        Banding::from_values(&settings(banding::PARAMS, &[("levels", "24")])).apply(image)
    };
    let (on, image, view) = match id {
        "restore.anti_alias" => {
            let aliasing = Aliasing::from_values(&settings(aliasing::PARAMS, &[]));
            ("Every second row of the drawing is a copy of the one above.", aliasing.apply(&large()), HEAD)
        }
        "restore.border_fix" => {
            let values = settings(dirty_border::PARAMS, &[("left", "3"), ("top", "3"), ("strength", "0.7")]);
            let image = DirtyBorder::from_values(&values).apply(&large(), 5);
            (
                "The outer rows and columns are too dark; the picture shows the top left corner.",
                image,
                part(0, 0),
            )
        }
        "restore.chroma_bleed" => {
            let values = settings(chroma_bleed::PARAMS, &[("smear", "4"), ("blur", "2")]);
            (
                "Colour runs to the right, as on tape.",
                ChromaBleed::from_values(&values).apply(&large()),
                TROUSERS,
            )
        }
        "restore.chroma_shift" => {
            let values = settings(chroma_shift::PARAMS, &[("x", "4"), ("y", "2")]);
            (
                "Colour lies 4 px to the right of its lines and 2 px below.",
                ChromaShift::from_values(&values).apply(&large()),
                TROUSERS,
            )
        }
        "restore.deband" | "ffmpeg.gradfun" | "ffmpeg.deband" => {
            ("24 levels of each colour are left of the sky.", banded(&cartoon(0)), View::Whole)
        }
        "restore.deblock" | "ffmpeg.deblock" => ("The picture is a JPEG of quality 12.", blocky("12"), HEAD),
        "restore.edge_clean" => ("The picture is a JPEG of quality 20.", blocky("20"), HEAD),
        "restore.dehalo" | "restore.fine_dehalo" => {
            ("The picture was sharpened until bright and dark rims stood along its lines.", haloed(), HEAD)
        }
        "restore.dering" => {
            let values = settings(ringing::PARAMS, &[("cutoff", "0.45")]);
            (
                "A filter with a sharp cut-off has left echoes beside edges.",
                Ringing::from_values(&values).apply(&large()),
                HEAD,
            )
        }
        "restore.denoise" | "image.nl_means" | "image.bilateral_blur" | "image.surface_blur" => {
            ("Noise with a deviation of 12 codes of 8 bits lies over the drawing.", noisy("12"), HEAD)
        }
        "restore.descratch" => {
            let values = settings(scratches::PARAMS, &[("count", "4"), ("strength", "0.35"), ("width", "2")]);
            let image = Scratches::from_values(&values).apply(&cartoon(0), 4);
            ("The film is scratched.", image, View::Whole)
        }
        "restore.despeckle" | "image.median_blur" | "ffmpeg.removegrain" => {
            ("One pixel in fifty is black or white.", salted(), HEAD)
        }
        "restore.line_darken" => {
            let values = settings(faded_lines::PARAMS, &[("amount", "0.6")]);
            (
                "Lines have lost more than half of their depth.",
                FadedLines::from_values(&values).apply(&large()),
                HEAD,
            )
        }
        "restore.line_thin" => {
            let values = settings(thick_lines::PARAMS, &[("amount", "0.9"), ("blur", "0.5")]);
            ("Lines are thick and soft.", ThickLines::from_values(&values).apply(&large()), HEAD)
        }
        "image.levels" | "image.normalize" | "image.vibrance" => {
            ("The print has faded: black is gray, and colours are pale.", faded(&cartoon(0)), View::Whole)
        }
        "image.white_balance" => ("The print has turned orange.", orange(&cartoon(0)), View::Whole),
        "image.upscale" => {
            let View::Part { x, y, width, height, .. } = HEAD else { return None };
            let small = cropped(&large(), (x, y), (width, height));
            (
                "The network of the picture was not trained: its weights are those of a plain interpolation.",
                small,
                View::Whole,
            )
        }
        "image.sharpen" | "image.high_boost" | "image.high_pass" | "image.add_noise" | "image.film_grain"
        | "image.dither" => ("", large(), HEAD),
        _ => return None,
    };
    Some(Scene { on, frames: vec![image], centre: 0, view })
}

/// Scenes of a film with defects.
fn spoilt_film(id: &str) -> Option<Scene> {
    let noisy = |frames: &[PlanarImage], sigma: &str| {
        let values = settings(gaussian_noise::PARAMS, &[("sigma", sigma)]);
        gaussian_noise::GaussianNoise::from_values(&values).clip(frames)
    };
    let shaky = |n: usize| {
        let values = settings(weave::PARAMS, &[("across", "2.5"), ("down", "1.5")]);
        weave::Weave::from_values(&values).clip(&vec![cartoon(0); n])
    };
    let (on, frames, view) = match id {
        "temporal.decomb" => {
            let clip = film(5, LARGE, 4);
            let values = settings(combing::PARAMS, &[]);
            let frames = combing::Combing::from_values(&values).clip(&clip);
            ("The two fields of the frame show different times.", frames, part(316, 60))
        }
        "temporal.deflicker" | "ffmpeg.deflicker" => {
            let values = settings(flicker::PARAMS, &[("gain", "18"), ("local", "6")]);
            let frames = flicker::Flicker::from_values(&values).clip(&film(13, SMALL, 1));
            ("The film flickers: three frames, one after the other.", frames, View::Frames(3))
        }
        "temporal.deghost" => {
            let values = settings(ghost::PARAMS, &[("opacity", "0.25"), ("offset", "12")]);
            let frames = ghost::Ghost::from_values(&values).clip(&film(5, LARGE, 1));
            ("The picture stands there again, fainter and 12 px to the right.", frames, HEAD)
        }
        "temporal.degrain" => {
            let values = settings(grain::PARAMS, &[("strength", "14")]);
            let frames = grain::FilmGrain::from_values(&values).clip(&film(7, LARGE, 1));
            ("Grain of film with a deviation of 14 codes of 8 bits lies over the drawing.", frames, HEAD)
        }
        "temporal.denoise" => {
            let frames = noisy(&film(5, LARGE, 1), "12");
            ("Noise with a deviation of 12 codes of 8 bits lies over the drawing.", frames, HEAD)
        }
        "temporal.derainbow" | "temporal.dot_crawl" | "ffmpeg.dedot" => {
            let composite = composite::Composite::from_values(&settings(composite::PARAMS, &[]));
            let frames = composite.clip(&vec![cartoon::frame(0, VIDEO.0, VIDEO.1); 5]);
            let view = if id == "temporal.derainbow" { part(360, 316) } else { part(510, 300) };
            ("The picture has gone through composite video.", frames, view)
        }
        "temporal.despot" => {
            let values = settings(dust::PARAMS, &[("spots", "30"), ("hairs", "2"), ("size", "16")]);
            let frames = dust::Dust::from_values(&values).clip(&film(5, SMALL, 1));
            ("Dust lies on the frame.", frames, View::Whole)
        }
        "temporal.stabilise" | "ffmpeg.deshake" => {
            ("The picture does not stand still; shown is the mean of 15 frames.", shaky(15), View::Mean)
        }
        "ffmpeg.hqdn3d"
        | "ffmpeg.filter"
        | "ffmpeg.nlmeans"
        | "ffmpeg.bm3d"
        | "ffmpeg.vaguedenoiser"
        | "ffmpeg.owdenoise"
        | "ffmpeg.atadenoise"
        | "ffmpeg.tmix" => {
            let View::Part { x, y, width, height, .. } = HEAD else { return None };
            let n = if ["ffmpeg.atadenoise", "ffmpeg.tmix"].contains(&id) { 11 } else { 5 };
            let clip: Vec<PlanarImage> =
                film(n, LARGE, 1).iter().map(|frame| cropped(frame, (x, y), (width, height))).collect();
            let frames = noisy(&clip, "12");
            ("Noise with a deviation of 12 codes of 8 bits lies over the drawing.", frames, part(0, 0))
        }
        "ffmpeg.unsharp" | "ffmpeg.cas" => {
            let View::Part { x, y, width, height, .. } = HEAD else { return None };
            let frame = cropped(&cartoon::frame(0, LARGE.0, LARGE.1), (x, y), (width, height));
            ("", vec![frame; 5], part(0, 0))
        }
        "video.deinterlace" => {
            ("Each frame holds two fields, one after the other.", interlaced(7, LARGE, 6), part(316, 60))
        }
        "video.ivtc" => {
            ("The film was made into video: two of five frames are combed.", telecined(), part(316, 60))
        }
        "image.contact_sheet" => ("", film(6, SMALL, 12), View::Whole),
        _ => return None,
    };
    let centre = match id {
        "temporal.decomb" => 3,
        "video.ivtc" => 7,
        _ => frames.len() / 2,
    };
    Some(Scene { on, frames, centre, view })
}

/// Scenes for what changes the number of frames.
fn retimed(id: &str) -> Option<Scene> {
    let (on, frames) = match id {
        "video.decimate" => {
            let values = settings(repeats::PARAMS, &[("group", "2"), ("position", "1")]);
            let frames = repeats::Repeats::from_values(&values).clip(&film(8, SMALL, 12));
            ("A film on twos: each drawing stands for two frames.", frames)
        }
        "video.frame_step" | "video.fps" | "ffmpeg.minterpolate" => {
            ("Frames with their times; the film has 24 a second.", film(6, SMALL, 8))
        }
        _ => return None,
    };
    Some(Scene { on, frames, centre: 0, view: View::Strip })
}

fn clean(frames: Vec<PlanarImage>, view: View) -> Scene {
    Scene { on: "", frames, centre: 0, view }
}

/// Frames of the cartoon, every `step`-th.
fn film(n: usize, (width, height): (usize, usize), step: usize) -> Vec<PlanarImage> {
    (0..n).map(|i| cartoon::frame(i * step, width, height)).collect()
}

/// Frames whose second field is that of half a frame later.
fn interlaced(n: usize, size: (usize, usize), step: usize) -> Vec<PlanarImage> {
    let fields = film(2 * n, size, step);
    fields.chunks_exact(2).map(|pair| woven(&pair[0], &pair[1])).collect()
}

/// 2:3 pulldown: film frames A B C D become AA AB BC CC DD.
fn telecined() -> Vec<PlanarImage> {
    let film = film(12, LARGE, 8);
    let of_four = |four: &[PlanarImage]| -> Vec<PlanarImage> {
        [(0, 0), (0, 1), (1, 2), (2, 2), (3, 3)].map(|(top, bottom)| woven(&four[top], &four[bottom])).into()
    };
    film.chunks_exact(4).flat_map(of_four).collect()
}

/// Even rows of one picture and odd rows of another, both with an even number of rows.
fn woven(top: &PlanarImage, bottom: &PlanarImage) -> PlanarImage {
    let mut woven = top.clone();
    let rows = woven.data.chunks_mut(top.width).zip(bottom.data.chunks(top.width));
    rows.skip(1).step_by(2).for_each(|(to, from)| to.copy_from_slice(from));
    woven
}

fn cropped(image: &PlanarImage, (x, y): (usize, usize), (width, height): (usize, usize)) -> PlanarImage {
    let mut out = PlanarImage::zeros(image.channels, height, width);
    for c in 0..image.channels {
        let from = image.plane(c);
        for (row, to) in out.plane_mut(c).chunks_exact_mut(width).enumerate() {
            to.copy_from_slice(&from[(y + row) * image.width + x..][..width]);
        }
    }
    out
}

/// Less contrast and less colour.
fn faded(image: &PlanarImage) -> PlanarImage {
    let mut out = image.clone();
    let n = image.width * image.height;
    for i in 0..n {
        let rgb = [image.data[i], image.data[n + i], image.data[2 * n + i]];
        let gray = 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2];
        for (c, v) in rgb.into_iter().enumerate() {
            out.data[c * n + i] = 0.22 + 0.5 * (0.5 * v + 0.5 * gray);
        }
    }
    out
}

/// A cast of old paper.
fn orange(image: &PlanarImage) -> PlanarImage {
    let mut out = image.clone();
    for (c, gain) in [1.08, 0.88, 0.62].into_iter().enumerate() {
        out.plane_mut(c).iter_mut().for_each(|v| *v = (*v * gain).min(1.0));
    }
    out
}

/// The character with alpha: opaque within an ellipse around it, with a soft rim.
fn cel() -> PlanarImage {
    let image = cartoon(0);
    let (width, height) = (image.width, image.height);
    let mut out = PlanarImage::zeros(4, height, width);
    out.data[..3 * width * height].copy_from_slice(&image.data);
    for (i, alpha) in out.plane_mut(3).iter_mut().enumerate() {
        let (x, y) = ((i % width) as f32 - 187.0, (i / width) as f32 - 84.0);
        let distance = ((x / 42.0).powi(2) + (y / 66.0).powi(2)).sqrt();
        *alpha = ((1.15 - distance) / 0.3).clamp(0.0, 1.0);
    }
    out
}

/// Values of a defect's table, some of them set. What does not fit stays at its default; a test says that nothing does.
fn settings(params: &'static [Param], set: &[(&str, &str)]) -> ParamValues {
    let mut values = ParamValues::defaults(params);
    for (id, text) in set {
        let value = params.iter().find(|param| param.id == *id).and_then(|param| param.parse(text).ok());
        let fits = value.is_some_and(|value| values.set(id, value) == Ok(true));
        debug_assert!(fits, "{id}={text} is no setting of the defect");
    }
    values
}
