//! A drawn cartoon: flat cels with dark outlines over a painted background, with text, thin lines and fine patterns.
//!
//! It is made from distances to shapes, so edges are one pixel wide whatever the size, and nothing depends on a codec
//! or a font. The background pans slowly, the character moves on twos.

use pegbar_frame::PlanarImage;

use super::cel::{Cel, INK};

/// The frames `0..n` of the cartoon, RGB.
pub fn frames(n: usize, width: usize, height: usize) -> Vec<PlanarImage> {
    (0..n).map(|i| frame(i, width, height)).collect()
}

/// One frame of the cartoon, RGB.
pub fn frame(index: usize, width: usize, height: usize) -> PlanarImage {
    let mut cel = Cel::new(width, height);
    cel.sky([0.42, 0.6, 0.83], [0.78, 0.82, 0.8], [0.05, 0.02, -0.03]);
    cel.pan = [-0.6 * index as f32, 0.0];
    background(&mut cel);
    cel.pan = [0.0; 2];
    character(&mut cel, (index / 2) as f32);
    cel.text("PEGBAR 1937", 24.0, 318.0, 22.0, 2.6, [0.96, 0.93, 0.82], Some(INK));
    cel.text("THE END OF THE REEL", 24.0, 344.0, 9.0, 1.1, [0.93, 0.9, 0.8], None);
    cel.image
}

fn background(cel: &mut Cel) {
    cel.ellipse([520.0, 66.0], [34.0, 34.0], [0.98, 0.88, 0.45], None);
    for (x, y, r) in [(120.0, 60.0, 22.0), (146.0, 52.0, 26.0), (172.0, 62.0, 20.0)] {
        cel.ellipse([x, y], [r, r * 0.8], [0.93, 0.94, 0.96], None);
    }
    cel.hill(230.0, 26.0, 0.011, [0.46, 0.62, 0.44], 1.2);
    cel.hill(268.0, 18.0, 0.019, [0.36, 0.55, 0.33], 1.6);
    // A house with a tiled roof and a window.
    cel.polygon(
        &[[60.0, 160.0], [180.0, 160.0], [180.0, 262.0], [60.0, 262.0]],
        [0.83, 0.71, 0.55],
        Some(1.8),
    );
    cel.polygon(&[[48.0, 162.0], [120.0, 104.0], [192.0, 162.0]], [0.67, 0.25, 0.2], Some(2.0));
    for row in 0..5 {
        let y = 116.0 + 9.0 * row as f32;
        let half = (y - 104.0) * 1.2 - 2.0;
        cel.line([120.0 - half, y], [120.0 + half, y], 0.7, INK);
    }
    cel.polygon(
        &[[84.0, 184.0], [112.0, 184.0], [112.0, 216.0], [84.0, 216.0]],
        [0.55, 0.74, 0.86],
        Some(1.4),
    );
    cel.line([98.0, 184.0], [98.0, 216.0], 1.0, INK);
    cel.line([84.0, 200.0], [112.0, 200.0], 1.0, INK);
    cel.polygon(
        &[[134.0, 200.0], [160.0, 200.0], [160.0, 262.0], [134.0, 262.0]],
        [0.42, 0.26, 0.16],
        Some(1.6),
    );
    // A fence: upright lines that were drawn.
    for post in 0..14 {
        let x = 210.0 + 13.0 * post as f32;
        cel.line([x, 244.0], [x + 1.0, 284.0], 1.3, [0.9, 0.87, 0.78]);
    }
    cel.line([204.0, 254.0], [386.0, 255.5], 1.3, [0.9, 0.87, 0.78]);
    cel.line([204.0, 272.0], [386.0, 273.5], 1.3, [0.9, 0.87, 0.78]);
    // A tree with hatching, and grass.
    cel.line([590.0, 300.0], [586.0, 200.0], 9.0, INK);
    cel.line([590.0, 300.0], [586.0, 200.0], 7.0, [0.38, 0.25, 0.16]);
    for (x, y, r) in [(560.0, 180.0, 30.0), (604.0, 168.0, 34.0), (584.0, 146.0, 30.0)] {
        cel.ellipse([x, y], [r, r], [0.2, 0.43, 0.22], Some(1.4));
    }
    for i in 0..12 {
        let x = 556.0 + 5.0 * i as f32;
        cel.line([x, 176.0], [x + 7.0, 162.0], 0.8, [0.11, 0.27, 0.13]);
    }
    for i in 0..60 {
        let x = -20.0 + 12.0 * i as f32;
        let y = 300.0 + 7.0 * (i as f32 * 1.7).sin();
        cel.line([x, y], [x + 3.0, y - 8.0], 0.8, [0.16, 0.33, 0.14]);
        cel.line([x + 2.0, y], [x + 6.5, y - 6.0], 0.8, [0.16, 0.33, 0.14]);
    }
}

fn character(cel: &mut Cel, step: f32) {
    let (sway, bob) = ((step * 0.35).sin(), (step * 0.7).sin());
    let (x, y) = (420.0 + 14.0 * sway, 150.0 + 3.0 * bob);
    let (fur, face, red) = ([0.55, 0.4, 0.3], [0.95, 0.84, 0.7], [0.82, 0.16, 0.14]);
    // Limbs behind the body.
    for (from, to) in [
        ([x - 30.0, y + 68.0], [x - 66.0, y + 92.0 - 10.0 * sway]),
        ([x + 30.0, y + 68.0], [x + 70.0, y + 52.0 + 16.0 * bob]),
        ([x - 16.0, y + 120.0], [x - 24.0, 312.0]),
        ([x + 16.0, y + 120.0], [x + 26.0, 312.0]),
    ] {
        cel.line(from, to, 15.0, INK);
        cel.line(from, to, 11.5, fur);
        cel.ellipse(to, [12.0, 10.0], [0.97, 0.97, 0.95], Some(1.8));
    }
    cel.ellipse([x, y + 92.0], [38.0, 44.0], fur, Some(2.0));
    cel.ellipse([x, y + 106.0], [36.0, 30.0], red, Some(2.0));
    for side in [-1.0f32, 1.0] {
        cel.ellipse([x + side * 12.0, y + 96.0], [4.0, 4.0], [0.97, 0.9, 0.4], Some(1.2));
        cel.ellipse([x + side * 40.0, y - 34.0], [22.0, 22.0], fur, Some(2.0));
        cel.ellipse([x + side * 40.0, y - 32.0], [12.0, 12.0], [0.86, 0.6, 0.55], Some(1.2));
    }
    cel.ellipse([x, y], [46.0, 42.0], fur, Some(2.2));
    cel.ellipse([x, y + 12.0], [32.0, 26.0], face, Some(1.6));
    for side in [-1.0f32, 1.0] {
        cel.ellipse([x + side * 13.0, y - 8.0], [9.0, 14.0], [0.98, 0.98, 0.98], Some(1.5));
        cel.ellipse([x + side * 11.0, y - 4.0], [4.0, 6.0], INK, None);
        cel.ellipse([x + side * 10.0, y - 7.0], [1.4, 1.8], [0.99, 0.99, 0.99], None);
        for whisker in 0..3 {
            let tilt = (whisker as f32 - 1.0) * 8.0;
            cel.line([x + side * 16.0, y + 15.0], [x + side * 62.0, y + 13.0 + tilt], 0.7, INK);
        }
    }
    cel.ellipse([x, y + 9.0], [8.0, 5.0], INK, None);
    cel.line([x - 14.0, y + 24.0], [x, y + 29.0 + bob], 1.6, INK);
    cel.line([x, y + 29.0 + bob], [x + 14.0, y + 24.0], 1.6, INK);
}
