//! Measures the operations of the room `picture` on a frame of 720 x 480, or writes what they make of a picture.
//!
//! `cargo run --release -p pegbar-filters --example measure_picture [FILTER]` prints the median time of five runs of
//! those whose id holds FILTER; set `RAYON_NUM_THREADS=1` for the time on one core. With a binary PPM file as second
//! argument the results are written to the directory of the third.

use std::time::Instant;

use pegbar_filters::picture::*;
use pegbar_frame::PlanarImage;
use pegbar_params::{ParamValue, ParamValues};

type Run = Box<dyn Fn(&PlanarImage) -> PlanarImage>;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let wanted = arguments.next().unwrap_or_default();
    let (file, directory) = (arguments.next(), arguments.next());
    let image =
        file.as_deref().map_or_else(made, |path| read_ppm(&std::fs::read(path).expect("the PPM file")));
    for (id, run) in operations() {
        if !id.contains(&wanted) {
            continue;
        }
        let mut times: Vec<f64> = (0..5)
            .map(|_| {
                let start = Instant::now();
                std::hint::black_box(run(&image));
                start.elapsed().as_secs_f64() * 1000.0
            })
            .collect();
        times.sort_by(f64::total_cmp);
        println!("{id:28} {:8.1} ms", times[2]);
        if let Some(directory) = &directory {
            std::fs::write(format!("{directory}/{id}.ppm"), ppm(&run(&image))).expect("a file written");
        }
    }
}

fn values(id: &str, settings: &[(&str, &str)]) -> ParamValues {
    let table = TABLES.iter().find(|(other, _)| *other == id).expect("a table").1;
    let mut values = ParamValues::defaults(table);
    for (param, text) in settings {
        let declared = table.iter().find(|p| p.id == *param).expect("a parameter");
        let value: ParamValue = declared.parse(text).expect("a value");
        values.set(param, value).expect("a value");
    }
    values
}

