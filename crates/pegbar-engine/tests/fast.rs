//! How close fast arithmetic stays to exact arithmetic, on real frames with a real model, and on the pictures that are hard:
//! noise, text, flat colours.

use pegbar_engine::{Precision, Session, SessionOptions};
use pegbar_frame::PlanarImage;
use pegbar_net::Model;
use std::path::{Path, PathBuf};
use std::process::Command;

const WIDTH: usize = 320;
const HEIGHT: usize = 180;
const N_FRAMES: usize = 10;

/// Frames that ffmpeg makes of some input.
fn frames(input: &[&str], filter: &str, n: usize) -> Vec<PlanarImage> {
    let filter = format!("{filter},scale={WIDTH}:{HEIGHT}:flags=bicubic,format=gbrp");
    let count = n.to_string();
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin"])
        .args(input)
        .args(["-vf", &filter, "-frames:v", &count, "-f", "rawvideo", "-"])
        .output()
        .expect("ffmpeg starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let frame_bytes = 3 * WIDTH * HEIGHT;
    assert_eq!(output.stdout.len(), n * frame_bytes, "{input:?}");
    let picture = |bytes: &[u8]| {
        // Planes come as green, blue, red.
        let planes: Vec<&[u8]> = bytes.chunks_exact(WIDTH * HEIGHT).collect();
        let data = [planes[2], planes[0], planes[1]].concat().into_iter().map(|v| f32::from(v) / 255.0);
        PlanarImage { width: WIDTH, height: HEIGHT, channels: 3, data: data.collect() }
    };
    output.stdout.chunks_exact(frame_bytes).map(picture).collect()
}

fn shared() -> Option<PathBuf> {
    let folder = std::env::var_os("PEGBAR_SHARED").map(PathBuf::from).filter(|folder| folder.is_dir());
    if folder.is_none() {
        eprintln!("skipped: fast against exact arithmetic on real frames (PEGBAR_SHARED is not set)");
    }
    folder
}

fn code(v: f32) -> i32 {
    (v.clamp(0.0, 1.0) * 255.0).round() as i32
}

/// PSNR in dB, and the largest difference of 8-bit values.
fn compare(a: &PlanarImage, b: &PlanarImage) -> (f64, i32) {
    assert_eq!(a.data.len(), b.data.len());
    let squares: f64 = a.data.iter().zip(&b.data).map(|(a, b)| f64::from(a - b).powi(2)).sum();
    let most = a.data.iter().zip(&b.data).map(|(&a, &b)| (code(a) - code(b)).abs()).max().unwrap_or(0);
    (-10.0 * (squares / a.data.len() as f64).log10(), most)
}

fn check(model: &Path, media: &Path) {
    let model = Model::from_file(model).expect("a model");
    let open = |precision| {
        Session::open(&model, &SessionOptions { precision, ..SessionOptions::default() }).expect("compiles")
    };
    let (exact, fast) = (open(Precision::Exact), open(Precision::Fast));
    let text = "color=white:s=320x180,drawtext=text='Restore old cartoons 0123456789':fontsize=17:x=6:y=20,\
                drawtext=text='The quick brown fox':fontsize=30:x=6:y=90";
    let flat = "color=0x3366cc:s=320x180,drawbox=x=40:y=30:w=90:h=100:color=0xffcc33:t=fill,\
                drawbox=x=150:y=50:w=120:h=80:color=black:t=4,drawbox=x=200:y=10:w=60:h=160:color=0xdd3322:t=fill";
    let source = |graph: &'static str| ["-f", "lavfi", "-i", graph];
    let film = media.to_str().expect("a plain path");
    let pictures: Vec<(&str, f64, Vec<PlanarImage>)> = vec![
        ("film", 70.0, frames(&["-i", film], "select='not(mod(n\\,12))',setpts=N/25/TB,fps=25", N_FRAMES)),
        ("text", 70.0, frames(&source(text), "null", 1)),
        ("flat", 70.0, frames(&source(flat), "null", 1)),
        ("noise", 55.0, frames(&source("color=gray:s=320x180"), "noise=alls=100:allf=t:all_seed=7", 1)),
    ];
    for (what, least, pictures) in pictures {
        for (n, picture) in pictures.iter().enumerate() {
            let (expected, found) = (exact.run(picture).expect("runs"), fast.run(picture).expect("runs"));
            let (psnr, most) = compare(&expected, &found);
            println!("{what} {n}: {psnr:.1} dB, 8-bit values differ by up to {most}");
            assert!(psnr >= least && most <= 2, "{what} {n}: {psnr:.1} dB, 8-bit values differ by {most}");
        }
    }
    assert!(fast.explain().iter().any(|line| line.contains("int16")), "{:#?}", fast.explain());
    assert!(fast.explain().iter().all(|line| !line.contains("in f32")), "{:#?}", fast.explain());
}

#[test]
fn fast_arithmetic_does_not_show() {
    let Some(shared) = shared() else { return };
    check(
        &shared.join("models/realesr-animevideov3-x4.param"),
        &shared.join("media/bbb_rodents_360p_reference.mp4"),
    );
}
