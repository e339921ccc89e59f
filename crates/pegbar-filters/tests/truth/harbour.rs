//! A second drawn scene, on which nothing was tuned: a harbour at dusk, with rigging, brickwork, checks and stripes.
//!
//! The camera pans the other way and faster than in [`super::cartoon`], a ship rolls on ones, gulls fly on threes,
//! and nothing stands still but a caption.

use pegbar_frame::PlanarImage;

use super::cel::{Cel, Colour, INK};

/// The frames `0..n` of the scene, RGB.
pub fn frames(n: usize, width: usize, height: usize) -> Vec<PlanarImage> {
    (0..n).map(|i| frame(i, width, height)).collect()
}

/// One frame of the scene, RGB.
pub fn frame(index: usize, width: usize, height: usize) -> PlanarImage {
    let t = index as f32;
    let mut cel = Cel::new(width, height);
    cel.sky([0.28, 0.2, 0.42], [0.95, 0.62, 0.4], [0.12, -0.02, -0.1]);
    cel.pan = [0.5 * t, 0.1 * t];
    cel.ellipse([300.0, 190.0], [26.0, 26.0], [0.99, 0.8, 0.52], None);
    cel.pan = [1.3 * t, 0.25 * t];
    town(&mut cel);
    sea(&mut cel, t);
    cel.pan = [1.3 * t + 3.0 * (0.4 * t).sin(), 0.25 * t + 2.0 * (0.55 * t).sin()];
    ship(&mut cel);
    cel.pan = [2.1 * t, 0.4 * t];
    quay(&mut cel);
    cel.pan = [-2.5 * (index / 3 * 3) as f32, 0.0];
    gulls(&mut cel, (index / 3) as f32);
    cel.pan = [0.0; 2];
    cel.text("HARBOR LANE 19", 330.0, 330.0, 14.0, 1.7, [0.98, 0.95, 0.88], Some(INK));
    cel.image
}

fn town(cel: &mut Cel) {
    cel.hill(214.0, 15.0, 0.017, [0.34, 0.29, 0.46], 1.0);
    const WALLS: [Colour; 4] = [[0.86, 0.55, 0.36], [0.6, 0.66, 0.7], [0.76, 0.72, 0.5], [0.52, 0.36, 0.42]];
    for i in 0..9 {
        let (x, top) = (-150.0 + 74.0 * i as f32, 168.0 + 17.0 * (i as f32 * 2.3).sin());
        let (right, wall) = (x + 58.0, WALLS[i % 4]);
        cel.polygon(&[[x, top], [right, top], [right, 246.0], [x, 246.0]], wall, Some(1.5));
        cel.polygon(
            &[[x - 5.0, top], [x + 29.0, top - 27.0], [right + 5.0, top]],
            [0.3, 0.16, 0.2],
            Some(1.5),
        );
        for window in 0..4 {
            let (wx, wy) = (x + 10.0 + 25.0 * (window % 2) as f32, top + 12.0 + 26.0 * (window / 2) as f32);
            let lit = if (i + window) % 3 == 0 { [1.0, 0.9, 0.5] } else { [0.2, 0.22, 0.34] };
            cel.polygon(
                &[[wx, wy], [wx + 13.0, wy], [wx + 13.0, wy + 17.0], [wx, wy + 17.0]],
                lit,
                Some(1.1),
            );
            cel.line([wx + 6.5, wy], [wx + 6.5, wy + 17.0], 0.9, INK);
        }
    }
    // A lighthouse with checks.
    for row in 0..9 {
        for column in 0..3 {
            let (y, half) = (70.0 + 17.0 * row as f32, 15.0 + 1.3 * row as f32);
            let (left, wide) = (548.0 - half + 2.0 * half * column as f32 / 3.0, 2.0 * half / 3.0);
            let colour = if (row + column) % 2 == 0 { [0.9, 0.12, 0.16] } else { [0.95, 0.94, 0.9] };
            cel.polygon(
                &[[left, y], [left + wide, y], [left + wide, y + 17.0], [left, y + 17.0]],
                colour,
                None,
            );
        }
    }
    cel.line([533.0, 70.0], [522.0, 223.0], 1.8, INK);
    cel.line([563.0, 70.0], [574.0, 223.0], 1.8, INK);
    cel.polygon(&[[536.0, 70.0], [560.0, 70.0], [556.0, 48.0], [540.0, 48.0]], [1.0, 0.93, 0.6], Some(1.6));
}

fn sea(cel: &mut Cel, t: f32) {
    cel.hill(244.0, 1.5, 0.06, [0.16, 0.3, 0.42], 1.2);
    for row in 0..8 {
        for i in 0..22 {
            let (x, y) = (-170.0 + 38.0 * i as f32 + 13.0 * row as f32, 252.0 + 9.0 * row as f32);
            let lift = 2.0 * (0.5 * t + i as f32).sin();
            cel.line([x, y + lift], [x + 11.0, y - lift], 0.9, [0.62, 0.68, 0.74]);
            cel.line([x + 11.0, y - lift], [x + 20.0, y + 1.0], 0.9, [0.62, 0.68, 0.74]);
        }
    }
}