fn operations() -> Vec<(&'static str, Run)> {
    let mut all: Vec<(&'static str, Run)> = Vec::new();
    macro_rules! plain {
        ($name:literal, $id:literal, $filter:ty $(, $param:literal = $value:literal)*) => {
            let filter = <$filter>::from_values(&values($id, &[$(($param, $value)),*]));
            all.push(($name, Box::new(move |image| filter.apply(image))));
        };
    }
    macro_rules! fallible {
        ($name:literal, $id:literal, $filter:ty $(, $param:literal = $value:literal)*) => {
            let filter = <$filter>::from_values(&values($id, &[$(($param, $value)),*]));
            all.push(($name, Box::new(move |image| filter.apply(image).expect("a picture"))));
        };
    }
    macro_rules! reference {
        ($name:literal, $id:literal, $filter:ty $(, $param:literal = $value:literal)*) => {
            let filter = <$filter>::from_values(&values($id, &[$(($param, $value)),*]));
            let tint = colour_space_tint();
            all.push(($name, Box::new(move |image| filter.apply(image, &tint(image)).expect("a picture"))));
        };
    }
    fallible!("resize-2x-lanczos", "resize", resize::Resize, "percent" = "200");
    fallible!("resize-half-box", "resize", resize::Resize, "percent" = "50");
    fallible!("resize-2x-linear-light", "resize", resize::Resize, "percent" = "200", "linear-light" = "true");
    fallible!("rotate-7", "rotate", rotate::Rotate, "angle" = "7");
    fallible!("rotate-90", "rotate", rotate::Rotate);
    fallible!("pad", "pad", pad::Pad, "left" = "40", "right" = "40", "fill" = "mirror");
    reference!("blend-overlay", "blend", blend::Blend, "mode" = "overlay");
    reference!("blend-soft-light", "blend", blend::Blend, "mode" = "soft-light");
    plain!("colour-space-lab", "colour_space", colour_space::ConvertColourSpace, "to" = "lab");
    plain!("levels-gamma", "levels", levels::Levels, "gamma" = "1.4");
    let curves = curves::Curves::from_values(&values("curves", &[("all", "0,0 0.3,0.2 0.7,0.8 1,1")]))
        .expect("curves");
    all.push(("curves", Box::new(move |image| curves.apply(image))));
    plain!("brightness-contrast", "brightness_contrast", tone::BrightnessContrast, "contrast" = "20");
    plain!("normalize", "normalize", tone::Normalize);
    plain!(
        "hue-saturation",
        "hue_saturation",
        hue_saturation::HueSaturation,
        "hue" = "40",
        "saturation" = "30"
    );
    plain!("vibrance", "vibrance", hue_saturation::Vibrance, "vibrance" = "80");
    plain!("white-balance", "white_balance", white_balance::WhiteBalance);
    plain!("colourise", "colourise", grayscale::Colourise);
    plain!("threshold-otsu", "threshold", threshold::Threshold, "level-from" = "otsu", "luma" = "true");
    plain!("adaptive-threshold", "adaptive_threshold", threshold::AdaptiveThreshold);
    let quantize = dither::Quantize::from_values(&values("quantize", &[]));
    all.push(("quantize-16", Box::new(move |image| quantize.apply(image, None))));
    for (name, method, colours) in [
        ("dither-floyd-steinberg", "floyd-steinberg", "levels"),
        ("dither-bayer-8", "bayer-8", "levels"),
        ("dither-riemersma", "riemersma", "levels"),
        ("dither-palette-32", "atkinson", "palette"),
    ] {
        let dither = dither::Dither::from_values(&values(
            "dither",
            &[("method", method), ("colours", colours), ("levels", "4")],
        ));
        all.push((name, Box::new(move |image| dither.apply(image, None))));
    }
    let size = 33;
    let at = |i: usize| i as f32 / (size - 1) as f32;
    let entries =
        (0..size * size * size).map(|i| [at(i % size).sqrt(), at(i / size % size), at(i / size / size)]);
    let table =
        lut::CubeTable { is_3d: true, size, domain: [[0.0; 3], [1.0; 3]], entries: entries.collect() };
    let lut = lut::Lut { table, strength: 1.0 };
    all.push(("lut-33", Box::new(move |image| lut.apply(image))));
    reference!("average-colour-fix", "average_colour_fix", colour_fix::AverageColourFix);
    reference!("wavelet-colour-fix", "wavelet_colour_fix", colour_fix::WaveletColourFix);
    reference!("colour-transfer-lab", "colour_transfer", colour_transfer::ColourTransfer);
    reference!(
        "colour-transfer-linear",
        "colour_transfer",
        colour_transfer::ColourTransfer,
        "method" = "linear-histogram"
    );
    reference!("match-histogram", "match_histogram", colour_transfer::MatchHistogram);
    plain!("box-blur-5", "box_blur", blur::BoxBlur, "radius-x" = "5", "radius-y" = "5");
    plain!("gaussian-blur-2", "gaussian_blur", blur::GaussianBlur, "sigma-x" = "2", "sigma-y" = "2");
    plain!("gaussian-blur-40", "gaussian_blur", blur::GaussianBlur, "sigma-x" = "40", "sigma-y" = "40");
    plain!("motion-blur-15", "motion_blur", blur::MotionBlur, "length" = "15", "angle" = "30");
    plain!("lens-blur-4", "lens_blur", blur::LensBlur, "radius" = "4", "blades" = "6");
    plain!("median-blur-1", "median_blur", median_blur::MedianBlur);
    plain!("median-blur-3", "median_blur", median_blur::MedianBlur, "radius" = "3");
    plain!("bilateral-blur-4", "bilateral_blur", bilateral_blur::BilateralBlur);
    plain!("surface-blur-5", "surface_blur", bilateral_blur::SurfaceBlur);
    plain!("nl-means", "nl_means", nl_means::NlMeans);
    plain!("sharpen", "sharpen", sharpen::Sharpen);
    plain!("high-boost-adaptive", "high_boost", sharpen::HighBoost, "contrast-adaptive" = "true");
    plain!("edge-detect-sobel", "edge_detect", edge_detect::EdgeDetect);
    plain!("canny", "canny", edge_detect::Canny);
    plain!("edge-mask", "edge_mask", masks::EdgeMask);
    plain!("flat-mask", "flat_mask", masks::FlatMask);
    plain!("colour-key", "colour_key", masks::ColourKey);
    plain!("dilate-ellipse-5", "morphology", morphology::Morphology, "shape" = "ellipse", "radius" = "5");
    plain!("dilate-rectangle-5", "morphology", morphology::Morphology, "radius" = "5");
    plain!("distance-transform", "distance_transform", distance::DistanceTransform);
    plain!("add-noise-gaussian", "add_noise", add_noise::AddNoise, "amount" = "8", "colour" = "rgb");
    plain!("add-noise-poisson", "add_noise", add_noise::AddNoise, "amount" = "8", "kind" = "poisson");
    plain!("film-grain", "film_grain", film_grain::FilmGrain, "strength" = "10");
    fallible!("caption", "caption", text::Caption, "text" = "Reel 3, 1936: Färbung & Größe");
    plain!("text-overlay", "text_overlay", text::TextOverlay, "text" = "before / after", "size" = "48");
    all
}

/// A second picture of the same size: warmer and darker.
fn colour_space_tint() -> impl Fn(&PlanarImage) -> PlanarImage {
    |image| {
        let mut out = image.clone();
        let n = image.width * image.height;
        for (i, s) in out.data.iter_mut().enumerate() {
            *s *= [0.9, 0.7, 0.5, 1.0][i / n];
        }
        out
    }
}

fn made() -> PlanarImage {
    let (w, h) = (720, 480);
    let mut image = PlanarImage::zeros(3, h, w);
    for (i, s) in image.data.iter_mut().enumerate() {
        let (x, y, c) = (i % w, i / w % h, i / w / h);
        let hills = 0.5 + 0.3 * ((x * (c + 1)) as f32 / 40.0).sin() * (y as f32 / 30.0).cos();
        let noise = (i.wrapping_mul(2_654_435_761) >> 12) % 256;
        *s = hills + noise as f32 / 5000.0 + if (x / 60 + y / 60) % 2 == 0 { 0.1 } else { 0.0 };
    }
    image
}

fn read_ppm(bytes: &[u8]) -> PlanarImage {
    let mut at = 0;
    let mut words = Vec::new();
    while words.len() < 4 {
        let end = at + bytes[at..].iter().position(u8::is_ascii_whitespace).expect("a header");
        words.push(String::from_utf8_lossy(&bytes[at..end]).into_owned());
        at = end + 1;
    }
    let side = |i: usize| words[i].parse::<usize>().expect("a size");
    let (w, h) = (side(1), side(2));
    let mut image = PlanarImage::zeros(3, h, w);
    for (i, byte) in bytes[at..].iter().enumerate() {
        image.data[i % 3 * w * h + i / 3] = f32::from(*byte) / 255.0;
    }
    image
}

fn ppm(image: &PlanarImage) -> Vec<u8> {
    let mut out = format!("P6\n{} {}\n255\n", image.width, image.height).into_bytes();
    for i in 0..image.width * image.height {
        for c in 0..3 {
            let s = image.plane(if image.channels < 3 { 0 } else { c })[i];
            out.push((s * 255.0).round().clamp(0.0, 255.0) as u8);
        }
    }
    out
}