fn ship(cel: &mut Cel) {
    for x in [214.0, 290.0] {
        cel.line([x, 96.0], [x, 238.0], 4.4, INK);
        cel.line([x, 96.0], [x, 238.0], 2.6, [0.5, 0.33, 0.2]);
        for rope in 0..6 {
            let foot = x - 32.0 + 13.0 * rope as f32;
            cel.line([x, 100.0 + 3.0 * rope as f32], [foot, 232.0], 0.7, INK);
        }
    }
    // Sails with stripes.
    for (x, colour) in [(204.0, [0.95, 0.9, 0.78]), (280.0, [0.93, 0.86, 0.7])] {
        cel.polygon(
            &[[x - 30.0, 116.0], [x + 34.0, 112.0], [x + 42.0, 192.0], [x - 36.0, 196.0]],
            colour,
            Some(1.7),
        );
        for stripe in 0..5 {
            let y = 124.0 + 15.0 * stripe as f32;
            cel.line([x - 30.0, y], [x + 36.0, y - 3.0], 4.0, [0.72, 0.14, 0.22]);
        }
    }
    cel.polygon(
        &[[150.0, 228.0], [352.0, 222.0], [330.0, 276.0], [176.0, 278.0]],
        [0.2, 0.45, 0.4],
        Some(2.3),
    );
    cel.line([160.0, 240.0], [344.0, 235.0], 3.0, [0.95, 0.76, 0.2]);
    for porthole in 0..7 {
        cel.ellipse([184.0 + 23.0 * porthole as f32, 256.0], [5.0, 5.0], [0.98, 0.9, 0.6], Some(1.6));
    }
    cel.polygon(&[[214.0, 96.0], [240.0, 88.0], [238.0, 78.0], [214.0, 80.0]], [0.1, 0.35, 0.85], Some(1.0));
}

fn quay(cel: &mut Cel) {
    cel.polygon(
        &[[-260.0, 296.0], [760.0, 296.0], [760.0, 420.0], [-260.0, 420.0]],
        [0.5, 0.36, 0.32],
        Some(2.0),
    );
    for row in 0..6 {
        let y = 307.0 + 11.0 * row as f32;
        cel.line([-260.0, y], [760.0, y], 0.9, [0.3, 0.2, 0.2]);
        for brick in 0..44 {
            let x = -250.0 + 22.0 * brick as f32 + if row % 2 == 0 { 11.0 } else { 0.0 };
            cel.line([x, y - 11.0], [x, y], 0.9, [0.3, 0.2, 0.2]);
        }
    }
    // A crane of thin bars, and crates.
    for bar in 0..11 {
        let y = 150.0 + 13.0 * bar as f32;
        cel.line([34.0, y], [52.0, y + 13.0], 0.8, INK);
        cel.line([52.0, y], [34.0, y + 13.0], 0.8, INK);
    }
    for x in [34.0, 52.0] {
        cel.line([x, 150.0], [x, 296.0], 2.0, INK);
    }
    cel.line([43.0, 150.0], [150.0, 128.0], 2.6, INK);
    cel.line([140.0, 130.0], [140.0, 262.0], 0.6, INK);
    for (x, y, colour) in [
        (118.0, 262.0, [0.85, 0.66, 0.3]),
        (430.0, 264.0, [0.3, 0.55, 0.75]),
        (468.0, 270.0, [0.75, 0.35, 0.3]),
    ] {
        cel.polygon(&[[x, y], [x + 42.0, y], [x + 42.0, y + 33.0], [x, y + 33.0]], colour, Some(1.9));
        cel.line([x, y], [x + 42.0, y + 33.0], 1.2, INK);
        cel.line([x + 42.0, y], [x, y + 33.0], 1.2, INK);
    }
}

fn gulls(cel: &mut Cel, beat: f32) {
    for (x, y) in [(420.0, 60.0), (462.0, 84.0), (520.0, 40.0), (380.0, 104.0)] {
        let wing = 7.0 * (1.3 * beat + x).sin();
        for (tip, rim) in [(-1.0f32, 4.2), (1.0, 4.2), (-1.0, 2.4), (1.0, 2.4)] {
            let colour = if rim > 3.0 { INK } else { [0.97, 0.97, 0.99] };
            cel.line([x, y], [x + tip * 17.0, y - wing], rim, colour);
        }
        cel.ellipse([x, y + 1.0], [6.0, 3.4], [0.97, 0.97, 0.99], Some(1.1));
    }
}
